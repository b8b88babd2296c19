/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who ships a database, where no record says that it is we.
 *
 * A record is a fence by itself: whoever takes the history over first puts an
 * object at the record's position (see ship.h).  A generation that begins
 * without one, because the state is new or lost or the operator wants it, has
 * these:
 *
 *  - an owner's object, of a name that all compute alike, is put before the
 *    snapshot: owner 0 of a database, and the next number at each takeover.
 *    Of several that begin at once one creates it;
 *  - who meets one looks: at the owners, and at the last object of each
 *    generation.  Written on another machine: the path stops, ERR_BUSY.
 *    Written on this one (a lost state), or to be taken over: each generation
 *    that is not ended is, by an empty segment where its writer goes on; then
 *    the next owner's object follows.
 *
 * Where its writer goes on is known but for one thing: whether it has left the
 * index, or is about to, with a snapshot under way.  So this index gets an
 * empty segment, the end, and behind it the next index one, the guard.  In this
 * order: an end is refused if its writer was faster, and nothing is there then
 * that speaks of an older state than the last object.  A kill between leaves
 * the end as the last segment: the guard follows.
 *
 * Where looking is not allowed, an owner that cannot be read is another's.
 *
 * What Litestream wrote cannot be ended, nor its times compared with ours: the
 * owner's object says how far it went (follow.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/when.h"
#include "lib/replica/follow.h"
#include "lib/replica/jump.h"
#include "lib/ship/ship_job.h"
#include "lib/store/store.h"

/* A generation, as it was found. */
struct past {
	char gen[POS_LINE];
	bool has_snapshot;
	uint64_t snapshot; /* the newest */
	bool has_segment, has_before;
	uint64_t before, last; /* segments: the newest two */
	int64_t mtime_ns;

	bool ours;           /* written by lspp */
	bool open;           /* its writer can go on: at 'end', or at 'guard' */
	bool ended, guarded; /* not at that one */
	bool lost;           /* where its writer goes on cannot be told */
	uint64_t guard, end;
	struct provenance pv; /* of the last object */
	struct buf key;       /* likewise */
};

struct look {
	struct ship *ship;
	struct ship_worker *w;
	struct ship_job *j;
	size_t prefix; /* length of "<db>/generations/" */
	struct past *v;
	size_t n;
	bool owned;
	uint64_t owner;       /* the newest */
	struct provenance pv; /* of that */
	bool lost_owner;      /* which is damaged */
};

/* -- what is there --------------------------------------------------------- */

static struct past *
past_of(struct look *l, const char *gen)
{
	struct past *p = l->n == 0 ? NULL : &l->v[l->n - 1];

	if (p != NULL && strcmp(p->gen, gen) == 0)
		return p;
	l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	p = &l->v[l->n++];
	memset(p, 0, sizeof(*p));
	memcpy(p->gen, gen, sizeof(p->gen));
	return p;
}

/* In byte order of keys: snapshots come before segments, both ascending. */
static int
note(void *ctx, const struct store_entry *en, struct err *e)
{
	struct look *l = ctx;
	struct layout_name name;
	char gen[POS_LINE];
	struct past *p;

	(void)e;
	if (!l->j->codec->parse(en->key + l->prefix, gen, &name))
		return 0;
	if (name.kind == LAYOUT_OWNER) {
		l->owner = name.at;
		l->owned = true;
		return 0;
	}
	if (name.kind == LAYOUT_ALONE)
		return 0;
	p = past_of(l, gen);
	p->mtime_ns = en->mtime_ns;
	if (name.kind == LAYOUT_SNAPSHOT) {
		p->has_snapshot = true;
		p->snapshot = name.at;
		return 0;
	}
	p->has_before = p->has_segment;
	p->before = p->last;
	p->last = name.at;
	p->has_segment = true;
	return 0;
}

/* Its writer goes on behind the segment at 'at', of 'length' bytes. */
static void
behind(const struct codec *codec, struct past *p, uint64_t at, uint64_t length)
{
	p->guard = codec->next_log(at);
	p->end = at + length;
	p->open = length < p->guard - at;
}

/* The last segment is empty: ended; and guarded? */
static void
judge_empty(const struct codec *codec, struct past *p)
{
	if (codec->begins_log(p->last))
		return;
	p->guard = codec->next_log(p->last);
	p->open = p->ended = true;
}

/* Its last object is 'name', which holds 'length' bytes. */
static void
judge_last(
    struct look *l, struct past *p, struct layout_name name, uint64_t length)
{
	p->ours = true;
	if (name.kind == LAYOUT_SEGMENT && length == 0) {
		judge_empty(l->j->codec, p);
	} else if (name.kind == LAYOUT_SEGMENT) {
		behind(l->j->codec, p, name.at, length);
	} else {
		p->open = p->guarded = true; /* nowhere else */
		p->end = name.at;
	}
}

