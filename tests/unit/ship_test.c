/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs of lspp-ship, one at a time, against a directory: what each step of a
 * replica is, and what a state that is older, another machine and another root
 * make of it.
 */
#include "lib/ship/ship.h"

#include "lib/base/buf.h"
#include "lib/replica/wal/vwal.h"
#include "lib/state/state.h"
#include "lib/store/stats.h"
#include "tests/unit/app_kit.h"

#define S INT64_C(1000000000)

/* What was reported of the last path. */
struct told {
	int rc, times;
	struct err e;
	enum ship_what what;
	bool owner, ending, more;
	struct pos pos;
	uint32_t pages;
};

struct one {
	struct ship *s;
	struct ship_worker *w;
	struct job *j; /* or NULL: it was handed out */
	struct told told;
};

static void
shell(const char *fmt)
{
	char *cmd = xasprintf(fmt, dir, dir, dir);

	if (system(cmd) != 0)
		abort();
	free(cmd);
}

static void
reported(void *ctx, const struct ship_report *r)
{
	struct told *t = ctx;

	t->times++;
	t->rc = r->rc;
	t->e = r->rc == -1 ? *r->e : (struct err){ 0 };
	t->what = r->what;
	t->owner = r->owner_key != NULL;
	t->ending = r->ending_key != NULL;
	t->more = r->more;
	t->pages = r->pages;
	t->pos = r->pos != NULL ? *r->pos : (struct pos){ 0 };
}

static struct job *
next(void *ctx)
{
	struct one *o = ctx;
	struct job *j = o->j;

	o->j = NULL;
	return j;
}

static void
finish(struct pool *p, struct job **jobs, size_t n, void *ctx)
{
	struct one *o = ctx;

	ship_finish(o->s, p, jobs, n, reported, &o->told);
}

/* a.db, by the state of that name, or 'refuse' in place of it. */
static struct told
ship_one(const char *state, struct ship_conf *c, const struct err *refuse)
{
	static const struct pool_ops ops = {
		.next = next, .work = ship_work, .finish = finish
	};
	char *state_dir = xasprintf("%s/%s", dir, state),
	     *url = xasprintf("%s/replica", dir),
	     *path = xasprintf("%s/a.db", dir);
	struct one o = { 0 };
	void *args[1];
	struct err e;

	c->url = url;
	c->state_dir = state_dir;
	c->base = dir;
	or_end((o.s = ship_open(c, &e)) != NULL, &e);
	or_end((o.w = ship_worker_new(o.s, &e)) != NULL, &e);
	o.j = ship_job_new(o.s, path, NULL);
	if (refuse != NULL)
		ship_job_refuse(o.j, refuse);
	args[0] = o.w;
	or_end(pool_run(&ops, &o, args, 1, 4, 4, &e) == 0, &e);
	ship_worker_free(o.w);
	ship_close(o.s);
	is_int(o.told.times, 1, "%s: reported once", state);
	free(path);
	free(url);
	free(state_dir);
	return o.told;
}

static struct ship_conf
conf(void)
{
	return (struct ship_conf){ .snapshot_interval_ns = 86400 * S,
		.roll_at = 64 << 20,
		.max_hold_ms = 2000 };
}

static struct told
ship(const char *state)
{
	struct ship_conf c = conf();

	return ship_one(state, &c, NULL);
}

/* -- the steps of one replica ---------------------------------------------- */

static void
steps(void)
{
	struct told first, next, t;

	run_sql(
	    "a.db", "CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(9000))");
	first = ship("state");
	is_int(first.rc, 0, "a first ship %s", first.e.msg);
	is_int(first.what, SHIP_SNAPSHOT, "is a snapshot");
	ok(first.owner && !first.ending, "behind an owner's object");
	t = ship("state");
	ok(t.rc == 0 && t.what == SHIP_UNCHANGED, "then there is nothing");
	run_sql("a.db", "UPDATE t SET x = 1");
	next = ship("state");
	ok(next.rc == 0 && next.what == SHIP_SEGMENT, "a change is a segment");
	ok(!next.owner && !next.ending, "and nothing more");
	ok(next.pages > 0, "of the pages that changed");
	is_str(next.pos.line, first.pos.line, "one generation");
	ok(next.pos.at > first.pos.at, "it goes on behind");
}

