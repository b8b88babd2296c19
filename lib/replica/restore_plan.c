/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/restore_plan_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/when.h"
#include "lib/replica/follow.h"
#include "lib/replica/history.h"
#include "lib/replica/jump.h"
#include "lib/store/store.h"

/* Each segment of ours is newer than what is before it. */
static bool
is_after(const struct history_time *t, enum layout_kind kind, int64_t at)
{
	return t->ns > at ||
	    (t->ns == at && t->known == HISTORY_AFTER &&
		kind == LAYOUT_SEGMENT);
}

/* Behind a jump, what the clock said; what does not say it came before. */
static void
by_clock(const struct planner *pl, struct history_time *t)
{
	if (!pl->jumps.by_clock)
		return;
	if (t->clock_ns != 0)
		t->ns = t->clock_ns;
	else if (t->ns >= pl->jumps.to_ns)
		t->ns = pl->jumps.to_ns - 1;
}

/* Where in a list of g's, from 'from' on, times are looked at. */
static size_t
first_dated(const struct planner *pl, const struct history_generation *g,
    enum layout_kind kind, size_t from)
{
	const struct jump *j = &pl->jumps.v[g - pl->h.v];
	size_t at = kind == LAYOUT_SNAPSHOT ? j->snapshot : j->segment;

	return pl->jumps.by_clock && j->any && at > from ? at : from;
}

/*
 * How many of l, from 'from' up to 'to', are not after the wanted time.
 * Litestream's are stored one after the other, and it stops at the first that
 * is newer.
 */
static int
count_until(struct planner *pl, struct history_generation *g,
    enum layout_kind kind, size_t from, size_t to, size_t *n, struct err *e)
{
	const struct history_list *l =
	    kind == LAYOUT_SNAPSHOT ? &g->snapshots : &g->segments;
	int64_t at = pl->w->at_ns;
	struct history_time t;
	size_t start = from, mid;
	bool begun = false;

	*n = to - from;
	if (at == INT64_MAX || (from = first_dated(pl, g, kind, from)) >= to)
		return 0;
	/* The first one first: without it there is nothing. */
	while (from < to) {
		mid = from + (to - from) / 2;
		if (g->plain || !begun)
			mid = from;
		begun = true;
		if (history_time(&pl->h, g, kind, &l->v[mid], &t, e) == -1)
			return -1;
		by_clock(pl, &t);
		if (is_after(&t, kind, at))
			to = mid;
		else
			from = mid + 1;
		if (to == mid && t.ns < pl->next_ns)
			pl->next_ns = t.ns;
		if (kind == LAYOUT_SNAPSHOT && to == 0 &&
		    t.known == HISTORY_UNTIL)
			pl->unsure = g;
	}
	*n = from - start;
	return 0;
}

/* The time of the last object of the pick; p->n may be 0. */
static int
pick_time(struct planner *pl, struct pick *p, struct err *e)
{
	struct history_generation *g = p->g;
	enum layout_kind kind = p->n > 0 ? LAYOUT_SEGMENT : LAYOUT_SNAPSHOT;
	const struct history_object *o = p->n > 0
	    ? &g->segments.v[p->first + p->n - 1]
	    : &g->snapshots.v[p->snapshot];
	struct history_time t;

	p->until_ns = o->mtime_ns;
	p->snapshot_ns = g->snapshots.v[p->snapshot].mtime_ns;
	if (!pl->dated)
		return 0;
	if (pl->w->good != RESTORE_EXACT) {
		if (history_time(&pl->h, g, LAYOUT_SNAPSHOT,
			&g->snapshots.v[p->snapshot], &t, e) == -1)
			return -1;
		p->snapshot_ns = t.ns;
	}
	if (history_time(&pl->h, g, kind, o, &t, e) == -1)
		return -1;
	p->captured_ns = t.ns;
	by_clock(pl, &t);
	p->until_ns = t.ns;
	p->unsure = t.known != HISTORY_AT;
	p->undated = t.known == HISTORY_UNTIL;
	p->end = t.end;
	p->ended_ns = t.ended_ns;
	return 0;
}

