/* SPDX-License-Identifier: Apache-2.0 */
/* The state: records and sums change together, and survive as one. */
#include "lib/state/state.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/wal/walpos.h"
#include "lib/state/dblock.h"
#include "lib/state/state_whose.h"
#include "tests/unit/app_kit.h"

/* In place of libc's: SQLite's syncs come here. */
static unsigned syncs;
int fdatasync(int fd);
int fsync(int fd);

int
fdatasync(int fd)
{
	(void)fd;
	syncs++;
	return 0;
}

int
fsync(int fd)
{
	return fdatasync(fd);
}

static struct pagesum
sum_of(uint32_t n)
{
	return (struct pagesum){ .hi = n, .lo = ~(uint64_t)n };
}

static void
log_pages(struct spool *log, uint32_t from, uint32_t to, uint32_t salt)
{
	struct sum_entry en;
	struct err e;

	spool_init(log, dir, 4096);
	for (en.pgno = from; en.pgno <= to; en.pgno++) {
		en.sum = sum_of(en.pgno + salt);
		if (spool_write(log, &en, sizeof(en), &e) == -1)
			abort();
	}
}

/* How many of pages 1..n have the sum that log_pages() gave them. */
static uint32_t
count_sums(struct state *st, int64_t id, uint32_t n, uint32_t salt)
{
	struct sums s = { .st = st, .id = id };
	struct pagesum got;
	uint32_t right = 0;
	struct err e;

	for (uint32_t p = 1; p <= n; p++)
		if (sums_get(&s, p, &got, &e) == 1 &&
		    pagesum_equal(got, sum_of(p + salt)))
			right++;
	return right;
}

static struct record
a_record(void)
{
	struct record r = { .root = 1,
		.key = xstrdup("a/b.db"),
		.path = xstrdup("/srv/a/b.db"),
		.format = FORMAT_WAL,
		.pos = { "0123456789abcdef", walpos(3, 4152) },
		.chain = { 16, { 1, 2, 3, 4 } },
		.page_size = 4096,
		.pages = 7,
		.sum = sum_of(99),
		.source = { .valid = 1, .frames = 12, .db = { .ino = 5 } },
		.sig = { .db = { 1, 2, 3, 4, 5 }, .wal = { 6, 7, 8, 9, 10 } },
		.snapshot = walpos(2, 0),
		.snapshot_ns = -1,
		.snapshot_size = 1ull << 40,
		.wal_bytes = 11,
		.segments = 12,
		.captured_ns = 1234567890123456789 };

	return r;
}

static void
records(struct state *st)
{
	struct record r = a_record(), got;
	struct err e = { 0 };

	is_int(state_find(st, 1, "a/b.db", &got, &e), 0, "not there yet");
	ok(state_begin(st, &e) == 0 && state_put(st, &r, &e) == 0 &&
		state_commit(st, &e) == 0,
	    "a record is put");
	ok(r.id != 0, "and has got an id");
	if (!ok(state_find(st, 1, "a/b.db", &got, &e) == 1, "it is found"))
		return;
	is_str(got.path, r.path, "path");
	ok(got.format == r.format && strcmp(got.pos.line, r.pos.line) == 0 &&
		got.pos.at == r.pos.at,
	    "position");
	ok(got.chain.n == r.chain.n &&
		memcmp(&got.chain, &r.chain, sizeof(r.chain)) == 0,
	    "chain");
	ok(memcmp(&got.source, &r.source, sizeof(got.source)) == 0, "source");
	ok(memcmp(&got.sig, &r.sig, sizeof(got.sig)) == 0, "signature");
	ok(pagesum_equal(got.sum, r.sum), "sum");
	ok(got.pages == 7 && got.page_size == 4096 &&
		got.snapshot == r.snapshot && got.snapshot_ns == -1 &&
		got.snapshot_size == 1ull << 40 && got.wal_bytes == 11 &&
		got.segments == 12 && got.captured_ns == r.captured_ns,
	    "numbers");
	record_release(&got);
	is_int(state_find(st, 2, "a/b.db", &got, &e), 0, "of its root only");
	record_release(&r);
}

static int
is_shipped(struct state *st, int64_t root, const char *path,
    const struct signature *sig, struct err *e)
{
	struct state_seen seen = { 0 };
	int rc = state_look(st, root, path, sig, &seen, e);

	return rc == 0 ? seen.known && !seen.changed && !seen.racy : rc;
}

