/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why nothing of a replica is as wanted.
 */
#include <inttypes.h>

#include "lib/base/when.h"
#include "lib/replica/follow.h"
#include "lib/replica/history.h"
#include "lib/replica/jump.h"
#include "lib/replica/restore_plan.h"
#include "lib/store/store.h"

/*
 * Did it begin behind the wanted time?  What was pruned did not, so not the
 * oldest object tells, but the first owner's, which stays; and nobody, where
 * Litestream wrote before, or where that one has the time of a clock that was
 * ahead.
 */
bool
restore_is_younger(struct history *h, const struct jumps *j, int64_t at_ns)
{
	const struct history_object *o = h->owners.v;
	char why[512];
	struct err e;

	if (at_ns == INT64_MAX || h->owners.n == 0 || o->at != 0 ||
	    o->size >= HISTORY_EMPTY || follow_read(h, &e) == -1)
		return false;
	for (size_t i = 0; i < h->n; i++)
		if (h->v[i].plain)
			return false;
	return h->began_ns > at_ns &&
	    !jumps_unsure(j, h->began_ns, why, sizeof(why));
}

/* Nothing is as wanted: then what is there? */
int
restore_outside(struct history *h, const struct restore_want *w, struct err *e)
{
	int64_t from = INT64_MAX, until = INT64_MIN, a, b;
	char wanted[WHEN_SIZE], first[WHEN_SIZE], last[WHEN_SIZE];
	char wanted_at[CODEC_LABEL], first_at[CODEC_LABEL];
	const char *bare = NULL;

	for (size_t i = 0; i < h->n; i++) {
		if (h->v[i].snapshots.n == 0) {
			bare = h->v[i].id;
			continue;
		}
		if (history_window(h, &h->v[i], &a, &b, e) == -1)
			return -1;
		from = a < from ? a : from;
		until = b > until ? b : until;
	}
	if (from == INT64_MAX && bare != NULL)
		return err_set(e, ERR_CORRUPT,
		    "generation %s has no snapshot, and there is no other",
		    bare);
	if (from == INT64_MAX && w->generation != NULL)
		return err_set(e, ERR_MISSING, "no generation %s of it in %s",
		    w->generation, h->s->url);
	if (from == INT64_MAX)
		return store_no_backup(h->s, e);
	if (w->before != UINT64_MAX) {
		h->codec->label(wanted_at, w->before - 1);
		h->codec->label(first_at, h->v[0].snapshots.v[0].at);
		return err_set(e, ERR_MISSING,
		    "generation %s has nothing up to index %s: its first "
		    "snapshot has index %s",
		    w->generation, wanted_at, first_at);
	}
	return err_set(e, ERR_MISSING,
	    "there is nothing as old as %s: the backup covers %s to %s",
	    when_text(w->at_ns, wanted), when_text(from, first),
	    when_text(until, last));
}

int
restore_too_old(
    struct restore_plan *p, const struct restore_want *w, struct err *e)
{
	char until[WHEN_SIZE];

	/* What is damaged, or not there any more, may be newer. */
	p->older = w->newer_ns != 0 && p->until_ns < w->newer_ns &&
	    !p->unsure && !p->earlier;
	if (!p->older)
		return 0;
	return err_set(e, ERR_MISSING, "its newest state is of %s",
	    when_text(p->until_ns, until));
}
