#include "lib/engine/ship.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/file.h"
#include "lib/engine/dblock.h"
#include "lib/engine/ship_job.h"
#include "lib/store/store.h"

enum {
	IN_MEMORY = 256 * 1024,    /* of an object or an image, in a worker */
	LOG_IN_MEMORY = 16 * 1024, /* of a job's page sums */
	ROUNDS = 8,                /* of adopting and trying again */
};

/* -- the shipper and its workers ------------------------------------------- */

/*
 * Does the store keep what it has, whoever puts the same key?  Asked when a
 * root is new, and remembered before the root is: then a run that is killed in
 * between asks again.
 */
static int
trust_store(struct ship *s, bool known, struct err *e)
{
	const struct store_ops *ops = s->store->ops;
	char *mark;
	int rc;

	if (ops->probe == NULL)
		return 0;
	mark = xasprintf("overwrites %s", s->store->url);
	if (known) {
		if ((rc = state_marked(s->st, mark, e)) == 1)
			ops->assume(s->store, false);
	} else if ((rc = ops->probe(s->store, e)) == 0) {
		rc = state_mark(s->st, mark, e);
	}
	free(mark);
	return rc == -1 ? -1 : 0;
}

/* A root that was seen before must be there: is its disk mounted? */
static int
open_store(struct ship *s, const char *url, struct err *e)
{
	int known = 0;

	if (s->st != NULL &&
	    (known = state_root(s->st, url, false, &s->root, e)) == -1)
		return -1;
	if (s->conf->dry_run)
		return 0;
	s->store = store_open(
	    s->conf->url, STORE_WRITE, known == 1, s->conf->store, e);
	if (s->store == NULL || trust_store(s, known == 1, e) == -1)
		return -1;
	return state_root(s->st, url, true, &s->root, e) == -1 ? -1 : 0;
}

struct ship *
ship_open(const struct ship_conf *conf, struct err *e)
{
	struct ship *s = xcalloc(1, sizeof(*s));
	char *url = store_url(conf->url, conf->store, e);
	int rc = -1;

	s->conf = conf;
	if (url == NULL)
		goto out;
	s->st = state_open(conf->state_dir, !conf->dry_run, e);
	if (s->st == NULL && !(conf->dry_run && e->class == ERR_MISSING))
		goto out;
	if (open_store(s, url, e) == -1)
		goto out;
	if (s->st != NULL) {
		state_writer(s->st, s->writer);
		state_file(s->st, &s->state_file);
	}
	if (!conf->dry_run &&
	    (s->locks = dblocks_open(conf->state_dir, e)) == NULL)
		goto out;
	rc = 0;
out:
	free(url);
	if (rc == -1) {
		ship_close(s);
		return NULL;
	}
	return s;
}

void
ship_close(struct ship *s)
{
	if (s == NULL)
		return;
	dblocks_close(s->locks);
	store_close(s->store);
	state_close(s->st);
	free(s);
}

bool
ship_requests(struct ship *s, struct buf *out)
{
	return s->store != NULL && store_stats_text(s->store, out);
}

struct ship_worker *
ship_worker_new(struct ship *s, struct err *e)
{
	const char *dir = s->conf->dry_run ? "/tmp" : s->conf->state_dir;
	struct ship_worker *w = xcalloc(1, sizeof(*w));

	w->ship = s;
	spool_init(&w->segment_bytes, dir, IN_MEMORY);
	spool_init(&w->snapshot_bytes, dir, IN_MEMORY);
	spool_init(&w->raw, dir, IN_MEMORY);
	spool_init(&w->raw_sums, dir, IN_MEMORY);
	spool_init(&w->patch, dir, IN_MEMORY);
	w->segment = object_enc_new();
	w->snapshot = object_enc_new();
	w->dec = object_dec_new();
	if (s->st != NULL &&
	    (w->st = state_open(s->conf->state_dir, false, e)) == NULL) {
		ship_worker_free(w);
		return NULL;
	}
	return w;
}

void
ship_worker_free(struct ship_worker *w)
{
	if (w == NULL)
		return;
	spool_release(&w->segment_bytes);
	spool_release(&w->snapshot_bytes);
	spool_release(&w->raw);
	spool_release(&w->raw_sums);
	spool_release(&w->patch);
	object_enc_free(w->segment);
	object_enc_free(w->snapshot);
	object_dec_free(w->dec);
	vwal_release(&w->vwal);
	state_close(w->st);
	free(w);
}

