/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/state/fleet/stat_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mask.h"
#include "lib/source/signature.h"
#include "lib/state/state_compared.h"
#include "lib/state/state_impl.h"

enum { REPLICAS, NOTES, COMPARED, TROUBLES, LOSTS, SHRUNK, TABLES };

static const char *const text[TABLES] = {
	[REPLICAS] = "SELECT db.path, db.root, pages * page_size, wal_bytes,"
		     " snapshot_size, segments, snapshot_ns, captured_ns, sig,"
		     " racy, gone_ns, v.at_ns, v.class, v.msg, id"
		     " FROM db LEFT JOIN verdict v"
		     " ON v.root = db.root AND v.key = db.key ORDER BY db.path",
	[NOTES] = "SELECT path, root, since_ns FROM pending ORDER BY path",
	[COMPARED] = "SELECT path, root, at_ns, class, msg, healed_ns"
		     " FROM db JOIN compared USING(root, key)"
		     " WHERE class <> 0 OR healed_ns > at_ns ORDER BY path",
	[TROUBLES] = "SELECT path, root, wait_ns, since_ns, at_ns, class,"
		     " attempts, msg"
		     " FROM trouble ORDER BY path",
	[SHRUNK] = "SELECT path, root, at_ns, was, now, no_tables"
		   " FROM db JOIN shrunk USING(root, key)"
		   " WHERE at_ns <> 0 ORDER BY path",
	[LOSTS] = "SELECT path, since_ns, class, msg FROM lost ORDER BY path",
};

/* In a state that nobody has written since there is such a table. */
static const char nothing[] = "SELECT '' WHERE 0";

static bool
has_table(struct state *st, int t)
{
	return t == COMPARED ? state_has_compared(st)
	    : t == LOSTS     ? state_has(st, "lost")
	    : t == SHRUNK    ? state_has(st, "shrunk")
			     : true;
}

struct stat_rows {
	struct state *st;
	struct {
		sqlite3_stmt *q;
		bool row; /* it stands at one */
	} table[TABLES];
	struct buf path;
	struct stat_row row;
	size_t room[TABLES];
};

static int
step(struct stat_rows *r, int t, struct err *e)
{
	int rc = sqlite3_step(r->table[t].q);

	r->table[t].row = rc == SQLITE_ROW;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : state_fail(r->st, e);
}

struct stat_rows *
stat_rows_open(struct state *st, struct err *e)
{
	struct stat_rows *r = xcalloc(1, sizeof(*r));

	r->st = st;
	for (int t = 0; t < TABLES; t++)
		if (sqlite3_prepare_v2(st->db,
			!has_table(st, t) ? nothing : text[t], -1,
			&r->table[t].q, NULL) != SQLITE_OK) {
			state_fail(st, e);
			stat_rows_close(r);
			return NULL;
		}
	/* The first is still being read when the others begin: one moment. */
	for (int t = 0; t < TABLES; t++)
		if (step(r, t, e) == -1) {
			stat_rows_close(r);
			return NULL;
		}
	return r;
}

/* How the path of the table's row compares with the one in r. */
static int
compare(const struct stat_rows *r, int t)
{
	sqlite3_stmt *q = r->table[t].q;
	size_t have = (size_t)sqlite3_column_bytes(q, 0), n = r->path.len;
	size_t least = have < n ? have : n;
	int c = 0;

	if (least > 0) /* of an empty one there is no pointer */
		c = memcmp(sqlite3_column_blob(q, 0), buf_str(&r->path), least);
	return c != 0 ? c : have < n ? -1 : have > n;
}

