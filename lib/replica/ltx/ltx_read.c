/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/ltx/ltx_read.h"

#include <inttypes.h>
#include <lz4.h>
#include <lz4frame.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/be.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/ltx/ltx_names.h"
#include "lib/replica/ltx/ltx_sum.h"

enum {
	PAGE_HDR_SIZE = 6,
	LENGTH_SIZE = 4,
	INDEX_LENGTH_SIZE = 8,
	TRAILER_SIZE = 16,
	PAGE_MAX = 65536,
	BLOCK_MAX = LZ4_COMPRESSBOUND(PAGE_MAX),
	FLAG_BLOCK = 1, /* of a page: not in a frame */
	VARINT_MAX = 10,
};

/* What comes next. */
enum part {
	PART_HEADER,
	PART_PAGE,   /* its header, or the end of the pages */
	PART_LENGTH, /* of the block */
	PART_BLOCK,
	PART_FRAME,
	PART_INDEX,
	PART_INDEX_LENGTH,
	PART_TRAILER,
	PART_NOTHING,
};

struct ltx_read {
	const struct ltx_name *name;
	const struct ltx_sink *sink;
	void *ctx;
	enum part part;
	struct ltx_header h;
	uint64_t crc;  /* the file checksum so far */
	uint64_t sum;  /* the rolling one of a snapshot's pages */
	uint64_t at;   /* bytes of the file */
	uint64_t from; /* where the page begins */
	uint32_t pgno; /* of this page, or the last */
	/* The index: its CRC as it must be and as it is, bytes of it, and these
	 * to come. */
	uint64_t want, got, index, left;
	uint64_t after;
	/* What is gathered until it is whole, of a size that is known. */
	size_t need, have;
	uint8_t unit[BLOCK_MAX];
	uint8_t page[PAGE_MAX];
	size_t unpacked; /* of a frame */
	LZ4F_dctx *lz4;  /* NULL: there was no frame yet */
};

struct ltx_read *
ltx_read_new(void)
{
	return xcalloc(1, sizeof(struct ltx_read));
}

void
ltx_read_free(struct ltx_read *r)
{
	if (r == NULL)
		return;
	(void)LZ4F_freeDecompressionContext(r->lz4);
	free(r);
}

static void
expect(struct ltx_read *r, enum part part, size_t need)
{
	r->part = part;
	r->need = need;
	r->have = 0;
}

void
ltx_read_begin(struct ltx_read *r, const struct ltx_name *name,
    const struct ltx_sink *sink, void *ctx)
{
	r->name = name;
	r->sink = sink;
	r->ctx = ctx;
	r->crc = r->sum = r->at = r->want = r->got = r->index = r->after = 0;
	r->pgno = 0;
	expect(r, PART_HEADER, LTX_HEADER_SIZE);
}

/* Pages */

/* The index has an entry for each page, and ends. */
static void
add_to_index(struct ltx_read *r, uint64_t v)
{
	uint8_t b[VARINT_MAX];
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		b[n++] = (uint8_t)(v | 0x80);
	b[n++] = (uint8_t)v;
	r->want = ltx_crc(r->want, b, n);
	r->index += n;
}

/* Which number has the page behind this one, in a snapshot? */
static uint32_t
next_page(const struct ltx_read *r)
{
	uint32_t next = r->pgno + 1;

	return next == ltx_lock_page(r->h.page_size) ? next + 1 : next;
}

static int
check_page(const struct ltx_read *r, uint32_t pgno, struct err *e)
{
	if (pgno <= r->pgno)
		return err_set(e, ERR_CORRUPT,
		    "page %" PRIu32 " comes after page %" PRIu32, pgno,
		    r->pgno);
	if (pgno > r->h.pages)
		return err_set(e, ERR_CORRUPT,
		    "page %" PRIu32 " in a database of %" PRIu32, pgno,
		    r->h.pages);
	if (pgno == ltx_lock_page(r->h.page_size))
		return err_set(e, ERR_CORRUPT,
		    "page %" PRIu32 " is there, which is that of the lock",
		    pgno);
	if (ltx_is_snapshot(&r->h) && pgno != next_page(r))
		return err_set(e, ERR_CORRUPT,
		    "a snapshot without page %" PRIu32, next_page(r));
	return 0;
}

