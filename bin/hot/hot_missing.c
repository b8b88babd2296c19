/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the state knows and nobody brought: each by name if they are few, else
 * one line with a count, since a volume that is not mounted is one fault.
 */
#include <inttypes.h>
#include <string.h>

#include "bin/hot/hot.h"

static struct hot_kind *
kind_of(struct run *r, const struct missing *m)
{
	struct hot_kind *k;

	for (k = r->kind; k < r->kind + r->n_kinds; k++)
		if (k->how == m->how && k->e.class == m->e->class &&
		    strcmp(k->e.msg, m->e->msg) == 0)
			return k;
	if (r->n_kinds == HOT_KINDS)
		return k - 1; /* of many reasons: one line will do */
	*k = (struct hot_kind){ .how = m->how, .e = *m->e };
	r->n_kinds++;
	return k;
}

static const char *
word(enum look how)
{
	return how == LOOK_GONE ? "gone" : "lost";
}

static void
add(struct run *r, const struct missing *m)
{
	struct hot_kind *k = kind_of(r, m);
	struct err e = *m->e;

	if (k->n++ < HOT_LINES)
		buf_add(&k->paths, m->path, strlen(m->path) + 1);
	err_in(&e, "%s", word(m->how));
	cli_fail_silently(&r->cli, m->path, &e, 1);
}

void
hot_missing(void *ctx, const struct missing *m)
{
	struct run *r = ctx;

	r->empty = m->empty;
	if (m->how == LOOK_WELL) {
		cli_note(&r->cli, m->path, "there, but it did not come");
		if (r->mode == STALE && hot_is_stale(r, m->tier))
			(void)hot_print(r, m->path, true, m->tier->why);
		return;
	}
	if (m->how == LOOK_LOST && r->mode == STALE)
		(void)hot_print(r, m->path, true, "lost");
	/* Gone is told once; lost in every run, as what fails is. */
	if (r->told ? m->news && r->tiers.keep && !m->empty
		    : m->news || m->how == LOOK_LOST)
		add(r, m);
}

/* Who deletes a database knows of it; this may be news. */
static void
hint_lost(struct err *e)
{
	err_hint(e,
	    "lspp-restore brings back what was shipped, lspp-hot --forget "
	    "acknowledges that");
}

static void
tell_each(struct run *r, const struct hot_kind *k)
{
	const char *path = buf_str(&k->paths);
	struct err e;

	for (uint64_t i = 0; i < k->n; i++, path += strlen(path) + 1) {
		e = k->e;
		err_in(&e, "%s", word(k->how));
		if (i + 1 == k->n && k->how == LOOK_LOST)
			hint_lost(&e);
		cli_tell(&r->cli, path, &e);
	}
}

static void
tell_all(struct run *r, const struct hot_kind *k)
{
	struct err e;

	err_set(&e, k->e.class,
	    "%s%" PRIu64 " database%s that %s shipped %s %s: %s; %s %s",
	    r->empty ? "no path came in, and " : "", k->n, k->n > 1 ? "s" : "",
	    k->n > 1 ? "were" : "was", k->n > 1 ? "are" : "is", word(k->how),
	    k->e.msg, k->n > 1 ? "one is" : "it is", buf_str(&k->paths));
	if (k->how == LOOK_LOST)
		hint_lost(&e);
	else
		err_hint(&e, "is a volume not mounted?");
	cli_tell(&r->cli, NULL, &e);
}

void
hot_missing_end(struct run *r)
{
	struct hot_kind *k;

	for (k = r->kind; k < r->kind + r->n_kinds; k++) {
		if (k->n > HOT_LINES || r->empty)
			tell_all(r, k);
		else
			tell_each(r, k);
		buf_release(&k->paths);
	}
	r->told = r->told || r->n_kinds > 0;
	r->n_kinds = 0;
}
