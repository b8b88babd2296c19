/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vwal -- the WAL that lspp writes itself, whatever the source's looks like.
 *
 * Each index of a generation is one WAL file with a header and salts of its
 * own.  Each changeset is appended as one transaction: every changed page once,
 * ascending, the last frame a commit frame with the database size.  The
 * running checksum goes on from segment to segment of an index, so that the
 * segments, concatenated, are a WAL that SQLite recovers.
 *
 * Bytes go to an object encoder.  The last page is held back, because only the
 * end of the changeset tells which frame commits.
 *
 * Why it is so:
 *
 * What goes out is not a copy of the application's WAL but one that lspp
 * writes: for each index a header with salts of its own, for each ship one
 * transaction with each changed page once.  So an application may checkpoint,
 * restart or delete its WAL as it likes, rollback databases ship incrementally
 * too, a page rewritten fifty times is sent once, and there is one writer of
 * segments whatever the source.  Litestream 0.3 and 0.5 restore it.
 *
 * Whether a page changed is decided by its sum (XXH3-128) against the sum in
 * the state.  Which pages are looked at is only a hint, and need only be a
 * superset: tail (frames behind the last position in the same WAL), recovered
 * (the WAL restarted once since, and the old frames still stand, up to one
 * that does not belong to them: where the file ends instead, it may have been
 * cut by journal_size_limit), diff (all pages).
 */
#ifndef LSPP_REPLICA_WAL_VWAL_H
#define LSPP_REPLICA_WAL_VWAL_H

#include <stdint.h>

#include "lib/replica/codec/pos.h"
#include "lib/sqlite/wal.h"

struct err;
struct object_enc;

struct vwal {
	struct object_enc *out;
	struct wal_hdr hdr;
	uint32_t sum[2];
	uint32_t frames; /* added so far */
	uint32_t pgno;   /* the page held back, 0: none */
	uint8_t *page;   /* room for one, kept between changesets */
	uint32_t page_room;
};

/*
 * Begin a changeset at that position (walpos.h).  At offset 0 of an index the
 * header is written, with the salts of the chain and the number of the index;
 * else the chain is where the checksum goes on.
 * A vwal of { 0 } is ready for its first; vwal_release() at the end.
 */
int vwal_begin(struct vwal *v, struct object_enc *out, uint32_t page_size,
    uint64_t at, const struct chain *c, struct err *e);
/* New salts, for offset 0. */
int vwal_salts(struct chain *c, struct err *e);
int vwal_add(struct vwal *v, uint32_t pgno, const uint8_t *page, struct err *e);
/* Commit with a database of that many pages; *c is what comes next goes on
 * from. */
int vwal_commit(struct vwal *v, uint32_t pages, struct chain *c, struct err *e);
void vwal_release(struct vwal *v);

#endif
