/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/restore/restore_ltx_read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/ltx/ltx_mark.h"
#include "lib/replica/ltx/ltx_read.h"
#include "lib/replica/ltx/ltx_sum.h"
#include "lib/replica/restore_ltx.h"
#include "lib/replica/restore_plan.h"
#include "lib/replica/wal/provenance.h"
#include "lib/restore/restore_ahead.h"
#include "lib/restore/restore_apply.h"
#include "lib/store/store.h"
#include "lib/sys/file.h"
#include "lib/sys/stop.h"

struct reading {
	struct ltx_read *r;
	struct apply *a;
	struct ahead *ahead;
	struct ltx_state *out;
	uint64_t txid; /* of the state that is in the file */
	/* The rolling checksum of that, if it is known. */
	bool rolls;
	uint64_t rolling;
	/* The file that is read. */
	struct ltx_header h;
	uint32_t grown; /* pages that it adds */
	uint32_t other; /* 0, or the size of the pages before it */
	uint8_t *page;  /* one that was there before */
};

static uint32_t
lock_page(const struct reading *x)
{
	return ltx_lock_page(x->out->page_size);
}

/* A page comes into the state, or goes from it. */
static void
sum_page(struct reading *x, uint32_t pgno, const uint8_t *page)
{
	uint32_t size = x->out->page_size;

	pagesum_xor(&x->out->sum, pagesum_of(pgno, page, size));
	if (x->rolls)
		x->rolling ^= ltx_page_sum(pgno, page, size);
}

/* A page that is in the file, into x->page. */
static int
read_page(struct reading *x, uint32_t pgno, struct err *e)
{
	uint32_t size = x->out->page_size;
	ssize_t n =
	    file_pread(x->a->fd, x->page, size, (uint64_t)(pgno - 1) * size, e);

	if (n == -1)
		return err_in(e, "unfinished file");
	if ((uint32_t)n != size)
		return err_set(e, ERR_IO,
		    "unfinished file: it ends in page %" PRIu32, pgno);
	return 0;
}

/* What is there by now, for a file that has to be compared with it. */
static int
start_rolling(struct reading *x, struct err *e)
{
	uint32_t lock = lock_page(x);

	if (x->rolls)
		return 0;
	x->rolling = 0;
	for (uint32_t i = 1; i <= x->out->pages; i++) {
		if (i == lock)
			continue;
		if (read_page(x, i, e) == -1 || stop_overdue(e) == -1)
			return -1;
		x->rolling ^= ltx_page_sum(i, x->page, x->out->page_size);
	}
	x->rolls = true;
	return 0;
}

static bool
is_rolling(const struct reading *x, uint64_t sum)
{
	return (x->rolling | LTX_SUM_FLAG) == sum;
}

static int
other_size(const struct reading *x, struct err *e)
{
	return err_set(e, ERR_CORRUPT,
	    "has pages of %" PRIu32 " bytes, the files before it of %" PRIu32,
	    x->h.page_size, x->other);
}

/* Nothing is there yet, or pages of another size: then a file that has all pages
 * begins anew, and no other one leads on. */
static int
begin_pages(struct reading *x, struct err *e)
{
	struct ltx_state *s = x->out;

	if (x->other != 0 && x->h.summed)
		return other_size(x, e);
	s->page_size = x->h.page_size;
	s->pages = 0;
	s->sum = (struct pagesum){ 0 };
	x->rolls = x->h.summed;
	x->rolling = 0;
	return apply_pages(x->a, s->page_size, e);
}

static int
take_header(void *ctx, const struct ltx_header *h, struct err *e)
{
	struct reading *x = ctx;
	struct ltx_state *s = x->out;

	x->h = *h;
	x->grown = x->other = 0;
	if (h->page_size != s->page_size) {
		x->other = s->page_size;
		return begin_pages(x, e);
	}
	if (!h->summed || ltx_is_snapshot(h))
		return 0;
	if (start_rolling(x, e) == -1)
		return -1;
	if (h->min == x->txid + 1 && !is_rolling(x, h->before))
		return err_set(e, ERR_CORRUPT,
		    "is for another state than the files before it lead to");
	return 0;
}