/* -- jobs ------------------------------------------------------------------ */

struct job *
ship_job_new(struct ship *s, const char *path)
{
	struct ship_job *j = xcalloc(1, sizeof(*j));

	j->ship = s;
	j->path = xstrdup(path);
	return &j->job;
}

struct ship_step *
ship_job_step(struct ship_job *j, uint32_t pages, bool anew)
{
	struct ship_step *step;

	j->steps = xrealloc(j->steps, (j->n_steps + 1) * sizeof(*j->steps));
	step = &j->steps[j->n_steps++];
	*step = (struct ship_step){ .pages = pages, .anew = anew };
	spool_init(&step->log, j->ship->conf->state_dir, LOG_IN_MEMORY);
	return step;
}

void
ship_job_forget(struct ship_job *j)
{
	for (size_t i = 0; i < j->n_steps; i++)
		spool_release(&j->steps[i].log);
	free(j->steps);
	j->steps = NULL;
	j->n_steps = 0;
	for (int i = 0; i < SHIP_OBJECTS; i++) {
		if (j->staged[i] != NULL)
			j->ship->store->ops->drop(j->ship->store, j->staged[i]);
		j->staged[i] = NULL;
		free(j->keys[i]);
		j->keys[i] = NULL;
	}
	j->dirty = j->ending = false;
}

static void
job_free(struct ship_job *j)
{
	ship_job_forget(j);
	record_release(&j->rec);
	free(j->path);
	free(j->abs);
	free(j);
}

void
ship_anew(struct ship_job *j, const char *why)
{
	j->anew = true;
	snprintf(
	    j->notice, sizeof(j->notice), "a new generation begins: %s", why);
}

void
ship_advance(struct vwal_pos *pos, uint64_t bytes, uint64_t roll_at)
{
	if (pos->offset + bytes >= roll_at) {
		pos->index++;
		pos->offset = 0;
	} else {
		pos->offset += (uint32_t)bytes;
	}
}

/* -- work: which database, and is it to be read at all --------------------- */

/* The key of a database is its path below the base. */
static int
find_key(struct ship_job *j, struct err *e)
{
	const char *base = j->ship->conf->base, *key;
	struct buf abs = { 0 };
	int rc = 0;

	if (path_absolute(j->path, &abs, e) == -1)
		rc = -1;
	else if ((key = path_below(base, buf_str(&abs))) == NULL)
		rc = err_set(e, ERR_CONFIG, "not below the base %s", base);
	else {
		j->abs = xstrdup(buf_str(&abs));
		j->rec.key = xstrdup(key);
		j->rec.path = xstrdup(j->abs);
		j->rec.root = j->ship->root;
	}
	buf_release(&abs);
	return rc;
}

/* Two databases under one key would overwrite each other's history. */
static int
check_owner(const struct ship_job *j, const struct record *r, struct err *e)
{
	struct stat sb;

	if (strcmp(r->path, j->abs) == 0 || stat(r->path, &sb) == -1)
		return 0;
	err_set(e, ERR_CONFIG, "its name in the replica, %s, belongs to %s",
	    r->key, r->path);
	return err_hint(e, "use one base (-C) for all runs");
}

/* Take what the state says for what is known.  Needs the lock. */
static int
load(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	struct record r;
	int rc;

	if (w->st == NULL)
		return 0;
	rc = state_find(w->st, j->ship->root, j->rec.key, &r, e);
	if (rc != 1)
		return rc;
	if (check_owner(j, &r, e) == -1) {
		record_release(&r);
		return -1;
	}
	free(r.path);
	r.path = xstrdup(j->abs); /* it may have moved here */
	record_release(&j->rec);
	j->rec = r;
	j->known = true;
	return 0;
}

/* 1: the lock is ours; 0: another job of ours has it; -1. */
static int
take_lock(struct ship_job *j, struct err *e)
{
	int rc;

	if (j->locked || j->ship->conf->dry_run)
		return 1;
	j->lock = dblock_id(j->ship->store->url, j->rec.key);
	rc = dblock_take(
	    j->ship->locks, j->lock, j->ship->conf->lock_wait_ms, e);
	j->locked = rc != 0;
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
	/* Closing any descriptor of it would drop our own locks on it. */
	if (now.db.ino == j->ship->state_file.ino &&
	    now.db.dev == j->ship->state_file.dev)
		return err_set(e, ERR_CORRUPT, "this is the state of lspp");
	return j->known && !j->anew && !j->rec.racy &&
	    signature_equal(&now, &j->rec.sig);
}

