/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer -- an application that writes, and knows what it committed.
 *
 *	writer [-HRl] [-b KB] [-c FILE] [-d USEC] [-j MODE] [-m MIN] [-n N]
 *	    [-p SIZE] [-s SEED] [-w MS] DB
 *
 *	-H	hostile: changes its autocheckpoint from 5 to 1000, checkpoints
 *		in all ways, reconnects, vacuums
 *	-R	hostile to who waits for readers: now and then a connection of its
 *		own goes on reading an old state of a WAL
 *	-l	at the end print "commits N p50 USEC p99 USEC max USEC"
 *	-b	fill a new database with so much first
 *	-c	the number of the last committed transaction, 8 bytes in FILE:
 *		never more than what is durable, never less than what was said
 *	-d	sleep so long between transactions, on average
 *	-j	journal mode of a new database [wal]
 *	-m	the next transaction has at least this number
 *	-n	end after so many transactions; else on SIGTERM
 *	-p	page size of a new database [4096]
 *	-w	wait so long for a lock [60000], then roll back and exit with 1
 *
 * Prints "ready" after the first transaction.  Every one moves money between
 * accounts, counts itself and changes large rows, and says what all rows are
 * (rows.h); `judge` tells whether a copy is of a moment between two of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/tools/rows.h"

enum { ACCOUNTS = 200, MAX_SAMPLES = 1 << 20 };

struct writer {
	const char *path, *journal;
	bool hostile, readers, report;
	long fill, pause, count, page_size;
	int wait;
	sqlite3 *db, *keeper; /* keeper: keeps the WAL when db reconnects */
	sqlite3 *reader;      /* reads an old state */
	volatile int64_t *committed;
	int64_t n, min;
	long left, reads; /* transactions of this session, of the reader */
	uint64_t seed;
	uint32_t *sample; /* usec a transaction took */
	size_t samples;
};

static volatile sig_atomic_t stop;

static void
on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static _Noreturn void
die(const char *what, const char *why)
{
	(void)fprintf(stderr, "writer: %s: %s\n", what, why);
	exit(1);
}

static unsigned
below(struct writer *w, unsigned n)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return (unsigned)(w->seed >> 33) % n;
}

static uint64_t
now_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* A statement that may find the database locked: the caller looks at it. */
static int
try_sql(sqlite3 *db, const char *fmt, ...)
{
	va_list ap;
	char *sql;
	int rc;

	va_start(ap, fmt);
	sql = sqlite3_vmprintf(fmt, ap);
	va_end(ap);
	rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
	if (rc != SQLITE_OK && rc != SQLITE_BUSY && rc != SQLITE_LOCKED)
		die(sql, sqlite3_errmsg(db));
	sqlite3_free(sql);
	return rc;
}

/* Leaves nothing half done. */
static _Noreturn void
locked_out(struct writer *w)
{
	try_sql(w->db, "%s",
	    sqlite3_get_autocommit(w->db) ? "SELECT 1" : "ROLLBACK");
	sqlite3_close(w->reader);
	sqlite3_close(w->keeper);
	sqlite3_close(w->db);
	die(w->path, "locked");
}

static sqlite3 *
open_db(struct writer *w)
{
	sqlite3 *db = NULL;

	if (sqlite3_open(w->path, &db) != SQLITE_OK)
		die(w->path, sqlite3_errmsg(db));
	sqlite3_busy_timeout(db, w->wait);
	if (rows_register(db) != SQLITE_OK)
		die("functions", sqlite3_errmsg(db));
	return db;
}

static void
create(struct writer *w)
{
	static const char schema[] =
	    "BEGIN IMMEDIATE;"
	    "CREATE TABLE meta(n INTEGER, total INTEGER, sum INTEGER);"
	    "CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER);"
	    "CREATE TABLE log(n INTEGER PRIMARY KEY, note TEXT);"
	    "CREATE TABLE ballast(id INTEGER PRIMARY KEY, print BLOB, x BLOB);"
	    "CREATE TABLE fill(x BLOB);"
	    "CREATE INDEX by_print ON ballast(print);"
	    "INSERT INTO meta VALUES(0, %d, 0);"
	    "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM c"
	    " WHERE i < %d) INSERT INTO account SELECT i, 1000 FROM c;"
	    "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM c"
	    " WHERE i < %ld) INSERT INTO fill SELECT randomblob(900) FROM c"
	    " WHERE %ld > 0;"
	    "UPDATE meta SET sum = " ROWS_SUM ";"
	    "COMMIT;";

	try_sql(w->db, "PRAGMA page_size = %ld; PRAGMA journal_mode = %s",
	    w->page_size, w->journal);
	if (try_sql(w->db, schema, 1000 * ACCOUNTS, ACCOUNTS, w->fill,
		w->fill) != SQLITE_OK)
		die("create", "locked");
}

