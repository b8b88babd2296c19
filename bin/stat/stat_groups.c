/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups that are kept, to be sorted.
 */
#include <stdlib.h>
#include <string.h>

#include "bin/stat/stat.h"

/* What waits longest, what failed, what is large. */
static bool
is_worse(const struct stat_sum *a, const struct stat_sum *b)
{
	if (a->lag_max_ns != b->lag_max_ns)
		return a->lag_max_ns > b->lag_max_ns;
	if (a->failed + a->tier[STAT_LOST] != b->failed + b->tier[STAT_LOST])
		return a->failed + a->tier[STAT_LOST] >
		    b->failed + b->tier[STAT_LOST];
	if (a->databases != b->databases)
		return a->databases > b->databases;
	return strcmp(a->group, b->group) < 0;
}

static void
add_to(struct stat_sum *to, const struct stat_sum *s)
{
	for (int i = 0; i < STAT_TIERS; i++)
		to->tier[i] += s->tier[i];
	to->databases += s->databases;
	to->waiting += s->waiting;
	to->failed += s->failed;
	to->left_out += s->left_out;
	to->shrunk += s->shrunk;
	to->size += s->size;
	if (s->lag_max_ns > to->lag_max_ns)
		to->lag_max_ns = s->lag_max_ns;
}

void
stat_groups_add(struct stat_groups *g, const struct stat_sum *s)
{
	size_t i;

	g->all++;
	if (g->v == NULL)
		g->v = xcalloc(g->max + 1, sizeof(*g->v));
	for (i = g->n; i > 0 && is_worse(s, &g->v[i - 1]); i--)
		g->v[i] = g->v[i - 1];
	g->v[i] = *s;
	g->v[i].group = xstrdup(s->group);
	if (g->n < g->max) {
		g->n++;
		return;
	}
	add_to(&g->others, &g->v[g->max]);
	free((char *)g->v[g->max].group);
}

void
stat_groups_release(struct stat_groups *g)
{
	for (size_t i = 0; i < g->n; i++)
		free((char *)g->v[i].group);
	free(g->v);
	g->v = NULL;
	g->n = 0;
}
