/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listed_page -- what is below names that follow each other, listed by few
 * requests.
 *
 * Whoever works on many databases in byte order of "<name>/" would list each.
 * One page of a store that lists by key holds some hundred of them.  So a pager
 * lists from a name on, whatever comes, and hands out what is below each name
 * of which the page has all.  Where pages serve hardly any name, since there is
 * much below each, or much between them, it lists none for a while.  In another
 * order pages serve, too, where all that there is is a few of them.  There are no
 * more listings than names, but for pages that could not be had, or that had not
 * all below the name that they were listed for: a thousand objects and more.
 *
 * A page lives as long as somebody holds it: some 200 KB.  What others put
 * meanwhile is not in it, so who minds says how long it serves.
 */
#ifndef LSPP_STORE_LISTED_PAGE_H
#define LSPP_STORE_LISTED_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/store/listed.h"

struct listed_page;

enum { PAGER_MOST = 8 };

/* { .s = store } is a new one; with left, it pages behind so many names. */
struct pager {
	struct store *s; /* borrowed */
	unsigned keeps;  /* pages, PAGER_MOST at most, for names in any order */
	int64_t for_ns;  /* no page serves longer; 0: each does */
	/* private */
	struct listed_page *pages[PAGER_MOST];
	unsigned newest;
	unsigned served;     /* since that came */
	bool listed;         /* whether it was worth it is not told yet */
	int64_t saved;       /* names served, less pages listed */
	bool far;            /* no page from the first key on has them */
	unsigned skip, left; /* names that are left out, once it served few */
};

/*
 * What is below "name/".  True: *l is that, until *page is dropped; and each of
 * the two is the caller's to release and to drop.  False: list it.
 */
bool pager_look(struct pager *p, const char *name, struct listed *l,
    struct listed_page **page);
void pager_release(struct pager *p);

/* On any thread.  Takes NULL. */
void listed_page_drop(struct listed_page *page);

#endif
