/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept, and in which order the rest goes.  See prune.h.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/prune/prune_impl.h"

#define SECOND INT64_C(1000000000)

int64_t
prune_policy_longest(const struct prune_policy *p)
{
	static const int64_t hours[PRUNE_PERIODS] = {
		[PRUNE_HOURLY] = 1,
		[PRUNE_DAILY] = 24,
		[PRUNE_WEEKLY] = INT64_C(7) * 24,
		[PRUNE_MONTHLY] = INT64_C(31) * 24,
	};
	const int64_t hour = INT64_C(3600000000000);
	int64_t longest = p->keep_for_ns > 0 ? p->keep_for_ns : 0, ns;

	for (int i = 0; i < PRUNE_PERIODS; i++) {
		ns = INT64_MAX / 4;
		if (p->count[i] < ns / hour / hours[i])
			ns = p->count[i] * hours[i] * hour;
		if (ns > longest)
			longest = ns;
	}
	return longest;
}

bool
prune_policy_any(const struct prune_policy *p)
{
	bool any = p->keep_for_ns >= 0 || p->last > 0;

	for (int i = 0; i < PRUNE_PERIODS; i++)
		any = any || p->count[i] > 0;
	return any;
}

const char *
prune_why_name(enum prune_why why)
{
	static const char *const names[] = {
		[PRUNE_SUPERSEDED] = "superseded",
		[PRUNE_GENERATION] = "old-generation",
		[PRUNE_HEADLESS] = "no-snapshot",
		[PRUNE_GONE] = "gone",
		[PRUNE_UPLOAD] = "unfinished",
	};

	return names[why];
}

/* -- runs ------------------------------------------------------------------ */

static void
split(const struct history *h, struct generation *g)
{
	const struct history_list *snaps = &g->h->snapshots;
	size_t headless = history_headless(g->h), n = headless > 0;

	g->v = xcalloc(snaps->n + 1, sizeof(*g->v));
	if (headless > 0)
		g->v[0] =
		    (struct run){ .snapshot = NO_SNAPSHOT, .n = headless };
	for (size_t i = 0; i < snaps->n; i++, n++) {
		struct history_run r = history_run(g->h, i);

		g->v[n] =
		    (struct run){ .snapshot = i, .first = r.first, .n = r.n };
		/* What came behind the last one is not known to be anywhere. */
		g->v[n].alone = i + 1 < snaps->n &&
		    history_is_alone(h, g->h, snaps->v[i].at);
	}
	g->n = n;
}

/* -- states ---------------------------------------------------------------- */

/* next_ns: when the generation's next state came. */
typedef void state_fn(
    struct planner *pl, struct run *r, bool bare, int64_t ns, int64_t next_ns);

/* Every state, in order; times never go back within a generation. */
static void
each_state(struct planner *pl, state_fn *fn)
{
	for (struct generation *g = pl->g; g < pl->g + pl->n; g++) {
		struct run *last = NULL;
		bool bare = false;
		int64_t ns = INT64_MIN, t;

		pl->current = g;
		for (struct run *r = g->v; r < g->v + g->n; r++) {
			if (g->ignored || r->snapshot == NO_SNAPSHOT)
				continue;
			for (size_t i = 0; i <= (r->alone ? 0 : r->n); i++) {
				t = i == 0
				    ? g->h->snapshots.v[r->snapshot].mtime_ns
				    : g->h->segments.v[r->first + i - 1]
					  .mtime_ns;
				t = t > ns ? t : ns;
				if (last != NULL)
					fn(pl, last, bare, ns, t);
				last = r;
				bare = i == 0;
				ns = t;
			}
		}
		if (last != NULL)
			fn(pl, last, bare, ns, INT64_MAX);
	}
}

static void
keep(struct run *r, enum level level, bool bare)
{
	if (r->keep < level)
		r->keep = level;
	r->bare = r->bare || bare;
	r->exact = r->exact || (bare && level == KEEP_WHOLE);
}

static void
find_current(
    struct planner *pl, struct run *r, bool bare, int64_t ns, int64_t next_ns)
{
	(void)r;
	(void)bare;
	(void)next_ns;
	if (ns <= pl->at && ns > pl->best)
		pl->best = ns;
}

/* Of several generations with a state of that time, all. */
static void
keep_current(
    struct planner *pl, struct run *r, bool bare, int64_t ns, int64_t next_ns)
{
	if (ns == pl->best && next_ns > ns)
		keep(r, KEEP_WHOLE, bare);
}

