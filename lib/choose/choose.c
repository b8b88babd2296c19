/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/choose/choose.h"

#include <stdlib.h>
#include <string.h>

#include "lib/replica/ltx/ltx_list.h"
#include "lib/replica/wal/layout.h"
#include "lib/scan/scan.h"
#include "lib/sqlite/beside.h"
#include "lib/store/listed.h"
#include "lib/store/open/store_open.h"
#include "lib/sys/stop.h"
#include "lib/text/glob.h"

/* A pattern at work. */
struct search {
	struct chooser *h;
	const char *operand, *pattern;
	size_t skip; /* of each key, for its target */
	bool any;    /* it found or reported something */
	bool failed; /* not all could be listed */
	bool ended;  /* chosen() said so */
	/* All that is below the key that is found next. */
	bool listed;
	struct listed below;
};

void
choice_release(struct choice *c)
{
	free(c->name);
	buf_release(&c->key);
	buf_release(&c->path);
	for (size_t i = 0; i < c->others; i++)
		buf_release(&c->other[i].key);
	free(c->other);
	if (c->listed)
		listed_release(&c->below);
	*c = (struct choice){ 0 };
}

void
choose_release(struct chooser *h)
{
	target_set_release(&h->seen);
}

static void
fail_beside(struct choice *c, const char *other)
{
	c->clash = true;
	c->rc = err_set(&c->e, ERR_EXISTS,
	    "cannot be where %s is to be: to SQLite one is a log of the other",
	    other);
	err_hint(&c->e, "restore one of them to elsewhere with -o DIR");
}

int
choice_apart(struct choice *c, const struct target_set *s)
{
	struct buf other = { 0 };

	if (target_set_beside(s, buf_str(&c->path), &other))
		fail_beside(c, buf_str(&other));
	buf_release(&other);
	return c->clash ? -1 : 0;
}

/* Its target, and who else has it. */
static enum target_met
place(struct chooser *h, struct choice *c, size_t skip)
{
	enum target_met met;

	target_path(&h->target, buf_str(&c->key), skip, &c->path, &c->trusted);
	if (h->files && choice_apart(c, &h->seen) == -1)
		return TARGET_OTHER_KEY;
	met = target_set_add(&h->seen, buf_str(&c->path), buf_str(&c->key));
	if (met == TARGET_NEW)
		return met;
	c->clash = met == TARGET_OTHER_KEY;
	c->rc = err_set(&c->e, c->clash ? ERR_EXISTS : ERR_USAGE,
	    "%s is the target of %s", buf_str(&c->path),
	    c->clash ? "another database, too" : "an earlier path");
	if (met == TARGET_SAME_KEY)
		c->e.class = ERR_EXISTS;
	return met;
}

static bool
is_special(char c)
{
	return strchr("*?[]{}\\,", c) != NULL;
}

/*
 * What leads to this key and its target again: the key, or where a part of it
 * is left out in the target, a URL whose fixed part is that part.  It must be a
 * pattern, not what target_url() makes: so the first character is written in
 * another way than there.
 */
static char *
name_of(const struct search *f, const char *key, size_t skip)
{
	struct buf b = { 0 };
	char *name;

	if (skip == 0)
		return xstrdup(key);
	buf_addf(&b, "%s/%.*s", f->h->target.url, (int)skip, key);
	key += skip;
	buf_addf(
	    &b, strchr("*?[]{}\\", *key) != NULL ? "{\\%c}" : "\\%c", *key);
	for (const char *p = key + 1; *p != '\0'; p++) {
		if (is_special(*p))
			buf_adds(&b, "\\");
		buf_add(&b, p, 1);
	}
	name = xstrdup(buf_str(&b));
	buf_release(&b);
	return name;
}

/*
 * Does the pattern find another database, which key would be a log of?  That
 * one comes later, and is to be had: what somebody called so does not keep it
 * away.
 */
static bool
finds_main(const struct search *f, const char *key, struct choice *c)
{
	char *of = xasprintf("%.*s", (int)beside_of(key, strlen(key)), key);
	struct err none;
	bool finds = f->h->files && *of != '\0' &&
	    glob_match(f->pattern, of, &none) == 1 &&
	    choose_is_name(f->h->store, of, &none) == 1;

	if (finds)
		fail_beside(c, of);
	free(of);
	return finds;
}

int
choice_name(const struct chooser *h, const char *name, struct err *e)
{
	if (!target_key_is_normal(name))
		return err_set(e, ERR_USAGE,
		    "the name of a database in the replica is no path below "
		    "it");
	if (h->end != '\0' && strchr(name, h->end) != NULL) {
		err_set(e, ERR_USAGE, "the name holds a newline");
		return err_hint(e, "use -0");
	}
	return 0;
}