/* -- a last object that is damaged ----------------------------------------- */

static int
nowhere(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	(void)ctx, (void)p, (void)n, (void)e;
	return 0;
}

/* How long is its data, if that at least is whole?  1, 0, -1. */
static int
measure(struct look *l, const char *key, uint64_t *length, struct err *e)
{
	struct object_dec *dec = l->w->dec;
	struct store *s = l->ship->store;

	object_dec_begin(dec, nowhere, NULL, UINT32_MAX);
	if (s->ops->get(s, key, 0, UINT64_MAX, object_dec_feed, dec, e) == -1 &&
	    e->class != ERR_CORRUPT)
		return -1;
	*length = object_dec_raw(dec);
	return object_dec_whole(dec);
}

/*
 * Whose a damaged object is what is before it tells, and that it is no earlier
 * (history.h).  When the store got it tells nothing: a copy of a replica is new,
 * and its clock is another.
 */
static int
peek_before(
    struct look *l, struct past *p, struct layout_name name, struct err *e)
{
	bool segment = name.kind == LAYOUT_SEGMENT;
	bool is[2] = { segment ? p->has_before : p->has_segment,
		segment && p->has_snapshot };
	struct layout_name from[2] = { { LAYOUT_SEGMENT,
					   segment ? p->before : p->last },
		{ LAYOUT_SNAPSHOT, p->snapshot } };
	struct buf key = { 0 };
	int rc = 0;

	for (int i = 0; i < 2 && rc == 0; i++) {
		if (!is[i])
			continue;
		buf_reset(&key);
		l->j->codec->key(&key, l->j->rec.key, p->gen, &from[i]);
		rc = ship_peek(l->ship, buf_str(&key), &p->pv, e);
		if (rc == -1 &&
		    (e->class == ERR_CORRUPT || e->class == ERR_MISSING))
			rc = 0; /* it cannot tell either */
	}
	buf_release(&key);
	return rc == -1 ? -1 : 0;
}

/* A record of it tells where who has that record goes on. */
static void
judge_by_record(const struct look *l, struct past *p)
{
	p->ours = p->open = true;
	p->end = l->j->rec.pos.at;
	p->guard = l->j->codec->next_log(p->end);
}

/*
 * The last object does not say what it is; that the generation is one of lspp's
 * its id says.
 */
static int
judge_damaged(
    struct look *l, struct past *p, struct layout_name name, struct err *e)
{
	uint64_t length = 0;
	int rc = 1;

	if (peek_before(l, p, name, e) == -1)
		return -1;
	memcpy(p->pv.generation, p->gen, sizeof(p->gen));
	if (name.kind == LAYOUT_SEGMENT &&
	    (rc = measure(l, buf_str(&p->key), &length, e)) == -1)
		return e->class == ERR_MISSING ? 0 : -1;
	if (rc == 1)
		judge_last(l, p, name, length);
	else if (l->j->known && strcmp(l->j->rec.pos.line, p->gen) == 0 &&
	    l->j->rec.pos.at > name.at)
		judge_by_record(l, p);
	else
		p->ours = p->lost = true;
	return 0;
}

static int
judge(struct look *l, struct past *p, struct err *e)
{
	struct layout_name name = { LAYOUT_SEGMENT, p->last };
	int rc;

	if (!p->has_segment || (p->has_snapshot && p->snapshot > p->last))
		name = (struct layout_name){ LAYOUT_SNAPSHOT, p->snapshot };
	buf_reset(&p->key);
	l->j->codec->key(&p->key, l->j->rec.key, p->gen, &name);
	rc = ship_peek(l->ship, buf_str(&p->key), &p->pv, e);
	if (rc == 1 && provenance_is(&p->pv, p->gen, &name))
		judge_last(l, p, name, p->pv.length);
	else if (rc == -1 && e->class != ERR_CORRUPT)
		return e->class == ERR_MISSING ? 0 : -1;
	else if (rc != 0 || l->j->codec->is_own(p->gen))
		return judge_damaged(l, p, name, e);
	return 0;
}

static int
judge_all(struct look *l, struct err *e)
{
	for (size_t i = 0; i < l->n; i++)
		if (judge(l, &l->v[i], e) == -1)
			return -1;
	return 0;
}

/*
 * The owner's object names a generation whose snapshot may still be on its
 * way: it is ended where its first segment would stand.
 */