/* The page is in r->page. */
static int
take_page(struct ltx_read *r, struct err *e)
{
	r->crc = ltx_crc(r->crc, r->page, r->h.page_size);
	if (r->h.summed && ltx_is_snapshot(&r->h))
		r->sum ^= ltx_page_sum(r->pgno, r->page, r->h.page_size);
	add_to_index(r, r->pgno);
	add_to_index(r, r->from);
	add_to_index(r, r->at - r->from);
	expect(r, PART_PAGE, PAGE_HDR_SIZE);
	return r->sink->page(r->ctx, r->pgno, r->page, e);
}

static int
take_end_of_pages(struct ltx_read *r, struct err *e)
{
	if (ltx_is_snapshot(&r->h) && next_page(r) <= r->h.pages)
		return err_set(e, ERR_CORRUPT,
		    "a snapshot of %" PRIu32 " pages without page %" PRIu32,
		    r->h.pages, next_page(r));
	add_to_index(r, 0);
	r->left = r->index;
	expect(r, PART_INDEX, 0);
	return 0;
}

static int
start_frame(struct ltx_read *r, struct err *e)
{
	LZ4F_errorCode_t rc;

	if (r->lz4 == NULL) {
		rc = LZ4F_createDecompressionContext(&r->lz4, LZ4F_VERSION);
		if (LZ4F_isError(rc))
			return err_set(e, ERR_OS, "LZ4 decoder: %s",
			    LZ4F_getErrorName(rc));
	}
	LZ4F_resetDecompressionContext(r->lz4);
	r->unpacked = 0;
	expect(r, PART_FRAME, 0);
	return 0;
}

static int
take_page_header(struct ltx_read *r, const uint8_t *p, struct err *e)
{
	uint32_t pgno = be32(p);
	uint16_t flags = be16(p + 4);

	r->crc = ltx_crc(r->crc, p, PAGE_HDR_SIZE);
	if (pgno == 0 && flags == 0)
		return take_end_of_pages(r, e);
	if ((flags & ~FLAG_BLOCK) != 0)
		return err_set(e, ERR_CORRUPT,
		    "flags of page %" PRIu32 " are %x, which is not known",
		    pgno, (unsigned)flags);
	if (check_page(r, pgno, e) == -1)
		return -1;
	r->pgno = pgno;
	r->from = r->at - PAGE_HDR_SIZE;
	if ((flags & FLAG_BLOCK) == 0)
		return start_frame(r, e);
	expect(r, PART_LENGTH, LENGTH_SIZE);
	return 0;
}

static int
take_length(struct ltx_read *r, const uint8_t *p, struct err *e)
{
	uint32_t n = be32(p);

	r->crc = ltx_crc(r->crc, p, LENGTH_SIZE);
	if (n == 0 || n > (uint32_t)LZ4_compressBound((int)r->h.page_size))
		return err_set(e, ERR_CORRUPT,
		    "page %" PRIu32 " is in a block of %" PRIu32 " bytes",
		    r->pgno, n);
	expect(r, PART_BLOCK, n);
	return 0;
}

static int
take_block(struct ltx_read *r, const uint8_t *p, struct err *e)
{
	int size = (int)r->h.page_size;
	int n = LZ4_decompress_safe(
	    (const char *)p, (char *)r->page, (int)r->need, size);

	if (n != size)
		return err_set(e, ERR_CORRUPT,
		    "page %" PRIu32 " does not unpack to one page", r->pgno);
	return take_page(r, e);
}

static int
bad_frame(const struct ltx_read *r, struct err *e)
{
	return err_set(e, ERR_CORRUPT,
	    "page %" PRIu32 " is not an LZ4 frame of one page", r->pgno);
}

/*
 * From *p on, up to the end of the frame; *p and *n move on.  With the page
 * full there is room for one byte more, which must not come.
 */
static int
take_frame(struct ltx_read *r, const uint8_t **p, size_t *n, struct err *e)
{
	uint8_t more[1] = { 0 }, *to;
	size_t rc = 1, in, room, out;

	do {
		room = r->h.page_size - r->unpacked;
		to = room > 0 ? r->page + r->unpacked : more;
		out = room > 0 ? room : sizeof(more);
		in = *n;
		rc = LZ4F_decompress(r->lz4, to, &out, *p, &in, NULL);
		if (LZ4F_isError(rc) || out > room)
			return bad_frame(r, e);
		*p += in;
		*n -= in;
		r->at += in;
		r->unpacked += out;
	} while (rc != 0 && (*n > 0 || (room > 0 && out == room)));
	if (rc != 0)
		return 0;
	return r->unpacked == r->h.page_size ? take_page(r, e)
					     : bad_frame(r, e);
}

