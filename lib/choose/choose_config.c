/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/choose/choose_config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/scan/config_scan.h"
#include "lib/scan/scan.h"
#include "lib/store/open/store_open.h"
#include "lib/store/stats.h"
#include "lib/sys/file.h"
#include "lib/sys/stop.h"
#include "lib/text/glob.h"

struct root {
	struct store *store; /* NULL: not opened yet, or in vain */
	bool tried;
	struct err e; /* in vain */
};

struct config_chooser {
	const struct config_file *f;
	struct chooser *h;
	pthread_mutex_t lock; /* of the stores in root */
	struct root *root;
};

/* A pattern at work. */
struct search {
	struct config_chooser *x;
	const char *operand;
	struct config_want want;
	/* the entry whose replica is listed */
	const struct config_db *d;
	size_t replica;
	struct store *store;
	uint64_t unknown; /* names that no path is known for */
	bool any, ended;
	size_t listed;  /* replicas of the entry */
	struct err bad; /* why one of them could not be */
};

struct config_chooser *
config_chooser_open(const struct config_file *f, struct chooser *h)
{
	struct config_chooser *x = xcalloc(1, sizeof(*x));

	x->f = f;
	x->h = h;
	pthread_mutex_init(&x->lock, NULL);
	x->root = xcalloc(f->c.n_roots + 1, sizeof(*x->root));
	return x;
}

void
config_chooser_close(struct config_chooser *x)
{
	if (x == NULL)
		return;
	for (size_t i = 0; i < x->f->c.n_roots; i++)
		store_close(x->root[i].store);
	pthread_mutex_destroy(&x->lock);
	free(x->root);
	free(x);
}

void
config_chooser_stats(struct config_chooser *x, struct store_stats *out)
{
	struct store_stats one;

	*out = (struct store_stats){ 0 };
	pthread_mutex_lock(&x->lock);
	for (size_t i = 0; i < x->f->c.n_roots; i++) {
		if (x->root[i].store == NULL)
			continue;
		store_stats(x->root[i].store, &one);
		stats_add(out, &one);
	}
	pthread_mutex_unlock(&x->lock);
}

/* -- one database ---------------------------------------------------------- */

static struct store *
open_root(struct config_chooser *x, size_t i, struct err *e)
{
	struct root *r = &x->root[i];
	struct store *s = NULL;

	if (!r->tried) {
		s = store_open(x->f->c.root[i].url, x->h->mode, false,
		    &x->f->store[i], &r->e);
		pthread_mutex_lock(&x->lock);
		r->store = s;
		pthread_mutex_unlock(&x->lock);
	}
	r->tried = true;
	if (r->store == NULL)
		*e = r->e;
	return r->store;
}

/* Replicas of d from *replica on: is there one that is not refused? */
static bool
has_replica(const struct config_db *d, size_t *replica)
{
	while (*replica < d->n && d->replica[*replica].refused != NULL)
		++*replica;
	return *replica < d->n;
}

/* The first of these, or why there is none. */
static int
pick(struct config_chooser *x, const struct config_db *d, size_t *replica,
    struct store **store, struct err *e)
{
	struct buf unused = { 0 };

	if (!has_replica(d, replica)) {
		(void)config_file_name(x->f, d, 0, "", &unused, e);
		buf_release(&unused);
		return -1;
	}
	*store = open_root(x, d->replica[*replica].root, e);
	return *store == NULL ? -1 : 0;
}

/* The name of d's database abs in its replica i, and its store. */
static void
take_replica(struct config_chooser *x, const struct config_db *d,
    const char *abs, size_t i, struct choice_other *out)
{
	*out = (struct choice_other){ .rc = -1 };
	out->store = open_root(x, d->replica[i].root, &out->e);
	if (out->store != NULL)
		out->rc =
		    config_file_own_name(x->f, d, i, abs, &out->key, &out->e);
}

/* All that are not refused: the first that can be had is the choice's, and the
 * rest its others. */
static int
take_replicas(struct config_chooser *x, const struct config_db *d,
    const char *abs, struct choice *c)
{
	struct choice_other *o, first;
	size_t none = 0;

	c->other = xcalloc(d->n + 1, sizeof(*c->other));
	for (size_t i = 0; has_replica(d, &i); i++)
		take_replica(x, d, abs, i, &c->other[c->others++]);
	if (c->others == 0)
		return pick(x, d, &none, &c->store, &c->e);
	for (o = c->other; o < c->other + c->others && o->rc == -1; o++)
		;
	if (o == c->other + c->others) {
		c->e = c->other[0].e;
		return -1;
	}
	first = *o;
	c->store = first.store;
	c->key = first.key;
	memmove(o, o + 1, (size_t)(c->other + --c->others - o) * sizeof(*o));
	return 0;
}

