/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fleet -- make a fleet of tenant databases, use it as an application would,
 * and compare what was restored with what was committed.
 *
 *	fleet make [-n N] [-b BYTES] [-p PAGESIZE] [-m MODE] DIR
 *		N databases below DIR, their paths on stdout.  Without -b and
 *		-p sizes go from 8 KB to 3 MB and page sizes from 512 to 65536.
 *		MODE is wal, delete or mix (a third each of: WAL that `hold`
 *		is meant for, WAL, rollback journal; the name says which).
 *	fleet hold		keep them all open, with a commit in the WAL of
 *		each; says "ready"; ends on SIGTERM
 *	fleet write		commit to them in turn; says "ready" after the
 *		first round; on SIGTERM prints how many commits, ends
 *	fleet commit SECONDS MS	commit to one of them at random, MS milliseconds
 *		apart on average, for so long; each commit is a row of the table
 *		"commits", and then the line "TIME N PATH": when it was over, in
 *		ns, and its number in all of them together.  Ends on SIGTERM
 *	fleet touch		change one page of each, leave the -wal
 *	fleet compare BASE COPY	each path below BASE against the same below
 *		COPY, byte for byte, as it is after recovery
 *
 * All but make read paths from stdin.
 */
#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"

enum mode { LIVE, WAL, DELETE };
static const char *const mode_name[] = { "live", "wal", "delete" };

static volatile sig_atomic_t stopped;

static void
on_term(int sig)
{
	(void)sig;
	stopped = 1;
}

static _Noreturn void
die(const char *path, const char *why)
{
	fprintf(stderr, "fleet: %s: %s\n", path, why);
	exit(1);
}

static void
run(sqlite3 *db, const char *path, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		die(path, sqlite3_errmsg(db));
}

static sqlite3 *
open_db(const char *path, int flags)
{
	sqlite3 *db;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | flags, NULL) !=
	    SQLITE_OK)
		die(path, sqlite3_errmsg(db));
	sqlite3_busy_timeout(db, 30000);
	return db;
}

static uint64_t
next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* Text that packs about 2:1, like most of what people store. */
static void
fill_text(char *p, size_t n, uint64_t *seed)
{
	uint64_t r = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (i % 16 == 0)
			r = next_random(seed);
		p[i] = (char)('a' + (r & 15));
		r >>= 4;
	}
}

/* Rows until the file would have 'bytes'; each a third of a page, so that
 * pages fill well whatever their size. */
