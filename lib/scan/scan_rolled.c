/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/scan/scan_rolled.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/replica/ltx/ltx_names.h"
#include "lib/scan/scan.h"
#include "lib/store/store.h"
#include "lib/sys/file.h"
#include "lib/sys/pool.h"
#include "lib/sys/stop.h"
#include "lib/text/glob.h"

#define GENERATIONS "generations/"

enum {
	HELD = 256 << 10, /* bytes of keys that wait for their turn, a range */
	DENSE = 8,        /* databases below a prefix that make it worth one */
	WORTH = 2000,     /* databases worth a range */
};

/* Keys between two places, in one worker's hands at a time. */
struct range {
	struct job job;
	struct rolled *w;
	uint64_t nth;
	char *at;        /* what is behind it is to be listed; NULL: all */
	char *to;        /* up to here; NULL: to the end */
	bool more;       /* it is not at its end */
	char *last;      /* key of the database seen last */
	struct buf hits; /* keys to report, each with its 0 */
	struct buf all;  /* keys seen, as long as sample is set */
	bool sample;
	struct buf behind; /* where no more of the last entry is */
	int rc;
	struct err e;
};

struct strings {
	char **v;
	size_t n, room, i;
};

struct rolled {
	const struct scan *s;
	struct store *st;
	const char *pattern; /* NULL: all */
	char *places;        /* scan_places() of it */
	char *prefix;        /* what every match begins with */
	size_t base;         /* bytes of it up to its last slash */
	atomic_bool over;    /* nothing more is wanted */
	/* the reader's: how the rest is divided */
	struct range *first;
	char *dir; /* whose children are listed: "", or ends in a slash */
	char *at;  /* these are behind it; NULL: there are no more */
	struct strings children;
	size_t group; /* so many a range */
	uint64_t given;
	/* the main thread's */
	struct range **held; /* done, before their turn */
	size_t n_held;
	uint64_t turn;
	struct buf url;
	int rc;
};

/* -- small things ---------------------------------------------------------- */

static bool
matches(const char *pattern, const char *path)
{
	struct err e;

	return glob_match(pattern, path, &e) == 1;
}

/* The first key after all keys below dir, which ends in a slash. */
static char *
behind_all(const char *dir)
{
	char *s = xstrdup(dir);

	s[strlen(s) - 1] = '/' + 1;
	return s;
}

static void
replace(char **to, char *s)
{
	free(*to);
	*to = s;
}

/* The URL of the first n bytes of a key. */
static void
url_of(const struct rolled *w, const char *key, size_t n, struct buf *url)
{
	buf_reset(url);
	buf_adds(url, w->st->root);
	if (n > 0)
		buf_add(url, "/", 1);
	buf_add(url, key, n);
}

static bool
is_excluded(const struct rolled *w, const char *key, size_t n, struct buf *url)
{
	url_of(w, key, n, url);
	for (char **x = w->s->exclude; *x != NULL; x++)
		if (matches(*x, buf_str(url)) ||
		    matches(*x, path_base(buf_str(url))))
			return true;
	return false;
}

/* How many bytes of key name what is excluded: it, or a directory that it is
 * below?  0: none is. */
static size_t
excluded(const struct rolled *w, const char *key)
{
	size_t len = strlen(key), n = 0;
	struct buf url = { 0 };
	bool is = false;

	if (w->s->exclude == NULL)
		return 0;
	while (!is && n < len) {
		n += n > 0;
		n += strcspn(key + n, "/");
		is = is_excluded(w, key, n, &url);
	}
	buf_release(&url);
	return is ? n : 0;
}

static struct range *
range_new(struct rolled *w, char *at, char *to)
{
	struct range *g = xcalloc(1, sizeof(*g));

	g->w = w;
	g->nth = w->given++;
	g->at = at;
	g->to = to;
	g->more = true;
	return g;
}

static void
range_free(struct range *g)
{
	if (g == NULL)
		return;
	free(g->at);
	free(g->to);
	free(g->last);
	buf_release(&g->hits);
	buf_release(&g->all);
	buf_release(&g->behind);
	free(g);
}

