/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carrying out plans: waves of many databases together.
 */
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/when.h"
#include "lib/prune/prune_impl.h"
#include "lib/prune/prune_ltx.h"
#include "lib/store/store.h"
#include "lib/sys/spool.h"
#include "lib/sys/stop.h"

enum {
	AT_ONCE = 4000, /* keys in memory */
};

/* A wave, or a part of one. */
struct wave {
	char *key[AT_ONCE];
	uint64_t size[AT_ONCE];
	struct prune_db *db[AT_ONCE];
	const struct prune_item *item[AT_ONCE];
	size_t n;
	prune_removed *removed;
	void *ctx;
};

uint64_t
prune_item_key(
    const struct prune_db *db, const struct prune_item *it, struct buf *b)
{
	const struct history_generation *g;
	const struct history_object *o;

	buf_reset(b);
	if (it->kind == PRUNE_LTX)
		return prune_ltx_key(db, it->at, b);
	if (it->kind == LAYOUT_OWNER) {
		struct layout_name name = { LAYOUT_OWNER,
			db->h.owners.v[it->at].at };

		db->h.codec->key(b, db->key, NULL, &name);
		return db->h.owners.v[it->at].size;
	}
	if (it->kind == LAYOUT_ALONE) {
		const struct history_alone *a = &db->h.alone.v[it->at];
		struct layout_name name = { LAYOUT_ALONE, a->at };

		db->h.codec->key(b, db->key, a->id, &name);
		return a->size;
	}
	g = &db->h.v[it->generation];
	o = it->kind == LAYOUT_SNAPSHOT ? &g->snapshots.v[it->at]
					: &g->segments.v[it->at];
	history_key(&db->h, g, (enum layout_kind)it->kind, o, b);
	return o->size;
}

/* An LZ4 frame of nothing, as all objects are one. */
static const uint8_t alone[] = { 0x04, 0x22, 0x4d, 0x18, 0x64, 0x50, 0x08, 0, 0,
	0, 0, 0x05, 0x5d, 0xcc, 0x02 };

int
prune_put(struct prune_db *db, const struct store_stage *st, struct err *e)
{
	const struct store_ops *ops = db->store->ops;
	struct staged *staged;
	int rc;

	if (ops->traits.guarded)
		ops->assume(
		    db->store, STORE_GUARD_IGNORED, when_now() / 1000000000);
	if ((staged = ops->stage(db->store, st, e)) == NULL)
		return -1;
	ops->publish(db->store, &staged, 1);
	rc = staged->rc;
	if (rc == -1)
		*e = staged->e;
	ops->drop(db->store, staged);
	return rc;
}

/* In a directory it has the time of the snapshot that it is about. */
static int
put_alone(struct prune_db *db, const char *key, int64_t ns, struct err *e)
{
	struct spool bytes;
	struct store_stage st = { .key = key, .bytes = &bytes, .mtime_ns = ns };
	int rc;

	spool_init(&bytes, "/tmp", sizeof(alone));
	rc = spool_write(&bytes, alone, sizeof(alone), e);
	if (rc == 0)
		rc = prune_put(db, &st, e);
	spool_release(&bytes);
	return rc;
}

/* What is planned of the list keeps its place in it. */
static void
note_alone(struct prune_db *db, const char *id, uint64_t place)
{
	size_t at = history_add_alone(&db->h, id, place, sizeof(alone));

	for (size_t i = 0; i < db->plan.n; i++)
		if (db->plan.v[i].kind == LAYOUT_ALONE &&
		    db->plan.v[i].at >= at)
			db->plan.v[i].at++;
}

static int
mark(struct prune_db *db, struct err *e)
{
	struct buf key = { 0 };
	int rc = 0;

	for (size_t i = 0; i < db->plan.marks && rc == 0; i++) {
		const struct prune_mark *m = &db->plan.mark[i];
		const struct history_generation *g = &db->h.v[m->generation];
		const struct history_object *o = &g->snapshots.v[m->at];

		history_key(&db->h, g, LAYOUT_ALONE, o, &key);
		rc = put_alone(db, buf_str(&key), o->mtime_ns, e);
		if (rc == 0)
			note_alone(db, g->id, o->at);
	}
	buf_release(&key);
	return rc;
}

bool
prune_db_mark(struct prune_db *db, const struct prune_policy *p)
{
	struct prune_policy whole = *p;

	if (db->rc == -1 || mark(db, &db->e) == 0)
		return false;
	if (db->e.class != ERR_DENIED) {
		db->rc = -1;
		return false;
	}
	whole.alone = false;
	prune_db_plan(db, &whole);
	return true;
}

static void
take_result(void *ctx, size_t i, int rc, const struct err *e)
{
	struct wave *w = ctx;

	if (rc == -1)
		w->db[i]->stopped = true;
	w->removed(w->ctx, w->db[i], w->item[i], w->key[i], w->size[i], rc, e);
}

static void
send(struct wave *w)
{
	struct store *s;
	struct err e;

	if (w->n == 0)
		return;
	s = w->db[0]->store;
	(void)s->ops->remove_many(
	    s, (const char *const *)w->key, w->n, take_result, w, &e);
	while (w->n > 0)
		free(w->key[--w->n]);
}

static void
add(struct wave *w, struct prune_db *db)
{
	const struct prune_item *it = &db->plan.v[db->at++];
	static const struct err none;
	struct buf key = { 0 };
	uint64_t size = prune_item_key(db, it, &key);

	if (db->stopped) {
		w->removed(w->ctx, db, it, buf_str(&key), size, -1, &none);
	} else {
		w->key[w->n] = xstrdup(buf_str(&key));
		w->size[w->n] = size;
		w->db[w->n] = db;
		w->item[w->n++] = it;
	}
	buf_release(&key);
	if (w->n == AT_ONCE)
		send(w);
}

/* The number of the wave that is next; false: there is none. */
static bool
next_wave(struct prune_db **dbs, size_t n, uint32_t *wave)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		const struct prune_db *db = dbs[i];

		if (db->at == db->plan.n)
			continue;
		if (!any || db->plan.v[db->at].wave < *wave)
			*wave = db->plan.v[db->at].wave;
		any = true;
	}
	return any;
}

void
prune_run(struct prune_db **dbs, size_t n, prune_removed *removed, void *ctx)
{
	struct wave *w = xcalloc(1, sizeof(*w));
	uint32_t wave = 0;

	w->removed = removed;
	w->ctx = ctx;
	while (next_wave(dbs, n, &wave)) {
		for (size_t i = 0; i < n; i++)
			while (dbs[i]->at < dbs[i]->plan.n &&
			    dbs[i]->plan.v[dbs[i]->at].wave == wave) {
				if (stop_requested())
					dbs[i]->stopped = true;
				add(w, dbs[i]);
			}
		send(w);
	}
	free(w);
}
