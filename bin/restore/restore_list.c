/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lspp-restore --list: what a replica holds of each database.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bin/restore/restore.h"
#include "lib/base/buf.h"
#include "lib/base/when.h"
#include "lib/replica/history.h"
#include "lib/replica/jump.h"
#include "lib/replica/ltx/ltx_header.h"
#include "lib/replica/ltx/ltx_list.h"
#include "lib/replica/wal/walpos.h"
#include "lib/store/listed.h"
#include "lib/text/human.h"
#include "lib/text/json_write.h"

enum { AROUND = 8 }; /* states before a time, and after it */

static uint64_t
bytes_of(const struct history_list *l)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < l->n; i++)
		sum += l->v[i].size;
	return sum;
}

/* What is missing of a snapshot and what comes behind it, up to the next: a
 * segment into *gone; false: nothing is. */
static bool
lacks(const struct history *h, const struct history_generation *g,
    size_t snapshot, struct history_object *gone)
{
	const struct history_list *s = &g->snapshots;
	struct history_run r = history_run(g, snapshot);
	const struct history_object *w = g->segments.v + r.first;
	bool last = snapshot + 1 == s->n;
	uint64_t place = s->v[snapshot].at;

	if (history_is_alone(h, g, place))
		return false;
	if (history_whole(h, w, r.n, place, &gone->at) != r.n)
		return true;
	gone->at = r.n > 0 ? h->codec->next_log(w[r.n - 1].at) : place;
	return !last && gone->at != s->v[snapshot + 1].at;
}

/* The first object that is missing behind the first snapshot, as far as names
 * tell. */
static char *
missing(const struct history *h, const struct history_generation *g)
{
	struct history_object gone = { 0 };
	struct buf key = { 0 };
	size_t i = 0;

	while (i < g->snapshots.n && !lacks(h, g, i, &gone))
		i++;
	if (i == g->snapshots.n)
		return NULL;
	history_key(h, g, LAYOUT_SEGMENT, &gone, &key);
	return (char *)key.data;
}

static int
look(struct history *h, struct row *r, struct history_generation *g,
    struct err *e)
{
	memcpy(r->generation, g->id, sizeof(r->generation));
	r->snapshots = g->snapshots.n;
	r->segments = g->segments.n;
	r->bytes = bytes_of(&g->snapshots) + bytes_of(&g->segments);
	r->missing = missing(h, g);
	if (jump_find(h, g, &r->jump, e) == -1)
		return -1;
	return history_window(h, g, &r->from_ns, &r->until_ns, e);
}

/* The files in LTX, as one more generation. */
static int
look_at_ltx(struct request *q, struct row *r, struct ltx_list *l,
    enum ltx_levels how, struct err *e)
{
	const struct ltx_wish all = { LTX_NEWEST, INT64_MAX };
	struct ltx_header h;
	struct ltx_plan p;
	uint64_t first, last;
	int rc = 0;

	*r = (struct row){ .generation = "ltx", .from_ns = INT64_MAX };
	if (ltx_reach(l->v, l->n, &first, &last))
		r->until_ns = INT64_MAX;
	for (size_t i = 0; i < l->n && rc == 0; i++) {
		const struct ltx_name *n = &l->v[i].name;

		r->snapshots += n->min == 1;
		r->segments += n->min != 1;
		r->bytes += l->v[i].size;
		if (r->until_ns == 0 || (n->max != first && n->max != last))
			continue;
		rc = ltx_peek(q->c.store, buf_str(&q->c.key), how, n, &h, e);
		if (rc == 0 && n->max == first && h.captured_ns < r->from_ns)
			r->from_ns = h.captured_ns;
		if (rc == 0 && n->max == last && h.captured_ns < r->until_ns)
			r->until_ns = h.captured_ns;
	}
	ltx_plan(&p, l->v, l->n, &all);
	if (p.txid > 0 && p.txid < p.wanted)
		r->missing = xasprintf("what brings the TXIDs from %016" PRIx64
				       " to %016" PRIx64,
		    p.gap_from, p.gap_until);
	ltx_plan_release(&p);
	return rc;
}

