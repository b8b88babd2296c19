/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/state/state_shrunk.h"

#include "lib/state/state_impl.h"

static int
take(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct shrunk *s = ctx;

	(void)e;
	s->at_ns = sqlite3_column_int64(q, 0);
	s->was = (uint64_t)sqlite3_column_int64(q, 1);
	s->now = (uint64_t)sqlite3_column_int64(q, 2);
	s->no_tables = sqlite3_column_int(q, 3) != 0;
	return 1;
}

int
state_shrunk(struct state *st, int64_t root, const char *key, struct shrunk *s,
    struct err *e)
{
	*s = (struct shrunk){ 0 };
	return !state_has(st, "shrunk")
	    ? 0
	    : sql_each(st, e, take, s,
		  "SELECT at_ns, was, now, no_tables FROM shrunk"
		  " WHERE root = ? AND key = ?",
		  WITH(NUMBER(root), NAME(key)));
}

int
state_put_shrunk(struct state *st, int64_t root, const char *key,
    const struct shrunk *s, struct err *e)
{
	if (!state_has(st, "shrunk"))
		return 0;
	if (s->at_ns == 0 && !s->no_tables)
		return sql_run(st, e,
		    "DELETE FROM shrunk WHERE root = ? AND key = ?",
		    WITH(NUMBER(root), NAME(key)));
	return sql_run(st, e,
	    "REPLACE INTO shrunk(root, key, at_ns, was, now, no_tables)"
	    " VALUES(?, ?, ?, ?, ?, ?)",
	    WITH(NUMBER(root), NAME(key), NUMBER(s->at_ns), NUMBER(s->was),
		NUMBER(s->now), NUMBER(s->no_tables)));
}