static void
take_replica(struct stat_replica *d, sqlite3_stmt *q)
{
	struct signature sig = { 0 };

	d->root = sqlite3_column_int64(q, 1);
	d->size = (uint64_t)sqlite3_column_int64(q, 2);
	d->wal_bytes = (uint64_t)sqlite3_column_int64(q, 3);
	d->snapshot_size = (uint64_t)sqlite3_column_int64(q, 4);
	d->segments = (uint32_t)sqlite3_column_int64(q, 5);
	d->snapshot_ns = sqlite3_column_int64(q, 6);
	d->captured_ns = sqlite3_column_int64(q, 7);
	(void)state_signature(q, 8, &sig);
	d->written_ns = signature_newest_ns(&sig);
	d->racy = sqlite3_column_int(q, 9) != 0;
	d->gone = sqlite3_column_type(q, 10) != SQLITE_NULL;
	d->gone_ns = sqlite3_column_int64(q, 10);
	d->verified_ns = sqlite3_column_int64(q, 11);
	d->verdict = (enum err_class)sqlite3_column_int(q, 12);
	sql_column(q, 13, &d->verdict_msg);
	d->id = sqlite3_column_int64(q, 14);
}

static void
take_trouble(struct stat_trouble *d, sqlite3_stmt *q)
{
	d->root = sqlite3_column_int64(q, 1);
	d->wait_ns = sqlite3_column_int64(q, 2);
	d->since_ns = sqlite3_column_int64(q, 3);
	d->at_ns = sqlite3_column_int64(q, 4);
	d->class = (enum err_class)sqlite3_column_int(q, 5);
	d->attempts = (unsigned)sqlite3_column_int64(q, 6);
	sql_column(q, 7, &d->msg);
}

static void
take_compared(struct stat_compared *d, sqlite3_stmt *q)
{
	d->root = sqlite3_column_int64(q, 1);
	d->at_ns = sqlite3_column_int64(q, 2);
	d->class = (enum err_class)sqlite3_column_int(q, 3);
	sql_column(q, 4, &d->msg);
	d->healed_ns = sqlite3_column_int64(q, 5);
}

static void
take_lost(struct stat_lost *d, sqlite3_stmt *q)
{
	d->since_ns = sqlite3_column_int64(q, 1);
	d->class = (enum err_class)sqlite3_column_int(q, 2);
	sql_column(q, 3, &d->msg);
}

/* Room for one more in v of n with elements of 'size' bytes, born empty. */
static void *
more(struct stat_rows *r, int t, void *v, size_t n, size_t size)
{
	if (n < r->room[t])
		return v;
	v = xrealloc(v, (n + 4) * size);
	memset((uint8_t *)v + n * size, 0, 4 * size);
	r->room[t] = n + 4;
	return v;
}

static void
take(struct stat_rows *r, int t)
{
	sqlite3_stmt *q = r->table[t].q;
	struct stat_row *row = &r->row;

	switch (t) {
	case REPLICAS:
		row->replica = more(
		    r, t, row->replica, row->n_replicas, sizeof(*row->replica));
		take_replica(&row->replica[row->n_replicas++], q);
		break;
	case NOTES:
		row->note =
		    more(r, t, row->note, row->n_notes, sizeof(*row->note));
		row->note[row->n_notes++] =
		    (struct stat_note){ sqlite3_column_int64(q, 1),
			    sqlite3_column_int64(q, 2) };
		break;
	case COMPARED:
		row->compared = more(r, t, row->compared, row->n_compared,
		    sizeof(*row->compared));
		take_compared(&row->compared[row->n_compared++], q);
		break;
	case SHRUNK:
		row->shrunk = more(
		    r, t, row->shrunk, row->n_shrunk, sizeof(*row->shrunk));
		row->shrunk[row->n_shrunk++] = (struct stat_shrunk){
			.root = sqlite3_column_int64(q, 1),
			.at_ns = sqlite3_column_int64(q, 2),
			.was = (uint64_t)sqlite3_column_int64(q, 3),
			.now = (uint64_t)sqlite3_column_int64(q, 4),
			.no_tables = sqlite3_column_int(q, 5) != 0,
		};
		break;
	case LOSTS: take_lost(&row->lost, q); break;
	default:
		row->trouble = more(
		    r, t, row->trouble, row->n_troubles, sizeof(*row->trouble));
		take_trouble(&row->trouble[row->n_troubles++], q);
	}
}

