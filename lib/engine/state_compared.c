#include "lib/engine/state_compared.h"

#include <string.h>

#include "lib/engine/state_impl.h"

static sqlite3_stmt *
query(struct state *st, enum state_query n, int64_t root, const char *key,
    struct err *e)
{
	sqlite3_stmt *q = state_query(st, n, e);

	if (q != NULL) {
		sqlite3_bind_int64(q, 1, root);
		state_bind(q, 2, key, strlen(key));
	}
	return q;
}

int
state_put_compared(struct state *st, int64_t root, const char *key,
    const struct compared *c, struct err *e)
{
	sqlite3_stmt *q = query(st, Q_COMPARED_PUT, root, key, e);

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 3, c->at_ns);
	sqlite3_bind_int(q, 4, (int)c->class);
	sqlite3_bind_text(q, 5, c->msg, -1, SQLITE_STATIC);
	return state_run(st, q, e);
}

static int
put_time(struct state *st, enum state_query n, int64_t root, const char *key,
    int64_t ns, struct err *e)
{
	sqlite3_stmt *q = query(st, n, root, key, e);

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 3, ns);
	return state_run(st, q, e);
}

int
state_put_uncompared(struct state *st, int64_t root, const char *key,
    int64_t tried_ns, struct err *e)
{
	return put_time(st, Q_UNCOMPARED_PUT, root, key, tried_ns, e);
}

int
state_put_healed(struct state *st, int64_t root, const char *key, int64_t at_ns,
    struct err *e)
{
	return put_time(st, Q_HEALED_PUT, root, key, at_ns, e);
}

bool
state_has_compared(struct state *st)
{
	return sqlite3_table_column_metadata(st->db, "main", "compared", NULL,
		   NULL, NULL, NULL, NULL, NULL) == SQLITE_OK;
}

int
state_compared_ns(
    struct state *st, int64_t root, const char *key, int64_t *ns, struct err *e)
{
	sqlite3_stmt *q;
	int rc;

	*ns = 0;
	if (!state_has_compared(st))
		return 0;
	if ((q = query(st, Q_COMPARED, root, key, e)) == NULL)
		return -1;
	if ((rc = sqlite3_step(q)) == SQLITE_ROW)
		*ns = sqlite3_column_int64(q, 0);
	else if (rc != SQLITE_DONE)
		state_fail(st, e);
	sqlite3_reset(q);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}
