/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in LTX files: in Litestream's own, which are in tests/data/ltx, and in
 * others made by hand.
 */
#include "lib/replica/ltx/ltx_read.h"

#include "lib/base/err.h"
#include "lib/replica/ltx/ltx_names.h"
#include "lib/sys/file.h"
#include "tests/unit/ltx_kit.h"
#include "tests/unit/tap.h"

#define DATA "tests/data/ltx/"
#define TXID "000000000000000"

enum { PAGE = 512, PAGES_MAX = 64 };

/* What came out of a file. */
struct got {
	struct ltx_header h;
	size_t headers, pages;
	uint32_t last;
	uint64_t after;
	struct buf image; /* of pages that were there before, too */
	struct err e;
};

static struct ltx_read *reader;

static int
take_header(void *ctx, const struct ltx_header *h, struct err *e)
{
	struct got *g = ctx;

	(void)e;
	g->h = *h;
	g->headers++;
	return 0;
}

static int
take_page(void *ctx, uint32_t pgno, const uint8_t *page, struct err *e)
{
	struct got *g = ctx;
	size_t end = (size_t)pgno * g->h.page_size;

	(void)e;
	g->pages++;
	g->last = pgno;
	if (pgno > PAGES_MAX)
		return 0;
	if (end > g->image.len) {
		memset(buf_room(&g->image, end - g->image.len), 0,
		    end - g->image.len);
		g->image.len = end;
	}
	memcpy(g->image.data + end - g->h.page_size, page, g->h.page_size);
	return 0;
}

static const struct ltx_sink sink = { take_header, take_page };

static int
decode(struct got *g, const uint8_t *p, size_t size, size_t step,
    const struct ltx_name *name)
{
	size_t n;

	g->headers = g->pages = 0;
	ltx_read_begin(reader, name, &sink, g);
	for (; size > 0; p += n, size -= n) {
		n = size < step ? size : step;
		if (ltx_read_feed(reader, p, n, &g->e) == -1)
			return -1;
	}
	if (ltx_read_finish(reader, &g->after, &g->e) == -1)
		return -1;
	if (g->image.len > (size_t)g->h.pages * g->h.page_size)
		g->image.len = (size_t)g->h.pages * g->h.page_size;
	return 0;
}

static void
load(struct buf *b, const char *path)
{
	struct err e;

	if (file_slurp(path, 1 << 20, b, &e) == -1) {
		printf("# %s\n", e.msg);
		exit(1);
	}
}

/* Litestream's own */

static const struct real {
	const char *path;
	struct ltx_name name;
	size_t pages;
	int64_t ms;
	const char *leads_to; /* behind those before it */
} real[] = {
	{ DATA "9/" TXID "1-" TXID "2.ltx", { 9, 1, 2 }, 4, 1795938610737,
	    NULL },
	{ DATA "0/" TXID "3-" TXID "3.ltx", { 0, 3, 3 }, 4, 1795938611436,
	    NULL },
	{ DATA "1/" TXID "4-" TXID "6.ltx", { 1, 4, 6 }, 7, 1795938613537,
	    DATA "6.db" },
	{ DATA "1/" TXID "7-" TXID "8.ltx", { 1, 7, 8 }, 4, 1795938615336,
	    DATA "8.db" },
	{ DATA "9/" TXID "1-" TXID "8.ltx", { 9, 1, 8 }, 4, 1795938616002,
	    DATA "8.db" },
};
enum { REAL = sizeof(real) / sizeof(real[0]) };

static void
test_real(void)
{
	struct buf file = { 0 }, want = { 0 };
	struct got g = { 0 };
	bool good = true;

	for (size_t i = 0; i < REAL; i++) {
		load(&file, real[i].path);
		is_int(decode(&g, file.data, file.len, file.len, &real[i].name),
		    0, "%s", real[i].path);
		is_int(g.pages, real[i].pages, "its pages");
		ok(g.headers == 1 && !g.h.summed && g.after == 0 &&
			g.h.page_size == PAGE &&
			g.h.captured_ns == real[i].ms * 1000000,
		    "its header");
		for (size_t step = 1; good && step < file.len; step++)
			good = decode(&g, file.data, file.len, step, NULL) == 0;
		ok(good, "in pieces of any size");
		if (real[i].leads_to == NULL)
			continue;
		load(&want, real[i].leads_to);
		ok(g.image.len == want.len &&
			memcmp(g.image.data, want.data, want.len) == 0,
		    "leads to %s", real[i].leads_to);
	}
	buf_release(&file);
	buf_release(&want);
	buf_release(&g.image);
}

