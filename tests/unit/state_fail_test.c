/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state, of which each system call and each statement fails in turn: a step
 * of changes is there as a whole, or nothing of it; what is read is right, or it
 * is told that it is not.
 */
#include "tests/unit/fail_kit.h"

#include "lib/base/buf.h"
#include "lib/replica/wal/walpos.h"
#include "lib/stat/stat_fleet.h"
#include "lib/state/fleet/came.h"
#include "lib/state/fleet/state_cut.h"
#include "lib/state/fleet/state_known.h"
#include "lib/state/state.h"
#include "lib/state/state_compared.h"
#include "lib/state/state_shrunk.h"
#include "lib/state/state_verdict.h"
#include "lib/state/state_whose.h"
#include "tests/unit/tmp_kit.h"

#define LINE "0123456789abcdef"

enum { PAGES = 300 };

static const struct err lost = { .class = ERR_CORRUPT, .msg = "no database" };
static const struct trouble fails = {
	.root = 1, .wait_ns = 5, .at_ns = 6, .class = ERR_BUSY, .attempts = 2
};
static char long_msg[STATE_TROUBLE_MSG + 9];

/* -- changes --------------------------------------------------------------- */

/* A record of root 1 as lspp-ship writes one, with the sums of its pages. */
static int
put(struct state *st, const char *key, uint32_t pages, struct err *e)
{
	struct record r = { .root = 1,
		.key = xstrdup(key),
		.path = xasprintf("/srv/%s", key),
		.format = FORMAT_WAL,
		.pos = { LINE, walpos(3, 4152) },
		.chain = { .n = 16 },
		.snapshot = walpos(2, 0),
		.page_size = 4096,
		.pages = pages,
		.segments = 1,
		.captured_ns = 7 };
	struct sum_entry en = { .pgno = 1 };
	struct spool log;
	int rc = 0;

	spool_init(&log, dir, SIZE_MAX / 2);
	for (; en.pgno <= pages && rc == 0; en.pgno++) {
		en.sum.lo = en.pgno;
		rc = spool_write(&log, &en, sizeof(en), e);
	}
	if (rc == 0)
		rc = state_record_id(st, 1, key, &r.id, e);
	if (rc == 0 && (rc = state_put(st, &r, e)) == 0)
		rc = state_put_sums(st, r.id, &log, pages, false, e);
	spool_release(&log);
	record_release(&r);
	return rc;
}

static int
put_round(struct state *st, struct err *e)
{
	struct round v = { .began_ns = 90, .period_ns = 10, .upto = 3 };
	int rc;

	bits_add(&v.came, 1);
	rc = state_put_round(st, 1, &v, e);
	bits_release(&v.came);
	return rc;
}

static int
in_one(struct state *st, int (*changes)(struct state *, struct err *),
    struct err *e)
{
	int rc = state_begin(st, e);

	if (rc == 0)
		rc = changes(st, e) == -1 ? -1 : state_commit(st, e);
	if (rc == -1)
		state_rollback(st);
	return rc;
}

static int
new_records(struct state *st, struct err *e)
{
	int64_t root;

	if (state_root(st, "s3://bucket/a", true, &root, e) == -1 ||
	    state_root(st, "s3://bucket/b", true, &root, e) == -1)
		return -1;
	return put(st, "a.db", PAGES, e) == -1 || put(st, "b.db", 1, e) == -1 ||
		put(st, "c.db", 2, e) == -1
	    ? -1
	    : 0;
}

static int
what_is_wrong(struct state *st, struct err *e)
{
	const struct verdict bad = { .at_ns = 3,
		.deep = true,
		.class = ERR_CORRUPT,
		.msg = "bad",
		.broken = LINE };
	const struct compared differs = { 4, ERR_CORRUPT, "differs" };
	const struct shrunk less = { 5, 100, 10, true };
	struct whose taken = { .object = long_msg, .taken_ns = 6 };
	bool marked;

	return state_put_verdict(st, 1, "a.db", &bad, &marked, e) == -1 ||
		state_put_tried(st, 1, "b.db", 8, e) == -1 ||
		state_put_compared(st, 1, "a.db", &differs, e) == -1 ||
		state_put_uncompared(st, 1, "b.db", 8, e) == -1 ||
		state_put_healed(st, 1, "a.db", 9, e) == -1 ||
		state_put_shrunk(st, 1, "b.db", &less, e) == -1 ||
		state_put_whose(st, 1, "a.db", &taken, e) == -1 ||
		state_trouble(st, &fails, "/srv/a.db", long_msg, e) == -1 ||
		state_trouble(st, &fails, "/srv/new.db", "busy", e) == -1 ||
		state_put_lost(st, "/srv/b.db", 3, &lost, e) == -1 ||
		state_note_gone(st, "/srv/c.db", 4, e) == -1
	    ? -1
	    : 0;
}