/* With one pattern, and all of each name in its target, no two have the same;
 * and whose log one would be, finds_main() tells. */
static enum target_met
found_place(struct search *f, struct choice *c, size_t skip)
{
	struct chooser *h = f->h;

	if (!h->alone || f->skip > 0)
		return place(h, c, skip);
	target_path(&h->target, buf_str(&c->key), skip, &c->path, &c->trusted);
	return TARGET_NEW;
}

static int
found_key(struct search *f, const char *key)
{
	struct chooser *h = f->h;
	struct choice c = { .store = h->store, .searched = true };
	size_t skip;

	f->any = true;
	/* "a/" and "**" find "a", too. */
	skip = f->skip < strlen(key) ? f->skip : 0;
	c.name = name_of(f, key, skip);
	buf_adds(&c.key, key);
	if (f->listed) {
		c.listed = true;
		c.below = f->below;
		f->listed = false;
	}
	c.rc = choice_name(h, key, &c.e);
	if (c.rc == 0 && !finds_main(f, key, &c) &&
	    found_place(f, &c, skip) == TARGET_SAME_KEY) {
		choice_release(&c);
		return 0;
	}
	if (!shard_has(&h->shard, key))
		choice_release(&c); /* its target is taken all the same */
	else
		f->ended = h->chosen(h->ctx, &c) == -1;
	return f->ended || stop_requested() ? -1 : 0;
}

static bool
lists(void *ctx, const char *key)
{
	const struct search *f = ctx;

	return f->h->lists && shard_has(&f->h->shard, key);
}

static void
take_listed(void *ctx, struct listed *l)
{
	struct search *f = ctx;

	f->below = *l;
	f->listed = true;
}

static int
found(void *ctx, const char *url)
{
	struct search *f = ctx;
	const char *key = url + strlen(f->h->target.url);

	return found_key(f, *key == '/' ? key + 1 : key);
}

/* Passes over the keys that the listing has brought. */
static int
add_known(void *search, const char *key)
{
	struct search *f = search;
	struct err e;

	return glob_match(f->pattern, key, &e) == 1 ? found_key(f, key) : 0;
}

/* What cannot be listed fails under the pattern's name: so it is tried again.
 */
static void
failed(void *ctx, const char *url, const struct err *e)
{
	struct search *f = ctx;
	struct choice c = { .name = xstrdup(f->operand), .rc = -1, .e = *e };

	f->any = f->failed = true;
	if (e->class != ERR_USAGE)
		err_in(&c.e, "cannot look for databases in %s", url);
	if (!f->ended)
		f->ended = f->h->chosen(f->h->ctx, &c) == -1;
	else
		choice_release(&c);
}

static int
choose_matching(struct chooser *h, const char *operand, const char *pattern)
{
	struct search f = { .h = h, .operand = operand, .pattern = pattern };
	struct scan s = { .found = found,
		.failed = failed,
		.lists = lists,
		.listed = take_listed,
		.ctx = &f };
	struct choice c = { 0 };

	if (store_is_url(operand) && h->target.into != NULL)
		f.skip = glob_fixed(pattern);
	(void)scan_replica(&s, h->store, pattern);
	if (h->known != NULL && !f.failed && !f.ended && !stop_requested())
		h->known(h->ctx, h->store, add_known, &f);
	if (f.any || stop_requested())
		return f.ended ? -1 : 0;
	c.name = xstrdup(operand);
	c.absent = true;
	c.rc = err_set(
	    &c.e, ERR_MISSING, "no database in %s matches", h->store->url);
	return h->chosen(h->ctx, &c);
}

struct look {
	size_t db; /* length of its name */
	bool found;
};

static int
note_object(void *ctx, const struct store_entry *en, struct err *e)
{
	struct look *l = ctx;
	struct layout_name name;
	size_t db;

	(void)e;
	l->found = layout_object(en->key, &db, &name) && db == l->db &&
	    (name.kind == LAYOUT_SNAPSHOT || name.kind == LAYOUT_SEGMENT);
	return l->found;
}

int
choose_is_name(struct store *s, const char *key, struct err *e)
{
	struct buf prefix = { 0 };
	struct look l = { .db = strlen(key) };
	struct listed from;
	int rc;

	layout_generation_prefix(&prefix, key, NULL);
	ltx_listed(&from, s, key);
	rc = listed_each(&from, buf_str(&prefix), false, note_object, &l, e);
	if (rc == 0)
		rc = l.found ? 1 : ltx_is_there(&from, key, e);
	listed_release(&from);
	buf_release(&prefix);
	return rc;
}

