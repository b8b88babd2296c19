/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/restore/restore_proof.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/wal/provenance.h"
#include "lib/sqlite/dbfault.h"
#include "lib/sqlite/dbopen.h"
#include "lib/sys/crew.h"
#include "lib/sys/file.h"
#include "lib/sys/stop.h"

enum {
	HELPERS = 7,
	WORTH = 16 << 20, /* bytes for one of them */
};

/* Several threads sum a file up: each takes the next PROOF_BUF bytes. */
struct summing {
	int fd;
	uint64_t size;
	uint32_t page_size; /* that it is one was seen to */
	atomic_uint_fast64_t next;
	atomic_bool failed;
};

/* One of the threads, and what it found. */
struct summer {
	struct summing *all;
	uint8_t *buf; /* PROOF_BUF bytes */
	pthread_t thread;
	struct pagesum sum;
	int rc;
	struct err e;
};

static int
sum_piece(struct summer *t, uint64_t at)
{
	const struct summing *all = t->all;
	uint64_t left = all->size - at;
	size_t n = left < PROOF_BUF ? (size_t)left : PROOF_BUF;
	uint32_t pgno = (uint32_t)(at / all->page_size) + 1;
	ssize_t got = file_pread(all->fd, t->buf, n, at, &t->e);

	if (got == -1)
		return err_in(&t->e, "unfinished file");
	if ((size_t)got != n)
		return err_set(&t->e, ERR_IO,
		    "unfinished file: it ends at byte %" PRIu64,
		    at + (uint64_t)got);
	for (size_t i = 0; i < n; i += all->page_size)
		pagesum_xor(
		    &t->sum, pagesum_of(pgno++, t->buf + i, all->page_size));
	return 0;
}

static void *
sum_pieces(void *arg)
{
	struct summer *t = arg;
	uint64_t at;

	while (t->rc == 0 && !atomic_load(&t->all->failed)) {
		at = atomic_fetch_add(&t->all->next, PROOF_BUF);
		if (at >= t->all->size)
			break;
		if ((t->rc = stop_overdue(&t->e)) == 0)
			t->rc = sum_piece(t, at);
	}
	if (t->rc == -1)
		atomic_store(&t->all->failed, true);
	return NULL;
}

/* Help for the one who waits, as far as there is any and it is worth it. */
static size_t
start_helpers(struct summer *t, size_t max, struct summing *all, struct crew *c)
{
	size_t n = 0;

	while (n < max && all->size > (n + 1) * WORTH && crew_take(c)) {
		t[n].all = all;
		t[n].buf = xmalloc(PROOF_BUF);
		if (pthread_create(&t[n].thread, NULL, sum_pieces, &t[n]) ==
		    0) {
			n++;
			continue;
		}
		free(t[n].buf);
		crew_leave(c);
		break;
	}
	return n;
}

/* pagesum of the pages in the file. */
static int
sum_file(int fd, uint64_t size, uint32_t page_size, uint8_t *buf,
    struct crew *crew, struct pagesum *total, struct err *e)
{
	struct summing all = { .fd = fd, .size = size, .page_size = page_size };
	struct summer t[1 + HELPERS] = { { .all = &all, .buf = buf } };
	size_t n = 1 + start_helpers(t + 1, HELPERS, &all, crew);
	int rc = 0;

	(void)sum_pieces(&t[0]);
	*total = (struct pagesum){ 0 };
	for (size_t i = 0; i < n; i++) {
		if (i > 0) {
			(void)pthread_join(t[i].thread, NULL);
			crew_leave(crew);
			free(t[i].buf);
		}
		pagesum_xor(total, t[i].sum);
		if (t[i].rc == -1) {
			*e = t[i].e;
			rc = -1;
		}
	}
	return rc;
}

int
proof_sum(int fd, uint64_t size, const struct provenance *pv, uint8_t *buf,
    struct crew *crew, struct err *e)
{
	struct pagesum sum;

	if (pv->page_size == 0 || PROOF_BUF % pv->page_size != 0)
		return err_set(e, ERR_CORRUPT,
		    "a page size of %" PRIu32 " was backed up", pv->page_size);
	if (size != (uint64_t)pv->pages * pv->page_size)
		return err_set(e, ERR_CORRUPT,
		    "restored to %" PRIu64 " bytes, not to the %" PRIu32
		    " pages of %" PRIu32 " bytes that were backed up",
		    size, pv->pages, pv->page_size);
	if (sum_file(fd, size, pv->page_size, buf, crew, &sum, e) == -1)
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

/* What SQLite's code says of the file: nothing, if it could not be opened. */
static enum err_class
class_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN: return ERR_IO;
	case SQLITE_NOMEM: return ERR_OS;
	default: return ERR_CORRUPT;
	}
}

/* SQLITE_ERROR is a schema that needs what only the application has. */
static int
sqlite_failed(sqlite3 *db, int code, struct err *e)
{
	if ((errno = dbfault_errno(db)) != 0)
		return err_sys(e, "SQLite's check");
	if ((code & 0xff) == SQLITE_ERROR) {
		err_set(e, ERR_CORRUPT, "SQLite cannot check it: %s",
		    sqlite3_errmsg(db));
		return err_hint(e, "--check none restores it unchecked");
	}
	return err_set(
	    e, class_of(code), "SQLite's check: %s", sqlite3_errmsg(db));
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
	if ((errno = dbfault_errno(db)) != 0) {
		err_sys(e, "SQLite's check");
		goto out;
	}
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

	dbopen_never_waits();
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
