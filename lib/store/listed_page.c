/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/listed_page.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/buf.h"

enum {
	WORTH = 4, /* names that a page has to serve */
	SKIP = 256,
};

struct listed_page {
	atomic_uint holders;
	char *after;      /* it begins behind that */
	bool last;        /* nothing is behind it */
	int64_t asked_ns; /* none of it is from before that */
	struct listed all;
};

void
listed_page_drop(struct listed_page *page)
{
	if (page == NULL || atomic_fetch_sub(&page->holders, 1) > 1)
		return;
	listed_release(&page->all);
	free(page->after);
	free(page);
}

static int64_t
monotonic_ns(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static int
keep(void *ctx, const struct store_entry *en, struct err *e)
{
	(void)e;
	listed_add(ctx, en);
	return 0;
}

/* A page from there on; NULL: it cannot be had, and whoever lists finds out why.
 */
static struct listed_page *
page_new(struct store *s, const char *after)
{
	struct listed_page *page = xcalloc(1, sizeof(*page));
	char *next = NULL;
	struct err e;

	atomic_init(&page->holders, 1);
	page->after = xstrdup(after);
	page->asked_ns = monotonic_ns();
	page->all = LISTED_NOT(s);
	if (s->ops->list_page(
		s, "", NULL, after, keep, &page->all, &next, &e) == -1) {
		listed_page_drop(page);
		return NULL;
	}
	page->last = next == NULL;
	free(next);
	return page;
}

/* Has the page all that is between those two keys? */
static bool
covers(const struct listed_page *page, const char *from, const char *to)
{
	const struct listed *l = &page->all;

	return strcmp(from, page->after) >= 0 &&
	    (page->last || (l->n > 0 && strcmp(l->v[l->n - 1].key, to) >= 0));
}

/* How many keys come before that one. */
static size_t
below(const struct listed *l, const char *key)
{
	size_t from = 0, to = l->n, mid;

	while (from < to) {
		mid = from + (to - from) / 2;
		if (strcmp(l->v[mid].key, key) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static bool
is_old(const struct pager *p)
{
	return p->for_ns != 0 &&
	    monotonic_ns() - p->page->asked_ns >= p->for_ns;
}

/* A page that has all from there to there, or not: p's, or a new one. */
static bool
find_page(struct pager *p, const char *from, const char *to)
{
	if (p->page != NULL && !is_old(p) && covers(p->page, from, to))
		return true;
	if (p->left > 0) {
		p->left--;
		return false;
	}
	if (p->page != NULL) {
		p->skip = p->served >= WORTH ? 0 : 2 * p->skip + 1;
		if (p->skip > SKIP)
			p->skip = SKIP;
		p->left = p->skip;
	}
	listed_page_drop(p->page);
	p->page = NULL;
	p->served = 0;
	if (p->left > 0) {
		p->left--;
		return false;
	}
	p->page = page_new(p->s, from);
	if (p->page == NULL)
		p->skip = p->left = SKIP;
	return p->page != NULL && covers(p->page, from, to);
}

bool
pager_look(struct pager *p, const char *name, struct listed *l,
    struct listed_page **page)
{
	char *from = xasprintf("%s/", name), *to = xasprintf("%s0", name);
	bool is = p->s->ops->traits.flat && find_page(p, from, to);

	*page = NULL;
	if (is) {
		*page = p->page;
		atomic_fetch_add(&p->page->holders, 1);
		p->served++;
		listed_part(l, &p->page->all, from, below(&p->page->all, from),
		    below(&p->page->all, to));
	}
	free(from);
	free(to);
	return is;
}

void
pager_release(struct pager *p)
{
	listed_page_drop(p->page);
	p->page = NULL;
}
