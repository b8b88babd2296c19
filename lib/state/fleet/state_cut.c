/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/state/fleet/state_cut.h"

#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/replica/format.h"
#include "lib/state/state_impl.h"

/* Behind the columns of the record. */
enum {
	KEY = 2,
	PATH = 3,
	GONE_NS = STATE_COLUMNS_N,
	LOST_NS,
	LOST_CLASS,
	LOST_MSG,
	TROUBLE_NS,
	TROUBLE_CLASS,
	TROUBLE_MSG,
};

struct cutting {
	state_each_cut *each;
	void *ctx;
};

static bool
is_null(sqlite3_stmt *q, int at)
{
	return sqlite3_column_type(q, at) == SQLITE_NULL;
}

/* Since, class and message, in three columns.  What why points to is the
 * caller's to free. */
static char *
take_why(struct cut_row *row, enum cut_stands stands, sqlite3_stmt *q, int at)
{
	char *why = state_text(q, at + 2);

	row->stands = stands;
	row->since_ns = sqlite3_column_int64(q, at);
	row->class = (enum err_class)sqlite3_column_int(q, at + 1);
	row->why = why;
	return why;
}

static char *
take_stands(struct cut_row *row, sqlite3_stmt *q)
{
	if (!is_null(q, GONE_NS)) {
		row->stands = CUT_GONE;
		row->since_ns = sqlite3_column_int64(q, GONE_NS);
		row->class = ERR_MISSING;
		row->why = "";
		return NULL;
	}
	if (!is_null(q, LOST_NS))
		return take_why(row, CUT_LOST, q, LOST_NS);
	if (!is_null(q, TROUBLE_NS))
		return take_why(row, CUT_FAILED, q, TROUBLE_NS);
	return NULL;
}

static int
one_record(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct cutting *c = ctx;
	struct cut_row row = { .why = "" };
	struct record r;
	char *path = state_text(q, PATH), *key = state_text(q, KEY), *why;
	int rc;

	row.path = path;
	row.key = key;
	why = take_stands(&row, q);
	if (state_read_record(q, &r) && format_codec(r.format, false) != NULL) {
		row.rec = &r;
	} else if (row.stands != CUT_GONE) {
		row.stands = CUT_FAILED;
		row.class = ERR_CONFIG;
		row.why = "its record in the state is damaged, or of a later "
			  "program";
	}
	rc = c->each(c->ctx, &row, e);
	record_release(&r);
	free(path);
	free(key);
	free(why);
	return rc;
}

static int
one_trouble(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct cutting *c = ctx;
	struct cut_row row = { .why = "" };
	char *path = state_text(q, 0), *why;
	int rc;

	row.path = path;
	why = take_why(&row, CUT_FAILED, q, 1);
	rc = c->each(c->ctx, &row, e);
	free(path);
	free(why);
	return rc;
}

static int
cut(struct state *st, int64_t root, struct cutting *c, struct err *e)
{
	int rc = sql_each(st, e, one_record, c,
	    "SELECT " STATE_COLUMNS ", gone_ns, lost_ns, lost_class, lost_msg,"
	    " ts, tc, tm FROM db"
	    " LEFT JOIN (SELECT path AS lp, since_ns AS lost_ns,"
	    "  class AS lost_class, msg AS lost_msg FROM lost) ON lp = db.path"
	    " LEFT JOIN (SELECT path AS tp, root AS tr, since_ns AS ts,"
	    "  class AS tc, msg AS tm FROM trouble) ON tp = db.path AND tr ="
	    "  (SELECT max(root) FROM trouble WHERE path = db.path"
	    "   AND root IN (0, ?1))"
	    " WHERE root = ?1 ORDER BY key",
	    WITH(NUMBER(root)));

	if (rc != 0)
		return rc;
	return sql_each(st, e, one_trouble, c,
	    "SELECT path, since_ns, class, msg FROM trouble"
	    " WHERE root = ?1 AND path <> x'' AND NOT EXISTS"
	    " (SELECT 1 FROM db WHERE db.path = trouble.path"
	    "  AND db.root = ?1) ORDER BY path",
	    WITH(NUMBER(root)));
}

int
state_cut(struct state *st, int64_t root, state_each_cut *each, void *ctx,
    struct err *e)
{
	struct cutting c = { each, ctx };
	struct err ignored;
	int rc;

	if (sql_run(st, e, "BEGIN", NULL) == -1)
		return -1;
	rc = cut(st, root, &c, e);
	if (sql_run(st, &ignored, "COMMIT", NULL) == -1)
		state_rollback(st);
	return rc;
}
