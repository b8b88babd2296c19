/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/stat/stat_judge.h"

#include <string.h>

#include "lib/ship/ship.h"
#include "lib/state/state.h"

bool
stat_asks_for(const struct stat_conf *c, int64_t root)
{
	if (c->roots == NULL)
		return true;
	for (size_t i = 0; i < c->n_roots; i++)
		if (c->roots[i] == root)
			return true;
	return false;
}

static int64_t
max(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* A time that is yet to come is of a clock that was ahead: it proves nothing.
 */
static int64_t
past(const struct stat_conf *c, int64_t ns)
{
	return ns > c->now_ns ? 0 : ns;
}

/* -- the parts of the verdict ---------------------------------------------- */

static void
due(const struct stat_conf *conf, const struct stat_replica *r,
    struct stat_verdict *v)
{
	static const struct {
		const char *why;
		enum stat_due due;
	} names[] = { { "interval", STAT_INTERVAL }, { "wal size", STAT_WAL },
		{ "segments", STAT_SEGMENTS } };
	struct ship_conf c = { .snapshot_interval_ns =
				   conf->snapshot_interval_ns };
	struct record rec = { .snapshot_size = r->snapshot_size,
		.snapshot_ns = r->snapshot_ns,
		.wal_bytes = r->wal_bytes,
		.segments = r->segments };
	const char *why = ship_snapshot_due(&c, &rec, 0, 0, conf->now_ns);

	for (size_t i = 0; why != NULL && i < STAT_DUES; i++)
		if (strcmp(why, names[i].why) == 0)
			v->due[names[i].due] = true;
}

static void
add_replica(const struct stat_conf *conf, const struct stat_replica *r,
    struct stat_verdict *v)
{
	struct stat_db *d = &v->db;

	v->replicas++;
	v->wal += r->wal_bytes;
	v->snapshots += r->snapshot_size;
	if (r->size > d->size)
		d->size = r->size;
	due(conf, r, v);
	if (r->verified_ns == 0)
		v->unverified = true;
	else if (d->verified_ns == 0 || r->verified_ns < d->verified_ns)
		d->verified_ns = r->verified_ns;
	/* A snapshot since then stands by itself. */
	if (r->verdict != ERR_NONE &&
	    r->verified_ns >= past(conf, r->snapshot_ns)) {
		d->broken = true;
		d->broken_msg = (char *)buf_str(&r->verdict_msg);
	}
}

/* The result of the last comparison.  A snapshot since then makes it void. */
static void
add_compared(const struct stat_conf *conf, const struct stat_row *row,
    const struct stat_compared *c, struct stat_db *d)
{
	int64_t snapshot_ns = 0;

	for (size_t i = 0; i < row->n_replicas; i++)
		if (row->replica[i].root == c->root)
			snapshot_ns = past(conf, row->replica[i].snapshot_ns);
	if (c->class != ERR_NONE && c->at_ns >= snapshot_ns) {
		d->wrong = d->wrong || c->class == ERR_CORRUPT;
		d->ahead = d->ahead || c->class == ERR_EXISTS;
		d->compared_msg = (char *)buf_str(&c->msg);
	}
	if (c->healed_ns > c->at_ns || c->class != ERR_NONE)
		d->healed_ns = max(d->healed_ns, c->healed_ns);
}

/* Up to when is it shipped: to that root, or with 0 to each that has it. */
static int64_t
captured(const struct stat_conf *c, const struct stat_row *row, int64_t root)
{
	int64_t at = INT64_MAX;

	for (size_t i = 0; i < row->n_replicas; i++) {
		const struct stat_replica *r = &row->replica[i];

		if (root == 0 ? stat_asks_for(c, r->root) : r->root == root)
			at = min(at, past(c, r->captured_ns));
	}
	return at == INT64_MAX ? 0 : at;
}

static void
wait_since(struct stat_db *d, int64_t since_ns)
{
	if (!d->waits || since_ns < d->since_ns)
		d->since_ns = since_ns;
	d->waits = true;
}

/* A note from before it was last read is done with. */
static void
add_note(const struct stat_conf *c, const struct stat_row *row,
    const struct stat_note *n, struct stat_db *d)
{
	if (n->since_ns >= captured(c, row, n->root))
		wait_since(d, n->since_ns);
}

/* A database that failed may hold a write that no pass has noted. */
static void
add_trouble(const struct stat_conf *c, const struct stat_row *row,
    const struct stat_trouble *t, struct stat_db *d)
{
	if (captured(c, row, t->root) > t->at_ns)
		return; /* another run has shipped it meanwhile */
	wait_since(d, t->wait_ns);
	if (d->failed && d->failed_ns > t->at_ns)
		return;
	d->failed = true;
	d->class = t->class;
	d->msg = (char *)buf_str(&t->msg);
	d->attempts = t->attempts;
	d->failing_ns = t->since_ns;
	d->failed_ns = t->at_ns;
}

/* A note or a failure: is it of the roots that are asked for? */
static bool
concerns(const struct stat_conf *c, const struct stat_row *row,
    const struct stat_verdict *v, int64_t root)
{
	/* Of no one root, and it is in others alone: theirs. */
	return root == 0 ? v->replicas > 0 || row->n_replicas == 0
			 : stat_asks_for(c, root);
}

static void
add_notes(const struct stat_conf *c, const struct stat_row *row,
    struct stat_verdict *v)
{
	for (size_t i = 0; i < row->n_notes; i++)
		if (concerns(c, row, v, row->note[i].root))
			add_note(c, row, &row->note[i], &v->db);
	for (size_t i = 0; i < row->n_troubles; i++)
		if (concerns(c, row, v, row->trouble[i].root))
			add_trouble(c, row, &row->trouble[i], &v->db);
}

/* -- what came ------------------------------------------------------------- */

static bool
is_left_out(const struct stat_conf *conf, const struct came *c,
    const struct stat_row *row)
{
	bool is = false;
	int came;

	for (size_t i = 0; i < row->n_replicas; i++) {
		if (!stat_asks_for(conf, row->replica[i].root))
			continue;
		if ((came = came_has(
			 c, row->replica[i].root, row->replica[i].id)) == 1)
			return false;
		is = is || came == 0;
	}
	return is;
}

/* -- all of it ------------------------------------------------------------- */

static void
add_lost(const struct stat_row *row, struct stat_db *d)
{
	d->tier = STAT_LOST;
	d->lost_ns = row->lost.since_ns;
	d->lost_class = row->lost.class;
	d->lost_msg = (char *)buf_str(&row->lost.msg);
}

static void
add_shrunk(const struct stat_shrunk *s, struct stat_db *d)
{
	if (s->at_ns < d->shrunk_ns)
		return;
	d->shrunk_ns = s->at_ns;
	d->shrunk_was = s->was;
	d->shrunk_now = s->now;
	d->no_tables = s->no_tables;
}

bool
stat_judge(const struct stat_conf *conf, const struct came *came,
    const struct stat_row *row, struct stat_verdict *out)
{
	struct stat_db *d = &out->db;
	bool racy = false, gone = true;
	int64_t written = 0;

	*out = (struct stat_verdict){ .db.path = (char *)row->path };
	for (size_t i = 0; i < row->n_replicas; i++) {
		const struct stat_replica *r = &row->replica[i];

		if (!stat_asks_for(conf, r->root))
			continue;
		add_replica(conf, r, out);
		racy = racy || r->racy;
		gone = gone && r->gone;
		written = max(written, r->written_ns);
	}
	for (size_t i = 0; i < row->n_shrunk; i++)
		if (stat_asks_for(conf, row->shrunk[i].root))
			add_shrunk(&row->shrunk[i], d);
	for (size_t i = 0; i < row->n_compared; i++)
		if (stat_asks_for(conf, row->compared[i].root))
			add_compared(conf, row, &row->compared[i], d);
	add_notes(conf, row, out);
	if (out->replicas == 0) {
		d->tier = STAT_NEW;
		return d->waits;
	}
	d->tier = gone ? STAT_GONE
	    : d->waits || racy || conf->now_ns - written < conf->hot_for_ns
	    ? STAT_HOT
	    : STAT_COLD;
	for (size_t i = 0; i < row->n_replicas && gone; i++)
		if (stat_asks_for(conf, row->replica[i].root))
			d->gone_ns = max(d->gone_ns, row->replica[i].gone_ns);
	if (d->tier != STAT_GONE && row->lost.since_ns != 0)
		add_lost(row, d);
	else if (d->tier != STAT_GONE)
		d->left_out = is_left_out(conf, came, row);
	return true;
}
