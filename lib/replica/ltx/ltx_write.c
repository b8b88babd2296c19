/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/ltx/ltx_write.h"

#include <inttypes.h>
#include <lz4.h>
#include <stdlib.h>

#include "lib/base/be.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/ltx/ltx_sum.h"
#include "lib/sys/spool.h"

enum {
	PAGE_MAX = 65536,
	PAGE_HDR_SIZE = 6,
	LENGTH_SIZE = 4,
	FLAG_BLOCK = 1, /* of a page: not in a frame */
	TRAILER_SIZE = 16,
	VARINT_MAX = 10,
	INDEX_IN_MEMORY = 64 * 1024,
	PIECE = 4096, /* of the index, as it is copied */
};

struct ltx_write {
	struct spool *out, index;
	uint32_t page_size, last; /* the last page */
	bool summed;
	uint64_t crc;    /* of what is behind the header, as it is hashed */
	uint64_t hashed; /* so many bytes */
	uint64_t raw;
	uint64_t sum; /* the rolling checksum, without its flag */
	/* A page's header, the length of its block, and that. */
	uint8_t
	    frame[PAGE_HDR_SIZE + LENGTH_SIZE + LZ4_COMPRESSBOUND(PAGE_MAX)];
};

struct ltx_write *
ltx_write_new(void)
{
	struct ltx_write *w = xcalloc(1, sizeof(*w));

	w->index.fd = -1;
	return w;
}

void
ltx_write_free(struct ltx_write *w)
{
	if (w == NULL)
		return;
	spool_release(&w->index);
	free(w);
}

uint64_t
ltx_write_raw(const struct ltx_write *w)
{
	return w->raw;
}

static void
hash(struct ltx_write *w, const void *p, size_t n)
{
	w->crc = ltx_crc(w->crc, p, n);
	w->hashed += n;
}

/* To both what is written and what is hashed. */
static int
put(struct ltx_write *w, const void *p, size_t n, struct err *e)
{
	hash(w, p, n);
	return spool_write(w->out, p, n, e);
}

int
ltx_write_begin(struct ltx_write *w, struct spool *out, uint32_t page_size,
    bool summed, struct err *e)
{
	static const uint8_t zeros[LTX_HEADER_SIZE];

	if (page_size > PAGE_MAX)
		return err_set(
		    e, ERR_BUG, "LTX: pages of %" PRIu32 " bytes", page_size);
	w->out = out;
	w->page_size = page_size;
	w->summed = summed;
	w->last = 0;
	w->crc = w->hashed = w->raw = w->sum = 0;
	if (w->index.dir != out->dir) {
		spool_release(&w->index);
		spool_init(&w->index, out->dir, INDEX_IN_MEMORY);
	}
	if (spool_reset(&w->index, e) == -1 || spool_reset(out, e) == -1)
		return -1;
	/* Its header is put in place at the end. */
	return spool_write(out, zeros, sizeof(zeros), e);
}

/* -- pages ----------------------------------------------------------------- */

static size_t
varint(uint8_t *b, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		b[n++] = (uint8_t)(v | 0x80);
	b[n++] = (uint8_t)v;
	return n;
}

static int
add_to_index(struct ltx_write *w, uint32_t pgno, uint64_t from, uint64_t length,
    struct err *e)
{
	uint8_t b[3 * VARINT_MAX];
	size_t n = varint(b, pgno);

	n += varint(b + n, from);
	n += varint(b + n, length);
	return spool_write(&w->index, b, n, e);
}

int
ltx_write_page(
    struct ltx_write *w, uint32_t pgno, const uint8_t *page, struct err *e)
{
	const size_t head = PAGE_HDR_SIZE + LENGTH_SIZE;
	uint64_t from = w->out->size;
	int n;

