/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of Litestream 0.5 as a codec: order, positions, and what is written
 * by it, read again. */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/format.h"
#include "lib/replica/ltx/ltx_mark.h"
#include "lib/replica/ltx/ltx_names.h"
#include "lib/replica/ltx/ltx_read.h"
#include "lib/replica/wal/provenance.h"
#include "lib/sys/spool.h"
#include "tests/unit/codec_kit.h"
#include "tests/unit/tap.h"

static void
test_names(bool flat)
{
	static const struct {
		struct layout_name name;
		const char *dir, *flat;
	} is[] = {
		{ { LAYOUT_SEGMENT, 0x1a },
		    "a/b.db/ltx/0/000000000000001a-000000000000001a.ltx",
		    "a/b.db/0000/000000000000001a-000000000000001a.ltx" },
		{ { LAYOUT_SNAPSHOT, 0x1b },
		    "a/b.db/ltx/9/0000000000000001-000000000000001a.ltx",
		    "a/b.db/0009/0000000000000001-000000000000001a.ltx" },
	};
	char line[POS_LINE], text[CODEC_LABEL];
	struct layout_name got;
	struct buf prefix = { 0 }, key = { 0 };

	codec->prefix(&prefix, "a/b.db", NULL);
	is_str(buf_str(&prefix), flat ? "a/b.db/" : "a/b.db/ltx/", "all");
	for (size_t i = 0; i < 2; i++) {
		buf_reset(&key);
		codec->key(&key, "a/b.db", "", &is[i].name);
		is_str(buf_str(&key), flat ? is[i].flat : is[i].dir, "a key");
		ok(codec->parse(buf_str(&key) + prefix.len, line, &got) &&
			got.kind == is[i].name.kind && got.at == is[i].name.at,
		    "is what it was");
	}
	ok(!codec->parse(flat ? "0001/0000000000000001-0000000000000002.ltx"
			      : "1/0000000000000001-0000000000000002.ltx",
	       line, &got),
	    "what was compacted stands nowhere");
	ok(!codec->parse("0", line, &got), "a level alone");
	codec->label(text, 0x1b);
	is_str(text, "000000000000001a", "a label");
	buf_release(&prefix);
	buf_release(&key);
}

static void
test_order(void)
{
	struct pos pos = { .at = 7 };
	struct err e;

	ok(codec->traits.one_row && codec->traits.no_lock_page, "its traits");
	ok(codec->same_log(7, 7) && !codec->same_log(7, 8) &&
		codec->begins_log(7) && codec->next_log(7) == 8,
	    "each is a log");
	ok(codec->snapshot(8) == 8 && codec->behind(7, 99, 4096) == 8,
	    "behind a step");
	is_int(codec->begin(&pos, &e), 0, "a line");
	is_str(pos.line, "0000000000000007", "is called by its TXID");
	pos.at = 0;
	is_int(codec->begin(&pos, &e), -1, "there is no TXID 0");
	pos.at = INT64_MAX - 1;
	ok(codec->begin(&pos, &e) == -1 && codec->is_last(pos.at) &&
		!codec->is_last(pos.at - 1),
	    "the last one: %s", e.msg);
}

static void
test_sound(void)
{
	const char *line = "0000000000000007";

	ok(sound(line, 8, 0, 8, 0), "behind its beginning");
	ok(sound(line, 11, 0, 8, 3), "three steps on");
	ok(sound(line, 11, 0, 11, 0), "behind a snapshot");
	ok(!sound(line, 11, 0, 8, 2), "steps that do not add up");
	ok(!sound(line, 7, 0, 7, 0), "at its beginning nothing is shipped");
	ok(!sound(line, 8, 0, 9, 0), "before its snapshot");
	ok(!sound(line, 8, 1, 8, 0), "there is no chain");
	ok(!sound("0123456789abcdeg", 8, 0, 8, 0), "no line");
	ok(!sound("0000000000000000", 8, 0, 8, 0), "nor this");
}

/* What a reader finds. */
struct found {
	struct ltx_header h;
	uint32_t pages;
	uint8_t last;
};

static int
take_header(void *ctx, const struct ltx_header *h, struct err *e)
{
	(void)e;
	((struct found *)ctx)->h = *h;
	return 0;
}

static int
take_page(void *ctx, uint32_t pgno, const uint8_t *page, struct err *e)
{
	struct found *f = ctx;

	(void)pgno;
	(void)e;
	f->pages++;
	f->last = page[PAGE - 1];
	return 0;
}