/* -- listing a range ------------------------------------------------------- */

/* Of which key is that an object?  Its length, or -1: of none.  *all is that of
 * what all objects of its kind that the key has begin with, less a slash. */
static ptrdiff_t
key_of(const char *name, size_t *all)
{
	const char *end = strstr(name, "/" GENERATIONS);
	enum ltx_levels how;
	struct ltx_name n;
	size_t db;

	*all = sizeof(GENERATIONS) - 2;
	if (strncmp(name, GENERATIONS, sizeof(GENERATIONS) - 1) == 0)
		return 0; /* the root itself */
	if (end != NULL && end != name) {
		*all += (size_t)(end - name) + 1;
		return end - name;
	}
	if (!ltx_object(name, &db, &how, &n))
		return -1;
	*all = (size_t)(strrchr(name, '/') - name);
	return (ptrdiff_t)db;
}

static void
note_database(struct range *g, const char *key, const char *name, size_t all)
{
	struct rolled *w = g->w;
	size_t n = excluded(w, key), len = strlen(key);

	buf_reset(&g->behind);
	if (n > 0)
		buf_addf(&g->behind, "%.*s0", (int)n, key);
	else
		buf_addf(&g->behind, "%.*s0", (int)all, name);
	/* A server that knows no long delimiter reports each object. */
	if (g->last != NULL && strcmp(g->last, key) == 0)
		return;
	replace(&g->last, xstrdup(key));
	if (g->sample)
		buf_add(&g->all, key, len + 1);
	if (n == 0 && (w->pattern == NULL || matches(w->pattern, key)))
		buf_add(&g->hits, key, len + 1);
}

static int
note(void *ctx, const struct store_entry *en, struct err *e)
{
	struct range *g = ctx;
	size_t all;
	ptrdiff_t n = key_of(en->key, &all);
	char *key;

	(void)e;
	if (g->to != NULL && strcmp(en->key, g->to) >= 0)
		return 1;
	buf_reset(&g->behind);
	if (n >= 0) {
		key = xasprintf("%.*s", (int)n, en->key);
		note_database(g, key, en->key, all);
		free(key);
	}
	return 0;
}

/* From next on, or from where more can match: false if nothing can. */
static bool
go_on(struct range *g, const char *next)
{
	const char *places = g->w->places;
	struct buf at = { 0 };
	bool more = true;

	if (strcmp(buf_str(&g->behind), next) > 0)
		next = buf_str(&g->behind);
	if (places == NULL)
		buf_adds(&at, next);
	else
		more = glob_next(places, next, &at);
	replace(&g->at, xstrdup(buf_str(&at)));
	buf_release(&at);
	return more && (g->to == NULL || strcmp(g->at, g->to) < 0);
}

static void
list_some(struct range *g)
{
	struct rolled *w = g->w;
	char *next = NULL;

	g->rc = w->st->ops->list_page(
	    w->st, w->prefix, "/" GENERATIONS, g->at, note, g, &next, &g->e);
	g->more = g->rc == 0 && next != NULL && go_on(g, next);
	free(next);
}

static bool
over(const struct rolled *w)
{
	return atomic_load(&w->over) || stop_requested();
}

static void
work(struct job *job, void *arg)
{
	struct range *g = (struct range *)job;

	(void)arg;
	while (g->rc == 0 && g->more && g->hits.len < HELD && !over(g->w))
		list_some(g);
}

/* -- reporting ------------------------------------------------------------- */

/* Its keys so far, and its failure. */
static void
report(struct rolled *w, struct range *g)
{
	const char *key = (const char *)g->hits.data;
	const char *end = key + g->hits.len;

	for (; key < end && !over(w); key += strlen(key) + 1) {
		url_of(w, key, strlen(key), &w->url);
		w->rc = w->s->found(w->s->ctx, buf_str(&w->url));
		if (w->rc == -1)
			atomic_store(&w->over, true);
	}
	buf_reset(&g->hits);
	if (g->rc == -1 && !over(w)) {
		atomic_store(&w->over, true);
		url_of(w, w->prefix, w->base > 0 ? w->base - 1 : 0, &w->url);
		w->s->failed(w->s->ctx, buf_str(&w->url), &g->e);
	}
	if (w->s->pause != NULL)
		w->s->pause(w->s->ctx);
}