static int
what_a_pass_notes(struct state *st, struct err *e)
{
	return state_note(st, 1, "/srv/a.db", 50, e) == -1 ||
		state_note(st, 0, "/srv/new.db", 60, e) == -1 ||
		state_renote(st, 1, "/srv/a.db", 55, e) == -1 ||
		state_put_pass(st, 1, 90, 3, e) == -1 ||
		state_put_ran(st, 1, 80, e) == -1 ||
		state_set_number(st, "back", 12, e) == -1 ||
		put_round(st, e) == -1
	    ? -1
	    : 0;
}

/* All of it is taken back where there is something to take back. */
static int
what_is_well(struct state *st, struct err *e)
{
	const struct shrunk none = { 0 };
	const struct whose nobody = { 0 };

	return put(st, "a.db", PAGES - 9, e) == -1 ||
		state_begun(st, 1, "a.db", "another", e) == -1 ||
		state_put_shrunk(st, 1, "b.db", &none, e) == -1 ||
		state_put_whose(st, 1, "a.db", &nobody, e) == -1 ||
		state_contend(st, 1, e) == -1 ||
		state_settled(st, 1, "/srv/a.db", 99, e) == -1 ||
		state_untrouble(st, 1, "/srv/a.db", e) == -1 ||
		state_unlost(st, "/srv/b.db", e) == -1 ||
		state_note_back(st, "/srv/c.db", e) == -1 ||
		state_put_gone(st, 1, "b.db", 66, e) == -1 ||
		state_unnote(st, 1, 99, "/srv/new.db", e) == -1 ||
		state_forget_trouble(st, 99, e) == -1
	    ? -1
	    : 0;
}

/* An inner step is undone, what is around it is kept. */
static int
half_of_it(struct state *st, struct err *e)
{
	if (put(st, "d.db", 2, e) == -1 || state_step_begin(st, e) == -1)
		return -1;
	return put(st, "e.db", 2, e) == -1 ? -1 : state_step_end(st, false, e);
}

/* Each is there as a whole or not at all; in this order. */
static int
change(struct state *st, int n, struct err *e)
{
	switch (n) {
	case 0: return in_one(st, new_records, e);
	case 1: return in_one(st, what_a_pass_notes, e);
	case 2: return in_one(st, what_is_wrong, e);
	case 3: return state_put_run(st, 77, e);
	case 4: return state_put_going(st, 1, "b.db", e);
	case 5: return in_one(st, what_is_well, e);
	case 6: return in_one(st, half_of_it, e);
	case 7: return state_forget(st, 1, "a.db", e);
	case 8: return state_end_run(st, 77, e);
	default: return 1;
	}
}

enum { CHANGES = 9 };

/* -- what it says ---------------------------------------------------------- */

static int
one_path(void *ctx, const char *path, struct err *e)
{
	(void)e;
	buf_addf(ctx, " %s", path);
	return 0;
}

static int
one_root(void *ctx, int64_t root, const char *name, struct err *e)
{
	(void)e;
	buf_addf(ctx, " %d=%s", (int)root, name);
	return 0;
}

static int
one_record(void *ctx, const char *key, const char *path, struct err *e)
{
	(void)e;
	buf_addf(ctx, " %s=%s", key, path);
	return 0;
}

static int
one_cut(void *ctx, const struct cut_row *row, struct err *e)
{
	(void)e;
	buf_addf(ctx, " %s %s %d %d %d %s;", row->path, row->key,
	    row->rec != NULL, (int)row->stands, (int)row->since_ns,
	    row->stands != CUT_OK ? row->why : "");
	return 0;
}

static int
one_known(void *ctx, const struct known_row *row, struct err *e)
{
	(void)e;
	buf_addf(ctx, " %s %d %d;", row->path, (int)row->id, row->racy);
	return 0;
}

static int
one_at(void *ctx, int64_t id, int64_t root, const char *key, struct err *e)
{
	(void)e;
	buf_addf(ctx, " %d %d %s;", (int)id, (int)root, key);
	return 0;
}

static int
tell_lists(struct state *st, struct buf *b, struct err *e)
{
	return state_roots(st, one_root, b, e) == -1 ||
		state_paths(st, 1, one_path, b, e) == -1 ||
		state_records(st, 0, one_record, b, e) == -1 ||
		state_noted(st, 1, 99, "", one_path, b, e) == -1 ||
		state_known(st, "", one_known, b, e) == -1 ||
		state_missing(st, "", one_known, b, e) == -1 ||
		state_at(st, "/srv/a.db", one_at, b, e) == -1 ||
		state_cut(st, 1, one_cut, b, e) == -1
	    ? -1
	    : 0;
}