/* Where it goes; false: it does already, for a pattern or another operand. */
static bool
place(struct config_chooser *x, struct choice *c, const char *path)
{
	const char *into = x->h->target.into;
	char *target = NULL;
	bool new;

	if (into != NULL)
		buf_addf(&c->path, "%s%s", into,
		    into[strlen(into) - 1] == '/' ? path + 1 : path);
	else
		buf_adds(&c->path, path);
	c->trusted =
	    into != NULL ? strlen(into) : c->path.len - strlen(path_base(path));
	if (x->h->files && choice_apart(c, &x->h->seen) == -1)
		return true;
	if (x->h->every_replica)
		target = xasprintf(
		    "%s\n%s\n%s", c->store->url, buf_str(&c->key), path);
	new = target_set_add(&x->h->seen,
		  target != NULL ? target : buf_str(&c->path),
		  path) == TARGET_NEW;
	free(target);
	if (new)
		return true;
	c->rc = err_set(&c->e, ERR_EXISTS,
	    "%s is the target of an earlier path", buf_str(&c->path));
	return false;
}

/* What is at path, NULL: of none, unless that is another shard's. */
static int
hand_on(struct config_chooser *x, const char *path, struct choice *c)
{
	if (path == NULL || shard_has(&x->h->shard, path))
		return x->h->chosen(x->h->ctx, c);
	choice_release(c);
	return 0;
}

/* One of its replicas, from *i on; or all in one choice. */
static int
choose_replica(struct config_chooser *x, const char *operand,
    const struct config_db *d, const char *abs, size_t *i)
{
	struct choice c = { .name = xstrdup(operand) };

	c.rc = -1;
	if (!x->h->every_replica && has_replica(d, i)) {
		c.rc = take_replicas(x, d, abs, &c);
	} else if (pick(x, d, i, &c.store, &c.e) == 0 &&
	    config_file_own_name(x->f, d, *i, abs, &c.key, &c.e) == 0) {
		c.rc = 0;
	}
	if (c.rc == 0)
		(void)place(x, &c, abs);
	return hand_on(x, abs, &c);
}

int
choose_config_path(struct config_chooser *x, const char *operand)
{
	struct choice c = { .rc = -1 };
	const struct config_db *d;
	struct buf abs = { 0 };
	size_t i = 0;
	int rc;

	d = config_file_find(x->f, operand, &abs, &c.e);
	if (d == NULL) {
		c.name = xstrdup(operand);
		rc = x->h->chosen(x->h->ctx, &c);
	} else {
		do
			rc = choose_replica(x, operand, d, buf_str(&abs), &i);
		while (rc == 0 && x->h->every_replica &&
		    (++i, has_replica(d, &i)));
	}
	buf_release(&abs);
	return rc;
}

/* -- a pattern ------------------------------------------------------------- */

static int
hand_out(struct search *s, const char *path, struct choice *c)
{
	s->any = true;
	s->ended = hand_on(s->x, path, c) == -1;
	return s->ended || stop_requested() ? -1 : 0;
}

static int
take_key(struct search *s, const char *path, const char *key, struct choice *c)
{
	const struct config_db *d = config_find(&s->x->f->c, path);

	if (!s->x->h->every_replica)
		return take_replicas(s->x, d != NULL ? d : s->d, path, c);
	c->store = s->store;
	buf_adds(&c->key, key);
	return s->d->kind != CONFIG_PATH
	    ? 0
	    : config_file_own_name(
		  s->x->f, s->d, s->replica, path, &c->key, &c->e);
}

/* The database at path has that key in the store of s. */
static int
choose_path(struct search *s, const char *path, const char *key)
{
	struct choice c = { .name = xstrdup(path) };

	if (choice_name(s->x->h, *path == '/' ? path + 1 : "", &c.e) == -1 ||
	    take_key(s, path, key, &c) == -1) {
		c.rc = -1;
	} else if (!place(s->x, &c, path)) {
		s->any = true;
		choice_release(&c);
		return 0;
	}
	return hand_out(s, path, &c);
}

/* It may be of either path: not for us to guess. */
static int
choose_neither(
    struct search *s, const char *path, const char *other, const char *key)
{
	struct choice c = { .name = xstrdup(path), .store = s->store };

	buf_adds(&c.key, key);
	c.rc = err_set(&c.e, ERR_CONFIG,
	    "%s in the replica is of this path or of %s: name the one that is "
	    "meant",
	    key, other);
	return hand_out(s, path, &c);
}

/*
 * The path of key, by the entry that is looked at; multi-db has an entry for
 * each pattern, and all of them share root and template.
 */
