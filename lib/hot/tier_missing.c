/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What did not come in a pass, though the state knows it: looked at, some at a
 * time, so that the state is not held while a disk is slow.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/hot/tier_impl.h"
#include "lib/state/fleet/state_known.h"
#include "lib/state/state.h"
#include "lib/sys/stop.h"

enum { IDS = 8 };

/* One of them, with all of its records that are asked for. */
struct candidate {
	char *path;
	struct signature sig; /* as it was shipped */
	bool racy, differ;    /* any record; the records have several sigs */
	int64_t captured_ns;
	int64_t id[IDS];
	size_t n_ids;
	/* then, of the look */
	enum look how;
	bool news;
	int class;
	char *msg;
	struct tier tier;
};

struct hunt {
	struct tiers *t;
	bool empty;
	bool noted;            /* those that are noted as missing, and came */
	const struct bits *of; /* what the round brought before */
	struct bits covered;   /* came, now or in another round */
	struct candidate *v;
	size_t n;
	char *last;         /* path behind which to go on */
	uint64_t well, bad; /* of those of 'of' */
	struct bits lost;   /* these, and gone ones: they stay the round's */
};

/* -- which ----------------------------------------------------------------- */

bool
tiers_ask_for(const struct tiers *t, int64_t root)
{
	if (t->root != 0 || t->roots == NULL)
		return t->root == 0 || t->root == root;
	for (size_t i = 0; i < t->n_roots; i++)
		if (t->roots[i] == root)
			return true;
	return false;
}

static void
add_record(struct candidate *c, const struct known_row *row)
{
	c->racy = c->racy || row->racy;
	c->differ = c->differ || !signature_equal(&c->sig, &row->sig);
	if (row->captured_ns < c->captured_ns)
		c->captured_ns = row->captured_ns;
	if (c->n_ids < IDS)
		c->id[c->n_ids++] = row->id;
}

/* What is behind the last record when the pass began did not exist then. */
static bool
is_wanted(const struct hunt *h, const struct known_row *row)
{
	const struct rounds *r = &h->t->rounds;

	if (row->id > r->upto || !tiers_ask_for(h->t, row->root) ||
	    !shard_has_path(&h->t->shard, h->t->base, row->path))
		return false;
	return h->noted ? bits_has(&r->came, row->id)
			: !bits_has(&h->covered, row->id);
}

static int
gather(void *ctx, const struct known_row *row, struct err *e)
{
	struct hunt *h = ctx;
	struct candidate *c;

	(void)e;
	if (!is_wanted(h, row))
		return 0;
	if (h->n > 0 && strcmp(h->v[h->n - 1].path, row->path) == 0) {
		add_record(&h->v[h->n - 1], row);
		return 0;
	}
	if (h->n == TIER_AT_ONCE)
		return 1;
	if (h->v == NULL)
		h->v = xcalloc(TIER_AT_ONCE, sizeof(*h->v));
	c = &h->v[h->n++];
	*c = (struct candidate){ .path = xstrdup(row->path),
		.sig = row->sig,
		.captured_ns = row->captured_ns };
	add_record(c, row);
	return 0;
}

/* -- looking --------------------------------------------------------------- */

static int
judge(struct hunt *h, struct candidate *c, struct err *e)
{
	struct state_seen seen = { .known = true,
		.changed = c->differ || !signature_equal(&c->sig, &c->tier.sig),
		.racy = c->racy,
		.captured_ns = c->captured_ns };

	buf_reset(&h->t->abs);
	buf_adds(&h->t->abs, c->path);
	rounds_path(&h->t->rounds);
	return tier_judge(h->t, &seen, &c->tier, e);
}

static int
look_at_one(struct hunt *h, struct candidate *c, struct err *e)
{
	struct err why;
	bool ours = false;

	c->how = look_at(c->path, &c->tier.sig, &c->tier.racy, &why);
	for (size_t i = 0; i < c->n_ids; i++) {
		ours = ours || (h->of != NULL && bits_has(h->of, c->id[i]));
		if (c->how != LOOK_WELL && !h->noted)
			bits_add(&h->lost, c->id[i]);
	}
	h->well += ours && c->how == LOOK_WELL && !h->noted;
	h->bad += ours && c->how != LOOK_WELL && !h->noted;
	if (c->how == LOOK_WELL)
		return h->noted ? 0 : judge(h, c, e);
	c->class = (int)why.class;
	c->msg = xstrdup(why.msg);
	c->news =
	    c->how == LOOK_LOST || state_is_gone(h->t->st, c->path, &why) != 1;
	return 0;
}

/* -- noting ---------------------------------------------------------------- */

static int
note_gone(struct hunt *h, struct candidate *c, struct err *e)
{
	int rc = state_note_gone(h->t->st, c->path, now_ns(), e);

	return rc == -1 ? -1 : state_unlost(h->t->st, c->path, e);
}

/*
 * That all are gone where nothing came is a volume that is not mounted, as like
 * as not: nothing is written off.
 */