static void
shipped(struct state *st)
{
	struct record r = a_record();
	struct err e = { 0 };

	is_int(is_shipped(st, 1, r.path, &r.sig, &e), 1, "same signature");
	is_int(is_shipped(st, 0, r.path, &r.sig, &e), 1, "to any root");
	is_int(is_shipped(st, 2, r.path, &r.sig, &e), 0, "another root");
	is_int(is_shipped(st, 1, "/else", &r.sig, &e), 0, "another path");
	r.sig.wal.size++;
	is_int(is_shipped(st, 1, r.path, &r.sig, &e), 0, "the WAL grew");
	r.sig.wal.size--;
	state_look_end(st);
	r.id = 1;
	r.racy = true;
	ok(state_begin(st, &e) == 0 && state_put(st, &r, &e) == 0 &&
		state_commit(st, &e) == 0,
	    "the record is replaced");
	is_int(is_shipped(st, 1, r.path, &r.sig, &e), 0, "racy");
	record_release(&r);
}

static void
put(struct state *st, uint32_t from, uint32_t to, uint32_t salt, uint32_t pages,
    bool anew)
{
	struct err e = { 0 };
	struct spool log;

	log_pages(&log, from, to, salt);
	ok(state_begin(st, &e) == 0 &&
		state_put_sums(st, 1, &log, pages, anew, &e) == 0 &&
		state_commit(st, &e) == 0,
	    "sums of %u to %u of %u pages%s", from, to, pages, e.msg);
	spool_release(&log);
}

static void
sums(struct state *st)
{
	struct err e = { 0 };
	struct spool log;

	put(st, 1, 1000, 0, 1000, true);
	is_int(count_sums(st, 1, 1200, 0), 1000, "all are there");
	put(st, 300, 500, 7, 1000, false);
	is_int(count_sums(st, 1, 1000, 0), 799, "others are kept");
	is_int(count_sums(st, 1, 1000, 7), 201, "some are new");
	put(st, 1, 1, 0, 250, false);
	is_int(count_sums(st, 1, 1000, 0), 250, "a shrink cuts them off");
	put(st, 251, 480, 0, 480, false);
	is_int(count_sums(st, 1, 1000, 0), 480, "growth is appended");
	log_pages(&log, 900, 900, 0);
	ok(state_begin(st, &e) == 0 &&
		state_put_sums(st, 1, &log, 900, false, &e) == -1,
	    "a hole is refused");
	is_int(e.class, ERR_BUG, "as a bug");
	state_rollback(st);
	spool_release(&log);
	put(st, 1, 3, 5, 3, true);
	is_int(count_sums(st, 1, 1000, 0), 0, "anew: none of the old");
	is_int(count_sums(st, 1, 1000, 5), 3, "anew: the new");
}

static void
steps(struct state *st)
{
	struct record r = a_record(), got;
	struct err e = { 0 };

	r.root = 5;
	ok(state_begin(st, &e) == 0 && state_step_begin(st, &e) == 0 &&
		state_put(st, &r, &e) == 0 &&
		state_step_end(st, false, &e) == 0 && state_commit(st, &e) == 0,
	    "a step is undone");
	is_int(state_find(st, 5, r.key, &got, &e), 0, "nothing of it is left");
	record_release(&r);
}

static sqlite3 *
other_handle(void)
{
	char path[64];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/state.db", dir);
	if (sqlite3_open(path, &db) != SQLITE_OK)
		abort();
	return db;
}

/* Change a column of the record by hand, and find it. */
static void
bend(struct state *st, sqlite3 *db, const char *set, bool damaged)
{
	char *sql = xasprintf("UPDATE db SET %s WHERE id = 9", set);
	struct record r = a_record(), got;
	struct err e = { 0 };
	int rc;

	r.root = 9;
	r.id = 9;
	ok(state_begin(st, &e) == 0 && state_put(st, &r, &e) == 0 &&
		state_commit(st, &e) == 0 &&
		sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK,
	    "%s%s", set, e.msg);
	rc = state_find(st, 9, r.key, &got, &e);
	is_int(rc, damaged ? -1 : 1, "%s", damaged ? "damaged" : "as good");
	if (rc == -1) {
		is_int(e.class, ERR_CONFIG, "%s", e.msg);
		is_int(got.id, 9, "its number is known");
		ok(got.key == NULL && got.path == NULL, "no memory is held");
	} else {
		record_release(&got);
	}
	record_release(&r);
	free(sql);
}