/* From now on each row that comes or goes changes meta.sum. */
static void
keep_sum(struct writer *w)
{
	static const char triggers[] =
	    "PRAGMA recursive_triggers = ON;"
	    "CREATE TEMP TRIGGER a AFTER UPDATE ON account BEGIN UPDATE meta "
	    "SET sum = row(row(sum, 'account', old.id, old.balance),"
	    " 'account', new.id, new.balance); END;"
	    "CREATE TEMP TRIGGER l AFTER INSERT ON log BEGIN UPDATE meta "
	    "SET sum = row(sum, 'log', new.n, new.note); END;"
	    "CREATE TEMP TRIGGER d AFTER DELETE ON log BEGIN UPDATE meta "
	    "SET sum = row(sum, 'log', old.n, old.note); END;"
	    "CREATE TEMP TRIGGER b AFTER INSERT ON ballast BEGIN UPDATE meta "
	    "SET sum = row(sum, 'ballast', new.id, new.x); END;"
	    "CREATE TEMP TRIGGER g AFTER DELETE ON ballast BEGIN UPDATE meta "
	    "SET sum = row(sum, 'ballast', old.id, old.x); END;";

	if (try_sql(w->db, "%s", triggers) != SQLITE_OK)
		die("triggers", "locked");
}

static int64_t
number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *q = NULL;
	int64_t n = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK &&
	    sqlite3_step(q) == SQLITE_ROW)
		n = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return n;
}

static void
begin_session(struct writer *w)
{
	static const int limits[] = { 5, 20, 100, 1000 };

	w->db = open_db(w);
	if (number(w->db, "SELECT COUNT(*) FROM sqlite_schema") == 0)
		create(w);
	w->n = number(w->db, "SELECT n FROM meta");
	if (w->n == -1)
		die("number", sqlite3_errmsg(w->db));
	keep_sum(w);
	/* Journal modes but wal are a connection's own. */
	if (strcmp(w->journal, "wal") != 0)
		try_sql(w->db, "PRAGMA journal_mode = %s", w->journal);
	if (!w->hostile)
		return;
	w->left = 20 + below(w, 400);
	try_sql(w->db,
	    "PRAGMA synchronous = %s; PRAGMA wal_autocheckpoint = "
	    "%d",
	    below(w, 2) ? "NORMAL" : "OFF", limits[below(w, 4)]);
}

static void
end_reader(struct writer *w)
{
	sqlite3_close(w->reader);
	w->reader = NULL;
}

/* Its transaction ends with the connection.  Without a WAL nobody could commit
 * meanwhile. */
static void
be_read(struct writer *w)
{
	if (w->reader != NULL && --w->reads <= 0)
		end_reader(w);
	if (w->reader != NULL || below(w, 100) != 0 ||
	    strcmp(w->journal, "wal") != 0)
		return;
	w->reads = 20 + below(w, 200);
	w->reader = open_db(w);
	try_sql(w->reader, "BEGIN");
	number(w->reader, "SELECT n FROM meta");
}

/* Half of the time another connection keeps the WAL where it is. */
static void
reconnect(struct writer *w)
{
	sqlite3_close(w->keeper);
	w->keeper = NULL;
	if (below(w, 2)) {
		w->keeper = open_db(w);
		number(w->keeper, "SELECT n FROM meta");
	}
	sqlite3_close(w->db);
	begin_session(w);
}

/* What an application, or its administrator, may do between transactions. */
static void
be_hostile(struct writer *w)
{
	static const char *const modes[] = { "PASSIVE", "FULL", "RESTART",
		"TRUNCATE" };

	if (--w->left <= 0)
		reconnect(w);
	/* Nobody ends the reader while this one waits for it. */
	if (w->reader != NULL)
		sqlite3_busy_timeout(w->db, 20);
	if (below(w, 60) == 0)
		try_sql(w->db, "PRAGMA wal_checkpoint(%s)", modes[below(w, 4)]);
	if (below(w, 400) == 0)
		try_sql(w->db, "VACUUM");
	sqlite3_busy_timeout(w->db, w->wait);
}

static void
change_ballast(struct writer *w)
{
	unsigned id = below(w, 60), size = 16 + below(w, 20000);

	if (below(w, 4) == 0)
		try_sql(w->db, "DELETE FROM ballast WHERE id BETWEEN %u AND %u",
		    id, id + 8);
	else
		try_sql(w->db,
		    "WITH b(x) AS MATERIALIZED (SELECT randomblob(%u)) "
		    "REPLACE INTO ballast SELECT %u, "
		    "substr(x, 1, 8) || substr(x, -8), x FROM b",
		    size, id);
}

