/*
 * Which objects a database is restored from.
 *
 * One listing of everything below "<db>/generations/" comes in byte order:
 * generation by generation, in each the snapshots before the WAL segments and
 * both ascending.  So when a segment is met it is known whether the newest
 * snapshot needs it, and nothing else is kept.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/engine/restore.h"
#include "lib/format/layout.h"
#include "lib/format/provenance.h"
#include "lib/store/store.h"

/* A generation. */
struct candidate {
	char gen[LAYOUT_GENERATION];
	bool snapshots;    /* it has one */
	uint32_t snapshot; /* the newest */
	uint64_t snapshot_bytes, segment_bytes;
	uint32_t *index, *offset; /* of the segments from there on */
	size_t n, cap;
	int64_t mtime_ns; /* of the last object */
	int64_t until_ns;
};

struct listing {
	size_t prefix; /* length of "<db>/generations/" */
	struct candidate *v;
	size_t n;
};

static void
add_segment(struct candidate *c, uint32_t index, uint32_t offset)
{
	if (c->n == c->cap) {
		c->cap = c->cap == 0 ? 16 : c->cap * 2;
		c->index = xrealloc(c->index, c->cap * sizeof(*c->index));
		c->offset = xrealloc(c->offset, c->cap * sizeof(*c->offset));
	}
	c->index[c->n] = index;
	c->offset[c->n++] = offset;
}

/* The candidate called gen, made if it is not the last one. */
static struct candidate *
candidate_of(struct listing *l, const char *gen)
{
	struct candidate *c = l->n == 0 ? NULL : &l->v[l->n - 1];

	if (c != NULL && strcmp(c->gen, gen) == 0)
		return c;
	l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	c = &l->v[l->n++];
	memset(c, 0, sizeof(*c));
	memcpy(c->gen, gen, sizeof(c->gen));
	return c;
}

static int
note_object(void *ctx, const struct store_entry *en, struct err *e)
{
	struct listing *l = ctx;
	const char *p = en->key + l->prefix, *slash = strchr(p, '/');
	char gen[LAYOUT_GENERATION];
	struct layout_name name;
	struct candidate *c;

	(void)e;
	if (slash == NULL || slash - p != LAYOUT_GENERATION - 1)
		return 0;
	memcpy(gen, p, sizeof(gen) - 1);
	gen[sizeof(gen) - 1] = '\0';
	if (!layout_is_generation(gen) || !layout_parse(&name, slash + 1))
		return 0;
	c = candidate_of(l, gen);
	if (name.kind == LAYOUT_SNAPSHOT) {
		c->snapshots = true;
		c->snapshot = name.index;
		c->snapshot_bytes = en->size;
	} else if (!c->snapshots || name.index >= c->snapshot) {
		if (!c->snapshots)
			c->n = 0; /* only what came last matters */
		add_segment(c, name.index, name.offset);
		c->segment_bytes += en->size;
	} else
		return 0;
	c->mtime_ns = en->mtime_ns;
	return 0;
}

/* The newest object of the candidate: its name, and its key in place of b. */
static struct layout_name
last_object(const struct candidate *c, const char *db, struct buf *b)
{
	struct layout_name name = { .kind = LAYOUT_SNAPSHOT };

	buf_reset(b);
	if (c->n == 0) {
		name.index = c->snapshot;
		layout_snapshot_key(b, db, c->gen, name.index);
		return name;
	}
	name.kind = LAYOUT_SEGMENT;
	name.index = c->index[c->n - 1];
	name.offset = c->offset[c->n - 1];
	layout_segment_key(b, db, c->gen, name.index, name.offset);
	return name;
}

static int
tail_sink(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	(void)e;
	buf_add(ctx, p, n);
	return 0;
}

/*
 * When was what the candidate's last object brings captured?  An object without
 * provenance, or with a damaged one, is dated by its mtime: what is wrong with
 * it is found out if it is restored.
 */
