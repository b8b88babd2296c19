/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replica in LTX.  Each file has to be what its name says; with --deep all of
 * it is read, and those that lead to the newest state one onto the other, as a
 * restore does, but with 16 bytes in place of a page.  What lspp wrote says of
 * which state it is (ltx_mark.h).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/replica/follow.h"
#include "lib/replica/ltx/ltx_list.h"
#include "lib/replica/ltx/ltx_mark.h"
#include "lib/replica/ltx/ltx_read.h"
#include "lib/replica/ltx/ltx_sum.h"
#include "lib/replica/sumtable.h"
#include "lib/verify/verify_look.h"

struct ltx_look {
	struct look *l;
	struct ltx_list files;
	enum ltx_levels how;
	struct ltx_plan plan;
	struct ltx_read *reader;
	/* Those of the newest state, one onto the other: */
	bool chained;        /* this one is of them, and none before it broke */
	bool counted;        /* they were, in bytes and objects */
	struct ltx_header h; /* of the file at hand */
	uint64_t txid;       /* of the state before it; 0: it is the first */
	uint32_t page_size, pages, grown;
	uint32_t other;       /* 0, or the size of the pages before it */
	bool replays;         /* the pagesum of the state is wanted */
	bool summed;          /* one of them has a rolling checksum */
	bool rolls;           /* then it is wanted: */
	uint64_t rolling;     /* of the state so far */
	struct sumtable sums; /* of its pages, in lo */
};

static int
other_size(const struct ltx_look *x, struct err *e)
{
	return err_set(e, ERR_CORRUPT,
	    "has pages of %" PRIu32 " bytes, the files before it of %" PRIu32,
	    x->h.page_size, x->other);
}

/* The first, or pages of another size: as a restore does, which wants all of them
 * then. */
static int
begin_pages(struct ltx_look *x, struct err *e)
{
	struct replay *r = &x->l->v->replay;

	if (x->other != 0 && x->h.summed)
		return other_size(x, e);
	if (x->replays && replay_begin(r, true, true, e) == -1)
		return -1;
	if (x->rolls && sumtable_reset(&x->sums, e) == -1)
		return -1;
	x->page_size = r->page_size = x->h.page_size;
	x->pages = 0;
	x->rolling = 0;
	return 0;
}

static int
take_header(void *ctx, const struct ltx_header *h, struct err *e)
{
	struct ltx_look *x = ctx;

	x->h = *h;
	x->grown = x->other = 0;
	if (!x->chained)
		return 0;
	x->summed |= h->summed;
	if (x->txid == 0 || h->page_size != x->page_size) {
		x->other = x->txid == 0 ? 0 : x->page_size;
		return begin_pages(x, e);
	}
	if (x->rolls && h->before != 0 && h->min == x->txid + 1 &&
	    h->before != (x->rolling | LTX_SUM_FLAG))
		return err_set(e, ERR_CORRUPT,
		    "is for another state than the files before it lead to");
	return 0;
}

/* The sum of page pgno becomes that; 0: there is no such page any more. */
static int
put_sum(struct ltx_look *x, uint32_t pgno, uint64_t sum, struct err *e)
{
	struct pagesum was, is = { 0, sum };

	if (sumtable_get(&x->sums, pgno, &was, e) == -1 ||
	    sumtable_put(&x->sums, pgno, is, e) == -1)
		return -1;
	x->rolling ^= was.lo ^ sum;
	return 0;
}

static int
take_page(void *ctx, uint32_t pgno, const uint8_t *page, struct err *e)
{
	struct ltx_look *x = ctx;

	if (!x->chained)
		return 0;
	x->grown += pgno > x->pages;
	if (x->replays && replay_write(&x->l->v->replay, pgno, page, e) == -1)
		return -1;
	return x->rolls
	    ? put_sum(x, pgno, ltx_page_sum(pgno, page, x->h.page_size), e)
	    : 0;
}

/* The state of a file is there: is it the one that it says? */
static int
check_replayed(struct ltx_look *x, struct err *e)
{
	struct look *l = x->l;
	struct replay *r = &l->v->replay;

	if (replay_commit(r, x->h.pages, e) == -1)
		return -1;
	if (!ltx_mark_has_sum(&x->h, r->total.hi))
		return err_set(
		    e, ERR_CORRUPT, "what it leads to is not what was shipped");
	l->has = ltx_marked(&x->h, &l->pv);
	l->pv.sum = r->total;
	look_note_state(l);
	return 0;
}

