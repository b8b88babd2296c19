/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/state/fleet/rounds.h"

#include "lib/state/fleet/state_known.h"

#define MINUTE INT64_C(60000000000)
#define LEAST  (2 * MINUTE) /* cron is late, a pass takes longer */
#define MOST   (INT64_C(24) * 60 * MINUTE) /* between two passes of a round */

enum { FEW = 10 };

/* -- the state's ----------------------------------------------------------- */

int
rounds_load(struct rounds *r, struct state *st, int64_t root, struct err *e)
{
	*r = (struct rounds){ .root = root };
	return state_rounds(st, r, e);
}

void
rounds_release(struct rounds *r)
{
	for (size_t i = 0; i < r->n; i++)
		bits_release(&r->v[i].came);
	bits_release(&r->came);
	r->n = 0;
}

/* -- what came ------------------------------------------------------------- */

void
rounds_path(struct rounds *r)
{
	if (r != NULL)
		r->seen_ns = INT64_MAX;
}

void
rounds_came(struct rounds *r, int64_t id)
{
	int64_t seen = 0;

	if (r == NULL)
		return;
	if (!r->closed)
		bits_add(&r->came, id);
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].began_ns > seen && bits_has(&r->v[i].came, id))
			seen = r->v[i].began_ns;
	if (seen < r->seen_ns)
		r->seen_ns = seen;
}

int64_t
rounds_seen_ns(const struct rounds *r)
{
	return r->seen_ns == INT64_MAX ? 0 : r->seen_ns;
}

/* -- which round it was ---------------------------------------------------- */

/* Is a pass that brought 'came' of the round that brought 'was'? */
static bool
is_like(const struct bits *came, const struct bits *was)
{
	uint64_t n = bits_count(came), before = bits_count(was);
	uint64_t both = bits_common(came, was), missing = before - both;

	return both * 2 >= n + missing && (missing <= FEW || missing <= n / 8);
}

struct round *
rounds_like(struct rounds *r, bool *sure)
{
	uint64_t n = bits_count(&r->came), both, all, best_both = 0;
	uint64_t best_all = 1;
	struct round *best = NULL;

	for (size_t i = 0; i < r->n; i++) {
		both = bits_common(&r->came, &r->v[i].came);
		all = n + bits_count(&r->v[i].came) - both;
		if (both * best_all <= best_both * all)
			continue;
		best = &r->v[i];
		best_both = both;
		best_all = all;
	}
	*sure = best != NULL && is_like(&r->came, &best->came);
	return best;
}

bool
round_comes(const struct round *v, int64_t now_ns)
{
	int64_t wait = 2 * v->period_ns;

	return now_ns - v->began_ns <= (wait > LEAST ? wait : LEAST);
}

/* It may come again, and is known then. */
static bool
is_remembered(const struct round *v, int64_t now_ns)
{
	return now_ns - v->began_ns <= 2 * MOST;
}

void
rounds_others(const struct rounds *r, const struct round *mine, int64_t now_ns,
    struct bits *out)
{
	for (size_t i = 0; i < r->n; i++)
		if (&r->v[i] != mine && round_comes(&r->v[i], now_ns))
			bits_join(out, &r->v[i].came);
}

/* -- the end of a pass ----------------------------------------------------- */

/* Does v bring nothing that no other round brings? */
static bool
is_needless(const struct rounds *r, const struct round *v)
{
	struct bits others = { 0 };
	bool is;

	for (size_t i = 0; i < r->n; i++)
		if (&r->v[i] != v && !r->v[i].over)
			bits_join(&others, &r->v[i].came);
	is = bits_common(&v->came, &others) == bits_count(&v->came);
	bits_release(&others);
	return is;
}

/* Too many: the one that came longest ago, of those that are needless if there
 * are any. */
static void
end_one(struct rounds *r)
{
	struct round *worst = NULL, *v;
	bool needless = false, is;

	for (v = r->v; v < r->v + r->n; v++) {
		if (v->over)
			continue;
		is = is_needless(r, v);
		if (worst == NULL || (is && !needless) ||
		    (is == needless && v->began_ns < worst->began_ns)) {
			worst = v;
			needless = is;
		}
	}
	if (worst != NULL)
		worst->over = true;
}

/*
 * Between two passes.  One that is repeated by hand makes it no shorter at
 * once, nor a night without cron as long.
 */
static void
take_period(struct round *v, int64_t began_ns)
{
	int64_t gap = began_ns - v->began_ns, was = v->period_ns;
	int64_t most = was == 0 ? MOST : 2 * was > LEAST ? 2 * was : LEAST;

	if (most > MOST)
		most = MOST;
	if (gap > most)
		gap = most;
	if (gap > 0)
		v->period_ns = gap > was - was / 8 ? gap : was - was / 8;
}

void
rounds_end(struct rounds *r, struct round *mine, const struct bits *also,
    int64_t began_ns)
{
	const void *came;
	size_t len, left = 0;

	if (mine == NULL) {
		mine = &r->v[r->n++];
		*mine = (struct round){ 0 };
	} else {
		take_period(mine, began_ns);
	}
	mine->put = true;
	mine->began_ns = began_ns;
	mine->upto = r->upto;
	came = bits_data(&r->came, &len);
	bits_set(&mine->came, came, len);
	bits_join(&mine->came, also);
	for (size_t i = 0; i < r->n; i++) {
		r->v[i].over = &r->v[i] != mine &&
		    (!is_remembered(&r->v[i], began_ns) ||
			is_like(&mine->came, &r->v[i].came));
		left += !r->v[i].over;
	}
	if (left > ROUNDS_MAX)
		end_one(r);
}

int
rounds_store(struct rounds *r, struct state *st, struct err *e)
{
	size_t left = 0;
	int rc = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct round v = r->v[i];

		if (rc == 0 && st != NULL && r->kept && v.over && v.id != 0)
			rc = state_drop_round(st, &v, e);
		else if (rc == 0 && st != NULL && r->kept && v.put && !v.over)
			rc = state_put_round(st, r->root, &v, e);
		v.put = false;
		if (v.over)
			bits_release(&v.came);
		else
			r->v[left++] = v;
	}
	r->n = left;
	return rc;
}