/* What is wanted from g; p->g stays NULL if g has nothing of it. */
static int
pick(struct planner *pl, struct history_generation *g, struct pick *p,
    struct err *e)
{
	uint64_t before = pl->w->before;
	uint64_t below = pl->w->below < before ? pl->w->below : before;
	size_t n, end;

	*p = (struct pick){ .ended_ns = INT64_MAX };
	pl->next_ns = INT64_MAX;
	/* Tells by the way whose they are. */
	n = history_below(&g->snapshots, below);
	if (n > 0 && count_until(pl, g, LAYOUT_SNAPSHOT, 0, n, &n, e) == -1)
		return -1;
	p->next_ns = pl->next_ns;
	if (n == 0)
		return 0;
	p->g = g;
	p->snapshot = n - 1;
	p->first = history_below(&g->segments, g->snapshots.v[n - 1].at);
	end = history_below(&g->segments, before);
	p->alone = history_is_alone(&pl->h, g, g->snapshots.v[n - 1].at);
	if (p->alone)
		return pick_time(pl, p, e);
	if (count_until(pl, g, LAYOUT_SEGMENT, p->first, end, &p->n, e) == -1)
		return -1;
	p->next_ns = pl->next_ns;
	return pick_time(pl, p, e);
}

/* One that was ended before its snapshot was there: a lone, empty segment. */
static int
never_began(
    struct planner *pl, struct history_generation *g, bool *is, struct err *e)
{
	const struct history_object *o = g->segments.v;
	struct history_time t;

	*is = false;
	if (g->segments.n != 1 || o->at != 0)
		return 0;
	if (history_time(&pl->h, g, LAYOUT_SEGMENT, o, &t, e) == -1)
		return -1;
	*is = t.end == 0;
	return 0;
}

/* A generation without a snapshot that goes beyond what was picked? */
static int
look_beside(struct planner *pl, const struct pick *best, struct restore_plan *p,
    struct err *e)
{
	struct history_generation *g;
	int64_t newest = best->until_ns;
	struct history_time t;
	bool empty;
	size_t n;

	for (size_t i = 0; i < pl->h.n; i++) {
		g = &pl->h.v[i];
		if (g->snapshots.n > 0 || (g->plain && !best->g->plain))
			continue;
		if (never_began(pl, g, &empty, e) == -1)
			return -1;
		if (empty)
			continue;
		if (count_until(
			pl, g, LAYOUT_SEGMENT, 0, g->segments.n, &n, e) == -1)
			return -1;
		if (n == 0)
			continue;
		if (history_time(&pl->h, g, LAYOUT_SEGMENT,
			&g->segments.v[n - 1], &t, e) == -1)
			return -1;
		if (t.ns <= newest)
			continue;
		newest = t.ns;
		memcpy(p->passed_over, g->id, sizeof(p->passed_over));
		p->earlier = true;
		(void)snprintf(p->why, sizeof(p->why),
		    "generation %s is newer, but has no snapshot: passed over",
		    g->id);
	}
	return 0;
}

/* A snapshot that is damaged, and so left out, may be what was wanted. */
static void
look_unsure(struct planner *pl, struct restore_plan *p)
{
	const struct history_generation *g = pl->unsure;
	struct buf key = { 0 };

	if (g == NULL)
		return;
	history_key(&pl->h, g, LAYOUT_SNAPSHOT, g->snapshots.v, &key);
	p->earlier = true;
	(void)snprintf(p->why, sizeof(p->why),
	    "%s is damaged, and may have been as old as that", buf_str(&key));
	buf_release(&key);
}

static void
fill(const struct planner *pl, struct restore_plan *p, const struct pick *k)
{
	const struct history_object *o = &k->g->snapshots.v[k->snapshot];

	p->codec = pl->h.codec;
	memcpy(p->generation, k->g->id, sizeof(p->generation));
	p->snapshot = o->at;
	p->snapshot_ns = k->snapshot_ns;
	p->bytes = p->snapshot_bytes = o->size;
	p->segments = k->n;
	p->segment = xcalloc(k->n + 1, sizeof(*p->segment));
	for (size_t i = 0; i < k->n; i++) {
		o = &k->g->segments.v[k->first + i];
		p->segment[i] =
		    (struct plan_segment){ o->at, o->mtime_ns, o->size };
		p->bytes += o->size;
	}
	p->plain = k->g->plain;
	p->until_ns = k->until_ns;
	p->unsure = k->unsure;
}

