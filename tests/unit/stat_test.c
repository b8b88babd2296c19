/* SPDX-License-Identifier: Apache-2.0 */
/* What the rows of a state add up to. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/stat/stat_fleet.h"
#include "lib/state/state.h"
#include "lib/text/err_kind.h"
#include "tests/unit/tmp_kit.h"

#define S INT64_C(1000000000)

enum { NOW = 1000000 }; /* seconds; "now" in all tests */

/* Shipped to the root up to that second, and not written since. */
static void
shipped(struct state *st, int64_t root, const char *path, int64_t at)
{
	struct record r = { .root = root,
		.key = (char *)path + 1,
		.path = (char *)path,
		.format = FORMAT_WAL,
		.pos = { "0123456789abcdef", 0 },
		.page_size = 4096,
		.pages = 2,
		.snapshot_ns = NOW * S,
		.snapshot_size = 8192,
		.wal_bytes = 100,
		.captured_ns = at * S };
	struct err e;

	or_end(state_begin(st, &e) != -1, &e);
	or_end(state_put(st, &r, &e) != -1, &e);
	or_end(state_commit(st, &e) != -1, &e);
}

static void
failed(struct state *st, int64_t root, const char *path, int64_t at,
    const char *msg)
{
	const struct trouble t = { .root = root,
		.wait_ns = (at - 5) * S,
		.at_ns = at * S,
		.class = ERR_IO,
		.attempts = 2 };
	struct err e;

	or_end(state_begin(st, &e) != -1, &e);
	or_end(state_trouble(st, &t, path, msg, &e) != -1, &e);
	or_end(state_commit(st, &e) != -1, &e);
}

static void
sql(const char *text)
{
	char *path = xasprintf("%s/state.db", dir);
	sqlite3 *db = NULL;

	if (sqlite3_open(path, &db) != SQLITE_OK ||
	    sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK) {
		printf("not ok - %s: %s\n", text, sqlite3_errmsg(db));
		exit(1);
	}
	sqlite3_close(db);
	free(path);
}

static struct buf groups;

static void
group(void *ctx, const struct stat_sum *s)
{
	(void)ctx;
	buf_addf(&groups, "%s=%d ", s->group, (int)s->databases);
}

static struct stat_conf conf = { .base = "/f",
	.top = 3,
	.now_ns = NOW * S,
	.hot_for_ns = 15 * S,
	.snapshot_interval_ns = 86400 * S,
	.group = group };

static void
fleet(struct state *st, struct stat_fleet *f)
{
	struct err e;

	buf_reset(&groups);
	stat_fleet_release(f);
	or_end(stat_fleet(f, st, &conf, &e) != -1, &e);
}

static struct state *
empty_state(void)
{
	char *path = xasprintf("rm -rf %s/state.db*", dir);
	struct state *st;
	struct err e;

	if (system(path) != 0)
		exit(1);
	free(path);
	if ((st = state_open(dir, true, &e)) == NULL)
		or_end(false, &e);
	return st;
}

static void
test_tiers(struct stat_fleet *f)
{
	struct state *st = empty_state();
	struct err e;

	fleet(st, f);
	is_int((long long)f->sum.databases, 0, "an empty state");
	is_int(f->life_ns, 0, "without a sign of life");
	shipped(st, 1, "/f/cold", 100);
	shipped(st, 1, "/f/hot", 100);
	or_end(state_note(st, 1, "/f/hot", 100 * S, &e) != -1, &e);
	shipped(st, 1, "/f/done", 100);
	or_end(state_note(st, 1, "/f/done", 99 * S, &e) != -1, &e);
	or_end(state_note(st, 0, "/f/new", (NOW - 7) * S, &e) != -1, &e);
	shipped(st, 1, "/f/gone", 100);
	or_end(state_note_gone(st, "/f/gone", 1, &e) != -1, &e);
	or_end(state_note(st, 1, "/f/gone", 200 * S, &e) != -1, &e);
	fleet(st, f);
	is_int((long long)f->sum.databases, 4, "gone ones are not there");
	is_int((long long)f->sum.tier[STAT_COLD], 2,
	    "cold: also with a note from before it was read");
	is_int((long long)f->sum.tier[STAT_HOT], 1, "hot: noted since");
	is_int((long long)f->sum.tier[STAT_NEW], 1, "new: only noted");
	is_int((long long)f->sum.tier[STAT_GONE], 1, "gone");
	is_int((long long)f->sum.waiting, 2, "what is gone does not wait");
	is_int((long long)f->sum.size, 3 * 8192, "sizes");
	is_int((long long)f->sum.wal, 300, "WAL");
	is_int(f->sum.lag_max_ns, (NOW - 100) * S, "the longest lag");
	is_int(f->sum.lag_p50_ns, 0, "half of them have none");
	is_int(f->sum.lag_p99_ns, (NOW - 100) * S, "the 99th of 4 is the last");
	is_int((long long)f->n_worst, 2, "two wait");
	is_str(f->worst[0].path, "/f/hot", "the longest first");
	state_close(st);
}

