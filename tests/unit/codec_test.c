/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of Litestream 0.3 as a codec: order, positions, and what is written
 * by it, read again. */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/format.h"
#include "lib/replica/wal/object.h"
#include "lib/replica/wal/walpos.h"
#include "lib/replica/wal/walread.h"
#include "lib/sys/spool.h"
#include "tests/unit/codec_kit.h"
#include "tests/unit/tap.h"

static void
test_names(void)
{
	static const struct layout_name name[] = {
		{ LAYOUT_SNAPSHOT, 0x1a00000000 },
		{ LAYOUT_SEGMENT, 0x1a00000020 },
		{ LAYOUT_OWNER, 7 },
	};
	char line[POS_LINE], text[CODEC_LABEL];
	struct layout_name got;
	struct buf prefix = { 0 }, key = { 0 };

	codec->prefix(&prefix, "a/b.db", NULL);
	is_str(buf_str(&prefix), "a/b.db/generations/", "where all are");
	for (size_t i = 0; i < 3; i++) {
		buf_reset(&key);
		codec->key(&key, "a/b.db", "0123456789abcdef", &name[i]);
		ok(strncmp(buf_str(&key), buf_str(&prefix), prefix.len) == 0 &&
			codec->parse(buf_str(&key) + prefix.len, line, &got) &&
			got.kind == name[i].kind && got.at == name[i].at,
		    "%s is what it was", buf_str(&key));
		is_str(line,
		    name[i].kind == LAYOUT_OWNER ? "" : "0123456789abcdef",
		    "its line");
	}
	ok(!codec->parse(
	       "0123456789abcdeF/wal/00000000_00000000.wal.lz4", line, &got),
	    "no line");
	ok(!codec->parse("0123456789abcdef/wal/x", line, &got), "no name");
	ok(!codec->parse("0123456789abcdef", line, &got), "a line alone");
	codec->label(text, 0x1a00000020);
	is_str(text, "0000001a", "a label");
	buf_release(&prefix);
	buf_release(&key);
}

static void
test_order(void)
{
	const uint64_t at = walpos(3, 4152);

	ok(codec->same_log(at, walpos(3, 0)) &&
		!codec->same_log(at, walpos(4, 4152)),
	    "one index is one log");
	ok(codec->begins_log(walpos(3, 0)) && !codec->begins_log(at), "begins");
	ok(codec->next_log(at) == walpos(4, 0) &&
		codec->next_log(walpos(3, 0)) == walpos(4, 0),
	    "the next one");
	ok(codec->snapshot(at) == walpos(4, 0) &&
		codec->snapshot(walpos(3, 0)) == walpos(3, 0),
	    "a snapshot stands at the beginning of a log");
	ok(codec->behind(at, 4120, 8273) == walpos(3, 8272) &&
		codec->behind(at, 4120, 8272) == walpos(4, 0),
	    "a log is left when it is long enough");
	ok(codec->behind(at, UINT32_MAX, (uint64_t)UINT32_MAX + 1) ==
		walpos(4, 0),
	    "or can be no longer");
	ok(!codec->is_last(walpos(0x7ffffffd, 32)) &&
		codec->is_last(walpos(0x7ffffffe, 0)),
	    "the last one");
}

static void
test_sound(void)
{
	const char *line = "0123456789abcdef";
	const uint64_t s = walpos(2, 0);

	ok(sound(line, walpos(2, 32 + 536), 16, s, 1), "a position");
	ok(sound(line, s, 0, s, 0), "one without a chain yet");
	ok(!sound("0123456789abcde", s, 0, s, 0), "no line");
	ok(!sound(line, walpos(2, 32 + 535), 16, s, 1), "not behind a frame");
	ok(!sound(line, walpos(2, 31), 16, s, 1), "nor in the header");
	ok(!sound(line, walpos(2, 32 + 536), 15, s, 1), "too short a chain");
	ok(!sound(line, walpos(1, 0), 0, s, 9), "before its snapshot");
	ok(!sound(line, walpos(4, 0), 0, s, 1), "two logs, one segment");
	ok(sound(line, walpos(4, 0), 0, s, 2), "two logs, two segments");
	ok(!sound(line, walpos(2, 0), 0, walpos(2, 32), 0), "no snapshot");
	ok(!sound(line, walpos(0x80000000, 0), 0, walpos(0x80000000, 0), 0),
	    "an index that has no name");
}

