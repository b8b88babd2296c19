/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Databases that are not on this machine any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bin/prune/prune.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/peek.h"
#include "lib/replica/wal/provenance.h"
#include "lib/state/dblock.h"
#include "lib/sys/file.h"
#include "lib/sys/names.h"

/* Anything but a clear no counts as there. */
static bool
is_gone(const char *path)
{
	struct stat st;

	return lstat(path, &st) == -1 && errno == ENOENT;
}

static bool
is_empty(const char *path)
{
	struct names ns = { 0 };
	struct err e;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is = fd == -1 || names_read(&ns, fd, true, &e) == -1 || ns.n == 0;

	names_release(&ns);
	file_close(fd);
	return is;
}

/*
 * The directory that is left of the way to it: where that is empty, it may be
 * that something is not mounted there.
 */
static bool
is_mounted(const char *path)
{
	char *dir = xstrdup(path), *slash;
	struct stat st;
	bool is;

	do {
		slash = strrchr(dir, '/');
		slash[slash == dir] = '\0';
	} while (stat(dir, &st) == -1 && slash != dir);
	is = !is_empty(dir);
	free(dir);
	return is;
}

/* The newest object of all that is to go. */
static const struct history_object *
newest(const struct prune_db *db, bool foreign, struct prune_item *at)
{
	const struct history_object *best = NULL, *o;

	for (size_t i = 0; i < db->h.n; i++) {
		if (db->h.v[i].plain && !foreign)
			continue;
		for (int kind = LAYOUT_SNAPSHOT; kind <= LAYOUT_SEGMENT;
		     kind++) {
			const struct history_list *l = kind == LAYOUT_SNAPSHOT
			    ? &db->h.v[i].snapshots
			    : &db->h.v[i].segments;

			for (size_t k = 0; k < l->n; k++) {
				o = &l->v[k];
				if (best != NULL &&
				    o->mtime_ns < best->mtime_ns)
					continue;
				best = o;
				at->generation = (uint32_t)i;
				at->at = (uint32_t)k;
				at->kind = (uint8_t)kind;
			}
		}
	}
	return best;
}

/* Likewise of its files in LTX: when that was stored.  INT64_MIN: none is to
 * go. */
static int64_t
newest_ltx(const struct prune_db *db, bool foreign)
{
	int64_t ns = INT64_MIN;

	for (size_t i = 0; i < db->ltx.n && (foreign || !db->ltx_plain); i++)
		if (db->ltx.v[i].stored_ns > ns)
			ns = db->ltx.v[i].stored_ns;
	return ns;
}

/* Was the object written on this machine?  It may have moved to another. */
static int
is_ours(
    struct run *run, struct task *t, const struct prune_item *it, struct err *e)
{
	struct buf key = { 0 };
	struct provenance pv;
	uint8_t writer[16];
	int rc;

	(void)prune_item_key(t->db, it, &key);
	state_writer(run->state, writer);
	rc = peek_any(t->store, buf_str(&key), writer, &pv, e);
	if (rc == 1)
		rc = memcmp(pv.writer, writer, sizeof(writer)) == 0 ||
		    state_same_machine(pv.writer, writer);
	else if (rc == -1 && e->class == ERR_CORRUPT)
		rc = 0; /* it does not say */
	buf_release(&key);
	return rc;
}

/* Is what it has so old, and of this machine?  1, 0, -1. */
static int
look_at_newest(struct run *run, struct task *t, struct err *e)
{
	bool foreign = run->policy.foreign;
	int64_t ltx = newest_ltx(t->db, foreign), ns = ltx;
	const struct history_object *o;
	struct prune_item it = { 0 };
	size_t last;
	int rc;

	if (prune_db_tell(t->db, e) == -1 ||
	    prune_db_date(t->db, false, e) == -1)
		return -1;
	if ((o = newest(t->db, foreign, &it)) != NULL && o->mtime_ns > ns)
		ns = o->mtime_ns;
	/* A run that was killed at the end leaves owner's objects. */
	if (ns == INT64_MIN)
		return t->db->h.owners.n > 0;
	if (run->policy.now_ns - ns < run->gone_for_ns)
		return 0;
	if (!is_mounted(t->path)) {
		cli_warn(&run->cli, t->name,
		    "gone, but the directory it was below is empty: left; is "
		    "it mounted?");
		return 0;
	}
	last = prune_ltx_last(t->db);
	if (ns == ltx && last != SIZE_MAX)
		it = (struct prune_item){ .at = (uint32_t)last,
			.kind = PRUNE_LTX };
	rc = ns > ltx || last != SIZE_MAX ? is_ours(run, t, &it, e) : 0;
	if (rc == 0)
		cli_warn(&run->cli, t->name,
		    "gone from here, but written by another machine: left");
	return rc;
}

