/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/state/fleet/came.h"

#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/state/fleet/state_known.h"

static int
add_round(void *ctx, int64_t root, const struct round *v, struct err *e)
{
	struct came *c = ctx;
	struct round *r;

	(void)e;
	c->v = xrealloc(c->v, (c->n + 1) * sizeof(*c->v));
	c->v[c->n].root = root;
	r = &c->v[c->n++].round;
	*r = *v;
	r->came = (struct bits){ 0 };
	bits_join(&r->came, &v->came);
	return 0;
}

int
came_load(struct came *c, struct state *st, struct err *e)
{
	*c = (struct came){ 0 };
	return state_all_rounds(st, add_round, c, e);
}

void
came_release(struct came *c)
{
	for (size_t i = 0; i < c->n; i++)
		bits_release(&c->v[i].round.came);
	free(c->v);
	*c = (struct came){ 0 };
}

/* When the last pass of that root began. */
static int64_t
latest(const struct came *c, int64_t root)
{
	int64_t at = 0;

	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].root == root && c->v[i].round.began_ns > at)
			at = c->v[i].round.began_ns;
	return at;
}

int
came_has(const struct came *c, int64_t root, int64_t id)
{
	const struct came_of *of;
	int came = -1;

	for (of = c->v; of < c->v + c->n; of++)
		if ((of->root == 0 || of->root == root) &&
		    id <= of->round.upto &&
		    round_comes(&of->round, latest(c, of->root)))
			came = came == 1 || bits_has(&of->round.came, id);
	return came;
}
