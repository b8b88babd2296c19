/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that does not read is told as one, and is no damage of a database. */
#include "lib/sqlite/dbfault.h"

#include <errno.h>
#include <fcntl.h>

#include "lib/live/live_db.h"
#include "lib/restore/restore_proof.h"
#include "lib/source/rodb.h"
#include "lib/state/state.h"
#include "lib/sys/stop.h"
#include "tests/unit/app_kit.h"

enum { ALL = 1 << 30 };

/* How many reads of SQLite's go on to succeed; those behind fail. */
static int good_reads = ALL;

static ssize_t
fail_or_read(int fd, void *p, size_t n, off_t off)
{
	if (good_reads-- > 0)
		return pread(fd, p, n, off);
	errno = EIO;
	return -1;
}

static void
take_reads(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

	vfs->xSetSystemCall(vfs, "pread", (sqlite3_syscall_ptr)fail_or_read);
	vfs->xSetSystemCall(vfs, "pread64", (sqlite3_syscall_ptr)fail_or_read);
}

/* 0, or what SQLite says of a count of all rows when reads fail behind n. */
static int
count_rows(const char *path, int n, int *disk)
{
	sqlite3 *db;
	int rc;

	good_reads = ALL;
	db = must_open(path);
	good_reads = n;
	rc = sqlite3_exec(db, "SELECT sum(length(b)) FROM t", NULL, NULL, NULL);
	*disk = dbfault_errno(db);
	sqlite3_close(db);
	return rc & 0xff;
}

/* At each read in turn; SQLite takes some of them for damage. */
static void
each_read(const char *name, const char *path)
{
	int n, rc = -1, disk, damage = 0, told = 0;

	for (n = 0; n < 1000; n++) {
		if ((rc = count_rows(path, n, &disk)) == SQLITE_OK)
			break;
		damage += rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB;
		told += disk == EIO;
	}
	is_int(rc, SQLITE_OK, "%s: %d reads", name, n);
	is_int(disk, 0, "%s: none failed at the end", name);
	good_reads = ALL;
	ok(n > 10 && told == n, "%s: %d told", name, told);
	ok(damage > 0, "%s: SQLite calls %d of them damage", name, damage);
}

static void
overwrite(const char *path, off_t at, size_t n)
{
	char *junk = xcalloc(1, n);
	int fd = open(path, O_WRONLY);

	memset(junk, 'x', n);
	ok(fd != -1 && pwrite(fd, junk, n, at) == (ssize_t)n, "overwritten");
	close(fd);
	free(junk);
}

static void
test_rows(void)
{
	char *path = db_path("a.db");
	sqlite3 *writer;
	int disk;

	run_sql("a.db", table);
	run_sql("a.db", fill);
	each_read("a database", path);
	writer = must_open(path);
	must(writer, "PRAGMA journal_mode = WAL; UPDATE t SET b = b || 'x'");
	each_read("a WAL", path);
	sqlite3_close(writer);
	overwrite(path, 8192, 16384);
	is_int(count_rows(path, ALL, &disk), SQLITE_CORRUPT, "damage");
	is_int(disk, 0, "is none of the disk");
	is_int(dbfault_errno(NULL), 0, "nor is no database");
	free(path);
}

/* Each of them, with all reads and with fewer: ERR_IO until it goes well. */
static int
state_once(const char *path, struct err *e)
{
	struct state *st = state_open(path, true, e);

	state_close(st);
	return st == NULL ? -1 : 0;
}

static int
proof_once(const char *path, struct err *e)
{
	return proof_sqlite(path, true, e);
}

static int
rodb_once(const char *path, struct err *e)
{
	sqlite3 *db = rodb_begin(path, 0, e);

	rodb_end(db);
	return db == NULL ? -1 : 0;
}

