/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/ltx/ltx_plan.h"

#include <stdlib.h>

#include "lib/base/buf.h"

static int
compare(const void *a, const void *b)
{
	const struct ltx_name *x = &((const struct ltx_file *)a)->name;
	const struct ltx_name *y = &((const struct ltx_file *)b)->name;

	if (x->min != y->min)
		return x->min < y->min ? -1 : 1;
	if (x->level != y->level)
		return x->level > y->level ? -1 : 1;
	return x->max < y->max ? -1 : x->max > y->max;
}

void
ltx_sort(struct ltx_file *v, size_t n)
{
	if (n > 1)
		qsort(v, n, sizeof(*v), compare);
}

static bool
is_used(const struct ltx_file *f, uint64_t limit)
{
	return !f->bad && f->name.max <= limit;
}

/* The longest chain of files that end at 'limit' or before, of levels below
 * that, on from p->txid. */
static void
chain(struct ltx_plan *p, const struct ltx_file *v, size_t n, uint64_t limit,
    unsigned levels)
{
	size_t best = n, i = 0;

	p->v = xcalloc(n + 1, sizeof(*p->v));
	while (p->txid < limit) {
		for (; i < n && v[i].name.min <= p->txid + 1; i++)
			if (is_used(&v[i], limit) && v[i].name.level < levels &&
			    (best == n || v[i].name.max > v[best].name.max))
				best = i;
		if (best == n || v[best].name.max <= p->txid)
			break;
		p->v[p->n++] = best;
		p->txid = v[best].name.max;
	}
}

/* What comes behind the end of the chain, before what is wanted? */
static void
find_gap(struct ltx_plan *p, const struct ltx_file *v, size_t n)
{
	p->gap_from = p->txid + 1;
	p->gap_until = p->wanted;
	for (size_t i = 0; i < n; i++)
		if (is_used(&v[i], p->wanted) && v[i].name.min > p->gap_from) {
			p->gap_until = v[i].name.min - 1;
			break;
		}
}

static uint64_t
newest(const struct ltx_file *v, size_t n, uint64_t limit)
{
	uint64_t max = 0;

	for (size_t i = 0; i < n; i++)
		if (v[i].name.max <= limit && v[i].name.max > max)
			max = v[i].name.max;
	return max;
}

/* With a time */

static int
by_end(const void *a, const void *b)
{
	const struct ltx_file *x = *(const struct ltx_file *const *)a;
	const struct ltx_file *y = *(const struct ltx_file *const *)b;

	if (x->name.max != y->name.max)
		return x->name.max < y->name.max ? -1 : 1;
	if (x->captured_ns != y->captured_ns)
		return x->captured_ns < y->captured_ns ? -1 : 1;
	return (int)x->name.level - (int)y->name.level;
}

/*
 * The newest state whose time is not after at_ns; what comes behind it; and
 * which one before it is of a later time.  Of each state the first file in this
 * order has its time.
 */
static void
find_time(struct ltx_plan *p, const struct ltx_file *v, size_t n, int64_t at_ns)
{
	const struct ltx_file **f = xcalloc(n + 1, sizeof(*f));
	uint64_t end = 0;

	for (size_t i = 0; i < n; i++)
		f[i] = &v[i];
	qsort(f, n, sizeof(*f), by_end);
	for (size_t i = 0; i < n; end = f[i]->name.max, i++)
		if (f[i]->name.max != end && f[i]->captured_ns <= at_ns)
			p->wanted = f[i]->name.max;
	for (size_t i = 0; i < n; end = f[i]->name.max, i++) {
		if (f[i]->name.max > p->wanted && p->next == 0)
			p->next = f[i]->name.max;
		if (f[i]->name.max < p->wanted && f[i]->name.max != end &&
		    f[i]->captured_ns > at_ns &&
		    f[i]->name.level != LTX_SNAPSHOTS)
			p->back = f[i]->name.max;
	}
	if (p->next == p->wanted + 1)
		p->next = 0;
	free(f);
}

void
ltx_plan(
    struct ltx_plan *p, struct ltx_file *v, size_t n, const struct ltx_wish *w)
{
	*p = (struct ltx_plan){ 0 };
	ltx_sort(v, n);
	if (w->at_ns != INT64_MAX)
		find_time(p, v, n, w->at_ns);
	else
		p->wanted = newest(v, n, w->txid);
	if (w->at_ns == INT64_MAX && w->txid != LTX_NEWEST &&
	    p->wanted != w->txid)
		p->wanted = 0;
	chain(p, v, n, p->wanted, LTX_LEVELS);
	if (p->txid < p->wanted)
		find_gap(p, v, n);
}

void
ltx_plan_from(struct ltx_plan *p, struct ltx_file *v, size_t n, uint64_t txid)
{
	*p = (struct ltx_plan){ .txid = txid };
	qsort(v, n, sizeof(*v), compare);
	p->wanted = newest(v, n, LTX_NEWEST);
	chain(p, v, n, p->wanted, LTX_SNAPSHOTS);
}

void
ltx_plan_release(struct ltx_plan *p)
{
	free(p->v);
	*p = (struct ltx_plan){ 0 };
}

bool
ltx_reach(struct ltx_file *v, size_t n, uint64_t *first, uint64_t *last)
{
	const struct ltx_wish all = { LTX_NEWEST, INT64_MAX };
	struct ltx_plan p;

	*first = LTX_NEWEST;
	for (size_t i = 0; i < n; i++)
		if (!v[i].bad && v[i].name.min == 1 && v[i].name.max < *first)
			*first = v[i].name.max;
	ltx_plan(&p, v, n, &all);
	*last = p.txid;
	ltx_plan_release(&p);
	return *last > 0;
}
