/*
 * Each way of reading a live database, against what SQLite itself sees.  The
 * applications are child processes: POSIX locks do not show within one.
 */
#include "lib/engine/source.h"

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
#include "tests/unit/tap.h"

static char dir[] = "/tmp/lspp-source-XXXXXX";

static char *
db_path(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static sqlite3 *
must_open(const char *path)
{
	sqlite3 *db;

	if (sqlite3_open(path, &db) != SQLITE_OK)
		abort();
	sqlite3_busy_timeout(db, 5000);
	return db;
}

static void
must(sqlite3 *db, const char *sql)
{
	char *why = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) {
		fprintf(stderr, "%s: %s\n", sql, why);
		abort();
	}
}

/* -- an application in a process of its own -------------------------------- */

struct app {
	pid_t pid;
	int to, from; /* SQL, a line each; an empty answer for each */
};

static void
app_main(const char *path, int in, int out)
{
	sqlite3 *db = must_open(path);
	FILE *f = fdopen(in, "r");
	char line[4096];

	while (fgets(line, sizeof(line), f) != NULL) {
		must(db, line);
		if (write(out, "\n", 1) != 1)
			_exit(1);
	}
	sqlite3_close(db);
	_exit(0);
}

static struct app
app_start(const char *path)
{
	int down[2], up[2];
	struct app a;

	if (pipe(down) == -1 || pipe(up) == -1 || (a.pid = fork()) == -1)
		abort();
	if (a.pid == 0) {
		close(down[1]);
		close(up[0]);
		app_main(path, down[0], up[1]);
	}
	close(down[0]);
	close(up[1]);
	a.to = down[1];
	a.from = up[0];
	return a;
}

static void
app_do(struct app *a, const char *sql)
{
	char answer;

	if (dprintf(a->to, "%s\n", sql) < 0 || read(a->from, &answer, 1) != 1)
		abort();
}

static void
app_end(struct app *a, int sig)
{
	if (sig != 0)
		kill(a->pid, sig);
	close(a->to);
	waitpid(a->pid, NULL, 0);
	close(a->from);
}

/* -- what was read --------------------------------------------------------- */

struct image {
	struct buf bytes;
	struct source_state st;
	uint32_t looked_at;
};

/* Put the pages that source offers over what img has. */
static int
read_into(struct image *img, const char *path, struct source_pos *since,
    struct err *e)
{
	struct source *s = source_open(path, 200, e);
	uint32_t known = 0, pgno;
	size_t size;
	int rc = 0;

	if (s == NULL)
		return -1;
	if (since != NULL)
		known = img->st.pages;
	while (rc == 0) {
		if (source_begin(s, since, known, false, e) == -1) {
			rc = -1;
			break;
		}
		img->st = *source_state(s);
		img->looked_at = 0;
		size = (size_t)img->st.pages * img->st.page_size;
		buf_room(&img->bytes, size);
		img->bytes.len = size;
		while ((pgno = source_next(s)) != 0) {
			const uint8_t *p = source_page(s, pgno, e);

			if (p == NULL) {
				source_close(s);
				return -1;
			}
			memcpy(img->bytes.data +
				(size_t)(pgno - 1) * img->st.page_size,
			    p, img->st.page_size);
			img->looked_at++;
		}
		rc = source_end(s, e);
	}
	source_close(s);
	return rc == 1 ? 0 : -1;
}

