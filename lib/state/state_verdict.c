/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/state/state_verdict.h"

#include "lib/base/buf.h"
#include "lib/state/state_impl.h"

int
state_put_verdict(struct state *st, int64_t root, const char *key,
    const struct verdict *v, bool *marked, struct err *e)
{
	*marked = false;
	if (v->broken != NULL) {
		if (sql_run(st, e,
			"UPDATE db SET racy = racy | 1"
			" WHERE root = ? AND key = ? AND line = ?",
			WITH(NUMBER(root), NAME(key), TEXT(v->broken))) == -1)
			return -1;
		*marked = sqlite3_changes(st->db) > 0;
	}
	return sql_run(st, e,
	    "INSERT INTO verdict VALUES(?1, ?2, ?3, ?4, ?5, ?6,"
	    " iif(?4, ?3, 0), 0, ?7)"
	    " ON CONFLICT DO UPDATE SET at_ns = excluded.at_ns,"
	    " deep = excluded.deep, class = excluded.class,"
	    " msg = excluded.msg, deep_ns = max(deep_ns, excluded.deep_ns),"
	    " broken = coalesce(excluded.broken, broken)",
	    WITH(NUMBER(root), NAME(key), NUMBER(v->at_ns), NUMBER(v->deep),
		NUMBER(v->class), TEXT(v->msg),
		TEXT(*marked ? v->broken : NULL)));
}

int
state_put_tried(struct state *st, int64_t root, const char *key, int64_t at_ns,
    struct err *e)
{
	return sql_run(st, e,
	    "INSERT INTO verdict VALUES(?, ?, 0, 0, 0, NULL, 0, ?, NULL)"
	    " ON CONFLICT DO UPDATE SET tried_ns = excluded.tried_ns",
	    WITH(NUMBER(root), NAME(key), NUMBER(at_ns)));
}

int
state_broken(struct state *st, int64_t root, const char *key,
    const char *generation, struct err *e)
{
	return !state_has(st, "verdict")
	    ? 0
	    : sql_any(st, e,
		  "SELECT 1 FROM verdict"
		  " WHERE root = ? AND key = ? AND broken = ?",
		  WITH(NUMBER(root), NAME(key), TEXT(generation)));
}

int
state_begun(struct state *st, int64_t root, const char *key,
    const char *generation, struct err *e)
{
	return sql_run(st, e,
	    "UPDATE verdict SET broken = NULL"
	    " WHERE root = ? AND key = ? AND broken <> ?",
	    WITH(NUMBER(root), NAME(key), TEXT(generation)));
}

int
state_verified_ns(struct state *st, int64_t root, const char *key, bool deep,
    int64_t *ns, struct err *e)
{
	*ns = 0;
	return !state_has(st, "verdict")
	    ? 0
	    : sql_or_zero(st, e, ns,
		  "SELECT max(iif(?3, deep_ns, at_ns), tried_ns)"
		  " FROM verdict WHERE root = ?1 AND key = ?2",
		  WITH(NUMBER(root), NAME(key), NUMBER(deep)));
}

struct unverified {
	int64_t *never, *oldest_ns;
};

static int
take_unverified(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct unverified *u = ctx;

	(void)e;
	*u->never = sqlite3_column_int64(q, 0);
	*u->oldest_ns = sqlite3_column_type(q, 1) == SQLITE_NULL
	    ? INT64_MAX
	    : sqlite3_column_int64(q, 1);
	return 0;
}

int
state_unverified(struct state *st, int64_t root, int64_t *never,
    int64_t *oldest_ns, struct err *e)
{
	struct unverified u = { never, oldest_ns };

	return sql_each(st, e, take_unverified, &u,
	    "SELECT count(*) - count(nullif(at_ns, 0)),"
	    " min(nullif(at_ns, 0)) FROM db LEFT JOIN verdict"
	    " USING(root, key) WHERE ?1 IN (0, root)",
	    WITH(NUMBER(root)));
}

struct records {
	struct buf key, path;
	state_each_record *each;
	void *ctx;
};

static int
one_record(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct records *r = ctx;

	sql_column(q, 0, &r->key);
	sql_column(q, 1, &r->path);
	return r->each(r->ctx, buf_str(&r->key), buf_str(&r->path), e);
}

int
state_records(struct state *st, int64_t root, state_each_record *each,
    void *ctx, struct err *e)
{
	struct records r = { .each = each, .ctx = ctx };
	int rc = sql_each(st, e, one_record, &r,
	    "SELECT key, path FROM db WHERE ?1 IN (0, root) ORDER BY root, key",
	    WITH(NUMBER(root)));

	buf_release(&r.key);
	buf_release(&r.path);
	return rc;
}

int
state_record_id(
    struct state *st, int64_t root, const char *key, int64_t *id, struct err *e)
{
	*id = 0;
	return sql_or_zero(st, e, id,
	    "SELECT id FROM db WHERE root = ? AND key = ?",
	    WITH(NUMBER(root), NAME(key)));
}
