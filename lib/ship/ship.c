/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ship/ship.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/ship/ship_job.h"
#include "lib/state/dblock.h"
#include "lib/state/state_verdict.h"
#include "lib/store/open/store_open.h"
#include "lib/sys/file.h"
#include "lib/sys/guard.h"

/* -- work: which database, and is it to be read at all --------------------- */

/* What is listed by "/generations/" must hold no other folder of that name. */
static int
check_name(const struct ship_job *j, const char *key, struct err *e)
{
	static const char word[] = "generations";
	size_t n = sizeof(word) - 1;
	const char *p = key;

	if (!store_traits(j->ship->conf->url)->flat)
		return 0;
	while ((p = strstr(p, word)) != NULL) {
		if ((p == key || p[-1] == '/') && (p[n] == '/' || p[n] == '\0'))
			return err_set(e, ERR_CONFIG,
			    "its name in the replica, %s, has a part called "
			    "%s: in a bucket it would not be found again",
			    key, word);
		p += n;
	}
	return 0;
}

/* The key of a database is its path below the base, unless it is given. */
static int
find_key(struct ship_job *j, struct err *e)
{
	const char *base = j->ship->conf->base, *key = j->rec.key;
	struct buf abs = { 0 };
	int rc = -1;

	if (path_absolute(j->path, &abs, e) == -1)
		goto out;
	if (key == NULL && (key = path_below(base, buf_str(&abs))) == NULL) {
		err_set(e, ERR_CONFIG, "not below the base %s", base);
		goto out;
	}
	if (check_name(j, key, e) == -1)
		goto out;
	j->abs = xstrdup(buf_str(&abs));
	if (j->rec.key == NULL)
		j->rec.key = xstrdup(key);
	j->rec.path = xstrdup(j->abs);
	j->rec.root = j->ship->root;
	rc = 0;
out:
	buf_release(&abs);
	return rc;
}

/* Two databases under one key would overwrite each other's history. */
static int
check_owner(const struct ship_job *j, const struct record *r, struct err *e)
{
	struct stat was, is;

	if (strcmp(r->path, j->abs) == 0 || stat(r->path, &was) == -1)
		return 0;
	if (stat(j->abs, &is) == 0 && is.st_dev == was.st_dev &&
	    is.st_ino == was.st_ino)
		return 0; /* the same one, by another way */
	err_set(e, ERR_CONFIG, "its name in the replica, %s, belongs to %s",
	    r->key, r->path);
	return err_hint(e, "%s",
	    j->ship->conf->base != NULL
		? "use one base (-C) for all runs"
		: "give one of the two another path in the "
		  "litestream.yml");
}

/*
 * The state knows its path under another name: its replica begins a second time.
 * That may be meant, as when a fleet gets another base, so it is a warning.
 */
static int
find_namesake(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	char *other = NULL;
	int rc = state_other_name(
	    w->st, j->ship->root, j->abs, j->rec.key, &other, e);

	if (rc == 1 && j->notice[0] == '\0')
		snprintf(j->notice, sizeof(j->notice),
		    "it was shipped as %s until now, and begins anew as %s: is "
		    "-C another one than before, or left out?",
		    other, j->rec.key);
	free(other);
	return rc == -1 ? -1 : 0;
}

/* Take what the state says for what is known.  Needs the lock. */
static int
load(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	struct record r;
	int rc;

	if (w->st == NULL)
		return 0;
	j->troubled = j->ship->troubles->some &&
	    state_troubled(w->st, j->ship->root, j->abs, e) == 1;
	if (state_whose(w->st, j->ship->root, j->rec.key, &j->whose.noted, e) ==
	    -1)
		return -1;
	rc = state_find(w->st, j->ship->root, j->rec.key, &r, e);
	if (rc == -1 && e->class == ERR_CONFIG && r.id > 0) {
		/* As good as none; what the replica holds is ours. */
		ship_anew(j, "its record in the state is damaged");
		j->rec.id = r.id;
		return 0;
	}
	if (rc == 0)
		return find_namesake(w, j, e);
	if (rc == -1)
		return -1;
	if (check_owner(j, &r, e) == -1) {
		record_release(&r);
		return -1;
	}
	/* Its new path is what others know it by: it is recorded. */
	j->moved = strcmp(r.path, j->abs) != 0;
	free(r.path);
	r.path = xstrdup(j->abs);
	record_release(&j->rec);
	j->rec = r;
	j->known = true;
	j->start = SHIP_GOES_ON;
	return 0;
}

/* 1: the lock is ours; 0: another job of ours has it; -1. */
static int
take_lock(struct ship_job *j, struct err *e)
{
	int rc;

	if (j->lock.held || j->ship->conf->dry_run)
		return 1;
	j->lock.id = dblock_id(j->ship->root, j->rec.key);
	rc = dblock_take(
	    j->ship->locks, j->lock.id, j->ship->conf->lock_wait_ms, e);
	j->lock.held = rc != 0;
	return rc;
}

