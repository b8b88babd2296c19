/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walread -- the bytes of a WAL, as they come, to its frames.
 *
 * For whoever reads segments of a replica: to a file (restore_apply), to sums
 * (replay), or to a record (ship_adopt).  What is checked here is checked for
 * all of them alike: that header and page size belong to the database, that
 * each frame continues the chain of salts and checksums (sqlite.org/
 * fileformat2.html 4.2), and that no page and no commit is larger than it can
 * be (lib/sqlite/growth.h).  What the frames are for is the caller's.
 *
 *	walread_start, or to go on behind a frame, walread_go_on
 *	walread_feed ...
 */
#ifndef LSPP_REPLICA_WAL_WALREAD_H
#define LSPP_REPLICA_WAL_WALREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/replica/codec/pos.h"
#include "lib/sqlite/growth.h"
#include "lib/sqlite/wal.h"

struct err;

struct walread {
	uint64_t log;          /* where it begins */
	uint64_t pos;          /* bytes so far, the header included */
	uint32_t frames;       /* so far */
	struct wal_hdr hdr;    /* page_size is the database's */
	uint32_t sum[2];       /* of the chain, behind the last frame */
	struct growth *growth; /* borrowed; NULL: commits are not judged */
	/* private: a unit of which not all has come */
	uint8_t *unit;
	size_t have;
};

/* A frame that follows the one before.  -1 with e ends the feed. */
typedef int walread_frame(
    void *ctx, const struct wal_frame *f, const uint8_t *page, struct err *e);

void walread_init(struct walread *w, struct growth *growth);
void walread_release(struct walread *w);

/* From the header on of the log that is at that place (walpos.h), of a database
 * with that page size. */
void walread_start(struct walread *w, uint64_t at, uint32_t page_size);
/* Likewise at any place of a log. */
void walread_go_on(
    struct walread *w, uint64_t at, const struct chain *c, uint32_t page_size);
/* The place behind the last byte, and what a log goes on from there. */
uint64_t walread_at(const struct walread *w);
void walread_chain(const struct walread *w, struct chain *c);

/* Failures of the bytes are ERR_CORRUPT. */
int walread_feed(struct walread *w, const uint8_t *p, size_t n,
    walread_frame *frame, void *ctx, struct err *e);

/* Has part of a header or a frame come, and not the rest? */
bool walread_is_cut(const struct walread *w);

/*
 * Collect a unit of need bytes, of 65,536 at most, or of a frame: true with
 * *unit, valid until the next call, when it is whole; *p and *n move on.  For
 * other streams with units, too.
 */
bool walread_unit(struct walread *w, size_t need, const uint8_t **p, size_t *n,
    const uint8_t **unit);
/* That unit was the beginning, n bytes, of the next one. */
void walread_keep(struct walread *w, const uint8_t *unit, size_t n);

#endif