/* For so long that all of it goes: 1, 0, -1. */
static int
look(struct run *run, struct task *t, struct err *e)
{
	int64_t now = run->policy.now_ns, since = 0, root;
	int rc;

	rc = state_root(run->state, t->store->url, false, &root, e);
	if (rc == 1)
		rc = state_gone(
		    run->state, root, t->db->key, &t->path, &since, e);
	if (rc != 1)
		return rc;
	if (!is_gone(t->path) || since == 0) {
		if (run->cli.dry_run || run->counting ||
		    (!is_gone(t->path) && since == 0))
			return 0;
		return state_put_gone(run->state, root, t->db->key,
		    is_gone(t->path) ? now : 0, e);
	}
	if (now - since < run->gone_for_ns)
		return 0;
	return look_at_newest(run, t, e);
}

/* A listing of many found a part of what there is: what holds of all of it? */
static int
look_at_all(struct run *run, struct task *t, struct err *e)
{
	int rc;

	prune_db_load(t->db);
	if (t->db->rc == -1) {
		*e = t->db->e;
		return -1;
	}
	if ((rc = look_at_newest(run, t, e)) != 0)
		return rc;
	prune_db_plan(t->db, &run->policy);
	if (t->db->rc == -1)
		*e = t->db->e;
	return t->db->rc;
}

/* What the state knows must be gone, or the next ship would bring it again: 1
 * it knows it, 0, -1. */
static int
look_known(struct run *run, struct task *t, struct err *e)
{
	int64_t root, since;
	int rc;

	if (run->state == NULL)
		return 0;
	rc = state_root(run->state, t->store->url, false, &root, e);
	if (rc == 1)
		rc = state_gone(
		    run->state, root, t->db->key, &t->path, &since, e);
	if (rc != 1 || is_gone(t->path))
		return rc;
	err_set(e, ERR_BUSY, "%s is still there: nothing is deleted", t->path);
	return err_hint(e, "remove it first, or lspp-ship brings it again");
}

static void
erase(struct run *run, struct task *t)
{
	int rc = look_known(run, t, &t->e);

	if (rc == -1)
		t->rc = -1;
	else
		prune_plan_all(t->db, true, &t->db->plan);
	t->gone = rc == 1;
}

void
prune_gone(struct run *run, struct task *t)
{
	int rc;

	if (run->erase && t->db->rc == 0) {
		erase(run, t);
		return;
	}
	if (run->gone_for_ns == -1 || t->db->rc == -1 || t->part == PART_OTHER)
		return;
	rc = look(run, t, &t->e);
	if (rc == 1 && t->part == PART_FIRST)
		rc = look_at_all(run, t, &t->e);
	if (rc == -1)
		t->rc = -1;
	if (rc != 1)
		return;
	t->gone = true;
	prune_plan_all(t->db, run->policy.foreign, &t->db->plan);
}

/* From here on a ship begins anew, whenever this ends and whatever it left. */
static int
put_going(struct run *run, struct task *t, int64_t root)
{
	if (!is_gone(t->path))
		return err_set(&t->e, ERR_BUSY,
		    "%s is there again: nothing is deleted", t->path);
	return state_put_going(run->state, root, t->db->key, &t->e);
}

int
prune_begin_gone(struct run *run, struct task *t)
{
	int64_t root;

	t->rc = state_root(run->state, t->store->url, false, &root, &t->e);
	if (t->rc == 0) /* it was when this one was found to be gone */
		err_set(&t->e, ERR_BUSY, "left for the next run");
	if (t->rc != 1)
		return t->rc = -1;
	t->lock = dblock_id(root, t->db->key);
	switch (dblock_take(run->locks, t->lock, 0, &t->e)) {
	case 1: t->rc = put_going(run, t, root); break;
	case 0: /* a database of another name with the same number */
		err_set(&t->e, ERR_BUSY, "left for the next run");
		return t->rc = -1;
	default: t->rc = -1;
	}
	if (t->rc == -1)
		(void)dblock_release(run->locks, t->lock);
	return t->rc;
}

static int
forget(struct run *run, struct task *t, struct err *e)
{
	int64_t root;
	int rc = state_root(run->state, t->store->url, false, &root, e);

	return rc == 1 ? state_forget(run->state, root, t->db->key, e) : rc;
}

void
prune_end_gone(struct run *run, struct task *t)
{
	struct err e;

	if (!t->failed && forget(run, t, &e) == -1)
		cli_warn(&run->cli, t->name, "its record stays: %s", e.msg);
	(void)dblock_release(run->locks, t->lock);
}

int
prune_open_state(struct run *run, struct err *e)
{
	if (run->gone_for_ns == -1 && !run->erase)
		return 0;
	run->state = state_open(run->cli.state, false, e);
	if (run->state == NULL)
		return run->erase && e->class == ERR_MISSING ? 0 : -1;
	if (run->cli.dry_run)
		return 0;
	if (!state_writable(run->state))
		return err_set(e, ERR_DENIED,
		    "state: cannot be written, which %s needs",
		    run->erase ? "--erase" : "--gone-for");
	run->locks = dblocks_open(run->cli.state, e);
	return run->locks == NULL ? -1 : 0;
}
