/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sqlite/wal.h"

#include <string.h>

#include "lib/base/be.h"
#include "lib/base/err.h"

enum {
	HDR_MAGIC = 0,
	HDR_VERSION = 4,
	HDR_PAGE_SIZE = 8,
	HDR_SEQ = 12,
	HDR_SALT = 16,
	HDR_SUM = 24,

	FRAME_PGNO = 0,
	FRAME_COMMIT = 4,
	FRAME_SALT = 8,
	FRAME_SUM = 16,
	FRAME_SUMMED = 8, /* of the frame header, what the checksum covers */
};

static inline uint32_t
native32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/*
 * swap is a constant at both calls, so that each becomes its own loop.  The
 * sums are bracketed to keep the chain from word to word at one addition.
 */
static inline void
sum_words(bool swap, const uint8_t *p, size_t n, uint32_t sum[2])
{
	uint32_t s0 = sum[0], s1 = sum[1], w0, w1;
	const uint8_t *end = p + n;

	for (; p < end; p += 8) {
		w0 = native32(p);
		w1 = native32(p + 4);
		if (swap) {
			w0 = __builtin_bswap32(w0);
			w1 = __builtin_bswap32(w1);
		}
		s0 = (s0 + w0) + s1;
		s1 = (s1 + w1) + s0;
	}
	sum[0] = s0;
	sum[1] = s1;
}

void
wal_sum(bool big_endian, const uint8_t *p, size_t n, uint32_t sum[2])
{
	const bool native_big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;

	if (big_endian == native_big)
		sum_words(false, p, n, sum);
	else
		sum_words(true, p, n, sum);
}

static bool
page_size_ok(uint32_t size)
{
	return size >= 512 && size <= 65536 && (size & (size - 1)) == 0;
}

/* All of it but the version. */
static int
check_hdr(const struct wal_hdr *h, const uint8_t p[WAL_HDR_SIZE], struct err *e)
{
	uint32_t magic = be32(p + HDR_MAGIC), sum[2] = { 0, 0 };

	if (magic != WAL_MAGIC_LE && magic != WAL_MAGIC_BE)
		return err_set(e, ERR_CORRUPT, "WAL magic is %08x", magic);
	if (!page_size_ok(h->page_size))
		return err_set(
		    e, ERR_CORRUPT, "WAL page size is %u", h->page_size);
	wal_sum(h->big_endian, p, HDR_SUM, sum);
	if (sum[0] != h->sum[0] || sum[1] != h->sum[1])
		return err_set(
		    e, ERR_CORRUPT, "WAL header checksum does not hold");
	return 0;
}

static struct wal_hdr
hdr_fields(const uint8_t p[WAL_HDR_SIZE])
{
	return (struct wal_hdr){
		.big_endian = be32(p + HDR_MAGIC) == WAL_MAGIC_BE,
		.page_size = be32(p + HDR_PAGE_SIZE),
		.seq = be32(p + HDR_SEQ),
		.salt = { be32(p + HDR_SALT), be32(p + HDR_SALT + 4) },
		.sum = { be32(p + HDR_SUM), be32(p + HDR_SUM + 4) },
	};
}

int
wal_hdr_parse(struct wal_hdr *h, const uint8_t p[WAL_HDR_SIZE], struct err *e)
{
	const struct wal_hdr found = hdr_fields(p);

	*h = (struct wal_hdr){ 0 };
	if (check_hdr(&found, p, e) == -1)
		return -1;
	if (be32(p + HDR_VERSION) != WAL_VERSION)
		return err_set(
		    e, ERR_CORRUPT, "WAL version is %u", be32(p + HDR_VERSION));
	*h = found;
	return 0;
}

bool
wal_hdr_other_version(const uint8_t p[WAL_HDR_SIZE])
{
	const struct wal_hdr found = hdr_fields(p);
	struct err why;

	return check_hdr(&found, p, &why) == 0 &&
	    be32(p + HDR_VERSION) != WAL_VERSION;
}

void
wal_hdr_write(struct wal_hdr *h, uint8_t p[WAL_HDR_SIZE])
{
	be32_put(p + HDR_MAGIC, h->big_endian ? WAL_MAGIC_BE : WAL_MAGIC_LE);
	be32_put(p + HDR_VERSION, WAL_VERSION);
	be32_put(p + HDR_PAGE_SIZE, h->page_size);
	be32_put(p + HDR_SEQ, h->seq);
	be32_put(p + HDR_SALT, h->salt[0]);
	be32_put(p + HDR_SALT + 4, h->salt[1]);
	h->sum[0] = h->sum[1] = 0;
	wal_sum(h->big_endian, p, HDR_SUM, h->sum);
	be32_put(p + HDR_SUM, h->sum[0]);
	be32_put(p + HDR_SUM + 4, h->sum[1]);
}

void
wal_frame_parse(struct wal_frame *f, const uint8_t p[WAL_FRAME_HDR_SIZE])
{
	f->pgno = be32(p + FRAME_PGNO);
	f->commit = be32(p + FRAME_COMMIT);
	f->salt[0] = be32(p + FRAME_SALT);
	f->salt[1] = be32(p + FRAME_SALT + 4);
	f->sum[0] = be32(p + FRAME_SUM);
	f->sum[1] = be32(p + FRAME_SUM + 4);
}

bool
wal_frame_follows(const struct wal_hdr *h, const uint8_t *frame_hdr,
    const uint8_t *page, uint32_t sum[2])
{
	uint32_t next[2] = { sum[0], sum[1] };
	struct wal_frame f;

	wal_frame_parse(&f, frame_hdr);
	if (f.pgno == 0 || f.salt[0] != h->salt[0] || f.salt[1] != h->salt[1])
		return false;
	wal_sum(h->big_endian, frame_hdr, FRAME_SUMMED, next);
	wal_sum(h->big_endian, page, h->page_size, next);
	if (next[0] != f.sum[0] || next[1] != f.sum[1])
		return false;
	sum[0] = next[0];
	sum[1] = next[1];
	return true;
}

void
wal_frame_write(const struct wal_hdr *h, uint32_t pgno, uint32_t commit,
    const uint8_t *page, uint32_t sum[2], uint8_t p[WAL_FRAME_HDR_SIZE])
{
	be32_put(p + FRAME_PGNO, pgno);
	be32_put(p + FRAME_COMMIT, commit);
	be32_put(p + FRAME_SALT, h->salt[0]);
	be32_put(p + FRAME_SALT + 4, h->salt[1]);
	wal_sum(h->big_endian, p, FRAME_SUMMED, sum);
	wal_sum(h->big_endian, page, h->page_size, sum);
	be32_put(p + FRAME_SUM, sum[0]);
	be32_put(p + FRAME_SUM + 4, sum[1]);
}
