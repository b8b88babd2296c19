/* SPDX-License-Identifier: Apache-2.0 */
/* The statements of lspp-hot on the state. */
#include <string.h>

#include "lib/base/err.h"
#include "lib/state/fleet/rounds.h"
#include "lib/state/state_impl.h"

/* Rows to step over before it is quicker to search. */
#define STEPS 16

/* -- looks ----------------------------------------------------------------- */

/* How the path of the present row compares with the one that is wanted. */
static int
compare(sqlite3_stmt *q, const char *path, size_t n)
{
	size_t have = (size_t)sqlite3_column_bytes(q, 0);
	int c = memcmp(sqlite3_column_blob(q, 0), path, have < n ? have : n);

	return c != 0 ? c : have < n ? -1 : have > n;
}

static int
step(struct state *st, sqlite3_stmt *q, struct err *e)
{
	int rc = sqlite3_step(q);

	st->row = rc == SQLITE_ROW;
	return st->row || rc == SQLITE_DONE ? 0 : state_fail(st, e);
}

static int
seek(struct state *st, sqlite3_stmt *q, const char *path, struct err *e)
{
	sqlite3_reset(q);
	sqlite3_bind_blob(q, 1, path, (int)strlen(path), SQLITE_TRANSIENT);
	return step(st, q, e);
}

/* To the first row behind what was looked at last, if q does not stand there
 * any more. */
static int
go_on(struct state *st, sqlite3_stmt *q, struct err *e)
{
	const char *last = buf_str(&st->last);

	if (st->standing)
		return 0;
	if (seek(st, q, last, e) == -1)
		return -1;
	while (st->begun && st->row && compare(q, last, st->last.len) == 0)
		if (step(st, q, e) == -1)
			return -1;
	st->standing = true;
	return 0;
}

/*
 * To the first row of path, or, if there is none, behind where it would be.
 * What is passed over on the way forward, or may have been, nobody asked for.
 */
static int
go_to(struct state *st, sqlite3_stmt *q, const char *path, struct err *e)
{
	int order = st->begun ? strcmp(path, buf_str(&st->last)) : 1;
	size_t n = strlen(path);

	st->standing = st->standing && order > 0;
	if (order > 0 && go_on(st, q, e) == -1)
		return -1;
	for (int i = 0; i < STEPS && st->standing && st->row; i++) {
		if (compare(q, path, n) >= 0)
			break;
		st->gap = true;
		if (step(st, q, e) == -1)
			return -1;
	}
	st->gap = st->gap || order < 0;
	if (st->standing && (!st->row || compare(q, path, n) >= 0))
		return 0;
	st->standing = true;
	return seek(st, q, path, e);
}

/* The statement that stands at a row, or NULL. */
static sqlite3_stmt *
looking(struct state *st, struct err *e)
{
	if (st->look == NULL &&
	    sqlite3_prepare_v3(st->db,
		"SELECT path, root, sig, racy, captured_ns, id FROM db"
		" WHERE path >= ? ORDER BY path",
		-1, SQLITE_PREPARE_PERSISTENT, &st->look, NULL) != SQLITE_OK)
		state_fail(st, e);
	return st->look;
}

int
state_look(struct state *st, int64_t root, const char *path,
    const struct signature *sig, struct state_seen *seen, struct err *e)
{
	sqlite3_stmt *q = looking(st, e);
	struct rounds *rounds = seen->rounds;
	struct signature was;
	size_t n = strlen(path);
	int64_t captured;

	*seen = (struct state_seen){ .rounds = rounds };
	if (q == NULL || go_to(st, q, path, e) == -1)
		return -1;
	while (st->row && compare(q, path, n) == 0) {
		if (root == 0 || sqlite3_column_int64(q, 1) == root) {
			captured = sqlite3_column_int64(q, 4);
			if (!seen->known || captured < seen->captured_ns)
				seen->captured_ns = captured;
			seen->known = true;
			if (!state_signature(q, 2, &was) ||
			    !signature_equal(&was, sig))
				seen->changed = true;
			if (sqlite3_column_int(q, 3) != 0)
				seen->racy = true;
			rounds_came(rounds, sqlite3_column_int64(q, 5));
		}
		if (step(st, q, e) == -1)
			return -1;
	}
	buf_reset(&st->last);
	buf_add(&st->last, path, n);
	st->begun = true;
	return 0;
}

int
state_looked_at_all(struct state *st, struct err *e)
{
	sqlite3_stmt *q = looking(st, e);

	if (q == NULL)
		return -1;
	if (!st->begun || st->gap)
		return 0;
	return go_on(st, q, e) == -1 ? -1 : !st->row;
}