static int
take_page(void *ctx, uint32_t pgno, const uint8_t *page, struct err *e)
{
	struct reading *x = ctx;

	if (pgno > x->out->pages) {
		x->grown++;
	} else {
		if (read_page(x, pgno, e) == -1)
			return -1;
		sum_page(x, pgno, x->page);
	}
	sum_page(x, pgno, page);
	return apply_page(x->a, pgno, page, e);
}

static int
grow(struct reading *x, struct err *e)
{
	uint32_t from = x->out->pages, to = x->h.pages, lock = lock_page(x);
	uint32_t need = to > from ? to - from : 0;

	if (lock > from && lock <= to)
		need--;
	if (x->grown == need)
		return 0;
	if (x->other != 0)
		return other_size(x, e);
	return err_set(e, ERR_CORRUPT,
	    "makes the database grow by %" PRIu32 " pages and has %" PRIu32
	    " of them",
	    need, x->grown);
}

/* Pages that go are in the file, since all are that the state has. */
static int
shrink(struct reading *x, struct err *e)
{
	uint32_t lock = lock_page(x);

	for (uint32_t i = x->h.pages; i < x->out->pages; i++) {
		if (i + 1 == lock)
			continue;
		if (read_page(x, i + 1, e) == -1)
			return -1;
		sum_page(x, i + 1, x->page);
	}
	return 0;
}

/* The page of the lock has no content, but is in the database. */
static struct pagesum
with_lock_page(struct reading *x)
{
	struct pagesum sum = x->out->sum;
	uint32_t lock = lock_page(x);

	if (x->out->pages < lock)
		return sum;
	memset(x->page, 0, x->out->page_size);
	pagesum_xor(&sum, pagesum_of(lock, x->page, x->out->page_size));
	return sum;
}

/* The file is read, and proven: its state is there. */
static int
finish(struct reading *x, uint64_t after, struct err *e)
{
	struct ltx_state *s = x->out;
	struct provenance pv;

	if (grow(x, e) == -1 || shrink(x, e) == -1 ||
	    apply_pages_end(x->a, x->h.pages, e) == -1)
		return -1;
	if (x->h.summed && !is_rolling(x, after))
		return err_set(e, ERR_CORRUPT,
		    "what it leads to does not have the checksum that it says");
	s->pages = x->h.pages;
	s->captured_ns = x->h.captured_ns;
	s->marked = ltx_marked(&x->h, &pv);
	s->summed = x->h.summed || s->marked;
	if (!ltx_mark_has_sum(&x->h, with_lock_page(x).hi))
		return err_set(
		    e, ERR_CORRUPT, "what it leads to is not what was shipped");
	x->txid = x->h.max;
	s->sound++;
	return 0;
}

static int
read_file(struct reading *x, struct store *s, const char *key, size_t i,
    const struct ltx_name *name, struct err *e)
{
	static const struct ltx_sink sink = { take_header, take_page };
	uint64_t after = 0;

	ltx_read_begin(x->r, name, &sink, x);
	if ((i == 0 ? s->ops->get(s, key, 0, UINT64_MAX, ltx_read_feed, x->r, e)
		    : ahead_get(x->ahead, i - 1, key, ltx_read_feed, x->r,
			  e)) == -1 ||
	    ltx_read_finish(x->r, &after, e) == -1 || finish(x, after, e) == -1)
		return err_in(e, "%s", key);
	return 0;
}

int
restore_ltx_read(struct ltx_read *r, struct apply *a, struct ahead *ahead,
    struct store *s, const char *db, const struct restore_plan *p,
    struct ltx_state *out, struct err *e)
{
	const struct restore_ltx *l = p->ltx;
	struct reading x = { .r = r, .a = a, .ahead = ahead, .out = out };
	struct buf key = { 0 };
	int rc = 0;

	*out = (struct ltx_state){ 0 };
	x.page = xmalloc(65536);
	for (size_t i = 0; i < l->plan.n && rc == 0; i++) {
		const struct ltx_name *n = &l->files.v[l->plan.v[i]].name;

		restore_ltx_key(l, db, i, &key);
		if ((rc = stop_overdue(e)) == 0)
			rc = read_file(&x, s, buf_str(&key), i, n, e);
	}
	if (rc == 0)
		out->sum = with_lock_page(&x);
	free(x.page);
	buf_release(&key);
	return rc == 0 ? apply_end(a, e) : -1;
}
