/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walindex -- SQLite's wal-index (the -shm file) as bytes: its header, and the
 * page numbers of the frames.
 *
 * Source: sqlite.org/walformat.html section 2 ("The WAL-Index File Format");
 * the order of writes is that of walIndexWriteHdr(), walRestartHdr() and
 * walCheckpoint() in SQLite's wal.c.  Integers are in the byte order of the
 * machine, but for the salts, which are copied from the WAL header as they
 * are.
 *
 * The file is memory that its connections change while it is read: no read()
 * of it is atomic, however short.  What makes a moment of it:
 *
 *	- of the header a writer changes the second copy first, then the first.
 *	  So the first is read first: if the two are equal, and the checksum is
 *	  right, they are one header that was published.
 *	- nBackfill and nBackfillAttempted stand outside of it.  A restart
 *	  publishes the header of the new WAL before it sets them to 0, a
 *	  checkpoint changes them alone.  So they are read twice, between two
 *	  readings of the header: all the same, they belong together.
 *	- and the numbers must make sense together.
 *
 * SQLite before 3.10 knows of no nBackfillAttempted: it leaves there what it
 * finds, 0 or what a later one stored, so it is no part of that sense.
 *
 * Why it is so:
 *
 * The wal-index is memory that changes under a read.  walindex.h reads it in
 * the order that its writers make consistent, twice, and refuses numbers that
 * make no sense together.  No single read of it is trusted, however short.
 */
#ifndef LSPP_SQLITE_WALINDEX_H
#define LSPP_SQLITE_WALINDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes that connections lock (walformat.html 2.3). */
#define WALINDEX_WRITE_BYTE 120 /* by whoever has a transaction under way */
#define WALINDEX_DMS_BYTE   128 /* shared, by each while it is open */

struct walindex {
	uint32_t page_size;
	uint32_t frames; /* mxFrame: last frame of the last commit */
	uint32_t pages;  /* database size after it */
	uint32_t sum[2]; /* running checksum at that frame */
	uint32_t salt[2];
	/* frames checkpointed, and those that a checkpoint has begun with; of
	 * an old SQLite anything: it may only ever make one more careful */
	uint32_t backfill, backfill_attempted;
};

/* Read n bytes at an offset into p: 1; 0: the file ends before; -1. */
typedef int walindex_get(void *ctx, uint64_t at, void *p, size_t n);

/*
 * Read the header in an order that makes it one moment.  1: *x is what was
 * published, and its numbers make sense; 0: not initialized, or caught in the
 * middle of a change: look again; -1: get failed.
 */
int walindex_read(struct walindex *x, walindex_get *get, void *ctx);

/*
 * Where the number of the page in frame n (from 1) stands, 4 bytes of native
 * order, and how many of the frames from n on have theirs right behind it.
 */
uint64_t walindex_pgno_at(uint32_t frame, uint32_t *run);

#endif