/* Its signature is the shipped one: not even opened. */
static int
unchanged(struct ship_job *j, struct err *e)
{
	struct signature now;
	bool racy;

	if (signature_take(&now, j->abs, &racy, e) == -1)
		return -1;
	if (guard_is_own(now.db.dev, now.db.ino))
		return guard_refuse(e);
	return j->start == SHIP_GOES_ON && !j->moved && !j->rec.racy &&
	    signature_equal(&now, &j->rec.sig);
}

/* -- work ------------------------------------------------------------------ */

static int
read_and_stage(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	int rc;

	if (ship_read(w, j, e) == -1)
		return -1;
	rc = j->ship->conf->dry_run ? 0 : ship_stage(w, j, e);
	if (rc == 0 || j->start == SHIP_ENDED || j->start == SHIP_CLAIMS)
		return rc;
	/* The fence has nothing to say that it has not said. */
	if (j->fence.asked)
		return rc;
	if (e->class == ERR_MISSING)
		ship_anew(j, "the replica has lost the one it had");
	else if (j->fence.blind)
		ship_anew(j,
		    "nothing was shipped for a day, and whether the one it had "
		    "has been pruned cannot be told without s3:GetObject and "
		    "s3:ListBucket");
	else
		return rc;
	j->outcome = SHIP_UNSURE;
	return 0;
}

/* A replica that lspp-verify found broken, or that lspp-prune began to delete, or
 * that was ended, is not gone on with.  1, or -1. */
static int
ask_verdict(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	int rc =
	    state_broken(w->st, j->ship->root, j->rec.key, j->rec.pos.line, e);

	if (rc == 1)
		ship_anew(j,
		    "lspp-verify found the one it had broken, lspp-prune "
		    "--gone-for began to delete it, or a run began to end "
		    "it");
	return rc == -1 ? -1 : 1;
}

static int
adopt(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	if (ship_adopt(w, j, e) == 0)
		return 0;
	if (j->whose.other) {
		ship_job_forget(j);
		ship_anew(j,
		    "this state was lost or replaced, and is back: what "
		    "another state of this machine shipped meanwhile is kept");
		j->start = SHIP_ENDED;
		return 0;
	}
	if (e->class != ERR_CORRUPT &&
	    (e->class != ERR_DENIED || j->codec->traits.one_row))
		return -1;
	/* Nor may it be looked whose it is. */
	j->fence.asked = e->class == ERR_DENIED;
	/* It cannot be gone on with: the next round is a snapshot. */
	ship_job_forget(j);
	ship_anew(j,
	    "the state is older than the replica, whose tail "
	    "cannot be adopted");
	j->start = SHIP_ENDED; /* something is at the position */
	return 0;
}

/* It is ours to look at: its lock, and what the state says of it. */
static int
take(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	int rc;

	if (j->abs == NULL && find_key(j, e) == -1)
		return -1;
	if ((rc = take_lock(j, e)) == 0)
		j->outcome = SHIP_WAITS;
	if (rc != 1)
		return rc;
	if (!j->known && !j->turned && load(w, j, e) == -1)
		return -1;
	if (ship_choose_codec(w, j, e) == -1)
		return -1;
	ship_writes(w, j->codec);
	if (!j->known)
		j->start = SHIP_CLAIMS;
	if (j->ship->conf->new_generation && j->start == SHIP_GOES_ON)
		ship_anew(j, "asked for");
	return j->start == SHIP_GOES_ON ? ask_verdict(w, j, e) : 1;
}

static int
prepare(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	int rc;

	if ((rc = take(w, j, e)) != 1)
		return rc;
	if ((rc = unchanged(j, e)) != 0)
		return rc == 1 ? 0 : -1;
	/* Its own record says whose it is, as long as it stands. */
	if ((rc = ship_must_look(j, e)) == 1)
		j->outcome = SHIP_UNSURE;
	if (rc != 0)
		return rc == 1 ? 0 : -1;
	if ((rc = ship_still_own(w, j, e)) == 1) {
		j->outcome = SHIP_AHEAD;
		return 0;
	}
	if (rc == -1 && (e->class != ERR_DENIED || !j->known))
		return -1;
	if (rc == -1)
		ship_anew(j,
		    "another machine ships to this root, and whether also this "
		    "database cannot be told without s3:GetObject");
	return read_and_stage(w, j, e);
}

static void
work(struct ship_worker *w, struct ship_job *j)
{
	int rc = 0;

	j->outcome = SHIP_DONE;
	switch (j->phase) {
	case SHIP_PREPARE: rc = prepare(w, j, &j->e); break;
	case SHIP_ADOPT:
		assert(j->known && j->start != SHIP_CLAIMS);
		rc = adopt(w, j, &j->e);
		break;
	case SHIP_FENCE:
		assert(j->start != SHIP_UNDECIDED && j->start != SHIP_GOES_ON);
		rc = ship_fence(w, j, &j->e);
		break;
	case SHIP_OVER: break;
	}
	if (rc == -1) {
		j->outcome = SHIP_FAILED;
		ship_job_forget(j);
	}
}