static int
date(struct candidate *c, struct store *s, const char *db, struct err *e)
{
	struct buf key = { 0 }, tail = { 0 };
	struct layout_name name = last_object(c, db, &key);
	struct provenance pv;
	struct err ignored;
	int rc = -1;

	c->until_ns = c->mtime_ns;
	if (s->ops->get(s, buf_str(&key), UINT64_MAX, PROVENANCE_SIZE,
		tail_sink, &tail, e) == -1) {
		err_in(e, "%s", buf_str(&key));
		goto out;
	}
	if (tail.len == PROVENANCE_SIZE &&
	    provenance_parse(&pv, tail.data, &ignored) == 1 &&
	    provenance_is(&pv, c->gen, &name))
		c->until_ns = pv.captured_ns;
	rc = 0;
out:
	buf_release(&tail);
	buf_release(&key);
	return rc;
}

/*
 * The generation that was written last, of those with a snapshot (or, for the
 * warning, without); NULL if there is none.  Of two of the same time the one
 * with the higher name.
 */
static struct candidate *
newest(struct listing *l, bool snapshots)
{
	struct candidate *best = NULL;

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].snapshots == snapshots &&
		    (best == NULL || l->v[i].until_ns >= best->until_ns))
			best = &l->v[i];
	return best;
}

static int
missing(const char *db, const struct candidate *c, uint32_t index,
    uint32_t offset, struct err *e)
{
	struct buf key = { 0 };

	layout_segment_key(&key, db, c->gen, index, offset);
	err_set(e, ERR_CORRUPT, "%s is missing", buf_str(&key));
	buf_release(&key);
	return -1;
}

/*
 * From the snapshot's index to the last one every index is there and begins
 * with offset 0.  What is between is known only from the lengths.
 */
static int
check_indexes(const char *db, const struct candidate *c, struct err *e)
{
	uint32_t want = c->snapshot;

	for (size_t i = 0; i < c->n; i++) {
		if (i > 0 && c->index[i] == c->index[i - 1])
			continue;
		if (c->index[i] != want || c->offset[i] != 0)
			return missing(db, c, want, 0, e);
		want++;
	}
	return 0;
}

/* Hand the candidate's segments over to the plan. */
static void
adopt(struct restore_plan *p, struct candidate *c)
{
	memcpy(p->generation, c->gen, sizeof(p->generation));
	p->snapshot = c->snapshot;
	p->segment_index = c->index;
	p->segment_offset = c->offset;
	p->segments = c->n;
	p->bytes = c->snapshot_bytes + c->segment_bytes;
	p->until_ns = c->until_ns;
	c->index = c->offset = NULL;
}

static int
choose(struct listing *l, struct store *s, const char *db,
    struct restore_plan *p, struct err *e)
{
	struct candidate *best, *bare;

	for (size_t i = 0; i < l->n; i++) {
		l->v[i].until_ns = l->v[i].mtime_ns;
		if (l->n > 1 && date(&l->v[i], s, db, e) == -1)
			return -1;
	}
	best = newest(l, true);
	bare = newest(l, false);
	if (best == NULL && bare != NULL)
		return err_set(e, ERR_CORRUPT,
		    "generation %s has no snapshot, and there is no other",
		    bare->gen);
	if (best == NULL)
		return err_set(
		    e, ERR_MISSING, "no backup of that name in %s", s->url);
	if (check_indexes(db, best, e) == -1)
		return -1;
	if (bare != NULL && bare->until_ns > best->until_ns)
		memcpy(p->passed_over, bare->gen, sizeof(p->passed_over));
	adopt(p, best);
	return 0;
}

int
restore_plan(
    struct store *s, const char *db, struct restore_plan *p, struct err *e)
{
	struct listing l = { 0 };
	struct buf prefix = { 0 };
	int rc = -1;

	memset(p, 0, sizeof(*p));
	layout_generation_prefix(&prefix, db, NULL);
	l.prefix = prefix.len;
	if (s->ops->list(s, buf_str(&prefix), false, note_object, &l, e) == -1)
		goto out;
	rc = choose(&l, s, db, p, e);
out:
	for (size_t i = 0; i < l.n; i++) {
		free(l.v[i].index);
		free(l.v[i].offset);
	}
	free(l.v);
	buf_release(&prefix);
	return rc;
}

void
restore_plan_release(struct restore_plan *p)
{
	free(p->segment_index);
	free(p->segment_offset);
	memset(p, 0, sizeof(*p));
}
