#include "lib/engine/state_shrunk.h"

#include <string.h>

#include "lib/engine/state_impl.h"

static sqlite3_stmt *
prepare(struct state *st, const char *text, int64_t root, const char *key,
    struct err *e)
{
	sqlite3_stmt *q = NULL;

	if (sqlite3_prepare_v2(st->db, text, -1, &q, NULL) != SQLITE_OK) {
		state_fail(st, e);
		return NULL;
	}
	sqlite3_bind_int64(q, 1, root);
	state_bind(q, 2, key, strlen(key));
	return q;
}

int
state_shrunk(struct state *st, int64_t root, const char *key, struct shrunk *s,
    struct err *e)
{
	sqlite3_stmt *q;
	int rc;

	*s = (struct shrunk){ 0 };
	if (!state_has(st, "shrunk"))
		return 0;
	q = prepare(st,
	    "SELECT at_ns, was, now, no_tables FROM shrunk"
	    " WHERE root = ? AND key = ?",
	    root, key, e);
	if (q == NULL)
		return -1;
	if ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		s->at_ns = sqlite3_column_int64(q, 0);
		s->was = (uint64_t)sqlite3_column_int64(q, 1);
		s->now = (uint64_t)sqlite3_column_int64(q, 2);
		s->no_tables = sqlite3_column_int(q, 3) != 0;
	} else if (rc != SQLITE_DONE) {
		state_fail(st, e);
	}
	sqlite3_finalize(q);
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

int
state_put_shrunk(struct state *st, int64_t root, const char *key,
    const struct shrunk *s, struct err *e)
{
	bool none = s->at_ns == 0 && !s->no_tables;
	sqlite3_stmt *q;
	int rc;

	if (!state_has(st, "shrunk"))
		return 0;
	q = prepare(st,
	    none ? "DELETE FROM shrunk WHERE root = ? AND key = ?"
		 : "REPLACE INTO shrunk(root, key, at_ns, was, now, no_tables)"
		   " VALUES(?, ?, ?, ?, ?, ?)",
	    root, key, e);
	if (q == NULL)
		return -1;
	if (!none) {
		sqlite3_bind_int64(q, 3, s->at_ns);
		sqlite3_bind_int64(q, 4, (int64_t)s->was);
		sqlite3_bind_int64(q, 5, (int64_t)s->now);
		sqlite3_bind_int(q, 6, s->no_tables);
	}
	rc = state_run(st, q, e);
	sqlite3_finalize(q);
	return rc;
}