/* The first path that any table stands at, to r; false: there is none. */
static bool
find_first(struct stat_rows *r)
{
	bool found = false;

	for (int t = 0; t < TABLES; t++)
		if (r->table[t].row && (!found || compare(r, t) < 0)) {
			sql_column(r->table[t].q, 0, &r->path);
			found = true;
		}
	return found;
}

int
stat_rows_next(struct stat_rows *r, const struct stat_row **row, struct err *e)
{
	struct stat_row *out = &r->row;

	if (!find_first(r))
		return 0;
	out->path = buf_str(&r->path);
	out->n_replicas = out->n_notes = out->n_troubles = 0;
	out->n_compared = out->n_shrunk = 0;
	out->lost.since_ns = 0;
	for (int t = 0; t < TABLES; t++)
		while (r->table[t].row && compare(r, t) == 0) {
			take(r, t);
			if (step(r, t, e) == -1)
				return -1;
		}
	*row = out;
	return 1;
}

void
stat_rows_close(struct stat_rows *r)
{
	if (r == NULL)
		return;
	for (int t = 0; t < TABLES; t++)
		sqlite3_finalize(r->table[t].q);
	for (size_t i = 0; i < r->room[REPLICAS]; i++)
		buf_release(&r->row.replica[i].verdict_msg);
	for (size_t i = 0; i < r->room[TROUBLES]; i++)
		buf_release(&r->row.trouble[i].msg);
	for (size_t i = 0; i < r->room[COMPARED]; i++)
		buf_release(&r->row.compared[i].msg);
	free(r->row.compared);
	free(r->row.shrunk);
	free(r->row.replica);
	free(r->row.note);
	free(r->row.trouble);
	buf_release(&r->row.lost.msg);
	buf_release(&r->path);
	free(r);
}

/* -- roots ----------------------------------------------------------------- */

/* A number that is kept of a root, or 0. */
static int
meta(
    struct state *st, const char *name, int64_t root, int64_t *v, struct err *e)
{
	char key[64];

	(void)snprintf(key, sizeof(key), "%s %" PRId64, name, root);
	return sql_or_zero(
	    st, e, v, "SELECT value FROM meta WHERE name = ?", WITH(TEXT(key)));
}

struct roots {
	struct state *st;
	struct stat_root *v;
	size_t n;
};

static int
take_root(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct roots *all = ctx;
	struct stat_root *r;
	struct buf url = { 0 };
	int64_t seen;

	all->v = xrealloc(all->v, (all->n + 1) * sizeof(*all->v));
	r = &all->v[all->n++];
	r->id = sqlite3_column_int64(q, 0);
	sql_column(q, 1, &url);
	r->url = xstrdup(buf_str(&url));
	mask_urls(r->url); /* it is to be shown */
	buf_release(&url);
	r->n_replicas = (uint64_t)sqlite3_column_int64(q, 2);
	if (meta(all->st, "pass", r->id, &r->pass_ns, e) == -1 ||
	    meta(all->st, "ran", r->id, &r->ran_ns, e) == -1 ||
	    meta(all->st, "seen", r->id, &seen, e) == -1)
		return -1;
	r->seen = (uint64_t)seen;
	return 0;
}

int
stat_roots(struct state *st, struct stat_root **out, size_t *n, struct err *e)
{
	struct roots all = { .st = st };
	int rc = sql_each(st, e, take_root, &all,
	    "SELECT 0, '', 0 UNION ALL SELECT root.id, root.url,"
	    " (SELECT count(*) FROM db WHERE db.root = root.id) FROM root",
	    NULL);

	if (rc == -1)
		stat_roots_free(all.v, all.n);
	*out = rc == -1 ? NULL : all.v;
	*n = rc == -1 ? 0 : all.n;
	return rc;
}

void
stat_roots_free(struct stat_root *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(r[i].url);
	free(r);
}
