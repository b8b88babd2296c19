/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/state/fleet/state_known.h"

#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/state/fleet/rounds.h"
#include "lib/state/state_impl.h"

/* -- rounds ---------------------------------------------------------------- */

static void
take_round(struct round *v, sqlite3_stmt *q)
{
	v->id = sqlite3_column_int64(q, 0);
	v->began_ns = sqlite3_column_int64(q, 1);
	v->period_ns = sqlite3_column_int64(q, 2);
	v->upto = sqlite3_column_int64(q, 3);
	bits_set(&v->came, sqlite3_column_blob(q, 4),
	    (size_t)sqlite3_column_bytes(q, 4));
}

static int
one_round(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct rounds *r = ctx;

	(void)e;
	take_round(&r->v[r->n++], q);
	return 0;
}

int
state_rounds(struct state *st, struct rounds *r, struct err *e)
{
	if (sql_number(st, e, &r->upto, "SELECT max(id) FROM db", NULL) == -1)
		return -1;
	r->kept = state_has(st, "round");
	return !r->kept
	    ? 0
	    : sql_each(st, e, one_round, r,
		  "SELECT id, began_ns, period_ns, upto, came FROM round"
		  " WHERE root = ? ORDER BY began_ns DESC LIMIT ?",
		  WITH(NUMBER(r->root), NUMBER(ROUNDS_MAX)));
}

struct all_rounds {
	struct round v;
	state_each_round *each;
	void *ctx;
};

static int
any_round(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct all_rounds *all = ctx;

	take_round(&all->v, q);
	return all->each(all->ctx, sqlite3_column_int64(q, 5), &all->v, e);
}

int
state_all_rounds(
    struct state *st, state_each_round *each, void *ctx, struct err *e)
{
	struct all_rounds all = { .each = each, .ctx = ctx };
	int rc;

	if (!state_has(st, "round"))
		return 0;
	rc = sql_each(st, e, any_round, &all,
	    "SELECT id, began_ns, period_ns, upto, came, root FROM round",
	    NULL);
	bits_release(&all.v.came);
	return rc;
}

int
state_put_round(struct state *st, int64_t root, struct round *v, struct err *e)
{
	size_t len;
	const void *came = bits_data(&v->came, &len);
	int rc = sql_run(st, e,
	    "REPLACE INTO round(id, root, began_ns, period_ns, upto, came)"
	    " VALUES(nullif(?, 0), ?, ?, ?, ?, ?)",
	    WITH(NUMBER(v->id), NUMBER(root), NUMBER(v->began_ns),
		NUMBER(v->period_ns), NUMBER(v->upto),
		BYTES(came != NULL ? came : "", len)));

	if (rc == 0 && v->id == 0)
		v->id = sqlite3_last_insert_rowid(st->db);
	return rc;
}

int
state_drop_round(struct state *st, const struct round *v, struct err *e)
{
	return sql_run(st, e,
	    "DELETE FROM round WHERE id = ? AND began_ns <= ?",
	    WITH(NUMBER(v->id), NUMBER(v->began_ns)));
}

/* -- what is lost ---------------------------------------------------------- */

int
state_put_lost(struct state *st, const char *path, int64_t at_ns,
    const struct err *why, struct err *e)
{
	char *msg;
	int rc;

	if (!state_has(st, "lost"))
		return 1;
	msg = state_message(why->msg);
	rc = sql_run(st, e,
	    "INSERT INTO lost VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE"
	    " SET class = ?3, msg = ?4 WHERE class <> ?3 OR msg <> ?4",
	    WITH(NAME(path), NUMBER(at_ns), NUMBER(why->class), TEXT(msg)));
	free(msg);
	return rc == -1 ? -1 : sqlite3_changes(st->db) > 0;
}

int
state_unlost(struct state *st, const char *path, struct err *e)
{
	return !state_has(st, "lost")
	    ? 0
	    : sql_run(
		  st, e, "DELETE FROM lost WHERE path = ?", WITH(NAME(path)));
}

int
state_is_gone(struct state *st, const char *path, struct err *e)
{
	return sql_any(st, e,
	    "SELECT 1 FROM db WHERE path = ? AND gone_ns IS NOT NULL",
	    WITH(NAME(path)));
}

struct at {
	struct buf key;
	state_each_at *each;
	void *ctx;
};

static int
one_at(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct at *at = ctx;

	sql_column(q, 2, &at->key);
	return at->each(at->ctx, sqlite3_column_int64(q, 0),
	    sqlite3_column_int64(q, 1), buf_str(&at->key), e);
}

int
state_at(struct state *st, const char *path, state_each_at *each, void *ctx,
    struct err *e)
{
	struct at at = { .each = each, .ctx = ctx };
	int rc = sql_each(st, e, one_at, &at,
	    "SELECT id, root, key FROM db WHERE path = ? ORDER BY id",
	    WITH(NAME(path)));

	buf_release(&at.key);
	return rc;
}

int
state_forget_notes(
    struct state *st, int64_t root, const char *path, struct err *e)
{
#define LEFT "EXISTS (SELECT 1 FROM db WHERE path = ?1)"
	const struct sql_value *v = WITH(NAME(path), NUMBER(root));

	if (sql_run(st, e,
		"DELETE FROM pending WHERE path = ?1"
		" AND (root = ?2 OR NOT " LEFT ")",
		v) == -1 ||
	    sql_run(st, e,
		"DELETE FROM trouble WHERE path = ?1"
		" AND (root = ?2 OR NOT " LEFT ")",
		v) == -1)
		return -1;
	return !state_has(st, "lost") ? 0
				      : sql_run(st, e,
					    "DELETE FROM lost WHERE path = ?1"
					    " AND ?2 IS NOT NULL AND NOT " LEFT,
					    v);
#undef LEFT
}

/* -- records --------------------------------------------------------------- */

#define ROW "SELECT id, root, path, sig, racy, captured_ns FROM db"

struct rows {
	struct buf path;
	state_each_known *each;
	void *ctx;
};

static int
one_row(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct rows *r = ctx;
	struct known_row row;

	sql_column(q, 2, &r->path);
	row = (struct known_row){ .id = sqlite3_column_int64(q, 0),
		.root = sqlite3_column_int64(q, 1),
		.path = buf_str(&r->path),
		.racy = sqlite3_column_int(q, 4) != 0,
		.captured_ns = sqlite3_column_int64(q, 5) };
	(void)state_signature(q, 3, &row.sig);
	return r->each(r->ctx, &row, e);
}

static int
each_row(struct state *st, const char *text, const char *after,
    state_each_known *each, void *ctx, struct err *e)
{
	struct rows r = { .each = each, .ctx = ctx };
	int rc = sql_each(st, e, one_row, &r, text, WITH(NAME(after)));

	buf_release(&r.path);
	return rc;
}

int
state_known(struct state *st, const char *after, state_each_known *each,
    void *ctx, struct err *e)
{
	return each_row(
	    st, ROW " WHERE path > ? ORDER BY path", after, each, ctx, e);
}

int
state_missing(struct state *st, const char *after, state_each_known *each,
    void *ctx, struct err *e)
{
	return each_row(st,
	    state_has(st, "lost")
		? ROW " WHERE path IN (SELECT path FROM db WHERE path > ?1"
		      " AND gone_ns IS NOT NULL UNION SELECT path FROM lost"
		      " WHERE path > ?1) ORDER BY path"
		: ROW " WHERE path > ? AND gone_ns IS NOT NULL ORDER BY path",
	    after, each, ctx, e);
}
