/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot and logs onto sums, in pieces of any size, against the same on
 * whole pages: growing, shrinking, pages many times, transactions that were
 * never committed, and after a run that broke off.
 */
#include "lib/replica/replay.h"

#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/wal/walpos.h"
#include "tests/unit/tap.h"

#define SIZE ((uint32_t)512)
#define MAX  ((uint32_t)900)

/* The database as a restore would have it. */
static uint8_t page[MAX + 1][SIZE];
static uint32_t pages;
static unsigned seed;

static uint32_t
pick(uint32_t n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

static void
scribble(uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		p[i] = (uint8_t)pick(256);
}

static struct pagesum
total(void)
{
	struct pagesum sum = { 0 };

	for (uint32_t n = 1; n <= pages; n++)
		pagesum_xor(&sum, pagesum_of(n, page[n], SIZE));
	return sum;
}

static void
make_snapshot(struct buf *b)
{
	pages = 3 + pick(40);
	for (uint32_t n = 1; n <= pages; n++)
		scribble(page[n], SIZE);
	memcpy(page[1], "SQLite format 3", 16);
	page[1][16] = SIZE >> 8;
	page[1][17] = 0;
	for (uint32_t n = 1; n <= pages; n++)
		buf_add(b, page[n], SIZE);
}

struct log {
	struct wal_hdr h;
	uint32_t sum[2];
	struct buf b;
};

static void
begin_log(struct log *l)
{
	uint8_t p[WAL_HDR_SIZE];

	l->h = (struct wal_hdr){ .page_size = SIZE,
		.big_endian = pick(2) != 0,
		.salt = { pick(1000), pick(1000) } };
	wal_hdr_write(&l->h, p);
	memcpy(l->sum, l->h.sum, sizeof(l->sum));
	buf_reset(&l->b);
	buf_add(&l->b, p, sizeof(p));
}

static void
put(struct log *l, uint32_t pgno, const uint8_t *image, uint32_t commit)
{
	uint8_t p[WAL_FRAME_HDR_SIZE];

	wal_frame_write(&l->h, pgno, commit, image, l->sum, p);
	buf_add(&l->b, p, sizeof(p));
	buf_add(&l->b, image, SIZE);
}

/* A transaction: some pages, those that are new, and the size. */
static void
transact(struct log *l, bool committed)
{
	uint32_t size = 1 + pick(MAX), n = 1 + pick(30), pgno;
	uint8_t image[SIZE];

	if (pick(2) != 0)
		size = pages;
	for (uint32_t i = 0; i < n; i++) {
		pgno = 1 + pick(size < pages ? pages : size);
		scribble(image, SIZE);
		put(l, pgno, image, 0);
		if (committed)
			memcpy(page[pgno], image, SIZE);
	}
	for (pgno = pages + 1; pgno <= size; pgno++) {
		scribble(image, SIZE);
		put(l, pgno, image, 0);
		if (committed)
			memcpy(page[pgno], image, SIZE);
	}
	if (!committed)
		return;
	scribble(page[size], SIZE);
	put(l, size, page[size], size);
	pages = size;
}

static int
feed(struct replay *r, bool snapshot, const struct buf *b, size_t from,
    struct err *e)
{
	size_t n;
	int rc = 0;

	for (size_t at = from; rc == 0 && at < b->len; at += n) {
		n = 1 + pick(3000);
		n = n < b->len - at ? n : b->len - at;
		rc = snapshot ? replay_snapshot(r, b->data + at, n, e)
			      : replay_wal(r, b->data + at, n, e);
	}
	return rc;
}

/* One index; each commit leads to what the pages are. */
static bool
play_index(struct replay *r, uint32_t index)
{
	struct log l = { .b = { 0 } };
	bool right = true;
	size_t from = 0;
	struct err e;

	begin_log(&l);
	replay_log(r, walpos(index, 0));
	for (uint32_t i = pick(6); i > 0; i--) {
		transact(&l, true);
		growth_read(&r->growth, l.b.len - from);
		right = right && feed(r, false, &l.b, from, &e) == 0 &&
		    r->pages == pages && pagesum_equal(r->total, total());
		from = l.b.len;
	}
	if (pick(3) == 0) {
		transact(&l, false);
		right = right && feed(r, false, &l.b, from, &e) == 0;
	}
	right = right && replay_log_end(r, &e) == 0 &&
	    pagesum_equal(r->total, total());
	buf_release(&l.b);
	return right;
}

static bool
play(struct replay *r)
{
	struct buf b = { 0 };
	struct pagesum sum;
	bool right;
	struct err e;

	make_snapshot(&b);
	right = replay_begin(r, true, true, &e) == 0 &&
	    feed(r, true, &b, 0, &e) == 0 && replay_snapshot_end(r, &e) == 0 &&
	    r->pages == pages && pagesum_equal(r->total, total());
	buf_release(&b);
	for (uint32_t i = 0; right && i < 1 + pick(4); i++)
		right = play_index(r, i);
	for (uint32_t n = 1; right && n <= pages; n++)
		right = replay_page(r, n, &sum, &e) == 0 &&
		    pagesum_equal(sum, pagesum_of(n, page[n], SIZE));
	return right;
}

/* Broken off in a transaction, by a frame that does not follow. */
static void
test_broken(struct replay *r)
{
	struct log l = { .b = { 0 } };
	struct buf b = { 0 };
	struct err e;

	make_snapshot(&b);
	(void)replay_begin(r, true, true, &e);
	(void)feed(r, true, &b, 0, &e);
	(void)replay_snapshot_end(r, &e);
	begin_log(&l);
	replay_log(r, 0);
	transact(&l, false);
	l.b.data[l.b.len - 1] ^= 1;
	is_int(feed(r, false, &l.b, 0, &e), -1, "a frame that is damaged");
	is_int(e.class, ERR_CORRUPT, "is a fault");
	ok(play(r), "which does not matter to the next database");
	buf_release(&l.b);
	buf_release(&b);
}

int
main(void)
{
	uint32_t right = 0, n = 200;
	struct replay r;
	struct err e;

	seed = (unsigned)tap_seed();
	replay_init(&r, "/tmp");
	for (uint32_t i = 0; i < n; i++)
		right += play(&r);
	is_int(right, n, "the sums are those of the pages, in all of %u", n);
	test_broken(&r);
	is_int(replay_begin(&r, true, true, &e), 0, "begun");
	is_int(
	    replay_snapshot(&r, (const uint8_t *)"short", 5, &e), 0, "short");
	is_int(replay_snapshot_end(&r, &e), -1, "is no database");
	is_int(e.class, ERR_CORRUPT, "and so a fault");
	replay_release(&r);
	return done();
}
