/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of several replicas a database is restored from.
 */
#include <stdlib.h>
#include <string.h>

#include "bin/restore/restore.h"
#include "lib/base/buf.h"

/* What one of them has. */
struct found {
	struct restore_plan plan;
	int rc;
	struct err e;
};

static void
look(const struct run *run, struct choice_other *o, struct found *f)
{
	struct restore_want want = run->want;

	*f = (struct found){ .rc = o->rc, .e = o->e };
	want.dated = true;
	if (o->rc == 0)
		f->rc = restore_plan(
		    o->store, buf_str(&o->key), &want, &f->plan, &f->e);
}

/* Times of capture and times of a store are not compared: ours goes first. */
static bool
is_better(const struct found *a, const struct found *b)
{
	if (a->rc == -1 || b->rc == -1)
		return a->rc == 0 && b->rc == -1;
	if (a->plan.plain != b->plan.plain)
		return b->plan.plain;
	if (a->plan.until_ns != b->plan.until_ns)
		return a->plan.until_ns > b->plan.until_ns;
	if (a->plan.unsure != b->plan.unsure)
		return b->plan.unsure; /* of the same time, and damaged */
	return b->plan.earlier && !a->plan.earlier;
}

/* May it have something newer than the best?  What has nothing of it has not,
 * but one that is not there at all may not be mounted.  What is damaged does
 * not say of when it is. */
static bool
may_be_newer(const struct choice_other *o, const struct found *f,
    const struct found *best)
{
	if (f->rc == -1)
		return o->rc == -1 || f->e.class != ERR_MISSING;
	return f != best &&
	    (f->plan.unsure || f->plan.plain != best->plan.plain);
}

static void
note_unseen(
    struct request *q, const struct choice_other *o, const struct found *f)
{
	const char *what = "";

	if (q->unseen != NULL)
		return;
	if (f->rc == 0)
		what = f->plan.unsure ? "what is newest is damaged in "
				      : "what Litestream wrote to ";
	q->unseen = xasprintf("another replica may have a newer one: %s%s",
	    what, f->rc == -1 ? f->e.msg : o->store->url);
}

/* The error that says most: nobody has it, if it is that of all. */
static void
none(struct request *q, const struct found *f, size_t n)
{
	size_t worst = 0;
	bool absent = true, younger = false, older = false;
	bool other = false;

	for (size_t i = 0; i < n; i++) {
		absent = absent && f[i].plan.absent;
		younger = younger || f[i].plan.younger;
		older = older || f[i].plan.older;
		other = other ||
		    !(f[i].plan.absent || f[i].plan.younger || f[i].plan.older);
		if (f[worst].e.class == ERR_MISSING &&
		    (f[i].e.class != ERR_MISSING || !f[i].plan.absent))
			worst = i;
	}
	q->c.rc = -1;
	q->c.e = f[worst].e;
	q->c.absent = absent && q->c.e.class == ERR_MISSING;
	if (q->c.e.class != ERR_MISSING || other)
		return;
	q->plan.older = older;
	q->plan.younger = younger && !older;
}

int
restore_which(const struct run *run, struct request *q)
{
	struct choice *c = &q->c;
	size_t n = c->others + 1, best = 0;
	struct found *f = xcalloc(n, sizeof(*f));
	struct choice_other *o = xcalloc(n, sizeof(*o));
	int rc = 0;

	o[0] = (struct choice_other){ .store = c->store, .key = c->key };
	memcpy(o + 1, c->other, c->others * sizeof(*o));
	for (size_t i = 0; i < n; i++) {
		look(run, &o[i], &f[i]);
		if (is_better(&f[i], &f[best]))
			best = i;
	}
	for (size_t i = 0; i < n && f[best].rc == 0; i++)
		if (may_be_newer(&o[i], &f[i], &f[best]))
			note_unseen(q, &o[i], &f[i]);
	if (f[best].rc == -1) {
		none(q, f, n);
		rc = -1;
	} else if (best > 0) {
		c->store = o[best].store;
		c->key = o[best].key;
		c->other[best - 1] = o[0];
	}
	for (size_t i = 0; i < n; i++)
		restore_plan_release(&f[i].plan);
	free(o);
	free(f);
	return rc;
}