static void
expect_snapshot(struct look *l, const struct provenance *pv)
{
	struct past *p;

	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].gen, pv->generation) == 0)
			return;
	p = past_of(l, pv->generation);
	p->ours = p->open = p->guarded = true;
	p->end = 0;
	p->pv = *pv;
	ship_key(l->j, &p->key, LAYOUT_OWNER, NULL, l->owner);
}

/* One that is damaged is nobody's who can be told from others. */
static int
find_owner(struct look *l, struct err *e)
{
	struct provenance pv;
	struct buf key = { 0 };
	int rc;

	if (!l->owned)
		return 0;
	ship_key(l->j, &key, LAYOUT_OWNER, NULL, l->owner);
	rc = ship_peek(l->ship, buf_str(&key), &pv, e);
	if (rc == 0)
		rc = err_set(e, ERR_CORRUPT, "%s is damaged", buf_str(&key));
	if (rc == 1) {
		l->pv = pv;
		if (!ship_is_closed(&pv))
			expect_snapshot(l, &pv);
	} else if (e->class == ERR_CORRUPT && l->ship->conf->new_generation) {
		l->lost_owner = true;
		rc = 0;
	}
	buf_release(&key);
	return rc == -1 ? -1 : 0;
}

static int
look(struct look *l, struct err *e)
{
	struct store *s = l->ship->store;
	struct buf prefix = { 0 };
	int rc;

	l->j->codec->prefix(&prefix, l->j->rec.key, NULL);
	l->prefix = prefix.len;
	rc = s->ops->list(s, buf_str(&prefix), false, note, l, e);
	buf_release(&prefix);
	if (rc == -1 || judge_all(l, e) == -1)
		return -1;
	return find_owner(l, e);
}

/* -- whose it is ----------------------------------------------------------- */

static bool
is_foreign(const struct look *l, const uint8_t writer[16])
{
	return memcmp(writer, l->ship->writer, 16) != 0 &&
	    !state_same_machine(writer, l->ship->writer);
}

static int64_t
dated(const struct past *p)
{
	return p->ours ? p->pv.captured_ns : p->mtime_ns;
}

/* The generation of others that was written last. */
static const struct past *
newest_foreign(const struct look *l)
{
	const struct past *best = NULL;

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].open && is_foreign(l, l->v[i].pv.writer) &&
		    (best == NULL || dated(&l->v[i]) > dated(best)))
			best = &l->v[i];
	return best;
}

/* May it be gone on with?  -1: somebody else does. */
static int
check(struct look *l, struct err *e)
{
	const struct past *p = newest_foreign(l);
	struct buf key = { 0 };

	if (l->ship->conf->new_generation)
		return 0;
	if (p != NULL)
		return ship_foreign(l->j, buf_str(&p->key), e);
	if (!l->owned || !is_foreign(l, l->pv.writer))
		return 0;
	ship_key(l->j, &key, LAYOUT_OWNER, NULL, l->owner);
	ship_foreign(l->j, buf_str(&key), e);
	buf_release(&key);
	return -1;
}

/* -- ending ---------------------------------------------------------------- */

/*
 * It says what the last object says of the database, and that its history ends
 * now: a restore of a later time has to find what came next.
 */
static int
stage_empty(struct ship_worker *w, struct ship_job *j, const struct past *p,
    int which, struct err *e)
{
	struct provenance pv = p->pv;

	pv.name = (struct layout_name){ LAYOUT_SEGMENT,
		which == 0 ? p->end : p->guard };
	return ship_note(w, j, which, &pv, p->gen, NULL, e);
}

static int
end(struct ship_worker *w, struct ship_job *j, const struct past *p,
    struct err *e)
{
	j->outcome = SHIP_MORE;
	if (ship_note_ending(w, j, p->gen, e) == -1)
		return -1;
	if (!p->ended && stage_empty(w, j, p, 0, e) == -1)
		return -1;
	if (j->staged[0] != NULL && j->staged[0]->failed)
		return 0;
	if (!p->guarded && stage_empty(w, j, p, 1, e) == -1)
		return -1;
	free(j->fence.ended_key);
	j->fence.ended_key = xstrdup(j->keys[p->ended ? 1 : 0]);
	return 0;
}

/* Of those that are not ended the oldest: what is written last is newest. */
static const struct past *
oldest_open(const struct look *l)
{
	const struct past *best = NULL;

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].open &&
		    (best == NULL || dated(&l->v[i]) < dated(best)))
			best = &l->v[i];
	return best;
}

/*
 * Litestream looks for nobody: its generations cannot be ended.  What begins
 * says how far they went, which is all that tells a restore what is newer.
 */
