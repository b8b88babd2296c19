/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adopting the replica's tail: the state is older than the replica, because a
 * run was killed between object and record, or a copy of the state was put
 * back.  Everything from the record's position on was written by this writer,
 * or it is not ours to go on with.
 *
 * GetObject is all that is needed: the next object can only have one of two
 * names (see ship.h).
 */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/wal/walread.h"
#include "lib/ship/ship_job.h"
#include "lib/store/store.h"

enum {
	AT_ONCE = 64, /* segments adopted in one step: each holds its sums */
};

/* What is at the position? */
enum found {
	FAILED = -1,
	NOTHING,
	ADOPTED,
	MORE,    /* one to be adopted, in a further round */
	THE_END, /* of the line */
};

/* A segment on its way from the store into the record. */
struct tail {
	struct ship_worker *w;
	struct ship_job *j;
	struct walread wal;
	uint32_t commit; /* of the last frame seen; 0: in a transaction */
	uint32_t top;    /* pages up to there are known: to sums, or here */
	struct ship_step *step;
};

/* -- decoding -------------------------------------------------------------- */

static int
broken(struct err *e)
{
	return err_set(e, ERR_CORRUPT, "does not continue what was shipped");
}

static int
take_frame(
    void *ctx, const struct wal_frame *f, const uint8_t *page, struct err *e)
{
	struct tail *t = ctx;
	struct sum_entry en;

	/* Of ours, a segment has each page that the database grew by. */
	if (f->pgno > t->top && f->pgno != ++t->top)
		return broken(e);
	t->commit = f->commit;
	en = (struct sum_entry){ .pgno = f->pgno,
		.sum = pagesum_of(f->pgno, page, t->wal.hdr.page_size) };
	return spool_write(&t->step->log, &en, sizeof(en), e);
}

static int
take_bytes(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	struct tail *t = ctx;

	if (walread_feed(&t->wal, p, n, take_frame, t, e) == -1)
		return e->class == ERR_CORRUPT ? broken(e) : -1;
	return 0;
}

/* -- one object ------------------------------------------------------------ */

static void
begin_tail(struct tail *t)
{
	const struct record *n = &t->j->next;

	walread_go_on(&t->wal, n->pos.at, &n->chain, n->page_size);
	t->commit = 0;
	t->top = t->j->next.pages;
	t->step = ship_job_step(t->j, 0, false);
}

static void
pass_segment(struct tail *t, const struct provenance *pv)
{
	struct record *n = &t->j->next;
	uint64_t raw = object_dec_raw(t->w->dec);

	walread_chain(&t->wal, &n->chain);
	/* Whether its writer left the index here, the next objects tell. */
	n->pos.at =
	    t->j->codec->behind(n->pos.at, raw, (uint64_t)UINT32_MAX + 1);
	n->wal_bytes += raw;
	n->segments++;
	n->pages = t->step->pages = pv->pages;
	n->sum = pv->sum;
	n->captured_ns = pv->captured_ns;
}

static int
decode_segment(
    struct tail *t, const char *key, const struct provenance *pv, struct err *e)
{
	struct store *s = t->w->ship->store;
	struct object_dec *dec = t->w->dec;
	struct provenance whole;
	bool has;

	begin_tail(t);
	object_dec_begin(dec, take_bytes, t, OBJECT_SEGMENT_MAX);
	if (s->ops->get(s, key, 0, UINT64_MAX, object_dec_feed, dec, e) == -1 ||
	    object_dec_finish(dec, &whole, &has, e) == -1)
		return -1;
	return walread_is_cut(&t->wal) || t->commit != pv->pages ||
		pv->pages > t->top
	    ? broken(e)
	    : 0;
}

/* One that is large has a file for its sums: it is the last of its round. */
static bool
is_enough(const struct ship_job *j)
{
	size_t n = j->n_steps;

	return n >= AT_ONCE || (n > 0 && j->steps[n - 1].log.fd != -1);
}