static void
test_trouble(struct stat_fleet *f)
{
	struct state *st = empty_state();
	char path[32], msg[32];

	shipped(st, 1, "/f/a", 100);
	failed(st, 1, "/f/a", 500, "disk full");
	failed(st, 1, "/f/a", 600, "disk full");
	failed(st, 0, "/f/b", 700, "disk full");
	shipped(st, 1, "/f/c", 900);
	failed(st, 1, "/f/c", 800, "disk full");
	failed(st, 1, "", 950, "no such bucket s3://u:secret@b/x");
	fleet(st, f);
	is_int((long long)f->sum.failed, 2, "not one that was shipped since");
	is_int((long long)f->sum.waiting, 2, "what failed waits");
	is_int(f->worst[0].since_ns, 495 * S, "since it can have been written");
	is_int(f->worst[0].attempts, 4, "attempts add up");
	is_int(f->worst[0].failing_ns, 500 * S, "the first failure");
	is_int(f->worst[0].failed_ns, 600 * S, "the last");
	is_int((long long)f->n_errors, 2, "two kinds");
	is_str(f->error[0].path, "", "the latest is the run's");
	ok(strstr(f->error[0].msg, "secret") == NULL, "masked");
	is_int((long long)f->error[1].n, 2, "one kind of two");
	is_int(f->error[1].failed_ns, 700 * S, "its latest");
	for (int i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "/f/x%d", i);
		snprintf(
		    msg, sizeof(msg), "reason %c%c", 'a' + i / 8, 'a' + i % 8);
		failed(st, 1, path, 700, msg);
	}
	fleet(st, f);
	is_int((long long)f->n_errors, STAT_ERRORS, "not more kinds than that");
	is_int((long long)f->other_errors, 42 - STAT_ERRORS, "others counted");
	is_int((long long)f->n_worst, 3, "as many as asked for");
	state_close(st);
}

static void
kind_is(const char *msg, const char *path, const char *kind)
{
	struct buf b = { 0 };

	err_kind(&b, msg, path);
	is_str(buf_str(&b), kind, "the kind of: %s", msg);
	buf_release(&b);
}

/* What is a database's own tells no kind. */
static void
test_kinds(struct stat_fleet *f)
{
	struct state *st = empty_state();
	char path[32], msg[120];

	kind_is("disk full", "/f/a", "disk full");
	kind_is("/f/a b/c.db: Permission denied", "/f/a b/c.db",
	    "Permission denied");
	kind_is("put a b/c.db/generations/0123456789abcdef/x: no",
	    "/f/a b/c.db", "put /: no");
	kind_is("c.db-wal: cut short", "/f/c.db", "cut short");
	kind_is("c.db/x: PUT http://h:9/b/c.db/x: reset", "c.db", "reset");
	kind_is("PUT it: reset", "c.db", "PUT it: reset");
	kind_is(
	    "page 17 of 0x1f, \"12\": bad", "/f/c", "page 0 of 0, \"0\": bad");
	kind_is("s3://b:9000/x y: 503 (slow)", "/f/c", "/ y: 0 (slow)");
	kind_is("disk of a: no disk", "/f/disk", "disk of a: no disk");
	kind_is("ends in a colon:", "/f/c", "ends in a colon:");
	kind_is("", "", "");
	for (int i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "/f/x%d", i);
		snprintf(msg, sizeof(msg), "/r%s/%08x: disk full, %d left",
		    path, i, i * 100);
		failed(st, 1, path, 700 + i, msg);
	}
	failed(st, 1, "/f/y", 600, "/r/f/y/00000000: locked, 1 left");
	failed(st, 1, "", 500, "/r/f/y/00000000: locked, 1 left");
	fleet(st, f);
	is_int((long long)f->n_errors, 3, "three kinds, one of them the run's");
	is_int((long long)f->error[0].n, 40, "one of forty");
	is_str(f->error[0].path, "/f/x0", "one of them");
	is_str(f->error[0].msg, "/r/f/x0/00000000: disk full, 0 left",
	    "with what it said");
	is_int((long long)f->other_errors, 0, "and no others");
	state_close(st);
}

/* What was shipped while the clock was ahead voids nothing. */
static void
test_ahead(struct stat_fleet *f)
{
	struct state *st = empty_state();
	struct err e;

	shipped(st, 1, "/f/a", NOW + 1000);
	failed(st, 1, "/f/a", 600, "disk full");
	shipped(st, 1, "/f/b", NOW + 1000);
	or_end(state_note(st, 1, "/f/b", 700 * S, &e) != -1, &e);
	shipped(st, 1, "/f/c", NOW + 1000);
	shipped(st, 2, "/f/c", 900);
	or_end(state_note(st, 0, "/f/c", 800 * S, &e) != -1, &e);
	fleet(st, f);
	is_int((long long)f->sum.failed, 1, "a failure counts");
	is_int((long long)f->sum.waiting, 3, "and notes, in each root");
	is_int(f->sum.lag_max_ns, (NOW - 595) * S, "for as long as they are");
	sql("UPDATE db SET snapshot_ns = captured_ns;"
	    "INSERT INTO verdict(root, key, at_ns, deep, class, msg)"
	    " SELECT root, key, 1000000000, 0, 65, 'hole' FROM db"
	    " WHERE id = 1");
	fleet(st, f);
	is_int((long long)f->sum.broken, 1, "a fault, too");
	state_close(st);
}