/* The bytes are the same on each machine, whatever its order. */
static void
bytes(void)
{
	static const char source[] = "01000000"
				     "00000000"
				     "00000000"
				     "00000000"
				     "0C000000"
				     "00000000"
				     "00000000"
				     "00000000"
				     "0000000000000000"
				     "0500000000000000"
				     "0000000000000000"
				     "0000000000000000"
				     "0000000000000000";
	static const char sig[] = "0100000000000000"
				  "0200000000000000"
				  "0300000000000000"
				  "0400000000000000"
				  "0500000000000000"
				  "0600000000000000"
				  "0700000000000000"
				  "0800000000000000"
				  "0900000000000000"
				  "0A00000000000000";
	sqlite3 *db = other_handle();
	sqlite3_stmt *q = NULL;

	if (ok(sqlite3_prepare_v2(db,
		   "SELECT hex(source), hex(sig) FROM db WHERE root = 1", -1,
		   &q, NULL) == SQLITE_OK &&
		    sqlite3_step(q) == SQLITE_ROW,
		"the record's row")) {
		is_str((const char *)sqlite3_column_text(q, 0), source,
		    "a source");
		is_str((const char *)sqlite3_column_text(q, 1), sig,
		    "a signature");
	}
	sqlite3_finalize(q);
	sqlite3_close(db);
	is_int(dblock_id(258, "a/b.db"), 2177446592232131611, "a lock's place");
}

static void
damaged(struct state *st)
{
	static const char *const bad[] = {
		"at = at + (1 << 32)",
		"at = at + (1 << 32), snapshot = snapshot + (1 << 32)",
		"at = -1",
		"at = 'x'",
		"at = at + 4120",
		"format = 0",
		"format = 'x'",
		"line = 'x'",
		"line = line || '0'",
		"line = replace(line, '0', '1')",
		"chain = randomblob(16)",
		"chain = randomblob(33)",
		"chain = x''",
		"page_size = 4095",
		"page_size = 131072",
		"page_size = NULL",
		"pages = 8",
		"pages = 0",
		"pages = 1 << 40",
		"sum = randomblob(16)",
		"source = x''",
		"sig = NULL",
		"path = x''",
		"snapshot = snapshot + (1 << 32)",
		"checksum = checksum + 1",
		"checksum = NULL",
		"snapshot_ns = 9223372036854775807",
		"snapshot_size = -1",
		"wal_bytes = 1.5",
		"segments = -1",
		"captured_ns = -9223372036854775807",
	};
	static const char *const good[] = { "racy = 3", "gone_ns = 1",
		"segments = 300, wal_bytes = 1" };
	sqlite3 *db = other_handle();

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		bend(st, db, bad[i], true);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		bend(st, db, good[i], false);
	sqlite3_close(db);
}

/* A chunk of sums that is damaged has none, and stays so. */
static void
damaged_sums(struct state *st)
{
	sqlite3 *db = other_handle();

	put(st, 1, 500, 0, 500, true);
	must(db,
	    "UPDATE sums SET sums = substr(sums, 1, 99) || x'55' ||"
	    " substr(sums, 101) WHERE id = (1 << 24) + 1");
	is_int(count_sums(st, 1, 500, 0), 260, "one chunk is damaged");
	put(st, 300, 300, 7, 500, false);
	is_int(count_sums(st, 1, 500, 7), 0, "a change does not mend it");
	put(st, 300, 300, 7, 400, false);
	is_int(count_sums(st, 1, 500, 0), 240, "nor does a cut");
	put(st, 1, 500, 0, 500, true);
	must(db, "UPDATE sums SET sums = substr(sums, 1, length(sums) - 8)");
	is_int(count_sums(st, 1, 500, 0), 500, "of before there were checks");
	put(st, 241, 241, 0, 500, false);
	is_int(count_sums(st, 1, 500, 0), 500, "one has it now");
	sqlite3_close(db);
}