/* What was current at that moment. */
static void
keep_at(struct planner *pl, int64_t at)
{
	pl->at = at;
	pl->best = INT64_MIN;
	each_state(pl, find_current);
	if (pl->best != INT64_MIN)
		each_state(pl, keep_current);
}

static void
keep_later(
    struct planner *pl, struct run *r, bool bare, int64_t ns, int64_t next_ns)
{
	(void)next_ns;
	if (ns > pl->at)
		keep(r, KEEP_WHOLE, bare);
}

static void
keep_since(struct planner *pl, int64_t from)
{
	keep_at(pl, from);
	pl->at = from;
	each_state(pl, keep_later);
}

/* -- the last so many ------------------------------------------------------ */

/* Where the first of them is that is not less. */
static size_t
top_find(const struct top *t, int64_t key)
{
	size_t from = 0, to = t->n, mid;

	while (from < to) {
		mid = from + (to - from) / 2;
		if (t->v[mid].key < key)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static void
top_add(struct top *t, int64_t key, int64_t value, bool snapshot)
{
	struct top_entry e = { key, value, snapshot ? value : INT64_MIN }, *v;
	size_t from = top_find(t, key);

	if (t->distinct && from < t->n && t->v[from].key == key) {
		v = &t->v[from];
		v->value = value > v->value ? value : v->value;
		v->snapshot =
		    e.snapshot > v->snapshot ? e.snapshot : v->snapshot;
		return;
	}
	if (t->n == t->max) {
		if (from == 0)
			return;
		memmove(t->v, t->v + 1, (from - 1) * sizeof(*t->v));
		t->v[from - 1] = e;
		return;
	}
	if (t->n == t->room) {
		t->room = t->room * 2 + 16;
		t->v = xrealloc(t->v, t->room * sizeof(*t->v));
	}
	memmove(t->v + from + 1, t->v + from, (t->n - from) * sizeof(*t->v));
	t->v[from] = e;
	t->n++;
}

static void
add_snapshot(
    struct planner *pl, struct run *r, bool bare, int64_t ns, int64_t next_ns)
{
	(void)r;
	(void)next_ns;
	if (bare && ns <= pl->as_of)
		top_add(&pl->top, ns, 0, false);
}

/* From when on 'last' keeps everything; as_of if it has enough there. */
static int64_t
since_last(struct planner *pl)
{
	int64_t from;

	if (pl->p->last == 0)
		return pl->as_of;
	pl->top = (struct top){ .max = pl->p->last };
	each_state(pl, add_snapshot);
	from = INT64_MIN;
	if (pl->top.v != NULL && pl->top.n == pl->p->last)
		from = pl->top.v[0].key;
	free(pl->top.v);
	return from;
}

/* -- periods --------------------------------------------------------------- */

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int64_t
prune_period_of(enum prune_period which, int64_t ns)
{
	int64_t hour = floor_div(ns, 3600 * SECOND);
	int64_t day = floor_div(hour, 24);
	time_t t = (time_t)(day * 86400);
	struct tm tm;

	switch (which) {
	case PRUNE_HOURLY: return hour;
	case PRUNE_DAILY: return day;
	case PRUNE_WEEKLY: return floor_div(day + 3, 7); /* from a Monday */
	default: break;
	}
	if (gmtime_r(&t, &tm) == NULL)
		return day;
	return (int64_t)tm.tm_year * 12 + tm.tm_mon;
}

/* Does its snapshot do for a state of a period?  Of Litestream's, snapshots may
 * be of later times than the WAL beside them. */
static bool
may_be_alone(const struct planner *pl, const struct run *r)
{
	return pl->p->alone && !pl->current->foreign &&
	    r->snapshot != NO_SNAPSHOT;
}

static void
add_period(
    struct planner *pl, struct run *r, bool bare, int64_t ns, int64_t next_ns)
{
	if (ns <= pl->as_of)
		top_add(&pl->top, prune_period_of(pl->period, ns), ns,
		    bare && next_ns > ns && may_be_alone(pl, r));
}

/* Of each period the last snapshot, or else the newest state. */
static void
keep_of_period(
    struct planner *pl, struct run *r, bool bare, int64_t ns, int64_t next_ns)
{
	int64_t period = prune_period_of(pl->period, ns);
	size_t at = top_find(&pl->top, period);
	const struct top_entry *t = &pl->top.v[at];

	if (next_ns <= ns || at == pl->top.n || t->key != period)
		return;
	if (t->snapshot == INT64_MIN && ns == t->value)
		keep(r, KEEP_WHOLE, bare);
	else if (t->snapshot == ns && bare && may_be_alone(pl, r))
		keep(r, KEEP_ALONE, bare);
}

static void
keep_periods(struct planner *pl, enum prune_period which, uint32_t max)
{
	if (max == 0)
		return;
	pl->period = which;
	pl->top = (struct top){ .max = max, .distinct = true };
	each_state(pl, add_period);
	each_state(pl, keep_of_period);
	free(pl->top.v);
}

/* -- what else stays ------------------------------------------------------- */

/* Litestream's: a snapshot may be of a later time than the WAL beside it. */
static void
keep_tail(struct generation *g)
{
	size_t i = 0;

	while (i < g->n && !g->v[i].keep)
		i++;
	if (i == g->n)
		return;
	for (i -= i > 0; i < g->n; i++)
		g->v[i].keep = KEEP_WHOLE;
}

static void
keep_beside(struct generation *g)
{
	bool any = false, wal = false;

	if (g->foreign) {
		keep_tail(g);
		return;
	}
	for (size_t i = 0; i < g->n; i++) {
		struct run *r = &g->v[i];

		if (r->keep == KEEP_WHOLE && r->bare && i > 0 && wal &&
		    g->v[i - 1].snapshot != NO_SNAPSHOT)
			g->v[i - 1].keep = KEEP_WHOLE;
		wal = wal || (r->keep == KEEP_WHOLE && r->n > 0 && !r->alone);
		any = any || r->keep;
	}
	if (any)
		g->v[g->n - 1].keep = KEEP_WHOLE;
}

/* -- what is wrong --------------------------------------------------------- */

static int
missing(const struct planner *pl, const struct generation *g, uint64_t at,
    struct err *e)
{
	struct layout_name name = { LAYOUT_SEGMENT, at };
	struct buf key = { 0 };

	pl->h->codec->key(&key, pl->h->db, g->h->id, &name);
	err_set(
	    e, ERR_CORRUPT, "%s is missing: nothing is pruned", buf_str(&key));
	buf_release(&key);
	return -1;
}

/* Is every run that is kept whole, as far as names tell? */
static int
check(const struct planner *pl, struct err *e)
{
	uint64_t gone;

	for (const struct generation *g = pl->g; g < pl->g + pl->n; g++)
		for (const struct run *r = g->v; r < g->v + g->n; r++)
			if (r->keep == KEEP_WHOLE && !r->alone &&
			    r->snapshot != NO_SNAPSHOT &&
			    history_whole(pl->h, g->h->segments.v + r->first,
				r->n, g->h->snapshots.v[r->snapshot].at,
				&gone) != r->n)
				return missing(pl, g, gone, e);
	return 0;
}

static int
check_times(
    const struct history *h, const struct history_list *l, struct err *e)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].mtime_ns <= 0)
			return err_set(e, ERR_CORRUPT,
			    "%s holds objects of no time: nothing is pruned",
			    h->db);
	return 0;
}

