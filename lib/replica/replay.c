/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/sqlite/dbhdr.h"

#define PAGE_MAX  ((size_t)65536)
#define IN_MEMORY ((size_t)64 * 1024) /* of the sums of a transaction */

enum {
	AT_ONCE = 128, /* sums read back together */
};

void
replay_init(struct replay *r, const char *dir)
{
	*r = (struct replay){ 0 };
	sumtable_init(&r->sums, dir);
	spool_init(&r->pending, dir, IN_MEMORY);
	walread_init(&r->wal, &r->growth);
	r->zeros = xcalloc(1, PAGE_MAX);
}

void
replay_release(struct replay *r)
{
	sumtable_release(&r->sums);
	spool_release(&r->pending);
	walread_release(&r->wal);
	free(r->zeros);
}

int
replay_begin(struct replay *r, bool summing, bool keep, struct err *e)
{
	r->page_size = 0;
	r->size = 0;
	r->pages = r->highest = 0;
	r->growth = (struct growth){ 0 };
	walread_start(&r->wal, 0, 0);
	r->total = (struct pagesum){ 0 };
	r->summing = summing;
	r->keep = keep;
	if (spool_reset(&r->pending, e) == -1)
		return -1;
	return keep ? sumtable_reset(&r->sums, e) : 0;
}

/* -- the snapshot ---------------------------------------------------------- */

static int
take_page(struct replay *r, const uint8_t *page, struct err *e)
{
	struct pagesum sum;

	if (r->pages == GROWTH_PAGES_MAX)
		return err_set(e, ERR_CORRUPT, "holds too many pages");
	if (r->pages++ == 0)
		memcpy(r->head, page, sizeof(r->head));
	if (!r->summing)
		return 0;
	sum = pagesum_of(r->pages, page, r->page_size);
	pagesum_xor(&r->total, sum);
	return r->keep ? sumtable_put(&r->sums, r->pages, sum, e) : 0;
}

/* The header says how large a page is: wait for all of it. */
static int
take_start(struct replay *r, const uint8_t **p, size_t *n, struct err *e)
{
	const uint8_t *unit;
	struct dbhdr h;

	if (!walread_unit(&r->wal, DBHDR_SIZE, p, n, &unit))
		return 0;
	if (dbhdr_parse(&h, unit, e) == -1)
		return -1;
	r->page_size = h.page_size;
	walread_keep(&r->wal, unit, DBHDR_SIZE);
	return 0;
}

int
replay_snapshot(void *replay, const uint8_t *p, size_t n, struct err *e)
{
	struct replay *r = replay;
	const uint8_t *page;

	r->size += n;
	while (n > 0) {
		if (r->page_size == 0) {
			if (take_start(r, &p, &n, e) == -1)
				return -1;
			continue;
		}
		if (!walread_unit(&r->wal, r->page_size, &p, &n, &page))
			break;
		if (take_page(r, page, e) == -1)
			return -1;
	}
	return 0;
}

int
replay_snapshot_end(struct replay *r, struct err *e)
{
	if (r->page_size == 0)
		return err_set(e, ERR_CORRUPT,
		    "holds %" PRIu64 " bytes, which is no database", r->size);
	r->highest = r->pages;
	growth_from(&r->growth, r->pages);
	return 0;
}

/* -- the WAL --------------------------------------------------------------- */

void
replay_log(struct replay *r, uint64_t at)
{
	walread_start(&r->wal, at, r->page_size);
	r->uncommitted = 0;
	r->head_pending = false;
}

static bool
is_none(struct pagesum s)
{
	return s.hi == 0 && s.lo == 0;
}

/* What a page is that nothing was written to: zeros, as in a file. */
int
replay_page(struct replay *r, uint32_t pgno, struct pagesum *sum, struct err *e)
{
	if (sumtable_get(&r->sums, pgno, sum, e) == -1)
		return -1;
	if (is_none(*sum))
		*sum = pagesum_of(pgno, r->zeros, r->page_size);
	return 0;
}

/* What lies behind the end of the database is not of it. */
static int
apply(struct replay *r, const struct sum_entry *en, uint32_t end, struct err *e)
{
	struct pagesum old;

	if (en->pgno > end && en->pgno > r->pages)
		return 0;
	if (en->pgno <= r->pages) {
		if (replay_page(r, en->pgno, &old, e) == -1)
			return -1;
		pagesum_xor(&r->total, old);
		pagesum_xor(&r->total, en->sum);
	}
	if (en->pgno > r->highest)
		r->highest = en->pgno;
	return sumtable_put(&r->sums, en->pgno, en->sum, e);
}

/* The database has 'pages' from now on. */
static int
resize(struct replay *r, uint32_t pages, struct err *e)
{
	uint32_t from = pages < r->pages ? pages : r->pages;
	uint32_t to = pages < r->pages ? r->pages : pages;
	struct pagesum sum;

	for (uint32_t n = from; r->summing && n < to; n++) {
		if (replay_page(r, n + 1, &sum, e) == -1)
			return -1;
		pagesum_xor(&r->total, sum);
	}
	r->pages = pages;
	return 0;
}

static int
commit(struct replay *r, uint32_t pages, struct err *e)
{
	struct sum_entry en[AT_ONCE];
	uint64_t at = 0;
	size_t n;

	r->uncommitted = 0;
	if (r->head_pending)
		memcpy(r->head, r->next_head, sizeof(r->head));
	r->head_pending = false;
	while (at < r->pending.size) {
		n = sizeof(en);
		if (r->pending.size - at < n)
			n = (size_t)(r->pending.size - at);
		if (spool_read(&r->pending, at, en, n, e) == -1)
			return -1;
		at += n;
		for (size_t i = 0; i < n / sizeof(*en); i++)
			if (apply(r, &en[i], pages, e) == -1)
				return -1;
	}
	if (spool_reset(&r->pending, e) == -1)
		return -1;
	return resize(r, pages, e);
}

/* Its sum counts from the commit on. */
int
replay_write(
    struct replay *r, uint32_t pgno, const uint8_t *page, struct err *e)
{
	struct sum_entry en = { .pgno = pgno };

	r->uncommitted++;
	if (pgno == 1) {
		memcpy(r->next_head, page, sizeof(r->next_head));
		r->head_pending = true;
	}
	if (!r->summing)
		return 0;
	en.sum = pagesum_of(pgno, page, r->page_size);
	return spool_write(&r->pending, &en, sizeof(en), e);
}

static int
take_frame(
    void *ctx, const struct wal_frame *f, const uint8_t *page, struct err *e)
{
	struct replay *r = ctx;

	if (replay_write(r, f->pgno, page, e) == -1)
		return -1;
	return f->commit != 0 ? commit(r, f->commit, e) : 0;
}

int
replay_wal(void *replay, const uint8_t *p, size_t n, struct err *e)
{
	struct replay *r = replay;

	return walread_feed(&r->wal, p, n, take_frame, r, e);
}

/* A checkpoint of the log is over: what is behind the end is gone. */
int
replay_log_end(struct replay *r, struct err *e)
{
	struct pagesum none = { 0 };

	r->uncommitted = 0;
	if (!r->summing)
		return 0;
	for (; r->highest > r->pages; r->highest--)
		if (sumtable_put(&r->sums, r->highest, none, e) == -1)
			return -1;
	return spool_reset(&r->pending, e);
}

int
replay_commit(struct replay *r, uint32_t pages, struct err *e)
{
	return commit(r, pages, e) == -1 ? -1 : replay_log_end(r, e);
}
