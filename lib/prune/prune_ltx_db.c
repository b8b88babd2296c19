/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan for what a database has in LTX: whose it is, what has been there for
 * long enough, what is merged, and what goes.
 */
#include "lib/base/err.h"
#include "lib/prune/prune_ltx.h"
#include "lib/replica/ltx/ltx_header.h"
#include "lib/replica/ltx/ltx_list.h"
#include "lib/replica/ltx/ltx_mark.h"
#include "lib/store/store.h"

#define SECOND INT64_C(1000000000)

static bool
is_compacted(const struct ltx_file *f)
{
	return f->name.level > 0 && f->name.level < LTX_SNAPSHOTS;
}

static bool
is_young(const struct ltx_file *f, int64_t as_of)
{
	return is_compacted(f) && f->put_ns > as_of;
}

/* Those go to the end, in no order; how many are before them. */
static size_t
set_aside(struct ltx_file *v, size_t n, int64_t as_of)
{
	struct ltx_file f;

	for (size_t i = n; i > 0; i--)
		if (is_young(&v[i - 1], as_of)) {
			f = v[i - 1];
			v[i - 1] = v[--n];
			v[n] = f;
		}
	return n;
}

/* Of the state that it leads to, as the listing had it: not of the merging. */
static int
date_one(struct prune_db *db, struct ltx_file *f, struct err *e)
{
	struct ltx_header h;
	int64_t ns;

	if (ltx_peek(db->store, db->key, db->how, &f->name, &h, e) == -1)
		return -1;
	ns = ltx_mark_stored(&h);
	f->stored_ns = ns != -1 ? ns + SECOND - 1 : h.captured_ns;
	for (size_t i = 0; i < db->ltx.n; i++) {
		const struct ltx_file *step = &db->ltx.v[i];

		if (step->name.level == 0 && step->name.max == f->name.max &&
		    step->stored_ns < f->stored_ns)
			f->stored_ns = step->stored_ns;
	}
	return 0;
}

/* A bucket has the time at which they were put: their headers tell the other. */
static int
date(struct prune_db *db, size_t n, struct err *e)
{
	struct ltx_file *f;

	for (size_t i = 0; i < n && !db->store->ops->traits.times; i++) {
		f = &db->ltx.v[i];
		/* Two looks have to agree. */
		if (is_compacted(f) && date_one(db, f, e) == -1 &&
		    (e->class != ERR_CORRUPT || date_one(db, f, e) == -1))
			return -1;
	}
	return 0;
}

/* Of lspp's own, how many there are without those that are too young to stand
 * for others; these end at *behind. */
static int
set_up(struct prune_db *db, int64_t as_of, size_t *n, uint64_t *behind)
{
	struct ltx_list *l = &db->ltx;

	*n = set_aside(l->v, l->n, as_of);
	*behind = 0;
	for (size_t i = *n; i < l->n; i++)
		if (l->v[i].name.max > *behind)
			*behind = l->v[i].name.max;
	return date(db, *n, &db->e);
}

static bool
any_compacted(const struct prune_db *db)
{
	for (size_t i = 0; i < db->ltx.n; i++)
		if (is_compacted(&db->ltx.v[i]))
			return true;
	return false;
}

/* A daemon's are its own to merge. */
static int
merge(struct prune_db *db, size_t n, uint64_t behind,
    const struct prune_policy *p)
{
	struct prune_merges m;
	int rc = 0;

	prune_ltx_merges(db->ltx.v, n, behind, p, &m);
	if (m.n > 0 && (rc = prune_ltx_is_own(db, &db->e)) == 1)
		rc = prune_ltx_merge(db, &m, p->tmp, &db->e);
	prune_merges_release(&m);
	return rc;
}

/* Is nothing to be done with what is in LTX, since Litestream wrote it? */
static int
is_left(struct prune_db *db, const struct prune_policy *p, struct err *e)
{
	int own = p->foreign ? 1 : prune_ltx_is_own(db, e);

	if (own == 0)
		db->plan.foreign += db->ltx.n;
	return own == -1 ? -1 : own == 0;
}

int
prune_ltx_db(
    struct prune_db *db, const struct prune_policy *p, struct prune_plan *plan)
{
	size_t n = db->ltx.n;
	uint64_t behind = 0;
	struct err why;
	int rc = any_compacted(db) ? prune_ltx_is_own(db, &db->e) : 0, left;

	*plan = (struct prune_plan){ 0 };
	if (rc == 1)
		rc = set_up(db, p->now_ns - p->grace_ns, &n, &behind);
	if (rc == -1)
		return -1;
	rc = prune_ltx_plan(
	    db->ltx.v, n, p, !db->store->ops->traits.remote, plan, &why);
	left = rc == -1 || plan->n > 0 ? is_left(db, p, &db->e) : 0;
	if (left == 0 && rc == -1)
		db->e = why;
	if (left == 0 && rc == 0 && p->measure)
		rc = prune_ltx_prove(db, plan, &db->e);
	if (left == 0 && rc == 0 && p->tmp != NULL)
		rc = merge(db, n, behind, p);
	if (left != 0 || rc == -1)
		prune_plan_release(plan);
	return left == 1 ? 0 : left == -1 ? -1 : rc;
}