static void
an_older_state(void)
{
	struct told was, t;

	shell("cp -r %s/state %s/old");
	run_sql("a.db", "INSERT INTO t VALUES(2)");
	was = ship("state");
	shell("rm -r %s/state && mv %s/old %s/state");
	run_sql("a.db", "INSERT INTO t VALUES(3)");
	t = ship("state");
	ok(t.rc == 0 && t.what == SHIP_SEGMENT, "an old state goes on %s",
	    t.e.msg);
	is_str(t.pos.line, was.pos.line, "in the generation");
	ok(t.pos.at > was.pos.at, "behind what it did not know");
}

static void
another_machine(void)
{
	struct ship_conf c = conf();
	struct told t;

	or_end(setenv("LSPP_MACHINE", "two", 1) == 0, &t.e);
	t = ship("state2");
	ok(t.rc == -1 && t.e.class == ERR_BUSY, "another machine is refused");
	c.new_generation = true;
	t = ship_one("state2", &c, NULL);
	ok(t.rc == 0 && t.what == SHIP_SNAPSHOT && t.owner,
	    "it may take over %s", t.e.msg);
	or_end(setenv("LSPP_MACHINE", "one", 1) == 0, &t.e);
	run_sql("a.db", "INSERT INTO t VALUES(4)");
	t = ship("state");
	ok(t.rc == -1 && t.e.class == ERR_BUSY, "and that stops the first");
}

static void
nothing_written(void)
{
	struct ship_conf c = conf();
	struct err why;
	struct told t;

	c.dry_run = true;
	shell("rm -rf %s/replica %s/state");
	t = ship_one("state", &c, NULL);
	ok(t.rc == 0 && t.what == SHIP_SNAPSHOT, "a dry run would %s", t.e.msg);
	shell("[ -z \"$(find %s/replica -type f 2>&1 | grep lz4)\" ]");
	c.dry_run = false;
	(void)err_set(&why, ERR_CONFIG, "not this one");
	t = ship_one("state", &c, &why);
	is_int(t.rc, -1, "what is refused fails");
	is_str(t.e.msg, "not this one", "for that reason");
	shell("rm %s/a.db");
	t = ship_one("state", &c, NULL);
	ok(t.rc == -1 && t.e.class == ERR_MISSING, "no file");
}

/* -- when a snapshot is due ------------------------------------------------ */

static void
due(void)
{
	struct ship_conf c = { .snapshot_interval_ns = 100 * S };
	struct record r = { .snapshot_ns = 1000 * S, .snapshot_size = 1 << 20 };

	is_str(ship_snapshot_due(&c, &r, 0, 1, 1099 * S), NULL, "not yet");
	is_str(
	    ship_snapshot_due(&c, &r, 0, 1, 1100 * S), "interval", "by time");
	is_str(ship_snapshot_due(&c, &r, 0, 1, 900 * S), "interval",
	    "the last one was made by a clock that was ahead");
	is_str(ship_snapshot_due(&c, &r, (1 << 20) + 1, 1, 1000 * S),
	    "wal size", "a restore would read more than the database");
	r.snapshot_size = 4096;
	is_str(ship_snapshot_due(&c, &r, 1 << 20, 1, 1000 * S), NULL,
	    "which is small");
	r.segments = 255;
	is_str(ship_snapshot_due(&c, &r, 0, 0, 1000 * S), NULL, "255 segments");
	is_str(ship_snapshot_due(&c, &r, 0, 1, 1000 * S), "segments", "256");
}

int
main(void)
{
	struct err e = { 0 };

	dir_begin();
	or_end(setenv("LSPP_MACHINE", "one", 1) == 0, &e);
	due();
	steps();
	an_older_state();
	another_machine();
	nothing_written();
	return dir_done();
}
