#include "lib/engine/replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/format/dbhdr.h"

#define PAGE_MAX  ((size_t)65536)
#define UNIT_MAX  (WAL_FRAME_HDR_SIZE + PAGE_MAX)
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
	r->unit = xmalloc(UNIT_MAX);
	r->zeros = xcalloc(1, PAGE_MAX);
}

void
replay_release(struct replay *r)
{
	sumtable_release(&r->sums);
	spool_release(&r->pending);
	free(r->unit);
	free(r->zeros);
}

int
replay_begin(struct replay *r, bool summing, bool keep, struct err *e)
{
	r->page_size = 0;
	r->size = r->pos = 0;
	r->pages = r->highest = 0;
	r->growth = (struct growth){ 0 };
	r->have = 0;
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

/* What is whole of the n bytes at p, in units; the rest is kept. */
static size_t
whole(struct replay *r, size_t need, const uint8_t **p, size_t *n,
    const uint8_t **unit)
{
	size_t part = need - r->have < *n ? need - r->have : *n;

	*unit = *p;
	if (part < need) {
		memcpy(r->unit + r->have, *p, part);
		*unit = r->unit;
	}
	*p += part;
	*n -= part;
	r->pos += part;
	r->have += part;
	return r->have;
}

/* The header says how large a page is: wait for all of it. */
static int
take_start(struct replay *r, const uint8_t **p, size_t *n, struct err *e)
{
	const uint8_t *unit;
	struct dbhdr h;

	if (whole(r, DBHDR_SIZE, p, n, &unit) < DBHDR_SIZE)
		return 0;
	if (unit != r->unit)
		memcpy(r->unit, unit, DBHDR_SIZE);
	if (dbhdr_parse(&h, r->unit, e) == -1)
		return -1;
	r->page_size = h.page_size;
	return 0;
}

int
replay_snapshot(struct replay *r, const uint8_t *p, size_t n, struct err *e)
{
	const uint8_t *page;

	r->size += n;
	while (n > 0) {
		if (r->page_size == 0) {
			if (take_start(r, &p, &n, e) == -1)
				return -1;
			continue;
		}
		if (whole(r, r->page_size, &p, &n, &page) < r->page_size)
			break;
		r->have = 0;
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
	r->have = 0;
	r->highest = r->pages;
	growth_from(&r->growth, r->pages);
	return 0;
}

/* -- the WAL --------------------------------------------------------------- */

void
replay_index(struct replay *r, uint32_t index)
{
	r->index = index;
	r->pos = 0;
	r->frames = r->uncommitted = 0;
	r->have = 0;
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

static int
take_header(struct replay *r, const uint8_t *p, struct err *e)
{
	if (wal_hdr_parse(&r->hdr, p, e) == -1)
		return -1;
	if (r->hdr.page_size != r->page_size)
		return err_set(e, ERR_CORRUPT,
		    "page size %" PRIu32
		    " in a WAL over a snapshot with %" PRIu32,
		    r->hdr.page_size, r->page_size);
	memcpy(r->sum, r->hdr.sum, sizeof(r->sum));
	return 0;
}

static int
take_frame(struct replay *r, const uint8_t *p, struct err *e)
{
	const uint8_t *page = p + WAL_FRAME_HDR_SIZE;
	struct sum_entry en = { 0 };
	struct wal_frame f;

	wal_frame_parse(&f, p);
	if (!wal_frame_follows(&r->hdr, p, page, r->sum))
		return err_set(e, ERR_CORRUPT,
		    "frame %" PRIu32 " of WAL index %08" PRIx32
		    " does not continue its chain (salt or checksum)",
		    r->frames + 1, r->index);
	if (f.pgno > GROWTH_PAGES_MAX)
		return err_set(e, ERR_CORRUPT,
		    "frame %" PRIu32 " of WAL index %08" PRIx32
		    " is for page %" PRIu32,
		    r->frames + 1, r->index, f.pgno);
	r->frames++;
	r->uncommitted++;
	if (f.pgno == 1) {
		memcpy(r->next_head, page, sizeof(r->next_head));
		r->head_pending = true;
	}
	if (r->summing) {
		en.pgno = f.pgno;
		en.sum = pagesum_of(f.pgno, page, r->page_size);
		if (spool_write(&r->pending, &en, sizeof(en), e) == -1)
			return -1;
	}
	if (f.commit == 0)
		return 0;
	if (growth_commit(&r->growth, f.commit, e) == -1)
		return err_in(e, "frame %" PRIu32 " of WAL index %08" PRIx32,
		    r->frames, r->index);
	return commit(r, f.commit, e);
}

int
replay_wal(struct replay *r, const uint8_t *p, size_t n, struct err *e)
{
	const uint8_t *unit;
	size_t need;

	while (n > 0) {
		need = WAL_FRAME_HDR_SIZE + r->page_size;
		if (r->pos - r->have < WAL_HDR_SIZE)
			need = WAL_HDR_SIZE;
		if (whole(r, need, &p, &n, &unit) < need)
			break;
		r->have = 0;
		if ((r->pos == WAL_HDR_SIZE ? take_header(r, unit, e)
					    : take_frame(r, unit, e)) == -1)
			return -1;
	}
	return 0;
}

/* A checkpoint of the index is over: what is behind the end is gone. */
int
replay_index_end(struct replay *r, struct err *e)
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
