/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens while a database is read, and what only the kernel or the
 * wal-index can tell: each interleaving is built, none is waited for.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/be.h"
#include "lib/sqlite/wal.h"
#include "lib/sys/file.h"
#include "tests/unit/source_kit.h"

/* A frame without salts and checksum inside of what was committed. */
static void
broken_chain(void)
{
	static const uint8_t none[16];
	char *path = db_path("broken.db");
	struct image img = { 0 };
	struct app a = wal_app(path);
	off_t at;

	app_do(&a, "PRAGMA wal_checkpoint(RESTART)");
	app_do(&a, fill); /* frames for the next WAL to leave some of */
	app_do(&a, fill);
	app_do(&a, "PRAGMA wal_checkpoint(RESTART)");
	app_do(&a, "UPDATE t SET b = 'x' WHERE a = 1");
	settle();
	check("before", &img, path, NULL, SOURCE_SHARED, SOURCE_DIFF);
	at = (off_t)wal_frame_offset(img.st.page_size, img.st.pos.frames + 2);
	app_do(&a, "UPDATE t SET b = 'y' WHERE a % 10 = 0");
	patch(path, "-wal", at + FRAME_SALT, none, sizeof(none));
	img.behind = 0;
	check("a chain that breaks", &img, path, &img.st.pos, SOURCE_SHARED,
	    SOURCE_TAIL);
	app_do(&a, "UPDATE t SET b = 'z' WHERE a % 10 = 1");
	check(
	    "and goes on", &img, path, &img.st.pos, SOURCE_SHARED, SOURCE_TAIL);
	app_end(&a, 0);
	buf_release(&img.bytes);
	free(path);
}

/* The same, but it breaks after what is known, and then the WAL restarts. */
static void
broken_and_restarted(void)
{
	static const uint8_t none[16];
	char *path = db_path("restarted.db");
	struct image img = { 0 };
	struct app a = wal_app(path);
	off_t at;

	app_do(&a, fill);
	app_do(&a, fill);
	app_do(&a, "PRAGMA wal_checkpoint(RESTART)");
	app_do(&a, "UPDATE t SET b = 'x' WHERE a < 30");
	settle();
	check("before", &img, path, NULL, SOURCE_SHARED, SOURCE_DIFF);
	app_do(&a, "UPDATE t SET b = 'w' WHERE a = 1");
	at = (off_t)wal_frame_offset(img.st.page_size, img.st.pos.frames + 3);
	app_do(&a, "UPDATE t SET b = 'y' WHERE a % 10 = 0");
	patch(path, "-wal", at + FRAME_SALT, none, sizeof(none));
	app_do(&a, "PRAGMA wal_checkpoint(RESTART)");
	app_do(&a, "UPDATE t SET b = 'v' WHERE a = 2");
	check("old frames that break off", &img, path, &img.st.pos,
	    SOURCE_SHARED, SOURCE_DIFF);
	app_end(&a, 0);
	buf_release(&img.bytes);
	free(path);
}

/* What is known of the file counts only if a change since would show. */
static void
unsettled(void)
{
	char *path = db_path("unsettled.db");
	struct image img = { 0 };
	struct app a = wal_app(path);

	settle();
	check("settled", &img, path, NULL, SOURCE_SHARED, SOURCE_DIFF);
	is_int(img.st.pos.valid, SOURCE_POS_VALID | SOURCE_POS_SETTLED,
	    "a position says so");
	app_do(&a, "UPDATE t SET b = 'x' WHERE a = 1");
	img.st.pos.valid = SOURCE_POS_VALID;
	check("one that was not, or of an older state", &img, path, &img.st.pos,
	    SOURCE_SHARED, SOURCE_DIFF);
	app_end(&a, 0);
	a = app_start(path); /* an index that has seen no WAL */
	app_do(&a, "SELECT * FROM t");
	settle();
	check("a fresh index", &img, path, NULL, SOURCE_PLAIN, SOURCE_DIFF);
	is_int(img.st.pos.valid,
	    SOURCE_POS_VALID | SOURCE_POS_SETTLED | SOURCE_POS_BARE,
	    "salts of 0,0 are no position in a WAL");
	is_int(img.st.pos.salt[0], 0, "nor does it name one");
	app_end(&a, 0);
	buf_release(&img.bytes);
	free(path);
}

/* -- written, not published ------------------------------------------------ */

