/* SPDX-License-Identifier: Apache-2.0 */
/* walread: frames come out of a WAL's bytes however they are cut, and what
 * cannot be is refused, naming the frame. */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/wal/walpos.h"
#include "lib/replica/wal/walread.h"
#include "tests/unit/tap.h"

enum { PAGE = 512, FRAMES = 5 };

struct seen {
	unsigned frames, commits;
	uint64_t pages; /* their numbers, a decimal digit each */
};

static int
note(void *ctx, const struct wal_frame *f, const uint8_t *page, struct err *e)
{
	struct seen *s = ctx;

	if (page[0] != (uint8_t)f->pgno)
		return err_set(e, ERR_BUG, "the page of another frame");
	s->frames++;
	s->commits += f->commit != 0;
	s->pages = s->pages * 10 + f->pgno;
	return 0;
}

/* A WAL of frames for pages 1 to FRAMES, the last one a commit; *sums has the
 * chain behind the second frame. */
static void
make(struct buf *b, struct wal_hdr *h, uint32_t commit, uint32_t behind[2])
{
	uint8_t page[PAGE], hdr[WAL_HDR_SIZE], frame[WAL_FRAME_HDR_SIZE];
	uint32_t sum[2];

	*h = (struct wal_hdr){ .page_size = PAGE, .salt = { 7, 9 } };
	wal_hdr_write(h, hdr);
	memcpy(sum, h->sum, sizeof(sum));
	buf_reset(b);
	buf_add(b, hdr, sizeof(hdr));
	for (uint32_t i = 1; i <= FRAMES; i++) {
		memset(page, (int)i, sizeof(page));
		wal_frame_write(
		    h, i, i == FRAMES ? commit : 0, page, sum, frame);
		buf_add(b, frame, sizeof(frame));
		buf_add(b, page, sizeof(page));
		if (i == 2)
			memcpy(behind, sum, sizeof(sum));
	}
}

/* Feed n bytes at p, at most 'step' at a time. */
static int
feed(struct walread *w, const uint8_t *p, size_t n, size_t step, struct seen *s,
    struct err *e)
{
	size_t part;

	*s = (struct seen){ 0 };
	for (; n > 0; p += part, n -= part) {
		part = n < step ? n : step;
		if (walread_feed(w, p, part, note, s, e) == -1)
			return -1;
	}
	return 0;
}

static void
test_pieces(struct walread *w, struct buf *b)
{
	static const size_t step[] = { 1, 7, 31, 32, 33, 536, 600, 1 << 20 };
	struct wal_hdr h;
	uint32_t behind[2];
	struct seen s;
	struct err e = { 0 };

	make(b, &h, FRAMES, behind);
	for (size_t i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
		walread_start(w, walpos(3, 0), PAGE);
		is_int(feed(w, b->data, b->len, step[i], &s, &e), 0,
		    "%zu bytes at a time: %s", step[i], e.msg);
		ok(s.pages == 12345 && s.commits == 1 && w->frames == FRAMES,
		    "each frame once, in order");
		ok(w->pos == b->len && !walread_is_cut(w), "and no more");
	}
	walread_start(w, walpos(3, 0), PAGE);
	(void)feed(w, b->data, b->len - 1, 100, &s, &e);
	ok(s.frames == FRAMES - 1 && walread_is_cut(w), "the last one is cut");
}

static void
test_going_on(struct walread *w, struct buf *b)
{
	struct wal_hdr h;
	struct seen s;
	struct err e = { 0 };
	uint32_t behind[2];
	size_t at = WAL_HDR_SIZE + 2 * (WAL_FRAME_HDR_SIZE + PAGE);

	make(b, &h, FRAMES, behind);
	walread_start(w, walpos(3, 0), PAGE);
	w->pos = at;
	memcpy(w->hdr.salt, h.salt, sizeof(h.salt));
	memcpy(w->sum, behind, sizeof(w->sum));
	is_int(feed(w, b->data + at, b->len - at, 50, &s, &e), 0,
	    "from behind a frame: %s", e.msg);
	ok(s.pages == 345, "what follows it");
}

static void
refused(struct walread *w, const struct buf *b, uint32_t page_size,
    const char *words)
{
	struct seen s;
	struct err e = { 0 };

	walread_start(w, walpos(0x1f, 0), page_size);
	is_int(feed(w, b->data, b->len, 4096, &s, &e), -1, "refused");
	ok(e.class == ERR_CORRUPT && strstr(e.msg, words) != NULL, "%s", e.msg);
}

static void
test_refused(struct walread *w, struct growth *g, struct buf *b)
{
	struct wal_hdr h;
	uint32_t behind[2];

	make(b, &h, FRAMES, behind);
	refused(w, b, 1024, "page size 512 in a WAL over a snapshot with 1024");
	b->data[WAL_HDR_SIZE + WAL_FRAME_HDR_SIZE + PAGE + 30] ^= 1;
	refused(w, b, PAGE,
	    "frame 2 of WAL index 0000001f does not continue its chain");
	make(b, &h, 1000000, behind);
	refused(w, b, PAGE, "frame 5 of WAL index 0000001f: ");
	w->growth = NULL;
	walread_start(w, 0, PAGE);
	is_int(feed(w, b->data, b->len, 4096, &(struct seen){ 0 },
		   &(struct err){ 0 }),
	    0, "who has a bound of his own is not told of ours");
	w->growth = g;
}

int
main(void)
{
	struct growth g = { 0 };
	struct walread w;
	struct buf b = { 0 };

	walread_init(&w, &g);
	growth_from(&g, FRAMES);
	test_pieces(&w, &b);
	test_going_on(&w, &b);
	test_refused(&w, &g, &b);
	walread_release(&w);
	buf_release(&b);
	return done();
}
