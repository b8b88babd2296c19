/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a replica holds of one database by its name, and the plan for it.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/prune/prune_impl.h"
#include "lib/prune/prune_ltx.h"
#include "lib/replica/follow.h"
#include "lib/replica/jump.h"
#include "lib/store/listed.h"
#include "lib/store/store.h"

#define SECOND INT64_C(1000000000)

struct prune_db *
prune_db_new(struct store *s, const char *key)
{
	struct prune_db *db = xcalloc(1, sizeof(*db));

	db->store = s;
	db->key = xstrdup(key);
	history_begin(&db->h, s, db->key, true);
	return db;
}

static void
forget(struct prune_db *db)
{
	prune_plan_release(&db->plan);
	history_release(&db->h);
	ltx_list_release(&db->ltx);
}

void
prune_db_free(struct prune_db *db)
{
	if (db == NULL)
		return;
	forget(db);
	free(db->key);
	free(db);
}

/* -- entries --------------------------------------------------------------- */

static int
take_file(struct prune_db *db, enum prune_part part, size_t skip,
    const struct store_entry *en)
{
	enum ltx_levels how =
	    part == PRUNE_PART_FLAT ? LTX_LEVELS_FLAT : LTX_LEVELS_DIR;
	int rc = ltx_list_take(&db->ltx, en, skip, how, &db->e);
	struct ltx_file *f;

	/* A server's whole second may have begun before the file was captured.
	 */
	if (rc == 1 && !db->store->ops->traits.times) {
		f = &db->ltx.v[db->ltx.n - 1];
		f->stored_ns += f->stored_ns % SECOND == 0 ? SECOND - 1 : 0;
		f->put_ns = f->stored_ns;
	}
	if (rc == 0 && db->h.unknown++ == 0)
		db->h.first_unknown = xstrdup(en->key);
	if (rc == 1 && db->ltx.n > 1 && db->how != how)
		return err_set(&db->e, ERR_CONFIG,
		    "LTX files are below ltx/ and below 0000/ to 0009/: which "
		    "of them are right is not known");
	if (rc == 1)
		db->how = how;
	return rc;
}

void
prune_db_take(
    struct prune_db *db, enum prune_part part, const struct store_entry *en)
{
	size_t skip = strlen(db->key);

	skip += skip > 0;
	if (part == PRUNE_PART_DIR)
		skip += sizeof("ltx");
	if (db->rc == -1)
		return;
	if (part == PRUNE_PART_WAL)
		db->rc = history_take(&db->h, en, &db->e) == -1 ? -1 : 0;
	else
		db->rc = take_file(db, part, skip, en) == -1 ? -1 : 0;
}

struct loading {
	struct prune_db *db;
	enum prune_part part;
};

static int
note_entry(void *ctx, const struct store_entry *en, struct err *e)
{
	const struct loading *x = ctx;
	enum prune_part part;
	ptrdiff_t n;

	(void)e;
	if (en->odd != NULL)
		return 0; /* refused */
	/* A database may lie below a folder of levels of another. */
	n = x->part == PRUNE_PART_WAL ? -1 : prune_name_in(en->key, &part);
	if (n == -1 || (size_t)n == strlen(x->db->key))
		prune_db_take(x->db, x->part, en);
	return 0;
}

static int
load(struct prune_db *db, const struct listed *from, struct err *e)
{
	struct buf prefix = { 0 };
	struct ltx_where where;
	struct loading x = { .db = db };
	int rc = ltx_look(from, db->key, &where, e);

	for (int i = 0; i < PRUNE_PARTS && rc == 0; i++) {
		x.part = (enum prune_part)i;
		if ((x.part == PRUNE_PART_DIR && !where.dir) ||
		    (x.part == PRUNE_PART_FLAT && !where.flat) ||
		    (x.part == PRUNE_PART_WAL && !where.generations))
			continue;
		prune_part_prefix(&prefix, db->key, x.part);
		rc = listed_each(
		    from, buf_str(&prefix), false, note_entry, &x, e);
	}
	buf_release(&prefix);
	return rc;
}

static bool
is_nothing(const struct prune_db *db)
{
	return db->h.n == 0 && db->h.owners.n == 0 && db->h.alone.n == 0 &&
	    db->ltx.n == 0;
}

void
prune_db_load(struct prune_db *db)
{
	struct listed from;
	struct err e;

	forget(db);
	db->rc = 0;
	history_begin(&db->h, db->store, db->key, true);
	ltx_listed(&from, db->store, db->key);
	if (load(db, &from, &e) == -1) {
		db->rc = -1;
		db->e = e;
	} else if (db->rc == 0 && is_nothing(db)) {
		db->rc = store_no_backup(db->store, &db->e);
	}
	listed_release(&from);
}

/* -- plans ----------------------------------------------------------------- */

static int
tell_generations(struct prune_db *db, struct err *e)
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

int
prune_db_tell(struct prune_db *db, struct err *e)
{
	int any = tell_generations(db, e), own;

	if (any == -1 || db->ltx.n == 0)
		return any;
	if ((own = prune_ltx_is_own(db, e)) == -1)
		return -1;
	db->ltx_plain = own == 0;
	return any || db->ltx_plain;
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
		struct history_object *o = history_last(g, &kind);
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
	if ((any = tell_generations(db, &db->e)) == -1)
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
		int64_t ns = history_last(g, &kind)->mtime_ns;

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
	struct history_run r = history_run(g, g->snapshots.n - 1);
	struct history_time t;

	for (size_t i = r.first; i + 1 < w->n; i++) {
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
	struct prune_plan more = { 0 };
	int rc;

	if (db->rc == -1)
		return;
	rc = plan(db, p);
	if (rc == 0 && p->measure && (g = newest(db, p)) != NULL)
		rc = measure(&db->h, g, &db->e);
	/* Each layout is kept by itself: nothing tells which of the two has the
	 * newer state. */
	if (rc != -1 && prune_ltx_db(db, p, &more) == 0) {
		prune_plan_join(&db->plan, &more);
		return;
	}
	prune_plan_release(&db->plan);
	/* Gone since it was listed: somebody else prunes, and the next run sees
	   what that left. */
	db->rc = db->e.class == ERR_MISSING ? 0 : -1;
}