/* A writer between its last write and its publication: he has the lock. */
static struct app
stalled_writer(const char *path, off_t at, const void *p, size_t n)
{
	char *shm = xasprintf("%s-shm", path);
	int down[2], up[2];
	struct app w = { 0 };
	char c;

	if (pipe(down) == -1 || pipe(up) == -1 || (w.pid = fork()) == -1)
		abort();
	if (w.pid == 0) {
		struct flock fl = {
			.l_type = F_WRLCK, .l_start = SHM_WRITE, .l_len = 1
		};
		int fd = open(shm, O_RDWR);

		close(down[1]);
		if (fd == -1 || fcntl(fd, F_SETLK, &fl) == -1)
			_exit(1);
		patch(path, "-wal", at, p, n);
		_exit(write(up[1], "", 1) != 1 || read(down[0], &c, 1) != 0);
	}
	close(down[0]);
	close(up[1]);
	if (read(up[0], &c, 1) != 1)
		abort();
	w.to = down[1];
	w.from = up[0];
	free(shm);
	return w;
}

static void
is_racy(const char *path, bool want, const char *what)
{
	struct image img = { 0 };
	struct err e = { 0 };

	wait_old(path);
	is_int(read_into(&img, path, NULL, &e), 0, what);
	is_int(img.st.racy, want, what);
	buf_release(&img.bytes);
}

/* The first transaction of a WAL: its salts are in the file alone. */
static void
late_first(void)
{
	uint8_t wal[WAL_HDR_SIZE + WAL_FRAME_HDR_SIZE + 4096] = { 0 };
	struct wal_hdr h = { .page_size = 4096, .salt = { 77, 88 } };
	char *path = db_path("late.db");
	struct app a = wal_app(path), w;

	app_do(&a, "PRAGMA wal_checkpoint(TRUNCATE)");
	app_end(&a, 0);
	a = app_start(path);
	app_do(&a, "SELECT * FROM t");
	wal_hdr_write(&h, wal);
	wal_frame_write(&h, 1, 2, wal + WAL_HDR_SIZE + WAL_FRAME_HDR_SIZE,
	    h.sum, wal + WAL_HDR_SIZE);
	is_racy(path, false, "nothing is written");
	w = stalled_writer(path, 0, wal, sizeof(wal));
	is_racy(path, true, "the first commit is written, not published");
	app_end(&w, SIGKILL);
	is_racy(path, false, "it never will be");
	app_end(&a, 0);
	free(path);
}

static void
late_later(void)
{
	uint8_t frame[WAL_FRAME_HDR_SIZE + 4096] = { 0, 0, 0, 1 };
	char *path = db_path("later.db");
	struct app a = wal_app(path), w;
	struct image img = { 0 };
	struct err e = { 0 };
	off_t end;

	if (read_into(&img, path, NULL, &e) == -1)
		abort();
	end = (off_t)wal_frame_offset(4096, img.st.pos.frames + 1);
	w = stalled_writer(path, end, frame, sizeof(frame));
	is_racy(path, false, "a frame that commits nothing");
	app_end(&w, SIGKILL);
	frame[7] = 2;
	w = stalled_writer(path, end, frame, sizeof(frame));
	is_racy(path, true, "a commit without salts, not published");
	app_end(&w, SIGKILL);
	is_racy(path, false, "it never will be");
	w = stalled_writer(path, 0, frame, 0);
	is_racy(path, true, "a writer at work, and something stands there");
	app_end(&w, SIGKILL);
	buf_release(&img.bytes);
	app_end(&a, 0);
	free(path);
}

/* A transaction that goes on, or was rolled back under a lock that stays. */
static void
no_commit(void)
{
	char *path = db_path("nocommit.db");
	struct app a = wal_app(path);

	app_do(&a, "PRAGMA cache_size=1; BEGIN");
	app_do(&a, "UPDATE t SET b = randomblob(300)"); /* spills */
	is_racy(path, false, "in a transaction");
	app_do(&a, "COMMIT; PRAGMA locking_mode=EXCLUSIVE");
	app_do(&a, "BEGIN; UPDATE t SET b = randomblob(300); ROLLBACK");
	is_racy(path, false, "rolled back, and the lock is kept");
	app_end(&a, 0);
	free(path);
}

/* -- what moves meanwhile -------------------------------------------------- */