void
ship_work(struct job *job, void *worker)
{
	struct ship_job *j = (struct ship_job *)job;
	struct ship_worker *w = worker;

	if (j->phase == SHIP_OVER) /* refused */
		return;
	w->ship = j->ship;
	if (j->codec != NULL)
		ship_writes(w, j->codec);
	j->attempts++;
	work(w, j);
	if (j->outcome == SHIP_AHEAD || j->outcome == SHIP_UNSURE) {
		j->phase = ship_job_next(j);
		work(w, j);
	}
}

/* -- finish: publish, record, report --------------------------------------- */

static void
tell(struct ship_job *j, ship_report_fn *report, void *ctx)
{
	const struct record *now = j->dirty ? &j->next : &j->rec;
	bool row = j->codec != NULL && j->codec->traits.one_row;
	bool claims = j->start == SHIP_CLAIMS && !row;
	bool ends = j->start == SHIP_ENDS && j->phase == SHIP_PREPARE &&
	    j->keys[0] != NULL && !row;
	struct ship_report *r = &j->report;

	r->path = j->path;
	r->rc = ship_job_failed(j) ? -1 : 0;
	r->e = &j->e;
	r->attempts = j->attempts;
	r->healed = j->healed;
	r->key = ends || claims ? NULL : j->keys[0];
	r->owner_key = claims ? j->keys[0] : ends ? j->keys[SHIP_NAMED] : NULL;
	r->ending_key = ends ? j->keys[0] : j->fence.ended_key;
	r->snapshot_key = j->keys[1];
	if (row && r->what == SHIP_SNAPSHOT) {
		r->snapshot_key = r->key;
		r->key = NULL;
	}
	if (j->known || j->dirty) {
		r->pos = &now->pos;
		r->format = now->format;
		r->captured_ns = now->captured_ns;
		r->wal_size = (uint64_t)now->sig.wal.size;
	}
	r->notice = j->notice[0] != '\0' ? j->notice : NULL;
	if (r->hint == NULL)
		r->hint = r->read = "";
	r->more = j->then != NULL;
	r->failed = j->failed;
	if (r->rc == -1)
		ship_trouble(j);
	report(ctx, r);
	/* What came again had nothing left to do. */
	r->what = SHIP_UNCHANGED;
	r->key = r->owner_key = r->ending_key = r->snapshot_key = NULL;
	r->reason = r->notice = NULL;
	r->hint = r->read = "";
	r->pages = r->healed = 0;
	r->bytes = 0;
	for (; j->also > 0; j->also--)
		report(ctx, r);
}

static void
end_job(struct ship *s, struct pool *p, struct ship_job *j,
    ship_report_fn *report, void *ctx)
{
	struct job *w, *next;

	tell(j, report, ctx);
	ship_note_end(j);
	if (j->lock.held)
		for (w = dblock_release(s->locks, j->lock.id); w != NULL;
		     w = next) {
			next = w->link;
			pool_again(p, w);
		}
	if (j->then != NULL) { /* in its place */
		j->then->failed = j->failed || ship_job_failed(j);
		pool_again(p, &j->then->job);
	} else {
		pool_done(p, &j->job);
	}
	ship_job_free(j);
}

/*
 * j has to wait for another job.  If one of the same path does already, that
 * has not been read since, and will serve both: so of a path that comes again
 * and again while it is in flight two jobs exist at most.
 */
static void
wait_for_lock(struct ship *s, struct pool *p, struct ship_job *j)
{
	struct job *q = dblock_queue(s->locks, j->lock.id);
	struct ship_job *w;

	for (; q != NULL && j->then == NULL; q = q->link) {
		w = (struct ship_job *)q;
		if (w->ship != j->ship || w->then != NULL ||
		    w->failed != j->failed || strcmp(w->path, j->path) != 0)
			continue;
		w->also += 1 + j->also;
		pool_done(p, &j->job);
		ship_job_free(j);
		return;
	}
	if (!dblock_wait(s->locks, j->lock.id, &j->job))
		pool_again(p, &j->job);
}

/* j has been round, and its objects and record are durable, or it failed. */
static void
move_on(struct ship *s, struct pool *p, struct ship_job *j,
    ship_report_fn *report, void *ctx)
{
	bool adopted = j->phase == SHIP_ADOPT && j->dirty;

	if (adopted && !ship_job_failed(j))
		j->rec = j->next;
	j->phase = ship_job_next(j);
	if (j->outcome == SHIP_WAITS) {
		wait_for_lock(s, p, j);
	} else if (j->phase == SHIP_OVER) {
		end_job(s, p, j, report, ctx);
	} else {
		ship_job_forget(j);
		pool_again(p, &j->job);
	}
}

void
ship_finish(struct ship *s, struct pool *p, struct job **jobs, size_t n,
    ship_report_fn *report, void *ctx)
{
	ship_publish(jobs, n);
	if (!s->conf->dry_run)
		ship_record(s, jobs, n);
	for (size_t i = 0; i < n; i++)
		move_on(s, p, (struct ship_job *)jobs[i], report, ctx);
	ship_trouble_soon(s);
}
