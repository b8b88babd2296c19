/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order in which objects go: in waves, see prune.h.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/prune/prune_impl.h"
#include "lib/prune/prune_ltx.h"
#include "lib/store/store.h"

void
prune_plan_add(struct prune_plan *plan, struct prune_item it)
{
	if (plan->n == plan->room) {
		plan->room = plan->room * 2 + 16;
		plan->v = xrealloc(plan->v, plan->room * sizeof(*plan->v));
	}
	plan->v[plan->n++] = it;
}

/* By wave; in a wave, and so in a directory, from the end on. */
static int
compare(const void *a, const void *b)
{
	const struct prune_item *x = a, *y = b;

	if (x->wave != y->wave)
		return x->wave < y->wave ? -1 : 1;
	if (x->generation != y->generation)
		return x->generation < y->generation ? -1 : 1;
	return (x->at < y->at) - (x->at > y->at);
}

static void
sort(struct prune_plan *plan)
{
	if (plan->n > 1)
		qsort(plan->v, plan->n, sizeof(*plan->v), compare);
}

/* -- a block: runs that go, side by side ----------------------------------- */

struct block {
	const struct codec *codec;
	const struct generation *g;
	size_t from, to; /* of its runs */
	bool behind;     /* one that is kept whole */
	bool bare; /* below one that is kept whole for its snapshot, too */
	enum prune_why why;
};

enum { LAST_WAVE = INT32_MAX };

static enum prune_why
why_of(const struct block *b, const struct run *r)
{
	return r->snapshot == NO_SNAPSHOT && b->why != PRUNE_GONE
	    ? PRUNE_HEADLESS
	    : b->why;
}

static void
add_segment(struct prune_plan *plan, const struct block *b, const struct run *r,
    uint32_t generation, size_t at, uint32_t wave)
{
	prune_plan_add(plan,
	    (struct prune_item){ .generation = generation,
		.at = (uint32_t)at,
		.wave = wave,
		.kind = LAYOUT_SEGMENT,
		.why = (uint8_t)why_of(b, r) });
}

/* Does a snapshot that stays lead to run i of the block? */
static bool
is_headed(const struct block *b, size_t i)
{
	while (i > b->from && b->g->v[i].keep == KEEP_NOTHING)
		i--;
	return b->g->v[i].keep != KEEP_NOTHING;
}

/*
 * When a segment of run i goes, n logs from the end.  Behind a snapshot that
 * stays it is what Litestream restores: what is left of that has to be a
 * beginning.  But below a run whose snapshot is to be restored by itself, the
 * last index stays as long as anything does.
 */
static uint32_t
wave_of(const struct block *b, size_t i, uint32_t n, bool begins)
{
	if (b->behind || (!b->bare && is_headed(b, i)))
		return 2 * n - 1 + begins;
	if (!begins)
		return 1;
	return n == 1 && b->bare ? LAST_WAVE : 2;
}

static void
add_block(const struct block *b, uint32_t generation, struct prune_plan *plan)
{
	const struct history_object *v = b->g->h->segments.v;
	const struct history_object *last = NULL;
	uint32_t n = 0; /* logs seen, from the end */
	uint32_t wave;
	bool begins;

	for (size_t i = b->to; i > b->from; i--) {
		const struct run *r = &b->g->v[i - 1];

		if (r->snapshot != NO_SNAPSHOT && r->keep == KEEP_NOTHING)
			prune_plan_add(plan,
			    (struct prune_item){ .generation = generation,
				.at = (uint32_t)r->snapshot,
				.kind = LAYOUT_SNAPSHOT,
				.why = (uint8_t)b->why });
		for (size_t k = r->first + r->n; k > r->first; k--) {
			n += last == NULL ||
			    !b->codec->same_log(v[k - 1].at, last->at);
			last = &v[k - 1];
			begins = b->codec->begins_log(last->at);
			wave = wave_of(b, i - 1, n, begins);
			add_segment(plan, b, r, generation, k - 1, wave);
		}
	}
}

