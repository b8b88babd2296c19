/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/prune/prune_ltx.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/prune/prune_impl.h"
#include "lib/prune/prune_ltx_impl.h"

static bool
is_snapshot(const struct ltx_file *f)
{
	return f->name.level == LTX_SNAPSHOTS;
}

/* -- what there is --------------------------------------------------------- */

struct end {
	uint64_t max;
	size_t at;
};

static int
by_end(const void *a, const void *b)
{
	const struct end *x = a, *y = b;

	if (x->max != y->max)
		return x->max < y->max ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static void
sort_by_end(struct ltx_planner *pl)
{
	struct end *end = xcalloc(pl->n + 1, sizeof(*end));

	for (size_t i = 0; i < pl->n; i++)
		end[i] = (struct end){ pl->v[i].name.max, i };
	qsort(end, pl->n, sizeof(*end), by_end);
	for (size_t i = 0; i < pl->n; i++)
		pl->by_end[i] = end[i].at;
	free(end);
}

/* From there on, up to what comes behind. */
static int
missing(const struct ltx_planner *pl, uint64_t from, struct err *e)
{
	uint64_t until = from;
	size_t i = 0;

	while (i < pl->n && pl->v[i].name.min <= from)
		i++;
	if (i < pl->n)
		until = pl->v[i].name.min - 1;
	return err_set(e, ERR_CORRUPT,
	    "the TXIDs from %016" PRIx64 " to %016" PRIx64
	    " are missing: nothing is pruned",
	    from, until);
}

/* Which states can be restored?  What ends first is in the way of nothing. */
static void
find_states(struct ltx_planner *pl)
{
	struct ltx_state *s = NULL;
	uint64_t covered = 0;

	for (size_t k = 0, next; k < pl->n; k = next) {
		const struct ltx_file *f = &pl->v[pl->by_end[k]];
		uint64_t end = f->name.max;
		int64_t ns = f->stored_ns;

		for (next = k; next < pl->n; next++) {
			f = &pl->v[pl->by_end[next]];
			if (f->name.max != end)
				break;
			if (f->name.min - 1 <= covered)
				covered = end;
			if (f->stored_ns < ns)
				ns = f->stored_ns;
		}
		for (size_t i = k; i < next; i++)
			pl->leads[pl->by_end[i]] = covered == end;
		if (covered == end)
			pl->state[pl->states++] = (struct ltx_state){ end, ns };
	}
	for (size_t i = pl->states; i > 1; i--) {
		s = &pl->state[i - 2];
		s->ns = s[1].ns < s->ns ? s[1].ns : s->ns;
	}
}

static int
check(const struct ltx_planner *pl, struct err *e)
{
	uint64_t last = pl->v[pl->by_end[pl->n - 1]].name.max;

	for (size_t i = 0; i < pl->n; i++) {
		const struct ltx_file *f = &pl->v[i];

		if (f->stored_ns <= 0)
			return err_set(e, ERR_CORRUPT,
			    "there are LTX files of no time: nothing is "
			    "pruned");
		if (is_snapshot(f) && f->name.min != 1)
			return err_set(e, ERR_CORRUPT,
			    "a snapshot begins with TXID %016" PRIx64
			    ": nothing is pruned",
			    f->name.min);
	}
	if (pl->states > 0 && pl->state[pl->states - 1].txid == last)
		return 0;
	return missing(
	    pl, pl->states > 0 ? pl->state[pl->states - 1].txid + 1 : 1, e);
}

/* -- what is kept ---------------------------------------------------------- */

static bool
is_usable(const struct ltx_file *f, int64_t at_ns, uint64_t limit)
{
	return f->stored_ns <= at_ns && f->name.max <= limit;
}

static bool
ends_later(const struct ltx_planner *pl, size_t i, size_t best)
{
	return best == pl->n || pl->v[i].name.max > pl->v[best].name.max;
}

/* pl->n: there is none. */
static size_t
last_snapshot(const struct ltx_planner *pl, int64_t at_ns, uint64_t limit)
{
	size_t best = pl->n;

	for (size_t i = 0; i < pl->n; i++)
		if (is_snapshot(&pl->v[i]) &&
		    is_usable(&pl->v[i], at_ns, limit) &&
		    ends_later(pl, i, best))
			best = i;
	return best;
}

/*
 * As Litestream plans a restore, of files that are not newer than at_ns and end
 * with 'limit' or before: the last snapshot, and then always what ends last.
 * Where that leads; 0: nowhere.
 */
static uint64_t
chain(struct ltx_planner *pl, int64_t at_ns, uint64_t limit, bool keep)
{
	const struct ltx_file *v = pl->v;
	size_t best = last_snapshot(pl, at_ns, limit), i = 0;
	uint64_t txid = 0;

	do {
		if (best < pl->n) {
			pl->keep[best] = pl->keep[best] || keep;
			txid = v[best].name.max;
		}
		for (; i < pl->n && v[i].name.min - 1 <= txid; i++)
			if (!is_snapshot(&v[i]) &&
			    is_usable(&v[i], at_ns, limit) &&
			    ends_later(pl, i, best))
				best = i;
	} while (best < pl->n && v[best].name.max > txid);
	return txid;
}

/* All that ends behind that state, or came after that moment. */
static void
keep_since(struct ltx_planner *pl, int64_t ns, uint64_t txid)
{
	for (size_t i = 0; i < pl->n; i++)
		if (pl->v[i].stored_ns > ns || pl->v[i].name.max > txid)
			pl->keep[i] = true;
	if (txid < pl->whole)
		pl->whole = txid;
}

/* What the so many'th snapshot leads to; all, if there are fewer. */
static void
keep_last(struct ltx_planner *pl)
{
	uint32_t left = pl->p->last;

	for (size_t k = pl->n; k > 0 && left > 0; k--) {
		const struct ltx_file *f = &pl->v[pl->by_end[k - 1]];

		if (!is_snapshot(f) || f->stored_ns > pl->as_of)
			continue;
		pl->keep[pl->by_end[k - 1]] = true;
		if (--left == 0)
			keep_since(pl, f->stored_ns, f->name.max);
	}
	if (left > 0)
		pl->whole = 0;
}

static void
keep_whole(struct ltx_planner *pl)
{
	int64_t from = pl->as_of;

	if (pl->p->keep_for_ns > 0)
		from -= pl->p->keep_for_ns;
	pl->whole = UINT64_MAX;
	keep_since(pl, from, chain(pl, from, UINT64_MAX, true));
	if (pl->p->last > 0)
		keep_last(pl);
}

/* -- periods --------------------------------------------------------------- */

struct pick {
	int64_t period, ns;
	uint64_t txid;
	size_t snapshot; /* its place; SIZE_MAX: it is a state */
};

/* The newest period first; in each its snapshots, then its states. */
static int
by_period(const void *a, const void *b)
{
	const struct pick *x = a, *y = b;

	if (x->period != y->period)
		return x->period > y->period ? -1 : 1;
	if ((x->snapshot == SIZE_MAX) != (y->snapshot == SIZE_MAX))
		return x->snapshot == SIZE_MAX ? 1 : -1;
	if (x->ns != y->ns)
		return x->ns > y->ns ? -1 : 1;
	return (x->txid < y->txid) - (x->txid > y->txid);
}

void
ltx_planner_promise(struct ltx_planner *pl, uint64_t txid)
{
	pl->promised =
	    xrealloc(pl->promised, (pl->promises + 1) * sizeof(*pl->promised));
	pl->promised[pl->promises++] = txid;
}

/* Of the files that end with it the first, which has its time. */
static void
keep_time(struct ltx_planner *pl, uint64_t txid)
{
	size_t first = pl->n;

	for (size_t i = 0; i < pl->n; i++)
		if (pl->v[i].name.max == txid &&
		    (first == pl->n ||
			pl->v[i].stored_ns < pl->v[first].stored_ns))
			first = i;
	pl->keep[first] = true;
}

static void
keep_pick(struct ltx_planner *pl, const struct pick *k)
{
	ltx_planner_promise(pl, k->txid);
	if (k->snapshot != SIZE_MAX) {
		pl->keep[k->snapshot] = true;
	} else {
		(void)chain(pl, INT64_MAX, k->txid, true);
		keep_time(pl, k->txid);
	}
}

/* Of a period that is over: it stays the one that is kept of that. */
static void
cut(struct ltx_planner *pl, uint64_t txid)
{
	pl->cut = xrealloc(pl->cut, (pl->cuts + 1) * sizeof(*pl->cut));
	pl->cut[pl->cuts++] = txid;
}

static size_t
find_picks(
    const struct ltx_planner *pl, enum prune_period which, struct pick *pick)
{
	size_t n = 0;

	for (size_t i = 0; i < pl->states; i++)
		if (pl->state[i].ns <= pl->as_of)
			pick[n++] = (struct pick){ .ns = pl->state[i].ns,
				.txid = pl->state[i].txid,
				.snapshot = SIZE_MAX };
	for (size_t i = 0; i < pl->n; i++)
		if (is_snapshot(&pl->v[i]) && pl->v[i].stored_ns <= pl->as_of)
			pick[n++] = (struct pick){ .ns = pl->v[i].stored_ns,
				.txid = pl->v[i].name.max,
				.snapshot = i };
	for (size_t i = 0; i < n; i++)
		pick[i].period = prune_period_of(which, pick[i].ns);
	return n;
}

static void
keep_periods(struct ltx_planner *pl, enum prune_period which)
{
	struct pick *pick = xcalloc(pl->states + pl->n + 1, sizeof(*pick));
	size_t n = find_picks(pl, which, pick);
	uint32_t left = pl->p->count[which];
	int64_t now = prune_period_of(which, pl->as_of);

	qsort(pick, n, sizeof(*pick), by_period);
	for (size_t i = 0; i < n && left > 0; i++)
		if (i == 0 || pick[i].period != pick[i - 1].period) {
			keep_pick(pl, &pick[i]);
			if (pick[i].period < now)
				cut(pl, pick[i].txid);
			left--;
		}
	free(pick);
}

/* -- what else stays ------------------------------------------------------- */

/* Where the newest file of a level ends; 0: it has none. */
static uint64_t
end_of(const struct ltx_planner *pl, unsigned level, size_t *at)
{
	for (size_t k = pl->n; k > 0; k--) {
		*at = pl->by_end[k - 1];
		if (pl->v[*at].name.level == level)
			return pl->v[*at].name.max;
	}
	return 0;
}

static void
keep_newest(struct ltx_planner *pl, unsigned level)
{
	size_t at;

	if (end_of(pl, level, &at) > 0)
		pl->keep[at] = true;
}

/* What compaction is still to take to a higher level. */
static void
keep_behind(struct ltx_planner *pl, unsigned level)
{
	uint64_t end = 0;
	size_t at;

	for (unsigned k = level + 1; k < LTX_SNAPSHOTS && end == 0; k++)
		end = end_of(pl, k, &at);
	for (size_t i = 0; end > 0 && i < pl->n; i++)
		if (pl->v[i].name.level == level && pl->v[i].name.max > end)
			pl->keep[i] = true;
}

/* No hole behind the first that stays. */
static void
keep_rest(struct ltx_planner *pl, unsigned level)
{
	bool first = false;

	for (size_t i = 0; i < pl->n; i++) {
		if (pl->v[i].name.level != level)
			continue;
		first = first || pl->keep[i];
		pl->keep[i] = first;
	}
}

/* The highest level of compaction of which anything is kept; 0: of none. */
static unsigned
top_level(const struct ltx_planner *pl)
{
	unsigned top = 0;

	for (size_t i = 0; i < pl->n; i++)
		if (pl->keep[i] && !is_snapshot(&pl->v[i]) &&
		    pl->v[i].name.level > top)
			top = pl->v[i].name.level;
	return top;
}

/* Is any of level 0 kept that a level above has already?  A daemon would compact
 * it once more, also where pages become of another size, at which it fails. */
static bool
is_behind_levels(const struct ltx_planner *pl)
{
	uint64_t end = 0;

	for (size_t i = 0; i < pl->n; i++)
		if (pl->v[i].name.level > 0 && !is_snapshot(&pl->v[i]) &&
		    pl->v[i].name.max > end)
			end = pl->v[i].name.max;
	for (size_t i = 0; i < pl->n; i++)
		if (pl->keep[i] && pl->v[i].name.level == 0 &&
		    pl->v[i].name.max <= end)
			return true;
	return false;
}

static void
keep_levels(struct ltx_planner *pl)
{
	bool any = top_level(pl) > 0 || is_behind_levels(pl);

	keep_newest(pl, LTX_SNAPSHOTS);
	keep_newest(pl, 0);
	for (unsigned k = 1; any && k < LTX_SNAPSHOTS; k++)
		keep_newest(pl, k);
	for (unsigned k = 0; any && k < LTX_SNAPSHOTS - 1; k++)
		keep_behind(pl, k);
	keep_rest(pl, 0);
	if (any && top_level(pl) > 0)
		keep_rest(pl, top_level(pl));
}

/* -- the order ------------------------------------------------------------- */

static void
add(const struct ltx_planner *pl, struct prune_plan *plan, size_t at,
    uint32_t wave)
{
	prune_plan_add(plan,
	    (struct prune_item){ .at = (uint32_t)at,
		.wave = wave,
		.kind = PRUNE_LTX,
		.why = (uint8_t)(pl->p == NULL ? PRUNE_GONE
			: pl->leads[at]        ? PRUNE_SUPERSEDED
					       : PRUNE_HEADLESS) });
}

/* What is not kept, from a wave on; the next one that is free. */
static uint32_t
order(const struct ltx_planner *pl, struct prune_plan *plan, bool in_order)
{
	uint32_t wave = 2;

	for (size_t i = 0; i < pl->n; i++)
		if (!pl->keep[i] && is_snapshot(&pl->v[i]))
			add(pl, plan, i, 0);
	for (size_t i = 0; i < pl->n; i++)
		if (!pl->keep[i] && !is_snapshot(&pl->v[i]) &&
		    pl->v[i].name.level > 0)
			add(pl, plan, i, 1);
	for (size_t i = 0; i < pl->n; i++)
		if (!pl->keep[i] && pl->v[i].name.level == 0) {
			add(pl, plan, i, wave);
			wave += !in_order;
		}
	return wave + in_order;
}

/* -- all of it ------------------------------------------------------------- */

static void
begin(struct ltx_planner *pl, struct ltx_file *v, size_t n)
{
	ltx_sort(v, n);
	pl->v = v;
	pl->n = n;
	pl->keep = xcalloc(n + 1, sizeof(*pl->keep));
	pl->leads = xcalloc(n + 1, sizeof(*pl->leads));
	pl->by_end = xcalloc(n + 1, sizeof(*pl->by_end));
	pl->state = xcalloc(n + 1, sizeof(*pl->state));
	sort_by_end(pl);
	find_states(pl);
}

void
ltx_planner_end(struct ltx_planner *pl)
{
	free(pl->keep);
	free(pl->leads);
	free(pl->by_end);
	free(pl->state);
	free(pl->promised);
	free(pl->cut);
}

int
ltx_planner_begin(struct ltx_planner *pl, struct ltx_file *v, size_t n,
    const struct prune_policy *p, struct err *e)
{
	*pl = (struct ltx_planner){ .p = p };
	if (n == 0 || !prune_policy_any(p))
		return 0;
	pl->as_of = p->now_ns - p->grace_ns;
	begin(pl, v, n);
	if (check(pl, e) == -1)
		return -1;
	keep_whole(pl);
	if (pl->whole == 0)
		return 0;
	ltx_planner_promise(pl, pl->whole);
	for (int i = 0; i < PRUNE_PERIODS; i++)
		keep_periods(pl, (enum prune_period)i);
	keep_levels(pl);
	return 1;
}

int
prune_ltx_plan(struct ltx_file *v, size_t n, const struct prune_policy *p,
    bool in_order, struct prune_plan *plan, struct err *e)
{
	struct ltx_planner pl;
	int rc = ltx_planner_begin(&pl, v, n, p, e);

	*plan = (struct prune_plan){ 0 };
	if (rc == 1)
		(void)order(&pl, plan, in_order);
	if (plan->n > 0)
		ltx_planner_proofs(&pl, plan);
	ltx_planner_end(&pl);
	return rc == -1 ? -1 : 0;
}

void
prune_ltx_plan_all(
    struct ltx_file *v, size_t n, bool in_order, struct prune_plan *plan)
{
	struct ltx_planner pl = { 0 };
	uint64_t last;
	uint32_t wave;

	prune_plan_release(plan);
	if (n == 0)
		return;
	begin(&pl, v, n);
	last = v[pl.by_end[n - 1]].name.max;
	for (size_t i = 0; i < n; i++)
		pl.keep[i] = v[i].name.max == last;
	wave = order(&pl, plan, in_order);
	for (size_t i = 0; i < n; i++)
		if (pl.keep[i])
			add(&pl, plan, i, wave);
	ltx_planner_end(&pl);
}