/* Behind a file of the chain. */
static int
check_chained(struct ltx_look *x, uint64_t after, struct err *e)
{
	uint32_t lock = ltx_lock_page(x->page_size);
	uint32_t need = x->h.pages > x->pages ? x->h.pages - x->pages : 0;

	if (lock > x->pages && lock <= x->h.pages)
		need--;
	if (x->grown != need && x->other != 0)
		return other_size(x, e);
	if (x->grown != need)
		return err_set(e, ERR_CORRUPT,
		    "makes the database grow by %" PRIu32
		    " pages and has %" PRIu32 " of them",
		    need, x->grown);
	for (uint32_t i = x->h.pages; x->rolls && i < x->pages; i++)
		if (put_sum(x, i + 1, 0, e) == -1)
			return -1;
	if (x->rolls && x->h.summed && after != (x->rolling | LTX_SUM_FLAG))
		return err_set(e, ERR_CORRUPT,
		    "what it leads to does not have the checksum that it says");
	x->pages = x->h.pages;
	x->txid = x->h.max;
	return x->replays ? check_replayed(x, e) : 0;
}

/* All of a file. */
static int
read_file(struct ltx_look *x, const struct ltx_name *n, struct err *e)
{
	static const struct ltx_sink sink = { take_header, take_page };
	struct look *l = x->l;
	struct store *s = l->j->store;
	uint64_t after;

	buf_reset(&l->v->key);
	ltx_key(&l->v->key, l->j->db, x->how, n);
	ltx_read_begin(x->reader, n, &sink, x);
	if (s->ops->get(s, buf_str(&l->v->key), 0, UINT64_MAX, ltx_read_feed,
		x->reader, e) == -1 ||
	    ltx_read_finish(x->reader, &after, e) == -1 ||
	    (x->chained && check_chained(x, after, e) == -1))
		return err_in(e, "%s", buf_str(&l->v->key));
	return 0;
}

/* It may be the last of the newest state. */
static void
note_last(struct ltx_look *x, const struct ltx_name *n)
{
	struct look *l = x->l;
	struct buf key = { 0 };

	l->out->as_of_ns = x->h.captured_ns;
	l->has_last = ltx_marked(&x->h, &l->last);
	ltx_key(&key, l->j->db, x->how, n);
	free(l->last_key);
	l->last_key = xstrdup(buf_str(&key));
	buf_release(&key);
}

/* One file, of the newest state or not.  1: what is wrong with it is noted. */
static int
look_at(
    struct ltx_look *x, const struct ltx_file *f, bool newest, struct err *e)
{
	struct look *l = x->l;
	int rc;

	if (!x->counted || !newest) {
		l->out->objects++;
		l->out->bytes += f->size;
	}
	if (l->want->deep || (newest && l->want->source))
		rc = read_file(x, &f->name, e);
	else
		rc =
		    ltx_peek(l->j->store, l->j->db, x->how, &f->name, &x->h, e);
	if (rc == -1)
		return look_fault(l, newest, e) == -1 ? -1 : 1;
	if (newest)
		note_last(x, &f->name);
	return 0;
}

/* Those of the newest state.  Behind one with a fault each is looked at by
 * itself. */
static int
look_at_chain(struct ltx_look *x, struct err *e)
{
	const struct ltx_plan *p = &x->plan;
	int rc;

	x->chained = true;
	x->txid = x->rolling = x->pages = 0;
	for (size_t i = 0; i < p->n; i++) {
		rc = look_at(x, &x->files.v[p->v[i]], true, e);
		if (rc == -1)
			return -1;
		x->chained = x->chained && rc == 0;
	}
	x->counted = true;
	return 0;
}

static int
look_at_newest(struct ltx_look *x, struct err *e)
{
	const struct ltx_plan *p = &x->plan;
	struct look *l = x->l;

	x->replays = l->want->deep || l->want->source;
	if ((x->replays && replay_begin(&l->v->replay, true, true, e) == -1) ||
	    look_at_chain(x, e) == -1)
		return -1;
	x->replays = false;
	/* Once more, if there is something to be compared.  Litestream's own
	 * have nothing. */
	if (x->summed && x->chained) {
		x->rolls = true;
		if (look_at_chain(x, e) == -1)
			return -1;
	}
	x->chained = false;
	if (p->txid == p->wanted)
		return 0;
	err_set(e, ERR_CORRUPT,
	    "no LTX file brings the TXIDs from %016" PRIx64 " to %016" PRIx64,
	    p->gap_from, p->gap_until);
	return look_fault(l, true, e);
}

static bool
is_newest(const struct ltx_plan *p, size_t file)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i] == file)
			return true;
	return false;
}

/* Is the newest state, of the TXID of the record, what was shipped?  A file that a
 * daemon compacted does not say of which state it is; what was replayed does. */
