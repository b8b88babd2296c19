/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files of level 0 become one.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/prune/prune_ltx_impl.h"

/* Where the files of levels 1 to 8 end; 0: there are none. */
static uint64_t
end_of_levels(const struct ltx_planner *pl)
{
	uint64_t end = 0;

	for (size_t i = 0; i < pl->n; i++) {
		const struct ltx_name *n = &pl->v[i].name;

		if (n->level > 0 && n->level < LTX_SNAPSHOTS && n->max > end)
			end = n->max;
	}
	return end;
}

/* Does any file end with that TXID, so that the state before is known? */
static bool
is_end(const struct ltx_planner *pl, uint64_t txid)
{
	for (size_t i = 0; i < pl->n && pl->v[i].name.min <= txid; i++)
		if (pl->v[i].name.max == txid)
			return true;
	return txid == 0;
}

static bool
is_cut(const struct ltx_planner *pl, uint64_t txid)
{
	for (size_t i = 0; i < pl->cuts; i++)
		if (pl->cut[i] == txid)
			return true;
	return false;
}

/* The file of level 0 that the first one begins with, pl->n: there is none.
 * What is merged has no hole before it, or the next level would meet that. */
static size_t
find_first(const struct ltx_planner *pl, uint64_t behind)
{
	uint64_t end = end_of_levels(pl);

	if (behind > end)
		end = behind;
	for (size_t i = 0; i < pl->n; i++) {
		const struct ltx_name *n = &pl->v[i].name;

		if (n->level != 0 || !pl->keep[i] || n->min <= end)
			continue;
		if (end > 0)
			return n->min == end + 1 ? i : pl->n;
		if (is_end(pl, n->min - 1))
			return i;
	}
	return pl->n;
}

static void
add(struct prune_merges *m, uint64_t min, const struct ltx_file *last)
{
	m->v = xrealloc(m->v, (m->n + 1) * sizeof(*m->v));
	m->v[m->n++] =
	    (struct prune_merge){ { 1, min, last->name.max }, last->stored_ns };
}

static void
find(const struct ltx_planner *pl, uint64_t behind, struct prune_merges *m)
{
	size_t i = find_first(pl, behind);
	uint64_t min, next;

	if (i == pl->n)
		return;
	min = next = pl->v[i].name.min;
	for (; i < pl->n; i++) {
		const struct ltx_name *n = &pl->v[i].name;

		if (n->level != 0)
			continue;
		if (n->min != next || n->max >= pl->whole)
			break;
		next = n->max + 1;
		if (is_cut(pl, n->max)) {
			add(m, min, &pl->v[i]);
			min = next;
		}
	}
}

/* Is that file there, and kept? */
static bool
is_kept(const struct ltx_planner *pl, const struct ltx_name *n)
{
	for (size_t i = 0; i < pl->n; i++) {
		const struct ltx_name *is = &pl->v[i].name;

		if (is->level == n->level && is->min == n->min &&
		    is->max == n->max)
			return pl->keep[i];
	}
	return false;
}

/* What would go as soon as it may is not merged: that is at the beginning. */
static void
drop_unused(const struct ltx_file *v, size_t n, const struct prune_policy *p,
    struct prune_merges *m)
{
	struct ltx_file *also = xcalloc(n + m->n, sizeof(*also));
	struct ltx_planner pl;
	size_t first = 0;
	struct err e;

	memcpy(also, v, n * sizeof(*also));
	for (size_t i = 0; i < m->n; i++)
		also[n + i] = (struct ltx_file){ .name = m->v[i].name,
			.stored_ns = m->v[i].stored_ns };
	if (ltx_planner_begin(&pl, also, n + m->n, p, &e) == 1)
		while (first < m->n && !is_kept(&pl, &m->v[first].name))
			first++;
	ltx_planner_end(&pl);
	free(also);
	m->n -= first;
	memmove(m->v, m->v + first, m->n * sizeof(*m->v));
}

/* Is it fewer by half? */
static bool
is_worth_it(const struct prune_merges *m)
{
	return m->n > 0 &&
	    m->v[m->n - 1].name.max - m->v[0].name.min + 1 >= 2 * m->n;
}

void
prune_ltx_merges(struct ltx_file *v, size_t n, uint64_t behind,
    const struct prune_policy *p, struct prune_merges *m)
{
	struct ltx_planner pl;
	uint64_t first;
	bool any = false;
	struct err e;

	*m = (struct prune_merges){ 0 };
	for (int i = 0; i < PRUNE_PERIODS; i++)
		any = any || p->count[i] > 0;
	if (!any)
		return;
	if (ltx_planner_begin(&pl, v, n, p, &e) == 1 && pl.cuts > 0)
		find(&pl, behind, m);
	if (is_worth_it(m)) {
		first = m->v[0].name.min;
		drop_unused(v, n, p, m);
		/* No hole behind what there is. */
		if (m->n > 0 && m->v[0].name.min != first &&
		    (behind > 0 || end_of_levels(&pl) > 0))
			m->n = 0;
	}
	if (!is_worth_it(m))
		m->n = 0;
	ltx_planner_end(&pl);
}

void
prune_merges_release(struct prune_merges *m)
{
	free(m->v);
	*m = (struct prune_merges){ 0 };
}