static int
note_below(void *ctx, const struct store_entry *en, struct err *e)
{
	struct look *l = ctx;
	struct layout_name name;
	enum ltx_levels how;
	struct ltx_name n;
	size_t db;

	(void)e;
	l->found = (layout_object(en->key, &db, &name) ||
		       ltx_object(en->key, &db, &how, &n)) &&
	    db > l->db;
	return l->found;
}

void
choose_hint_below(struct store *s, const char *key, struct err *e)
{
	char *prefix = xasprintf("%s/", key);
	struct look l = { .db = strlen(key) };
	struct err none;

	(void)s->ops->list(s, prefix, false, note_below, &l, &none);
	if (l.found)
		err_hint(e, "there are databases below it: '%s/**'", key);
	free(prefix);
}

bool
choose_is_any_depth(const char *operand)
{
	for (const char *p = operand; (p = strstr(p, "**")) != NULL; p += 2)
		if ((p == operand || p[-1] == '/') &&
		    (p[2] == '\0' || p[2] == '/'))
			return true;
	return false;
}

int
choose_refuse(const char *operand, const char *name, struct err *e)
{
	err_set(
	    e, ERR_USAGE, "is the name of a database, and a pattern for many");
	return err_hint(e,
	    "the pattern is also written '%s{%s}', and the name %s",
	    *operand == '/' ? "/" : "", operand + (*operand == '/'), name);
}

/* A tenant's file called "**" must not take all the others out of a run. */
static int
name_or_all(struct store *s, const char *key, struct err *e)
{
	int rc = choose_is_name(s, key, e);

	if (rc != 1 || !choose_is_any_depth(key))
		return rc;
	return choose_refuse(key, "as lspp-scan -r prints it", e);
}

int
choose_key_of(const struct target_conf *t, struct store *s, const char *operand,
    struct buf *key, struct err *e)
{
	switch (target_key(t, operand, key, e)) {
	case -1: return -1;
	case TARGET_NAME: return 1;
	case TARGET_EITHER: return name_or_all(s, buf_str(key), e);
	default: return 0;
	}
}

int
choose(struct chooser *h, const char *operand)
{
	struct choice c = { .store = h->store };
	int rc = choose_key_of(&h->target, h->store, operand, &c.key, &c.e);

	c.rc = rc == -1 ? -1 : 0;
	if (rc == 0) {
		rc = choose_matching(h, operand, buf_str(&c.key));
		choice_release(&c);
		return rc;
	}
	c.name = xstrdup(operand);
	if (rc != -1) {
		(void)place(h, &c, 0);
		if (!shard_has(&h->shard, buf_str(&c.key))) {
			choice_release(&c);
			return 0;
		}
	}
	return h->chosen(h->ctx, &c);
}

bool
choose_may_clash(const struct target_conf *c, char **operands)
{
	bool may = false;

	if (operands[0] == NULL || operands[1] == NULL)
		return false;
	for (; *operands != NULL; operands++) {
		if (strcmp(*operands, "-") == 0)
			return false;
		may |= c->into != NULL && store_is_url(*operands) &&
		    glob_is_pattern(*operands);
		may |= beside_of(*operands, strlen(*operands)) > 0;
	}
	return may;
}

/* How much of a URL, a prefix that ends in a slash, can be a root. */
static size_t
root_of(const char *url)
{
	const char *slash = strrchr(url, '/');

	if (glob_is_pattern(url))
		return glob_fixed(url);
	return slash == NULL ? 0 : (size_t)(slash - url) + 1;
}

char *
choose_root(char **operands, struct err *e)
{
	const char *first = operands[0];
	const char *below;
	size_t n, m;

	if (first == NULL || !store_is_url(first)) {
		err_set(e, ERR_USAGE, "no replica: -r URL or LSPP_REPLICA");
		return NULL;
	}
	n = root_of(first);
	for (; *operands != NULL; operands++) {
		if (*store_query(*operands) != '\0') {
			err_set(e, ERR_USAGE,
			    "%s: an endpoint, a region and path-style are for "
			    "-r",
			    *operands);
			err_hint(e,
			    "a \"?\" that is one of the name is written \\?");
			return NULL;
		}
		if ((m = root_of(*operands)) < n)
			n = m;
		while (n > 0 &&
		    (strncmp(first, *operands, n) != 0 || first[n - 1] != '/'))
			n--;
	}
	below = strstr(first, "://");
	if (below == NULL || n <= (size_t)(below + 3 - first)) {
		err_set(e, ERR_USAGE, "no replica that holds all: use -r URL");
		return NULL;
	}
	return xasprintf("%.*s", (int)n, first);
}
