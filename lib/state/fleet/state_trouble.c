/* SPDX-License-Identifier: Apache-2.0 */
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
#include "lib/state/state_impl.h"

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
	char *msg = state_message(text);
	int rc = sql_run(st, e,
	    "INSERT INTO trouble VALUES(?1, ?2, ?7, ?3, ?3, ?4, ?5, ?6)"
	    " ON CONFLICT DO UPDATE SET at_ns = ?3, class = ?4,"
	    " attempts = attempts + ?5, msg = ?6",
	    WITH(NAME(path), NUMBER(t->root), NUMBER(t->at_ns),
		NUMBER(t->class), NUMBER(t->attempts), NAME(msg),
		NUMBER(t->wait_ns)));

	free(msg);
	return rc;
}

int
state_troubled(struct state *st, int64_t root, const char *path, struct err *e)
{
	return sql_any(st, e,
	    "SELECT 1 FROM trouble WHERE path = ?1 AND root IN (0, ?2)"
	    " UNION ALL SELECT 1 FROM db"
	    " WHERE path = ?1 AND gone_ns IS NOT NULL",
	    WITH(NAME(path), NUMBER(root)));
}

int
state_any_trouble(struct state *st, struct err *e)
{
	return sql_any(st, e,
	    "SELECT 1 FROM trouble UNION ALL SELECT 1 FROM db"
	    " WHERE gone_ns IS NOT NULL LIMIT 1",
	    NULL);
}

int
state_untrouble(struct state *st, int64_t root, const char *path, struct err *e)
{
	if (sql_run(st, e,
		"DELETE FROM trouble WHERE path = ? AND root IN (0, ?)",
		WITH(NAME(path), NUMBER(root))) == -1)
		return -1;
	return state_note_back(st, path, e);
}

int
state_note_back(struct state *st, const char *path, struct err *e)
{
	return sql_run(st, e,
	    "UPDATE db SET gone_ns = NULL"
	    " WHERE path = ? AND gone_ns IS NOT NULL",
	    WITH(NAME(path)));
}

int
state_forget_trouble(struct state *st, int64_t before_ns, struct err *e)
{
	return sql_run(st, e, "DELETE FROM trouble WHERE at_ns < ?",
	    WITH(NUMBER(before_ns)));
}

/* -- what a pass may find out of date -------------------------------------- */

int
state_noted(struct state *st, int64_t root, int64_t before_ns,
    const char *after, state_each *each, void *ctx, struct err *e)
{
	return state_each_path(st,
	    "SELECT path FROM pending WHERE path > ?1 AND since_ns < ?2"
	    " AND ?3 IN (0, root)"
	    " UNION SELECT path FROM trouble WHERE path > ?1 AND at_ns < ?2"
	    " AND (root = 0 OR ?3 IN (0, root)) ORDER BY path",
	    WITH(NAME(after), NUMBER(before_ns), NUMBER(root)), each, ctx, e);
}

int
state_unnote(struct state *st, int64_t root, int64_t before_ns,
    const char *path, struct err *e)
{
	const struct sql_value *v =
	    WITH(NAME(path), NUMBER(root), NUMBER(before_ns));

	if (sql_run(st, e,
		"DELETE FROM pending WHERE path = ?1 AND since_ns < ?3"
		" AND ?2 IN (0, root)",
		v) == -1)
		return -1;
	return sql_run(st, e,
	    "DELETE FROM trouble WHERE path = ?1 AND at_ns < ?3"
	    " AND (root = 0 OR ?2 IN (0, root))",
	    v);
}