/* The end */

static void
take_index(struct ltx_read *r, const uint8_t **p, size_t *n)
{
	size_t part = r->left < *n ? (size_t)r->left : *n;

	r->crc = ltx_crc(r->crc, *p, part);
	r->got = ltx_crc(r->got, *p, part);
	*p += part;
	*n -= part;
	r->at += part;
	r->left -= part;
	if (r->left == 0)
		expect(r, PART_INDEX_LENGTH, INDEX_LENGTH_SIZE);
}

static int
take_index_length(struct ltx_read *r, const uint8_t *p, struct err *e)
{
	r->crc = ltx_crc(r->crc, p, INDEX_LENGTH_SIZE);
	if (be64(p) != r->index || r->got != r->want)
		return err_set(
		    e, ERR_CORRUPT, "the page index is not that of the pages");
	expect(r, PART_TRAILER, TRAILER_SIZE);
	return 0;
}

static int
take_trailer(struct ltx_read *r, const uint8_t *p, struct err *e)
{
	r->after = be64(p);
	r->crc = ltx_crc(r->crc, p, 8);
	if (be64(p + 8) != (r->crc | LTX_SUM_FLAG))
		return err_set(e, ERR_CORRUPT, "the file checksum is wrong");
	if (r->h.summed ? (r->after & LTX_SUM_FLAG) == 0 : r->after != 0)
		return err_set(e, ERR_CORRUPT,
		    "the checksum of the state that it leads to %s",
		    r->h.summed ? "is missing" : "is there, but should not");
	if (r->h.summed && ltx_is_snapshot(&r->h) &&
	    r->after != (r->sum | LTX_SUM_FLAG))
		return err_set(e, ERR_CORRUPT,
		    "the checksum of the state that it leads to is wrong");
	expect(r, PART_NOTHING, 0);
	return 0;
}

static int
take_header(struct ltx_read *r, const uint8_t *p, struct err *e)
{
	if (ltx_header_parse(&r->h, p, e) == -1)
		return -1;
	if (r->name != NULL && ltx_header_is(&r->h, r->name, e) == -1)
		return -1;
	r->crc = ltx_crc(r->crc, p, LTX_HEADER_SIZE);
	expect(r, PART_PAGE, PAGE_HDR_SIZE);
	return r->sink->header(r->ctx, &r->h, e);
}

/* One unit is whole. */
static int
take_unit(struct ltx_read *r, const uint8_t *p, struct err *e)
{
	switch (r->part) {
	case PART_HEADER: return take_header(r, p, e);
	case PART_PAGE: return take_page_header(r, p, e);
	case PART_LENGTH: return take_length(r, p, e);
	case PART_BLOCK: return take_block(r, p, e);
	case PART_INDEX_LENGTH: return take_index_length(r, p, e);
	default: return take_trailer(r, p, e);
	}
}

/* Gather one unit; false: it is not whole yet.  *p and *n move on. */
static bool
gather(struct ltx_read *r, const uint8_t **p, size_t *n, const uint8_t **unit)
{
	size_t part = r->need - r->have < *n ? r->need - r->have : *n;

	*unit = *p;
	if (part < r->need) {
		memcpy(r->unit + r->have, *p, part);
		*unit = r->unit;
	}
	*p += part;
	*n -= part;
	r->at += part;
	r->have += part;
	return r->have == r->need;
}

int
ltx_read_feed(void *reader, const uint8_t *p, size_t n, struct err *e)
{
	struct ltx_read *r = reader;
	const uint8_t *unit;

	while (n > 0) {
		if (r->part == PART_NOTHING)
			return err_set(
			    e, ERR_CORRUPT, "there is more behind its end");
		if (r->part == PART_INDEX) {
			take_index(r, &p, &n);
		} else if (r->part == PART_FRAME) {
			if (take_frame(r, &p, &n, e) == -1)
				return -1;
		} else if (gather(r, &p, &n, &unit) &&
		    take_unit(r, unit, e) == -1) {
			return -1;
		}
	}
	return 0;
}

int
ltx_read_finish(struct ltx_read *r, uint64_t *after, struct err *e)
{
	if (r->part == PART_HEADER)
		return err_set(e, ERR_CORRUPT, "not an LTX file: too short");
	if (r->part != PART_NOTHING)
		return err_set(e, ERR_CORRUPT,
		    "truncated, after %" PRIu64 " bytes", r->at);
	*after = r->after;
	return 0;
}