static int
find_path(
    struct search *s, const char *key, struct buf *path, struct buf *other)
{
	const struct config *c = &s->x->f->c;
	const struct config_db *d = s->d;
	int n = 0;

	if (d->kind != CONFIG_MULTI)
		return config_path(d, s->replica, key, path);
	for (; d < c->db + c->n && n < 2; d++)
		if (d->kind == CONFIG_MULTI &&
		    config_path(d, s->replica, key, n == 0 ? path : other))
			n++;
	return n;
}

static int
found_key(struct search *s, const char *key, uint64_t *unknown)
{
	struct buf path = { 0 }, other = { 0 };
	const struct config_db *d;
	int rc = 0, n;

	if (config_file_named(s->x->f, s->d->replica[s->replica].root, key) !=
	    NULL)
		return 0;
	n = find_path(s, key, &path, &other);
	d = n == 0 ? NULL : config_find(&s->x->f->c, buf_str(&path));
	if (n == 0)
		++*unknown;
	else if (!config_wants(&s->want, buf_str(&path)) ||
	    (d != s->d &&
		(s->d->kind != CONFIG_MULTI || d->kind != s->d->kind)))
		rc = 0;
	else if (n > 1 && strcmp(buf_str(&path), buf_str(&other)) != 0)
		rc = choose_neither(s, buf_str(&path), buf_str(&other), key);
	else
		rc = choose_path(s, buf_str(&path), key);
	buf_release(&path);
	buf_release(&other);
	return rc;
}

static int
found(void *ctx, const char *url)
{
	struct search *s = ctx;
	const char *key = url + strlen(s->store->root);

	return found_key(s, *key == '/' ? key + 1 : key, &s->unknown);
}

static int
add_known(void *search, const char *key)
{
	uint64_t unknown = 0; /* of one root there are others', too */

	return found_key(search, key, &unknown);
}

/* Fails under the pattern's name: so it is tried again. */
static void
failed(void *ctx, const char *url, const struct err *e)
{
	struct search *s = ctx;
	struct choice c = { .name = xstrdup(s->operand), .rc = -1, .e = *e };
	struct err *bad = &s->bad;

	if (url != NULL && e->class != ERR_USAGE)
		err_in(&c.e, "cannot look for databases in %s", url);
	if (!s->ended && s->d != NULL && s->d->n > 1 &&
	    !s->x->h->every_replica && e->class != ERR_USAGE)
		*bad = c.e;
	else if (!s->ended) {
		(void)hand_out(s, NULL, &c);
		return;
	}
	choice_release(&c);
}

/* Of several replicas one that cannot be looked at is no failure, if another
 * was: what may be newer there is told of each database. */
static void
tell_bad(struct search *s)
{
	const struct store_conf *conf = &s->x->f->store[s->d->replica[0].root];
	struct choice c = {
		.name = xstrdup(s->operand), .rc = -1, .e = s->bad
	};

	if (s->bad.class != ERR_NONE && s->listed == 0 && !s->ended) {
		(void)hand_out(s, NULL, &c);
		return;
	}
	if (s->bad.class != ERR_NONE && conf->warn != NULL)
		conf->warn(conf->tell_ctx, s->bad.msg);
	choice_release(&c);
}

/*
 * Which names can what is wanted have?  Where the pattern's fixed part goes
 * beyond the directory, the rest of it is one for names.
 */
static char *
names_wanted(const struct search *s)
{
	const char *pattern = s->want.pattern[0], *dir = s->d->path;
	size_t n = strlen(dir);
	struct buf b = { 0 };
	char *out;

	glob_literal(
	    s->d->kind == CONFIG_DIR ? s->d->replica[s->replica].name : "", &b);
	if (s->d->kind == CONFIG_DIR && strcmp(dir, "/") != 0 &&
	    strncmp(pattern, dir, n) == 0 && pattern[n] == '/' &&
	    glob_fixed(pattern) > n)
		buf_adds(&b, pattern + n + 1);
	else
		buf_adds(&b, "**");
	out = xstrdup(buf_str(&b));
	buf_release(&b);
	return out;
}

static void
tell_unknown(const struct search *s)
{
	size_t root = s->d->replica[s->replica].root;
	const struct store_conf *conf = &s->x->f->store[root];
	char *text;

	if (s->unknown == 0 || conf->warn == NULL || s->d->kind != CONFIG_MULTI)
		return;
	text = xasprintf("%s: the paths of %llu databases in %s cannot be told "
			 "from the template: name them to restore them",
	    s->x->f->name, (unsigned long long)s->unknown, s->store->url);
	conf->warn(conf->tell_ctx, text);
	free(text);
}