/* -- work: objects to the store -------------------------------------------- */

static int
stage(struct ship_job *j, int which, struct spool *bytes, struct err *e)
{
	struct store *s = j->ship->store;
	struct buf after = { 0 };
	struct store_stage st = { .key = j->keys[which],
		.bytes = bytes,
		.mtime_ns = j->next.captured_ns };
	bool ending = which == 0 && j->ending;

	if (j->keys[which] == NULL)
		return 0;
	if (ending)
		st.mtime_ns = j->rec.captured_ns;
	if (ending || (j->known && !j->anew)) {
		layout_snapshot_key(&after, j->rec.key, j->rec.pos.generation,
		    j->rec.snapshot_index);
		st.after = buf_str(&after);
	}
	j->staged[which] = s->ops->stage(s, &st, e);
	buf_release(&after);
	return j->staged[which] == NULL ? -1 : 0;
}

static int
stage_all(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	if (j->ship->conf->dry_run)
		return 0;
	if (stage(j, 0, &w->segment_bytes, e) == -1)
		return -1;
	/* Refused already: a snapshot is never there without it. */
	if (!j->ending && j->staged[0] != NULL && j->staged[0]->failed)
		return 0;
	return stage(j, 1, &w->snapshot_bytes, e);
}

/*
 * Read and stage.  When the replica has lost what the objects would continue,
 * all of it begins anew.
 */
static int
prepare(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	int rc;

	if (j->abs == NULL && find_key(j, e) == -1)
		return -1;
	if ((rc = take_lock(j, e)) != 1) {
		j->waiting = rc == 0;
		return rc;
	}
	if (!j->known && load(w, j, e) == -1)
		return -1;
	if (j->ship->conf->new_generation && j->known && !j->anew)
		ship_anew(j, "asked for");
	if ((rc = unchanged(j, e)) != 0)
		return rc == 1 ? 0 : -1;
	if (ship_read(w, j, e) == -1)
		return -1;
	if (stage_all(w, j, e) == 0)
		return 0;
	if (e->class != ERR_MISSING || !j->known || j->ended)
		return -1;
	ship_anew(j, "the replica has lost the one it had");
	j->ended = true;
	if (ship_read(w, j, e) == -1)
		return -1;
	return stage_all(w, j, e);
}

static int
adopt(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	if (ship_adopt(w, j, e) == 0)
		return 0;
	if (e->class != ERR_CORRUPT && e->class != ERR_DENIED)
		return -1;
	/* It cannot be gone on with: the next round is a snapshot. */
	ship_job_forget(j);
	ship_anew(j,
	    "the state is older than the replica, whose tail "
	    "cannot be adopted");
	j->ended = true; /* something is at the position */
	return 0;
}

void
ship_work(struct job *job, void *worker)
{
	struct ship_job *j = (struct ship_job *)job;

	j->waiting = false;
	j->attempts++;
	j->rc = j->phase == SHIP_ADOPT ? adopt(worker, j, &j->e)
				       : prepare(worker, j, &j->e);
	if (j->rc == -1)
		ship_job_forget(j);
}

/* -- finish: publish, record, report --------------------------------------- */

static void
fail_job(struct ship_job *j, const struct err *e)
{
	j->rc = -1;
	j->e = *e;
}

/* The first or the second objects of all jobs that are still well. */
static void
publish(struct ship *s, struct job **jobs, size_t n, int which)
{
	struct staged **list = xcalloc(n, sizeof(*list));
	size_t staged = 0;

	for (size_t i = 0; i < n; i++) {
		struct ship_job *j = (struct ship_job *)jobs[i];

		if (j->rc == 0 && j->staged[which] != NULL)
			list[staged++] = j->staged[which];
	}
	if (staged > 0)
		s->store->ops->publish(s->store, list, staged);
	free(list);
	for (size_t i = 0; i < n; i++) {
		struct ship_job *j = (struct ship_job *)jobs[i];
		struct staged *st = j->staged[which];

		if (j->rc == -1 || st == NULL || st->rc == 0)
			continue;
		/* What stands there ends the old generation as well. */
		if (which == 0 && j->ending && st->e.class == ERR_BUSY)
			continue;
		fail_job(j, &st->e);
		/* Somebody was here before: the state is old, or not alone. */
		if (st->e.class == ERR_BUSY && ++j->conflicts < ROUNDS &&
		    j->known && !j->anew)
			j->phase = SHIP_ADOPT;
	}
}

