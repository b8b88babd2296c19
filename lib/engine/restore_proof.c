#include "lib/engine/restore_proof.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/file.h"
#include "lib/format/provenance.h"

/* pagesum of the pages in the file; a page size that is one was seen to. */
static int
sum_file(int fd, uint64_t size, uint32_t page_size, uint8_t *buf,
    struct pagesum *total, struct err *e)
{
	uint32_t pgno = 1;
	ssize_t got;

	*total = (struct pagesum){ 0 };
	for (uint64_t at = 0; at < size; at += (uint64_t)got) {
		got = file_pread(fd, buf, PROOF_BUF, at, e);
		if (got == -1)
			return err_in(e, "unfinished file");
		if (got == 0 || got % page_size != 0)
			return err_set(e, ERR_IO,
			    "unfinished file: it ends at byte %" PRIu64,
			    at + (uint64_t)got);
		for (ssize_t i = 0; i < got; i += page_size)
			pagesum_xor(
			    total, pagesum_of(pgno++, buf + i, page_size));
	}
	return 0;
}

int
proof_sum(int fd, uint64_t size, const struct provenance *pv, uint8_t *buf,
    struct err *e)
{
	struct pagesum sum;

	if (size != (uint64_t)pv->pages * pv->page_size)
		return err_set(e, ERR_CORRUPT,
		    "restored to %" PRIu64 " bytes, not to the %" PRIu32
		    " pages of %" PRIu32 " bytes that were backed up",
		    size, pv->pages, pv->page_size);
	if (sum_file(fd, size, pv->page_size, buf, &sum, e) == -1)
		return -1;
	if (!pagesum_equal(sum, pv->sum))
		return err_set(e, ERR_CORRUPT,
		    "what was restored does not have the checksum of what was "
		    "backed up");
	return 0;
}

/* SQLite's name for the file: a URI, so that it can be called immutable. */
static void
uri_of(struct buf *uri, const char *path)
{
	buf_adds(uri, "file:");
	if (path[0] != '/')
		buf_adds(uri, "./");
	for (; *path != '\0'; path++)
		if (strchr("%?#", *path) != NULL)
			buf_addf(uri, "%%%02X", (unsigned)*path);
		else
			buf_add(uri, path, 1);
	buf_adds(uri, "?immutable=1");
}

/* A collation of the application's: quick_check does not depend on the order,
 * only on there being one. */
static int
compare(void *unused, int n, const void *a, int m, const void *b)
{
	int c = memcmp(a, b, (size_t)(n < m ? n : m));

	(void)unused;
	return c != 0 ? c : n - m;
}

static void
any_collation(void *unused, sqlite3 *db, int encoding, const char *name)
{
	(void)unused;
	(void)sqlite3_create_collation(db, name, encoding, NULL, compare);
}

/* SQLITE_ERROR is a schema that needs what only the application has. */
static int
sqlite_failed(sqlite3 *db, int code, struct err *e)
{
	int system = code & 0xff;

	if (system == SQLITE_ERROR) {
		err_set(e, ERR_CORRUPT, "SQLite cannot check it: %s",
		    sqlite3_errmsg(db));
		return err_hint(e, "--check none restores it unchecked");
	}
	return err_set(e, system == SQLITE_IOERR ? ERR_IO : ERR_CORRUPT,
	    "SQLite's check: %s", sqlite3_errmsg(db));
}

static int
ask(sqlite3 *db, const char *pragma, struct err *e)
{
	sqlite3_stmt *q = NULL;
	const char *answer;
	int code, rc = -1;

	code = sqlite3_prepare_v2(db, pragma, -1, &q, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_step(q);
	if (code != SQLITE_ROW) {
		sqlite_failed(db, code, e);
		goto out;
	}
	answer = (const char *)sqlite3_column_text(q, 0);
	if (answer == NULL || strcmp(answer, "ok") != 0) {
		err_set(e, ERR_CORRUPT, "SQLite's check: %.*s",
		    (int)strcspn(answer ? answer : "?", "\n"),
		    answer ? answer : "?");
		goto out;
	}
	rc = 0;
out:
	(void)sqlite3_finalize(q);
	return rc;
}

int
proof_sqlite(const char *path, bool full, struct err *e)
{
	struct buf uri = { 0 };
	sqlite3 *db = NULL;
	int code, rc = -1;

	uri_of(&uri, path);
	code = sqlite3_open_v2(buf_str(&uri), &db,
	    SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
	if (code != SQLITE_OK) {
		sqlite_failed(db, code, e);
		goto out;
	}
	if (!full)
		(void)sqlite3_collation_needed(db, NULL, any_collation);
	rc = ask(db,
	    full ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)", e);
out:
	(void)sqlite3_close(db);
	buf_release(&uri);
	return rc;
}
