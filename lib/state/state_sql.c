/* SPDX-License-Identifier: Apache-2.0 */
/* Statements, from their text to their result: see state_impl.h. */
#include "lib/base/err.h"
#include "lib/state/state_impl.h"

/* Where the statement of that text is kept, or may be; NULL: nowhere. */
static struct sql_kept *
place(struct state *st, const char *text)
{
	size_t at = (uintptr_t)text >> 3;
	struct sql_kept *k;

	for (size_t i = 0; i < SQL_KEPT; i++) {
		k = &st->kept[(at + i) % SQL_KEPT];
		if (k->text == NULL || k->text == text)
			return k;
	}
	return NULL;
}

static void
bind(sqlite3_stmt *q, const struct sql_value *v)
{
	for (int at = 1; v != NULL && v->kind != SQL_END; v++, at++)
		switch (v->kind) {
		case SQL_NUMBER: sqlite3_bind_int64(q, at, v->number); break;
		case SQL_BYTES:
			sqlite3_bind_blob(
			    q, at, v->p, (int)v->n, SQLITE_STATIC);
			break;
		default: sqlite3_bind_text(q, at, v->p, -1, SQLITE_STATIC);
		}
}

/* The statement, bound; NULL with e.  One that is under way, of a caller's
 * caller, is left alone. */
static sqlite3_stmt *
begin(struct state *st, const char *text, const struct sql_value *v,
    struct err *e)
{
	struct sql_kept *k = place(st, text);
	sqlite3_stmt *q = k != NULL ? k->q : NULL;

	if (q == NULL || sqlite3_stmt_busy(q)) {
		if (sqlite3_prepare_v3(st->db, text, -1,
			SQLITE_PREPARE_PERSISTENT, &q, NULL) != SQLITE_OK) {
			state_fail(st, e);
			return NULL;
		}
		if (k != NULL && k->q == NULL)
			*k = (struct sql_kept){ text, q };
	}
	bind(q, v);
	return q;
}

static void
end(struct state *st, const char *text, sqlite3_stmt *q)
{
	const struct sql_kept *k = place(st, text);

	if (k != NULL && k->q == q)
		sqlite3_reset(q);
	else
		sqlite3_finalize(q);
}

int
sql_each(struct state *st, struct err *e, sql_row *row, void *ctx,
    const char *text, const struct sql_value *v)
{
	sqlite3_stmt *q = begin(st, text, v, e);
	int rc = SQLITE_DONE, stop = 0;

	if (q == NULL)
		return -1;
	while (stop == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW)
		stop = row(ctx, q, e);
	if (stop == 0 && rc != SQLITE_DONE)
		stop = state_fail(st, e);
	end(st, text, q);
	return stop;
}

static int
no_row(void *ctx, sqlite3_stmt *q, struct err *e)
{
	(void)ctx;
	(void)q;
	(void)e;
	return 0;
}

int
sql_run(struct state *st, struct err *e, const char *text,
    const struct sql_value *v)
{
	return sql_each(st, e, no_row, NULL, text, v);
}

static int
take_number(void *ctx, sqlite3_stmt *q, struct err *e)
{
	int64_t *out = ctx;

	(void)e;
	*out = sqlite3_column_int64(q, 0);
	return 1;
}

int
sql_number(struct state *st, struct err *e, int64_t *out, const char *text,
    const struct sql_value *v)
{
	return sql_each(st, e, take_number, out, text, v);
}

int
sql_or_zero(struct state *st, struct err *e, int64_t *out, const char *text,
    const struct sql_value *v)
{
	*out = 0;
	return sql_number(st, e, out, text, v) == -1 ? -1 : 0;
}

int
sql_any(struct state *st, struct err *e, const char *text,
    const struct sql_value *v)
{
	int64_t ignored;

	return sql_number(st, e, &ignored, text, v);
}

void
sql_end_all(struct state *st)
{
	for (size_t i = 0; i < SQL_KEPT; i++)
		sqlite3_finalize(st->kept[i].q);
}

void
sql_column(sqlite3_stmt *q, int at, struct buf *b)
{
	buf_reset(b);
	buf_add(b, "", 0);
	if (sqlite3_column_bytes(q, at) > 0)
		buf_add(b, sqlite3_column_blob(q, at),
		    (size_t)sqlite3_column_bytes(q, at));
}
