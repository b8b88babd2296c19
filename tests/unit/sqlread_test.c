/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each way in which SQLite can be made to read a live database for us, against
 * what it sees itself.  Applications are child processes: POSIX locks do not
 * show within one.
 */
#include "lib/source/sqlread.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "tests/unit/app_kit.h"

/* -- what was read --------------------------------------------------------- */

struct image {
	struct buf bytes;
	uint32_t page_size, pages;
	unsigned begun;
	bool wal;
	bool count; /* the bytes of the pages alone */
	uint64_t counted;
	uint32_t fail_at; /* page() fails at this page */
};

static int
begin(void *ctx, uint32_t page_size, struct err *e)
{
	struct image *img = ctx;

	(void)e;
	img->page_size = page_size;
	img->begun++;
	buf_reset(&img->bytes);
	return 0;
}

static int
page(void *ctx, uint32_t pgno, const uint8_t *p, struct err *e)
{
	struct image *img = ctx;
	uint64_t at = (uint64_t)(pgno - 1) * img->page_size;

	if (pgno == img->fail_at)
		return err_set(e, ERR_IO, "no more");
	if (img->count) {
		img->counted += img->page_size;
		return 0;
	}
	if (img->bytes.len != at)
		abort(); /* not ascending */
	buf_add(&img->bytes, p, img->page_size);
	return 0;
}

static int
read_into(struct image *img, const char *path, bool alone, struct err *e)
{
	struct sqlread r = {
		.begin = begin, .page = page, .ctx = img, .alone = alone
	};
	int rc;

	img->begun = 0;
	rc = sqlread(&r, path, e);
	img->pages = r.pages;
	img->wal = r.wal;
	return rc;
}

static bool
exists(const char *path, const char *suffix)
{
	char *name = xasprintf("%s%s", path, suffix);
	bool there = access(name, F_OK) == 0;

	free(name);
	return there;
}

static void
check(const char *what, const char *path, bool alone, bool wal)
{
	bool had_shm = exists(path, "-shm"), had_wal = exists(path, "-wal");
	struct image img = { 0 };
	struct err e = { 0 };
	int rc = read_into(&img, path, alone, &e);

	is_int(rc, 1, "%s: is read%s%s", what, rc == 1 ? "" : ": ", e.msg);
	if (rc == 1) {
		is_int(img.wal, wal, "%s: the mode", what);
		is_int((long long)img.pages * img.page_size, img.bytes.len,
		    "%s: all pages", what);
		is_int(img.begun, 1, "%s: begun once", what);
		ok(exists(path, "-shm") == had_shm &&
			exists(path, "-wal") == had_wal,
		    "%s: nothing is left beside it", what);
		ok(sees(path, &img.bytes), "%s: is what SQLite sees", what);
	}
	buf_release(&img.bytes);
}

/* -- the ways -------------------------------------------------------------- */

static void
schema_of_pages(struct app *a)
{
	char *sql;

	for (int k = 0; k < 60; k++) {
		sql = xasprintf("CREATE TABLE u%d(some, more, columns)", k);
		app_do(a, sql);
		free(sql);
	}
}

static void
journal(void)
{
	static const int sizes[] = { 512, 1024, 4096, 65536 };
	char *path, *sql;
	struct app a;

	for (int i = 0; i < 4; i++) {
		path = xasprintf("%s/journal-%d.db", dir, sizes[i]);
		sql = xasprintf("PRAGMA page_size = %d;"
				"CREATE TABLE t(a INTEGER PRIMARY KEY, b);",
		    sizes[i]);
		a = app_start(path);
		app_do(&a, sql);
		check("a journal, two pages", path, false, false);
		app_do(&a, fill);
		check("a journal", path, false, false);
		app_do(&a, "BEGIN IMMEDIATE");
		app_do(&a, "UPDATE t SET b = 1 WHERE a = 7");
		check("a transaction open", path, false, false);
		app_do(&a, "ROLLBACK");
		app_do(&a, "DELETE FROM t WHERE a > 3");
		check("free pages", path, false, false);
		app_do(&a, "VACUUM");
		check("vacuumed", path, false, false);
		schema_of_pages(&a);
		check("a schema of several pages", path, false, false);
		app_end(&a, 0);
		check("closed", path, false, false);
		free(path);
		free(sql);
	}
}