/* A key that was held back and is due now, or is not wanted any more. */
static void
report_held(struct rolled *w, struct pool *p)
{
	size_t i = 0;

	while (i < w->n_held) {
		struct range *g = w->held[i];

		if (g->nth != w->turn && !over(w)) {
			i++;
			continue;
		}
		w->held[i] = w->held[--w->n_held];
		if (g->nth == w->turn)
			report(w, g);
		if (g->more && g->rc == 0 && !over(w)) {
			pool_again(p, &g->job);
			return;
		}
		w->turn += g->nth == w->turn;
		pool_done(p, &g->job);
		range_free(g);
		i = 0;
	}
}

static void
finish(struct pool *p, struct job **jobs, size_t n, void *ctx)
{
	struct rolled *w = ctx;

	w->held = xrealloc(w->held, (w->n_held + n) * sizeof(struct range *));
	for (size_t i = 0; i < n; i++)
		w->held[w->n_held++] = (struct range *)jobs[i];
	report_held(w, p);
}

/* -- dividing -------------------------------------------------------------- */

static void
clear_children(struct rolled *w)
{
	while (w->children.n > 0)
		free(w->children.v[--w->children.n]);
	w->children.i = 0;
}

static int
note_child(void *ctx, const struct store_entry *en, struct err *e)
{
	struct strings *l = ctx;

	(void)e;
	if (!en->prefix)
		return 0;
	if (l->n == l->room) {
		l->room = l->room * 2 + 64;
		l->v = xrealloc(l->v, l->room * sizeof(*l->v));
	}
	l->v[l->n++] = xstrdup(en->key);
	return 0;
}

/* Could a database that is wanted be child i, or below it? */
static bool
is_wanted(struct rolled *w, size_t i)
{
	char *key = xstrdup(w->children.v[i]);
	bool is;

	key[strlen(key) - 1] = '\0';
	is = excluded(w, key) == 0 &&
	    (w->pattern == NULL || matches(w->pattern, key) ||
		glob_may_descend(w->pattern, key));
	free(key);
	return is;
}

/* The next children that are wanted and not apart, or NULL. */
static struct range *
range_of_children(struct rolled *w)
{
	struct strings *l = &w->children;
	size_t from;

	while (l->i < l->n && !is_wanted(w, l->i))
		l->i++;
	if ((from = l->i) == l->n)
		return NULL;
	do
		l->i++;
	while (l->i < l->n && l->i < from + w->group && is_wanted(w, l->i));
	return range_new(w, xstrdup(l->v[from]), behind_all(l->v[l->i - 1]));
}

/* More children, of the directory or of the one it is in.  1: there may be
 * some; 0: no more; -1. */
static int
more_children(struct rolled *w, struct err *e)
{
	size_t n = strlen(w->dir);
	char *next = NULL;
	int rc;

	clear_children(w);
	if (w->at == NULL) {
		if (n <= w->base)
			return 0;
		w->at = behind_all(w->dir);
		for (n--; n > 0 && w->dir[n - 1] != '/';)
			n--;
		w->dir[n] = '\0';
	}
	rc = w->st->ops->list_page(w->st,
	    n > strlen(w->prefix) ? w->dir : w->prefix, "/", w->at, note_child,
	    &w->children, &next, e);
	replace(&w->at, next);
	return rc == -1 ? -1 : 1;
}

static struct job *
next_range(void *ctx)
{
	struct rolled *w = ctx;
	struct range *g = w->first;
	struct err e;
	int rc = 1;

	w->first = NULL;
	if (w->dir == NULL)
		return NULL;
	while (g == NULL && rc == 1 && !over(w))
		if ((g = range_of_children(w)) == NULL)
			rc = more_children(w, &e);
	if (rc == -1) { /* it is the last one, which tells of it */
		g = range_new(w, NULL, NULL);
		g->rc = -1;
		g->e = e;
		replace(&w->dir, NULL);
	}
	return g == NULL ? NULL : &g->job;
}