/* A number that a function gives in out, and what it returned. */
#define ADD(call)                                     \
	do {                                          \
		int64_t out = 0;                      \
		int rc = (call);                      \
		if (rc == -1)                         \
			return -1;                    \
		buf_addf(b, " %d", rc);               \
		buf_addf(b, ":%lld", (long long)out); \
	} while (0)

static int
tell_numbers(struct state *st, struct buf *b, struct err *e)
{
	int64_t never;

	ADD(state_pending(st, 1, "/srv/a.db", &out, e));
	ADD(state_pass(st, 1, &out, e));
	ADD(state_life(st, 1, &out, e));
	ADD(state_number(st, "back", &out, e));
	ADD(state_troubled(st, 1, "/srv/a.db", e));
	ADD(state_any_trouble(st, e));
	ADD(state_broken(st, 1, "a.db", LINE, e));
	ADD(state_verified_ns(st, 1, "a.db", true, &out, e));
	ADD(state_compared_ns(st, 1, "a.db", &out, e));
	ADD(state_unverified(st, 1, &never, &out, e));
	ADD(state_knows_run(st, 77, e));
	ADD(state_is_gone(st, "/srv/c.db", e));
	ADD(state_record_id(st, 1, "b.db", &out, e));
	ADD(state_contended(st, 1, e));
	ADD(state_root(st, "s3://bucket/b", false, &out, e));
	ADD(state_marked(st, "s3://bucket/b", e));
	return 0;
}

/* One record, all that is kept of it elsewhere, and its sums. */
static int
tell_record(struct state *st, const char *key, struct buf *b, struct err *e)
{
	struct sums sums = { .st = st };
	char *path = NULL, *other = NULL;
	struct shrunk s = { 0 };
	struct pagesum got;
	struct whose w;
	struct record r;
	int64_t since = 0;
	int found, rc;

	if ((found = state_find(st, 1, key, &r, e)) != 1)
		return found;
	sums.id = r.id;
	buf_addf(b, " %s %u", key, r.racy);
	record_release(&r);
	for (uint32_t p = 1; p <= PAGES + 1; p += 60) {
		if ((rc = sums_get(&sums, p, &got, e)) == -1)
			return -1;
		buf_addf(b, " %d %d", rc, rc == 1 ? (int)got.lo : 0);
	}
	if (state_whose(st, 1, key, &w, e) == -1)
		return -1;
	buf_addf(b, " %s %d", w.object, (int)w.taken_ns);
	whose_release(&w);
	if ((rc = state_shrunk(st, 1, key, &s, e)) != -1 &&
	    (rc = state_gone(st, 1, key, &path, &since, e)) != -1)
		rc = state_other_name(st, 1, path, "x.db", &other, e);
	buf_addf(b, " %d %d %s", (int)s.at_ns, (int)since, other);
	free(path);
	free(other);
	return rc == -1 ? -1 : 0;
}

static int
tell_looks(struct state *st, struct buf *b, struct err *e)
{
	static const char *const paths[] = { "/srv/a.db", "/srv/b.db",
		"/srv/c.db", "/srv/x.db" };
	struct rounds rounds = { .root = 1 };
	const struct signature sig = { 0 };
	int rc = rounds_load(&rounds, st, 1, e);

	for (int i = 0; i < 4 && rc == 0; i++) {
		struct state_seen seen = { .rounds = &rounds };

		rounds_path(&rounds);
		rc = state_look(st, 1, paths[i], &sig, &seen, e);
		buf_addf(b, " %d%d%d %d", seen.known, seen.changed, seen.racy,
		    (int)rounds_seen_ns(&rounds));
	}
	if (rc == 0) {
		rc = state_looked_at_all(st, e);
		buf_addf(b, " all %d", rc);
	}
	state_look_end(st);
	rounds_release(&rounds);
	return rc == -1 ? -1 : 0;
}

static int
tell_came(struct state *st, struct buf *b, struct err *e)
{
	struct came c = { 0 };
	int rc = came_load(&c, st, e);

	for (int id = 1; id <= 3; id++)
		buf_addf(b, " %d", came_has(&c, 1, id));
	came_release(&c);
	return rc;
}

static void
one_group(void *ctx, const struct stat_sum *s)
{
	buf_addf(ctx, " %s %d;", s->group, (int)s->databases);
}