static int
put_record(struct ship *s, struct ship_job *j, struct err *e)
{
	if (state_put(s->st, &j->next, e) == -1)
		return -1;
	for (size_t i = 0; i < j->n_steps; i++)
		if (state_put_sums(s->st, j->next.id, &j->steps[i].log,
			j->steps[i].pages, j->steps[i].anew, e) == -1)
			return -1;
	return 0;
}

/* A record that cannot be put costs its job; -1: the transaction is lost. */
static int
record_job(struct ship *s, struct ship_job *j, struct err *e)
{
	struct err why;
	int rc;

	if (state_step_begin(s->st, e) == -1)
		return -1;
	if ((rc = put_record(s, j, &why)) == -1)
		fail_job(j, &why);
	return state_step_end(s->st, rc == 0, e);
}

/* One transaction for all: it is durable, or none of it happened. */
static void
record_all(struct ship *s, struct job **jobs, size_t n)
{
	struct err e;
	size_t dirty = 0;
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		struct ship_job *j = (struct ship_job *)jobs[i];

		if (j->rc == -1 || !j->dirty)
			continue;
		if (dirty++ == 0)
			rc = state_begin(s->st, &e);
		if (rc == 0)
			rc = record_job(s, j, &e);
	}
	if (dirty > 0 && rc == 0)
		rc = state_commit(s->st, &e);
	if (rc == 0)
		return;
	state_rollback(s->st);
	for (size_t i = 0; i < n; i++) {
		struct ship_job *j = (struct ship_job *)jobs[i];

		if (j->rc == 0 && j->dirty)
			fail_job(j, &e);
	}
}

static void
end_job(struct ship *s, struct pool *p, struct ship_job *j,
    ship_report_fn *report, void *ctx)
{
	struct ship_report *r = &j->report;
	struct job *w, *next;

	r->path = j->path;
	r->rc = j->rc;
	r->e = &j->e;
	r->attempts = j->attempts;
	r->key = j->ending ? NULL : j->keys[0];
	r->ending_key = j->ending ? j->keys[0] : NULL;
	r->snapshot_key = j->keys[1];
	r->notice = j->notice[0] != '\0' ? j->notice : NULL;
	if (r->hint == NULL)
		r->hint = r->read = "";
	report(ctx, r);
	if (j->locked)
		for (w = dblock_release(s->locks, j->lock); w != NULL;
		     w = next) {
			next = w->link;
			pool_again(p, w);
		}
	pool_done(p, &j->job);
	job_free(j);
}

/* Adopted, or about to: once more round, with what is known now. */
static void
go_round(struct pool *p, struct ship_job *j)
{
	if (j->rc == 0) { /* adopted */
		if (j->dirty)
			j->rec = j->next;
		j->phase = j->more ? SHIP_ADOPT : SHIP_PREPARE;
		j->more = false;
	}
	j->rc = 0;
	ship_job_forget(j);
	pool_again(p, &j->job);
}

void
ship_finish(struct ship *s, struct pool *p, struct job **jobs, size_t n,
    ship_report_fn *report, void *ctx)
{
	bool *adopted = xcalloc(n, sizeof(*adopted));

	for (size_t i = 0; i < n; i++)
		adopted[i] = ((struct ship_job *)jobs[i])->phase == SHIP_ADOPT;
	for (int which = 0; which < SHIP_OBJECTS; which++)
		publish(s, jobs, n, which);
	if (!s->conf->dry_run)
		record_all(s, jobs, n);
	for (size_t i = 0; i < n; i++) {
		struct ship_job *j = (struct ship_job *)jobs[i];
		bool to_adopt = j->phase == SHIP_ADOPT && !adopted[i];

		if (j->waiting) {
			if (!dblock_wait(s->locks, j->lock, &j->job))
				pool_again(p, &j->job);
		} else if (to_adopt || (adopted[i] && j->rc == 0))
			go_round(p, j);
		else {
			end_job(s, p, j, report, ctx);
		}
	}
	free(adopted);
}