/* -- all of it ------------------------------------------------------------- */

static void
decide(struct planner *pl)
{
	const struct prune_policy *p = pl->p;
	int64_t from = since_last(pl), window;

	keep_at(pl, INT64_MAX);
	pl->newest = pl->best;
	if (p->keep_for_ns > 0) {
		window = pl->as_of - p->keep_for_ns;
		from = window < from ? window : from;
	}
	keep_since(pl, from);
	for (int i = 0; i < PRUNE_PERIODS; i++)
		keep_periods(pl, (enum prune_period)i, p->count[i]);
	for (size_t i = 0; i < pl->n; i++)
		keep_beside(&pl->g[i]);
}

int
prune_plan(const struct history *h, const struct prune_policy *p,
    struct prune_plan *plan, struct err *e)
{
	struct planner pl = { .h = h, .p = p, .n = h->n };
	int rc = 0;

	*plan = (struct prune_plan){ 0 };
	if (!prune_policy_any(p))
		return 0;
	pl.as_of = p->now_ns - p->grace_ns;
	pl.g = xcalloc(h->n + 1, sizeof(*pl.g));
	for (size_t i = 0; i < h->n && rc == 0; i++) {
		struct generation *g = &pl.g[i];

		g->h = &h->v[i];
		g->foreign = h->v[i].plain;
		g->ignored = g->foreign && !p->foreign;
		split(h, g);
		rc = check_times(h, &g->h->snapshots, e);
		if (rc == 0)
			rc = check_times(h, &g->h->segments, e);
	}
	if (rc == 0) {
		decide(&pl);
		rc = check(&pl, e);
	}
	if (rc == 0)
		prune_order(&pl, plan);
	for (size_t i = 0; i < h->n; i++)
		free(pl.g[i].v);
	free(pl.g);
	return rc;
}
