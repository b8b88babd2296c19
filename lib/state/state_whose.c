/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/state/state_whose.h"

#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/state/state_impl.h"

/* -- runs ------------------------------------------------------------------ */

/* The handle may be one whose notes need not be durable. */
int
state_put_run(struct state *st, uint64_t token, struct err *e)
{
	int rc;

	if (state_exec(st, "PRAGMA synchronous = FULL", e) == -1)
		return -1;
	rc = sql_run(st, e, "REPLACE INTO run VALUES(?)", WITH(NUMBER(token)));
	(void)state_exec(st, "PRAGMA synchronous = NORMAL", &(struct err){ 0 });
	return rc;
}

int
state_end_run(struct state *st, uint64_t token, struct err *e)
{
	return sql_run(
	    st, e, "DELETE FROM run WHERE token = ?", WITH(NUMBER(token)));
}

int
state_knows_run(struct state *st, uint64_t token, struct err *e)
{
	return sql_any(
	    st, e, "SELECT 1 FROM run WHERE token = ?", WITH(NUMBER(token)));
}

/* -- databases ------------------------------------------------------------- */

static int
take_whose(void *ctx, sqlite3_stmt *q, struct err *e)
{
	const char *object = (const char *)sqlite3_column_text(q, 0);
	struct whose *w = ctx;

	(void)e;
	w->object = object != NULL ? xstrdup(object) : NULL;
	w->taken_ns = sqlite3_column_int64(q, 1);
	return 1;
}

int
state_whose(struct state *st, int64_t root, const char *key, struct whose *w,
    struct err *e)
{
	*w = (struct whose){ 0 };
	return sql_each(st, e, take_whose, w,
		   "SELECT object, taken_ns FROM whose"
		   " WHERE root = ? AND key = ?",
		   WITH(NUMBER(root), NAME(key))) == -1
	    ? -1
	    : 0;
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
	if (w->object == NULL && w->taken_ns == 0)
		return sql_run(st, e,
		    "DELETE FROM whose WHERE root = ? AND key = ?",
		    WITH(NUMBER(root), NAME(key)));
	return sql_run(st, e, "REPLACE INTO whose VALUES(?, ?, ?, ?)",
	    WITH(
		NUMBER(root), NAME(key), TEXT(w->object), NUMBER(w->taken_ns)));
}

int
state_contend(struct state *st, int64_t root, struct err *e)
{
	return sql_run(st, e,
	    "UPDATE db SET racy = racy | 2 WHERE root = ? AND racy & 2 = 0",
	    WITH(NUMBER(root)));
}

int
state_contended(struct state *st, int64_t id, struct err *e)
{
	return sql_any(st, e, "SELECT 1 FROM db WHERE id = ? AND racy & 2 <> 0",
	    WITH(NUMBER(id)));
}
