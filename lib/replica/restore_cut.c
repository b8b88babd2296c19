/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is alike for plans of both layouts: made, less of one, and freed.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/replica/restore_ltx.h"
#include "lib/replica/restore_plan.h"
#include "lib/store/listed.h"

/* In which layout is it? */
static int
plan(struct store *s, const char *db, const struct restore_want *w,
    struct restore_plan *p, bool *listed, struct err *e)
{
	struct listed all = LISTED_NOT(s);
	const struct listed *from = w->listed != NULL ? w->listed : &all;
	int rc;

	memset(p, 0, sizeof(*p));
	if (w->listed == NULL && w->generation == NULL)
		ltx_listed(&all, s, db);
	if ((rc = restore_ltx(from, db, w, p, listed, e)) == 0)
		rc = restore_generations(from, db, w, p, listed, e);
	listed_release(&all);
	return rc == -1 ? -1 : 0;
}

int
restore_plan(struct store *s, const char *db, const struct restore_want *w,
    struct restore_plan *p, struct err *e)
{
	struct restore_want again = *w;
	bool listed = false;

	if (w->exact != NULL)
		return restore_plan_at(s, db, w, p, e);
	if (plan(s, db, w, p, &listed, e) == 0)
		return 0;
	/* An object may have been pruned since it was listed. */
	if (e->class != ERR_MISSING || !listed || p->older)
		return -1;
	restore_plan_release(p);
	again.listed = NULL;
	return plan(s, db, &again, p, &listed, e);
}

void
restore_plan_cut(struct restore_plan *p, size_t n)
{
	while (p->segments > n)
		p->bytes -= p->segment[--p->segments].bytes;
	p->until_ns = n > 0 ? p->segment[n - 1].ns : p->snapshot_ns;
	p->earlier = true;
}

void
restore_plan_release(struct restore_plan *p)
{
	restore_ltx_free(p->ltx);
	free(p->segment);
	memset(p, 0, sizeof(*p));
}
