/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay -- where in a WAL the newest image of each page is.
 *
 * Built in one of two ways.  Nobody has the WAL open: by following the chain of
 * frames, as recovery would; each must carry the header's salts and continue
 * the running checksum (sqlite.org/fileformat2.html 4.2), and what stands
 * behind the last commit frame is not part of it.  Somebody has it open: by the
 * wal-index, which is all that a connection goes by.  SQLite up to 3.40.1 at
 * least leaves frames without salts and checksum inside of what it commits (a
 * savepoint rolled back over frames that had been spilled), where the chain
 * ends for good, while its connections go on.  8 bytes a frame.
 */
#ifndef LSPP_SOURCE_OVERLAY_H
#define LSPP_SOURCE_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/sqlite/wal.h"

struct err;

struct overlay_entry {
	uint32_t pgno, frame;
};

/* { 0 } is empty.  Sorted by page, one entry each, after overlay_seal(). */
struct overlay {
	struct overlay_entry *v;
	size_t n, cap;
};

/* Where a chain was followed to: the last commit frame and what it says. */
struct overlay_end {
	uint32_t frame; /* 0: none was met */
	uint32_t pages; /* database size */
	uint32_t sum[2];
	uint32_t walked; /* the last frame that continued the chain */
	bool cut; /* the file ended where the next frame would have stood */
};

/*
 * Follow the chain in fd from the frame after 'from', where the running
 * checksum is sum, to frame 'limit' at most, and add every frame up to the last
 * commit.  h gives page size, salts and byte order.  The end of the chain is no
 * error: *end says where it was.  -1 only when reading fails.
 */
int overlay_follow(struct overlay *o, int fd, const struct wal_hdr *h,
    uint32_t from, const uint32_t sum[2], uint32_t limit,
    struct overlay_end *end, struct err *e);

/*
 * Add the frames from 'from' + 1 to 'to' as the wal-index in fd has them.  1;
 * 0: it has a page number that cannot be, or ends before; -1.
 */
int overlay_from_index(
    struct overlay *o, int fd, uint32_t from, uint32_t to, struct err *e);

void overlay_seal(struct overlay *o);

/* The frame that holds pgno, 0 if none does.  After overlay_seal(). */
uint32_t overlay_find(const struct overlay *o, uint32_t pgno);

void overlay_reset(struct overlay *o);
void overlay_release(struct overlay *o);

#endif