/* Is it the file of that name, with that mark? */
static void
read_back(struct spool *s, const struct ltx_name *name,
    const struct provenance *pv, enum layout_kind kind, struct found *f)
{
	static const struct ltx_sink sink = { take_header, take_page };
	struct ltx_read *r = ltx_read_new();
	struct provenance got;
	struct buf b = { 0 };
	struct err e = { 0 };
	size_t n = (size_t)s->size;
	uint64_t after;

	*f = (struct found){ 0 };
	ltx_read_begin(r, name, &sink, f);
	if (spool_read(s, 0, buf_room(&b, n), n, &e) == -1 ||
	    ltx_read_feed(r, b.data, n, &e) == -1 ||
	    ltx_read_finish(r, &after, &e) == -1)
		ok(false, "is read: %s", e.msg);
	ok(ltx_marked(&f->h, &got) && got.name.kind == kind &&
		got.captured_ns == pv->captured_ns && got.pages == pv->pages &&
		memcmp(got.writer, pv->writer, LTX_MARK_WRITER) == 0 &&
		got.run == pv->run && got.sum.hi == pv->sum.hi,
	    "says what it is");
	ok(ltx_mark_has_sum(&f->h, pv->sum.hi) &&
		!ltx_mark_has_sum(&f->h, pv->sum.hi + 1),
	    "and of what");
	buf_release(&b);
	ltx_read_free(r);
}

static struct provenance
provenance_at(enum layout_kind kind, uint64_t at)
{
	struct provenance pv = { .captured_ns = 1700000000123000000,
		.pages = 3,
		.page_size = PAGE,
		.sum = { 0x0123456789abcdef, 5 },
		.run = 0x89abcdef,
		.name = { kind, at } };

	memcpy(pv.writer, "machine.state...", sizeof(pv.writer));
	return pv;
}

static void
put_pages(struct writer *w, uint32_t n)
{
	uint8_t page[PAGE];
	struct err e;

	for (uint32_t i = 1; i <= n; i++) {
		memset(page, (int)i, sizeof(page));
		if (codec->writer->page(w, i, page, &e) == -1)
			ok(false, "a page: %s", e.msg);
	}
}

static void
test_step(void)
{
	struct writer *w = codec->writer->make();
	struct provenance pv = provenance_at(LAYOUT_SEGMENT, 9);
	struct chain c = { .n = 3 };
	struct pos pos = { .at = 9 };
	struct found f;
	struct spool out;
	struct err e = { 0 };

	spool_init(&out, "/tmp", 1 << 20);
	is_int(
	    codec->writer->segment(w, &out, &pos, &c, PAGE, &e), 0, "a step");
	put_pages(w, 2);
	is_int(codec->writer->raw(w), 2 * PAGE, "so much of it");
	is_int(codec->writer->end(w, &pv, &c, &e), 0, "ends");
	ok(pv.length == UINT64_C(2) * PAGE && c.n == 0,
	    "its length, and no chain");
	read_back(&out, &(struct ltx_name){ 0, 9, 9 }, &pv, LAYOUT_SEGMENT, &f);
	ok(f.pages == 2 && f.last == 2 && f.h.wal_at == LTX_WAL_BEGINS,
	    "its pages");
	spool_release(&out);
	codec->writer->free(w);
	codec->writer->free(NULL);
}

/* A line begins with a segment of all pages, and then a snapshot of these. */
static void
test_beginning(void)
{
	struct writer *w = codec->writer->make();
	struct provenance pv = provenance_at(LAYOUT_SEGMENT, 9);
	struct chain c = { 0 };
	struct found f;
	struct spool out, more;
	struct err e = { 0 };

	spool_init(&out, "/tmp", 1 << 20);
	spool_init(&more, "/tmp", 1 << 20);
	is_int(codec->writer->snapshot(w, &out, PAGE, &e), 0, "all pages");
	put_pages(w, 3);
	is_int(codec->writer->end(w, &pv, &c, &e), 0, "end%s", e.msg);
	read_back(
	    &out, &(struct ltx_name){ 0, 9, 9 }, &pv, LAYOUT_SNAPSHOT, &f);
	is_int(f.pages, 3, "its pages");
	pv.name = (struct layout_name){ LAYOUT_SNAPSHOT, 10 };
	is_int(codec->writer->again(w, &more, &pv, &e), 0, "again%s", e.msg);
	read_back(
	    &more, &(struct ltx_name){ 9, 1, 9 }, &pv, LAYOUT_SNAPSHOT, &f);
	ok(f.pages == 3 && f.h.wal_at == 0, "the same pages");
	is_int(pv.length, 3 * PAGE, "as many bytes");
	spool_release(&out);
	spool_release(&more);
	codec->writer->free(w);
}

int
main(void)
{
	for (int flat = 0; flat < 2; flat++) {
		codec = format_codec(FORMAT_LTX, flat);
		test_names(flat);
	}
	test_order();
	test_sound();
	test_step();
	test_beginning();
	return done();
}
