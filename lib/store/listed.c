/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/listed.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/buf.h"

static int64_t
monotonic_ns(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

void
listed_begin(struct listed *l, struct store *s)
{
	*l = LISTED_NOT(s);
	l->asked_ns = monotonic_ns();
}

void
listed_whole(struct listed *l, const char *prefix)
{
	l->prefix = xstrdup(prefix);
}

bool
listed_is_old(const struct listed *l, int64_t for_ns)
{
	return monotonic_ns() - l->asked_ns >= for_ns;
}

void
listed_add(struct listed *l, const struct store_entry *en)
{
	if (l->n == l->room) {
		l->room = l->room * 2 + 16;
		l->v = xrealloc(l->v, l->room * sizeof(*l->v));
	}
	l->v[l->n].key = xstrdup(en->key);
	l->v[l->n].en = *en;
	l->v[l->n].en.key = l->v[l->n].key;
	l->n++;
}

static int
keep(void *ctx, const struct store_entry *en, struct err *e)
{
	(void)e;
	listed_add(ctx, en);
	return 0;
}

void
listed_part(struct listed *l, const struct listed *all, const char *prefix,
    size_t from, size_t to)
{
	*l = LISTED_NOT(all->s);
	l->asked_ns = all->asked_ns;
	listed_whole(l, prefix);
	l->v = all->v + from;
	l->n = to - from;
	l->part = true;
}

void
listed_read(struct listed *l, struct store *s, const char *prefix)
{
	char *next = NULL;

	listed_begin(l, s);
	if (!s->ops->traits.flat)
		return;
	l->failed = s->ops->list_page(
			s, prefix, NULL, NULL, keep, l, &next, &l->why) == -1;
	if (l->failed || next == NULL)
		listed_whole(l, prefix);
	free(next);
}

void
listed_release(struct listed *l)
{
	while (l->n > 0 && !l->part)
		free(l->v[--l->n].key);
	if (!l->part)
		free(l->v);
	free(l->prefix);
	*l = (struct listed){ 0 };
}

static int
each_prefix(const char *key, size_t n, struct buf *last, store_each *each,
    void *ctx, struct err *e)
{
	struct store_entry en = { .prefix = true };

	if (last->len == n && strncmp(buf_str(last), key, n) == 0)
		return 0;
	buf_reset(last);
	buf_add(last, key, n);
	en.key = buf_str(last);
	return each(ctx, &en, e);
}

int
listed_each(const struct listed *l, const char *prefix, bool delimited,
    store_each *each, void *ctx, struct err *e)
{
	size_t n = strlen(prefix);
	struct buf last = { 0 };
	int rc = 0;

	if (l->prefix == NULL ||
	    strncmp(prefix, l->prefix, strlen(l->prefix)) != 0)
		return l->s->ops->list(l->s, prefix, delimited, each, ctx, e);
	if (l->failed) {
		*e = l->why;
		return -1;
	}
	for (size_t i = 0; i < l->n && rc == 0; i++) {
		const char *key = l->v[i].key, *slash = NULL;

		if (strncmp(key, prefix, n) != 0)
			continue;
		if (delimited)
			slash = strchr(key + n, '/');
		rc = slash == NULL ? each(ctx, &l->v[i].en, e)
				   : each_prefix(key, (size_t)(slash + 1 - key),
					 &last, each, ctx, e);
	}
	buf_release(&last);
	return rc == 1 ? 0 : rc;
}