static int
note(struct hunt *h, struct candidate *c, struct err *e)
{
	struct state *st = h->t->st;
	struct err why;
	int rc;

	if (c->how == LOOK_GONE)
		return h->empty ? 0 : note_gone(h, c, e);
	if (c->how == LOOK_LOST) {
		err_set(&why, (enum err_class)c->class, "%s", c->msg);
		rc = state_put_lost(st, c->path, now_ns(), &why, e);
		c->news = rc == 1;
	} else {
		rc = state_unlost(st, c->path, e);
	}
	return rc == -1 ? -1 : state_note_back(st, c->path, e);
}

static int
note_all(struct hunt *h, struct err *e)
{
	int rc;

	if (h->n == 0 || !h->t->keep)
		return 0;
	rc = state_begin(h->t->st, e);
	for (size_t i = 0; i < h->n && rc == 0; i++)
		rc = note(h, &h->v[i], e);
	if (rc == 0)
		rc = state_commit(h->t->st, e);
	if (rc == -1)
		state_rollback(h->t->st);
	return rc;
}

static void
report(struct hunt *h)
{
	const struct candidate *c;
	struct missing m;
	struct err why;

	for (c = h->v; c < h->v + h->n && !h->noted; c++) {
		m = (struct missing){ .path = c->path,
			.how = c->how,
			.news = c->news,
			.empty = h->empty,
			.e = &why,
			.tier = &c->tier };
		if (c->how != LOOK_WELL)
			err_set(&why, (enum err_class)c->class, "%s", c->msg);
		h->t->missing(h->t->missing_ctx, &m);
	}
}

/* -- all of them ----------------------------------------------------------- */

static void
forget(struct hunt *h)
{
	if (h->n > 0) {
		free(h->last);
		h->last = xstrdup(h->v[h->n - 1].path);
	}
	for (size_t i = 0; i < h->n; i++) {
		free(h->v[i].path);
		free(h->v[i].msg);
	}
	h->n = 0;
}

/* Those that were gathered.  What cannot be noted is told all the same. */
static int
do_some(struct hunt *h, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < h->n; i++)
		if (look_at_one(h, &h->v[i], e) == -1)
			rc = -1;
	if (tiers_flush(h->t, e) == -1 || note_all(h, e) == -1)
		rc = -1;
	report(h);
	forget(h);
	return rc;
}

static int
do_all(struct hunt *h,
    int (*which)(struct state *st, const char *after, state_each_known *each,
	void *ctx, struct err *e),
    struct err *e)
{
	int rc;

	do {
		rc = which(
		    h->t->st, h->last != NULL ? h->last : "", gather, h, e);
		if (rc != -1 && do_some(h, e) == -1)
			rc = -1;
	} while (rc == 1 && !stop_requested());
	forget(h); /* what was gathered before the state failed */
	free(h->last);
	h->last = NULL;
	return rc == -1 ? -1 : 0;
}

/*
 * Few came of a round that comes regularly and came just now: who goes on to
 * bring a few, again and again others, is not to look at all of a fleet.
 */
static bool
is_left_to_others(const struct tiers *t, const struct round *like)
{
	uint64_t n = bits_count(&t->rounds.came);

	return bits_count(&like->came) > 1000 + 16 * n &&
	    now_ns() - like->began_ns < like->period_ns / 2;
}

/*
 * Many of a round did not come.  If most of these are gone or lost, it is that
 * round all the same; if they are well, it is another, of fewer databases.
 */
static bool
is_same(const struct hunt *h)
{
	return h->well == 0 || h->bad > h->well;
}

static int
hunt(struct hunt *h, int64_t began_ns, struct err *e)
{
	struct rounds *r = &h->t->rounds;
	bool sure = false, left = false;
	struct round *like = NULL;
	int all = state_looked_at_all(h->t->st, e);

	state_look_end(h->t->st);
	if (all == -1)
		return -1;
	if (!h->empty) {
		like = rounds_like(r, &sure);
		rounds_others(r, like, now_ns(), &h->covered);
	}
	/* What the round itself is missing, it asks for. */
	if (like != NULL)
		bits_part(&h->covered, &like->came);
	left = like != NULL && !sure && is_left_to_others(h->t, like);
	if (left)
		bits_join(&h->covered, &like->came);
	h->of = like != NULL ? &like->came : NULL;
	bits_join(&h->covered, &r->came);
	if (all == 0 && do_all(h, state_known, e) == -1)
		return -1;
	if (like != NULL && !sure && !is_same(h))
		like = NULL;
	h->noted = true;
	if (do_all(h, state_missing, e) == -1)
		return -1;
	if (bits_count(&r->came) > 0 && !left && !stop_requested())
		rounds_end(r, like, &h->lost, began_ns);
	return 0;
}

int
tiers_hunt(struct tiers *t, int64_t began_ns, bool empty, struct err *e)
{
	struct hunt h = { .t = t, .empty = empty };
	int rc = hunt(&h, began_ns, e);

	bits_release(&h.covered);
	bits_release(&h.lost);
	free(h.v);
	return rc;
}
