/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of one generation, from a snapshot to the next.
 */
#include "lib/verify/verify_look.h"
#include "lib/replica/peek.h"

#include <inttypes.h>
#include <string.h>

#include "lib/store/store.h"

/* No LZ4 frame is shorter: magic number, descriptor, end mark. */
#define OBJECT_MIN 11

/* A snapshot and the segments up to the next one. */
struct stretch {
	size_t snapshot; /* of g's */
	size_t first, n; /* of its segments */
	bool newest;     /* the newest state is in it */
	bool wanted;     /* the sums are, whoever wrote it */
	bool alone;      /* what came behind the snapshot was pruned */
	bool next;       /* there is a further snapshot: */
	uint64_t next_at;
};

/* -- one object ------------------------------------------------------------ */

static int
no_sink(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	(void)ctx;
	(void)p;
	(void)n;
	(void)e;
	return 0;
}

/* The provenance alone, of the object called v->key. */
static int
read_end(struct look *l, struct err *e)
{
	int has = peek(l->j->store, buf_str(&l->v->key), &l->pv, e);

	if (has == -1)
		return -1;
	l->has = has == 1;
	l->length = l->has ? l->pv.length : 0;
	return 0;
}

static int
read_all(struct look *l, object_sink *sink, uint64_t max, struct err *e)
{
	struct object_dec *dec = l->v->dec;
	struct store *s = l->j->store;

	object_dec_begin(dec, sink, &l->v->replay, max);
	if (s->ops->get(s, buf_str(&l->v->key), 0, UINT64_MAX, object_dec_feed,
		dec, e) == -1 ||
	    object_dec_finish(dec, &l->pv, &l->has, e) == -1)
		return -1;
	l->length = object_dec_raw(dec);
	if (l->has && l->pv.length != l->length)
		return err_set(e, ERR_CORRUPT,
		    "holds %" PRIu64 " bytes instead of %" PRIu64, l->length,
		    l->pv.length);
	return 0;
}

/* Without --deep there is no more to be known of a plain one than that it
 * begins as an LZ4 frame does. */
static int
check_head(struct look *l, struct err *e)
{
	static const uint8_t magic[] = { 0x04, 0x22, 0x4d, 0x18 };
	uint8_t head[sizeof(magic)];
	size_t n = sizeof(head);

	if (store_few(l->j->store, buf_str(&l->v->key), 0, head, &n, e) == -1)
		return -1;
	return n == sizeof(magic) && memcmp(head, magic, n) == 0
	    ? 0
	    : err_set(e, ERR_CORRUPT, "is no LZ4 frame");
}

/*
 * Each is what it says, and all objects of a generation are of one kind: else
 * those without provenance are what is damaged.  In one that lspp began they
 * all have it.
 */
static int
check_kind(struct look *l, const struct layout_name *name, struct err *e)
{
	struct history_object plain;

	if (l->has && provenance_check(&l->pv, l->g->id, name, e) == -1)
		return -1;
	if (!l->has && l->h.codec->is_own(l->g->id))
		return err_set(e, ERR_CORRUPT,
		    "has no provenance, though lspp began its generation");
	if (l->kind == LOOK_UNKNOWN) {
		l->kind = l->has ? LOOK_OURS : LOOK_PLAIN;
		l->first = *name;
	}
	if (l->has == (l->kind == LOOK_OURS))
		return l->has || l->want->deep ? 0 : check_head(l, e);
	if (l->has) {
		plain = (struct history_object){ .at = l->first.at };
		history_key(&l->h, l->g, l->first.kind, &plain, &l->v->key);
	}
	return err_set(e, ERR_CORRUPT,
	    "has no provenance, as others of its generation have");
}

static int
read_object(struct look *l, enum layout_kind kind,
    const struct history_object *o, object_sink *sink, struct err *e)
{
	struct layout_name name = { kind, o->at };
	int rc;

	history_key(&l->h, l->g, kind, o, &l->v->key);
	l->o = o;
	l->out->objects++;
	l->out->bytes += o->size;
	if (o->size < OBJECT_MIN)
		return err_set(e, ERR_CORRUPT,
		    "is cut short: it holds %" PRIu64 " bytes", o->size);
	rc = l->want->deep ? read_all(l, sink,
				 kind == LAYOUT_SNAPSHOT ? OBJECT_SNAPSHOT_MAX
							 : OBJECT_SEGMENT_MAX,
				 e)
			   : read_end(l, e);
	if (rc == -1 || check_kind(l, &name, e) == -1)
		return -1;
	look_note_state(l);
	return 0;
}