/* 1: there are such, and it is the last row. */
static int
list_ltx(struct request *q, struct row *r, struct err *e)
{
	const struct listed from = LISTED_NOT(q->c.store);
	struct ltx_where where;
	enum ltx_levels how;
	struct ltx_list l;
	int rc;

	rc = ltx_list_any(&l, &from, buf_str(&q->c.key), &how, &where, e);
	if (rc == 0 && l.n > 0)
		rc = look_at_ltx(q, r, &l, how, e) == -1 ? -1 : 1;
	ltx_list_release(&l);
	return rc;
}

static int
list_around(const struct run *run, struct request *q, struct err *e)
{
	struct history h;
	int rc;

	if (ltx_refuse(q->c.store, buf_str(&q->c.key), "--around", e) == -1)
		return -1;
	rc = history_read(
	    &h, q->c.store, buf_str(&q->c.key), run->want.generation, true, e);
	q->plan.absent = rc == 0 && h.n == 0;
	if (rc == 0 && h.n > 0)
		rc = moments_around(
		    &h, run->around_ns, AROUND, &q->moment, &q->moments, e);
	history_release(&h);
	return rc;
}

static int
list_rows(const struct run *run, struct request *q, struct err *e)
{
	struct history h;
	int rc;

	rc = history_read(
	    &h, q->c.store, buf_str(&q->c.key), run->want.generation, true, e);
	q->row = xcalloc(h.n + 2, sizeof(*q->row));
	for (; rc == 0 && q->rows < h.n; q->rows++)
		rc = look(&h, &q->row[q->rows], &h.v[q->rows], e);
	history_release(&h);
	if (rc == 0 && run->want.generation == NULL &&
	    (rc = list_ltx(q, &q->row[q->rows], e)) == 1) {
		q->rows++;
		rc = 0;
	}
	q->plan.absent = rc == 0 && q->rows == 0;
	return rc;
}

void
restore_list(const struct run *run, struct request *q)
{
	struct err *e = &q->c.e;

	q->c.rc = run->around ? list_around(run, q, e) : list_rows(run, q, e);
	if (q->c.rc == 0 && q->plan.absent)
		q->c.rc = store_no_backup(q->c.store, e);
}

static void
put_object(struct cli *c, const char *name, const struct row *r)
{
	struct buf *b = cli_object(c, name);

	json_text(b, "generation", r->generation);
	json_number(b, "snapshots", r->snapshots);
	json_number(b, "segments", r->segments);
	json_number(b, "bytes", r->bytes);
	if (r->from_ns == INT64_MAX)
		json_null(b, "from");
	else
		json_time(b, "from", r->from_ns);
	json_time(b, "until", r->until_ns);
	json_text(b, "missing", r->missing);
	if (r->jump.any) {
		json_time(b, "clock_back_from", r->jump.from_ns);
		json_time(b, "clock_back_to", r->jump.to_ns);
	}
	cli_put_object(c);
}

/* 80 columns, so a size is like "12.3K", and below the name. */
static void
put_narrow(
    struct run *run, const struct row *r, const char *from, const char *until)
{
	struct buf size = { 0 };
	const char *text;
	char *line;

	human_bytes(&size, (double)r->bytes);
	text = buf_str(&size);
	line = xasprintf("%-16s %6zu %*.*s%c %-24s %s", r->generation,
	    r->snapshots + r->segments, 5, (int)strcspn(text, " "), text,
	    text[strcspn(text, " ") + 1], from, until);
	cli_put(&run->cli, line);
	free(line);
	buf_release(&size);
}

