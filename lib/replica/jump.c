/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/jump.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/when.h"
#include "lib/replica/history.h"

/* The first of a list that says what the clock said; its time into *t. */
static int
first(const struct history *h, struct history_generation *g,
    enum layout_kind kind, size_t *at, struct history_time *t, struct err *e)
{
	const struct history_list *l =
	    kind == LAYOUT_SNAPSHOT ? &g->snapshots : &g->segments;
	struct history_time k;
	size_t from = 0, to = l->n, mid;

	while (from < to) {
		mid = from + (to - from) / 2;
		if (history_time(h, g, kind, &l->v[mid], &k, e) == -1)
			return -1;
		if (k.clock_ns != 0) {
			to = mid;
			*t = k;
		} else {
			from = mid + 1;
		}
	}
	*at = from;
	return 0;
}

int
jump_find(const struct history *h, struct history_generation *g, struct jump *j,
    struct err *e)
{
	const struct history_list *s = &g->snapshots, *w = &g->segments;
	struct history_time a = { .clock_ns = INT64_MAX }, b = a;
	const struct history_object *last;
	enum layout_kind kind;

	*j = (struct jump){ .snapshot = s->n, .segment = w->n };
	if (g->plain || s->n + w->n == 0)
		return 0;
	last = history_last(g, &kind);
	if (history_time(h, g, kind, last, &a, e) == -1)
		return -1;
	if (g->plain || a.clock_ns == 0)
		return 0;
	a = b;
	if (first(h, g, LAYOUT_SNAPSHOT, &j->snapshot, &a, e) == -1 ||
	    first(h, g, LAYOUT_SEGMENT, &j->segment, &b, e) == -1)
		return -1;
	if (b.clock_ns < a.clock_ns)
		a = b;
	j->to_ns = a.clock_ns;
	j->from_ns = a.ns - 1;
	j->any = true;
	return 0;
}

int64_t
jump_time(const struct jump *j, const struct history_time *t)
{
	if (t->clock_ns != 0)
		return t->clock_ns;
	return j->any && t->ns > j->to_ns ? j->to_ns : t->ns;
}

/* -- a wanted time --------------------------------------------------------- */

static bool
spans(const struct jump *k, int64_t at_ns)
{
	return k->any && k->to_ns <= at_ns && at_ns <= k->from_ns;
}

int
jumps_find(struct history *h, int64_t at_ns, int64_t now_ns, struct jumps *j,
    struct err *e)
{
	*j = (struct jumps){ .n = h->n, .at_ns = at_ns, .now_ns = now_ns };
	j->v = xcalloc(h->n + 1, sizeof(*j->v));
	for (size_t i = 0; i < h->n; i++) {
		struct jump *k = &j->v[i];

		if (jump_find(h, &h->v[i], k, e) == -1)
			return -1;
		if (!spans(k, at_ns) || k->from_ns <= now_ns)
			continue;
		if (!j->by_clock || k->to_ns < j->to_ns)
			j->to_ns = k->to_ns;
		j->by_clock = true;
	}
	return 0;
}

void
jumps_release(struct jumps *j)
{
	free(j->v);
	*j = (struct jumps){ 0 };
}

bool
jumps_unsure(const struct jumps *j, int64_t next_ns, char *why, size_t n)
{
	char from[WHEN_SIZE], to[WHEN_SIZE];

	for (size_t i = 0; i < j->n; i++) {
		const struct jump *k = &j->v[i];

		if (!k->any ||
		    !((spans(k, j->at_ns) && k->from_ns <= j->now_ns) ||
			(j->at_ns < k->to_ns && next_ns > k->to_ns)))
			continue;
		(void)snprintf(why, n,
		    "the clock of what shipped it went back from %s to %s, and "
		    "what it dated before may be of then",
		    when_text(k->from_ns, from), when_text(k->to_ns, to));
		return true;
	}
	if (next_ns == INT64_MAX || j->at_ns > j->now_ns ||
	    next_ns - j->now_ns <= JUMP_STEP_NS)
		return false;
	(void)snprintf(why, n,
	    "what came next is dated %s, which is yet to come: a clock was "
	    "ahead, or this machine's is behind",
	    when_text(next_ns, from));
	return true;
}