/* What the object claims of the database against what was read so far. */
static int
check_database(struct look *l, struct err *e)
{
	const struct replay *r = &l->v->replay;

	if (!l->has || !l->want->deep)
		return 0;
	if (l->pv.page_size != r->page_size || l->pv.pages != r->pages)
		return err_set(e, ERR_CORRUPT,
		    "brings a database of %" PRIu32 " pages of %" PRIu32
		    " bytes, not the %" PRIu32 " of %" PRIu32 " it says",
		    r->pages, r->page_size, l->pv.pages, l->pv.page_size);
	if (!pagesum_equal(l->pv.sum, r->total))
		return err_set(e, ERR_CORRUPT,
		    "what it brings does not have the checksum of what was "
		    "backed up");
	return 0;
}

/* -- a stretch ------------------------------------------------------------- */

static int
read_snapshot(struct look *l, const struct stretch *t, struct err *e)
{
	const struct history_object *o = &l->g->snapshots.v[t->snapshot];
	struct replay *r = &l->v->replay;

	if (read_object(l, LAYOUT_SNAPSHOT, o, replay_snapshot, e) == -1)
		return -1;
	l->snapshot = l->pv;
	l->has_snapshot = l->has;
	if (!l->want->deep)
		return 0;
	if (replay_snapshot_end(r, e) == -1)
		return -1;
	r->summing = l->has || t->wanted;
	if (l->has && r->size % r->page_size != 0)
		return err_set(e, ERR_CORRUPT,
		    "holds %" PRIu64 " bytes, no whole number of pages",
		    r->size);
	return check_database(l, e);
}

/*
 * A gap.  In older stretches, and behind a log that began without a
 * snapshot, it may be what a retention run leaves that was ended: it takes a
 * snapshot first, and then the segments from the last one on.
 */
static int
missing(struct look *l, const struct stretch *t, uint64_t at, struct err *e)
{
	struct history_object o = { .at = at };

	history_key(&l->h, l->g, LAYOUT_SEGMENT, &o, &l->v->key);
	if (t->newest ||
	    l->h.codec->same_log(at, l->g->snapshots.v[t->snapshot].at))
		return err_set(e, ERR_CORRUPT, "is missing");
	return err_set(e, ERR_EARLIER,
	    "is missing, if it is not an lspp-prune that was ended");
}

/* Segment o follows what was read: up to 'end' of the log that begins at 'log'.
 */
static int
check_place(struct look *l, const struct stretch *t,
    const struct history_object *o, uint64_t log, uint64_t end, struct err *e)
{
	if (!l->h.codec->same_log(o->at, log))
		return missing(l, t, log, e);
	if (o->at == end)
		return 0;
	/* What litestream's hold is only known when it was read. */
	if (l->kind == LOOK_PLAIN && !l->want->deep && end > log)
		return 0;
	if (o->at > end)
		return missing(l, t, end, e);
	history_key(&l->h, l->g, LAYOUT_SEGMENT, o, &l->v->key);
	return err_set(e, ERR_CORRUPT,
	    "overlaps the segment before it, which ends at %08" PRIx64,
	    end - log);
}

static int
read_segments(struct look *l, const struct stretch *t, struct err *e)
{
	const struct history_object *v = l->g->segments.v + t->first;
	uint64_t log = l->g->snapshots.v[t->snapshot].at, end = log;
	struct replay *r = &l->v->replay;

	for (size_t i = 0; i < t->n; i++) {
		if (i > 0 && !l->h.codec->same_log(v[i].at, v[i - 1].at))
			end = log = l->h.codec->next_log(log);
		if (check_place(l, t, &v[i], log, end, e) == -1)
			return -1;
		if (v[i].at == log)
			replay_log(r, log);
		growth_read(&r->growth, v[i].size);
		if (read_object(l, LAYOUT_SEGMENT, &v[i], replay_wal, e) ==
			-1 ||
		    check_database(l, e) == -1)
			return -1;
		/* A plain one's length is not known here: its place will do. */
		end = v[i].at + l->length;
		if (l->kind == LOOK_PLAIN && !l->want->deep)
			end = v[i].at + 1;
		if (l->want->deep &&
		    (i + 1 == t->n ||
			!l->h.codec->same_log(v[i + 1].at, log)) &&
		    replay_log_end(r, e) == -1)
			return -1;
	}
	return 0;
}