/* What a reader of a log finds. */
struct found {
	struct walread wal;
	uint32_t pgno[8], commit;
	uint8_t fill[8];
	unsigned n;
};

static int
frame(void *ctx, const struct wal_frame *f, const uint8_t *page, struct err *e)
{
	struct found *x = ctx;

	(void)e;
	x->pgno[x->n % 8] = f->pgno;
	x->fill[x->n++ % 8] = page[PAGE - 1];
	x->commit = f->commit;
	return 0;
}

static int
bytes(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	struct found *x = ctx;

	return walread_feed(&x->wal, p, n, frame, x, e);
}

static int
whole(struct spool *s, struct buf *b, struct err *e)
{
	size_t n = (size_t)s->size;

	buf_reset(b);
	if (spool_read(s, 0, buf_room(b, n), n, e) == -1)
		return -1;
	b->len = n;
	return 0;
}

/* A segment of two pages, and what is read of it, on from a chain. */
static void
step(struct writer *w, struct spool *out, struct object_dec *dec,
    struct pos *pos, struct chain *c, uint8_t fill)
{
	struct chain before = *c;
	struct provenance pv = { .pages = 9, .page_size = PAGE }, got = { 0 };
	struct found x = { .n = 0 };
	uint8_t page[PAGE];
	struct buf b = { 0 };
	struct err e = { 0 };
	bool has = false;

	memset(page, fill, sizeof(page));
	memcpy(pv.generation, pos->line, sizeof(pos->line));
	pv.name = (struct layout_name){ LAYOUT_SEGMENT, pos->at };
	ok(codec->writer->segment(w, out, pos, c, PAGE, &e) == 0 &&
		codec->writer->page(w, 3, page, &e) == 0 &&
		codec->writer->page(w, 9, page, &e) == 0 &&
		codec->writer->end(w, &pv, c, &e) == 0,
	    "a segment%s", e.msg);
	is_int(pv.length, codec->begins_log(pos->at) ? 32 + 2 * 536 : 2 * 536,
	    "its length");
	walread_init(&x.wal, NULL);
	walread_go_on(&x.wal, pos->at, &before, PAGE);
	object_dec_begin(dec, bytes, &x, OBJECT_SEGMENT_MAX);
	ok(whole(out, &b, &e) == 0 &&
		object_dec_feed(dec, b.data, b.len, &e) == 0 &&
		object_dec_finish(dec, &got, &has, &e) == 0 && has,
	    "is read%s", e.msg);
	ok(x.n == 2 && x.pgno[0] == 3 && x.pgno[1] == 9 && x.commit == 9 &&
		x.fill[1] == fill,
	    "two pages and a commit");
	ok(provenance_is(&got, pos->line, &pv.name) && got.length == pv.length,
	    "it says which it is");
	pos->at = codec->behind(pos->at, pv.length, 1 << 30);
	is_int(walread_at(&x.wal), pos->at, "the reader is where it goes on");
	walread_release(&x.wal);
	buf_release(&b);
}

static void
test_writer(void)
{
	struct writer *w = codec->writer->make();
	struct object_dec *dec = object_dec_new();
	struct chain c = { 0 };
	struct provenance pv = { .length = 99 };
	struct spool out;
	struct pos pos;
	struct err e = { 0 };

	spool_init(&out, "/tmp", 1 << 20);
	is_int(codec->begin(&pos, &e), 0, "a new line");
	ok(codec->is_own(pos.line) && pos.at == 0, "%s", pos.line);
	step(w, &out, dec, &pos, &c, 1);
	step(w, &out, dec, &pos, &c, 2);
	step(w, &out, dec, &pos, &c, 3);
	pos.at = codec->snapshot(pos.at);
	step(w, &out, dec, &pos, &c, 4);
	is_int(codec->writer->note(w, &out, NULL, &pv, &e), 0, "an end");
	is_int(pv.length, 0, "holds nothing");
	ok(codec->writer->segment(w, &out, &pos, &c, PAGE, &e) == 0 &&
		codec->writer->end(w, &pv, &c, &e) == -1,
	    "a segment without a page is none");
	spool_release(&out);
	object_dec_free(dec);
	codec->writer->free(w);
	codec->writer->free(NULL);
}

int
main(void)
{
	ok(format_codec((enum format)99, false) == NULL,
	    "a format nobody knows");
	if (!ok((codec = format_codec(FORMAT_WAL, false)) != NULL,
		"and one of ours"))
		return done();
	test_names();
	test_order();
	test_sound();
	test_writer();
	return done();
}
