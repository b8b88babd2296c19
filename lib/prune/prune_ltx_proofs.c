/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has to be proved before anything goes.
 */
#include "lib/base/buf.h"
#include "lib/prune/prune_ltx_impl.h"

/* Do the files, or these that stay, lead to that state without one of them? */
static bool
leads_without(
    const struct ltx_planner *pl, size_t without, uint64_t txid, bool staying)
{
	uint64_t at = 0;

	for (size_t i = 0; i < pl->n && at < txid; i++) {
		const struct ltx_name *n = &pl->v[i].name;

		if (n->min - 1 > at)
			return false;
		if (i != without && n->max <= txid && n->max > at &&
		    (!staying || pl->keep[i]))
			at = n->max;
	}
	return at == txid;
}

static bool
overlaps_gone(const struct ltx_planner *pl, size_t at)
{
	const struct ltx_name *x = &pl->v[at].name;

	for (size_t i = 0; i < pl->n && pl->v[i].name.min <= x->max; i++)
		if (!pl->keep[i] && pl->v[i].name.max >= x->min)
			return true;
	return false;
}

/* Is it the only way to a state that had another one?  Where a file begins
 * before W and ends behind it, that may be so of its state and not of W. */
static bool
is_relied_on(const struct ltx_planner *pl, size_t at)
{
	uint64_t end = pl->v[at].name.max, txid;

	if (end > pl->whole || !overlaps_gone(pl, at))
		return false;
	for (size_t i = 0; i <= pl->promises; i++) {
		txid = i < pl->promises ? pl->promised[i] : end;
		if (txid >= end && leads_without(pl, at, txid, false) &&
		    !leads_without(pl, at, txid, true))
			return true;
	}
	return false;
}

void
ltx_planner_proofs(struct ltx_planner *pl, struct prune_plan *plan)
{
	for (size_t i = 0; i < pl->n; i++)
		if (pl->v[i].name.min <= pl->whole &&
		    pl->v[i].name.max > pl->whole)
			ltx_planner_promise(pl, pl->v[i].name.max);
	plan->prove = xcalloc(pl->n + 1, sizeof(*plan->prove));
	for (size_t i = 0; i < pl->n; i++)
		if (pl->keep[i] && is_relied_on(pl, i))
			plan->prove[plan->proofs++] = i;
}
