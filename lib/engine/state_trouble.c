/*
 * What is wrong, path by path, for those who look after a fleet: written by
 * lspp-ship, taken back by the transaction that records a success, and by a
 * pass of lspp-hot that finds the database gone or all of it shipped.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/mask.h"
#include "lib/engine/state_impl.h"

char *
state_message(const char *text)
{
	char *msg = xstrdup(text);

	mask_urls(msg);
	if (strlen(msg) > STATE_TROUBLE_MSG)
		msg[STATE_TROUBLE_MSG] = '\0';
	return msg;
}

int
state_trouble(struct state *st, const struct trouble *t, const char *path,
    const char *text, struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_TROUBLE, e);
	char *msg;
	int rc;

	if (q == NULL)
		return -1;
	msg = state_message(text);
	state_bind(q, 1, path, strlen(path));
	sqlite3_bind_int64(q, 2, t->root);
	sqlite3_bind_int64(q, 3, t->at_ns);
	sqlite3_bind_int(q, 4, (int)t->class);
	sqlite3_bind_int64(q, 5, t->attempts);
	state_bind(q, 6, msg, strlen(msg));
	sqlite3_bind_int64(q, 7, t->wait_ns);
	rc = state_run(st, q, e);
	free(msg);
	return rc;
}

/* A query about a path in a root. */
static sqlite3_stmt *
about(struct state *st, enum state_query n, int64_t root, const char *path,
    struct err *e)
{
	sqlite3_stmt *q = state_query(st, n, e);

	if (q == NULL)
		return NULL;
	state_bind(q, 1, path, strlen(path));
	sqlite3_bind_int64(q, 2, root);
	return q;
}

/* Is there a row? */
static int
any(struct state *st, sqlite3_stmt *q, struct err *e)
{
	int rc;

	if (q == NULL)
		return -1;
	rc = sqlite3_step(q);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		state_fail(st, e);
	sqlite3_reset(q);
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

int
state_troubled(struct state *st, int64_t root, const char *path, struct err *e)
{
	return any(st, about(st, Q_TROUBLED, root, path, e), e);
}

int
state_any_trouble(struct state *st, struct err *e)
{
	return any(st, state_query(st, Q_ANY_TROUBLE, e), e);
}

int
state_untrouble(struct state *st, int64_t root, const char *path, struct err *e)
{
	sqlite3_stmt *q = about(st, Q_UNTROUBLE, root, path, e);

	if (q == NULL || state_run(st, q, e) == -1)
		return -1;
	return state_note_back(st, path, e);
}

int
state_note_back(struct state *st, const char *path, struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_NOT_GONE, e);

	if (q == NULL)
		return -1;
	state_bind(q, 1, path, strlen(path));
	return state_run(st, q, e);
}

int
state_forget_trouble(struct state *st, int64_t before_ns, struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_FORGET, e);

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, before_ns);
	return state_run(st, q, e);
}

/* -- what a pass may find out of date -------------------------------------- */

/* Each path that the query text gives, with what its parameters are. */
static int
each_path(struct state *st, const char *text, const char *after,
    int64_t before_ns, int64_t root, state_each *each, void *ctx, struct err *e)
{
	sqlite3_stmt *q = NULL;
	struct buf path = { 0 };
	int rc = SQLITE_DONE, stop = 0;

	if (sqlite3_prepare_v2(st->db, text, -1, &q, NULL) != SQLITE_OK)
		return state_fail(st, e);
	state_bind(q, 1, after, strlen(after));
	sqlite3_bind_int64(q, 2, before_ns);
	sqlite3_bind_int64(q, 3, root);
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

int
state_noted(struct state *st, int64_t root, int64_t before_ns,
    const char *after, state_each *each, void *ctx, struct err *e)
{
	return each_path(st,
	    "SELECT path FROM pending WHERE path > ?1 AND since_ns < ?2"
	    " AND ?3 IN (0, root)"
	    " UNION SELECT path FROM trouble WHERE path > ?1 AND at_ns < ?2"
	    " AND (root = 0 OR ?3 IN (0, root)) ORDER BY path",
	    after, before_ns, root, each, ctx, e);
}

int
state_gone_paths(struct state *st, const char *after, state_each *each,
    void *ctx, struct err *e)
{
	return each_path(st,
	    "SELECT DISTINCT path FROM db"
	    " WHERE path > ?1 AND gone_ns IS NOT NULL ORDER BY path",
	    after, 0, 0, each, ctx, e);
}

int
state_unnote(struct state *st, int64_t root, int64_t before_ns,
    const char *path, struct err *e)
{
	static const char *const text[] = {
		"DELETE FROM pending WHERE path = ?1 AND since_ns < ?3"
		" AND ?2 IN (0, root)",
		"DELETE FROM trouble WHERE path = ?1 AND at_ns < ?3"
		" AND (root = 0 OR ?2 IN (0, root))",
	};
	sqlite3_stmt *q;
	int rc = 0;

	for (size_t i = 0; i < 2 && rc == 0; i++) {
		if (sqlite3_prepare_v2(st->db, text[i], -1, &q, NULL) !=
		    SQLITE_OK)
			return state_fail(st, e);
		state_bind(q, 1, path, strlen(path));
		sqlite3_bind_int64(q, 2, root);
		sqlite3_bind_int64(q, 3, before_ns);
		rc = state_run(st, q, e);
		sqlite3_finalize(q);
	}
	return rc;
}