/* Bytes of the directory in which both keys are. */
static size_t
common_dir(const char *a, const char *b)
{
	size_t n = 0, dir = 0;

	for (; a[n] != '\0' && a[n] == b[n]; n++)
		if (a[n] == '/')
			dir = n + 1;
	return dir;
}

/*
 * Divide what is behind the first page by the children of the directory that
 * this page lies in, and then of those above it.  False: they hold too few
 * databases each, so that listing them costs what it saves.
 */
static bool
divide(struct rolled *w, struct range *first)
{
	const char *key = (const char *)first->all.data, *was = NULL;
	const char *end = key + first->all.len;
	size_t dir, n = 0, children = 0, len;

	if (w->s->jobs < 2 || key == end)
		return false;
	dir = common_dir(key, first->last);
	for (; key < end; key += strlen(key) + 1, n++) {
		len = dir + strcspn(key + dir, "/");
		if (was == NULL || strncmp(was, key, len) != 0 ||
		    (was[len] != '/' && was[len] != '\0'))
			children++;
		was = key;
	}
	if (n < DENSE * children)
		return false;
	w->group = WORTH * children / n + 1;
	w->dir = xasprintf("%.*s", (int)dir, first->last);
	len = dir + strcspn(first->last + dir, "/");
	w->at = xasprintf("%.*s0", (int)len, first->last);
	first->to = xstrdup(w->at);
	first->more = strcmp(first->at, first->to) < 0;
	w->first = first;
	return true;
}

/* -- all of it ------------------------------------------------------------- */

static void
side_by_side(struct rolled *w)
{
	static const struct pool_ops ops = {
		.next = next_range, .work = work, .finish = finish
	};
	unsigned n = w->s->jobs;
	struct range *first = w->first;
	struct err e;

	if (pool_run(&ops, w, NULL, n, (size_t)n * 2, 1, &e) == -1) {
		w->s->failed(w->s->ctx, w->st->root, &e);
		range_free(first);
	}
	clear_children(w);
	free(w->children.v);
	free(w->held);
}

/* The part of a pattern that is none. */
static void
find_prefix(struct rolled *w)
{
	size_t n = w->pattern == NULL ? 0 : strcspn(w->pattern, "*?[{\\");

	w->prefix = xasprintf("%.*s", (int)n, n > 0 ? w->pattern : "");
	while (n > 0 && w->prefix[n - 1] != '/')
		n--;
	w->base = n;
}

/*
 * A pattern for what is listed of the databases that pattern matches, for
 * glob_next(): their objects, and what these are rolled up to.  The caller
 * frees it.
 *
 * A name ends where a slash follows, which comes behind "-" and ".": to look
 * for names alone would pass over "a/x" behind "a/x.old".
 */
static char *
scan_places(const char *pattern)
{
	size_t n = strlen(pattern);

	while (n > 0 && pattern[n - 1] == '/')
		n--;
	return xasprintf("%.*s/" GENERATIONS "**", (int)n, pattern);
}

int
scan_rolled(const struct scan *s, struct store *st, const char *pattern)
{
	struct rolled w = { .s = s, .st = st, .pattern = pattern };
	struct range *g = range_new(&w, NULL, NULL);

	find_prefix(&w);
	if (pattern != NULL)
		w.places = scan_places(pattern);
	g->sample = true;
	list_some(g);
	g->sample = false;
	report(&w, g);
	if (g->more && !over(&w) && divide(&w, g)) {
		side_by_side(&w);
	} else {
		while (g->more && !over(&w)) {
			list_some(g);
			report(&w, g);
		}
		range_free(g);
	}
	free(w.prefix);
	free(w.places);
	free(w.dir);
	free(w.at);
	buf_release(&w.url);
	return w.rc;
}