static void
test_roots(struct stat_fleet *f)
{
	struct state *st = empty_state();
	int64_t one, two, life;
	struct err e;

	or_end(state_root(st, "file:///one", true, &one, &e) != -1, &e);
	or_end(state_root(st, "file:///two", true, &two, &e) != -1, &e);
	shipped(st, one, "/f/a", 100);
	shipped(st, two, "/f/a", 50);
	shipped(st, two, "/f/b", 100);
	or_end(state_note(st, 0, "/f/a", 70 * S, &e) != -1, &e);
	or_end(state_note(st, 0, "/f/b", 200 * S, &e) != -1, &e);
	or_end(state_put_pass(st, one, 900 * S, 7, &e) != -1, &e);
	or_end(state_put_ran(st, two, 800 * S, &e) != -1, &e);
	fleet(st, f);
	is_int((long long)f->sum.replicas, 3, "of two databases");
	is_int((long long)f->sum.waiting, 2, "the worst of its roots");
	is_int(f->life_ns, 800 * S, "the root that was left longest");
	is_str(f->stillest->url, "file:///two", "is named");
	is_int(f->latest_ns, 900 * S, "the one that was not");
	is_str(f->latest->url, "file:///one", "is, too");
	conf.roots = &one;
	conf.n_roots = 1;
	fleet(st, f);
	is_int((long long)f->sum.databases, 1, "one root has one");
	is_int((long long)f->sum.waiting, 0, "and it has all of it");
	is_int(f->life_ns, 900 * S, "its own life");
	ok(f->seen_known && f->seen == 7, "and what was seen");
	conf.roots = &two;
	fleet(st, f);
	is_int((long long)f->sum.waiting, 2, "the other has not");
	conf.roots = NULL;
	or_end(state_put_ran(st, one, 990 * S, &e) != -1, &e);
	fleet(st, f);
	is_int(f->life_ns, 800 * S, "a run is none where there are passes");
	conf.roots = &one;
	fleet(st, f);
	is_int(f->life_ns, 900 * S, "of that root");
	or_end(state_life(st, one, &life, &e) != -1, &e);
	is_int(life, 900 * S, "state_life() as well");
	or_end(state_life(st, two, &life, &e) != -1, &e);
	is_int(life, 800 * S, "and of one that has none");
	conf.roots = NULL;
	or_end(state_put_pass(st, 0, 950 * S, 9, &e) != -1, &e);
	fleet(st, f);
	is_int(f->life_ns, 950 * S, "a pass over all is one of each");
	is_int((long long)f->seen, 9, "with what it saw");
	state_close(st);
}

static void
test_groups(struct stat_fleet *f)
{
	static const char *const paths[] = { "/a", "/f/a/x", "/f/a/b/y",
		"/f/a/b/c/z", "/f/a/bz", "/f/a-b/x", "/f/top", "/z/z" };
	struct state *st = empty_state();

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		shipped(st, 1, paths[i], 100);
	conf.depth = 1;
	fleet(st, f);
	is_str(buf_str(&groups), "a-b=1 a=4 /=2 .=1 ",
	    "each is complete once, what is outside, too");
	conf.depth = 2;
	fleet(st, f);
	is_str(buf_str(&groups), "a-b=1 a/b=2 a=2 /=2 .=1 ", "two levels");
	conf.base = "/";
	conf.depth = 1;
	fleet(st, f);
	is_str(buf_str(&groups), "f=6 z=1 .=1 ", "below the root");
	conf.base = "/f";
	conf.depth = 0;
	state_close(st);
}

static void
test_verdicts(struct stat_fleet *f)
{
	struct state *st = empty_state();

	shipped(st, 1, "/f/a", 100);
	shipped(st, 1, "/f/b", 100);
	shipped(st, 2, "/f/b", 100);
	shipped(st, 1, "/f/c", 100);
	sql("INSERT INTO verdict(root, key, at_ns, deep, class, msg)"
	    " SELECT root, key, CASE id WHEN 4 THEN snapshot_ns ELSE id END, 0,"
	    " CASE WHEN id IN (1, 4) THEN 65 ELSE 0 END, 'hole' FROM db"
	    " WHERE id <> 3");
	fleet(st, f);
	is_int((long long)f->sum.unverified, 1, "one replica of b never was");
	is_int(f->sum.verified_ns, 1, "longest ago of the others");
	is_int((long long)f->sum.broken, 1, "c: a has a snapshot since");
	is_int((long long)f->n_worst, 1, "is to be looked at");
	is_str(f->worst[0].broken_msg, "hole", "with what is wrong");
	state_close(st);
}

int
main(void)
{
	struct stat_fleet f = { 0 };

	dir_begin();
	test_tiers(&f);
	test_trouble(&f);
	test_kinds(&f);
	test_ahead(&f);
	test_roots(&f);
	test_groups(&f);
	test_verdicts(&f);
	stat_fleet_release(&f);
	buf_release(&groups);
	return dir_done();
}