static void
wal(void)
{
	char *path = db_path("wal.db"), *shm = db_path("wal.db-shm");
	struct image img = { 0 };
	struct app a = app_start(path);
	struct err e;

	app_do(&a, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;");
	app_do(&a, table);
	check("all of it is in the WAL", path, false, true);
	app_do(&a, fill);
	app_do(&a, "PRAGMA wal_checkpoint(PASSIVE)");
	app_do(&a, "UPDATE t SET b = 'x' WHERE a % 7 = 1");
	check("in both, page 1 in the file", path, false, true);
	app_do(&a, "CREATE TABLE u(a); DELETE FROM t WHERE a > 100");
	app_do(&a, "UPDATE t SET b = 'y' WHERE a % 5 = 1");
	check("pages twice in the WAL", path, false, true);
	schema_of_pages(&a);
	check("a schema of several pages", path, false, true);
	app_do(&a, "PRAGMA cache_size = 5; BEGIN");
	app_do(&a, "UPDATE t SET b = randomblob(300)"); /* spills frames */
	check("frames that are not committed", path, false, true);
	app_do(&a, "ROLLBACK");
	app_do(&a, "PRAGMA wal_checkpoint(RESTART)");
	app_do(&a, "UPDATE t SET b = 'z' WHERE a = 20");
	check("restarted", path, false, true);
	app_do(&a, "PRAGMA wal_checkpoint(TRUNCATE)");
	check("truncated", path, false, true);
	app_do(&a, "VACUUM");
	check("it shrank in the WAL", path, false, true);
	app_end(&a, SIGKILL);
	check("its writer died", path, false, true);
	ok(unlink(shm) == 0, "and the wal-index is gone");
	is_int(read_into(&img, path, false, &e), 0, "no transaction then");
	is_int(e.class, ERR_DENIED, "for it would write: %s", e.msg);
	check("the same, alone", path, true, true);
	a = app_start(path);
	app_do(&a, "SELECT count(*) FROM t");
	app_end(&a, 0);
	ok(!exists(path, "-wal"), "closed");
	is_int(read_into(&img, path, false, &e), 0, "no transaction then");
	check("the same, alone", path, true, true);
	buf_release(&img.bytes);
	free(path);
	free(shm);
}

static void
hot_journal(void)
{
	char *path = db_path("hot.db");
	struct app a = app_start(path);
	struct image img = { 0 };
	struct err e;

	app_do(&a,
	    "PRAGMA cache_size=5; CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
	app_do(&a, fill);
	app_do(&a, "BEGIN IMMEDIATE");
	app_do(&a, "UPDATE t SET b = randomblob(300)"); /* spills: file torn */
	app_end(&a, SIGKILL);
	is_int(read_into(&img, path, false, &e), 0, "a hot journal");
	is_int(e.class, ERR_BUSY, "stays: %s", e.msg);
	is_int(read_into(&img, path, true, &e), 0, "also alone");
	ok(exists(path, "-journal"), "it is still there");
	buf_release(&img.bytes);
	free(path);
}

static void
refused(void)
{
	char *path = db_path("refused.db");
	struct image img = { 0 };
	struct err e;
	sqlite3 *db;

	is_int(read_into(&img, path, false, &e), 0, "no file: %s", e.msg);
	if (truncate(path, 0) == -1 && close(creat(path, 0600)) == -1)
		abort();
	is_int(read_into(&img, path, false, &e), 0, "nothing: %s", e.msg);
	if (truncate(path, 9000) == -1)
		abort();
	is_int(read_into(&img, path, false, &e), 0, "zeros: %s", e.msg);
	is_int(e.class, ERR_CORRUPT, "class");
	unlink(path);
	db = must_open(path);
	must(db, table);
	must(db, fill);
	sqlite3_close(db);
	img.fail_at = 3;
	is_int(read_into(&img, path, false, &e), -1, "page() fails");
	is_str(e.msg, "no more", "and that is told");
	buf_release(&img.bytes);
	free(path);
}

/* More than 1 GiB: a page that SQLite never uses, and is not read. */
static void
lock_page(void)
{
	char *path = db_path("large.db");
	sqlite3 *db = must_open(path);
	struct image img = { .count = true };
	struct err e;
	uint8_t pages[4] = { 0, 0, 0x40, 2 }; /* 16386 */
	int fd;

	must(db, "PRAGMA page_size = 65536; CREATE TABLE t(x)");
	sqlite3_close(db);
	if ((fd = open(path, O_RDWR)) == -1 || pwrite(fd, pages, 4, 28) != 4 ||
	    ftruncate(fd, 16386 * INT64_C(65536)) == -1 || close(fd) == -1)
		abort();
	is_int(sqlread_lock_page(65536), 16385, "the page at 2^30");
	img.fail_at = 16385;
	is_int(read_into(&img, path, false, &e), 1, "is passed over");
	is_int(img.pages, 16386, "and is one of the pages");
	is_int(img.counted, 16385 * INT64_C(65536), "the others are read");
	buf_release(&img.bytes);
	unlink(path);
	free(path);
}

/* -- while it is written --------------------------------------------------- */

/* Every commit sets the same number in many pages. */
static pid_t
writer(const char *path, const char *setup, const char *size)
{
	pid_t pid = fork();
	sqlite3 *db;

	if (pid != 0)
		return pid;
	db = must_open(path);
	must(db, size);
	must(db, setup);
	must(db,
	    "CREATE TABLE t(a INTEGER PRIMARY KEY, n, b);"
	    "INSERT INTO t SELECT NULL, 0, randomblob(600) FROM"
	    " (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c"
	    " WHERE x < 1500) SELECT x FROM c);");
	for (int i = 1; i < 100000; i++) {
		must(db,
		    i % 9 != 0 ? "UPDATE t SET n = n + 1"
			       : "UPDATE t SET n = n + 1;"
				 "DELETE FROM t WHERE a % 50 = 3;"
				 "PRAGMA incremental_vacuum(5)");
		usleep(1000);
	}
	_exit(0);
}

/* How many different numbers there are in the image. */
static int
numbers(struct image *img)
{
	sqlite3 *db = must_open(":memory:");
	sqlite3_stmt *q = NULL;
	int n = -1;

	if (img->bytes.len < 100)
		return -1;
	/* What is in memory has no WAL. */
	img->bytes.data[18] = img->bytes.data[19] = 1;
	if (sqlite3_deserialize(db, "main", img->bytes.data,
		(sqlite3_int64)img->bytes.len, (sqlite3_int64)img->bytes.len,
		SQLITE_DESERIALIZE_READONLY) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, "SELECT count(DISTINCT n) FROM t", -1, &q,
		NULL) == SQLITE_OK &&
	    sqlite3_step(q) == SQLITE_ROW)
		n = sqlite3_column_int(q, 0);
	sqlite3_finalize(q);
	sqlite3_close(db);
	return n;
}

static void
written(const char *name, const char *setup, bool wal_mode)
{
	char *path = db_path(name);
	pid_t pid = writer(path, setup, "PRAGMA page_size = 1024");
	int rounds = getenv("LSPP_SOAK") != NULL ? 2000 : 60, read = 0,
	    torn = 0, busy = 0;
	struct image img = { 0 };
	struct err e;

	while (read < 1) { /* it has begun */
		if (read_into(&img, path, false, &e) == 1 && numbers(&img) == 1)
			read++;
		usleep(1000);
	}
	for (int i = 0; i < rounds; i++)
		if (read_into(&img, path, false, &e) == 1)
			torn += numbers(&img) != 1;
		else
			busy++;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	is_int(torn, 0, "%s: each is one state", name);
	ok(wal_mode ? busy == 0 : busy < rounds,
	    "%s: %d of %d were written too fast", name, busy, rounds);
	buf_release(&img.bytes);
	free(path);
}

int
main(void)
{
	dir_begin();
	journal();
	wal();
	hot_journal();
	refused();
	lock_page();
	written("busy-wal.db", "PRAGMA journal_mode = WAL", true);
	written("busy-journal.db", "PRAGMA auto_vacuum = 2", false);
	return dir_done();
}