/* Opened and closed for each write: the last close checkpoints. */
static void
opened_for_each(void)
{
	char *path = db_path("opened.db");
	struct mover m = { path, "UPDATE t SET b = b || 'x' WHERE a > 3", NULL,
		0 };
	struct image img = { 0 };
	struct app a = wal_app(path);

	app_end(&a, 0);
	moving("opened for each write", &m, &img);
	ok(m.times > 1, "gently at first: %d times", m.times);
	a = app_start(path);
	app_do(&a, "PRAGMA wal_checkpoint(TRUNCATE)");
	app_end(&a, 0);
	ok(true, "no lock is left behind");
	buf_release(&img.bytes);
	free(path);
}

/* -- and checkpoints, so that the file moves while we have a lock on it. */
static void
come_and_go(const char *path)
{
	for (;;) {
		sqlite3 *db = must_open(path);

		must(db, "UPDATE t SET b = b || 'x' WHERE a = 3");
		must(db, "PRAGMA wal_checkpoint(PASSIVE)");
		usleep(2000);
		sqlite3_close(db);
		usleep(2000);
	}
}

/* Wait for the file to move; it does not under a read transaction. */
static void
until_moved(void *path)
{
	struct stat a, b;

	stat(path, &a);
	b = a;
	for (int i = 0; i < 400 && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
	     a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
	     i++) {
		usleep(1000);
		stat(path, &b);
	}
}

static void
checkpointed_for_each(void)
{
	char *path = db_path("checkpointed.db");
	struct image img = {
		.meanwhile = until_moved, .ctx = path, .behind = 1
	};
	struct app a = wal_app(path);
	struct err e = { 0 };
	pid_t pid;
	int rc = 0;

	app_end(&a, 0);
	if ((pid = fork()) == 0)
		come_and_go(path);
	/* On a busy machine it may stand still for as long as we read. */
	for (int i = 0; i < 50 && rc == 0 &&
	     strcmp(source_read_name[img.st.read], "locked") != 0;
	     i++)
		rc = read_into(&img, path, NULL, &e);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ok(rc == 0, "checkpointed for each write: %s", e.msg);
	is_str(
	    source_read_name[img.st.read], "locked", "by a read transaction");
	buf_release(&img.bytes);
	free(path);
}

/* As an SQLite before 3.10 has it when all is in the file, and not yet told. */
static void
checkpoint_untold(void *ctx)
{
	static const uint32_t none;
	static bool done;
	struct mover *m = ctx;

	if (done)
		return;
	done = true;
	app_do(m->app, "UPDATE t SET b = b || 'x'");
	app_do(m->app, "PRAGMA wal_checkpoint(PASSIVE)");
	patch(m->path, "-shm", SHM_BACKFILL, &none, sizeof(none));
	patch(m->path, "-shm", SHM_ATTEMPTED, &none, sizeof(none));
}

static void
old_sqlite(void)
{
	static const uint32_t none;
	char *path = db_path("old.db");
	struct app a = wal_app(path);
	struct mover m = { .path = path, .app = &a };
	struct image img = {
		.meanwhile = checkpoint_untold, .ctx = &m, .behind = 1
	};

	app_do(&a, "PRAGMA wal_checkpoint(RESTART)");
	app_do(&a, "UPDATE t SET b = 'x' WHERE a = 1");
	settle();
	check("a checkpoint that is not told", &img, path, NULL, SOURCE_LOCKED,
	    SOURCE_DIFF);
	app_do(&a, "PRAGMA wal_checkpoint(PASSIVE)");
	patch(path, "-shm", SHM_ATTEMPTED, &none, sizeof(none));
	check("one that was not announced", &img, path, NULL, SOURCE_SHARED,
	    SOURCE_DIFF);
	app_end(&a, 0);
	buf_release(&img.bytes);
	free(path);
}

static void
no_sense(void)
{
	const uint32_t many = 100000;
	char *path = db_path("sense.db");
	struct app a = wal_app(path);

	patch(path, "-shm", SHM_BACKFILL, &many, sizeof(many));
	must_refuse("more is checkpointed than there is", path, "no sense");
	app_end(&a, SIGKILL);
	free(path);
}

int
main(void)
{
	dir_begin();
	broken_chain();
	broken_and_restarted();
	unsettled();
	late_first();
	late_later();
	no_commit();
	opened_for_each();
	checkpointed_for_each();
	old_sqlite();
	no_sense();
	return dir_done();
}
