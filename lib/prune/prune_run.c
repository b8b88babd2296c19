/*
 * Carrying out plans: waves of many databases together.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/prune/prune.h"
#include "lib/store/store.h"
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
	if (it->kind == LAYOUT_OWNER) {
		struct layout_name name = { LAYOUT_OWNER,
			db->h.owners.v[it->at].at };

		db->h.codec->key(b, db->key, NULL, &name);
		return db->h.owners.v[it->at].size;
	}
	g = &db->h.v[it->generation];
	o = it->kind == LAYOUT_SNAPSHOT ? &g->snapshots.v[it->at]
					: &g->segments.v[it->at];
	history_key(&db->h, g, (enum layout_kind)it->kind, o, b);
	return o->size;
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
