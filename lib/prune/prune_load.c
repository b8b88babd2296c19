/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What replicas hold: one database by its name, or all below a prefix with one
 * listing.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/prune/prune.h"
#include "lib/replica/follow.h"
#include "lib/replica/jump.h"
#include "lib/replica/ltx/ltx_list.h"
#include "lib/replica/wal/layout.h"
#include "lib/scan/scan_rolled.h"
#include "lib/store/store.h"
#include "lib/sys/stop.h"
#include "lib/text/glob.h"

#define GENERATIONS "generations/"

struct prune_db *
prune_db_new(struct store *s, const char *key)
{
	struct prune_db *db = xcalloc(1, sizeof(*db));

	db->store = s;
	db->key = xstrdup(key);
	history_begin(&db->h, s, db->key, true);
	return db;
}

void
prune_db_free(struct prune_db *db)
{
	if (db == NULL)
		return;
	prune_plan_release(&db->plan);
	history_release(&db->h);
	free(db->key);
	free(db);
}

/* -- entries --------------------------------------------------------------- */

/* An object below "<db>/generations/". */
static void
take(struct prune_db *db, const struct store_entry *en)
{
	if (db->rc != -1 && history_take(&db->h, en, &db->e) == -1)
		db->rc = -1;
}

static int
note_entry(void *ctx, const struct store_entry *en, struct err *e)
{
	(void)e;
	take(ctx, en);
	return 0;
}

void
prune_db_load(struct prune_db *db)
{
	struct store *s = db->store;
	struct buf prefix = { 0 };
	struct err e;

	db->h.codec->prefix(&prefix, db->key, NULL);
	if (s->ops->list(s, buf_str(&prefix), false, note_entry, db, &e) ==
	    -1) {
		db->rc = -1;
		db->e = e;
	} else if (db->rc == 0 && db->h.n == 0 && db->h.owners.n == 0 &&
	    db->h.alone.n == 0) {
		db->rc = ltx_refuse(s, db->key, "lspp-prune", &db->e);
		if (db->rc == 0)
			db->rc = store_no_backup(s, &db->e);
	}
	buf_release(&prefix);
}

/* -- many databases -------------------------------------------------------- */

struct scanning {
	struct store *store;
	struct prune_scan *scan;
	struct prune_db *db; /* that is being listed, or NULL */
	bool wanted, ended;
	struct buf prefix; /* "<db>/generations/" of the last one seen */
	/* Databases below a folder "generations" of one, whose objects come
	 * between those of that one: each with its 0. */
	struct buf nested;
	size_t last; /* where the last of them begins */
};

/*
 * The length of the database's name in a key, or -1: it is of none.  What is no
 * object of any, and lies in a generation, is of that one's, unknown to it.
 */
static ptrdiff_t
name_in(const char *key)
{
	struct layout_name name;
	const char *p = key;
	char id[LAYOUT_GENERATION];
	size_t n;

	if (layout_object(key, &n, &name))
		return (ptrdiff_t)n;
	while ((p = strstr(p, GENERATIONS)) != NULL) {
		const char *rest = p + strlen(GENERATIONS);

		n = strcspn(rest, "/");
		if ((p == key || p[-1] == '/') && n == sizeof(id) - 1 &&
		    rest[n] == '/') {
			memcpy(id, rest, n);
			id[n] = '\0';
			if (layout_is_generation(id))
				return p == key ? 0 : p - key - 1;
		}
		p = rest;
	}
	return -1;
}

bool
prune_is_object(const char *key)
{
	return name_in(key) != -1;
}

static int
hand_out(struct scanning *x)
{
	struct prune_db *db = x->db;

	x->db = NULL;
	if (db != NULL && x->scan->found(x->scan->ctx, db) == -1)
		x->ended = true;
	return x->ended || stop_requested() ? -1 : 0;
}

static bool
wanted(const struct scanning *x, const char *key)
{
	struct err e;

	return x->scan->pattern == NULL ||
	    glob_match(x->scan->pattern, key, &e) == 1;
}

/* Another database begins. */
static void
begin(struct scanning *x, const char *key, size_t n)
{
	char *name = xasprintf("%.*s", (int)n, key);

	buf_reset(&x->prefix);
	layout_generation_prefix(&x->prefix, name, NULL);
	x->wanted = wanted(x, name);
	if (x->wanted)
		x->db = prune_db_new(x->store, name);
	free(name);
}