static void
transact(struct writer *w)
{
	unsigned from = 1 + below(w, ACCOUNTS), to = 1 + below(w, ACCOUNTS);
	unsigned sum = below(w, 100);

	if (try_sql(w->db, "BEGIN IMMEDIATE") != SQLITE_OK)
		locked_out(w);
	try_sql(w->db,
	    "UPDATE account SET balance = balance - %u WHERE id = %u;"
	    "UPDATE account SET balance = balance + %u WHERE id = %u;"
	    "UPDATE meta SET n = max(n + 1, %lld);"
	    "INSERT INTO log SELECT n, 'from %u to %u' FROM meta;"
	    "DELETE FROM log WHERE n < (SELECT n - 500 FROM meta)",
	    sum, from, sum, to, (long long)w->min, from, to);
	if (below(w, 5) == 0)
		change_ballast(w);
	if (try_sql(w->db, "COMMIT") != SQLITE_OK)
		locked_out(w);
	w->n = w->n + 1 > w->min ? w->n + 1 : w->min;
	*w->committed = w->n;
}

static void
nap(struct writer *w)
{
	struct timespec ts;
	long usec;

	if (w->pause == 0)
		return;
	usec = (long)below(w, (unsigned)(2 * w->pause));
	ts.tv_sec = usec / 1000000;
	ts.tv_nsec = usec % 1000000 * 1000;
	nanosleep(&ts, NULL);
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
report(struct writer *w)
{
	size_t n = w->samples;

	if (n == 0)
		return;
	qsort(w->sample, n, sizeof(*w->sample), by_size);
	(void)printf("commits %zu p50 %u p99 %u max %u\n", n, w->sample[n / 2],
	    w->sample[n - 1 - n / 100], w->sample[n - 1]);
}

static void
run(struct writer *w)
{
	uint64_t start;

	begin_session(w);
	*w->committed = w->n;
	for (long i = 0; !stop && (w->count == 0 || i < w->count); i++) {
		start = now_usec();
		transact(w);
		if (w->samples < MAX_SAMPLES)
			w->sample[w->samples++] =
			    (uint32_t)(now_usec() - start);
		if (i == 0) {
			(void)puts("ready");
			(void)fflush(stdout);
		}
		if (w->hostile)
			be_hostile(w);
		if (w->readers)
			be_read(w);
		nap(w);
	}
	end_reader(w);
	sqlite3_close(w->keeper);
	sqlite3_close(w->db);
	if (w->report)
		report(w);
}

/* Shared with whoever reads the file: no system call, no lock. */
static volatile int64_t *
map_counter(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	void *p;

	if (fd == -1 || ftruncate(fd, sizeof(int64_t)) == -1)
		die(path, strerror(errno));
	p = mmap(
	    NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die(path, strerror(errno));
	close(fd);
	return p;
}

static void
options(struct writer *w, int argc, char *argv[])
{
	int c;

	while ((c = getopt(argc, argv, "HRlb:c:d:j:m:n:p:s:w:")) != -1)
		switch (c) {
		case 'H': w->hostile = true; break;
		case 'R': w->readers = true; break;
		case 'l': w->report = true; break;
		case 'b': w->fill = strtol(optarg, NULL, 10); break;
		case 'c': w->committed = map_counter(optarg); break;
		case 'd': w->pause = strtol(optarg, NULL, 10); break;
		case 'j': w->journal = optarg; break;
		case 'm': w->min = strtoll(optarg, NULL, 10); break;
		case 'n': w->count = strtol(optarg, NULL, 10); break;
		case 'p': w->page_size = strtol(optarg, NULL, 10); break;
		case 's': w->seed = strtoull(optarg, NULL, 10) + 1; break;
		case 'w': w->wait = (int)strtol(optarg, NULL, 10); break;
		default: exit(2);
		}
	if (optind != argc - 1)
		die("usage", "writer [option ...] DB");
	w->path = argv[optind];
	w->seed *= 0x9e3779b97f4a7c15;
}

int
main(int argc, char *argv[])
{
	struct sigaction sa = { .sa_handler = on_term };
	int64_t nowhere;
	struct writer w = { .journal = "wal",
		.page_size = 4096,
		.wait = 60000,
		.seed = 1,
		.committed = &nowhere };

	options(&w, argc, argv);
	w.sample = calloc(MAX_SAMPLES, sizeof(*w.sample));
	if (w.sample == NULL)
		die("memory", "none");
	sigaction(SIGTERM, &sa, NULL);
	run(&w);
	free(w.sample);
	return 0;
}