/*
 * What the last object of the stretch led to is what the next snapshot is, the
 * one that was looked at before.  Where there are logs between the two, a
 * retention run has thinned out: it takes whole stretches.
 */
static int
check_next(struct look *l, const struct stretch *t, bool has,
    const struct provenance *pv, struct err *e)
{
	const struct history_object *o = l->g->segments.v + t->first;
	uint64_t at = l->g->snapshots.v[t->snapshot].at;
	struct history_object next = { .at = t->next_at };

	if (!t->next || t->alone)
		return 0;
	if (t->n == 0)
		return missing(l, t, at, e);
	if (!has || !l->has ||
	    l->h.codec->next_log(o[t->n - 1].at) != t->next_at ||
	    (l->pv.pages == pv->pages && l->pv.page_size == pv->page_size &&
		pagesum_equal(l->pv.sum, pv->sum)))
		return 0;
	history_key(&l->h, l->g, LAYOUT_SNAPSHOT, &next, &l->v->key);
	return err_set(e,
	    l->h.codec->same_log(o[t->n - 1].at, at) ? ERR_CORRUPT
						     : ERR_EARLIER,
	    "segments that led to it are missing: those before it end with "
	    "another state");
}

/* 0 also when there was a fault, which is noted. */
static int
look_stretch(struct look *l, const struct stretch *t, struct err *e)
{
	struct provenance next = l->snapshot;
	bool has_next = l->has_snapshot;
	int rc = 0;

	l->has_snapshot = false;
	if (l->want->deep)
		rc =
		    replay_begin(&l->v->replay, true, t->n > 0 || t->wanted, e);
	if (rc == -1)
		return -1;
	rc = read_snapshot(l, t, e);
	if (rc == 0 && !t->alone)
		rc = read_segments(l, t, e);
	if (rc == 0)
		rc = check_next(l, t, has_next, &next, e);
	if (rc == 0)
		return 0;
	err_in(e, "%s", buf_str(&l->v->key));
	return look_fault(l, t->newest, e);
}

static struct stretch
stretch_of(const struct history *h, const struct history_generation *g,
    size_t snapshot)
{
	struct history_run r = history_run(g, snapshot);
	struct stretch t = { .snapshot = snapshot, .first = r.first, .n = r.n };

	t.next = snapshot + 1 < g->snapshots.n;
	if (t.next)
		t.next_at = g->snapshots.v[snapshot + 1].at;
	t.alone = history_is_alone(h, g, g->snapshots.v[snapshot].at);
	return t;
}

/* -- a generation ---------------------------------------------------------- */

static void
begin_generation(struct look *l, struct history_generation *g)
{
	l->g = g;
	l->kind = LOOK_UNKNOWN;
	l->has_snapshot = false;
}

/* Its history went on elsewhere, or behind what was pruned. */
static int
check_ended(struct look *l, const struct stretch *t, struct err *e)
{
	if (t->alone)
		err_set(e, ERR_EARLIER,
		    "stands alone, as what an older state is restored from, "
		    "and nothing newer is there");
	else if (t->n > 0 && l->has && l->length == 0)
		err_set(e, ERR_EARLIER,
		    "says that the history goes on in another generation, and "
		    "nothing newer is there");
	else
		return 0;
	err_in(e, "%s", buf_str(&l->v->key));
	return look_fault(l, false, e);
}

int
look_newest(struct look *l, struct history_generation *g, struct err *e)
{
	struct stretch t = stretch_of(&l->h, g, g->snapshots.n - 1);

	t.newest = true;
	t.wanted = l->want->source;
	begin_generation(l, g);
	l->newest = g;
	if (look_stretch(l, &t, e) == -1)
		return -1;
	if (l->out->newest) /* and not what was found beside it */
		return 0;
	l->last = l->pv;
	l->has_last = l->has;
	l->last_key = xstrdup(buf_str(&l->v->key));
	l->out->as_of_ns = l->has ? l->pv.captured_ns : l->o->mtime_ns;
	memcpy(l->out->generation, g->id, sizeof(g->id));
	return check_ended(l, &t, e);
}

