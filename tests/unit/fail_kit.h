/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail_kit -- each system call of a piece of work fails in turn.
 *
 * fail_each() runs the work with its first call failing, then the second, until
 * none is left that did.  Calls of libraries, SQLite's among them, count as ours
 * do.  What fails is what a disk can fail at, and descriptors and threads that
 * there are none of; a lock does not, for SQLite waits for one.  So does each
 * statement of SQL, which may have all it needs in memory: preparing it, and each
 * of its steps.  A call that fails is not carried out.  So it is with one call alone, and with all behind
 * it.
 *
 * This is what tests/faults.bats does to programs, in one process, and so a
 * hundred times faster.  Nothing that was open stays open, whatever fails.
 *
 * Include it first: here are functions of the C library that a test has of its
 * own.
 */
#ifndef LSPP_TESTS_UNIT_FAIL_KIT_H
#define LSPP_TESTS_UNIT_FAIL_KIT_H

#undef _FORTIFY_SOURCE

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "tests/unit/draw_kit.h"
#include "tests/unit/tap.h"

#define FAIL_FN __attribute__((unused)) static

static atomic_long fail_count, fail_at; /* 0: nothing is to */
static bool fail_all_behind;
static const char *_Atomic fail_name; /* of what failed first */

/* Has this call to fail? */
static bool
fail_now(const char *name)
{
	long at = atomic_load(&fail_at), n;

	if (at == 0)
		return false;
	n = atomic_fetch_add(&fail_count, 1) + 1;
	if (n != at && !(fail_all_behind && n > at))
		return false;
	if (n == at)
		atomic_store(&fail_name, name);
	return true;
}

/* The name that the linker knows, where offsets have 64 bits. */
#if defined(__GLIBC__) && defined(__USE_FILE_OFFSET64)
#define FAIL_BIG "64"
#else
#define FAIL_BIG ""
#endif

#define FAIL_NEXT(name, symbol)        \
	static __typeof__(name) *next; \
	if (next == NULL)              \
	*(void **)&next = dlsym(RTLD_NEXT, symbol)

