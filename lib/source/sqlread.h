/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlread -- every page of a live database, as SQLite itself reads it.
 *
 * A second opinion on source/source, which finds pages by code of its own: here
 * SQLite's locks, wal-index and pager decide which state is the committed one
 * and where its pages are.  What makes the pager read them all is a backup to
 * nowhere, and pagetap tells what it reads: page 1 as well, of which a backup
 * changes some bytes.
 *
 *	WAL	one read transaction; no writer waits for it
 *	journal	SHARED for 256 KiB at a time: SQLite begins again if the
 *		database was changed in between.  A writer waits for one such
 *		moment
 *	alone	a WAL database that nobody has open, and so without a wal-index
 *		that could be read: SQLite follows its WAL as after a crash, in
 *		memory.  Locks are not taken: source/source must hold it still
 *		by its signature, from before to behind it.
 *
 * Why it is so:
 *
 * A second opinion (--against-source) must not share what it is to find the
 * errors of.  So SQLite reads the database (sqlread.h), and not by a query,
 * since it is pages that are compared: a backup to nowhere makes its pager
 * read each one, and a VFS listens (pagetap.h).  The pages that the backup
 * writes would do but for page 1, of which it changes the change counter and
 * three more fields.  In WAL mode that is one transaction.  In rollback mode
 * it is SHARED for 256 KiB at a time, and SQLite begins again if something was
 * committed in between, so a writer waits for a moment.  A WAL database that
 * nobody has open cannot be read so, since its wal-index would have to be
 * made: there SQLite gets no locks and makes an index in its memory, over the
 * same chain that source.h follows by itself, and the signature holds it
 * still.  What is left goes by the files.
 */
#ifndef LSPP_SOURCE_SQLREAD_H
#define LSPP_SOURCE_SQLREAD_H

#include <stdbool.h>
#include <stdint.h>

struct err;

struct sqlread {
	/*
	 * A state begins: what came before is of none.  Then its pages,
	 * ascending from 1, but for the one at byte 2^30 that SQLite never uses
	 * (sqlite.org/fileformat2.html 1.3).  -1 with e filled ends it.
	 */
	int (*begin)(void *ctx, uint32_t page_size, struct err *e);
	int (*page)(
	    void *ctx, uint32_t pgno, const uint8_t *page, struct err *e);
	void *ctx;
	bool alone;
	/* Filled: */
	uint32_t pages; /* in the database */
	bool wal;       /* it was one transaction, of a database in WAL mode */
};

/*
 * The page that is never used, for a page size.
 */
uint32_t sqlread_lock_page(uint32_t page_size);

/*
 * path: absolute, without symbolic links.  1: all of one committed state came;
 * 0: SQLite cannot read it here, or now, without writing, and e says why;
 * -1: begin() or page() failed.
 */
int sqlread(struct sqlread *r, const char *path, struct err *e);

#endif
