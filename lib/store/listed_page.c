/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/listed_page.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"

enum {
	WORTH = 4, /* names that a page has to serve */
	SKIP = 256,
};

struct listed_page {
	atomic_uint holders;
	char *after; /* it begins behind that */
	bool last;   /* nothing is behind it */
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
	listed_begin(&page->all, s);
	if (s->ops->list_page(s, "", NULL, *after != '\0' ? after : NULL, keep,
		&page->all, &next, &e) == -1) {
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
is_old(const struct pager *p, const struct listed_page *page)
{
	return p->for_ns != 0 && listed_is_old(&page->all, p->for_ns);
}

static struct listed_page *
kept_page(struct pager *p, const char *from, const char *to)
{
	for (unsigned i = 0; i < PAGER_MOST; i++)
		if (p->pages[i] != NULL && covers(p->pages[i], from, to) &&
		    !is_old(p, p->pages[i]))
			return p->pages[i];
	return NULL;
}

/*
 * In the place of the one that came first.  A page from the first key on may have
 * all names, in whatever order they come: it is tried with what others saved.
 */
static struct listed_page *
turn_page(struct pager *p, const char *from, const char *to)
{
	struct listed_page **page;
	bool first = p->keeps > 0 && p->saved > 0 && !p->far;

	p->newest = p->keeps == 0 ? 0 : (p->newest + 1) % p->keeps;
	page = &p->pages[p->newest];
	listed_page_drop(*page);
	*page = page_new(p->s, first ? "" : from);
	if (first && (*page == NULL || !covers(*page, from, to))) {
		listed_page_drop(*page);
		p->far = true;
		p->saved--;
		*page = page_new(p->s, from);
	}
	p->served = 0;
	p->listed = true;
	if (*page == NULL)
		p->skip = p->left = SKIP;
	return *page;
}

/* A page that has all from there to there, kept or new; or NULL. */
static struct listed_page *
find_page(struct pager *p, const char *from, const char *to)
{
	struct listed_page *page = kept_page(p, from, to);

	if (page != NULL)
		return page;
	if (p->left == 0 && p->listed) {
		p->skip = p->served >= WORTH ? 0 : 2 * p->skip + 1;
		if (p->skip > SKIP)
			p->skip = SKIP;
		p->left = p->skip;
		p->listed = false;
	}
	if (p->left > 0) {
		p->left--;
		return NULL;
	}
	page = turn_page(p, from, to);
	p->saved--;
	return page != NULL && covers(page, from, to) ? page : NULL;
}

bool
pager_look(struct pager *p, const char *name, struct listed *l,
    struct listed_page **page)
{
	char *from = xasprintf("%s/", name), *to = xasprintf("%s0", name);
	struct listed_page *is =
	    p->s->ops->traits.flat ? find_page(p, from, to) : NULL;

	*page = is;
	if (is != NULL) {
		atomic_fetch_add(&is->holders, 1);
		p->served++;
		p->saved++;
		listed_part(l, &is->all, from, below(&is->all, from),
		    below(&is->all, to));
	}
	free(from);
	free(to);
	return is != NULL;
}

void
pager_release(struct pager *p)
{
	for (unsigned i = 0; i < PAGER_MOST; i++) {
		listed_page_drop(p->pages[i]);
		p->pages[i] = NULL;
	}
}
