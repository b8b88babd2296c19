/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pager hands out, against all keys; and how often it lists.
 */
#include "lib/store/listed_page.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "tests/unit/draw_kit.h"
#include "tests/unit/tap.h"

enum { KEYS = 4000, PAGE = 100, ROUNDS = 200 };

static char *keys[KEYS];
static size_t n_keys;
static unsigned calls;
static bool refused;

static int
list_page(struct store *s, const char *prefix, const char *delimiter,
    const char *after, store_each *each, void *ctx, char **next, struct err *e)
{
	size_t i = 0, n;

	(void)s, (void)prefix, (void)delimiter;
	calls++;
	*next = NULL;
	if (refused)
		return err_set(e, ERR_DENIED, "not allowed");
	while (i < n_keys && after != NULL && strcmp(keys[i], after) <= 0)
		i++;
	for (n = 0; i < n_keys && n < PAGE; i++, n++)
		(void)each(ctx, &(struct store_entry){ .key = keys[i] }, e);
	if (i < n_keys)
		*next = xstrdup(keys[i - 1]);
	return 0;
}

static const struct store_ops ops = {
	.traits = { .flat = true },
	.list_page = list_page,
};

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of databases, each with up to so many objects. */
static void
make(unsigned names, unsigned most)
{
	static const char *const suffix[] = { "", "-wal", "0", "/b" };

	for (; n_keys > 0; n_keys--)
		free(keys[n_keys - 1]);
	for (unsigned i = 0; i < names; i++) {
		unsigned nth = draw(1000), how = draw(4);

		for (unsigned k = draw(most) + 1; k > 0 && n_keys < KEYS; k--)
			keys[n_keys++] = xasprintf(
			    "d%u%s/generations/%u", nth, suffix[how], k);
	}
	qsort(keys, n_keys, sizeof(*keys), compare);
}

struct check {
	size_t i;
	bool right;
};

static int
is_next(void *ctx, const struct store_entry *en, struct err *e)
{
	struct check *c = ctx;

	(void)e;
	c->right =
	    c->right && c->i < n_keys && strcmp(keys[c->i], en->key) == 0;
	c->i++;
	return 0;
}

/* Is what is listed below name all that there is? */
static bool
is_all(const struct listed *l, const char *name)
{
	char *prefix = xasprintf("%s/", name);
	struct check c = { .right = true };
	size_t n = strlen(prefix), end;
	unsigned before = calls;
	struct err e;

	while (c.i < n_keys && strcmp(keys[c.i], prefix) < 0)
		c.i++;
	for (end = c.i; end < n_keys && strncmp(keys[end], prefix, n) == 0;)
		end++;
	(void)listed_each(l, prefix, false, is_next, &c, &e);
	free(prefix);
	return c.right && c.i == end && calls == before;
}

/* All names in order; what is not handed out would be a listing each. */
static bool
round_of(unsigned names, unsigned most, unsigned *seen, unsigned *listings)
{
	struct store s = { .ops = &ops };
	struct pager p = { .s = &s };
	struct listed_page *page, *held = NULL;
	struct listed l;
	char *last = xstrdup("");
	bool right = true;

	make(names, most);
	calls = 0;
	for (size_t i = 0; i < n_keys; i++) {
		char *name = xasprintf("%.*s",
		    (int)(strstr(keys[i], "/generations/") - keys[i]), keys[i]);

		if (strcmp(name, last) == 0) {
			free(name);
			continue;
		}
		free(last);
		last = name;
		*seen += 1;
		if (!pager_look(&p, name, &l, &page)) {
			*listings += 1;
			continue;
		}
		right = right && is_all(&l, name);
		listed_release(&l);
		/* It outlives the pager's hold. */
		listed_page_drop(held);
		held = page;
	}
	pager_release(&p);
	listed_page_drop(held);
	free(last);
	*listings += calls;
	return right;
}

/* Names in any order, among many that are there: what is handed out is right, and
 * few pages are listed where they have all. */
static void
test_any_order(void)
{
	struct store s = { .ops = &ops };
	struct pager p = { .s = &s, .keeps = PAGER_MOST };
	struct listed_page *page;
	struct listed l;
	unsigned listings = 0;
	bool right = true;

	make(30, 3); /* a page has all: in the order of names one is enough */
	calls = 0;
	for (unsigned i = 0; i < 1000; i++) {
		char *name = xasprintf("d%u", draw(1000));

		if (!pager_look(&p, name, &l, &page)) {
			listings++;
		} else {
			right = right && is_all(&l, name);
			listed_release(&l);
			listed_page_drop(page);
		}
		free(name);
	}
	pager_release(&p);
	printf("# %zu keys, %u pages, %u listings\n", n_keys, calls, listings);
	ok(right, "in any order: what is handed out is all there is");
	ok(calls + listings < 100, "in any order: few listings");
}

/* So many names are asked for, with a pager that holds for so long. */
static unsigned
handed_out(struct pager *p, unsigned names)
{
	struct listed_page *page;
	struct listed l;
	unsigned n = 0;

	calls = 0;
	for (unsigned i = 0; i < names; i++) {
		char *name = xasprintf("e%05u", i);

		if (pager_look(p, name, &l, &page)) {
			n++;
			listed_release(&l);
			listed_page_drop(page);
		}
		free(name);
	}
	pager_release(p);
	return n;
}

static void
test_pages_of_a_while(void)
{
	struct store s = { .ops = &ops };
	unsigned n;

	make(0, 1); /* nothing is there: a page has all */
	n = handed_out(&(struct pager){ .s = &s, .left = 3 }, 100);
	ok(n == 97 && calls == 1, "three alone, and a page for all others");
	n = handed_out(
	    &(struct pager){ .s = &s, .keeps = PAGER_MOST, .left = 3 }, 100);
	ok(n == 97 && calls == 1, "likewise where more pages are kept");
	n = handed_out(&(struct pager){ .s = &s, .for_ns = INT64_MAX }, 100);
	ok(n == 100 && calls == 1, "a page serves as long as it may");
	n = handed_out(&(struct pager){ .s = &s, .for_ns = 1 }, 100);
	printf("# %u of 100, %u pages\n", n, calls);
	ok(n == calls && calls < 10, "an old page serves nobody");
	refused = true;
	n = handed_out(&(struct pager){ .s = &s }, 200);
	ok(n == 0 && calls == 1,
	    "what cannot be listed is not asked for again");
	refused = false;
}

int
main(void)
{
	unsigned good = 0, seen = 0, listings = 0;

	seed = tap_seed();
	for (unsigned i = 0; i < ROUNDS; i++)
		good += round_of(draw(400), 1 + draw(i % 4 == 0 ? 150 : 5),
		    &seen, &listings);
	is_int(good, ROUNDS, "what is handed out is all there is below a name");
	seen = listings = 0;
	(void)round_of(1000, 3, &seen, &listings);
	printf("# %u names of few objects, %u listings\n", seen, listings);
	ok(listings <= 2 + seen / 20, "few objects each: few listings");
	seen = listings = 0;
	(void)round_of(30, 400, &seen, &listings);
	printf("# %u names of many objects, %u listings\n", seen, listings);
	ok(listings <= seen + 12, "many objects each: hardly one more each");
	test_any_order();
	test_pages_of_a_while();
	return done();
}