static void
opening(struct state *st)
{
	char *none = xasprintf("%s/none", dir), path[64];
	struct state *other, *no;
	uint8_t a[16], b[16];
	struct err e = { 0 };
	int64_t root;
	int fd;

	no = state_open(none, false, &e);
	ok(no == NULL && e.class == ERR_MISSING, "none: not made by a reader");
	other = state_open(none, true, &e);
	ok(other != NULL, "made by a writer");
	state_writer(st, a);
	state_writer(other, b);
	ok(memcmp(a, b, 16) != 0, "each state is a writer of its own");
	ok(state_same_machine(a, b), "on the same machine");
	state_close(other);
	setenv("LSPP_MACHINE", "another", 1);
	other = state_open(none, true, &e);
	setenv("LSPP_MACHINE", "one", 1);
	memcpy(a, b, sizeof(a));
	state_writer(other, b);
	ok(memcmp(a, b, 16) != 0 && !state_same_machine(a, b),
	    "the same state on another machine is another writer");
	memset(a, 0, sizeof(a));
	ok(!state_same_machine(a, a), "unknown machines are not the same");
	is_int(state_root(other, "file:///x", false, &root, &e), 0, "no root");
	is_int(state_root(other, "file:///x", true, &root, &e), 1, "made");
	is_int(state_root(other, "file:///x", false, &root, &e), 1, "found");
	state_close(other);
	snprintf(path, sizeof(path), "%s/state.db", none);
	if ((fd = open(path, O_WRONLY | O_TRUNC)) == -1 ||
	    write(fd, "this is no database at all, is it", 33) != 33)
		abort();
	close(fd);
	no = state_open(none, true, &e);
	ok(no == NULL && e.class == ERR_CONFIG, "damaged: %s", e.msg);
	ok(e.hint[0] != '\0', "with a hint");
	free(none);
}

/* A handle whose notes need not be durable: a run's token is, each time. */
static void
runs(void)
{
	struct err e = { 0 };
	struct state *s = state_open(dir, false, &e);

	if (!ok(s != NULL, "opened to look: %s", e.msg))
		return;
	for (uint64_t token = 1; token <= 3; token++) {
		syncs = 0;
		is_int(state_put_run(s, token, &e), 0, "a run's token");
		ok(syncs > 0, "is durable: %u syncs", syncs);
	}
	syncs = 0;
	is_int(state_end_run(s, 1, &e), 0, "that it is over");
	is_int(syncs, 0, "need not be");
	state_close(s);
}

enum { FLEET = 20000 };

/* What SQLite has allocated, once st has looked each of the fleet up. */
static int64_t
memory_of(struct state *st)
{
	struct record got;
	char key[32];
	int64_t before = sqlite3_memory_used();
	struct err e;

	for (unsigned i = 0, n = 0; i < FLEET; i++) {
		/* In no order: whatever keeps pages has the most to keep. */
		n = (n + 7919) % FLEET;
		(void)snprintf(key, sizeof(key), "fleet/%u.db", n);
		if (state_find(st, 1, key, &got, &e) != 1)
			abort();
		record_release(&got);
	}
	return sqlite3_memory_used() - before;
}

/* A worker's handle keeps little of a large state. */
static void
worker_memory(struct state *st)
{
	struct record r = a_record();
	struct state *all, *worker;
	struct err e = { 0 };
	int64_t most, little;

	if (state_begin(st, &e) == -1)
		abort();
	for (unsigned i = 0; i < FLEET; i++) {
		free(r.key);
		r.key = xasprintf("fleet/%u.db", i);
		r.id = 0;
		if (state_put(st, &r, &e) == -1)
			abort();
	}
	ok(state_commit(st, &e) == 0, "a fleet: %s", e.msg);
	record_release(&r);
	all = state_open(dir, false, &e);
	worker = state_open_worker(dir, &e);
	if (!ok(all != NULL && worker != NULL, "opened: %s", e.msg))
		return;
	most = memory_of(all);
	little = memory_of(worker);
	ok(most > 300000 && little < 100000, "%d KB, and a worker %d KB",
	    (int)(most / 1024), (int)(little / 1024));
	state_close(all);
	state_close(worker);
}

int
main(void)
{
	struct err e = { 0 };
	struct state *st;

	if (setenv("LSPP_MACHINE", "one", 1) == -1 ||
	    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 1) != SQLITE_OK)
		return 1;
	dir_begin();
	if (ok((st = state_open(dir, true, &e)) != NULL, "opened %s", e.msg)) {
		records(st);
		bytes();
		shipped(st);
		sums(st);
		steps(st);
		damaged(st);
		damaged_sums(st);
		opening(st);
		runs();
		worker_memory(st);
	}
	state_close(st);
	return dir_done();
}