void
state_look_end(struct state *st)
{
	sqlite3_reset(st->look);
	st->row = st->standing = false;
}

/* -- notes ----------------------------------------------------------------- */

int
state_pending(struct state *st, int64_t root, const char *path,
    int64_t *since_ns, struct err *e)
{
	return sql_number(st, e, since_ns,
	    "SELECT since_ns FROM pending WHERE path = ? AND root = ?",
	    WITH(NAME(path), NUMBER(root)));
}

int
state_note(struct state *st, int64_t root, const char *path, int64_t since_ns,
    struct err *e)
{
	return sql_run(st, e,
	    "REPLACE INTO pending(path, root, since_ns) VALUES(?, ?, ?)",
	    WITH(NAME(path), NUMBER(root), NUMBER(since_ns)));
}

int
state_settled(struct state *st, int64_t root, const char *path, int64_t read_ns,
    struct err *e)
{
	/* Later ones than now: the clock was ahead. */
	return sql_run(st, e,
	    "DELETE FROM pending WHERE path = ? AND root IN (0, ?)"
	    " AND since_ns NOT BETWEEN ? + 1 AND ?",
	    WITH(NAME(path), NUMBER(root), NUMBER(read_ns), NUMBER(now_ns())));
}

int
state_renote(struct state *st, int64_t root, const char *path, int64_t read_ns,
    struct err *e)
{
	return sql_run(st, e,
	    "UPDATE pending SET since_ns = ?3"
	    " WHERE path = ?1 AND root IN (0, ?2) AND since_ns < ?3",
	    WITH(NAME(path), NUMBER(root), NUMBER(read_ns)));
}

int
state_pass(struct state *st, int64_t root, int64_t *began_ns, struct err *e)
{
	return sql_or_zero(st, e, began_ns,
	    "SELECT value FROM meta WHERE name = 'pass ' || ?",
	    WITH(NUMBER(root)));
}

int
state_put_pass(struct state *st, int64_t root, int64_t began_ns, uint64_t seen,
    struct err *e)
{
	return sql_run(st, e,
	    "REPLACE INTO meta VALUES('pass ' || ?1, ?2), ('seen ' || ?1, ?3)",
	    WITH(NUMBER(root), NUMBER(began_ns), NUMBER(seen)));
}

int
state_life(struct state *st, int64_t root, int64_t *began_ns, struct err *e)
{
	return sql_or_zero(st, e, began_ns,
	    "SELECT coalesce(max(iif(name LIKE 'pass %', value, NULL)),"
	    " max(value)) FROM meta WHERE name IN"
	    " ('pass 0', 'ran 0', 'pass ' || ?1, 'ran ' || ?1)",
	    WITH(NUMBER(root)));
}

int
state_put_ran(struct state *st, int64_t root, int64_t began_ns, struct err *e)
{
	return sql_run(st, e, "REPLACE INTO meta VALUES('ran ' || ?, ?)",
	    WITH(NUMBER(root), NUMBER(began_ns)));
}

bool
state_writable(const struct state *st)
{
	return sqlite3_db_readonly(st->db, "main") == 0;
}

int
state_note_gone(
    struct state *st, const char *path, int64_t at_ns, struct err *e)
{
	int64_t gone;
	int rc = sql_number(st, e, &gone,
	    "SELECT gone_ns IS NOT NULL FROM db WHERE path = ?",
	    WITH(NAME(path)));

	if (rc != 1)
		return rc == 0 ? STATE_UNKNOWN : -1;
	if (gone)
		return STATE_GONE;
	rc = sql_run(st, e, "UPDATE db SET gone_ns = ? WHERE path = ?",
	    WITH(NUMBER(at_ns), NAME(path)));
	return rc == -1 ? -1 : STATE_THERE;
}

struct paths {
	struct buf path;
	state_each *each;
	void *ctx;
};

static int
one_path(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct paths *p = ctx;

	sql_column(q, 0, &p->path);
	return p->each(p->ctx, buf_str(&p->path), e);
}

int
state_each_path(struct state *st, const char *text, const struct sql_value *v,
    state_each *each, void *ctx, struct err *e)
{
	struct paths p = { .each = each, .ctx = ctx };
	int rc = sql_each(st, e, one_path, &p, text, v);

	buf_release(&p.path);
	return rc;
}

int
state_paths(
    struct state *st, int64_t root, state_each *each, void *ctx, struct err *e)
{
	return state_each_path(st,
	    "SELECT DISTINCT path FROM db WHERE ?1 IN (0, root) ORDER BY path",
	    WITH(NUMBER(root)), each, ctx, e);
}
