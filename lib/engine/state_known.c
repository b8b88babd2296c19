#include "lib/engine/state_known.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mask.h"
#include "lib/engine/rounds.h"
#include "lib/engine/state_impl.h"

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
last_record(struct state *st, int64_t *id, struct err *e)
{
	sqlite3_stmt *q = NULL;
	int rc = -1;

	if (sqlite3_prepare_v2(
		st->db, "SELECT max(id) FROM db", -1, &q, NULL) == SQLITE_OK &&
	    sqlite3_step(q) == SQLITE_ROW) {
		*id = sqlite3_column_int64(q, 0);
		rc = 0;
	} else {
		state_fail(st, e);
	}
	sqlite3_finalize(q);
	return rc;
}

int
state_rounds(struct state *st, struct rounds *r, struct err *e)
{
	sqlite3_stmt *q = NULL;
	int rc;

	if (last_record(st, &r->upto, e) == -1)
		return -1;
	r->kept = state_has(st, "round");
	if (!r->kept)
		return 0;
	if (sqlite3_prepare_v2(st->db,
		"SELECT id, began_ns, period_ns, upto, came FROM round"
		" WHERE root = ? ORDER BY began_ns DESC LIMIT ?",
		-1, &q, NULL) != SQLITE_OK)
		return state_fail(st, e);
	sqlite3_bind_int64(q, 1, r->root);
	sqlite3_bind_int(q, 2, ROUNDS_MAX);
	while ((rc = sqlite3_step(q)) == SQLITE_ROW)
		take_round(&r->v[r->n++], q);
	if (rc != SQLITE_DONE)
		state_fail(st, e);
	sqlite3_finalize(q);
	return rc == SQLITE_DONE ? 0 : -1;
}

int
state_all_rounds(
    struct state *st, state_each_round *each, void *ctx, struct err *e)
{
	sqlite3_stmt *q = NULL;
	struct round v = { 0 };
	int rc = SQLITE_DONE, stop = 0;

	if (!state_has(st, "round"))
		return 0;
	if (sqlite3_prepare_v2(st->db,
		"SELECT id, began_ns, period_ns, upto, came, root FROM round",
		-1, &q, NULL) != SQLITE_OK)
		return state_fail(st, e);
	while (stop == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
		take_round(&v, q);
		stop = each(ctx, sqlite3_column_int64(q, 5), &v, e);
	}
	if (stop == 0 && rc != SQLITE_DONE)
		stop = state_fail(st, e);
	sqlite3_finalize(q);
	bits_release(&v.came);
	return stop;
}

int
state_put_round(struct state *st, int64_t root, struct round *v, struct err *e)
{
	sqlite3_stmt *q = NULL;
	const void *came;
	size_t len;
	int rc;

	if (sqlite3_prepare_v2(st->db,
		"REPLACE INTO round(id, root, began_ns, period_ns, upto, came)"
		" VALUES(nullif(?, 0), ?, ?, ?, ?, ?)",
		-1, &q, NULL) != SQLITE_OK)
		return state_fail(st, e);
	came = bits_data(&v->came, &len);
	sqlite3_bind_int64(q, 1, v->id);
	sqlite3_bind_int64(q, 2, root);
	sqlite3_bind_int64(q, 3, v->began_ns);
	sqlite3_bind_int64(q, 4, v->period_ns);
	sqlite3_bind_int64(q, 5, v->upto);
	state_bind(q, 6, came != NULL ? came : "", len);
	rc = state_run(st, q, e);
	sqlite3_finalize(q);
	if (rc == 0 && v->id == 0)
		v->id = sqlite3_last_insert_rowid(st->db);
	return rc;
}

int
state_drop_round(struct state *st, const struct round *v, struct err *e)
{
	sqlite3_stmt *q = NULL;
	int rc;

	if (sqlite3_prepare_v2(st->db,
		"DELETE FROM round WHERE id = ? AND began_ns <= ?", -1, &q,
		NULL) != SQLITE_OK)
		return state_fail(st, e);
	sqlite3_bind_int64(q, 1, v->id);
	sqlite3_bind_int64(q, 2, v->began_ns);
	rc = state_run(st, q, e);
	sqlite3_finalize(q);
	return rc;
}

/* -- what is lost ---------------------------------------------------------- */

/* A statement about a path, its first parameter. */
static sqlite3_stmt *
about(struct state *st, const char *text, const char *path, struct err *e)
{
	sqlite3_stmt *q = NULL;

	if (sqlite3_prepare_v2(st->db, text, -1, &q, NULL) != SQLITE_OK) {
		state_fail(st, e);
		return NULL;
	}
	state_bind(q, 1, path, strlen(path));
	return q;
}

