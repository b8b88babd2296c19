#include "lib/engine/state_whose.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/engine/state_impl.h"

/* -- runs ------------------------------------------------------------------ */

static int
about_run(struct state *st, enum state_query n, uint64_t token, struct err *e)
{
	sqlite3_stmt *q = state_query(st, n, e);

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, (int64_t)token);
	return state_run(st, q, e);
}

/* The handle may be one whose notes need not be durable. */
int
state_put_run(struct state *st, uint64_t token, struct err *e)
{
	int rc;

	if (sqlite3_exec(st->db, "PRAGMA synchronous = FULL", NULL, NULL,
		NULL) != SQLITE_OK)
		return state_fail(st, e);
	rc = about_run(st, Q_RUN_PUT, token, e);
	(void)sqlite3_exec(
	    st->db, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
	return rc;
}

int
state_end_run(struct state *st, uint64_t token, struct err *e)
{
	return about_run(st, Q_RUN_END, token, e);
}

/* Is there a row?  Resets q. */
static int
any(struct state *st, sqlite3_stmt *q, struct err *e)
{
	int rc = sqlite3_step(q);

	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		state_fail(st, e);
	sqlite3_reset(q);
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

int
state_knows_run(struct state *st, uint64_t token, struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_RUN_KNOWN, e);

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, (int64_t)token);
	return any(st, q, e);
}

/* -- databases ------------------------------------------------------------- */

static sqlite3_stmt *
about(struct state *st, enum state_query n, int64_t root, const char *key,
    struct err *e)
{
	sqlite3_stmt *q = state_query(st, n, e);

	if (q == NULL)
		return NULL;
	sqlite3_bind_int64(q, 1, root);
	state_bind(q, 2, key, strlen(key));
	return q;
}

int
state_whose(struct state *st, int64_t root, const char *key, struct whose *w,
    struct err *e)
{
	sqlite3_stmt *q = about(st, Q_WHOSE, root, key, e);
	const char *object;
	int rc;

	*w = (struct whose){ 0 };
	if (q == NULL)
		return -1;
	if ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		object = (const char *)sqlite3_column_text(q, 0);
		w->object = object != NULL ? xstrdup(object) : NULL;
		w->taken_ns = sqlite3_column_int64(q, 1);
	} else if (rc != SQLITE_DONE) {
		state_fail(st, e);
	}
	sqlite3_reset(q);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}

void
whose_release(struct whose *w)
{
	free(w->object);
	*w = (struct whose){ 0 };
}

int
state_put_whose(struct state *st, int64_t root, const char *key,
    const struct whose *w, struct err *e)
{
	bool none = w->object == NULL && w->taken_ns == 0;
	sqlite3_stmt *q =
	    about(st, none ? Q_WHOSE_DROP : Q_WHOSE_PUT, root, key, e);

	if (q == NULL)
		return -1;
	if (!none) {
		sqlite3_bind_text(q, 3, w->object, -1, SQLITE_STATIC);
		sqlite3_bind_int64(q, 4, w->taken_ns);
	}
	return state_run(st, q, e);
}

int
state_contend(struct state *st, int64_t root, struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_CONTEND, e);

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, root);
	return state_run(st, q, e);
}

int
state_contended(struct state *st, int64_t id, struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_CONTENDED, e);

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, id);
	return any(st, q, e);
}
