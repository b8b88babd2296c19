/* SPDX-License-Identifier: Apache-2.0 */
/* Databases that are not there any more, for lspp-prune. */

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/state/fleet/state_known.h"
#include "lib/state/state_compared.h"
#include "lib/state/state_impl.h"
#include "lib/state/state_shrunk.h"

struct gone {
	char **path;
	int64_t *since_ns;
};

static int
take_gone(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct gone *g = ctx;

	(void)e;
	*g->path = xasprintf("%.*s", sqlite3_column_bytes(q, 0),
	    (const char *)sqlite3_column_blob(q, 0));
	*g->since_ns = sqlite3_column_int64(q, 1);
	return 1;
}

int
state_gone(struct state *st, int64_t root, const char *key, char **path,
    int64_t *since_ns, struct err *e)
{
	struct gone g = { path, since_ns };

	return sql_each(st, e, take_gone, &g,
	    "SELECT path, gone_ns FROM db WHERE root = ? AND key = ?",
	    WITH(NUMBER(root), NAME(key)));
}

int
state_put_gone(struct state *st, int64_t root, const char *key, int64_t at_ns,
    struct err *e)
{
	return sql_run(st, e,
	    "UPDATE db SET gone_ns = nullif(?, 0) WHERE root = ? AND key = ?",
	    WITH(NUMBER(at_ns), NUMBER(root), NAME(key)));
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
	const struct sql_value *which = WITH(NUMBER(root), NAME(key));
	int rc;

	/* To be durable before anything goes: who only looks has it not so. */
	if (state_exec(st, "PRAGMA synchronous = FULL", e) == -1 ||
	    state_begin(st, e) == -1)
		return -1;
	rc = sql_run(st, e,
	    "UPDATE db SET racy = racy | 1 WHERE root = ? AND key = ?", which);
	if (rc == 0)
		rc = sql_run(st, e,
		    "INSERT INTO verdict SELECT root, key, 0, 0, 0, NULL, 0, 0,"
		    " line FROM db WHERE root = ? AND key = ?"
		    " ON CONFLICT DO UPDATE SET broken = excluded.broken",
		    which);
	return end(st, rc, e);
}

static int
forget(struct state *st, const struct record *r, struct err *e)
{
	const struct sql_value *which = WITH(NUMBER(r->root), NAME(r->key));
	const struct shrunk none = { 0 };

	if (state_forget_sums(st, r->id, e) == -1 ||
	    sql_run(st, e, "DELETE FROM db WHERE root = ? AND key = ?",
		which) == -1 ||
	    sql_run(st, e, "DELETE FROM verdict WHERE root = ? AND key = ?",
		which) == -1)
		return -1;
	if (state_has_compared(st) &&
	    sql_run(st, e, "DELETE FROM compared WHERE root = ? AND key = ?",
		which) == -1)
		return -1;
	if (state_put_shrunk(st, r->root, r->key, &none, e) == -1)
		return -1;
	return state_forget_notes(st, r->root, r->path, e);
}

int
state_forget(struct state *st, int64_t root, const char *key, struct err *e)
{
	struct record r;
	int rc = state_find(st, root, key, &r, e);

	if (rc != 1)
		return rc;
	rc = state_begin(st, e);
	if (rc == 0)
		rc = end(st, forget(st, &r, e), e);
	record_release(&r);
	return rc;
}
