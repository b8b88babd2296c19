/* Databases that are not there any more, for lspp-prune. */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/engine/state_compared.h"
#include "lib/engine/state_impl.h"
#include "lib/engine/state_known.h"
#include "lib/engine/state_shrunk.h"

/* A statement with root and key as its last two parameters. */
static sqlite3_stmt *
prepare(struct state *st, const char *text, int64_t root, const char *key,
    struct err *e)
{
	sqlite3_stmt *q = NULL;
	int n;

	if (sqlite3_prepare_v2(st->db, text, -1, &q, NULL) != SQLITE_OK) {
		state_fail(st, e);
		return NULL;
	}
	n = sqlite3_bind_parameter_count(q);
	sqlite3_bind_int64(q, n - 1, root);
	state_bind(q, n, key, strlen(key));
	return q;
}

/* Step a statement without a result, and finalize it. */
static int
finish(struct state *st, sqlite3_stmt *q, struct err *e)
{
	int rc = sqlite3_step(q) == SQLITE_DONE ? 0 : state_fail(st, e);

	sqlite3_finalize(q);
	return rc;
}

int
state_gone(struct state *st, int64_t root, const char *key, char **path,
    int64_t *since_ns, struct err *e)
{
	sqlite3_stmt *q = prepare(st,
	    "SELECT path, gone_ns FROM db WHERE root = ? AND key = ?", root,
	    key, e);
	int rc;

	if (q == NULL)
		return -1;
	if ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		*path = xasprintf("%.*s", sqlite3_column_bytes(q, 0),
		    (const char *)sqlite3_column_blob(q, 0));
		*since_ns = sqlite3_column_int64(q, 1);
		rc = 1;
	} else {
		rc = rc == SQLITE_DONE ? 0 : state_fail(st, e);
	}
	sqlite3_finalize(q);
	return rc;
}

int
state_put_gone(struct state *st, int64_t root, const char *key, int64_t at_ns,
    struct err *e)
{
	sqlite3_stmt *q = prepare(st,
	    "UPDATE db SET gone_ns = nullif(?, 0) WHERE root = ? AND key = ?",
	    root, key, e);

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, at_ns);
	return finish(st, q, e);
}

static int
run(struct state *st, const char *text, int64_t root, const char *key,
    struct err *e)
{
	sqlite3_stmt *q = prepare(st, text, root, key, e);

	return q == NULL ? -1 : finish(st, q, e);
}

/* The end of a transaction, in which rc is how it went. */
static int
end(struct state *st, int rc, struct err *e)
{
	if (rc == 0)
		rc = state_commit(st, e);
	if (rc == -1)
		state_rollback(st);
	return rc;
}

int
state_put_going(struct state *st, int64_t root, const char *key, struct err *e)
{
	int rc;

	/* To be durable before anything goes: who only looks has it not so. */
	if (sqlite3_exec(st->db, "PRAGMA synchronous = FULL", NULL, NULL,
		NULL) != SQLITE_OK)
		return state_fail(st, e);
	if (state_begin(st, e) == -1)
		return -1;
	rc = run(st,
	    "UPDATE db SET racy = racy | 1"
	    " WHERE root = ? AND key = ?",
	    root, key, e);
	if (rc == 0)
		rc = run(st,
		    "INSERT INTO verdict SELECT root, key, 0, 0, 0, NULL, 0, 0,"
		    " generation FROM db WHERE root = ? AND key = ?"
		    " ON CONFLICT DO UPDATE SET broken = excluded.broken",
		    root, key, e);
	return end(st, rc, e);
}

int
state_forget(struct state *st, int64_t root, const char *key, struct err *e)
{
	const struct shrunk none = { 0 };
	struct record r;
	int rc = state_find(st, root, key, &r, e);

	if (rc != 1)
		return rc;
	rc = state_begin(st, e);
	if (rc == 0) {
		rc = state_forget_sums(st, r.id, e);
		if (rc == 0)
			rc =
			    run(st, "DELETE FROM db WHERE root = ? AND key = ?",
				root, key, e);
		if (rc == 0)
			rc = run(st,
			    "DELETE FROM verdict WHERE root = ? AND key = ?",
			    root, key, e);
		if (rc == 0 && state_has_compared(st))
			rc = run(st,
			    "DELETE FROM compared WHERE root = ? AND key = ?",
			    root, key, e);
		if (rc == 0)
			rc = state_put_shrunk(st, root, key, &none, e);
		if (rc == 0)
			rc = state_forget_notes(st, root, r.path, e);
		rc = end(st, rc, e);
	}
	record_release(&r);
	return rc;
}
