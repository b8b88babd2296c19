/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail_world -- a database, its state and its replica, in a directory of the
 * test's own; a ship of it, and what a restore makes of it.
 */
#ifndef LSPP_TESTS_UNIT_FAIL_WORLD_H
#define LSPP_TESTS_UNIT_FAIL_WORLD_H

#include "tests/unit/fail_kit.h"

#include "lib/base/buf.h"
#include "lib/restore/restore.h"
#include "lib/ship/ship.h"
#include "lib/store/open/store_open.h"
#include "lib/sys/file.h"
#include "tests/unit/app_kit.h"

#define S INT64_C(1000000000)

static char *url, *state_dir, *path;
static enum format format;
static int64_t snapshot_interval_ns = 86400 * S;
static bool new_generation;
static struct buf was, is; /* the database */

/* -- one ship -------------------------------------------------------------- */

struct one {
	struct ship *s;
	bool begun; /* the job was handed out */
	int rc, times;
	struct err e;
};

static void
reported(void *ctx, const struct ship_report *r)
{
	struct one *o = ctx;

	o->times++;
	o->rc = r->rc;
	if (r->rc == -1)
		o->e = *r->e;
}

static struct job *
next_job(void *ctx)
{
	struct one *o = ctx;
	if (o->begun)
		return NULL;
	o->begun = true;
	return ship_job_new(o->s, path, NULL);
}

static void
finish(struct pool *p, struct job **jobs, size_t n, void *ctx)
{
	struct one *o = ctx;

	ship_finish(o->s, p, jobs, n, reported, o);
}

/* The database; -1 also if it could not be begun with. */
FAIL_FN int
ship(struct err *e)
{
	static const struct pool_ops ops = {
		.next = next_job, .work = ship_work, .finish = finish
	};
	struct ship_conf c = { .url = url,
		.state_dir = state_dir,
		.base = dir,
		.format = format,
		.snapshot_interval_ns = snapshot_interval_ns,
		.new_generation = new_generation,
		.roll_at = 64 << 20,
		.max_hold_ms = 2000 };
	struct one o = { .rc = -1 };
	struct ship_worker *w = NULL;
	void *args[1];
	int rc = -1;

	if ((o.s = ship_open(&c, e)) == NULL)
		return -1;
	if ((w = ship_worker_new(o.s, e)) != NULL) {
		args[0] = w;
		rc = pool_run(&ops, &o, args, 1, 4, 4, e);
	}
	ship_ran(o.s, 1, true);
	ship_worker_free(w);
	ship_close(o.s);
	if (rc == 0 && (rc = o.rc) == -1)
		*e = o.e;
	return rc;
}

/* -- a restore ------------------------------------------------------------- */

static bool
    earlier; /* what was restored last: something says that it is not the
			newest */

/* Does the replica lead to these bytes? */
FAIL_FN bool
restores(const struct buf *bytes)
{
	const struct restore_want newest = RESTORE_WANT;
	struct restore_target t = { .path = "back" };
	struct restorer *r = restorer_new(NULL);
	struct restored *made = NULL;
	struct restore_plan p = { 0 };
	struct store *s;
	struct buf got = { 0 };
	struct err e;
	bool same = false;
	int rc;

	(void)unlink("back"); /* to replace it has the disk written to */
	s = store_open(url, STORE_READ, true, NULL, &e);
	if (s == NULL)
		return false;
	rc = restore_plan(s, "a.db", &newest, &p, &e);
	earlier = p.earlier;
	if (rc == 0 && restore_stage(r, s, "a.db", &p, &t, &made, &e) == 0) {
		restore_publish(&made, 1);
		same = made->rc == 0 &&
		    file_slurp("back", SIZE_MAX / 4, &got, &e) == 0 &&
		    got.len == bytes->len &&
		    memcmp(got.data, bytes->data, got.len) == 0;
	}
	restored_drop(made);
	restore_plan_release(&p);
	restorer_free(r);
	store_close(s);
	buf_release(&got);
	return same;
}

FAIL_FN void
bytes_of(const char *file, struct buf *b)
{
	struct err e;

	buf_reset(b);
	or_end(file_slurp(file, SIZE_MAX / 4, b, &e) == 0, &e);
}

/* What is in before/ is what there is. */
FAIL_FN void
as_before(void)
{
	fail_remove("replica");
	fail_remove("state");
	fail_copy("before", ".");
}

FAIL_FN void
world_begin(void)
{
	dir_begin();
	fail_must(chdir(dir) == 0, dir);
	seed = tap_seed();
	url = xasprintf("%s/replica", dir);
	state_dir = xasprintf("%s/state", dir);
	path = db_path("a.db");
}

/* What main() returns. */
FAIL_FN int
world_done(void)
{
	buf_release(&was);
	buf_release(&is);
	free(url);
	free(state_dir);
	free(path);
	return dir_done();
}

#endif
