/* What lspp-hot asks of the state, and leaves there. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/engine/rounds.h"
#include "lib/engine/state_impl.h"

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

int
state_look(struct state *st, int64_t root, const char *path,
    const struct signature *sig, struct state_seen *seen, struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_LOOK, e);
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
			if (!state_column(q, 2, &was, sizeof(was)) ||
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
	sqlite3_stmt *q = state_query(st, Q_LOOK, e);

	if (q == NULL)
		return -1;
	if (!st->begun || st->gap)
		return 0;
	return go_on(st, q, e) == -1 ? -1 : !st->row;
}

void
state_look_end(struct state *st)
{
	sqlite3_reset(st->q[Q_LOOK]);
	st->row = st->standing = false;
}

/* -- notes ----------------------------------------------------------------- */

int
state_pending(struct state *st, int64_t root, const char *path,
    int64_t *since_ns, struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_PENDING, e);
	int rc;

	if (q == NULL)
		return -1;
	state_bind(q, 1, path, strlen(path));
	sqlite3_bind_int64(q, 2, root);
	if ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		*since_ns = sqlite3_column_int64(q, 0);
		rc = 1;
	} else {
		rc = rc == SQLITE_DONE ? 0 : state_fail(st, e);
	}
	sqlite3_reset(q);
	return rc;
}

int
state_note(struct state *st, int64_t root, const char *path, int64_t since_ns,
    struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_NOTE, e);

	if (q == NULL)
		return -1;
	state_bind(q, 1, path, strlen(path));
	sqlite3_bind_int64(q, 2, root);
	sqlite3_bind_int64(q, 3, since_ns);
	return state_run(st, q, e);
}

int
state_settled(struct state *st, int64_t root, const char *path, int64_t read_ns,
    struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_SETTLE, e);

	if (q == NULL)
		return -1;
	state_bind(q, 1, path, strlen(path));
	sqlite3_bind_int64(q, 2, root);
	sqlite3_bind_int64(q, 3, read_ns);
	sqlite3_bind_int64(
	    q, 4, now_ns()); /* later ones: the clock was ahead */
	return state_run(st, q, e);
}

int
state_renote(struct state *st, int64_t root, const char *path, int64_t read_ns,
    struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_RENOTE, e);

	if (q == NULL)
		return -1;
	state_bind(q, 1, path, strlen(path));
	sqlite3_bind_int64(q, 2, root);
	sqlite3_bind_int64(q, 3, read_ns);
	return state_run(st, q, e);
}

int
state_pass(struct state *st, int64_t root, int64_t *began_ns, struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_PASS_GET, e);
	int rc;

	*began_ns = 0;
	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, root);
	if ((rc = sqlite3_step(q)) == SQLITE_ROW)
		*began_ns = sqlite3_column_int64(q, 0);
	else if (rc != SQLITE_DONE)
		state_fail(st, e);
	sqlite3_reset(q);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}

int
state_put_pass(struct state *st, int64_t root, int64_t began_ns, uint64_t seen,
    struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_PASS_PUT, e);

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, root);
	sqlite3_bind_int64(q, 2, began_ns);
	sqlite3_bind_int64(q, 3, (int64_t)seen);
	return state_run(st, q, e);
}

int
state_life(struct state *st, int64_t root, int64_t *began_ns, struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_LIFE, e);
	int rc = 0;

	*began_ns = 0;
	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, root);
	if (sqlite3_step(q) == SQLITE_ROW)
		*began_ns = sqlite3_column_int64(q, 0);
	else
		rc = state_fail(st, e);
	sqlite3_reset(q);
	return rc;
}

int
state_put_ran(struct state *st, int64_t root, int64_t began_ns, struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_RAN_PUT, e);

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, root);
	sqlite3_bind_int64(q, 2, began_ns);
	return state_run(st, q, e);
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
	sqlite3_stmt *q = state_query(st, Q_GONE, e);
	int rc, gone = STATE_UNKNOWN;

	if (q == NULL)
		return -1;
	state_bind(q, 1, path, strlen(path));
	if ((rc = sqlite3_step(q)) == SQLITE_ROW)
		gone = sqlite3_column_type(q, 0) == SQLITE_NULL ? STATE_THERE
								: STATE_GONE;
	else if (rc != SQLITE_DONE)
		gone = state_fail(st, e);
	sqlite3_reset(q);
	if (gone != STATE_THERE)
		return gone;
	if ((q = state_query(st, Q_NOTE_GONE, e)) == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, at_ns);
	state_bind(q, 2, path, strlen(path));
	return state_run(st, q, e) == -1 ? -1 : gone;
}

int
state_paths(
    struct state *st, int64_t root, state_each *each, void *ctx, struct err *e)
{
	sqlite3_stmt *q = NULL;
	struct buf path = { 0 };
	int rc, stop = 0;

	if (sqlite3_prepare_v2(st->db,
		"SELECT DISTINCT path FROM db WHERE ?1 IN (0, root)"
		" ORDER BY path",
		-1, &q, NULL) != SQLITE_OK)
		return state_fail(st, e);
	sqlite3_bind_int64(q, 1, root);
	while (stop == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
		buf_reset(&path);
		buf_add(&path, sqlite3_column_blob(q, 0),
		    (size_t)sqlite3_column_bytes(q, 0));
		stop = each(ctx, buf_str(&path), e);
	}
	if (stop == 0 && rc != SQLITE_DONE)
		stop = state_fail(st, e);
	sqlite3_finalize(q);
	buf_release(&path);
	return stop;
}
