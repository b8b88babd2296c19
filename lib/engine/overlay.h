/*
 * overlay -- where in a WAL the newest image of each page is.
 *
 * Built by following a chain of frames: each must carry the header's salts and
 * continue the running checksum (sqlite.org/fileformat2.html 4.2).  What stands
 * behind the last commit frame is not part of it.  8 bytes a frame.
 */
#ifndef LSPP_ENGINE_OVERLAY_H
#define LSPP_ENGINE_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/format/wal.h"

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

void overlay_seal(struct overlay *o);

/* The frame that holds pgno, 0 if none does.  After overlay_seal(). */
uint32_t overlay_find(const struct overlay *o, uint32_t pgno);

void overlay_reset(struct overlay *o);
void overlay_release(struct overlay *o);

#endif