int
state_put_lost(struct state *st, const char *path, int64_t at_ns,
    const struct err *why, struct err *e)
{
	sqlite3_stmt *q;
	char *msg;
	int rc;

	if (!state_has(st, "lost"))
		return 1;
	q = about(st,
	    "INSERT INTO lost VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE"
	    " SET class = ?3, msg = ?4 WHERE class <> ?3 OR msg <> ?4",
	    path, e);
	if (q == NULL)
		return -1;
	msg = state_message(why->msg);
	sqlite3_bind_int64(q, 2, at_ns);
	sqlite3_bind_int(q, 3, (int)why->class);
	sqlite3_bind_text(q, 4, msg, -1, SQLITE_STATIC);
	rc = state_run(st, q, e);
	sqlite3_finalize(q);
	free(msg);
	return rc == -1 ? -1 : sqlite3_changes(st->db) > 0;
}

int
state_unlost(struct state *st, const char *path, struct err *e)
{
	sqlite3_stmt *q;
	int rc;

	if (!state_has(st, "lost"))
		return 0;
	if ((q = about(st, "DELETE FROM lost WHERE path = ?", path, e)) == NULL)
		return -1;
	rc = state_run(st, q, e);
	sqlite3_finalize(q);
	return rc;
}

int
state_is_gone(struct state *st, const char *path, struct err *e)
{
	sqlite3_stmt *q = about(st,
	    "SELECT 1 FROM db WHERE path = ? AND gone_ns IS NOT NULL", path, e);
	int rc;

	if (q == NULL)
		return -1;
	rc = sqlite3_step(q);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		state_fail(st, e);
	sqlite3_finalize(q);
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

int
state_at(struct state *st, const char *path, state_each_at *each, void *ctx,
    struct err *e)
{
	sqlite3_stmt *q = about(st,
	    "SELECT id, root, key FROM db WHERE path = ? ORDER BY id", path, e);
	struct buf key = { 0 };
	int rc = SQLITE_DONE, stop = 0;

	if (q == NULL)
		return -1;
	while (stop == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
		buf_reset(&key);
		buf_add(&key, sqlite3_column_blob(q, 2),
		    (size_t)sqlite3_column_bytes(q, 2));
		stop = each(ctx, sqlite3_column_int64(q, 0),
		    sqlite3_column_int64(q, 1), buf_str(&key), e);
	}
	if (stop == 0 && rc != SQLITE_DONE)
		stop = state_fail(st, e);
	sqlite3_finalize(q);
	buf_release(&key);
	return stop;
}

int
state_forget_notes(
    struct state *st, int64_t root, const char *path, struct err *e)
{
#define LEFT "EXISTS (SELECT 1 FROM db WHERE path = ?1)"
	static const char *const text[] = {
		"DELETE FROM pending WHERE path = ?1"
		" AND (root = ?2 OR NOT " LEFT ")",
		"DELETE FROM trouble WHERE path = ?1"
		" AND (root = ?2 OR NOT " LEFT ")",
		"DELETE FROM lost WHERE path = ?1"
		" AND ?2 IS NOT NULL AND NOT " LEFT,
	};
#undef LEFT
	size_t n = sizeof(text) / sizeof(text[0]);
	sqlite3_stmt *q;
	int rc = 0;

	if (!state_has(st, "lost"))
		n--;
	for (size_t i = 0; i < n && rc == 0; i++) {
		if ((q = about(st, text[i], path, e)) == NULL)
			return -1;
		sqlite3_bind_int64(q, 2, root);
		rc = state_run(st, q, e);
		sqlite3_finalize(q);
	}
	return rc;
}

/* -- records --------------------------------------------------------------- */

#define ROW "SELECT id, root, path, sig, racy, captured_ns FROM db"

static int
each_row(struct state *st, const char *text, const char *after,
    state_each_known *each, void *ctx, struct err *e)
{
	struct known_row row;
	struct buf path = { 0 };
	sqlite3_stmt *q = about(st, text, after, e);
	int rc = SQLITE_DONE, stop = 0;

	if (q == NULL)
		return -1;
	while (stop == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
		buf_reset(&path);
		buf_add(&path, sqlite3_column_blob(q, 2),
		    (size_t)sqlite3_column_bytes(q, 2));
		row = (struct known_row){ .id = sqlite3_column_int64(q, 0),
			.root = sqlite3_column_int64(q, 1),
			.path = buf_str(&path),
			.racy = sqlite3_column_int(q, 4) != 0,
			.captured_ns = sqlite3_column_int64(q, 5) };
		(void)state_column(q, 3, &row.sig, sizeof(row.sig));
		stop = each(ctx, &row, e);
	}
	if (stop == 0 && rc != SQLITE_DONE)
		stop = state_fail(st, e);
	sqlite3_finalize(q);
	buf_release(&path);
	return stop;
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