/*
 * What lies before the first snapshot, which nothing is restored from: a
 * retention run was ended, or the snapshot that led there is lost.  Without any
 * snapshot an empty segment is what ended the generation before it had one; and
 * one that is newer than all that can be restored is a loss.
 */
static int
look_before(struct look *l, size_t n, struct err *e)
{
	const struct history_object *v = l->g->segments.v;
	bool bare = l->g->snapshots.n == 0, any = false;
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = read_object(l, LAYOUT_SEGMENT, &v[i], no_sink, e);
		any |= rc == 0 && !(bare && l->has && l->length == 0);
	}
	if (rc == 0 && !any)
		return 0;
	if (rc == 0 && l->g == l->beyond)
		err_set(e, ERR_CORRUPT,
		    "is newer than all that can be restored, but its "
		    "generation has no snapshot");
	else if (rc == 0)
		err_set(e, ERR_EARLIER,
		    "has no snapshot before it: one is lost, if it is not an "
		    "lspp-prune that was ended");
	err_in(e, "%s", buf_str(&l->v->key));
	return look_fault(l, l->g == l->beyond, e);
}

int
look_older(struct look *l, struct history_generation *g, struct err *e)
{
	size_t n = g->snapshots.n;
	struct stretch t;

	if (g != l->newest)
		begin_generation(l, g);
	for (size_t i = g == l->newest ? n - 1 : n; i-- > 0;) {
		t = stretch_of(&l->h, g, i);
		if (look_stretch(l, &t, e) == -1)
			return -1;
	}
	if (look_before(l, history_headless(g), e) == -1)
		return -1;
	l->plain |= l->kind == LOOK_PLAIN;
	return 0;
}

/* -- the rest -------------------------------------------------------------- */

static int
read_owner(struct look *l, const struct history_object *o, struct err *e)
{
	struct layout_name name = { LAYOUT_OWNER, o->at };

	l->h.codec->key(&l->v->key, l->j->db, NULL, &name);
	l->out->objects++;
	l->out->bytes += o->size;
	if ((l->want->deep ? read_all(l, no_sink, 0, e) : read_end(l, e)) == -1)
		return -1;
	if (!l->has || !provenance_is(&l->pv, l->pv.generation, &name))
		return err_set(
		    e, ERR_CORRUPT, "is not the owner's object it should be");
	return 0;
}

/* Nothing but its name counts, and that it is whole. */
static int
read_alone(struct look *l, const struct history_alone *a, struct err *e)
{
	l->out->objects++;
	l->out->bytes += a->size;
	if (a->size < OBJECT_MIN)
		return err_set(e, ERR_CORRUPT,
		    "is cut short: it holds %" PRIu64 " bytes", a->size);
	return l->want->deep ? read_all(l, no_sink, 0, e) : 0;
}

/* e is the fault of the small object with the key in l->v. */
static int
fault_of_key(struct look *l, struct err *e)
{
	err_in(e, "%s", buf_str(&l->v->key));
	return look_fault(l, false, e);
}

static int
look_alone(struct look *l, struct err *e)
{
	for (size_t i = 0; i < l->h.alone.n; i++) {
		const struct history_alone *a = &l->h.alone.v[i];
		struct layout_name name = { LAYOUT_ALONE, a->at };

		buf_reset(&l->v->key);
		l->h.codec->key(&l->v->key, l->j->db, a->id, &name);
		if (read_alone(l, a, e) == -1 && fault_of_key(l, e) == -1)
			return -1;
	}
	return 0;
}

int
look_owners(struct look *l, struct err *e)
{
	if (look_alone(l, e) == -1)
		return -1;
	for (size_t i = 0; i < l->h.owners.n; i++) {
		buf_reset(&l->v->key);
		if (read_owner(l, &l->h.owners.v[i], e) == -1 &&
		    fault_of_key(l, e) == -1)
			return -1;
	}
	return 0;
}

int
look_last(struct look *l, struct history_generation *g, struct provenance *pv,
    struct err *e)
{
	enum layout_kind kind;
	const struct history_object *o = history_last(g, &kind);

	history_key(&l->h, g, kind, o, &l->v->key);
	if (read_end(l, e) == -1)
		return err_in(e, "%s", buf_str(&l->v->key));
	*pv = l->pv;
	return l->has;
}
