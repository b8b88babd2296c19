/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adopting the tail of a replica with one row of positions, LTX (ship_adopt.c
 * says why): the files behind the record, as long as this state wrote them.
 *
 * A file has not the whole pagesum of what it leads to.  So that is reckoned
 * from the pages in it and from the sums that the state has of those before,
 * and therefore one file is adopted at a time.  One that begins a line is not:
 * the snapshot that should follow it may not be there.
 */

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/ltx/ltx_list.h"
#include "lib/replica/ltx/ltx_mark.h"
#include "lib/replica/ltx/ltx_read.h"
#include "lib/replica/ltx/ltx_sum.h"
#include "lib/ship/ship_job.h"
#include "lib/store/listed.h"
#include "lib/store/store.h"

/* A file on its way from the store into the record. */
struct tail {
	struct ship_worker *w;
	struct ship_job *j;
	struct ship_step *step;
	struct ltx_header h;
	uint32_t top;       /* pages up to there are known: to sums, or here */
	struct pagesum sum; /* of the database */
	uint64_t raw;       /* bytes of pages */
};

static int
broken(struct err *e)
{
	return err_set(e, ERR_CORRUPT, "does not continue what was shipped");
}

static int
take_header(void *ctx, const struct ltx_header *h, struct err *e)
{
	struct tail *t = ctx;

	t->h = *h;
	return h->page_size == t->j->rec.page_size ? 0 : broken(e);
}

/* What the state has of a page leaves the sum. */
static int
leave(struct tail *t, uint32_t pgno, struct err *e)
{
	struct pagesum old;
	int rc = sums_get(&t->w->sums, pgno, &old, e);

	if (rc == 1)
		pagesum_xor(&t->sum, old);
	return rc == 0 ? broken(e) : rc;
}

static int
enter(struct tail *t, uint32_t pgno, const uint8_t *page, struct err *e)
{
	struct sum_entry en = { .pgno = pgno,
		.sum = pagesum_of(pgno, page, t->h.page_size) };

	if (pgno <= t->j->rec.pages && leave(t, pgno, e) == -1)
		return -1;
	pagesum_xor(&t->sum, en.sum);
	return spool_write(&t->step->log, &en, sizeof(en), e);
}

/* The page of the lock is in no file, but in the database. */
static int
grow_over_lock(struct tail *t, struct err *e)
{
	static const uint8_t zeros[65536];

	if (t->top + 1 != ltx_lock_page(t->h.page_size) ||
	    t->top + 1 > t->h.pages)
		return 0;
	t->top++;
	return enter(t, t->top, zeros, e);
}

static int
take_page(void *ctx, uint32_t pgno, const uint8_t *page, struct err *e)
{
	struct tail *t = ctx;

	if (pgno > t->top && grow_over_lock(t, e) == -1)
		return -1;
	/* Of ours, a file has each page that the database grew by. */
	if (pgno > t->top && pgno != ++t->top)
		return broken(e);
	t->raw += t->h.page_size;
	return enter(t, pgno, page, e);
}

/* All of it was taken: is the database what the file says? */
static int
take_end(struct tail *t, struct err *e)
{
	if (grow_over_lock(t, e) == -1)
		return -1;
	for (uint32_t n = t->h.pages + 1; n <= t->j->rec.pages; n++)
		if (leave(t, n, e) == -1)
			return -1;
	if (t->h.pages > t->top || !ltx_mark_has_sum(&t->h, t->sum.hi))
		return broken(e);
	t->step->pages = t->h.pages;
	return 0;
}

static int
read_file(struct tail *t, const char *key, struct err *e)
{
	static const struct ltx_sink sink = { take_header, take_page };
	struct ship_job *j = t->j;
	struct ltx_name name = { 0, j->rec.pos.at, j->rec.pos.at };
	struct ship_worker *w = t->w;
	uint64_t after;

	if (w->ltx == NULL)
		w->ltx = ltx_read_new();
	t->step = ship_job_step(j, 0, false);
	t->top = j->rec.pages;
	t->sum = j->rec.sum;
	w->sums.st = w->st;
	w->sums.id = j->rec.id;
	w->sums.chunk = 0;
	ltx_read_begin(w->ltx, &name, &sink, t);
	if (j->ship->store->ops->get(j->ship->store, key, 0, UINT64_MAX,
		ltx_read_feed, w->ltx, e) == -1 ||
	    ltx_read_finish(w->ltx, &after, e) == -1 || take_end(t, e) == -1)
		return err_in(e, "%s", key);
	return 0;
}

static void
pass_file(struct tail *t)
{
	struct record *n = &t->j->next;

	n->pos.at = t->j->codec->behind(n->pos.at, t->raw, 0);
	n->wal_bytes += t->raw;
	n->segments++;
	n->pages = t->h.pages;
	n->sum = t->sum;
	n->captured_ns = t->h.captured_ns;
}

/* Is it the end?  What was behind a file that is gone is not to be read behind
 * another one in its place. */
static int
check_end(struct ship_job *j, struct err *e)
{
	const struct listed from = LISTED_NOT(j->ship->store);
	struct ltx_list l = { 0 };
	bool flat = j->ship->store->ops->traits.flat;
	int rc = ltx_list(
	    &l, &from, j->rec.key, flat ? LTX_LEVELS_FLAT : LTX_LEVELS_DIR, e);

	for (size_t i = 0; i < l.n && rc == 0; i++)
		if (l.v[i].name.max >= j->next.pos.at)
			rc = err_set(e, ERR_CORRUPT,
			    "what followed the state that was found has been "
			    "pruned");
	ltx_list_release(&l);
	return rc;
}

int
ship_row_adopt(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	struct tail t = { .w = w, .j = j };
	struct provenance pv;
	struct buf key = { 0 };
	int rc;

	ship_job_forget(j);
	j->next = j->rec;
	ship_key(j, &key, LAYOUT_SEGMENT, j->rec.pos.line, j->rec.pos.at);
	rc = ship_ask(w, j, buf_str(&key), &pv, e);
	if (rc == 1 && pv.name.kind != LAYOUT_SEGMENT) {
		ship_ended(j);
	} else if (rc == 1 && (rc = read_file(&t, buf_str(&key), e)) == 0) {
		pass_file(&t);
		j->outcome = SHIP_MORE;
		ship_adopted(j);
	} else if (rc == 0 && (rc = check_end(j, e)) == 0) {
		ship_adopted(j);
	}
	buf_release(&key);
	return rc == -1 ? -1 : 0;
}
