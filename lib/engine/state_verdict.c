#include "lib/engine/state_verdict.h"

#include <string.h>

#include "lib/base/buf.h"
#include "lib/engine/state_impl.h"

static void
bind_name(sqlite3_stmt *q, int64_t root, const char *key)
{
	sqlite3_bind_int64(q, 1, root);
	state_bind(q, 2, key, strlen(key));
}

int
state_put_verdict(struct state *st, int64_t root, const char *key,
    const struct verdict *v, bool *marked, struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_MARK_RACY, e);

	*marked = false;
	if (q == NULL)
		return -1;
	if (v->broken != NULL) {
		bind_name(q, root, key);
		sqlite3_bind_text(q, 3, v->broken, -1, SQLITE_STATIC);
		if (state_run(st, q, e) == -1)
			return -1;
		*marked = sqlite3_changes(st->db) > 0;
	}
	if ((q = state_query(st, Q_VERDICT_PUT, e)) == NULL)
		return -1;
	bind_name(q, root, key);
	sqlite3_bind_int64(q, 3, v->at_ns);
	sqlite3_bind_int(q, 4, v->deep);
	sqlite3_bind_int(q, 5, (int)v->class);
	sqlite3_bind_text(q, 6, v->msg, -1, SQLITE_STATIC);
	if (*marked)
		sqlite3_bind_text(q, 7, v->broken, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(q, 7);
	return state_run(st, q, e);
}

int
state_put_tried(struct state *st, int64_t root, const char *key, int64_t at_ns,
    struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_TRIED, e);

	if (q == NULL)
		return -1;
	bind_name(q, root, key);
	sqlite3_bind_int64(q, 3, at_ns);
	return state_run(st, q, e);
}

int
state_broken(struct state *st, int64_t root, const char *key,
    const char *generation, struct err *e)
{
	sqlite3_stmt *q;
	int rc;

	if (!state_has(st, "verdict"))
		return 0;
	if ((q = state_query(st, Q_BROKEN, e)) == NULL)
		return -1;
	bind_name(q, root, key);
	sqlite3_bind_text(q, 3, generation, -1, SQLITE_STATIC);
	rc = sqlite3_step(q);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		state_fail(st, e);
	sqlite3_reset(q);
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

int
state_begun(struct state *st, int64_t root, const char *key,
    const char *generation, struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_BEGUN, e);

	if (q == NULL)
		return -1;
	bind_name(q, root, key);
	sqlite3_bind_text(q, 3, generation, -1, SQLITE_STATIC);
	return state_run(st, q, e);
}

int
state_verified_ns(struct state *st, int64_t root, const char *key, bool deep,
    int64_t *ns, struct err *e)
{
	sqlite3_stmt *q;
	int rc;

	*ns = 0;
	if (!state_has(st, "verdict"))
		return 0;
	if ((q = state_query(st, Q_VERIFIED, e)) == NULL)
		return -1;
	bind_name(q, root, key);
	sqlite3_bind_int(q, 3, deep);
	if ((rc = sqlite3_step(q)) == SQLITE_ROW)
		*ns = sqlite3_column_int64(q, 0);
	else if (rc != SQLITE_DONE)
		state_fail(st, e);
	sqlite3_reset(q);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}

int
state_unverified(struct state *st, int64_t root, int64_t *never,
    int64_t *oldest_ns, struct err *e)
{
	sqlite3_stmt *q = NULL;
	int rc = -1;

	if (sqlite3_prepare_v2(st->db,
		"SELECT count(*) - count(nullif(at_ns, 0)),"
		" min(nullif(at_ns, 0)) FROM db LEFT JOIN verdict"
		" USING(root, key) WHERE ?1 IN (0, root)",
		-1, &q, NULL) != SQLITE_OK)
		return state_fail(st, e);
	sqlite3_bind_int64(q, 1, root);
	if (sqlite3_step(q) == SQLITE_ROW) {
		*never = sqlite3_column_int64(q, 0);
		*oldest_ns = sqlite3_column_type(q, 1) == SQLITE_NULL
		    ? INT64_MAX
		    : sqlite3_column_int64(q, 1);
		rc = 0;
	} else {
		state_fail(st, e);
	}
	sqlite3_finalize(q);
	return rc;
}

static void
take_column(sqlite3_stmt *q, int at, struct buf *b)
{
	buf_reset(b);
	buf_add(
	    b, sqlite3_column_blob(q, at), (size_t)sqlite3_column_bytes(q, at));
}

int
state_records(struct state *st, int64_t root, state_each_record *each,
    void *ctx, struct err *e)
{
	sqlite3_stmt *q = NULL;
	struct buf key = { 0 }, path = { 0 };
	int rc, stop = 0;

	if (sqlite3_prepare_v2(st->db,
		"SELECT key, path FROM db WHERE ?1 IN (0, root)"
		" ORDER BY root, key",
		-1, &q, NULL) != SQLITE_OK)
		return state_fail(st, e);
	sqlite3_bind_int64(q, 1, root);
	while (stop == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
		take_column(q, 0, &key);
		take_column(q, 1, &path);
		stop = each(ctx, buf_str(&key), buf_str(&path), e);
	}
	if (stop == 0 && rc != SQLITE_DONE)
		stop = state_fail(st, e);
	sqlite3_finalize(q);
	buf_release(&key);
	buf_release(&path);
	return stop;
}
