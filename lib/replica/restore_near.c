/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is anything missing between what a restore takes and what was wanted?
 */
#include <stdio.h>

#include "lib/base/buf.h"
#include "lib/base/when.h"
#include "lib/replica/codec/codec.h"
#include "lib/replica/restore_plan_impl.h"

/*
 * The segment that led to a snapshot is of its time.  So when the next snapshot
 * is after the wanted time, and no segment is between, what led to it is gone,
 * and with it maybe what was wanted.
 */
static bool
look_behind(
    const struct planner *pl, const struct pick *k, struct restore_plan *p)
{
	const struct history_generation *g = k->g;
	const struct history_list *l = &g->segments;
	size_t end = k->first + k->n;
	char label[CODEC_LABEL];
	uint64_t next;

	if (g->plain || k->snapshot + 1 == g->snapshots.n)
		return true;
	next = g->snapshots.v[k->snapshot + 1].at;
	if (end < l->n && l->v[end].at < next)
		return true;
	pl->h.codec->label(label, next);
	p->earlier = true;
	(void)snprintf(p->why, sizeof(p->why),
	    "the segments before snapshot %s are gone", label);
	return false;
}

/*
 * The segment that is missing between the last of the pick and the next of its
 * generation; false: none is, or there is no next.  Where a log ended is not
 * known, only where the next one begins.
 */
static bool
gap(const struct planner *pl, const struct pick *k, struct history_object *gone)
{
	const struct history_object *v = k->g->segments.v + k->first + k->n;

	*gone = (struct history_object){
		.at = k->g->snapshots.v[k->snapshot].at,
	};
	if (k->first + k->n == k->g->segments.n)
		return false;
	if (k->n == 0)
		return v->at != gone->at;
	gone->at = k->end;
	if (pl->h.codec->same_log(v->at, v[-1].at))
		return v->at > k->end;
	gone->at = pl->h.codec->next_log(v[-1].at);
	return gone->at != pl->w->before && v->at != gone->at;
}

/* Is what comes next where the pick ends?  Else what is between may be what was
 * wanted. */
static void
look_after(
    const struct planner *pl, const struct pick *k, struct restore_plan *p)
{
	struct history_object gone;
	struct buf key = { 0 };

	if (!gap(pl, k, &gone))
		return;
	history_key(&pl->h, k->g, LAYOUT_SEGMENT, &gone, &key);
	p->earlier = true;
	(void)snprintf(p->why, sizeof(p->why), "%s is missing", buf_str(&key));
	buf_release(&key);
}

/* Is it of the very time that is wanted, as that is told? */
static bool
is_exact(const struct planner *pl, const struct pick *k)
{
	int64_t at = pl->w->at_ns;

	return at != INT64_MAX && k->until_ns <= at &&
	    at - k->until_ns < WHEN_TOLD_NS && !k->unsure &&
	    !pl->jumps.by_clock;
}

void
plan_near(
    const struct planner *pl, const struct pick *k, struct restore_plan *p)
{
	char label[CODEC_LABEL];

	if (k->alone && is_exact(pl, k))
		return;
	if (k->alone) {
		p->earlier = true;
		/* That what is newer is damaged says more. */
		if (pl->w->below != UINT64_MAX)
			return;
		pl->h.codec->label(label, k->g->snapshots.v[k->snapshot].at);
		(void)snprintf(p->why, sizeof(p->why),
		    "what came behind snapshot %s was pruned", label);
	} else if (pl->w->at_ns == INT64_MAX || look_behind(pl, k, p)) {
		look_after(pl, k, p);
	}
}