/* All of a replica of an entry, from s->replica on, that are wanted. */
static void
choose_in_replica(struct search *s)
{
	struct scan scan = { .found = found, .failed = failed, .ctx = s };
	const struct chooser *h = s->x->h;
	struct err e;
	char *names;

	if (s->d->kind == CONFIG_PATH && !h->every_replica) {
		(void)choose_path(s, s->d->path, NULL);
		return;
	}
	if (pick(s->x, s->d, &s->replica, &s->store, &e) == -1) {
		failed(s, NULL, &e);
		return;
	}
	if (s->d->kind == CONFIG_PATH) {
		(void)choose_path(
		    s, s->d->path, s->d->replica[s->replica].name);
		return;
	}
	s->unknown = 0;
	names = names_wanted(s);
	if (scan_replica(&scan, s->store, names) == 0) {
		s->listed++;
		if (h->known != NULL && h->every_replica && !s->ended)
			h->known(h->ctx, s->store, add_known, s);
	}
	free(names);
	tell_unknown(s);
}

static void
choose_entry(struct search *s)
{
	if (s->d->kind == CONFIG_PATH && !config_wants(&s->want, s->d->path))
		return;
	s->replica = s->listed = 0;
	s->bad.class = ERR_NONE;
	do
		choose_in_replica(s);
	while (!s->ended &&
	    (s->d->kind != CONFIG_PATH || s->x->h->every_replica) &&
	    (++s->replica, has_replica(s->d, &s->replica)));
	tell_bad(s);
}

static int
choose_matching(struct config_chooser *x, const char *operand)
{
	struct search s = { .x = x, .operand = operand };
	char *operands[] = { (char *)operand, NULL };
	bool multi = false;
	struct err e;

	if (config_want_make(&s.want, operands, &e) == -1) {
		failed(&s, NULL, &e);
		return s.ended ? -1 : 0;
	}
	for (size_t i = 0; i < x->f->c.n && !s.ended && !stop_requested();
	     i++) {
		s.d = &x->f->c.db[i];
		if (s.d->kind != CONFIG_MULTI || !multi) /* one for all */
			choose_entry(&s);
		multi = multi || s.d->kind == CONFIG_MULTI;
	}
	config_want_release(&s.want);
	if (!s.any && !stop_requested()) {
		struct choice c = { .name = xstrdup(operand), .absent = true };

		c.rc = err_set(&c.e, ERR_MISSING,
		    "no database of %s that has a replica matches", x->f->name);
		(void)hand_out(&s, NULL, &c);
	}
	return s.ended ? -1 : 0;
}

/* Is it the path of a database, which then wins over a pattern?  abs gets it. */
static bool
is_path(struct config_chooser *x, const char *operand, struct buf *abs)
{
	struct buf name = { 0 };
	const struct config_db *d;
	struct store *store;
	struct err e;
	bool is = false;
	size_t i = 0;

	d = config_file_find(x->f, operand, abs, &e);
	if (d != NULL)
		is = d->kind == CONFIG_PATH || !glob_is_pattern(operand) ||
		    (pick(x, d, &i, &store, &e) == 0 &&
			config_file_name(x->f, d, i, buf_str(abs), &name, &e) ==
			    0 &&
			choose_is_name(store, buf_str(&name), &e) == 1);
	buf_release(&name);
	return is;
}

/* Where one name is to be one database: that may be any number. */
static int
choose_no_pattern(struct config_chooser *x, const char *operand)
{
	struct choice c = { .name = xstrdup(operand) };

	c.rc = err_set(
	    &c.e, ERR_USAGE, "it may be any number of databases: give a path");
	return x->h->chosen(x->h->ctx, &c);
}

/* A tenant's file called "**" must not take all the others out of a run. */
static int
choose_refused(struct config_chooser *x, const char *operand, const char *abs)
{
	struct choice c = { .name = xstrdup(operand) };
	struct buf name = { 0 };

	buf_adds(&name, "'");
	glob_literal(abs, &name);
	buf_adds(&name, "'");
	c.rc = choose_refuse(operand, buf_str(&name), &c.e);
	buf_release(&name);
	return x->h->chosen(x->h->ctx, &c);
}

int
choose_config(struct config_chooser *x, const char *operand)
{
	struct buf abs = { 0 };
	bool is = is_path(x, operand, &abs);
	int rc;

	/* "a.db" may be a path here, or else a name anywhere. */
	if (is && choose_is_any_depth(operand))
		rc = choose_refused(x, operand, buf_str(&abs));
	else if (!is &&
	    (glob_is_pattern(operand) || strchr(operand, '/') == NULL))
		rc = x->h->paths_only ? choose_no_pattern(x, operand)
				      : choose_matching(x, operand);
	else
		rc = choose_config_path(x, operand);
	buf_release(&abs);
	return rc;
}