/*
 * From where the snapshot stands to the end every log has to be there and to
 * have its beginning: else refuse, or end before the hole.
 */
static int
check_hole(
    struct planner *pl, struct pick *k, struct restore_plan *p, struct err *e)
{
	const struct history_object *v = k->g->segments.v + k->first;
	struct history_object hole = { 0 };
	struct buf key = { 0 };
	char before[WHEN_SIZE];
	size_t n = history_whole(
	    &pl->h, v, k->n, k->g->snapshots.v[k->snapshot].at, &hole.at);

	if (n == k->n)
		return 0;
	history_key(&pl->h, k->g, LAYOUT_SEGMENT, &hole, &key);
	k->n = n;
	pl->dated = true;
	if (pick_time(pl, k, e) == -1) {
		buf_release(&key);
		return -1;
	}
	(void)when_text(k->until_ns, before);
	if (pl->w->good == RESTORE_EXACT) {
		err_set(e, ERR_CORRUPT, "%s is missing", buf_str(&key));
		err_hint(e, RESTORE_HINT_BEFORE, before);
	} else {
		p->earlier = true;
		(void)snprintf(
		    p->why, sizeof(p->why), "%s is missing", buf_str(&key));
	}
	buf_release(&key);
	return pl->w->good == RESTORE_EXACT ? -1 : 0;
}

/* Of two of the same time the one with the higher name. */
static void
closer(struct planner *pl, struct pick *best, const struct pick *k)
{
	struct pick other = *k;

	if (best->g == NULL || k->until_ns > best->until_ns ||
	    (k->until_ns == best->until_ns &&
		k->captured_ns >= best->captured_ns)) {
		other = *best;
		*best = *k;
	}
	if (other.g != NULL && other.undated)
		pl->undated = other;
}

/* Whose is it?  Once g->plain or g->ours says so. */
static int
tell(struct planner *pl, struct history_generation *g, struct err *e)
{
	struct history_time t;
	bool snapshot = g->snapshots.n > 0;

	if (g->plain || g->ours)
		return 0;
	return history_time(&pl->h, g,
	    snapshot ? LAYOUT_SNAPSHOT : LAYOUT_SEGMENT,
	    snapshot ? g->snapshots.v : g->segments.v, &t, e);
}

/*
 * Ours is what would be taken: is all that Litestream wrote older?  That is
 * never told by times, see follow.h.
 */
static int
look_at_others(struct planner *pl, const struct pick *own,
    struct restore_plan *p, struct err *e)
{
	const struct history_generation *other = NULL;
	bool any = false;

	for (size_t i = 0; i < pl->h.n; i++) {
		if (tell(pl, &pl->h.v[i], e) == -1)
			return -1;
		any |= pl->h.v[i].plain;
	}
	if (any && follow_read(&pl->h, e) == -1)
		return -1;
	for (size_t i = 0; i < pl->h.n; i++)
		if (pl->h.v[i].plain &&
		    !follow_is_older(&pl->h.v[i], own->until_ns))
			other = &pl->h.v[i];
	if (other == NULL)
		return 0;
	p->earlier = true;
	(void)snprintf(p->why, sizeof(p->why),
	    "generation %s is not of lspp, and nothing tells whether it is "
	    "newer: " FOLLOW_SETTLE,
	    other->id);
	return 0;
}

/* Litestream's is what would be taken: did lspp go on from there? */
static int
look_for_ours(struct planner *pl, struct restore_plan *p, struct err *e)
{
	char began[WHEN_SIZE];

	if (pl->h.owners.n == 0)
		return 0;
	if (follow_read(&pl->h, e) == -1)
		return -1;
	if (pl->h.began_ns == 0 || pl->h.began_ns > pl->w->at_ns)
		return 0;
	p->earlier = true;
	(void)snprintf(p->why, sizeof(p->why),
	    "lspp went on from there at %s, and of that nothing as old is "
	    "there any more",
	    when_text(pl->h.began_ns, began));
	return 0;
}

