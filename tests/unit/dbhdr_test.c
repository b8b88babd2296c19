/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sqlite/dbhdr.h"

#include <sqlite3.h>
#include <stdlib.h>

#include "lib/base/be.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "tests/unit/tap.h"

/* The image of a database that sql makes; sqlite3_free() it. */
static uint8_t *
image(const char *sql, sqlite3_int64 *size)
{
	sqlite3 *db = NULL;
	uint8_t *p = NULL;

	if (sqlite3_open(":memory:", &db) == SQLITE_OK &&
	    sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
		p = sqlite3_serialize(db, "main", size, 0);
	sqlite3_close(db);
	return p;
}

static void
test_real(unsigned page_size)
{
	char *sql = xasprintf("PRAGMA page_size=%u;"
			      "PRAGMA application_id=0x6c737070;"
			      "CREATE TABLE t(a);",
	    page_size);
	sqlite3_int64 size = 0;
	uint8_t *p = image(sql, &size);
	struct dbhdr h = { 0 };
	struct err e;

	free(sql);
	if (!ok(p != NULL && size >= DBHDR_SIZE, "page size %u", page_size))
		return;
	ok(dbhdr_magic(p, (size_t)size), "a database");
	is_int(dbhdr_parse(&h, p, &e), 0, "parsed");
	is_int(h.page_size, page_size, "page size");
	is_int(h.pages, 2, "pages");
	is_int(h.application_id, DBHDR_APPLICATION_ID, "application id");
	ok(!h.wal, "no WAL");
	is_int(dbhdr_pages(&h, (uint64_t)size), 2, "size in pages");
	p[18] = p[19] = 2;
	ok(dbhdr_parse(&h, p, &e) == 0 && h.wal, "WAL mode");
	sqlite3_free(p);
}

static void
test_bad(void)
{
	uint8_t p[DBHDR_SIZE] = "SQLite format 3";
	struct dbhdr h;
	struct err e;

	is_int(dbhdr_parse(&h, p, &e), -1, "page size 0");
	is_str(e.msg, "database page size is 0", "says so");
	p[16] = 3;
	is_int(dbhdr_parse(&h, p, &e), -1, "page size 768");
	p[16] = 1;
	is_int(dbhdr_parse(&h, p, &e), -1, "page size 256");
	p[16] = 0x10;
	is_int(dbhdr_parse(&h, p, &e), 0, "page size 4096");
	p[15] = 'x';
	is_int(dbhdr_parse(&h, p, &e), -1, "no NUL behind the name");
	is_int(e.class, ERR_CORRUPT, "class");
	is_str(e.msg, "not an SQLite database", "says so");
	p[15] = '\0';
	ok(dbhdr_magic(p, 16) && !dbhdr_magic(p, 15) && !dbhdr_magic(p, 0),
	    "16 bytes tell");
}

static void
test_pages(void)
{
	struct dbhdr h = { .page_size = 4096,
		.pages = 7,
		.change_counter = 3,
		.version_valid_for = 3 };

	is_int(dbhdr_pages(&h, 36864), 7, "the header's, if it is valid");
	h.version_valid_for = 2;
	is_int(dbhdr_pages(&h, 36864), 9, "else the file's");
	is_int(dbhdr_pages(&h, 36865), 10, "a page begun counts");
	is_int(dbhdr_pages(&h, 0), 0, "an empty file");
	is_int(dbhdr_pages(&h, UINT64_MAX), UINT32_MAX, "beyond any");
	h.version_valid_for = 3;
	h.pages = 0;
	is_int(dbhdr_pages(&h, 8192), 2, "a header without a size");
}

int
main(void)
{
	test_real(512);
	test_real(4096);
	test_real(65536);
	test_bad();
	test_pages();
	return done();
}
