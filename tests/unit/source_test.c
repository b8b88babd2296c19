/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each way of reading a live database, against what SQLite itself sees.
 */
#include "lib/source/source.h"

#include <sys/stat.h>

#include "tests/unit/source_kit.h"

static void
plain(void)
{
	char *path = db_path("plain.db");
	sqlite3 *db = must_open(path);
	struct image img = { 0 };
	struct err e = { 0 };

	must(db, table);
	must(db, fill);
	sqlite3_close(db);
	check("rollback, closed", &img, path, NULL, SOURCE_PLAIN, SOURCE_DIFF);
	/* However long it takes this machine once to come to it. */
	for (int i = 0; i < 200 && !img.st.racy; i++)
		if (chmod(path, 0644) == -1 ||
		    read_into(&img, path, NULL, &e) == -1)
			break;
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
	struct app a = wal_app(path);

	settle(); /* else what is known of the file proves nothing later */
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
	/* Whether that WAL would be big-endian, nobody could know. */
	img.st.pos.big_endian = !img.st.pos.big_endian;
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
	struct app a = wal_app(path);

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
half_checkpoint(void)
{
	char *path = db_path("half.db");
	struct image img = { 0 };
	struct app a = wal_app(path);
	uint32_t attempted = 3;

	patch(path, "-shm", SHM_ATTEMPTED, &attempted, sizeof(attempted));
	settle();
	check("a checkpoint that died", &img, path, NULL, SOURCE_SHARED,
	    SOURCE_DIFF);
	app_do(&a, fill);
	check(
	    "and a tail", &img, path, &img.st.pos, SOURCE_SHARED, SOURCE_TAIL);
	app_end(&a, 0);
	buf_release(&img.bytes);
	free(path);
}

static void
commit_and_checkpoint(void *ctx)
{
	struct app *a = ctx;

	app_do(a, "UPDATE t SET b = b || 'x' WHERE a > 390");
	app_do(a, "PRAGMA wal_checkpoint(PASSIVE)");
}

static void
checkpoint_once(void *ctx)
{
	static bool done;

	if (!done)
		commit_and_checkpoint(ctx);
	done = true;
}

/* Without a lock a checkpoint of newer frames is seen; then one is taken. */
static void
locked(void)
{
	char *path = db_path("locked.db");
	struct image img = { .meanwhile = checkpoint_once, .behind = 1 };
	struct app a = wal_app(path);

	img.ctx = &a;
	app_do(&a, fill);
	app_do(&a, "PRAGMA wal_checkpoint(PASSIVE)");
	app_do(&a, "UPDATE t SET b = 'x' WHERE a = 1");
	check("a checkpoint meanwhile", &img, path, NULL, SOURCE_LOCKED,
	    SOURCE_DIFF);
	app_do(&a, "PRAGMA wal_checkpoint(TRUNCATE)");
	ok(true, "no lock is left behind");
	app_end(&a, 0);
	buf_release(&img.bytes);
	free(path);
}

/* A database at rest, as it is known, and the pages there are of it. */
static void
at_rest(const char *what, struct image *img, const char *path)
{
	settle();
	check(what, img, path, NULL, SOURCE_PLAIN, SOURCE_DIFF);
	is_int(img->st.pos.valid,
	    SOURCE_POS_VALID | SOURCE_POS_SETTLED | SOURCE_POS_BARE,
	    "no WAL has begun");
}

/* Its first WAL since is all that came since, as long as the file stands. */
static void
first_wal(void)
{
	char *path = db_path("first.db");
	struct image img = { 0 };
	struct app a = wal_app(path);

	app_end(&a, 0);
	at_rest("closed", &img, path);
	check("again", &img, path, &img.st.pos, SOURCE_PLAIN, SOURCE_TAIL);
	is_int(img.looked_at, 0, "nothing to look at");
	a = app_start(path);
	app_do(&a, "PRAGMA wal_autocheckpoint=0");
	app_do(&a, "UPDATE t SET b = 'x' WHERE a = 100");
	check("its first commit", &img, path, &img.st.pos, SOURCE_SHARED,
	    SOURCE_TAIL);
	ok(img.looked_at < 4, "few pages: %u", img.looked_at);
	app_do(&a, "UPDATE t SET b = 'y' WHERE a = 7");
	check("the next", &img, path, &img.st.pos, SOURCE_SHARED, SOURCE_TAIL);
	app_end(&a, 0);
	at_rest("closed again", &img, path);
	a = app_start(path);
	app_do(&a, "PRAGMA wal_autocheckpoint=0");
	app_do(&a, fill);
	app_do(&a, "DELETE FROM t WHERE a < 150; VACUUM");
	app_do(&a, fill);
	app_do(&a, fill);
	app_end(&a, SIGKILL);
	check("of who died, grown", &img, path, &img.st.pos, SOURCE_CHAIN,
	    SOURCE_TAIL);
	a = app_start(path);
	app_do(&a, "SELECT * FROM t");
	app_end(&a, 0);
	at_rest("closed once more", &img, path);
	a = app_start(path);
	app_do(&a, "PRAGMA wal_autocheckpoint=0");
	app_do(&a, "DELETE FROM t WHERE a % 9 > 0; VACUUM");
	check("shrunk", &img, path, &img.st.pos, SOURCE_SHARED, SOURCE_TAIL);
	app_end(&a, 0);
	buf_release(&img.bytes);
	free(path);
}

/* What ends that: each leaves pages that the WAL does not hold. */
static void
not_the_first_wal(void)
{
	static const char *const before[] = {
		/* closed: all of a WAL is in the file, and a new one begins */
		"UPDATE t SET b = 'x' WHERE a = 100",
		"PRAGMA journal_mode=DELETE; UPDATE t SET b = 'x' WHERE a = 9; "
		"PRAGMA journal_mode=WAL",
		"VACUUM",
	};
	static const char *const open[] = {
		"PRAGMA wal_checkpoint(RESTART)",
		"PRAGMA wal_checkpoint(TRUNCATE)",
		"PRAGMA wal_checkpoint(PASSIVE)",
	};
	char *path = db_path("second.db");
	struct image img = { 0 };
	struct app a = wal_app(path);

	app_end(&a, 0);
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		at_rest(before[i], &img, path);
		run_sql("second.db", before[i]);
		a = app_start(path);
		app_do(&a, "UPDATE t SET b = b || 'y' WHERE a = 150");
		check(before[i], &img, path, &img.st.pos, SOURCE_SHARED,
		    SOURCE_DIFF);
		app_end(&a, 0);
	}
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
		at_rest(open[i], &img, path);
		a = app_start(path);
		app_do(&a, "UPDATE t SET b = b || 'z' WHERE a = 100");
		app_do(&a, open[i]);
		app_do(&a, "UPDATE t SET b = b || 'y' WHERE a = 150");
		check(open[i], &img, path, &img.st.pos, SOURCE_SHARED,
		    SOURCE_DIFF);
		app_end(&a, 0);
	}
	at_rest("replaced", &img, path);
	shell("cp -p %s %s.new && mv %s.new %s", path);
	a = app_start(path);
	app_do(&a, "UPDATE t SET b = 'w' WHERE a = 150");
	check("replaced", &img, path, &img.st.pos, SOURCE_SHARED, SOURCE_DIFF);
	app_end(&a, 0);
	buf_release(&img.bytes);
	free(path);
}

static void
journal(void)
{
	char *path = db_path("journal.db"), *j = db_path("journal.db-journal");
	struct image img = { 0 };
	struct app a = app_start(path);
	struct err e = { 0 };

	app_do(&a, "PRAGMA cache_size=5;");
	app_do(&a, table);
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

	app_do(&a, "PRAGMA journal_mode=MEMORY; PRAGMA cache_size=5;");
	app_do(&a, table);
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
	dir_begin();
	plain();
	shared();
	chain();
	half_checkpoint();
	locked();
	first_wal();
	not_the_first_wal();
	journal();
	no_journal();
	refused();
	return dir_done();
}