/* What SQLite sees, from a process of its own: closing drops no lock. */
static bool
is_committed(const struct image *img, const char *path)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		sqlite3 *db = must_open(path);
		sqlite3_int64 n = 0;
		unsigned char *p;

		sqlite3_db_config(
		    db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		must(db, "BEGIN; SELECT * FROM sqlite_schema");
		p = sqlite3_serialize(db, "main", &n, 0);
		_exit(p == NULL || (size_t)n != img->bytes.len ||
		    memcmp(p, img->bytes.data, (size_t)n) != 0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
check(const char *what, struct image *img, const char *path,
    struct source_pos *since, enum source_read read, enum source_hint hint)
{
	struct source_pos pos;
	struct err e = { 0 };
	int rc;

	if (since != NULL) {
		pos = *since;
		since = &pos;
	}
	rc = read_into(img, path, since, &e);
	ok(rc == 0, "%s: can be read%s", what, rc == 0 ? "" : e.msg);
	if (rc == -1)
		return;
	is_str(source_read_name[img->st.read], source_read_name[read], what);
	is_str(source_hint_name[img->st.hint], source_hint_name[hint], what);
	ok(is_committed(img, path), "%s: is what SQLite sees", what);
}

/* -- the ways -------------------------------------------------------------- */

static const char fill[] =
    "INSERT INTO t SELECT NULL, randomblob(300) FROM (WITH RECURSIVE c(x) AS "
    "(SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 200) SELECT x FROM c);";

static void
settle(void)
{
	usleep(50000);
}

static void
plain(void)
{
	char *path = db_path("plain.db");
	sqlite3 *db = must_open(path);
	struct image img = { 0 };

	must(db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
	must(db, fill);
	sqlite3_close(db);
	check("rollback, closed", &img, path, NULL, SOURCE_PLAIN, SOURCE_DIFF);
	ok(img.st.racy, "a file just written is racy");
	ok(!img.st.pos.valid, "without a WAL there is no position");
	buf_release(&img.bytes);
	free(path);
}

static void
shared(void)
{
	char *path = db_path("shared.db"), *shm = db_path("shared.db-shm");
	struct image img = { 0 };
	struct app a = app_start(path);

	app_do(&a, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;");
	app_do(&a, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
	app_do(&a, fill);
	check("WAL in use", &img, path, NULL, SOURCE_SHARED, SOURCE_DIFF);
	app_do(&a, "UPDATE t SET b = 'x' WHERE a = 100");
	check("one row more", &img, path, &img.st.pos, SOURCE_SHARED,
	    SOURCE_TAIL);
	ok(img.looked_at < 4, "a tail of few pages: %u", img.looked_at);
	app_do(&a, "PRAGMA wal_checkpoint(RESTART)");
	for (int i = 0; i < 5; i++)
		app_do(&a, "UPDATE t SET b = b || 'y' WHERE a = 1");
	check("restarted: the old frames end with the file", &img, path,
	    &img.st.pos, SOURCE_SHARED, SOURCE_DIFF);
	for (int i = 0; i < 3; i++)
		app_do(&a, "UPDATE t SET b = b || 'z' WHERE a = 150");
	app_do(&a, "PRAGMA wal_checkpoint(RESTART)");
	app_do(&a, "UPDATE t SET b = 'z' WHERE a = 20");
	check("restarted: the old frames end among older ones", &img, path,
	    &img.st.pos, SOURCE_SHARED, SOURCE_RECOVERED);
	ok(img.looked_at < 6, "old tail and new pages: %u", img.looked_at);
	app_do(&a, "PRAGMA wal_checkpoint(RESTART)");
	app_do(&a, fill);
	check("restarted, old frames overwritten", &img, path, &img.st.pos,
	    SOURCE_SHARED, SOURCE_DIFF);
	app_do(&a, "PRAGMA wal_checkpoint(TRUNCATE)");
	settle();
	check("truncated", &img, path, &img.st.pos, SOURCE_PLAIN, SOURCE_DIFF);
	app_do(&a, "DELETE FROM t WHERE a > 100; VACUUM");
	check("a WAL that had not begun", &img, path, &img.st.pos,
	    SOURCE_SHARED, SOURCE_TAIL);
	app_end(&a, 0);
	ok(access(shm, F_OK) == -1, "nothing is left beside it");
	buf_release(&img.bytes);
	free(path);
	free(shm);
}

static void
chain(void)
{
	char *path = db_path("chain.db");
	struct image img = { 0 };
	struct app a = app_start(path);

	app_do(&a, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;");
	app_do(&a, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
	app_do(&a, fill);
	app_do(&a, "PRAGMA cache_size=5; BEGIN;");
	app_do(&a, "UPDATE t SET b = randomblob(300);"); /* spills frames */
	app_end(&a, SIGKILL);
	settle();
	check("a killed application's WAL", &img, path, NULL, SOURCE_CHAIN,
	    SOURCE_DIFF);
	buf_release(&img.bytes);
	free(path);
}

/* A checkpoint that died half-way leaves the two counts unequal. */
static void
locked(void)
{
	char *path = db_path("locked.db"), *shm = db_path("locked.db-shm");
	struct image img = { 0 };
	struct app a = app_start(path);
	uint32_t attempted = 3;
	FILE *f;

	app_do(&a, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;");
	app_do(&a, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
	app_do(&a, fill);
	if ((f = fopen(shm, "r+")) == NULL || fseek(f, 128, SEEK_SET) == -1 ||
	    fwrite(&attempted, sizeof(attempted), 1, f) != 1 ||
	    fclose(f) == EOF)
		abort();
	check("a checkpoint under way", &img, path, NULL, SOURCE_LOCKED,
	    SOURCE_DIFF);
	app_do(&a, fill);
	check(
	    "and a tail", &img, path, &img.st.pos, SOURCE_LOCKED, SOURCE_TAIL);
	app_do(&a, "PRAGMA wal_checkpoint(TRUNCATE)");
	ok(true, "no lock is left behind");
	app_end(&a, 0);
	buf_release(&img.bytes);
	free(path);
	free(shm);
}

static void
journal(void)
{
	char *path = db_path("journal.db"), *j = db_path("journal.db-journal");
	struct image img = { 0 };
	struct app a = app_start(path);
	struct err e = { 0 };

	app_do(&a,
	    "PRAGMA cache_size=5;"
	    "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
	app_do(&a, fill);
	/* Else the journal has no header until it is synced. */
	app_do(&a, "PRAGMA synchronous=OFF; BEGIN IMMEDIATE");
	app_do(&a, "UPDATE t SET b = 'x' WHERE a = 1");
	settle();
	check("a transaction open", &img, path, NULL, SOURCE_JOURNAL,
	    SOURCE_DIFF);
	app_do(&a, "COMMIT");
	settle();
	check("committed", &img, path, NULL, SOURCE_PLAIN, SOURCE_DIFF);
	app_do(&a, "BEGIN IMMEDIATE");
	app_do(&a, "UPDATE t SET b = randomblob(300)"); /* spills: file torn */
	app_end(&a, SIGKILL);
	settle();
	ok(access(j, F_OK) == 0, "there is a hot journal");
	is_int(read_into(&img, path, NULL, &e), -1, "it cannot be read");
	is_int(e.class, ERR_BUSY, "and says: later");
	ok(strstr(e.msg, "hot journal") != NULL, "and why: %s", e.msg);
	buf_release(&img.bytes);
	free(path);
	free(j);
}

/* journal_mode=MEMORY: a transaction under way shows by its locks alone. */
static void
no_journal(void)
{
	char *path = db_path("memory.db");
	struct image img = { 0 };
	struct app a = app_start(path);
	struct err e = { 0 };

	app_do(&a,
	    "PRAGMA journal_mode=MEMORY; PRAGMA cache_size=5;"
	    "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
	app_do(&a, fill);
	app_do(&a, "BEGIN IMMEDIATE");
	app_do(&a, "UPDATE t SET b = randomblob(300)"); /* spills: file torn */
	settle();
	is_int(read_into(&img, path, NULL, &e), -1, "it cannot be read");
	is_int(e.class, ERR_BUSY, "and says: later");
	app_do(&a, "COMMIT");
	settle();
	check("committed without a journal file", &img, path, NULL,
	    SOURCE_PLAIN, SOURCE_DIFF);
	app_end(&a, 0);
	buf_release(&img.bytes);
	free(path);
}

static void
refused(void)
{
	char *path = db_path("refused.db");
	struct image img = { 0 };
	struct err e = { 0 };
	FILE *f = fopen(path, "w");

	is_int(read_into(&img, path, NULL, &e), -1, "an empty file");
	is_str(e.msg, "empty file", "is named so");
	fprintf(f, "%0200d", 1);
	fclose(f);
	is_int(read_into(&img, path, NULL, &e), -1, "a text");
	is_str(e.msg, "not a database", "is named so");
	is_int(e.class, ERR_CORRUPT, "class");
	unlink(path);
	mkfifo(path, 0600);
	is_int(read_into(&img, path, NULL, &e), -1, "a FIFO does not hang");
	unlink(path);
	is_int(read_into(&img, path, NULL, &e), -1, "no file");
	is_int(e.class, ERR_MISSING, "class");
	buf_release(&img.bytes);
	free(path);
}

int
main(void)
{
	char cmd[64];

	if (mkdtemp(dir) == NULL)
		return 1;
	plain();
	shared();
	chain();
	locked();
	journal();
	no_journal();
	refused();
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	if (system(cmd) != 0)
		return 1;
	return done();
}