static void
note_litestream(struct look *l)
{
	struct ship_job *j = l->j;
	const struct past *newest = NULL;
	size_t n = 0, said = strlen(j->notice);

	buf_reset(&j->fence.follows);
	for (const struct past *p = l->v; p < l->v + l->n; p++) {
		struct follow_end end = { .has_snapshot = p->has_snapshot,
			.has_segment = p->has_segment,
			.snapshot = p->snapshot,
			.segment = p->last };

		if (p->ours || l->j->codec->is_own(p->gen))
			continue;
		memcpy(end.generation, p->gen, sizeof(end.generation));
		follow_write(&j->fence.follows, &end);
		if (newest == NULL || p->mtime_ns > newest->mtime_ns)
			newest = p;
		n++;
	}
	if (newest != NULL)
		snprintf(j->notice + said, sizeof(j->notice) - said,
		    "%sgeneration %s is not of lspp and is left alone%s: "
		    "what writes it must not run any more",
		    said > 0 ? "; " : "", newest->gen,
		    n > 1 ? ", like others" : "");
}

/*
 * The times of ours go on from what is there.  Those of Litestream's are the
 * store's; only where a reader goes by times that we set are ours to be later.
 */
static void
find_floor(struct look *l)
{
	bool times = l->ship->store->ops->traits.times;

	for (const struct past *p = l->v; p < l->v + l->n; p++)
		if ((p->ours || times) && dated(p) > l->j->fence.floor_ns)
			l->j->fence.floor_ns = dated(p);
}

/*
 * A history of somebody else whose end cannot be told goes on behind us: then
 * two machines would both acknowledge what they ship.
 */
static int
check_lost(const struct look *l, struct err *e)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!l->v[i].lost || !is_foreign(l, l->v[i].pv.writer))
			continue;
		err_set(e, ERR_CORRUPT,
		    "%s is damaged: where its writer goes on cannot be told, "
		    "so that it cannot be stopped",
		    buf_str(&l->v[i].key));
		return err_hint(e,
		    "make sure that no other machine ships this database, "
		    "delete that object, and run again");
	}
	return 0;
}

/* Nobody can go on now: the next generation is ours, if nobody is faster. */
static void
begin(struct look *l)
{
	struct ship_job *j = l->j;
	bool unrecorded = l->owned && !j->known;

	note_litestream(l);
	find_floor(l);
	if (unrecorded && !is_foreign(l, l->pv.writer))
		ship_unrecorded(l->w, j, &l->pv);
	else if (unrecorded && newest_foreign(l) == NULL)
		ship_anew(j, "asked for");
	j->fence.owner = l->owned ? l->owner + 1 : 0;
	j->start = SHIP_CLAIMS;
	j->fence.asked = true;
}

/* Of the last object of ours. */
static struct provenance
newest(const struct look *l)
{
	struct provenance pv = { .page_size = 0 };

	for (const struct past *p = l->v; p < l->v + l->n; p++)
		if (p->ours && p->pv.captured_ns >= pv.captured_ns)
			pv = p->pv;
	return pv;
}

/* Nobody can go on now, and nobody is to begin: in LTX it begins. */
static int
close_layout(struct look *l, struct err *e)
{
	struct provenance pv = newest(l);

	ship_say_change(l->j);
	note_litestream(l);
	find_floor(l);
	return ship_put_closed(l->w, l->j, &pv, l->owned ? l->owner + 1 : 0, e);
}

static int
go_on(struct look *l, struct err *e)
{
	const struct past *p;

	if (l->owned && !l->lost_owner && ship_is_closed(&l->pv)) {
		find_floor(l);
		return ship_go_over(l->w, l->j, &l->pv, l->owner, e);
	}
	if (ship_may_change(l->j, l->lost_owner, e) == -1 ||
	    check(l, e) == -1 || check_lost(l, e) == -1)
		return -1;
	if ((p = oldest_open(l)) != NULL)
		return end(l->w, l->j, p, e);
	if (l->j->changes)
		return close_layout(l, e);
	begin(l);
	return 0;
}

int
ship_fence(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	struct look l = { .ship = w->ship, .w = w, .j = j };
	int rc;

	ship_job_forget(j);
	ship_writes(w, j->codec);
	if (ship_check_place(w, j, e) == -1)
		return -1;
	if (j->codec->traits.one_row)
		return ship_row_fence(w, j, e);
	if (look(&l, e) == 0)
		rc = go_on(&l, e);
	else
		rc = e->class == ERR_DENIED && !j->changes ? ship_blind(j, e)
							   : -1;
	for (size_t i = 0; i < l.n; i++)
		buf_release(&l.v[i].key);
	free(l.v);
	return rc;
}