static void
each_once(
    const char *what, int (*once)(const char *, struct err *), const char *path)
{
	struct err e;
	int n;

	for (n = 0; n < 1000; n++) {
		good_reads = n;
		e.class = ERR_NONE;
		if (once(path, &e) == 0)
			break;
		if (e.class != ERR_IO || strstr(e.hint, "dmesg") == NULL)
			ok(false, "%s, %d reads: %s", what, n, e.msg);
	}
	good_reads = ALL;
	ok(n > 0 && n < 1000, "%s: %d reads that fail", what, n);
}

/* What is read of a database that is open: no restore with --force is advised. */
static void
test_live(const char *path)
{
	struct stop_wait w = { 0 };
	sqlite3 *db = NULL;
	struct err e;
	int rc = SQLITE_OK;

	for (int n = 1; n < 10 && (rc & 0xff) != SQLITE_CORRUPT; n++) {
		sqlite3_close(db);
		good_reads = ALL;
		db = must_open(path);
		good_reads = n;
		rc = sqlite3_exec(
		    db, "SELECT sum(length(b)) FROM t", NULL, NULL, NULL);
	}
	good_reads = ALL;
	live_fail(db, rc, &w, &e);
	ok(e.class == ERR_IO && strstr(e.hint, "dmesg") != NULL,
	    "an open database: %s; %s", e.msg, e.hint);
	sqlite3_close(db);
}

/* The next one that opens it rolls back, from a journal that is not read. */
static void
test_hot_journal(void)
{
	char *path = db_path("hot.db");
	struct app a = app_start(path);
	struct stop_wait w = { 0 };
	int rc = -1, damage = 0, told = 0, n;
	struct err e;
	sqlite3 *db;

	app_do(&a, "PRAGMA cache_size=5;");
	app_do(&a, table);
	app_do(&a, fill);
	app_do(&a, "BEGIN IMMEDIATE");
	app_do(&a, "UPDATE t SET b = randomblob(300)");
	app_end(&a, SIGKILL);
	for (n = 0; n < 1000 && rc != SQLITE_OK; n++) {
		good_reads = ALL;
		db = must_open(path);
		good_reads = n;
		rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
		if ((rc & 0xff) == SQLITE_CORRUPT) {
			damage++;
			live_fail(db, rc, &w, &e);
			told += e.class == ERR_IO;
		}
		sqlite3_close(db);
	}
	good_reads = ALL;
	is_int(rc, SQLITE_OK, "rolled back at last");
	ok(damage > 0, "SQLite calls %d of %d damage", damage, n);
	is_int(told, damage, "each is told as the disk's");
	free(path);
}

/* A journal in memory is of no disk. */
static void
test_memory(void)
{
	char *path = db_path("m.db");
	sqlite3 *db = must_open(path);

	must(db, "PRAGMA journal_mode = MEMORY; CREATE TABLE t(a)");
	must(db, "BEGIN; INSERT INTO t VALUES(1)");
	is_int(dbfault_errno(db), 0, "in memory");
	is_int(dbfault_journal_errno(db), 0, "where no journal is");
	sqlite3_close(db);
	free(path);
}

static void
test_users(void)
{
	char *a = db_path("b.db"), *s = db_path("state"), *st;
	struct err e;

	run_sql("b.db", table);
	run_sql("b.db", fill);
	or_end(state_once(s, &e) == 0, &e);
	each_once("a state", state_once, s);
	each_once("a check", proof_once, a);
	each_once("a read", rodb_once, a);
	test_live(a);
	st = xasprintf("%s/state.db", s);
	overwrite(st, 100, 4000);
	good_reads = ALL;
	ok(state_once(s, &e) == -1 && e.class == ERR_CONFIG &&
		strstr(e.hint, "move the state directory away") != NULL,
	    "a damaged state wants another: %s", e.msg);
	free(st);
	free(s);
	free(a);
}

int
main(void)
{
	dir_begin();
	take_reads();
	test_rows();
	test_users();
	test_hot_journal();
	test_memory();
	return dir_done();
}