static bool
is_recorded(const struct ltx_look *x)
{
	const struct look *l = x->l;
	const struct record *r = &l->rec;
	bool replayed = l->want->deep || l->want->source;

	return x->h.pages == r->pages && x->h.page_size == r->page_size &&
	    (!l->has_last || l->last.sum.hi == r->sum.hi) &&
	    (!replayed || pagesum_equal(l->v->replay.total, r->sum));
}

/* The newest state against the record of what was shipped. */
static int
check_record(struct ltx_look *x, struct err *e)
{
	struct look *l = x->l;
	uint64_t txid = l->rec.pos.at - 1;

	if (x->plan.txid < txid)
		err_set(e, ERR_CORRUPT,
		    "TXID %016" PRIx64 " is the end: what was shipped until "
		    "TXID %016" PRIx64 " is gone",
		    x->plan.txid, txid);
	else if (x->plan.txid == txid && !is_recorded(x))
		err_set(e, ERR_CORRUPT,
		    "%s brings another database than the one that was shipped",
		    l->last_key);
	else
		return 0;
	return look_fault(l, true, e);
}

/* What is newer than the record, and not of this machine. */
static int
check_foreign(struct ltx_look *x, struct err *e)
{
	struct look *l = x->l;

	if (!l->known || l->has_last || x->plan.txid < l->rec.pos.at)
		return look_foreign(l, e);
	return err_set(e, ERR_BUSY,
	    "it is sound, but %s was written by Litestream, whose daemon ships "
	    "this database, too",
	    l->last_key);
}

/* What the history was in before it went over to LTX. */
static int
look_at_generations(struct look *l, struct err *e)
{
	for (size_t i = 0; i < l->h.n; i++)
		if (look_older(l, &l->h.v[i], e) == -1)
			return -1;
	return l->h.n > 0 ? look_owners(l, e) : 0;
}

static int
look_at_all(struct ltx_look *x, struct err *e)
{
	const struct ltx_wish newest = { LTX_NEWEST, INT64_MAX };
	struct look *l = x->l;

	ltx_plan(&x->plan, x->files.v, x->files.n, &newest);
	if (look_at_newest(x, e) == -1)
		return -1;
	if (!l->out->newest && l->h.n > 0 && l->out->as_of_ns <= l->h.closed_ns)
		return follow_unclosed(e);
	if (!l->out->newest && l->known && check_record(x, e) == -1)
		return -1;
	if (!l->out->newest && l->want->source && look_source(l, e) == -1)
		return -1;
	for (size_t i = 0; i < x->files.n && !l->want->newest; i++)
		if (!is_newest(&x->plan, i) &&
		    look_at(x, &x->files.v[i], false, e) == -1)
			return -1;
	if (!l->want->newest && look_at_generations(l, e) == -1)
		return -1;
	if (!l->out->newest && l->want->sql && look_sql(l, e) == -1)
		return -1;
	if (look_judge(l, e) == -1)
		return -1;
	return l->fault.class != ERR_CORRUPT ? check_foreign(x, e) : 0;
}

/* In the layout of 0.3, too?  A record of that is older. */
static int
check_beside(struct look *l, struct err *e)
{
	bool other = l->known && l->rec.format != FORMAT_LTX;

	if (l->h.n > 0 ? follow_closed(&l->h, e) == -1 : other)
		return l->h.n > 0 ? -1 : follow_unclosed(e);
	if (other) {
		record_release(&l->rec);
		l->known = false;
	}
	return 0;
}

static void
begin(struct ltx_look *x, struct look *l)
{
	x->l = l;
	x->reader = ltx_read_new();
	sumtable_init(&x->sums, l->v->dir);
	l->plain = !l->known;
	memcpy(l->out->generation, "ltx", sizeof("ltx"));
}

int
look_ltx(struct look *l, struct err *e)
{
	struct ltx_look x = { 0 };
	struct ltx_where where;
	int rc;

	rc = ltx_list_any(&x.files, l->from, l->j->db, &x.how, &where, e);
	if (rc == -1 || x.files.n == 0) {
		ltx_list_release(&x.files);
		/* Nothing is restored from such names, so none is sound. */
		return rc == -1 && look_fault(l, true, e) == 0 ? 1 : rc;
	}
	rc = check_beside(l, e);
	l->h.objects += x.files.n;
	begin(&x, l);
	if (rc == 0)
		rc = look_at_all(&x, e);
	sumtable_release(&x.sums);
	ltx_read_free(x.reader);
	ltx_plan_release(&x.plan);
	ltx_list_release(&x.files);
	return rc == -1 ? -1 : 1;
}
