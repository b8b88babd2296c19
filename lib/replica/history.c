/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/history.h"
#include "lib/replica/peek.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/format.h"
#include "lib/replica/wal/layout.h"
#include "lib/replica/wal/provenance.h"
#include "lib/store/listed.h"

static struct history_object *
add(struct history_list *l)
{
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 4 : l->cap * 2;
		l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
	}
	return &l->v[l->n++];
}

/* Where in the list, which is in order, it is or would be. */
static size_t
alone_at(const struct history *h, const char *id, uint64_t place)
{
	size_t from = 0, to = h->alone.n, mid;
	int order;

	while (from < to) {
		mid = from + (to - from) / 2;
		order = strcmp(h->alone.v[mid].id, id);
		if (order < 0 || (order == 0 && h->alone.v[mid].at < place))
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

size_t
history_add_alone(
    struct history *h, const char *id, uint64_t place, uint64_t size)
{
	size_t at = alone_at(h, id, place);
	struct history_alone *a;

	if (h->alone.n == h->alone.cap) {
		h->alone.cap = h->alone.cap * 2 + 4;
		h->alone.v =
		    xrealloc(h->alone.v, h->alone.cap * sizeof(*h->alone.v));
	}
	a = &h->alone.v[at];
	memmove(a + 1, a, (h->alone.n++ - at) * sizeof(*a));
	*a = (struct history_alone){ .at = place, .size = size };
	memcpy(a->id, id, sizeof(a->id));
	return at;
}

bool
history_is_alone(
    const struct history *h, const struct history_generation *g, uint64_t place)
{
	size_t at = alone_at(h, g->id, place);

	return at < h->alone.n && h->alone.v[at].at == place &&
	    strcmp(h->alone.v[at].id, g->id) == 0;
}

/* The generation called id, made if it is not the last one; NULL with e. */
static struct history_generation *
generation_of(struct history *h, const char *id, struct err *e)
{
	struct history_generation *g = h->n == 0 ? NULL : &h->v[h->n - 1];

	if (g != NULL && strcmp(g->id, id) == 0)
		return g;
	if (h->n == HISTORY_GENERATIONS) {
		err_set(e, ERR_CORRUPT, "holds more than %d generations",
		    HISTORY_GENERATIONS);
		err_hint(e, "--generation ID restores from one of them");
		return NULL;
	}
	if (h->v == NULL || h->n == h->cap) {
		h->cap = h->cap == 0 ? 2 : h->cap * 2;
		h->v = xrealloc(h->v, h->cap * sizeof(*h->v));
	}
	g = &h->v[h->n++];
	memset(g, 0, sizeof(*g));
	memcpy(g->id, id, sizeof(g->id));
	g->ours = h->codec->is_own(id);
	return g;
}

/*
 * Without 'all': is it of use to a restore of the newest state?  Of snapshots,
 * and of segments without one, only the last is.
 */
static bool
of_use(struct history *h, struct history_generation *g,
    const struct layout_name *name)
{
	struct history_list *l = &g->snapshots;

	if (h->all)
		return true;
	if (name->kind == LAYOUT_SEGMENT && l->n > 0)
		return name->at >= l->v[0].at;
	if (name->kind == LAYOUT_SEGMENT)
		l = &g->segments;
	h->objects -= l->n;
	l->n = 0;
	return true;
}

/* One that is nothing to us. */
static int
note_unknown(struct history *h, const struct store_entry *en)
{
	struct layout_name name;
	size_t db;

	if (layout_object(en->key, &db, &name) && db + 1 >= h->prefix)
		return 0; /* a database's below a folder "generations" */
	if (h->unknown++ == 0)
		h->first_unknown = xstrdup(en->key);
	return 0;
}

static int
take_one(struct history *h, struct err *e)
{
	if (h->objects++ == HISTORY_OBJECTS)
		return err_set(e, ERR_CORRUPT, "holds more than %zu objects",
		    HISTORY_OBJECTS);
	return 1;
}

int
history_take(struct history *h, const struct store_entry *en, struct err *e)
{
	struct history_generation *g;
	struct history_list *l = &h->owners;
	struct layout_name name;
	char id[POS_LINE];

	if (!h->codec->parse(en->key + h->prefix, id, &name))
		return note_unknown(h, en);
	if (name.kind == LAYOUT_ALONE) {
		(void)history_add_alone(h, id, name.at, en->size);
		return take_one(h, e);
	}
	if (name.kind != LAYOUT_OWNER) {
		if ((g = generation_of(h, id, e)) == NULL)
			return -1;
		if (!of_use(h, g, &name))
			return 1;
		if (take_one(h, e) == -1)
			return -1;
		l = name.kind == LAYOUT_SNAPSHOT ? &g->snapshots : &g->segments;
	}
	*add(l) = (struct history_object){
		.mtime_ns = en->mtime_ns, .size = en->size, .at = name.at
	};
	return name.kind != LAYOUT_OWNER;
}

static int
note_object(void *ctx, const struct store_entry *en, struct err *e)
{
	return history_take(ctx, en, e) == -1 ? -1 : 0;
}

void
history_begin(struct history *h, struct store *s, const char *db, bool all)
{
	struct buf prefix = { 0 };

	*h = (struct history){ .s = s,
		.db = db,
		.codec = format_codec(FORMAT_WAL, false),
		.all = all };
	h->codec->prefix(&prefix, db, NULL);
	h->prefix = prefix.len;
	buf_release(&prefix);
}

int
history_read_listed(struct history *h, const struct listed *from,
    const char *db, const char *generation, bool all, struct err *e)
{
	struct buf prefix = { 0 };
	int rc;

	history_begin(h, from->s, db, all);
	h->codec->prefix(&prefix, db, generation);
	rc = listed_each(from, buf_str(&prefix), false, note_object, h, e);
	buf_release(&prefix);
	return rc;
}

int
history_read(struct history *h, struct store *s, const char *db,
    const char *generation, bool all, struct err *e)
{
	const struct listed from = LISTED_NOT(s);

	return history_read_listed(h, &from, db, generation, all, e);
}

void
history_release(struct history *h)
{
	for (size_t i = 0; i < h->n; i++) {
		free(h->v[i].snapshots.v);
		free(h->v[i].segments.v);
	}
	free(h->v);
	free(h->owners.v);
	free(h->alone.v);
	free(h->first_unknown);
	*h = (struct history){ 0 };
}

void
history_key(const struct history *h, const struct history_generation *g,
    enum layout_kind kind, const struct history_object *o, struct buf *b)
{
	struct layout_name name = { kind, o->at };

	buf_reset(b);
	h->codec->key(b, h->db, g->id, &name);
}

/* What does an object's end say? */
enum says {
	NOTHING = 0, /* as all of Litestream's, or one that was cut short */
	ITS_TIME,
	NONSENSE, /* it is ours, and damaged, or another's under this name */
};

/* One of enum says, or -1. */
static int
ask(const struct history *h, const struct history_generation *g,
    enum layout_kind kind, const struct history_object *o,
    struct provenance *pv, struct err *e)
{
	struct layout_name name = { kind, o->at };
	struct buf key = { 0 };
	int rc;

	history_key(h, g, kind, o, &key);
	rc = peek(h->s, buf_str(&key), pv, e);
	buf_release(&key);
	if (rc == 1)
		return provenance_is(pv, g->id, &name) ? ITS_TIME : NONSENSE;
	if (rc == 0)
		return NOTHING;
	return e->class == ERR_CORRUPT ? NONSENSE : -1;
}

size_t
history_below(const struct history_list *l, uint64_t at)
{
	size_t from = 0, to = l->n, mid;

	while (from < to) {
		mid = from + (to - from) / 2;
		if (l->v[mid].at < at)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

struct history_object *
history_last(const struct history_generation *g, enum layout_kind *kind)
{
	const struct history_list *s = &g->snapshots, *w = &g->segments;
	bool segment =
	    s->n == 0 || (w->n > 0 && w->v[w->n - 1].at >= s->v[s->n - 1].at);

	*kind = segment ? LAYOUT_SEGMENT : LAYOUT_SNAPSHOT;
	return segment ? &w->v[w->n - 1] : &s->v[s->n - 1];
}

struct history_run
history_run(const struct history_generation *g, size_t snapshot)
{
	const struct history_list *s = &g->snapshots, *w = &g->segments;
	size_t first = history_below(w, s->v[snapshot].at);
	size_t end = snapshot + 1 < s->n
	    ? history_below(w, s->v[snapshot + 1].at)
	    : w->n;

	return (struct history_run){ first, end - first };
}

size_t
history_headless(const struct history_generation *g)
{
	return g->snapshots.n > 0
	    ? history_below(&g->segments, g->snapshots.v[0].at)
	    : g->segments.n;
}

/* The object before or behind o, where a snapshot comes before the segments of
 * its log; false: there is none. */
static bool
step(const struct history_generation *g, bool back, enum layout_kind *kind,
    const struct history_object **o)
{
	const struct history_list *s = &g->snapshots, *w = &g->segments;
	bool snapshot = *kind == LAYOUT_SNAPSHOT;
	size_t a =
	    snapshot ? (size_t)(*o - s->v) : history_below(s, (*o)->at + 1);
	size_t b = snapshot ? history_below(w, (*o)->at) : (size_t)(*o - w->v);

	if (back) {
		if (a == 0 && b == 0)
			return false;
		snapshot = b == 0 || (a > 0 && s->v[a - 1].at > w->v[b - 1].at);
		*o = snapshot ? &s->v[a - 1] : &w->v[b - 1];
	} else {
		a += snapshot;
		b += !snapshot;
		if (a == s->n && b == w->n)
			return false;
		snapshot = b == w->n || (a < s->n && s->v[a].at <= w->v[b].at);
		*o = snapshot ? &s->v[a] : &w->v[b];
	}
	*kind = snapshot ? LAYOUT_SNAPSHOT : LAYOUT_SEGMENT;
	return true;
}

/* Whose is g, where o says nothing?  Ours was cut short: one more has to be
 * as silent. */
static int
ask_another(const struct history *h, struct history_generation *g,
    enum layout_kind kind, const struct history_object *o, struct err *e)
{
	struct provenance pv;
	int says = NOTHING;

	if ((step(g, false, &kind, &o) || step(g, true, &kind, &o)) &&
	    (says = ask(h, g, kind, o, &pv, e)) == -1)
		return -1;
	g->plain = says == NOTHING;
	g->ours = !g->plain;
	return 0;
}

/* What o itself says: 1, or 0 if that is nothing. */
static int
own_time(const struct history *h, struct history_generation *g,
    enum layout_kind kind, const struct history_object *o,
    struct history_time *t, struct err *e)
{
	struct provenance pv;
	int says = ask(h, g, kind, o, &pv, e);

	if (says == -1)
		return -1;
	if (says == NOTHING && !g->ours)
		return ask_another(h, g, kind, o, e);
	g->ours = true;
	if (says != ITS_TIME)
		return 0;
	t->ns = pv.captured_ns;
	t->clock_ns = pv.clock_ns;
	t->end = UINT64_MAX;
	if (kind == LAYOUT_SEGMENT)
		t->end = o->at + pv.length;
	return 1;
}

static bool
is_empty(enum layout_kind kind, const struct history_object *o,
    const struct history_time *t)
{
	return kind == LAYOUT_SEGMENT && t->end == o->at;
}

/* The time of the next state before or behind o that says it; as own_time().
 * Else *other stays. */
static int
next_time(const struct history *h, struct history_generation *g, bool back,
    enum layout_kind kind, const struct history_object *o,
    struct history_time *other, struct err *e)
{
	struct history_time t = { 0 };
	int rc = 0;

	while (rc == 0 && step(g, back, &kind, &o))
		if ((rc = own_time(h, g, kind, o, &t, e)) == 1 &&
		    is_empty(kind, o, &t))
			rc = 0;
	if (rc == 1)
		*other = t;
	return rc;
}

int
history_time(const struct history *h, struct history_generation *g,
    enum layout_kind kind, const struct history_object *o,
    struct history_time *t, struct err *e)
{
	struct history_time other = { .ns = o->mtime_ns };
	int rc;

	*t = (struct history_time){ .ns = o->mtime_ns,
		.known = HISTORY_AT,
		.end = UINT64_MAX,
		.ended_ns = INT64_MAX };
	if (g->plain)
		return 0;
	if ((rc = own_time(h, g, kind, o, t, e)) == 1 && is_empty(kind, o, t)) {
		other.ns = t->ns;
		t->ended_ns = t->clock_ns != 0 ? t->clock_ns : t->ns;
		rc = next_time(h, g, true, kind, o, &other, e);
		t->ns = other.ns;
		t->clock_ns = rc == 1 ? other.clock_ns : t->clock_ns;
		return rc == -1 ? -1 : 0;
	}
	if (rc != 0 || g->plain)
		return rc == -1 ? -1 : 0;
	t->known = HISTORY_AFTER;
	if ((rc = next_time(h, g, true, kind, o, &other, e)) == 0) {
		t->known = HISTORY_UNTIL;
		rc = next_time(h, g, false, kind, o, &other, e);
		if (rc == 0 || other.ns > t->ns)
			return rc == -1 ? -1 : 0;
	}
	t->ns = other.ns;
	t->clock_ns = other.clock_ns;
	return rc == -1 ? -1 : 0;
}

int
history_window(const struct history *h, struct history_generation *g,
    int64_t *from_ns, int64_t *until_ns, struct err *e)
{
	const struct history_list *s = &g->snapshots, *w = &g->segments;
	struct history_time t;

	*from_ns = INT64_MAX;
	*until_ns = INT64_MIN;
	if (s->n > 0) {
		if (history_time(h, g, LAYOUT_SNAPSHOT, s->v, &t, e) == -1)
			return -1;
		*from_ns = t.ns;
		if (history_time(
			h, g, LAYOUT_SNAPSHOT, &s->v[s->n - 1], &t, e) == -1)
			return -1;
		*until_ns = t.clock_ns != 0 ? t.clock_ns : t.ns;
	}
	if (w->n == 0)
		return 0;
	if (history_time(h, g, LAYOUT_SEGMENT, &w->v[w->n - 1], &t, e) == -1)
		return -1;
	if (t.clock_ns != 0)
		t.ns = t.clock_ns;
	if (t.ns > *until_ns)
		*until_ns = t.ns;
	return 0;
}

size_t
history_whole(const struct history *h, const struct history_object *v, size_t n,
    uint64_t at, uint64_t *gone)
{
	*gone = at;
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && h->codec->same_log(v[i].at, v[i - 1].at))
			continue;
		if (v[i].at != *gone)
			return i;
		*gone = h->codec->next_log(*gone);
	}
	return n;
}