/* -- a generation ---------------------------------------------------------- */

/*
 * What alone ends a generation whose snapshot was on its way: it is met if that
 * comes yet (expect_snapshot() in ship_fence.c).
 */
static bool
is_fence(const struct generation *g)
{
	const struct history_list *l = &g->h->segments;

	return g->h->snapshots.n == 0 && l->n == 1 && l->v[0].at == 0 &&
	    l->v[0].size < HISTORY_EMPTY;
}

/* Something of it, if it has that. */
static bool
goes(const struct planner *pl, const struct generation *g, const struct run *r,
    struct prune_plan *plan)
{
	int64_t last;

	if (r->snapshot != NO_SNAPSHOT)
		return r->keep != KEEP_WHOLE || r->alone;
	if (r->keep)
		return false;
	last = g->h->segments.v[r->n - 1].mtime_ns;
	if (last > pl->newest)
		plan->stray += r->n;
	return last <= pl->newest && last <= pl->as_of && !is_fence(g);
}

/* What is to stand alone from now on. */
static void
mark(const struct generation *g, uint32_t generation, struct prune_plan *plan)
{
	for (const struct run *r = g->v; r < g->v + g->n; r++) {
		if (r->keep != KEEP_ALONE || r->alone || r->n == 0)
			continue;
		plan->mark = xrealloc(
		    plan->mark, (plan->marks + 1) * sizeof(*plan->mark));
		plan->mark[plan->marks++] =
		    (struct prune_mark){ generation, (uint32_t)r->snapshot };
	}
}

static int
by_id(const void *id, const void *g)
{
	return strcmp(id, ((const struct generation *)g)->h->id);
}

/* Is the snapshot kept that it is about? */
static bool
is_kept(const struct planner *pl, const struct history_alone *a)
{
	const struct generation *g =
	    bsearch(a->id, pl->g, pl->n, sizeof(*g), by_id);
	size_t at;

	if (g == NULL)
		return false;
	at = history_below(&g->h->snapshots, a->at);
	if (at == g->h->snapshots.n || g->h->snapshots.v[at].at != a->at)
		return false;
	at += g->v[0].snapshot == NO_SNAPSHOT;
	return g->v[at].keep || g->ignored;
}

static void
add_alone(struct prune_plan *plan, size_t at, enum prune_why why)
{
	prune_plan_add(plan,
	    (struct prune_item){ .at = (uint32_t)at,
		.wave = UINT32_MAX - 1,
		.kind = LAYOUT_ALONE,
		.why = (uint8_t)why });
}

static void
order(const struct planner *pl, const struct generation *g,
    struct prune_plan *plan)
{
	struct block b = {
		.codec = pl->h->codec, .g = g, .why = PRUNE_GENERATION
	};
	uint32_t generation = (uint32_t)(g - pl->g);

	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].keep)
			b.why = PRUNE_SUPERSEDED;
	for (size_t i = 0; i < g->n; i = b.to) {
		b.from = i;
		for (b.to = i; b.to < g->n && goes(pl, g, &g->v[b.to], plan);
		     b.to++)
			;
		b.bare = b.to < g->n && g->v[b.to].exact;
		if (b.to > b.from)
			add_block(&b, generation, plan);
		else {
			b.behind = true;
			b.to++;
		}
	}
	mark(g, generation, plan);
}

void
prune_order(const struct planner *pl, struct prune_plan *plan)
{
	for (const struct generation *g = pl->g; g < pl->g + pl->n; g++)
		if (g->ignored)
			plan->foreign += g->h->snapshots.n + g->h->segments.n;
		else
			order(pl, g, plan);
	for (size_t i = 0; i < pl->h->alone.n; i++)
		if (!is_kept(pl, &pl->h->alone.v[i]))
			add_alone(plan, i, PRUNE_SUPERSEDED);
	sort(plan);
}

