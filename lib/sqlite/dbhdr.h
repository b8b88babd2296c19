/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dbhdr -- the 100 bytes at the start of an SQLite database.
 *
 * Source: sqlite.org/fileformat2.html section 1.3.
 *
 * Room sqlite: SQLite's own bytes: the header of a database, a WAL and its
 *     frames, the wal-index, the names of the files beside a database; and the
 *     sum of a page.  A frame is parsed in wal.h.
 * Used by: source, replica, state, scan, choose, restore, mirror, hot, ship.
 * Never: opens a file, calls SQLite, trusts a number that it read.
 */
#ifndef LSPP_SQLITE_DBHDR_H
#define LSPP_SQLITE_DBHDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define DBHDR_SIZE           100
#define DBHDR_READ_VERSION   19         /* a byte: 2 in WAL mode */
#define DBHDR_APPLICATION_ID 0x6c737070 /* "lspp": our own state */

struct dbhdr {
	uint32_t page_size;
	bool wal; /* read version 2: journal_mode=WAL */
	uint32_t change_counter, version_valid_for;
	uint32_t pages; /* size in pages as the header has it */
	uint32_t application_id;
};

/* Do n bytes begin like a database ("SQLite format 3", NUL)? */
bool dbhdr_magic(const uint8_t *p, size_t n);

/* ERR_CORRUPT: not a database, or a page size that cannot be. */
int dbhdr_parse(struct dbhdr *h, const uint8_t p[DBHDR_SIZE], struct err *e);

/*
 * The size in pages of a database without a WAL, from its header and its file
 * size: the header's if it is valid (version-valid-for equals the change
 * counter and it is not 0), else the file's, as SQLite itself decides.
 */
uint32_t dbhdr_pages(const struct dbhdr *h, uint64_t file_size);

/*
 * Does page 1, a whole one, list no table, index, view or trigger?  It is the
 * root of sqlite_schema: then a leaf without a cell (fileformat2.html 1.6).
 */
bool dbhdr_no_schema(const uint8_t *page);

/*
 * Would SQLite read a database of that many pages of that size whose page 1
 * begins so?  ERR_CORRUPT says why not: what it looks at when it takes a
 * read lock (btree.c, lockBtree()).  A write version that it does not know
 * (byte 18) only means that it writes nothing.
 */
int dbhdr_check(const uint8_t p[DBHDR_SIZE], uint32_t page_size, uint32_t pages,
    struct err *e);

#endif
