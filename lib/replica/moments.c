/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/moments.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/history.h"
#include "lib/replica/jump.h"

/* The states of a generation, in order. */
struct state {
	enum layout_kind kind;
	const struct history_object *o;
};

struct states {
	struct history *h;
	struct history_generation *g;
	struct jump jump;
	struct state *v;
	size_t n;
};

/* Is the log there that led to a snapshot at that place? */
static bool
is_led_to(const struct states *s, uint64_t at)
{
	const struct history_list *w = &s->g->segments;
	size_t n = history_below(w, at);

	return n > 0 && s->h->codec->next_log(w->v[n - 1].at) == at;
}

static void
add(struct states *s, enum layout_kind kind, const struct history_object *o)
{
	if (kind == LAYOUT_SEGMENT && o->size < HISTORY_EMPTY && !s->g->plain)
		return; /* the end of the generation */
	s->v[s->n++] = (struct state){ kind, o };
}

static void
collect(struct states *s)
{
	const struct history_list *l = &s->g->snapshots, *w = &s->g->segments;
	size_t at = history_headless(s->g);
	bool alone =
	    false; /* the snapshot before: what is left leads nowhere */

	s->v = xcalloc(l->n + w->n + 1, sizeof(*s->v));
	for (size_t i = 0; i < l->n; i++) {
		for (; at < w->n && w->v[at].at < l->v[i].at; at++)
			if (!alone)
				add(s, LAYOUT_SEGMENT, &w->v[at]);
		if (i == 0 || s->g->plain || alone || !is_led_to(s, l->v[i].at))
			add(s, LAYOUT_SNAPSHOT, &l->v[i]);
		alone = history_is_alone(s->h, s->g, l->v[i].at);
	}
	for (; at < w->n && !alone; at++)
		add(s, LAYOUT_SEGMENT, &w->v[at]);
}

static int
time_of(const struct states *s, size_t i, int64_t *ns, struct err *e)
{
	struct history_time t;

	if (history_time(s->h, s->g, s->v[i].kind, s->v[i].o, &t, e) == -1)
		return -1;
	*ns = jump_time(&s->jump, &t);
	return 0;
}

/* How many are not after at_ns. */
static int
count_until(const struct states *s, int64_t at_ns, size_t *n, struct err *e)
{
	size_t from = 0, to = s->n, mid;
	int64_t ns;

	while (from < to) {
		mid = from + (to - from) / 2;
		if (time_of(s, mid, &ns, e) == -1)
			return -1;
		if (ns > at_ns)
			to = mid;
		else
			from = mid + 1;
	}
	*n = from;
	return 0;
}

static int
take(const struct states *s, size_t i, struct moment *m, struct err *e)
{
	const struct state *k = &s->v[i];
	bool snapshot = k->kind == LAYOUT_SNAPSHOT;

	if (time_of(s, i, &m->ns, e) == -1)
		return -1;
	memcpy(m->generation, s->g->id, sizeof(m->generation));
	m->name = (struct layout_name){ k->kind, k->o->at };
	m->plain = s->g->plain;
	m->gap = snapshot && !m->plain && k->o->at > 0;
	return 0;
}

static int
by_time(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;

	return (x->ns > y->ns) - (x->ns < y->ns);
}

/* Of all generations, in order: those that are nearest. */
static void
keep(struct moment *v, size_t *n, int64_t at_ns, size_t each)
{
	size_t until = 0, from, to;

	if (*n > 0)
		qsort(v, *n, sizeof(*v), by_time);
	while (until < *n && v[until].ns <= at_ns)
		until++;
	from = until > each ? until - each : 0;
	to = *n - until > each ? until + each : *n;
	memmove(v, v + from, (to - from) * sizeof(*v));
	*n = to - from;
}

int
moments_around(struct history *h, int64_t at_ns, size_t each, struct moment **v,
    size_t *n, struct err *e)
{
	int rc = 0;

	*v = xcalloc(h->n * 2 * each + 1, sizeof(**v));
	*n = 0;
	for (size_t i = 0; i < h->n && rc == 0; i++) {
		struct states s = { .h = h, .g = &h->v[i] };
		size_t until = 0, from, to;

		collect(&s);
		rc = jump_find(h, s.g, &s.jump, e);
		if (rc == 0)
			rc = count_until(&s, at_ns, &until, e);
		from = rc == 0 && until > each ? until - each : 0;
		to = rc == 0 && s.n - until > each ? until + each : s.n;
		for (; from < to && rc == 0; from++)
			rc = take(&s, from, &(*v)[(*n)++], e);
		free(s.v);
	}
	if (rc == -1) {
		free(*v);
		*v = NULL;
		*n = 0;
		return -1;
	}
	keep(*v, n, at_ns, each);
	return 0;
}