	if (pgno <= w->last)
		return err_set(e, ERR_BUG,
		    "LTX: page %" PRIu32 " behind page %" PRIu32, pgno,
		    w->last);
	w->last = pgno;
	if (pgno == ltx_lock_page(w->page_size))
		return 0;
	n = LZ4_compress_default((const char *)page, (char *)w->frame + head,
	    (int)w->page_size, (int)(sizeof(w->frame) - head));
	be32_put(w->frame, pgno);
	w->frame[4] = 0;
	w->frame[5] = FLAG_BLOCK;
	be32_put(w->frame + PAGE_HDR_SIZE, (uint32_t)n);
	hash(w, w->frame, head);
	hash(w, page, w->page_size);
	if (w->summed)
		w->sum ^= ltx_page_sum(pgno, page, w->page_size);
	w->raw += w->page_size;
	if (spool_write(w->out, w->frame, head + (size_t)n, e) == -1)
		return -1;
	return add_to_index(w, pgno, from, head + (size_t)n, e);
}

/* -- the end --------------------------------------------------------------- */

static int
put_index(struct ltx_write *w, struct err *e)
{
	static const uint8_t zeros[PAGE_HDR_SIZE];
	uint8_t piece[PIECE], size[8];
	size_t n;

	if (put(w, zeros, sizeof(zeros), e) == -1 ||
	    spool_write(&w->index, zeros, 1, e) == -1)
		return -1;
	for (uint64_t at = 0; at < w->index.size; at += n) {
		n = sizeof(piece);
		if (n > w->index.size - at)
			n = (size_t)(w->index.size - at);
		if (spool_read(&w->index, at, piece, n, e) == -1 ||
		    put(w, piece, n, e) == -1)
			return -1;
	}
	be64_put(size, w->index.size);
	return put(w, size, sizeof(size), e);
}

/* As a reader would see it. */
static int
make_header(const struct ltx_write *w, const struct ltx_header *from,
    uint8_t p[LTX_HEADER_SIZE], struct err *e)
{
	struct ltx_header h = *from;

	h.summed = w->summed;
	h.page_size = w->page_size;
	ltx_header_write(&h, p);
	if (ltx_header_parse(&h, p, e) == -1) {
		e->class = ERR_BUG;
		return -1;
	}
	if (w->last > h.pages || (w->summed && !ltx_is_snapshot(&h)))
		return err_set(e, ERR_BUG,
		    "LTX: page %" PRIu32 " of %" PRIu32 "%s", w->last, h.pages,
		    w->summed ? ", summed" : "");
	return 0;
}

/* Behind the index, and the header before all. */
static int
close_file(struct ltx_write *w, struct spool *out,
    const uint8_t header[LTX_HEADER_SIZE], struct err *e)
{
	uint8_t trailer[TRAILER_SIZE];
	uint64_t crc;

	be64_put(trailer, w->summed ? w->sum | LTX_SUM_FLAG : 0);
	crc = ltx_crc_join(
	    ltx_crc(0, header, LTX_HEADER_SIZE), w->crc, w->hashed);
	crc = ltx_crc(crc, trailer, 8);
	be64_put(trailer + 8, crc | LTX_SUM_FLAG);
	if (spool_write(out, trailer, sizeof(trailer), e) == -1)
		return -1;
	return spool_patch(out, 0, header, LTX_HEADER_SIZE, e);
}

int
ltx_write_end(struct ltx_write *w, const struct ltx_header *h, struct err *e)
{
	uint8_t header[LTX_HEADER_SIZE];

	if (make_header(w, h, header, e) == -1 || put_index(w, e) == -1)
		return -1;
	return close_file(w, w->out, header, e);
}

/* n bytes of one, from at on, to another. */
static int
copy(struct spool *from, uint64_t at, uint64_t n, struct spool *to,
    struct err *e)
{
	uint8_t piece[PIECE];
	size_t part;

	for (; n > 0; at += part, n -= part) {
		part = n < sizeof(piece) ? (size_t)n : sizeof(piece);
		if (spool_read(from, at, piece, part, e) == -1 ||
		    spool_write(to, piece, part, e) == -1)
			return -1;
	}
	return 0;
}

int
ltx_write_again(struct ltx_write *w, struct spool *out,
    const struct ltx_header *h, struct err *e)
{
	uint8_t header[LTX_HEADER_SIZE];

	if (make_header(w, h, header, e) == -1 || spool_reset(out, e) == -1 ||
	    copy(w->out, 0, w->out->size - TRAILER_SIZE, out, e) == -1)
		return -1;
	return close_file(w, out, header, e);
}
