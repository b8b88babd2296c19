/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a pass: notes that nobody else takes back. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/hot/tier_impl.h"
#include "lib/state/state.h"

struct stale {
	struct tiers *t;
	struct buf last;  /* path that was looked at */
	struct buf paths; /* whose note is wrong, each with its NUL */
	size_t n;
	int64_t before_ns;
};

/* Nothing of it waits: it is gone, or all of it is shipped. */
static bool
is_over(struct tiers *t, const char *path)
{
	bool keep = t->keep;
	struct tier now;
	struct err e;
	int rc;

	t->keep = false; /* only look */
	t->rounds.closed = true;
	rc = tier_look(t, path, &now, &e);
	t->rounds.closed = false;
	t->keep = keep;
	return rc == -1 ? look_is_gone(path) : !now.dirty;
}

static int
sort_out(void *ctx, const char *path, struct err *e)
{
	struct stale *s = ctx;

	(void)e;
	buf_reset(&s->last);
	buf_adds(&s->last, path);
	if (!is_over(s->t, path))
		return 0;
	buf_add(&s->paths, path, strlen(path) + 1);
	return ++s->n >= TIER_AT_ONCE;
}

/* What sort_out() has found, in one transaction. */
static int
take_back(struct stale *s, struct err *e)
{
	const char *p = buf_str(&s->paths);
	struct state *st = s->t->st;
	int rc;

	if (s->n == 0)
		return 0;
	rc = state_begin(st, e);
	for (size_t i = 0; i < s->n && rc == 0; i++, p += strlen(p) + 1)
		rc = state_unnote(st, s->t->root, s->before_ns, p, e);
	if (rc == 0)
		rc = state_commit(st, e);
	if (rc == -1)
		state_rollback(st);
	return rc;
}

/* As many as there are, some at a time. */
static int
take_back_notes(struct tiers *t, int64_t before_ns, struct err *e)
{
	struct stale s = { .t = t, .before_ns = before_ns };
	char *after;
	int rc;

	do {
		s.n = 0;
		buf_reset(&s.paths);
		after = xstrdup(buf_str(&s.last));
		rc = state_noted(
		    t->st, t->root, before_ns, after, sort_out, &s, e);
		free(after);
		state_look_end(t->st);
		if (rc != -1 && take_back(&s, e) == -1)
			rc = -1;
	} while (rc == 1);
	buf_release(&s.last);
	buf_release(&s.paths);
	return rc;
}

/* That it was, and what came, in one transaction. */
static int
put_pass(struct tiers *t, int64_t began_ns, uint64_t seen, struct err *e)
{
	int rc = state_begin(t->st, e);

	if (rc == 0)
		rc = state_put_pass(t->st, t->root, began_ns, seen, e);
	if (rc == 0)
		rc = rounds_store(&t->rounds, t->st, e);
	if (rc == 0)
		rc = state_commit(t->st, e);
	if (rc == -1)
		state_rollback(t->st);
	return rc;
}

int
tiers_passed(
    struct tiers *t, int64_t began_ns, uint64_t seen, bool write, struct err *e)
{
	bool empty = seen == 0 && bits_count(&t->rounds.came) == 0;
	int64_t before = t->last_pass_ns;
	struct err ignored;

	t->last_pass_ns = began_ns;
	if (t->st == NULL || t->no_root || !write)
		return 0;
	if (t->missing != NULL && tiers_hunt(t, began_ns, empty, e) == -1)
		return -1;
	state_look_end(t->st);
	if (!t->keep)
		return rounds_store(&t->rounds, NULL, &ignored);
	if (put_pass(t, began_ns, seen, e) == -1)
		return -1;
	/*
	 * What is younger than the pass before was just looked at.  An empty
	 * pass is a volume that is not mounted, as like as not.
	 */
	return seen == 0 ? 0 : take_back_notes(t, before, e);
}
