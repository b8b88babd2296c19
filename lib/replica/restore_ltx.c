/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/restore_ltx.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/when.h"
#include "lib/replica/follow.h"
#include "lib/replica/history.h"
#include "lib/replica/ltx/ltx_header.h"
#include "lib/replica/ltx/ltx_times.h"
#include "lib/replica/restore_plan.h"
#include "lib/store/listed.h"

enum { MS = 1000000 };

void
restore_ltx_key(
    const struct restore_ltx *x, const char *db, size_t i, struct buf *key)
{
	buf_reset(key);
	ltx_key(key, db, x->how, &x->files.v[x->plan.v[i]].name);
}

void
restore_ltx_free(struct restore_ltx *x)
{
	if (x == NULL)
		return;
	ltx_list_release(&x->files);
	ltx_plan_release(&x->plan);
	free(x);
}

/* Which layout?  */

/* Also in generations: then *closed_ns is when these were closed. */
static int
check_beside(const struct listed *from, const char *db, int64_t *closed_ns,
    struct err *e)
{
	struct history h;
	int rc = history_read_listed(&h, from, db, NULL, false, e);

	if (rc == 0 && h.n > 0 && (rc = follow_closed(&h, e)) == 0)
		*closed_ns = h.closed_ns;
	history_release(&h);
	return rc;
}

/* Its files, if it is to be restored from these: 1, or 0. */
static int
find_files(const struct listed *from, const char *db,
    const struct restore_want *w, struct restore_ltx *x, struct err *e)
{
	struct ltx_where where;

	if (w->format == RESTORE_WAL || w->generation != NULL)
		return 0;
	if (ltx_list_any(&x->files, from, db, &x->how, &where, e) == -1)
		return -1;
	if (w->format == RESTORE_LTX && x->files.n == 0)
		return err_set(e, ERR_MISSING,
		    "no backup of that name in %s that is in LTX",
		    from->s->url);
	if (x->files.n > 0 && where.generations && w->format == RESTORE_ANY &&
	    check_beside(from, db, &x->closed_ns, e) == -1)
		return -1;
	return x->files.n > 0;
}

/* Times */

/* The times of all files.  What is damaged has none. */
static int
read_times(struct store *s, const char *db, const struct restore_want *w,
    struct restore_plan *p, struct restore_ltx *x, struct err *e)
{
	int rc = ltx_times(w->crew, s, db, x->how, x->files.v, x->files.n, e);

	if (rc == -1 || (rc == 1 && w->good == RESTORE_EXACT))
		return -1;
	if (rc == 1) {
		p->earlier = true;
		(void)snprintf(p->why, sizeof(p->why),
		    "%.400s, and may have been as old as that", e->msg);
	}
	return 0;
}

/* Of the state with that TXID. */
static int64_t
time_of(const struct restore_ltx *x, uint64_t txid)
{
	int64_t ns = INT64_MAX;

	for (size_t i = 0; i < x->files.n; i++)
		if (x->files.v[i].name.max == txid &&
		    x->files.v[i].captured_ns < ns)
			ns = x->files.v[i].captured_ns;
	return ns;
}

/* Is the state that is wanted the one of that time, as far as can be told? */
static void
look_at_times(struct restore_plan *p, const struct restore_ltx *x)
{
	const struct ltx_plan *l = &x->plan;
	char next[WHEN_SIZE];

	if (l->back != 0) {
		p->earlier = true;
		(void)snprintf(p->why, sizeof(p->why),
		    "a clock went back: TXID %016" PRIx64 ", before it, is of "
		    "%s",
		    l->back, when_text(time_of(x, l->back), next));
	} else if (l->next != 0 &&
	    x->wish.at_ns - time_of(x, l->wanted) >= MS) {
		p->earlier = true;
		(void)snprintf(p->why, sizeof(p->why),
		    "the next that is kept is TXID %016" PRIx64 " of %s, and "
		    "what was between is gone",
		    l->next, when_text(time_of(x, l->next), next));
	}
}

/* What there is not */

static int
not_there(struct store *s, const char *db, struct restore_ltx *x,
    const struct restore_want *w, struct err *e)
{
	struct ltx_header h[2] = { 0 };
	char wanted[WHEN_SIZE], from[WHEN_SIZE], until[WHEN_SIZE];
	uint64_t first, last;

	if (!ltx_reach(x->files.v, x->files.n, &first, &last))
		return err_set(e, ERR_CORRUPT,
		    "no LTX file begins with TXID %016x, so nothing leads to a "
		    "state",
		    1);
	if (w->txid != 0)
		return err_set(e, ERR_MISSING,
		    "there is no state of TXID %016" PRIx64
		    ": the first is of %016" PRIx64 ", the last of %016" PRIx64,
		    w->txid, first, last);
	for (size_t i = 0; i < x->files.n; i++) {
		const struct ltx_name *n = &x->files.v[i].name;

		if (n->max != first && n->max != last)
			continue;
		if (ltx_peek(s, db, x->how, n, &h[n->max == last], e) == -1)
			return -1;
	}
	return err_set(e, ERR_MISSING,
	    "there is nothing as old as %s: the backup covers %s to %s",
	    when_text(w->at_ns, wanted), when_text(time_of(x, first), from),
	    when_text(time_of(x, last), until));
}

