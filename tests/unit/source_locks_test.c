/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks: what only the kernel can tell of who holds a database, and how.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/base/be.h"
#include "lib/sqlite/wal.h"
#include "lib/sys/file.h"
#include "tests/unit/source_kit.h"

static void
exclusive_wal(void)
{
	char *path = db_path("exclusive.db");
	struct mover m = { path, "UPDATE t SET b = b || 'x' WHERE a > 3", NULL,
		0 };
	struct image img = { 0 };
	struct app a = app_start(path);

	m.app = &a;
	app_do(&a, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;");
	app_do(&a, table);
	app_do(&a, fill);
	settle();
	moving("an exclusive WAL that grows", &m, &img);
	is_int(m.times, 1, "at once");
	is_str(source_read_name[img.st.read], "chain", "by its chain");
	buf_release(&img.bytes);
	app_end(&a, 0);
	free(path);
}

/* And where its chain breaks, only it knows. */
static void
exclusive_broken(void)
{
	static const uint8_t none[16];
	char *path = db_path("exbroken.db");
	struct app a = app_start(path);

	app_do(&a, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;");
	app_do(&a, table);
	app_do(&a, fill);
	patch(path, "-wal", (off_t)wal_frame_offset(4096, 3) + FRAME_SALT, none,
	    sizeof(none));
	must_refuse(
	    "an exclusive WAL that breaks", path, "only the application");
	app_end(&a, 0);
	free(path);
}

static void
exclusive_journal(void)
{
	char *path = db_path("exjournal.db");
	struct image img = { 0 };
	struct app a = app_start(path);
	struct err e = { 0 };
	char *was = xasprintf("%s.was", path);

	app_do(&a, "PRAGMA locking_mode=EXCLUSIVE");
	app_do(&a, table);
	app_do(&a, fill);
	settle();
	is_int(read_into(&img, path, NULL, &e), 0, "exclusive, at rest");
	shell("cp %s %s.was", path);
	ok(is_committed(&img, was), "is what the file is");
	app_do(&a, "PRAGMA cache_size=5; BEGIN");
	app_do(&a, "UPDATE t SET b = randomblob(300)"); /* spills */
	settle();
	is_int(read_into(&img, path, NULL, &e), -1, "in a transaction");
	app_do(&a, "COMMIT");
	app_end(&a, 0);
	buf_release(&img.bytes);
	free(path);
	free(was);
}

/* Nothing says what is under way; a journal that is left is of before. */
static void
exclusive_silent(void)
{
	char *path = db_path("silent.db");
	char *left = xasprintf("%s-journal", path);
	struct app a = app_start(path);
	int64_t began;

	app_do(&a, "PRAGMA journal_mode=MEMORY; PRAGMA locking_mode=EXCLUSIVE");
	app_do(&a, table);
	close(open(left, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	settle();
	app_do(&a, fill);
	wait_older(path, INT64_C(3100000000));
	began = now_ns();
	must_refuse("exclusive, without a journal", path, "locked for good");
	ok(now_ns() - began < INT64_C(1500000000), "in a moment");
	app_end(&a, 0);
	free(left);
	free(path);
}

/*
 * A half of a transaction in the file, of a writer without a journal file; beside
 * it one that is left, of before the clock was set back: its time is to come.
 */
static void
exclusive_set_back(void)
{
	char *path = db_path("setback.db");
	char *left = xasprintf("%s-journal", path);
	struct timespec to_come[2] = { { .tv_nsec = UTIME_OMIT }, { 0 } };
	struct app a = app_start(path);
	struct image img = { 0 };
	struct err e = { 0 };
	int fd;

	app_do(&a, "PRAGMA journal_mode=MEMORY; PRAGMA locking_mode=EXCLUSIVE");
	app_do(&a, table);
	app_do(&a, fill);
	fd = open(left, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	to_come[1].tv_sec = (time_t)(now_ns() / 1000000000 + 3600);
	is_int(futimens(fd, to_come), 0, "a time that is to come");
	close(fd);
	app_do(&a, "PRAGMA cache_size=5; BEGIN");
	app_do(&a, "UPDATE t SET b = randomblob(300)"); /* spills */
	settle();
	is_int(read_into(&img, path, NULL, &e), -1, "a half of a transaction");
	is_int(e.class, ERR_BUSY, "class");
	app_end(&a, 0);
	buf_release(&img.bytes);
	free(left);
	free(path);
}

/* Locks that do not reach us: it changes although we have ours. */
static void
locks_not_seen(void)
{
	char *path = db_path("nolock.db");
	char *uri = xasprintf("file:%s?nolock=1", path);
	struct app a = app_start(uri);
	struct mover m = { path, "UPDATE t SET b = b || 'x' WHERE a > 3", &a,
		0 };
	struct image img = { .meanwhile = move, .ctx = &m, .behind = 1 };
	struct err e = { 0 };

	app_do(&a, table);
	app_do(&a, fill);
	settle();
	is_int(read_into(&img, path, NULL, &e), -1, "locks that are not seen");
	is_int(e.class, ERR_BUSY, "class");
	ok(strstr(e.msg, "changed while locked") != NULL, "why: %s", e.msg);
	buf_release(&img.bytes);
	app_end(&a, 0);
	free(uri);
	free(path);
}

/* -- a WAL that is not there ----------------------------------------------- */

static void
elsewhere(void)
{
	char *path = db_path("elsewhere.db");
	char *other = db_path("other.db");
	struct image img = { 0 };
	struct app a = wal_app(path);

	shell("mv %s-wal %s.kept", path);
	must_refuse("its -wal deleted", path, "not beside");
	shell("mv %s-shm %s.shm", path);
	must_refuse("and its -shm", path, "not beside");
	shell("mv %s.kept %s-wal; mv %s.shm %s-shm", path);
	check("back again", &img, path, NULL, SOURCE_SHARED, SOURCE_DIFF);
	app_end(&a, 0);
	settle();
	check("closed", &img, path, NULL, SOURCE_PLAIN, SOURCE_DIFF);
	if (link(path, other) == -1)
		abort();
	must_refuse("a hard link", path, "hard links");
	unlink(other);
	check("no more", &img, path, NULL, SOURCE_PLAIN, SOURCE_DIFF);
	buf_release(&img.bytes);
	free(path);
	free(other);
}

/*
 * In the middle of a look: f is done before somebody is asked for who has the
 * wal-index open, g before the WAL's header is read.
 */
static void (*before_index)(void), (*before_header)(void);
/* And this once the file of that name is open. */
static void (*after_open)(void);
static const char *opened;

static void
do_once_each(void (*f)(void))
{
	static bool within;

	if (f == NULL || within)
		return;
	within = true;
	f();
	within = false;
}

ssize_t
pread(int fd, void *p, size_t n, off_t at)
{
	if (n == WAL_HDR_SIZE && at == 0)
		do_once_each(before_header);
	return syscall(SYS_pread64, fd, p, n, at);
}

/* openat2(2) has no other name in the C library. */
long
syscall(long number, ...)
{
	static long (*next)(long, ...);
	void *arg[6];
	long rc;
	va_list ap;

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "syscall");
	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(ap, void *);
	va_end(ap);
	rc = next(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
	if (number == SYS_openat2 && opened != NULL &&
	    strcmp(arg[1], opened) == 0)
		do_once_each(after_open);
	return rc;
}

/*
 * What F_GETLK says of SHARED: that many times, somebody has it; then once that
 * nobody does, and so on.  Everything else is what the kernel says.
 */
static int seen_in_a_row, seen;

int
fcntl(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;
	struct flock *fl;
	int rc;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	fl = arg;
	if (cmd == F_GETLK && fl->l_start == 128 && fl->l_len == 1)
		do_once_each(before_index);
	rc = (int)syscall(SYS_fcntl, fd, cmd, arg);
	if (cmd == F_GETLK && rc == 0 && seen_in_a_row > 0 &&
	    fl->l_start == 0x40000002 && fl->l_len == 1) {
		if (seen++ % (seen_in_a_row + 1) != seen_in_a_row)
			fl->l_type = F_RDLCK;
	}
	return rc;
}

/*
 * Connections that come and go, each met between its lock and its -wal; in
 * between it is looked at often for other reasons.
 */
static void
coming_and_going(void)
{
	char *path = db_path("coming.db");
	struct mover m = { path, "UPDATE t SET b = b || 'x'", NULL, 0 };
	struct image img = { 0 };
	struct app a = wal_app(path);

	app_end(&a, 0);
	settle();
	seen_in_a_row = 7;
	moving("connections that come and go", &m, &img);
	ok(seen > 2 * 8, "each met, %d looks", seen);
	seen_in_a_row = 8;
	seen = 0;
	must_refuse("one that stays", path, "not beside");
	seen_in_a_row = seen = 0;
	buf_release(&img.bytes);
	free(path);
}

/* -- what is in a state, and what not, by its times ------------------------ */

static struct app *writer;
static int64_t wrote_ns;

static void
write_now(void)
{
	app_do(writer, "UPDATE t SET b = b || 'x'");
	wrote_ns = now_ns();
}

static void
checkpoint_now(void)
{
	app_do(writer, "PRAGMA wal_checkpoint");
}

/*
 * All is in the file at each look, and then the WAL is begun anew: what was
 * written is in the file alone under the lock, but what is written meanwhile
 * is not.
 */
static void
dated(void)
{
	char *path = db_path("dated.db"), *was = xasprintf("%s.was", path);
	struct image img = { 0 };
	struct app a = wal_app(path);
	struct err e = { 0 };

	writer = &a;
	before_index = write_now;
	is_int(read_into(&img, path, NULL, &e), 0, "written in the look");
	before_index = NULL;
	ok(is_committed(&img, path), "is in the state");
	ok(img.st.captured_ns < wrote_ns, "which is not said of before");
	ok(img.st.state_ns >= wrote_ns, "nor is that it was so before");
	before_index = checkpoint_now;
	before_header = write_now;
	is_int(read_into(&img, path, NULL, &e), 0, "and again and again");
	before_index = before_header = NULL;
	is_str(source_read_name[img.st.read], "locked", "under a lock");
	shell("cp %s %s.was", path);
	ok(is_committed(&img, was), "as the file is");
	ok(!is_committed(&img, path), "without what was written last");
	ok(img.st.captured_ns < wrote_ns, "which is not said to be there");
	app_end(&a, 0);
	buf_release(&img.bytes);
	free(path);
	free(was);
}

static const char *anew;

static void
begin_anew(void)
{
	before_index = NULL;
	app_do(writer, anew);
}

/* Behind the look at the file all goes into it: the WAL in use is a later one.
 */
static void
begun_anew(const char *sql)
{
	char *path = db_path("anew.db");
	struct image img = { 0 };
	struct app a = wal_app(path);

	app_end(&a, 0);
	settle();
	check("at rest", &img, path, NULL, SOURCE_PLAIN, SOURCE_DIFF);
	a = app_start(path);
	writer = &a;
	app_do(&a, "UPDATE t SET b = 'x' WHERE a = 150");
	anew = sql;
	before_index = begin_anew;
	check(sql, &img, path, &img.st.pos, SOURCE_SHARED, SOURCE_DIFF);
	ok(before_index == NULL, "in the look");
	app_end(&a, 0);
	unlink(path);
	buf_release(&img.bytes);
	free(path);
}

static void
stand_still(void)
{
	usleep(1100000);
	write_now();
	after_open = NULL;
}

static void
note_now(void *ctx)
{
	*(int64_t *)ctx = now_ns();
}

/* Between the clock and the file that it is for, a second goes by. */
static void
stood_still(const char *name, const char *journal)
{
	char *path = db_path(name);
	int64_t at = 0;
	struct image img = { .meanwhile = note_now, .ctx = &at, .behind = 1 };
	struct app a = app_start(path);
	struct err e = { 0 };

	app_do(&a, journal);
	app_do(&a, table);
	app_do(&a, fill);
	wait_old(path);
	writer = &a;
	opened = path;
	after_open = stand_still;
	is_int(read_into(&img, path, NULL, &e), 0, journal);
	opened = NULL;
	ok(img.st.racy, "written a moment before its times were looked at");
	if (img.st.read == SOURCE_PLAIN)
		ok(at - img.st.sig.db.ctime_ns >= 20000000, "and waited for");
	ok(is_committed(&img, path), "is what SQLite sees");
	app_end(&a, 0);
	buf_release(&img.bytes);
	free(path);
}

/* -- a clock of whole seconds that was set back ---------------------------- */

static time_t shown; /* the time of all files; 0: their own */

static int
show(int rc, struct stat *st)
{
	const struct timespec t = { .tv_sec = shown };

	if (rc == 0 && shown != 0 && S_ISREG(st->st_mode))
		st->st_mtim = st->st_ctim = t;
	return rc;
}

int
stat(const char *path, struct stat *st)
{
	static int (*next)(const char *, struct stat *);

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "stat");
	return show(next(path, st), st);
}

int
fstat(int fd, struct stat *st)
{
	static int (*next)(int, struct stat *);

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "fstat");
	return show(next(fd, st), st);
}

static void
write_as_it_comes_by(void *ctx)
{
	bool *written = ctx;

	if (*written)
		return;
	*written = true;
	while (now_ns() < shown * INT64_C(1000000000))
		usleep(10000);
	write_now();
}

/*
 * The time of the file is yet to come when it is opened.  What is written when
 * the clock comes by it is as old as the file was.
 */
static void
came_by(void)
{
	char *path = db_path("came_by.db");
	bool written = false;
	struct image img = {
		.meanwhile = write_as_it_comes_by, .ctx = &written, .behind = 1
	};
	struct app a = app_start(path);
	struct err e = { 0 };

	app_do(&a, table);
	app_do(&a, fill);
	settle();
	writer = &a;
	shown = (time_t)(now_ns() / 1000000000 + 4);
	is_int(read_into(&img, path, NULL, &e), 0, "its time comes once more");
	shown = 0;
	ok(written, "it was written meanwhile");
	ok(is_committed(&img, path), "is what SQLite sees");
	app_end(&a, 0);
	buf_release(&img.bytes);
	free(path);
}

/* Another lspp that reads, and asks behind page 1 whether to write first. */
struct other {
	struct mover m;
	int ask, answer;
};

static void
ask_first(void *ctx)
{
	struct other *o = ctx;
	char c = 0;

	while (write(o->ask, &c, 1) == 1 && read(o->answer, &c, 1) == 1) {
		move(&o->m);
		if (c == 'm')
			break;
	}
}

static bool
is_held(const char *path)
{
	struct flock fl = { .l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = 0x40000000,
		.l_len = 512 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1 || fcntl(fd, F_GETLK, &fl) == -1)
		abort();
	close(fd);
	return fl.l_type != F_UNLCK;
}

/* It has SHARED on the file, so that nobody is the last to close. */
static void
two_of_us(const char *what, bool leave_wal, enum source_read read_as)
{
	char *path = db_path(leave_wal ? "two.db" : "two_plain.db"), c;
	struct other o = { .m = { .path = path,
			       .sql = "UPDATE t SET b = b || 'x'" } };
	struct image img = { .meanwhile = ask_first, .ctx = &o, .behind = 1 };
	struct app a = wal_app(path);
	int ask[2], answer[2];
	struct err e = { 0 };
	pid_t pid;

	app_end(&a, 0);
	if (pipe(ask) == -1 || pipe(answer) == -1 || (pid = fork()) == -1)
		abort();
	if (pid == 0) {
		close(answer[1]);
		o.ask = ask[1];
		o.answer = answer[0];
		_exit(read_into(&img, path, NULL, &e) == -1);
	}
	close(ask[1]);
	while (read(ask[0], &c, 1) == 1 && !is_held(path))
		if (write(answer[1], "m", 1) != 1)
			abort();
	if (leave_wal &&
	    (write(answer[1], "w", 1) != 1 || read(ask[0], &c, 1) != 1))
		abort();
	ok(is_held(path), "%s: one holds it", what);
	settle();
	img.meanwhile = NULL;
	check(what, &img, path, NULL, read_as, SOURCE_DIFF);
	close(answer[1]);
	waitpid(pid, NULL, 0);
	close(ask[0]);
	close(answer[0]);
	buf_release(&img.bytes);
	free(path);
}

int
main(void)
{
	dir_begin();
	exclusive_wal();
	exclusive_broken();
	exclusive_journal();
	exclusive_silent();
	exclusive_set_back();
	came_by();
	locks_not_seen();
	elsewhere();
	coming_and_going();
	dated();
	begun_anew("PRAGMA wal_checkpoint; UPDATE t SET b = 'y' WHERE a = 7");
	begun_anew("PRAGMA wal_checkpoint(TRUNCATE)");
	stood_still("still.db", "PRAGMA journal_mode=DELETE");
	stood_still("stillwal.db", "PRAGMA journal_mode=WAL");
	two_of_us("two of us, and a -wal", true, SOURCE_CHAIN);
	two_of_us("two of us, and none", false, SOURCE_PLAIN);
	return dir_done();
}
