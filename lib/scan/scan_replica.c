/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the databases of a replica in a directory: one delimited listing for
 * each directory on the way, none of the objects of a database but the first
 * (of LTX, of each level), or where they are asked for, and few, all of them.
 * S3 has a way of its own: scan_rolled.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/replica/ltx/ltx_names.h"
#include "lib/replica/wal/layout.h"
#include "lib/scan/scan.h"
#include "lib/scan/scan_rolled.h"
#include "lib/store/listed.h"
#include "lib/store/store.h"
#include "lib/sys/file.h"
#include "lib/sys/stop.h"
#include "lib/text/glob.h"

#define GENERATIONS "generations/"

enum { FEW = 32 }; /* objects of one database */

/* Strings, the last of which is the next. */
struct list {
	char **v;
	size_t n, room;
};

struct search {
	const struct scan *s;
	struct store *st;
	const char *pattern; /* NULL: all */
	struct list todo;    /* prefixes: "" or ending in '/' */
	struct buf url;      /* of what is looked at */
	bool begun;          /* it is not the first prefix */
	bool proven;         /* there is an object of a database */
	size_t skip;         /* bytes before the name of an object */
};

static void
add(struct list *l, const char *s)
{
	if (l->n == l->room) {
		l->room = l->room * 2 + 16;
		l->v = xrealloc(l->v, l->room * sizeof(*l->v));
	}
	l->v[l->n++] = xstrdup(s);
}

static void
clear(struct list *l)
{
	while (l->n > 0)
		free(l->v[--l->n]);
	free(l->v);
	*l = (struct list){ 0 };
}

/* The URL of a prefix or key, without a slash at its end. */
static const char *
url_of(struct search *f, const char *key)
{
	size_t n = strlen(key);

	buf_reset(&f->url);
	buf_adds(&f->url, f->st->root);
	if (n > 0)
		buf_add(&f->url, "/", 1);
	buf_add(&f->url, key, n > 0 && key[n - 1] == '/' ? n - 1 : n);
	return buf_str(&f->url);
}

/* The key in what url_of() made. */
static const char *
key_in(const struct search *f)
{
	const char *key = buf_str(&f->url) + strlen(f->st->root);

	return *key == '/' ? key + 1 : key;
}

static bool
matches(const char *pattern, const char *path)
{
	struct err e;

	return glob_match(pattern, path, &e) == 1;
}

/* Is the prefix p to be looked at? */
static bool
wanted(struct search *f, const char *p)
{
	const char *url = url_of(f, p), *key = key_in(f);

	for (char **x = f->s->exclude; x != NULL && *x != NULL; x++)
		if (matches(*x, url) || matches(*x, path_base(key)))
			return false;
	return f->pattern == NULL || matches(f->pattern, key) ||
	    glob_may_descend(f->pattern, key);
}

/* Prefixes that are found below one. */
struct below {
	struct search *f;
	struct list *out;
	size_t others; /* that are none */
};

static int
note_prefix(void *ctx, const struct store_entry *en, struct err *e)
{
	struct below *b = ctx;
	struct err odd;

	(void)e;
	if (en->prefix)
		add(b->out, en->key);
	else
		b->others++;
	if (en->odd == NULL)
		return 0;
	if (wanted(b->f, en->key)) {
		(void)store_refuse_odd(en, &odd);
		b->f->s->failed(b->f->s->ctx, url_of(b->f, en->key), &odd);
	}
	return STORE_PASS;
}

static int
note_object(void *ctx, const struct store_entry *en, struct err *e)
{
	struct search *f = ctx;
	struct layout_name n;

	(void)e;
	f->proven =
	    layout_parse(&n, en->key + f->skip) && n.kind != LAYOUT_ALONE;
	return f->proven;
}

/* The prefixes right below p.  What cannot be listed is reported.  True: there
 * is nothing else. */
static bool
list_below(struct search *f, const char *p, struct list *out)
{
	struct below b = { f, out, 0 };
	struct err e;

	if (f->st->ops->list(f->st, p, true, note_prefix, &b, &e) == 0)
		return b.others == 0;
	f->s->failed(f->s->ctx, url_of(f, p), &e);
	return false;
}

/* Does the generation with that prefix hold any object? */
static bool
holds_objects(struct search *f, const char *p)
{
	struct err e;

	f->proven = false;
	f->skip = strlen(p);
	if (f->st->ops->list(f->st, p, false, note_object, f, &e) == -1)
		f->s->failed(f->s->ctx, url_of(f, p), &e);
	return f->proven;
}

static int
note_ltx(void *ctx, const struct store_entry *en, struct err *e)
{
	struct search *f = ctx;
	enum ltx_levels how;
	struct ltx_name n;
	size_t db;

	(void)e;
	f->proven =
	    ltx_object(en->key, &db, &how, &n) && db + (db > 0) == f->skip;
	return f->proven;
}

/*
 * Does p, which is right below a prefix of 'above' bytes, hold LTX files of
 * what that names?
 */
static bool
holds_ltx(struct search *f, const char *p, size_t above)
{
	const char *name = p + above;
	unsigned level;
	struct err e;

	if (strcmp(name, "ltx/") != 0 &&
	    !ltx_parse_level(name, strlen(name) - 1, LTX_LEVELS_FLAT, &level))
		return false;
	f->proven = false;
	f->skip = above;
	if (f->st->ops->list(f->st, p, false, note_ltx, f, &e) == -1)
		f->s->failed(f->s->ctx, url_of(f, p), &e);
	return f->proven;
}

/* Is p ("<above>/<name>/") a generation by its name? */
static bool
is_generation(const char *p, size_t above)
{
	char name[LAYOUT_GENERATION];
	size_t n = strlen(p + above);

	if (n != sizeof(name))
		return false;
	memcpy(name, p + above, n - 1);
	name[n - 1] = '\0';
	return layout_is_generation(name);
}

