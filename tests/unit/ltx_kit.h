/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx_kit -- LTX files made by hand, also such as nobody would make, with file
 * checksums that hold.
 *
 *	ltx_make, ltx_page ..., ltx_end
 *
 * Between, out (the header is its first 100 bytes), hashed and index may be
 * bent.
 */
#ifndef LSPP_TESTS_UNIT_LTX_KIT_H
#define LSPP_TESTS_UNIT_LTX_KIT_H

#include <lz4.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/be.h"
#include "lib/base/buf.h"
#include "lib/replica/ltx/ltx_header.h"
#include "lib/replica/ltx/ltx_sum.h"

#define LTX_FN __attribute__((unused)) static

enum { LTX_NO_SUMS = 2 };

struct ltx_made {
	struct buf out, hashed, index;
	uint32_t page_size;
	uint64_t sum; /* of the pages so far */
};

/* Bytes of which two thirds pack well. */
LTX_FN void
ltx_fill(uint8_t *p, size_t n)
{
	uint32_t x = 1;

	for (size_t i = 0; i < n; i++)
		p[i] = i / 64 % 3 ? 'z' : (uint8_t)((x = x * 69069 + 1) >> 24);
}

LTX_FN void
ltx_make(struct ltx_made *m, uint32_t flags, uint32_t page_size, uint32_t pages,
    uint64_t min, uint64_t max, int64_t ms)
{
	uint8_t h[LTX_HEADER_SIZE] = "LTX1";

	buf_reset(&m->out);
	buf_reset(&m->hashed);
	buf_reset(&m->index);
	m->page_size = page_size;
	m->sum = 0;
	be32_put(h + 4, flags);
	be32_put(h + 8, page_size);
	be32_put(h + 12, pages);
	be64_put(h + 16, min);
	be64_put(h + 24, max);
	be64_put(h + 32, (uint64_t)ms);
	buf_add(&m->out, h, sizeof(h));
}

/* To both what is written and what is hashed. */
LTX_FN void
ltx_both(struct ltx_made *m, const void *p, size_t n)
{
	buf_add(&m->out, p, n);
	buf_add(&m->hashed, p, n);
}

LTX_FN void
ltx_varint(struct buf *b, uint64_t v)
{
	uint8_t c;

	for (; v >= 0x80; v >>= 7) {
		c = (uint8_t)(v | 0x80);
		buf_add(b, &c, 1);
	}
	c = (uint8_t)v;
	buf_add(b, &c, 1);
}

/* A page that is written as that block (n bytes), or with flags 0 frame. */
LTX_FN void
ltx_packed(struct ltx_made *m, uint32_t pgno, uint16_t flags, const void *block,
    size_t n, const uint8_t *page)
{
	uint64_t from = m->out.len;
	uint8_t h[10];

	be32_put(h, pgno);
	h[4] = (uint8_t)(flags >> 8);
	h[5] = (uint8_t)flags;
	be32_put(h + 6, (uint32_t)n);
	ltx_both(m, h, (flags & 1) != 0 ? 10 : 6);
	buf_add(&m->out, block, n);
	buf_add(&m->hashed, page, m->page_size);
	ltx_varint(&m->index, pgno);
	ltx_varint(&m->index, from);
	ltx_varint(&m->index, m->out.len - from);
	m->sum ^= ltx_page_sum(pgno, page, m->page_size);
}

LTX_FN void
ltx_page(struct ltx_made *m, uint32_t pgno, const uint8_t *page)
{
	int cap = LZ4_compressBound((int)m->page_size), n;
	char *block = xmalloc((size_t)cap);

	n = LZ4_compress_default(
	    (const char *)page, block, (int)m->page_size, cap);
	ltx_packed(m, pgno, 1, block, (size_t)n, page);
	free(block);
}

/* A page as it was once written, of which n bytes are packed. */
LTX_FN void
ltx_page_frame(struct ltx_made *m, uint32_t pgno, const uint8_t *page, size_t n)
{
	LZ4F_preferences_t p = { .frameInfo.contentChecksumFlag = 1 };
	size_t cap = LZ4F_compressFrameBound(n, &p);
	char *frame = xmalloc(cap);

	cap = LZ4F_compressFrame(frame, cap, page, n, &p);
	if (LZ4F_isError(cap))
		abort();
	ltx_packed(m, pgno, 0, frame, cap, page);
	free(frame);
}

/* The index as it is by now, and the trailer. */
LTX_FN void
ltx_end_raw(struct ltx_made *m, uint64_t after)
{
	static const uint8_t zeros[6];
	uint8_t b[8];
	uint64_t crc;

	ltx_both(m, zeros, sizeof(zeros));
	ltx_both(m, m->index.data, m->index.len);
	be64_put(b, m->index.len);
	ltx_both(m, b, 8);
	be64_put(b, after);
	ltx_both(m, b, 8);
	crc = ltx_crc(0, m->out.data, LTX_HEADER_SIZE);
	crc = ltx_crc(crc, m->hashed.data, m->hashed.len);
	be64_put(b, crc | LTX_SUM_FLAG);
	buf_add(&m->out, b, 8);
}

LTX_FN void
ltx_end(struct ltx_made *m, uint64_t after)
{
	ltx_varint(&m->index, 0);
	ltx_end_raw(m, after);
}

LTX_FN void
ltx_made_release(struct ltx_made *m)
{
	buf_release(&m->out);
	buf_release(&m->hashed);
	buf_release(&m->index);
}

#endif