/* The name comes last, whatever it holds. */
static void
put_row(struct run *run, const char *name, const struct row *r)
{
	char from[WHEN_SIZE] = "-", until[WHEN_SIZE];

	if (run->narrow) {
		if (r->from_ns != INT64_MAX)
			(void)when_text(r->from_ns, from);
		put_narrow(run, r, from, when_text(r->until_ns, until));
		return;
	}
	if (!run->headed)
		(void)printf("%-16s %9s %8s %14s %-24s %-24s %s%c",
		    "generation", "snapshots", "segments", "bytes", "from",
		    "until", "database", run->cli.end);
	run->headed = true;
	if (r->from_ns != INT64_MAX)
		(void)when_text(r->from_ns, from);
	(void)printf("%-16s %9zu %8zu %14" PRIu64 " %-24s %-24s ",
	    r->generation, r->snapshots, r->segments, r->bytes, from,
	    when_text(r->until_ns, until));
	cli_put(&run->cli, name);
}

static void
put_moment_object(struct cli *c, const char *name, const struct moment *m)
{
	struct buf *b = cli_object(c, name);

	json_time(b, "time", m->ns);
	json_text(b, "generation", m->generation);
	json_number(b, "index", walpos_index(m->name.at));
	if (m->name.kind == LAYOUT_SEGMENT)
		json_number(b, "offset", walpos_offset(m->name.at));
	else
		json_null(b, "offset");
	json_bool(b, "gap", m->gap);
	cli_put_object(c);
}

static void
put_moment(struct run *run, const char *name, const struct moment *m)
{
	char at[WHEN_SIZE], offset[12] = "-", *line;

	if (!run->headed && !run->narrow)
		(void)printf("%-24s %-16s %-8s %-8s %-6s %s%c", "time",
		    "generation", "index", "offset", "before", "database",
		    run->cli.end);
	run->headed = true;
	if (m->name.kind == LAYOUT_SEGMENT)
		(void)snprintf(offset, sizeof(offset), "%08" PRIx32,
		    walpos_offset(m->name.at));
	line = xasprintf("%-24s %-16s %08" PRIx32 " %-8s %-6s %s",
	    when_text(m->ns, at), m->generation, walpos_index(m->name.at),
	    offset, m->gap ? "gone" : "-", run->narrow ? "" : name);
	cli_put(&run->cli, line);
	free(line);
}

/* What the columns are, once, and whose rows follow. */
static void
head_narrow(struct run *run, const struct request *q)
{
	if (!run->headed && q->moments > 0)
		cli_put(&run->cli,
		    "time                     generation       index    "
		    "offset   before");
	else if (!run->headed)
		cli_put(&run->cli,
		    "generation        count   size from                     "
		    "until");
	run->headed = true;
	cli_put(&run->cli, buf_str(&q->c.key));
}

void
restore_list_print(struct run *run, const struct request *q)
{
	char from[WHEN_SIZE], to[WHEN_SIZE];
	const struct row *r;

	if (run->narrow && q->moments + q->rows > 0)
		head_narrow(run, q);
	for (size_t i = 0; i < q->moments; i++) {
		if (run->cli.json)
			put_moment_object(&run->cli, q->c.name, &q->moment[i]);
		else
			put_moment(run, buf_str(&q->c.key), &q->moment[i]);
	}
	for (size_t i = 0; i < q->rows; i++) {
		r = &q->row[i];
		if (run->cli.json)
			put_object(&run->cli, q->c.name, r);
		else
			put_row(run, buf_str(&q->c.key), r);
		if (r->from_ns == INT64_MAX)
			cli_warn(&run->cli, q->c.name,
			    "generation %s has no snapshot", r->generation);
		if (r->jump.any)
			cli_warn(&run->cli, q->c.name,
			    "generation %s: the clock of what shipped it went "
			    "back from %s to %s; when what it dated before was "
			    "captured is not certain",
			    r->generation, when_text(r->jump.from_ns, from),
			    when_text(r->jump.to_ns, to));
		if (r->missing != NULL)
			cli_warn(
			    &run->cli, q->c.name, "%s is missing", r->missing);
	}
}

void
restore_list_release(struct request *q)
{
	for (size_t i = 0; i < q->rows; i++)
		free(q->row[i].missing);
	free(q->row);
	free(q->moment);
}