/* Is it, by its key, of another database than the one it lies in? */
static bool
is_nested(struct scanning *x, const char *key)
{
	struct layout_name name;
	const char *last;
	size_t n;

	if (!layout_object(key, &n, &name) || n + 1 < x->prefix.len)
		return false;
	last = (const char *)x->nested.data + x->last;
	if (x->nested.len == 0 || strlen(last) != n ||
	    strncmp(last, key, n) != 0) {
		x->last = x->nested.len;
		buf_add(&x->nested, key, n);
		buf_add(&x->nested, "", 1);
	}
	return true;
}

/* That of the database that an entry may be of; an odd one may be a generation. */
static ptrdiff_t
name_of(const struct store_entry *en)
{
	char *below = xasprintf("%s/", en->key);
	ptrdiff_t n = name_in(en->odd == NULL ? en->key : below);

	free(below);
	return n;
}

/* It fails the one database that it lies in. */
static int
take_odd(struct prune_db *db, const struct store_entry *en)
{
	if (db != NULL && db->rc != -1)
		db->rc = store_refuse_odd(en, &db->e);
	return STORE_PASS;
}

static int
scan_entry(void *ctx, const struct store_entry *en, struct err *e)
{
	struct scanning *x = ctx;
	ptrdiff_t n;

	(void)e;
	if (x->prefix.len == 0 ||
	    strncmp(en->key, buf_str(&x->prefix), x->prefix.len) != 0) {
		if (hand_out(x) == -1)
			return 1;
		buf_reset(&x->prefix);
		x->wanted = false;
		if ((n = name_of(en)) == -1) {
			if (x->scan->unknown++ == 0)
				x->scan->first = xstrdup(en->key);
			return en->odd == NULL ? 0 : STORE_PASS;
		}
		begin(x, en->key, (size_t)n);
	}
	if (en->odd != NULL)
		return take_odd(x->db, en);
	if (!is_nested(x, en->key) && x->wanted)
		take(x->db, en);
	return 0;
}

/* Those that were nested, each by a listing of its own. */
static void
hand_out_nested(struct scanning *x)
{
	const char *name = (const char *)x->nested.data;
	const char *end = name + x->nested.len;

	for (; name < end; name += strlen(name) + 1) {
		if (!wanted(x, name))
			continue;
		x->db = prune_db_new(x->store, name);
		prune_db_load(x->db);
		if (hand_out(x) == -1)
			return;
	}
}

/* All that can be an object of a database that matches. */
static int
list_matching(struct scanning *x, const char *prefix, struct err *e)
{
	const struct store_ops *ops = x->store->ops;
	char *places, *next = NULL;
	struct buf at = { 0 };
	int rc;

	if (x->scan->pattern == NULL || !ops->traits.flat)
		return ops->list(x->store, prefix, false, scan_entry, x, e);
	places = scan_places(x->scan->pattern);
	do {
		free(next);
		rc = ops->list_page(x->store, prefix, NULL,
		    at.len > 0 ? buf_str(&at) : NULL, scan_entry, x, &next, e);
	} while (rc == 0 && next != NULL && !x->ended && !stop_requested() &&
	    glob_next(places, next, &at));
	free(next);
	free(places);
	buf_release(&at);
	return rc;
}

int
prune_scan(struct store *s, struct prune_scan *scan, struct err *e)
{
	struct scanning x = { .store = s, .scan = scan };
	struct buf prefix = { 0 };
	int rc;

	if (scan->pattern != NULL)
		buf_add(&prefix, scan->pattern, glob_fixed(scan->pattern));
	rc = list_matching(&x, buf_str(&prefix), e);
	/* Of the last one there may be more: it is not to be judged. */
	if (rc == 0 && !x.ended && !stop_requested() && hand_out(&x) == 0)
		hand_out_nested(&x);
	prune_db_free(x.db);
	buf_release(&prefix);
	buf_release(&x.prefix);
	buf_release(&x.nested);
	return rc;
}

/* -- plans ----------------------------------------------------------------- */