/*
 * Look below p, which is "<key>/generations/": true if that makes key a
 * database.  A directory of this name may also lead to others, and be one
 * itself, with another of this name in it: to 'out'.
 */
static bool
look_at_generations(struct search *f, const char *p, struct list *out)
{
	struct list below = { 0 };
	bool is = false, again = false;

	(void)list_below(f, p, &below);
	for (size_t i = 0; i < below.n && !again; i++)
		again = strcmp(below.v[i] + strlen(p), GENERATIONS) == 0;
	if (again)
		add(out, p);
	for (size_t i = 0; i < below.n; i++)
		if (is_generation(below.v[i], strlen(p)) &&
		    (is || (is = holds_objects(f, below.v[i]))))
			continue;
		else if (!again)
			add(out, below.v[i]);
	clear(&below);
	return is;
}

/* Is p a folder "generations" that holds another one, so that both of them may
 * make a database of what they are in? */
static bool
is_both(const struct search *f, const char *p)
{
	size_t n = strlen(p), word = sizeof(GENERATIONS) - 1;

	return f->begun && n >= word &&
	    strcmp(p + n - word, GENERATIONS) == 0 &&
	    (n == word || p[n - word - 1] == '/');
}

/* All objects in a folder "generations", while they are few. */
struct whole {
	size_t skip; /* bytes of a key before what is in it */
	struct listed *l;
	bool other, proven;
};

static int
keep_object(void *ctx, const struct store_entry *en, struct err *e)
{
	struct whole *w = ctx;
	char line[POS_LINE];
	struct layout_name n;

	(void)e;
	w->other = en->odd != NULL || w->l->n == FEW ||
	    !layout_parse_below(en->key + w->skip, line, &n);
	if (w->other)
		return 1;
	w->proven |= n.kind == LAYOUT_SNAPSHOT || n.kind == LAYOUT_SEGMENT;
	listed_add(w->l, en);
	return 0;
}

/*
 * p has nothing but a folder "generations".  True: that makes it a database, all
 * that it holds is few objects, and they were handed out.  False: nothing is
 * known, and the longer way tells what it is, and what fails.
 */
static bool
look_at_few(struct search *f, const char *p, const char *generations)
{
	struct listed l;
	struct whole w = { .skip = strlen(generations), .l = &l };
	struct err e;

	(void)url_of(f, p);
	if (f->s->lists == NULL ||
	    (f->pattern != NULL && !matches(f->pattern, key_in(f))) ||
	    !f->s->lists(f->s->ctx, key_in(f)))
		return false;
	listed_begin(&l, f->st);
	if (f->st->ops->list(f->st, generations, false, keep_object, &w, &e) ==
		-1 ||
	    w.other || !w.proven) {
		listed_release(&l);
		return false;
	}
	listed_whole(&l, p);
	f->s->listed(f->s->ctx, &l);
	return true;
}

/* Report the database p if there is one; what else is below goes to todo. */
static int
look(struct search *f, const char *p)
{
	struct list below = { 0 }, more = { 0 };
	size_t skip = strlen(p);
	bool is = false, both = is_both(f, p), alone;
	int rc = 0;

	f->begun = true;
	alone = list_below(f, p, &below);
	if (alone && below.n == 1 &&
	    strcmp(below.v[0] + skip, GENERATIONS) == 0 &&
	    look_at_few(f, p, below.v[0])) {
		clear(&below);
		return f->s->found(f->s->ctx, buf_str(&f->url));
	}
	for (size_t i = 0; i < below.n; i++)
		if (strcmp(below.v[i] + skip, GENERATIONS) == 0)
			is |= look_at_generations(f, below.v[i], &more);
		else if (holds_ltx(f, below.v[i], skip))
			is = true;
		else if (!both || !is_generation(below.v[i], skip) ||
		    !holds_objects(f, below.v[i]))
			add(&more, below.v[i]);
	(void)url_of(f, p);
	if (is && (f->pattern == NULL || matches(f->pattern, key_in(f))))
		rc = f->s->found(f->s->ctx, buf_str(&f->url));
	for (size_t i = more.n; i > 0; i--)
		if (wanted(f, more.v[i - 1]))
			add(&f->todo, more.v[i - 1]);
	clear(&below);
	clear(&more);
	return rc;
}

/* The prefix to begin at: nothing outside of it can match. */
static void
begin(struct search *f)
{
	struct buf p = { 0 };

	if (f->pattern == NULL) {
		add(&f->todo, "");
		return;
	}
	if (glob_is_pattern(f->pattern))
		buf_add(&p, f->pattern, glob_fixed(f->pattern));
	else
		buf_addf(&p, "%s/", f->pattern);
	add(&f->todo, buf_str(&p));
	buf_release(&p);
}

int
scan_replica(const struct scan *s, struct store *st, const char *pattern)
{
	struct search f = {
		.s = s,
		.st = st,
		.pattern = pattern == NULL || *pattern == '\0' ? NULL : pattern,
	};
	struct err e;
	char *p;
	int rc = 0;

	if (f.pattern != NULL && glob_check(f.pattern, &e) == -1) {
		s->failed(s->ctx, url_of(&f, f.pattern), &e);
		goto out;
	}
	if (st->ops->traits.flat) {
		rc = scan_rolled(s, st, f.pattern);
		goto out;
	}
	begin(&f);
	while (f.todo.n > 0 && rc == 0 && !stop_requested()) {
		p = f.todo.v[--f.todo.n];
		rc = look(&f, p);
		free(p);
		if (s->pause != NULL)
			s->pause(s->ctx);
	}
out:
	clear(&f.todo);
	buf_release(&f.url);
	return rc;
}
