/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shipper, its roots and its workers.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/be.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/ltx/ltx_read.h"
#include "lib/ship/ship_job.h"
#include "lib/state/dblock.h"
#include "lib/store/open/store_open.h"
#include "lib/store/stats.h"
#include "lib/sys/rng.h"

enum {
	IN_MEMORY = 256 * 1024, /* of an object or an image, in a worker */
};

/* What was found out of the store, and when, as one number of the state. */
static int64_t
guard_note(enum store_guard guard, int64_t probed)
{
	return probed * STORE_GUARDS + (int64_t)guard;
}

/* Remember what the store found out, if that is news. */
static int
note_guard(struct ship *s, struct err *e)
{
	const struct store_ops *ops = s->store->ops;
	enum store_guard guard;
	int64_t probed, note;
	char *name;
	int rc;

	if (!ops->traits.guarded)
		return 0;
	guard = ops->guard(s->store, &probed);
	note = guard_note(guard, probed);
	if (note == s->guard_note)
		return 0;
	name = xasprintf("guard %s", s->store->url);
	if ((rc = state_set_number(s->st, name, note, e)) == 0)
		s->guard_note = note;
	free(name);
	return rc;
}

/*
 * Does the store keep what it has, whoever puts the same key?  Asked when a
 * root is new, and remembered before the root is: then a run that is killed in
 * between asks again.  The store itself asks again when it is long ago.
 */
static int
trust_store(struct ship *s, bool known, struct err *e)
{
	const struct store_ops *ops = s->store->ops;
	int64_t note = 0;
	char *name, *mark;
	int rc;

	if (!ops->traits.guarded)
		return 0;
	if (!known) {
		rc = ops->probe(s->store, e);
		return rc == -1 ? -1 : note_guard(s, e);
	}
	name = xasprintf("guard %s", s->store->url);
	mark = xasprintf("overwrites %s", s->store->url); /* of old */
	if ((rc = state_number(s->st, name, &note, e)) == 0 &&
	    (rc = state_marked(s->st, mark, e)) == 1)
		note = guard_note(STORE_GUARD_IGNORED, 0);
	s->guard_note = note;
	if (note < 0)
		note = 0;
	ops->assume(s->store, (enum store_guard)(note % STORE_GUARDS),
	    note / STORE_GUARDS);
	free(name);
	free(mark);
	return rc == -1 ? -1 : 0;
}

/* A root that was seen before must be there: is its disk mounted? */
static int
open_root(struct ship *s, const char *url, struct err *e)
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
	ship_looks_begin(s);
	if (state_root(s->st, url, true, &s->root, e) == -1)
		return -1;
	return state_life(s->st, s->root, &s->life_ns, e);
}

static int
open_store(struct ship *s, struct err *e)
{
	char *url = store_url(s->conf->url, s->conf->store, e);
	int rc = url == NULL ? -1 : open_root(s, url, e);

	free(url);
	return rc;
}

/* A token that no other run has; a mark (ltx_mark.h) has 4 bytes for it. */
static struct ship_run *
run_new(struct err *e)
{
	struct ship_run *r = xcalloc(1, sizeof(*r));
	uint8_t random[4];

	if (rng_bytes(random, sizeof(random), e) == -1) {
		free(r);
		return NULL;
	}
	r->token = be32(random) | 1; /* not 0 */
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

/* The state needs no token of a run all of whose objects are recorded. */
static void
run_free(struct ship *s)
{
	struct ship_run *r = s->run;
	struct err ignored;

	if (r == NULL)
		return;
	if (r->noted && r->open == 0)
		(void)state_end_run(s->st, r->token, &ignored);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

bool
ship_nameless(const struct ship *s)
{
	return s->fresh && !state_same_machine(s->writer, s->writer);
}

struct ship *
ship_open(const struct ship_conf *conf, struct err *e)
{
	struct ship *s = xcalloc(1, sizeof(*s));
	char *file;
	int rc = -1;

	pthread_mutex_init(&s->looking, NULL);
	s->conf = conf;
	file = xasprintf("%s/state.db", conf->state_dir);
	s->fresh =
	    !conf->dry_run && access(file, F_OK) == -1 && errno == ENOENT;
	free(file);
	s->st = state_open(conf->state_dir, !conf->dry_run, e);
	if (s->st == NULL && !(conf->dry_run && e->class == ERR_MISSING))
		goto out;
	s->troubles = xcalloc(1, sizeof(*s->troubles));
	if ((s->run = run_new(e)) == NULL)
		goto out;
	s->troubles->some =
	    s->st != NULL && state_any_trouble(s->st, &(struct err){ 0 }) == 1;
	if (conf->url != NULL && open_store(s, e) == -1) {
		ship_trouble_run(s, e);
		goto out;
	}
	ship_trouble_run(s, NULL);
	if (s->st != NULL) {
		state_writer(s->st, s->writer);
		if (state_number(s->st, SHIP_BACK_FROM, &s->run->back_from_ns,
			e) == -1 ||
		    state_number(s->st, SHIP_BACK_TO, &s->run->back_to_ns, e) ==
			-1)
			goto out;
	}
	if (!conf->dry_run &&
	    (s->locks = dblocks_open(conf->state_dir, e)) == NULL)
		goto out;
	rc = 0;
out:
	if (rc == -1) {
		ship_close(s);
		return NULL;
	}
	return s;
}

/* The state is opened once more: the other handle is another thread's. */
struct ship *
ship_join(struct ship *with, const struct ship_conf *conf, struct err *e)
{
	struct ship *s = xcalloc(1, sizeof(*s));
	int rc = 0;

	*s = *with;
	s->joined = true;
	s->conf = conf;
	s->store = NULL;
	s->pager = (struct pager){ 0 };
	pthread_mutex_init(&s->looking, NULL);
	if (with->st != NULL &&
	    (s->st = state_open(conf->state_dir, !conf->dry_run, e)) == NULL)
		rc = -1;
	if (rc == 0)
		rc = open_store(s, e);
	state_close(s->st);
	s->st = with->st;
	if (rc == -1) {
		ship_close(s);
		return NULL;
	}
	return s;
}

void
ship_close(struct ship *s)
{
	struct err ignored;

	if (s == NULL)
		return;
	if (s->store != NULL && s->st != NULL && s->root != 0)
		(void)note_guard(s, &ignored);
	ship_looks_end(s);
	store_close(s->store);
	if (!s->joined) {
		if (s->troubles != NULL) {
			ship_trouble_flush(s);
			buf_release(&s->troubles->list);
			free(s->troubles);
		}
		run_free(s);
		dblocks_close(s->locks);
		state_close(s->st);
	}
	free(s);
}

void
ship_stats(struct ship *s, struct store_stats *out)
{
	*out = (struct store_stats){ 0 };
	if (s->store != NULL)
		store_stats(s->store, out);
}

static void
drop_writers(struct ship_worker *w)
{
	if (w->writer == NULL)
		return;
	w->writer->free(w->segment);
	w->writer->free(w->snapshot);
}

void
ship_writes(struct ship_worker *w, const struct codec *codec)
{
	if (w->writer == codec->writer)
		return;
	drop_writers(w);
	w->writer = codec->writer;
	w->segment = w->writer->make();
	w->snapshot = w->writer->make();
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
	w->dec = object_dec_new();
	if (s->st != NULL &&
	    (w->st = state_open_worker(s->conf->state_dir, e)) == NULL) {
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
	drop_writers(w);
	object_dec_free(w->dec);
	ltx_read_free(w->ltx);
	state_close(w->st);
	free(w);
}
