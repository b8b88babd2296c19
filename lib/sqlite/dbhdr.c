/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sqlite/dbhdr.h"

#include <string.h>

#include "lib/base/be.h"
#include "lib/base/err.h"

enum {
	AT_PAGE_SIZE = 16,
	AT_READ_VERSION = 19,
	AT_RESERVED = 20,
	AT_FRACTIONS = 21,
	AT_CHANGE_COUNTER = 24,
	AT_PAGES = 28,
	AT_APPLICATION_ID = 68,
	AT_VERSION_VALID_FOR = 92,
	LEAF = 13, /* of a table; */
	AT_CELLS = 3,
	VERSION_WAL = 2,
	USABLE_MIN = 480,
};

static const char magic[16] = "SQLite format 3";

bool
dbhdr_magic(const uint8_t *p, size_t n)
{
	return n >= sizeof(magic) && memcmp(p, magic, sizeof(magic)) == 0;
}

int
dbhdr_parse(struct dbhdr *h, const uint8_t p[DBHDR_SIZE], struct err *e)
{
	uint32_t size = be16(p + AT_PAGE_SIZE);

	if (!dbhdr_magic(p, DBHDR_SIZE))
		return err_set(e, ERR_CORRUPT, "not an SQLite database");
	/* 65536 does not fit into two bytes: it is written as 1. */
	h->page_size = size == 1 ? 65536 : size;
	if (h->page_size < 512 || (h->page_size & (h->page_size - 1)) != 0)
		return err_set(
		    e, ERR_CORRUPT, "database page size is %u", h->page_size);
	h->wal = p[AT_READ_VERSION] == VERSION_WAL;
	h->change_counter = be32(p + AT_CHANGE_COUNTER);
	h->version_valid_for = be32(p + AT_VERSION_VALID_FOR);
	h->pages = be32(p + AT_PAGES);
	h->application_id = be32(p + AT_APPLICATION_ID);
	return 0;
}

bool
dbhdr_no_schema(const uint8_t *page)
{
	const uint8_t *btree = page + DBHDR_SIZE;

	return btree[0] == LEAF && be16(btree + AT_CELLS) == 0;
}

uint32_t
dbhdr_pages(const struct dbhdr *h, uint64_t file_size)
{
	uint64_t n;

	if (h->pages != 0 && h->version_valid_for == h->change_counter)
		return h->pages;
	/* A page begun counts, as in SQLite. */
	n = file_size / h->page_size + (file_size % h->page_size != 0);
	return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

int
dbhdr_check(const uint8_t p[DBHDR_SIZE], uint32_t page_size, uint32_t pages,
    struct err *e)
{
	static const uint8_t fractions[] = { 64, 32, 32 };
	struct dbhdr h = { .page_size = page_size };

	if (dbhdr_parse(&h, p, e) == -1)
		return -1;
	if (h.page_size != page_size)
		return err_set(e, ERR_CORRUPT,
		    "page 1 says a page size of %u, not %u", h.page_size,
		    page_size);
	if (p[AT_READ_VERSION] > VERSION_WAL)
		return err_set(e, ERR_CORRUPT,
		    "file format %u: of a later SQLite", p[AT_READ_VERSION]);
	if (memcmp(p + AT_FRACTIONS, fractions, sizeof(fractions)) != 0 ||
	    page_size - p[AT_RESERVED] < USABLE_MIN)
		return err_set(e, ERR_CORRUPT,
		    "not an SQLite database: "
		    "SQLite writes no such header");
	if (dbhdr_pages(&h, (uint64_t)pages * page_size) > pages)
		return err_set(e, ERR_CORRUPT,
		    "page 1 says %u pages, but there are %u", h.pages, pages);
	return 0;
}