/* Did its history go on elsewhere by the wanted time? */
static void
look_ended(struct planner *pl, const struct pick *k, struct restore_plan *p)
{
	char ended[WHEN_SIZE];

	if (pl->w->generation != NULL || k->ended_ns >= pl->w->at_ns)
		return;
	p->earlier = true;
	(void)snprintf(p->why, sizeof(p->why),
	    "at %s its history went on in another generation, and what that "
	    "began with is not there",
	    when_text(k->ended_ns, ended));
}

static void
look_undated(struct planner *pl, struct restore_plan *p)
{
	if (pl->undated.g == NULL)
		return;
	p->earlier = true;
	(void)snprintf(p->why, sizeof(p->why),
	    "generation %s is damaged, and nothing tells whether it is newer",
	    pl->undated.g->id);
}

/* Is it as wanted, or may something else have been? */
static int
look_around(struct planner *pl, const struct pick *k, struct restore_plan *p,
    struct err *e)
{
	if (look_beside(pl, k, p, e) == -1)
		return -1;
	look_unsure(pl, p);
	look_ended(pl, k, p);
	look_undated(pl, p);
	if (jumps_unsure(&pl->jumps, k->next_ns, p->why, sizeof(p->why)))
		p->earlier = true;
	if (!pl->dated)
		return 0;
	return k->g->plain ? look_for_ours(pl, p, e)
			   : look_at_others(pl, k, p, e);
}

/*
 * What gets closest to the wanted time: of ours, which say when they were
 * captured, or else of Litestream's.
 */
static int
choose(struct planner *pl, struct restore_plan *p, struct err *e)
{
	struct pick best = { 0 }, other = { 0 }, k;
	int64_t next_ns = INT64_MAX;

	for (size_t i = 0; i < pl->h.n; i++) {
		if (pick(pl, &pl->h.v[i], &k, e) == -1)
			return -1;
		if (k.g != NULL)
			closer(pl, k.g->plain ? &other : &best, &k);
		else if (!pl->h.v[i].plain && k.next_ns < next_ns)
			next_ns = k.next_ns;
	}
	if (best.g == NULL)
		best = other;
	if (best.g == NULL)
		return restore_outside(&pl->h, pl->w, e);
	if (best.next_ns == INT64_MAX || best.g->plain)
		best.next_ns = next_ns;
	if (look_around(pl, &best, p, e) == -1)
		return -1;
	plan_near(pl, &best, p);
	if (check_hole(pl, &best, p, e) == -1)
		return -1;
	fill(pl, p, &best);
	return 0;
}

/* Is there anything in the names of the one generation that makes it worth a
 * look at times?  That it was ended, or that lspp began another. */
static bool
says_more(const struct history *h)
{
	const struct history_list *w;

	if (h->n == 0)
		return false;
	w = &h->v[0].segments;
	return (h->owners.n > 0 && !h->v[0].ours) ||
	    (w->n > 0 && w->v[w->n - 1].size < HISTORY_EMPTY);
}

int
restore_generations(const struct listed *from, const char *db,
    const struct restore_want *w, struct restore_plan *p, bool *listed,
    struct err *e)
{
	struct planner pl = { .w = w, .next_ns = INT64_MAX };
	bool newest = w->at_ns == INT64_MAX && w->before == UINT64_MAX &&
	    w->below == UINT64_MAX && w->good == RESTORE_EXACT;
	int rc = -1;

	memset(p, 0, sizeof(*p));
	if (history_read_listed(&pl.h, from, db, w->generation, !newest, e) ==
	    0) {
		pl.dated = w->dated || w->newer_ns != 0 || !newest ||
		    pl.h.n > 1 || says_more(&pl.h);
		*listed = pl.h.n > 0;
		p->absent = !*listed;
		rc = w->at_ns == INT64_MAX
		    ? 0
		    : jumps_find(&pl.h, w->at_ns,
			  w->now_ns > 0 ? w->now_ns : when_now(), &pl.jumps, e);
		if (rc == 0)
			rc = choose(&pl, p, e);
		if (rc == 0)
			rc = restore_too_old(p, w, e);
		p->younger = rc == -1 && !p->older && e->class == ERR_MISSING &&
		    restore_is_younger(&pl.h, &pl.jumps, w->at_ns);
		if (p->younger)
			err_hint(e, RESTORE_HINT_YOUNGER);
	}
	jumps_release(&pl.jumps);
	history_release(&pl.h);
	return rc;
}