int
prune_db_tell(struct prune_db *db, struct err *e)
{
	int any = 0;

	for (size_t i = 0; i < db->h.n; i++) {
		struct history_generation *g = &db->h.v[i];
		struct history_time t;

		if (db->h.codec->is_own(g->id))
			continue;
		if (g->snapshots.n == 0)
			g->plain = true;
		else if (history_time(&db->h, g, LAYOUT_SNAPSHOT,
			     g->snapshots.v, &t, e) == -1)
			return -1;
		any |= g->plain;
	}
	return any;
}

/* The last state's object: where a restore of the newest state ends in g. */
static struct history_object *
last_of(struct history_generation *g, enum layout_kind *kind)
{
	struct history_list *s = &g->snapshots, *w = &g->segments;

	*kind =
	    s->n == 0 || (w->n > 0 && w->v[w->n - 1].at >= s->v[s->n - 1].at)
	    ? LAYOUT_SEGMENT
	    : LAYOUT_SNAPSHOT;
	return *kind == LAYOUT_SEGMENT ? &w->v[w->n - 1] : &s->v[s->n - 1];
}

static void
not_later(struct history_list *l, int64_t ns)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].mtime_ns > ns)
			l->v[i].mtime_ns = ns;
}

/* What Litestream wrote is older than what followed it, whatever its times. */
static int
date_foreign(struct prune_db *db, bool own, bool foreign, struct err *e)
{
	if (!own || !foreign)
		return 0;
	if (follow_read(&db->h, e) == -1)
		return -1;
	for (size_t i = 0; i < db->h.n; i++) {
		struct history_generation *g = &db->h.v[i];

		if (!g->plain)
			continue;
		if (g->followed_ns == 0) {
			err_set(e, ERR_CONFIG,
			    "generation %s is not of lspp, and nothing tells "
			    "whether it is newer than what is: nothing is "
			    "pruned",
			    g->id);
			return err_hint(e,
			    "without --foreign it is left; lspp-ship "
			    "--new-generation goes on behind it, once "
			    "Litestream has stopped");
		}
		not_later(&g->snapshots, g->followed_ns - 1);
		not_later(&g->segments, g->followed_ns - 1);
	}
	return 0;
}

int
prune_db_date(struct prune_db *db, bool foreign, struct err *e)
{
	bool own = false;

	for (size_t i = 0; db->h.n > 1 && i < db->h.n; i++) {
		struct history_generation *g = &db->h.v[i];
		enum layout_kind kind;
		struct history_object *o = last_of(g, &kind);
		struct history_time t;

		if (history_time(&db->h, g, kind, o, &t, e) == -1)
			return -1;
		if (g->plain)
			continue;
		own = true;
		not_later(&g->snapshots, t.ns);
		not_later(&g->segments, t.ns);
		/* Also behind a clock that went back (date_jumps): by what the
		 * clock said, what it dated while it was ahead would be newer.
		 */
		o->mtime_ns = t.ns;
	}
	return date_foreign(db, own, foreign, e);
}

/*
 * In a directory the times of files are those of captures.  Where a clock went
 * back, captures go on by a nanosecond each: what that shows of, and what is
 * yet to come, is asked when it was.  Nothing before it was captured later.
 */
static int
date_list(struct prune_db *db, struct history_generation *g,
    enum layout_kind kind, int64_t now_ns, struct err *e)
{
	struct history_list *l =
	    kind == LAYOUT_SNAPSHOT ? &g->snapshots : &g->segments;
	int64_t until = INT64_MAX;
	struct history_time t;

	for (size_t i = l->n; i > 0; i--) {
		struct history_object *o = &l->v[i - 1];
		bool odd = o->mtime_ns - now_ns > JUMP_STEP_NS ||
		    (i > 1 && o->mtime_ns - o[-1].mtime_ns == 1);

		if (odd && history_time(&db->h, g, kind, o, &t, e) == -1)
			return -1;
		if (odd && !g->plain && t.clock_ns != 0)
			until = o->mtime_ns = t.clock_ns;
		else if (o->mtime_ns > until)
			o->mtime_ns = until;
	}
	return 0;
}