/* Is there a bit that can flip without being seen?  In a block there is: then
 * it unpacks to the same. */
static size_t
unseen(const struct buf *file, const struct ltx_name *name)
{
	struct got whole = { 0 }, g = { 0 };
	size_t n = 0;

	(void)decode(&whole, file->data, file->len, file->len, name);
	for (size_t bit = 0; bit < file->len * 8; bit++) {
		file->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		buf_reset(&g.image);
		if (decode(&g, file->data, file->len, file->len, name) == -1)
			n += g.e.class != ERR_CORRUPT;
		else
			n += g.image.len != whole.image.len ||
			    memcmp(g.image.data, whole.image.data,
				g.image.len) != 0;
		file->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	buf_release(&whole.image);
	buf_release(&g.image);
	return n;
}

/* No file passes for another, or for a part of one. */
static void
test_damage(void)
{
	struct buf file = { 0 };
	struct got g = { 0 };
	size_t cut;

	for (size_t i = 0; i < REAL; i++) {
		load(&file, real[i].path);
		cut = 0;
		is_int(unseen(&file, &real[i].name), 0,
		    "%s: each bit that flips is seen", real[i].path);
		for (size_t n = 0; n < file.len; n++)
			cut += decode(&g, file.data, n, n + 1, &real[i].name) ==
				0 ||
			    g.e.class != ERR_CORRUPT;
		is_int(cut, 0, "each truncation");
		buf_add(&file, "", 1);
		ok(decode(&g, file.data, file.len, file.len, &real[i].name) ==
			-1,
		    "a byte more: %s", g.e.msg);
		ok(decode(&g, file.data, file.len, file.len,
		       &real[(i + 1) % REAL].name) == -1,
		    "another name: %s", g.e.msg);
	}
	buf_release(&file);
	buf_release(&g.image);
}

/* Made by hand */

static uint8_t page[3][65536];

static int
decode_made(struct got *g, const struct ltx_made *m)
{
	return decode(g, m->out.data, m->out.len, 1000, NULL);
}

static void
is_made(struct ltx_made *m, const char *what)
{
	struct got g = { 0 };

	is_int(decode_made(&g, m), 0, "%s%s", what, g.e.msg);
	buf_release(&g.image);
}

static void
is_refused(struct ltx_made *m, const char *what, const char *why)
{
	struct got g = { 0 };

	ok(decode_made(&g, m) == -1 && g.e.class == ERR_CORRUPT, "%s", what);
	ok(strstr(g.e.msg, why) != NULL, "%s: \"%s\"", why, g.e.msg);
	buf_release(&g.image);
}

/* A snapshot of so many pages, the last of them not added yet. */
static void
begin(struct ltx_made *m, uint32_t flags, uint32_t pages)
{
	ltx_make(m, flags, PAGE, pages, 1, 5, 1700000000000);
	for (uint32_t i = 1; i < pages; i++)
		ltx_page(m, i, page[i % 3]);
}

static void
begin_delta(struct ltx_made *m, uint32_t flags)
{
	ltx_make(m, flags, PAGE, 9, 4, 5, 1700000000000);
}

static void
test_header(void)
{
	static const struct {
		size_t at;
		uint8_t byte;
		const char *what, *why;
	} bent[] = {
		{ 0, 'M', "other magic", "not an LTX file" },
		{ 7, 1, "flags 1", "flags are 1" },
		{ 7, 4, "flags 4", "flags are 4" },
		{ 10, 1, "page size 256", "page size" },
		{ 10, 3, "page size 768", "page size" },
		{ 9, 2, "page size 131584", "page size" },
		{ 15, 0, "no pages", "0 pages" },
		{ 23, 0, "TXID 0", "TXIDs from" },
		{ 23, 6, "TXIDs that go down", "TXIDs from" },
		{ 32, 0x80, "a time before all", "a time of" },
		{ 32, 0x40, "a time behind all", "a time of" },
		{ 40, 0x80, "a checksum of what was before", "should not" },
		{ 48, 0x80, "a negative offset", "negative" },
		{ 56, 0x80, "a negative size", "negative" },
		{ 63, 1, "a size, but no offset", "not where" },
		{ 71, 1, "a salt, but no offset", "not where" },
	};
	struct ltx_made m = { 0 };

	for (size_t i = 0; i < sizeof(bent) / sizeof(bent[0]); i++) {
		begin(&m, LTX_NO_SUMS, 2);
		ltx_page(&m, 2, page[2]);
		m.out.data[bent[i].at] = bent[i].byte;
		ltx_end(&m, 0);
		is_refused(&m, bent[i].what, bent[i].why);
	}
	begin(&m, LTX_NO_SUMS, 2);
	ltx_page(&m, 2, page[2]);
	m.out.data[55] = 32;
	m.out.data[62] = m.out.data[71] = m.out.data[79] = m.out.data[99] = 9;
	ltx_end(&m, 0);
	is_made(&m, "a place in a WAL, a node, and bytes that are reserved");
	ltx_made_release(&m);
}

static void
test_order(void)
{
	struct ltx_made m = { 0 };

	begin(&m, LTX_NO_SUMS, 3);
	ltx_end(&m, 0);
	is_refused(&m, "a snapshot without its last page", "without page 3");
	begin(&m, LTX_NO_SUMS, 3);
	ltx_page(&m, 4, page[0]);
	ltx_end(&m, 0);
	is_refused(&m, "a page behind its end", "page 4 in a database of 3");
	ltx_make(&m, LTX_NO_SUMS, PAGE, 3, 1, 1, 0);
	ltx_page(&m, 1, page[0]);
	ltx_page(&m, 3, page[1]);
	ltx_end(&m, 0);
	is_refused(&m, "a snapshot with a hole", "without page 2");
	begin_delta(&m, LTX_NO_SUMS);
	ltx_page(&m, 3, page[0]);
	ltx_page(&m, 3, page[0]);
	ltx_end(&m, 0);
	is_refused(&m, "a page twice", "page 3 comes after page 3");
	begin_delta(&m, LTX_NO_SUMS);
	ltx_page(&m, 3, page[0]);
	ltx_page(&m, 2, page[0]);
	ltx_end(&m, 0);
	is_refused(&m, "pages that go down", "page 2 comes after page 3");
	begin_delta(&m, LTX_NO_SUMS);
	ltx_page(&m, 3, page[0]);
	ltx_page(&m, 9, page[0]);
	ltx_end(&m, 0);
	is_made(&m, "what is no snapshot may have any pages");
	begin_delta(&m, LTX_NO_SUMS);
	ltx_end(&m, 0);
	is_made(&m, "also none");
	ltx_make(&m, LTX_NO_SUMS, 65536, 16386, 4, 5, 0);
	ltx_page(&m, 16384, page[0]);
	ltx_page(&m, 16386, page[0]);
	ltx_end(&m, 0);
	is_made(&m, "pages around that of the lock");
	ltx_make(&m, LTX_NO_SUMS, 65536, 16386, 4, 5, 0);
	ltx_page(&m, 16385, page[0]);
	ltx_end(&m, 0);
	is_refused(&m, "that of the lock", "of the lock");
	ltx_made_release(&m);
}

/*
 * A gigabyte of zeros, and the page of the lock.  Its checksum is not made, so
 * what is read to its end is known by that.
 */
static void
test_lock(uint32_t pages, uint32_t last, const char *why)
{
	static const uint8_t zeros[65536], flags[2] = { 0, 1 };
	struct ltx_made m = { 0 };
	char block[1024];
	uint8_t h[10];
	int n = LZ4_compress_default(
	    (const char *)zeros, block, sizeof(zeros), sizeof(block));

	ltx_make(&m, LTX_NO_SUMS, 65536, pages, 1, 5, 0);
	for (uint32_t i = 1; i <= last; i++) {
		if (i == 16385)
			continue;
		be32_put(h, i);
		memcpy(h + 4, flags, sizeof(flags));
		be32_put(h + 6, (uint32_t)n);
		ltx_varint(&m.index, i);
		ltx_varint(&m.index, m.out.len);
		ltx_varint(&m.index, sizeof(h) + (uint64_t)n);
		buf_add(&m.out, h, sizeof(h));
		buf_add(&m.out, block, (size_t)n);
	}
	ltx_end(&m, 0);
	is_refused(&m, "a snapshot over the page of the lock", why);
	ltx_made_release(&m);
}

static void
test_blocks(void)
{
	char block[2048];
	struct ltx_made m = { 0 };
	int n;

	n = LZ4_compress_default(
	    (char *)page[0], block, PAGE - 1, (int)sizeof(block));
	begin(&m, LTX_NO_SUMS, 2);
	ltx_packed(&m, 2, 1, block, (size_t)n, page[0]);
	ltx_end(&m, 0);
	is_refused(&m, "a block that is a byte short", "one page");
	n = LZ4_compress_default(
	    (char *)page[0], block, PAGE + 1, (int)sizeof(block));
	begin(&m, LTX_NO_SUMS, 2);
	ltx_packed(&m, 2, 1, block, (size_t)n, page[0]);
	ltx_end(&m, 0);
	is_refused(&m, "one that is a byte long", "one page");
	begin(&m, LTX_NO_SUMS, 2);
	ltx_packed(&m, 2, 1, block, 0, page[0]);
	ltx_end(&m, 0);
	is_refused(&m, "an empty one", "a block of 0 bytes");
	begin(&m, LTX_NO_SUMS, 2);
	ltx_packed(&m, 2, 1, block, 531, page[0]);
	ltx_end(&m, 0);
	is_refused(&m, "one that is too large", "a block of 531 bytes");
	begin(&m, LTX_NO_SUMS, 2);
	ltx_packed(&m, 2, 3, block, 5, page[0]);
	ltx_end(&m, 0);
	is_refused(&m, "flags that are not known", "flags of page 2 are 3");
	begin(&m, LTX_NO_SUMS, 2);
	ltx_packed(&m, 0, 1, block, 5, page[0]);
	ltx_end(&m, 0);
	is_refused(&m, "page 0", "page 0 comes after");
	ltx_made_release(&m);
}

static void
test_frames(void)
{
	struct ltx_made m = { 0 };
	struct got g = { 0 };

	begin(&m, LTX_NO_SUMS, 3);
	m.out.len = LTX_HEADER_SIZE;
	m.hashed.len = m.index.len = 0;
	for (uint32_t i = 1; i <= 3; i++)
		ltx_page_frame(&m, i, page[i % 3], PAGE);
	ltx_end(&m, 0);
	is_made(&m, "pages in frames");
	for (size_t step = 1; step < m.out.len; step += step / 3 + 1)
		if (decode(&g, m.out.data, m.out.len, step, NULL) == -1 ||
		    memcmp(g.image.data + PAGE, page[2], PAGE) != 0)
			is_int(step, 0, "in pieces: %s", g.e.msg);
	begin(&m, LTX_NO_SUMS, 3);
	ltx_page_frame(&m, 3, page[0], PAGE);
	ltx_end(&m, 0);
	is_made(&m, "one in a frame behind others in blocks");
	begin(&m, LTX_NO_SUMS, 3);
	ltx_page_frame(&m, 3, page[0], PAGE - 1);
	ltx_end(&m, 0);
	is_refused(&m, "a frame that is a byte short", "frame of one page");
	begin(&m, LTX_NO_SUMS, 3);
	ltx_page_frame(&m, 3, page[0], PAGE + 1);
	ltx_end(&m, 0);
	is_refused(&m, "one that is a byte long", "frame of one page");
	begin(&m, LTX_NO_SUMS, 3);
	ltx_page_frame(&m, 3, page[0], 60000);
	ltx_end(&m, 0);
	is_refused(&m, "one that is much too long", "frame of one page");
	begin(&m, LTX_NO_SUMS, 3);
	ltx_packed(&m, 3, 0, "no frame at all", 16, page[0]);
	ltx_end(&m, 0);
	is_refused(&m, "none", "frame of one page");
	buf_release(&g.image);
	ltx_made_release(&m);
}

static void
test_index(void)
{
	struct ltx_made m = { 0 };

	begin(&m, LTX_NO_SUMS, 2);
	ltx_page(&m, 2, page[0]);
	buf_reset(&m.index);
	ltx_end(&m, 0);
	is_refused(&m, "an empty index", "the page index is not");
	begin(&m, LTX_NO_SUMS, 2);
	ltx_page(&m, 2, page[0]);
	m.index.data[1]++;
	ltx_end(&m, 0);
	is_refused(&m, "an offset that is wrong", "the page index is not");
	begin(&m, LTX_NO_SUMS, 2);
	ltx_page(&m, 2, page[0]);
	ltx_varint(&m.index, 3);
	ltx_varint(&m.index, 3);
	ltx_varint(&m.index, 3);
	ltx_end(&m, 0);
	is_refused(&m, "a page too many", "the page index is not");
	begin(&m, LTX_NO_SUMS, 2);
	ltx_page(&m, 2, page[0]);
	ltx_end_raw(&m, 0);
	is_refused(&m, "no end", "the page index is not");
	ltx_made_release(&m);
}

static void
test_sums(void)
{
	struct ltx_made m = { 0 };
	struct got g = { 0 };

	begin(&m, 0, 3);
	ltx_page(&m, 3, page[0]);
	ltx_end(&m, m.sum | LTX_SUM_FLAG);
	ok(decode_made(&g, &m) == 0 && g.h.summed &&
		g.after == (m.sum | LTX_SUM_FLAG),
	    "a snapshot with a rolling checksum");
	begin(&m, 0, 3);
	ltx_page(&m, 3, page[0]);
	ltx_end(&m, (m.sum ^ 1) | LTX_SUM_FLAG);
	is_refused(&m, "one that is wrong", "it leads to is wrong");
	begin(&m, 0, 3);
	ltx_page(&m, 3, page[0]);
	ltx_end(&m, 0);
	is_refused(&m, "none where one should be", "it leads to is missing");
	begin(&m, LTX_NO_SUMS, 3);
	ltx_page(&m, 3, page[0]);
	ltx_end(&m, m.sum | LTX_SUM_FLAG);
	is_refused(&m, "one where none should be", "but should not");
	begin_delta(&m, 0);
	ltx_end(&m, LTX_SUM_FLAG);
	is_refused(&m, "none of what was before", "before it is missing");
	begin_delta(&m, 0);
	m.out.data[47] = 7;
	ltx_end(&m, LTX_SUM_FLAG);
	is_refused(&m, "one that is none", "before it is none");
	begin_delta(&m, 0);
	m.out.data[47] = 7;
	m.out.data[40] = 0x80;
	ltx_end(&m, LTX_SUM_FLAG | 5);
	ok(decode_made(&g, &m) == 0 && g.h.before == (LTX_SUM_FLAG | 7) &&
		g.after == (LTX_SUM_FLAG | 5),
	    "those of other files are handed out");
	begin(&m, LTX_NO_SUMS, 3);
	ltx_page(&m, 3, page[0]);
	m.hashed.data[5] ^= 1;
	ltx_end(&m, 0);
	is_refused(&m, "a file checksum", "the file checksum is wrong");
	buf_release(&g.image);
	ltx_made_release(&m);
}

static void
test_crc(void)
{
	const char *s = "123456789";
	uint64_t all = ltx_crc(0, s, 9);

	ok(all == UINT64_C(0xb90956c775a41001), "the CRC of 123456789");
	for (size_t i = 0; i <= 9; i++)
		if (ltx_crc(ltx_crc(0, s, i), s + i, 9 - i) != all)
			is_int(i, -1, "in two pieces");
	is_int(ltx_lock_page(4096), 262145, "the page of the lock");
	is_int(ltx_lock_page(65536), 16385, "with large pages");
}

int
main(void)
{
	ltx_fill(page[0], sizeof(page));
	reader = ltx_read_new();
	test_crc();
	test_real();
	test_damage();
	test_header();
	test_order();
	test_blocks();
	test_frames();
	test_index();
	test_sums();
	test_lock(16386, 16386, "the file checksum is wrong");
	test_lock(16386, 16384, "without page 16386");
	ltx_read_free(reader);
	return done();
}
