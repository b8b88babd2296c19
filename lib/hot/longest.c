/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/hot/longest.h"

#include <stdbool.h>
#include <stdlib.h>

#include "lib/base/buf.h"

/* Of two that wait since the same moment, the later one waits less. */
static bool
waits_less(const struct longest_entry *a, const struct longest_entry *b)
{
	return a->since_ns != b->since_ns ? a->since_ns > b->since_ns
					  : a->at > b->at;
}

static void
swap(struct longest_entry *a, struct longest_entry *b)
{
	struct longest_entry c = *a;

	*a = *b;
	*b = c;
}

static void
sift_down(struct longest_entry *v, size_t n)
{
	size_t at = 0, child;

	while ((child = 2 * at + 1) < n) {
		if (child + 1 < n && waits_less(&v[child + 1], &v[child]))
			child++;
		if (!waits_less(&v[child], &v[at]))
			break;
		swap(&v[child], &v[at]);
		at = child;
	}
}

static void
sift_up(struct longest_entry *v, size_t at)
{
	size_t parent;

	for (; at > 0; at = parent) {
		parent = (at - 1) / 2;
		if (!waits_less(&v[at], &v[parent]))
			break;
		swap(&v[at], &v[parent]);
	}
}

void
longest_add(
    struct longest *l, const char *path, const char *why, int64_t since_ns)
{
	struct longest_entry en = { NULL, why, since_ns, l->added++ };

	if (l->max == 0)
		return;
	if (l->v == NULL)
		l->v = xcalloc(l->max, sizeof(*l->v));
	if (l->n == l->max) {
		if (!waits_less(&l->v[0], &en))
			return;
		free(l->v[0].path);
		l->v[0] = en;
		l->v[0].path = xstrdup(path);
		sift_down(l->v, l->n);
		return;
	}
	en.path = xstrdup(path);
	l->v[l->n] = en;
	sift_up(l->v, l->n++);
}

static int
by_place(const void *a, const void *b)
{
	const struct longest_entry *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

void
longest_each(struct longest *l,
    void (*each)(void *ctx, const char *path, const char *why), void *ctx)
{
	if (l->n > 0)
		qsort(l->v, l->n, sizeof(*l->v), by_place);
	for (size_t i = 0; i < l->n; i++) {
		each(ctx, l->v[i].path, l->v[i].why);
		free(l->v[i].path);
	}
	free(l->v);
	l->v = NULL;
	l->n = l->added = 0;
}