static int
date_jumps(struct prune_db *db, const struct prune_policy *p, struct err *e)
{
	for (size_t i = 0; i < db->h.n; i++) {
		struct history_generation *g = &db->h.v[i];

		if (!g->plain &&
		    (date_list(db, g, LAYOUT_SEGMENT, p->now_ns, e) == -1 ||
			date_list(db, g, LAYOUT_SNAPSHOT, p->now_ns, e) == -1))
			return -1;
	}
	return 0;
}

/* The plan as it is after what was found out; 1: it is empty. */
static int
plan_again(struct prune_db *db, const struct prune_policy *p)
{
	prune_plan_release(&db->plan);
	if (prune_plan(&db->h, p, &db->plan, &db->e) == -1)
		return -1;
	return db->plan.n == 0;
}

/* As far as ids tell. */
static bool
mixed(const struct prune_db *db)
{
	size_t own = 0;

	for (size_t i = 0; i < db->h.n; i++)
		own += db->h.codec->is_own(db->h.v[i].id);
	return own > 0 && own < db->h.n;
}

/*
 * It was as if all were ours, and in the order of the store's times.  Where
 * these are equal all may be kept, as in a store that counts in seconds: what
 * nothing tells the order of is refused all the same, or it would depend on
 * chance whether it is.
 */
static int
plan(struct prune_db *db, const struct prune_policy *p)
{
	bool ask = p->foreign && mixed(db);
	int any, rc;

	if (date_jumps(db, p, &db->e) == -1)
		return -1;
	rc = plan_again(db, p);
	if (rc == -1 || (rc == 1 && !ask))
		return rc;
	if ((any = prune_db_tell(db, &db->e)) == -1)
		return -1;
	if (any == 1)
		rc = plan_again(db, p);
	if (rc == -1 || (rc == 1 && !ask) || db->h.n < 2)
		return rc;
	if (prune_db_date(db, p->foreign, &db->e) == -1)
		return -1;
	return plan_again(db, p);
}

/* The generation of the newest state that counts. */
static struct history_generation *
newest(struct prune_db *db, const struct prune_policy *p)
{
	struct history_generation *best = NULL;
	int64_t best_ns = INT64_MIN;
	enum layout_kind kind;

	for (size_t i = 0; i < db->h.n; i++) {
		struct history_generation *g = &db->h.v[i];
		int64_t ns = last_of(g, &kind)->mtime_ns;

		if (g->snapshots.n == 0 || (g->plain && !p->foreign) ||
		    ns < best_ns)
			continue;
		best = g;
		best_ns = ns;
	}
	return best;
}

static int
broken(const struct history *h, const struct history_generation *g,
    const struct history_object *o, const char *what, struct err *e)
{
	struct buf key = { 0 };

	history_key(h, g, LAYOUT_SEGMENT, o, &key);
	err_set(
	    e, ERR_CORRUPT, "%s is %s: nothing is pruned", buf_str(&key), what);
	buf_release(&key);
	return -1;
}

/* Does each segment of g's last run begin where the one before it ends? */
static int
measure(const struct history *h, struct history_generation *g, struct err *e)
{
	const struct history_list *w = &g->segments;
	uint64_t from = g->snapshots.v[g->snapshots.n - 1].at;
	struct history_time t;

	for (size_t i = history_below(w, from); i + 1 < w->n; i++) {
		const struct history_object *o = &w->v[i];
		struct history_object gone = { 0 };

		if (g->plain || !h->codec->same_log(o[1].at, o->at))
			continue;
		if (history_time(h, g, LAYOUT_SEGMENT, o, &t, e) == -1)
			return -1;
		if (g->plain)
			continue;
		if (t.end == UINT64_MAX)
			return broken(h, g, o, "damaged", e);
		gone.at = t.end;
		if (o[1].at > t.end)
			return broken(h, g, &gone, "missing", e);
	}
	return 0;
}

void
prune_db_plan(struct prune_db *db, const struct prune_policy *p)
{
	struct history_generation *g;
	int rc;

	if (db->rc == -1)
		return;
	rc = plan(db, p);
	if (rc == 0 && p->measure && (g = newest(db, p)) != NULL)
		rc = measure(&db->h, g, &db->e);
	if (rc != -1)
		return;
	prune_plan_release(&db->plan);
	/* Gone since it was listed: somebody else prunes, and the next run sees
	   what that left. */
	db->rc = db->e.class == ERR_MISSING ? 0 : -1;
}