static void
fill_db(sqlite3 *db, const char *path, uint64_t bytes, uint32_t page_size,
    uint64_t *seed)
{
	size_t len = page_size / 3 - 32;
	uint64_t rows = bytes / page_size * 3, i;
	char *text = xmalloc(len);
	sqlite3_stmt *st;

	/* the schema's page, and the table's root and inner pages */
	rows = rows > 6 + rows / 50 ? rows - 6 - rows / 50 : 0;
	run(db, path, "BEGIN; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)");
	if (sqlite3_prepare_v2(
		db, "INSERT INTO t (v) VALUES (?)", -1, &st, NULL) != SQLITE_OK)
		die(path, sqlite3_errmsg(db));
	for (i = 0; i <= rows; i++) {
		fill_text(text, len, seed);
		sqlite3_bind_text(st, 1, text, (int)len, SQLITE_STATIC);
		if (sqlite3_step(st) != SQLITE_DONE)
			die(path, sqlite3_errmsg(db));
		sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	run(db, path, "COMMIT");
	free(text);
}

static void
make_db(const char *path, enum mode mode, uint64_t bytes, uint32_t page_size,
    uint64_t seed)
{
	sqlite3 *db = open_db(path, SQLITE_OPEN_CREATE);
	char pragma[64];

	snprintf(pragma, sizeof pragma, "PRAGMA page_size = %u", page_size);
	run(db, path, pragma);
	/* only while it is made */
	run(db, path, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF");
	fill_db(db, path, bytes, page_size, &seed);
	run(db, path,
	    mode == DELETE ? "PRAGMA journal_mode = DELETE"
			   : "PRAGMA journal_mode = WAL");
	if (sqlite3_close(db) != SQLITE_OK)
		die(path, "cannot close");
}

struct plan {
	unsigned long n;
	uint64_t bytes;     /* 0: many sizes */
	uint32_t page_size; /* 0: all sizes */
	bool mix;
	enum mode mode;
	const char *dir;
};

/* Seven in ten up to 64 KB, a quarter up to 512 KB, the rest up to 3 MB. */
static uint64_t
pick_size(uint64_t *seed)
{
	uint64_t kind = next_random(seed) % 100, low = 8, high = 64;

	if (kind >= 95) {
		low = 512;
		high = 3072;
	} else if (kind >= 70) {
		low = 64;
		high = 512;
	}
	return (low + next_random(seed) % (high - low)) << 10;
}

static void
make_one(const struct plan *p, unsigned long i)
{
	uint64_t seed = 0x9e3779b97f4a7c15u * (i + 1);
	enum mode mode = p->mix ? (enum mode)(i % 3) : p->mode;
	uint64_t bytes = p->bytes != 0 ? p->bytes : pick_size(&seed);
	uint32_t page_size = p->page_size;
	char *dir = xasprintf("%s/%02lu", p->dir, i / 100), *path;

	if (page_size == 0)
		page_size = 512u << (i / 3) % 8;
	if (mkdir(dir, 0755) == -1 && errno != EEXIST)
		die(dir, strerror(errno));
	path = xasprintf("%s/tenant-%05lu-%s.db", dir, i, mode_name[mode]);
	make_db(path, mode, bytes, page_size, seed);
	puts(path);
	free(path);
	free(dir);
}

static _Noreturn void
usage(void)
{
	fprintf(stderr,
	    "usage: fleet make [-n N] [-b BYTES] [-p PAGESIZE] "
	    "[-m wal|delete|mix] DIR\n"
	    "       fleet hold | write | touch <paths\n"
	    "       fleet commit SECONDS MS <paths\n"
	    "       fleet compare BASE COPY <paths\n");
	exit(2);
}

static int
make(int argc, char *argv[])
{
	struct plan p = { .n = 1, .mix = true };
	unsigned long i;
	int c;

	while ((c = getopt(argc, argv, "n:b:p:m:")) != -1)
		switch (c) {
		case 'n': p.n = strtoul(optarg, NULL, 10); break;
		case 'b': p.bytes = strtoull(optarg, NULL, 10); break;
		case 'p':
			p.page_size = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'm':
			p.mix = strcmp(optarg, "mix") == 0;
			p.mode = strcmp(optarg, "delete") == 0 ? DELETE : WAL;
			break;
		default: usage();
		}
	if (argc - optind != 1)
		usage();
	p.dir = argv[optind];
	for (i = 0; i < p.n; i++)
		make_one(&p, i);
	return fflush(stdout) == 0 ? 0 : 1;
}

/* The paths on stdin; *n of them. */
static char **
read_paths(size_t *n)
{
	char **paths = NULL, *line = NULL;
	size_t room = 0, cap = 0;
	ssize_t len;

	*n = 0;
	while ((len = getline(&line, &cap, stdin)) > 0) {
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		if (*n == room) {
			room = room * 2 + 64;
			paths = xrealloc(paths, room * sizeof *paths);
		}
		paths[(*n)++] = xstrdup(line);
	}
	free(line);
	return paths;
}

static void
free_paths(char **paths, size_t n)
{
	while (n > 0)
		free(paths[--n]);
	free(paths);
}

static void
change(sqlite3 *db, const char *path)
{
	run(db, path,
	    "UPDATE t SET v = hex(randomblob(length(v) / 2)) WHERE id ="
	    " (SELECT abs(random()) % max(id) + 1 FROM t)");
}

static sqlite3 **
open_all(char **paths, size_t n)
{
	sqlite3 **dbs = xcalloc(n + 1, sizeof *dbs);
	struct rlimit lim;
	size_t i;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
	for (i = 0; i < n; i++) {
		dbs[i] = open_db(paths[i], 0);
		run(dbs[i], paths[i], "PRAGMA synchronous = NORMAL");
	}
	return dbs;
}

static void
close_all(sqlite3 **dbs, size_t n)
{
	while (n > 0)
		sqlite3_close(dbs[--n]);
	free(dbs);
}

/* Commit to each in turn; forever if 'on', else once. */
static int
use(bool on)
{
	size_t n, i;
	char **paths = read_paths(&n);
	sqlite3 **dbs = open_all(paths, n);
	unsigned long commits = 0;

	for (i = 0; i < n && !stopped; i++, commits++)
		change(dbs[i], paths[i]);
	puts("ready");
	fflush(stdout);
	while (!stopped) {
		usleep(1000);
		if (!on || n == 0)
			continue;
		change(dbs[commits % n], paths[commits % n]);
		commits++;
	}
	if (on)
		printf("%lu\n", commits);
	close_all(dbs, n);
	free_paths(paths, n);
	return 0;
}

static uint64_t
clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void
commit(sqlite3 *db, const char *path, uint64_t n)
{
	char *sql = xasprintf(
	    "INSERT INTO commits VALUES (%llu)", (unsigned long long)n);

	run(db, path, sql);
	printf("%llu %llu %s\n", (unsigned long long)clock_ns(CLOCK_REALTIME),
	    (unsigned long long)n, path);
	free(sql);
}

static int
commit_at_random(double seconds, double ms)
{
	size_t n, i;
	char **paths = read_paths(&n);
	sqlite3 **dbs = open_all(paths, n);
	uint64_t seed = clock_ns(CLOCK_REALTIME) | 1, count = 0;
	uint64_t end =
	    clock_ns(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1000000000);

	for (i = 0; i < n; i++)
		run(dbs[i], paths[i],
		    "CREATE TABLE IF NOT EXISTS commits (n INTEGER)");
	while (!stopped && n > 0 && clock_ns(CLOCK_MONOTONIC) < end) {
		i = next_random(&seed) % n;
		commit(dbs[i], paths[i], ++count);
		usleep((useconds_t)(next_random(&seed) %
		    (uint64_t)(2000 * ms + 1)));
	}
	close_all(dbs, n);
	free_paths(paths, n);
	return fflush(stdout) == 0 ? 0 : 1;
}

static int
touch(void)
{
	size_t n, i;
	char **paths = read_paths(&n);
	sqlite3 *db;

	for (i = 0; i < n; i++) {
		db = open_db(paths[i], 0);
		sqlite3_db_config(
		    db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
		change(db, paths[i]);
		sqlite3_close(db);
	}
	free_paths(paths, n);
	return 0;
}

/* The committed image: what a reader of the database sees, page by page. */
static unsigned char *
image(const char *path, sqlite3_int64 *len)
{
	sqlite3 *db = open_db(path, 0);
	unsigned char *p;

	run(db, path, "BEGIN; SELECT count(*) FROM sqlite_schema");
	p = sqlite3_serialize(db, "main", len, 0);
	if (p == NULL)
		die(path, "cannot serialize");
	sqlite3_close(db);
	return p;
}

static bool
same(const char *path, const char *copy)
{
	sqlite3_int64 len;
	unsigned char *want = image(path, &len), *got;
	FILE *f = fopen(copy, "rbe");
	bool equal = false;

	if (f == NULL) {
		fprintf(stderr, "fleet: %s: %s\n", copy, strerror(errno));
		goto out;
	}
	/* one more than it should be, to see that there is no more */
	got = xmalloc((size_t)len + 1);
	equal = fread(got, 1, (size_t)len + 1, f) == (size_t)len &&
	    memcmp(got, want, (size_t)len) == 0;
	free(got);
	fclose(f);
	if (!equal)
		fprintf(stderr, "fleet: %s: not what is in %s\n", copy, path);
out:
	sqlite3_free(want);
	return equal;
}

static int
compare(const char *base, const char *copies)
{
	size_t n, i, equal = 0, skip = strlen(base);
	char **paths = read_paths(&n), *copy;

	for (i = 0; i < n; i++) {
		if (strncmp(paths[i], base, skip) != 0)
			die(paths[i], "not below the base");
		copy = xasprintf("%s%s", copies, paths[i] + skip);
		equal += same(paths[i], copy);
		free(copy);
	}
	printf("%zu of %zu\n", equal, n);
	free_paths(paths, n);
	return equal == n ? 0 : 1;
}

int
main(int argc, char *argv[])
{
	struct sigaction sa = { .sa_handler = on_term };
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "make") == 0)
		return make(argc - 1, argv + 1);
	if (strcmp(what, "touch") == 0)
		return touch();
	if (strcmp(what, "compare") == 0 && argc == 4)
		return compare(argv[2], argv[3]);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	if (strcmp(what, "commit") == 0 && argc == 4)
		return commit_at_random(
		    strtod(argv[2], NULL), strtod(argv[3], NULL));
	if (strcmp(what, "hold") == 0 || strcmp(what, "write") == 0)
		return use(what[0] == 'w');
	usage();
}
