/* SPDX-License-Identifier: Apache-2.0 */
/*
 * growth -- how large a log can make a database.
 *
 * A commit frame says how many pages the database has from then on: 4 bytes
 * that may be anything, and the next loop runs over all of them.  But a page
 * that a transaction adds to a database stands in a frame of it, or it was
 * never written, and then it is free: a leaf of the free list, whose number
 * stands in a trunk page (sqlite.org/fileformat2.html 1.5), which stands in a
 * frame of the same transaction.  (There is one more, that of the lock, which
 * is never written: 1.2.)  A frame has a checksum of 8 bytes, a number 4; all
 * are different, so that LZ4 makes three of the four at best.  So each page
 * that is added costs more than two bytes of what is read, packed or not.
 *
 * What a log makes a database grow by, all in all, is held to that: growing,
 * shrinking and growing again is paid for each time.  It is the one bound on
 * what the size in a commit frame can cost.
 *
 * Pure.
 *
 * Why it is so:
 *
 * What a hostile replica can cost: the first bytes of a snapshot and each
 * frame's checksum are looked at before anything behind them is unpacked; a
 * commit cannot make a database larger than what was read can pay for
 * (growth.h, the one bound, which verification and the reading of a source
 * share); a listing ends at 4096 generations.  A snapshot that begins like a
 * database can still fill the disk, as an honest one can.
 */
#ifndef LSPP_SQLITE_GROWTH_H
#define LSPP_SQLITE_GROWTH_H

#include <stdint.h>

struct err;

/* SQLite's own bound on the number of pages (SQLITE_MAX_PAGE_COUNT). */
#define GROWTH_PAGES_MAX 4294967294u

struct growth {
	uint32_t pages; /* of the database now */
	uint64_t bytes; /* read so far, that growing has not used up */
};

/* A database of that many pages, before any of a log; keeps the bytes. */
void growth_from(struct growth *g, uint32_t pages);

/* n more bytes of the log, or of the object it is packed into, are read. */
void growth_read(struct growth *g, uint64_t n);

/* A commit says that many pages.  ERR_CORRUPT: more than there can be. */
int growth_commit(struct growth *g, uint32_t pages, struct err *e);

#endif