static int
tell_fleet(struct state *st, struct buf *b, struct err *e)
{
	const struct stat_conf conf = { .base = "/srv",
		.depth = 1,
		.top = 9,
		.group = one_group,
		.ctx = b,
		.now_ns = 100,
		.hot_for_ns = 1,
		.snapshot_interval_ns = 1 };
	struct stat_fleet f = { 0 };
	int rc = stat_fleet(&f, st, &conf, e);

	if (rc == 0) {
		for (int i = 0; i < STAT_TIERS; i++)
			buf_addf(b, " %d", (int)f.sum.tier[i]);
		buf_addf(b, " %d %d", (int)f.life_ns, (int)f.seen);
		buf_addf(b, " %d %d %d %d %d", (int)f.sum.replicas,
		    (int)f.sum.waiting, (int)f.sum.failed, (int)f.sum.broken,
		    (int)f.sum.wrong);
		for (size_t i = 0; i < f.n_worst; i++)
			buf_addf(b, " %s", f.worst[i].path);
		for (size_t i = 0; i < f.n_errors; i++)
			buf_addf(b, " %s", f.error[i].msg);
	}
	stat_fleet_release(&f);
	return rc;
}

static int
tell(struct state *st, struct buf *b, struct err *e)
{
	buf_reset(b);
	return tell_lists(st, b, e) == -1 || tell_numbers(st, b, e) == -1 ||
		tell_record(st, "a.db", b, e) == -1 ||
		tell_record(st, "b.db", b, e) == -1 ||
		tell_record(st, "c.db", b, e) == -1 ||
		tell_record(st, "d.db", b, e) == -1 ||
		tell_record(st, "e.db", b, e) == -1 ||
		tell_looks(st, b, e) == -1 || tell_came(st, b, e) == -1 ||
		tell_fleet(st, b, e) == -1
	    ? -1
	    : 0;
}

/* -- the trials ------------------------------------------------------------ */

/* What it says behind so many changes. */
static struct buf after[CHANGES + 1], said;
static int done_changes; /* all that were done without a word */
static int from;         /* where a trial begins */

static bool
has_reason(int rc, const struct err *e)
{
	return rc == 0 || (e->class != ERR_NONE && e->class != ERR_BUG);
}

static bool
says(int n)
{
	return said.len == after[n].len &&
	    memcmp(said.data, after[n].data, said.len) == 0;
}

static void
as_it_was(void)
{
	char name[32];

	fail_remove("state");
	(void)snprintf(name, sizeof(name), "state.%d", from);
	fail_copy(name, "state");
}

static int
all_changes(struct err *e)
{
	struct state *st = state_open("state", true, e);
	int rc = st != NULL ? 0 : -1;

	for (done_changes = from; rc == 0 && done_changes < CHANGES;
	     done_changes += rc == 0)
		rc = change(st, done_changes, e);
	state_close(st);
	return rc;
}

static bool
whole(int rc, const struct err *e)
{
	struct state *st;
	struct err now;
	bool is;

	if (!has_reason(rc, e) || (rc == 0 && done_changes != CHANGES))
		return false;
	if ((st = state_open("state", true, &now)) == NULL)
		return false;
	is = tell(st, &said, &now) == 0 &&
	    (says(done_changes) || (rc == -1 && says(done_changes + 1)));
	state_close(st);
	return is;
}

static int
all_it_says(struct err *e)
{
	struct state *st = state_open("state", false, e);
	int rc = st != NULL ? tell(st, &said, e) : -1;

	state_close(st);
	return rc;
}

/* What is begun and breaks off is no answer. */
static bool
right(int rc, const struct err *e)
{
	return has_reason(rc, e) && (rc == -1 || says(from));
}

/* Before and behind each change, without a fault. */
static void
find_what_it_says(void)
{
	struct state *st;
	struct err e;
	char name[32];

	for (int i = 0; i <= CHANGES; i++) {
		or_end((st = state_open("state", true, &e)) != NULL, &e);
		or_end(tell(st, &after[i], &e) == 0, &e);
		if (i > 0)
			ok(after[i].len != after[i - 1].len ||
				memcmp(after[i].data, after[i - 1].data,
				    after[i].len) != 0,
			    "change %d shows", i);
		state_close(st);
		(void)snprintf(name, sizeof(name), "state.%d", i);
		fail_copy("state", name);
		if (i == CHANGES)
			break;
		or_end((st = state_open("state", true, &e)) != NULL, &e);
		or_end(change(st, i, &e) == 0, &e);
		state_close(st);
	}
}

int
main(void)
{
	const struct fail_work changes = { "changes", as_it_was, all_changes,
		whole, 23 };
	struct fail_work reading = { "reading", as_it_was, all_it_says, right,
		7 };

	dir_begin();
	fail_must(chdir(dir) == 0, dir);
	fail_must(setenv("LSPP_MACHINE", "one", 1) == 0, "setenv");
	seed = tap_seed();
	memset(long_msg, 'x', sizeof(long_msg) - 1);
	find_what_it_says();
	fail_each(&changes);
	from = 3;
	fail_each(&reading);
	from = CHANGES;
	reading.what = "reading what was well again";
	fail_each(&reading);
	for (int i = 0; i <= CHANGES; i++)
		buf_release(&after[i]);
	buf_release(&said);
	return dir_done();
}