/* The segment at the position. */
static enum found
adopt_segment(struct tail *t, struct err *e)
{
	struct record *n = &t->j->next;
	struct provenance pv;
	struct buf key = { 0 };
	enum found found = FAILED;
	int rc;

	ship_key(t->j, &key, LAYOUT_SEGMENT, n->pos.line, n->pos.at);
	rc = ship_ask(t->w, t->j, buf_str(&key), &pv, e);
	if (rc == 1 && ship_clock_met(t->w, t->j, &pv, e) == -1)
		rc = -1;
	if (rc == 0) {
		found = NOTHING;
	} else if (rc == 1 && pv.length == 0) {
		found = THE_END;
	} else if (rc == 1 && is_enough(t->j)) {
		found = MORE; /* what it continues is a record's position */
	} else if (rc == 1) {
		if (decode_segment(t, buf_str(&key), &pv, e) == -1) {
			err_in(e, "%s", buf_str(&key));
		} else {
			pass_segment(t, &pv);
			found = ADOPTED;
		}
	}
	buf_release(&key);
	return found;
}

/*
 * The index that comes next, begun by a snapshot or by WAL alone; an index
 * that has no WAL yet may still have got its snapshot.
 */
static enum found
adopt_index(struct tail *t, struct err *e)
{
	struct record *n = &t->j->next;
	uint64_t at = t->j->codec->snapshot(n->pos.at);
	struct buf key = { 0 };
	struct provenance pv;
	int rc;

	if (at == n->snapshot)
		return NOTHING;
	ship_key(t->j, &key, LAYOUT_SNAPSHOT, n->pos.line, at);
	rc = ship_ask(t->w, t->j, buf_str(&key), &pv, e);
	/* Of another state: what led there was pruned. */
	if (rc == 1 &&
	    (pv.pages != n->pages || !pagesum_equal(pv.sum, n->sum))) {
		(void)broken(e);
		rc = err_in(e, "%s", buf_str(&key));
	}
	if (rc == 1) {
		n->snapshot = at;
		n->captured_ns = pv.captured_ns;
		n->snapshot_ns =
		    pv.clock_ns != 0 ? pv.clock_ns : pv.captured_ns;
		n->snapshot_size = (uint64_t)pv.pages * pv.page_size;
		n->wal_bytes = 0;
		n->segments = 0;
	} else if (rc == 0 && at != n->pos.at) {
		buf_reset(&key);
		ship_key(t->j, &key, LAYOUT_SEGMENT, n->pos.line, at);
		rc = ship_ask(t->w, t->j, buf_str(&key), &pv, e);
	}
	buf_release(&key);
	if (rc != 1)
		return rc == 0 ? NOTHING : FAILED;
	n->pos.at = at;
	return ADOPTED;
}

/* What of the source is in it is not known: look at all of it. */
void
ship_adopted(struct ship_job *j)
{
	memset(&j->next.source, 0, sizeof(j->next.source));
	memset(&j->next.sig, 0, sizeof(j->next.sig));
	j->next.racy = RACY;
	j->dirty = true;
}

void
ship_ended(struct ship_job *j)
{
	ship_job_forget(j);
	ship_anew(j,
	    "the one it had was ended by a run that was killed, or has a newer "
	    "state");
	j->start = SHIP_ENDED;
}

int
ship_adopt(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	struct tail t = { .w = w, .j = j };
	enum found found;

	if (j->codec->traits.one_row)
		return ship_row_adopt(w, j, e);
	walread_init(&t.wal, NULL);
	ship_job_forget(j);
	j->next = j->rec;
	do {
		if ((found = adopt_segment(&t, e)) == NOTHING)
			found = adopt_index(&t, e);
	} while (found == ADOPTED);
	walread_release(&t.wal);
	if (found == FAILED)
		return -1;
	if (found == THE_END) {
		ship_ended(j);
		return 0;
	}
	if (found == MORE)
		j->outcome = SHIP_MORE;
	else if (ship_is_end(j, e) == -1)
		return -1;
	else
		j->next.pos.at =
		    j->codec->behind(j->next.pos.at, 0, w->ship->conf->roll_at);
	ship_adopted(j);
	return 0;
}