/* A chain that ends too early: refuse, or tell. */
static int
look_at_gap(
    struct restore_plan *p, struct restore_ltx *x, bool good, struct err *e)
{
	const struct ltx_plan *l = &x->plan;
	char gap[128];

	if (l->txid == l->wanted)
		return 0;
	(void)snprintf(gap, sizeof(gap),
	    "no LTX file brings the TXIDs from %016" PRIx64 " to %016" PRIx64,
	    l->gap_from, l->gap_until);
	if (!good) {
		err_set(e, ERR_CORRUPT, "%s", gap);
		return err_hint(e,
		    "the state before them, TXID %016" PRIx64
		    ", is restored with --to-last-good",
		    l->txid);
	}
	p->earlier = true;
	(void)snprintf(p->why, sizeof(p->why), "%s", gap);
	return 0;
}

/* Of what the chain leads to, for whoever looks at a plan. */
static int
fill(struct store *s, const char *db, const struct restore_want *w,
    struct restore_plan *p, struct restore_ltx *x, struct err *e)
{
	const struct ltx_file *f;
	struct ltx_header h;

	(void)snprintf(p->generation, sizeof(p->generation), "ltx");
	p->segments = x->plan.n - 1;
	free(p->segment);
	p->segment = xcalloc(x->plan.n, sizeof(*p->segment));
	p->bytes = p->snapshot_bytes = x->files.v[x->plan.v[0]].size;
	for (size_t i = 1; i < x->plan.n; i++)
		p->bytes += p->segment[i - 1].bytes =
		    x->files.v[x->plan.v[i]].size;
	f = &x->files.v[x->plan.v[x->plan.n - 1]];
	if (w->at_ns != INT64_MAX) {
		p->until_ns = time_of(x, x->plan.txid);
		return 0;
	}
	if (ltx_peek(s, db, x->how, &f->name, &h, e) == -1) {
		/* Whoever restores finds out what is wrong with it. */
		if (e->class != ERR_CORRUPT)
			return -1;
		p->unsure = true;
		return 0;
	}
	p->until_ns = h.captured_ns;
	return 0;
}

static int
make(struct store *s, const char *db, const struct restore_want *w,
    struct restore_plan *p, struct restore_ltx *x, struct err *e)
{
	ltx_plan_release(&x->plan);
	ltx_plan(&x->plan, x->files.v, x->files.n, &x->wish);
	if (x->plan.n == 0)
		return not_there(s, db, x, w, e);
	if (w->at_ns != INT64_MAX)
		look_at_times(p, x);
	if (look_at_gap(p, x, w->good != RESTORE_EXACT, e) == -1 ||
	    fill(s, db, w, p, x, e) == -1)
		return -1;
	return restore_too_old(p, w, e);
}

/* Is what is wanted in the layout that was closed before LTX began? */
static bool
is_before(const struct restore_plan *p, const struct restore_want *w,
    const struct err *e)
{
	return p->ltx->closed_ns != 0 && w->txid == 0 &&
	    w->at_ns != INT64_MAX && !p->older && e->class == ERR_MISSING;
}

/* A plan of LTX is there: is it of what came behind the other layout? */
static int
look_beside(
    const struct restore_plan *p, const struct restore_want *w, struct err *e)
{
	const struct restore_ltx *x = p->ltx;

	if (x->closed_ns == 0 || w->txid != 0 || p->unsure ||
	    p->until_ns > x->closed_ns)
		return 0;
	return follow_unclosed(e);
}

int
restore_ltx(const struct listed *from, const char *db,
    const struct restore_want *w, struct restore_plan *p, bool *listed,
    struct err *e)
{
	struct restore_ltx *x = xcalloc(1, sizeof(*x));
	struct store *s = from->s;
	int rc = find_files(from, db, w, x, e);

	*listed = x->files.n > 0;
	if (rc != 1) {
		p->absent = rc == -1 && w->format == RESTORE_LTX &&
		    e->class == ERR_MISSING && x->files.n == 0;
		restore_ltx_free(x);
		return rc;
	}
	p->ltx = x;
	x->wish = (struct ltx_wish){ LTX_NEWEST, w->at_ns };
	if (w->txid != 0)
		x->wish.txid = w->txid;
	if (w->good == RESTORE_BISECT)
		return err_set(e, ERR_USAGE, "--bisect does not know LTX");
	if (w->at_ns != INT64_MAX && read_times(s, db, w, p, x, e) == -1)
		return -1;
	if (make(s, db, w, p, x, e) == -1) {
		if (!is_before(p, w, e))
			return -1;
		restore_ltx_free(x);
		free(p->segment);
		*p = (struct restore_plan){ .codec = NULL };
		return 0;
	}
	if (look_beside(p, w, e) == -1)
		return -1;
	x->wanted = x->plan.wanted;
	return 1;
}

int
restore_ltx_without(struct store *s, const char *db,
    const struct restore_want *w, struct restore_plan *p, size_t i,
    struct err *e)
{
	struct restore_ltx *x = p->ltx;
	struct err why = *e;

	x->files.v[x->plan.v[i]].bad = true;
	if (make(s, db, w, p, x, e) == -1) {
		*e = why;
		return -1;
	}
	if (x->plan.txid < x->wanted) {
		p->earlier = true;
		(void)snprintf(p->why, sizeof(p->why), "%.500s", why.msg);
	}
	return 0;
}