#define FAIL_CALL(type, name, big, error, params, args) \
	type name params                                \
	{                                               \
		FAIL_NEXT(name, #name big);             \
		if (fail_now(#name)) {                  \
			errno = (error);                \
			return -1;                      \
		}                                       \
		return next args;                       \
	}

/* Where it does not fail, it is not made: on a busy disk it would take longer than
 * all else. */
#define FAIL_SYNC(name)               \
	int name(int fd)              \
	{                             \
		(void)fd;             \
		if (!fail_now(#name)) \
			return 0;     \
		errno = EIO;          \
		return -1;            \
	}

/* clang-format off */
FAIL_CALL(ssize_t, read, "", EIO, (int fd, void *v, size_t n), (fd, v, n))
FAIL_CALL(ssize_t, write, "", EIO, (int fd, const void *v, size_t n), (fd, v, n))
FAIL_CALL(ssize_t, pread, FAIL_BIG, EIO, (int fd, void *v, size_t n, off_t o), (fd, v, n, o))
FAIL_CALL(ssize_t, pwrite, FAIL_BIG, ENOSPC, (int fd, const void *v, size_t n, off_t o), (fd, v, n, o))
FAIL_CALL(int, fstat, FAIL_BIG, EIO, (int fd, struct stat *s), (fd, s))
FAIL_CALL(int, stat, FAIL_BIG, EIO, (const char *p, struct stat *s), (p, s))
FAIL_CALL(int, lstat, FAIL_BIG, EIO, (const char *p, struct stat *s), (p, s))
FAIL_CALL(int, fstatat, FAIL_BIG, EIO, (int at, const char *p, struct stat *s, int f), (at, p, s, f))
FAIL_CALL(int, ftruncate, FAIL_BIG, EIO, (int fd, off_t n), (fd, n))
FAIL_SYNC(fsync)
FAIL_SYNC(fdatasync)
FAIL_SYNC(syncfs)
FAIL_CALL(int, mkdir, "", ENOSPC, (const char *p, mode_t m), (p, m))
FAIL_CALL(int, mkdirat, "", ENOSPC, (int at, const char *p, mode_t m), (at, p, m))
FAIL_CALL(int, unlink, "", EIO, (const char *p), (p))
FAIL_CALL(int, unlinkat, "", EIO, (int at, const char *p, int f), (at, p, f))
FAIL_CALL(int, rename, "", EIO, (const char *p, const char *q), (p, q))
FAIL_CALL(int, renameat, "", EIO, (int at, const char *p, int to, const char *q), (at, p, to, q))
FAIL_CALL(int, linkat, "", EIO, (int at, const char *p, int to, const char *q, int f), (at, p, to, q, f))
FAIL_CALL(int, futimens, "", EIO, (int fd, const struct timespec t[2]), (fd, t))
FAIL_CALL(int, fchmod, "", EIO, (int fd, mode_t m), (fd, m))
FAIL_CALL(int, fchown, "", EIO, (int fd, uid_t u, gid_t g), (fd, u, g))
FAIL_CALL(ssize_t, readlinkat, "", EIO, (int at, const char *p, char *b, size_t n), (at, p, b, n))
FAIL_CALL(ssize_t, readlink, "", EIO, (const char *p, char *b, size_t n), (p, b, n))
FAIL_CALL(int, dup, "", EMFILE, (int fd), (fd))
FAIL_CALL(int, pipe2, "", EMFILE, (int fd[2], int f), (fd, f))
FAIL_CALL(int, mkostemp, FAIL_BIG, ENOSPC, (char *p, int f), (p, f))
FAIL_CALL(int, getentropy, "", EIO, (void *v, size_t n), (v, n))
/* clang-format on */

int
open(const char *p, int flags, ...)
{
	FAIL_NEXT(open, "open" FAIL_BIG);
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(ap, int) : 0;
	va_end(ap);
	if (fail_now("open")) {
		errno = EMFILE;
		return -1;
	}
	return next(p, flags, mode);
}

int
openat(int at, const char *p, int flags, ...)
{
	FAIL_NEXT(openat, "openat" FAIL_BIG);
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(ap, int) : 0;
	va_end(ap);
	if (fail_now("openat")) {
		errno = EMFILE;
		return -1;
	}
	return next(at, p, flags, mode);
}

void *
mmap(void *at, size_t n, int prot, int flags, int fd, off_t o)
{
	FAIL_NEXT(mmap, "mmap" FAIL_BIG);
	if (fail_now("mmap")) {
		errno = ENODEV;
		return MAP_FAILED;
	}
	return next(at, n, prot, flags, fd, o);
}

struct dirent *
readdir(DIR *d)
{
	FAIL_NEXT(readdir, "readdir" FAIL_BIG);
	if (fail_now("readdir")) {
		errno = EIO;
		return NULL;
	}
	return next(d);
}

int
pthread_create(
    pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *x)
{
	FAIL_NEXT(pthread_create, "pthread_create");
	if (fail_now("pthread_create"))
		return EAGAIN;
	return next(t, a, f, x);
}

/* Is it ours, and not a statement that SQLite makes itself, which would not have
 * failed with an error that SQLite knows?  What rolls back does not fail: it is
 * over anyway. */
static bool
fail_sql(const void *caller, const char *sql, const char *name)
{
	extern const char __executable_start[], etext[];

	return (const char *)caller >= __executable_start &&
	    (const char *)caller < etext &&
	    (sql == NULL || strncmp(sql, "ROLLBACK", 8) != 0) && fail_now(name);
}

int
sqlite3_exec(sqlite3 *db, const char *sql,
    int (*row)(void *, int, char **, char **), void *ctx, char **msg)
{
	FAIL_NEXT(sqlite3_exec, "sqlite3_exec");
	if (fail_sql(__builtin_return_address(0), sql, "sqlite3_exec"))
		return SQLITE_IOERR;
	return next(db, sql, row, ctx, msg);
}

int
sqlite3_step(sqlite3_stmt *q)
{
	FAIL_NEXT(sqlite3_step, "sqlite3_step");
	if (fail_sql(
		__builtin_return_address(0), sqlite3_sql(q), "sqlite3_step"))
		return SQLITE_IOERR;
	return next(q);
}

int
sqlite3_prepare_v3(sqlite3 *db, const char *sql, int n, unsigned flags,
    sqlite3_stmt **q, const char **tail)
{
	FAIL_NEXT(sqlite3_prepare_v3, "sqlite3_prepare_v3");
	*q = NULL;
	if (fail_sql(__builtin_return_address(0), sql, "sqlite3_prepare_v3"))
		return SQLITE_IOERR;
	return next(db, sql, n, flags, q, tail);
}

int
sqlite3_prepare_v2(
    sqlite3 *db, const char *sql, int n, sqlite3_stmt **q, const char **tail)
{
	FAIL_NEXT(sqlite3_prepare_v2, "sqlite3_prepare_v2");
	*q = NULL;
	if (fail_sql(__builtin_return_address(0), sql, "sqlite3_prepare_v2"))
		return SQLITE_IOERR;
	return next(db, sql, n, q, tail);
}

/* -- files, while nothing fails -------------------------------------------- */

FAIL_FN void
fail_must(bool done, const char *what)
{
	if (done)
		return;
	perror(what);
	exit(99);
}

FAIL_FN void
fail_remove(const char *tree)
{
	DIR *in = opendir(tree);
	struct dirent *d;
	char path[512];

	if (in == NULL)
		return;
	while ((d = readdir(in)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", tree, d->d_name);
		if (unlink(path) == -1)
			fail_remove(path);
	}
	(void)closedir(in);
	fail_must(rmdir(tree) == 0, tree);
}

FAIL_FN void
fail_copy_file(const char *from, const char *to)
{
	static char piece[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC),
	    out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct stat st;
	ssize_t n = -1;

	while (
	    in != -1 && out != -1 && (n = read(in, piece, sizeof(piece))) > 0)
		fail_must(write(out, piece, (size_t)n) == n, to);
	fail_must(n == 0 && fstat(in, &st) == 0 &&
		futimens(out, (struct timespec[]){ st.st_atim, st.st_mtim }) ==
		    0,
	    from);
	(void)close(in);
	(void)close(out);
}

/* What is in a tree, into another, of files with their times and of
 * directories. */
FAIL_FN void
fail_copy(const char *from, const char *to)
{
	DIR *in = opendir(from);
	struct dirent *d;
	char a[512], b[512];

	if (in == NULL) {
		fail_copy_file(from, to);
		return;
	}
	fail_must(mkdir(to, 0700) == 0 || errno == EEXIST, to);
	while ((d = readdir(in)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		(void)snprintf(a, sizeof(a), "%s/%s", from, d->d_name);
		(void)snprintf(b, sizeof(b), "%s/%s", to, d->d_name);
		fail_copy(a, b);
	}
	(void)closedir(in);
}

/* -- the trials ------------------------------------------------------------ */

struct fail_work {
	const char *what;
	void (*before)(void); /* how it is when the work begins */
	/* With a call that fails: is all that must hold, as it is now? */
	int (*work)(struct err *e);
	bool (*holds)(int rc, const struct err *e);
	long step; /* in `make check` every so-manieth; 0: FAIL_STEP */
};

/* How many descriptors are open. */
FAIL_FN int
fail_open_files(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

/* The n-th call fails.  Did one, and what does not hold then? */
FAIL_FN bool
fail_trial(const struct fail_work *w, long n, bool all_behind, long *bad)
{
	struct err e = { 0 };
	int files, rc;
	bool failed;

	w->before();
	files = fail_open_files();
	fail_all_behind = all_behind;
	atomic_store(&fail_name, NULL);
	atomic_store(&fail_count, 0);
	atomic_store(&fail_at, n);
	rc = w->work(&e);
	atomic_store(&fail_at, 0);
	failed = atomic_load(&fail_name) != NULL;
	files = fail_open_files() - files;
	if (!w->holds(rc, &e) || files != 0) {
		printf("# call %ld, %s%s: %d (%d %s), and %d more files open\n",
		    n, failed ? atomic_load(&fail_name) : "none",
		    all_behind ? ", and all behind" : "", rc, (int)e.class,
		    e.msg, files);
		++*bad;
	}
	return failed;
}

/*
 * Each call, and without a fault.  In `make check` not all of them, from one that
 * is drawn; LSPP_EACH or LSPP_SOAK asks for all.
 */
enum { FAIL_STEP = 11 };

FAIL_FN void
fail_each(const struct fail_work *w)
{
	bool each = getenv("LSPP_EACH") != NULL || getenv("LSPP_SOAK") != NULL;
	long step = each   ? 1
	    : w->step != 0 ? w->step
			   : FAIL_STEP,
	     bad = 0, n = 1 + (long)draw((unsigned)step);

	for (; fail_trial(w, n, false, &bad); n += step)
		(void)fail_trial(w, n, true, &bad);
	is_int(bad, 0, "%s: one in %ld of %ld calls, and all behind it",
	    w->what, step, n);
	ok(n > 10, "%s: these were many", w->what);
}

#endif
