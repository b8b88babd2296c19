/* SPDX-License-Identifier: Apache-2.0 */
/* LTX files as they are written: byte for byte what the format asks for, and
 * read again. */
#include "lib/replica/ltx/ltx_write.h"

#include "lib/base/err.h"
#include "lib/replica/ltx/ltx_read.h"
#include "lib/sys/spool.h"
#include "tests/unit/ltx_kit.h"
#include "tests/unit/tap.h"

enum { MS = 1000000, LOCK = 16385 };

static uint8_t page[4][65536];
static struct ltx_write *writer;
static struct ltx_read *reader;
static struct spool out;

static struct ltx_header
header(uint32_t pages, uint64_t min, uint64_t max)
{
	struct ltx_header h = { .pages = pages,
		.min = min,
		.max = max,
		.captured_ns = INT64_C(1700000000123) * MS + 999999 };

	return h;
}

static void
whole(struct buf *b)
{
	struct err e;
	size_t n = (size_t)out.size;

	buf_reset(b);
	if (spool_read(&out, 0, buf_room(b, n), n, &e) == -1)
		abort();
	b->len = n;
}

/* What the reader makes of it. */
struct got {
	struct ltx_header h;
	uint32_t pages, last;
	bool good;
	uint64_t after;
	struct err e;
};

static int
take_header(void *ctx, const struct ltx_header *h, struct err *e)
{
	(void)e;
	((struct got *)ctx)->h = *h;
	return 0;
}

static int
take_page(void *ctx, uint32_t pgno, const uint8_t *p, struct err *e)
{
	struct got *g = ctx;

	(void)e;
	g->pages++;
	g->last = pgno;
	g->good &= memcmp(p, page[pgno % 4], g->h.page_size) == 0;
	return 0;
}

static int
read_back(struct got *g)
{
	static const struct ltx_sink sink = { take_header, take_page };
	struct buf b = { 0 };
	int rc;

	whole(&b);
	*g = (struct got){ .good = true };
	ltx_read_begin(reader, NULL, &sink, g);
	rc = ltx_read_feed(reader, b.data, b.len, &g->e);
	if (rc == 0)
		rc = ltx_read_finish(reader, &g->after, &g->e);
	buf_release(&b);
	return rc;
}

/* So many pages of that size, from the first on. */
static int
write_pages(uint32_t size, uint32_t pages, bool summed,
    const struct ltx_header *h, struct err *e)
{
	if (ltx_write_begin(writer, &out, size, summed, e) == -1)
		return -1;
	for (uint32_t i = 1; i <= pages; i++)
		if (ltx_write_page(writer, i, page[i % 4], e) == -1)
			return -1;
	return ltx_write_end(writer, h, e);
}

static void
test_bytes(uint32_t size, bool summed)
{
	struct ltx_header h = header(5, 1, 3);
	struct ltx_made m = { 0 };
	struct buf b = { 0 };
	struct err e = { 0 };

	is_int(write_pages(size, 5, summed, &h, &e), 0, "%u%s", size, e.msg);
	ltx_make(&m, summed ? 0 : LTX_NO_SUMS, size, 5, 1, 3, 1700000000123);
	for (uint32_t i = 1; i <= 5; i++)
		ltx_page(&m, i, page[i % 4]);
	ltx_end(&m, summed ? m.sum | LTX_SUM_FLAG : 0);
	whole(&b);
	ok(b.len == m.out.len && memcmp(b.data, m.out.data, b.len) == 0,
	    "byte for byte");
	is_int(ltx_write_raw(writer), 5 * size, "what the pages hold");
	buf_release(&b);
	ltx_made_release(&m);
}

static void
test_header(void)
{
	struct ltx_header h = header(9, 7, 7);
	struct got g;
	struct err e = { 0 };

	h.wal_at = LTX_WAL_BEGINS;
	h.node = UINT64_C(0x0123456789abcdef);
	memcpy(h.reserved, "these are 20 bytes.", LTX_RESERVED);
	is_int(write_pages(512, 2, false, &h, &e), 0, "a delta%s", e.msg);
	is_int(read_back(&g), 0, "is one%s", g.e.msg);
	ok(g.h.pages == 9 && g.h.min == 7 && g.h.max == 7 &&
		g.h.page_size == 512 && !g.h.summed,
	    "its numbers");
	ok(g.h.captured_ns == INT64_C(1700000000123) * MS, "its time, in ms");
	ok(g.h.wal_at == 32 && g.h.node == h.node &&
		memcmp(g.h.reserved, h.reserved, LTX_RESERVED) == 0,
	    "what else it says");
	ok(g.good && g.pages == 2 && g.after == 0, "its pages");
	is_int(write_pages(512, 0, false, &h, &e), 0, "no page at all");
	ok(read_back(&g) == 0 && g.pages == 0, "may be");
}

static void
test_refused(void)
{
	struct ltx_header h = header(3, 1, 1);
	struct err e;

	is_int(ltx_write_begin(writer, &out, 131072, false, &e), -1, "a size");
	ok(ltx_write_begin(writer, &out, 512, false, &e) == 0 &&
		ltx_write_page(writer, 2, page[0], &e) == 0 &&
		ltx_write_page(writer, 2, page[0], &e) == -1,
	    "a page twice: %s", e.msg);
	is_int(write_pages(512, 4, false, &h, &e), -1, "a page too many");
	is_int(e.class, ERR_BUG, "%s", e.msg);
	h = header(0, 1, 1);
	is_int(write_pages(512, 0, false, &h, &e), -1, "an empty database");
	is_int(e.class, ERR_BUG, "%s", e.msg);
	h = header(3, 2, 1);
	is_int(write_pages(512, 3, false, &h, &e), -1, "TXIDs that go down");
	h = header(3, 2, 2);
	is_int(write_pages(512, 3, true, &h, &e), -1, "a delta, summed");
}

/* One that grew over the page of the lock; its index does not fit in memory.
 */
static void
test_large(void)
{
	struct ltx_header h = header(LOCK + 1, 2, 2);
	struct got g;
	struct err e = { 0 };

	memset(page, 0, sizeof(page));
	is_int(
	    write_pages(65536, LOCK + 1, false, &h, &e), 0, "large%s", e.msg);
	is_int(read_back(&g), 0, "is read%s", g.e.msg);
	ok(g.good && g.pages == LOCK && g.last == LOCK + 1,
	    "without the page of the lock");
	ok(out.fd != -1, "through a file");
	is_int(write_pages(512, 1, false, &h, &e), 0, "and then a small one");
	ok(read_back(&g) == 0 && g.pages == 1, "which has nothing of it");
}

static void
test_crc(void)
{
	const char *s = "what is joined is as if it had been one";
	size_t n = strlen(s);
	bool good = true;

	for (size_t i = 0; i <= n; i++)
		good &= ltx_crc_join(ltx_crc(0, s, i), ltx_crc(0, s + i, n - i),
			    n - i) == ltx_crc(0, s, n);
	ok(good, "two CRCs become one");
}

int
main(void)
{
	ltx_fill(page[0], sizeof(page));
	writer = ltx_write_new();
	reader = ltx_read_new();
	spool_init(&out, "/tmp", 65536);
	test_crc();
	test_bytes(512, false);
	test_bytes(4096, true);
	test_bytes(65536, false);
	test_header();
	test_refused();
	test_large();
	ltx_write_free(writer);
	ltx_read_free(reader);
	spool_release(&out);
	return done();
}