/* Waves count from 0 on, with no number left out. */
static uint32_t
count_waves(struct prune_plan *plan)
{
	uint32_t wave = 0, last;

	if (plan->n == 0)
		return 0;
	last = plan->v[0].wave;
	for (size_t i = 0; i < plan->n; i++) {
		wave += plan->v[i].wave != last;
		last = plan->v[i].wave;
		plan->v[i].wave = wave;
	}
	return wave + 1;
}

void
prune_plan_join(struct prune_plan *plan, struct prune_plan *more)
{
	uint32_t waves;

	if (more->n > 0) {
		waves = count_waves(plan);
		(void)count_waves(more);
		for (size_t i = 0; i < more->n; i++) {
			more->v[i].wave += waves;
			prune_plan_add(plan, more->v[i]);
		}
	}
	prune_plan_release(more);
}

void
prune_plan_release(struct prune_plan *plan)
{
	free(plan->v);
	free(plan->mark);
	free(plan->prove);
	*plan = (struct prune_plan){ 0 };
}

static void
all_generations(
    const struct prune_db *db, bool foreign, struct prune_plan *plan)
{
	struct run r = { .snapshot = NO_SNAPSHOT };

	for (size_t i = 0; i < db->h.n; i++) {
		struct generation g = { .h = &db->h.v[i], .v = &r, .n = 1 };
		struct block b = { .codec = db->h.codec,
			.g = &g,
			.to = 1,
			.why = PRUNE_GONE };

		if (g.h->plain && !foreign) {
			plan->foreign += g.h->snapshots.n + g.h->segments.n;
			continue;
		}
		r.n = g.h->segments.n;
		add_block(&b, (uint32_t)i, plan);
		for (size_t k = 0; k < g.h->snapshots.n; k++)
			prune_plan_add(plan,
			    (struct prune_item){ .generation = (uint32_t)i,
				.at = (uint32_t)k,
				.kind = LAYOUT_SNAPSHOT,
				.why = PRUNE_GONE });
	}
	for (size_t i = 0; i < db->h.alone.n; i++)
		add_alone(plan, i, PRUNE_GONE);
	for (size_t i = 0; i < db->h.owners.n; i++)
		prune_plan_add(plan,
		    (struct prune_item){ .at = (uint32_t)i,
			.wave = UINT32_MAX,
			.kind = LAYOUT_OWNER,
			.why = PRUNE_GONE });
	sort(plan);
}

/* When the newest object was stored that goes. */
static int64_t
newest(const struct prune_db *db)
{
	int64_t ns = INT64_MIN;

	for (size_t i = 0; i < db->h.n; i++) {
		const struct history_generation *g = &db->h.v[i];

		for (size_t k = 0; k < g->snapshots.n; k++)
			if (g->snapshots.v[k].mtime_ns > ns)
				ns = g->snapshots.v[k].mtime_ns;
		for (size_t k = 0; k < g->segments.n; k++)
			if (g->segments.v[k].mtime_ns > ns)
				ns = g->segments.v[k].mtime_ns;
	}
	return ns;
}

static int64_t
newest_ltx(const struct prune_db *db)
{
	int64_t ns = INT64_MIN;

	for (size_t i = 0; i < db->ltx.n; i++)
		if (db->ltx.v[i].stored_ns > ns)
			ns = db->ltx.v[i].stored_ns;
	return ns;
}

/* Of two layouts the one goes first that was written to last longer ago. */
void
prune_plan_all(struct prune_db *db, bool foreign, struct prune_plan *plan)
{
	struct prune_plan old = { 0 }, ltx = { 0 };
	bool first = newest_ltx(db) < newest(db);

	prune_plan_release(plan);
	all_generations(db, foreign, &old);
	if (foreign || !db->ltx_plain)
		prune_ltx_plan_all(
		    db->ltx.v, db->ltx.n, !db->store->ops->traits.remote, &ltx);
	else
		old.foreign += db->ltx.n;
	*plan = first ? ltx : old;
	plan->foreign = old.foreign;
	prune_plan_join(plan, first ? &old : &ltx);
}
