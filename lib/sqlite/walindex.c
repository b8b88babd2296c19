/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sqlite/walindex.h"

#include <string.h>

#include "lib/base/be.h"
#include "lib/sqlite/wal.h"

enum {
	COPY_SIZE = 48,
	AT_VERSION = 0,
	AT_IS_INIT = 12,
	AT_PAGE_SIZE = 14,
	AT_FRAMES = 16,
	AT_PAGES = 20,
	AT_FRAME_SUM = 24,
	AT_SALT = 32,
	AT_SUM = 40,

	/* struct WalCkptInfo, behind the two copies */
	AT_INFO = 96,
	INFO_SIZE = 40,
	BACKFILL = 0,
	BACKFILL_ATTEMPTED = 32,

	/* A block: page numbers, then a hash table.  The first block's
	 * numbers begin behind the header. */
	BLOCK_SIZE = 32768,
	BLOCK_FRAMES = 4096,
	HEADER_SIZE = 136,
	FIRST_FRAMES = BLOCK_FRAMES - HEADER_SIZE / 4,
};

static uint32_t
native32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The header's checksum is over native words, whatever the WAL's are. */
static bool
sum_holds(const uint8_t *p)
{
	uint32_t sum[2] = { 0, 0 };

	wal_sum(__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__, p, AT_SUM, sum);
	return sum[0] == native32(p + AT_SUM) &&
	    sum[1] == native32(p + AT_SUM + 4);
}

static void
fields(struct walindex *x, const uint8_t hdr[COPY_SIZE],
    const uint8_t info[INFO_SIZE])
{
	uint16_t page_size;

	memcpy(&page_size, hdr + AT_PAGE_SIZE, sizeof(page_size));
	x->page_size = page_size == 1 ? 65536 : page_size;
	x->frames = native32(hdr + AT_FRAMES);
	x->pages = native32(hdr + AT_PAGES);
	x->sum[0] = native32(hdr + AT_FRAME_SUM);
	x->sum[1] = native32(hdr + AT_FRAME_SUM + 4);
	x->salt[0] = be32(hdr + AT_SALT);
	x->salt[1] = be32(hdr + AT_SALT + 4);
	x->backfill = native32(info + BACKFILL);
	x->backfill_attempted = native32(info + BACKFILL_ATTEMPTED);
}

/*
 * An index that names no frames may be one of a database that has no page yet,
 * and has then no page size.
 */
static bool
makes_sense(const struct walindex *x)
{
	bool size = x->page_size >= 512 && x->page_size <= 65536 &&
	    (x->page_size & (x->page_size - 1)) == 0;

	if (x->frames == 0 && x->page_size == 0)
		size = true;
	return size && x->backfill <= x->frames &&
	    (x->frames == 0 || x->pages > 0);
}

/* The header: the first copy before the second. */
static int
read_header(uint8_t p[COPY_SIZE], walindex_get *get, void *ctx)
{
	uint8_t second[COPY_SIZE];
	int rc;

	if ((rc = get(ctx, 0, p, COPY_SIZE)) != 1 ||
	    (rc = get(ctx, COPY_SIZE, second, COPY_SIZE)) != 1)
		return rc;
	return memcmp(p, second, COPY_SIZE) == 0 && p[AT_IS_INIT] &&
	    native32(p + AT_VERSION) == WAL_VERSION && sum_holds(p);
}

int
walindex_read(struct walindex *x, walindex_get *get, void *ctx)
{
	uint8_t hdr[COPY_SIZE], again[COPY_SIZE];
	uint8_t info[INFO_SIZE], info_again[INFO_SIZE];
	int rc;

	if ((rc = read_header(hdr, get, ctx)) != 1 ||
	    (rc = get(ctx, AT_INFO, info, INFO_SIZE)) != 1 ||
	    (rc = get(ctx, AT_INFO, info_again, INFO_SIZE)) != 1 ||
	    (rc = read_header(again, get, ctx)) != 1)
		return rc;
	if (memcmp(hdr, again, sizeof(hdr)) != 0 ||
	    native32(info + BACKFILL) != native32(info_again + BACKFILL) ||
	    native32(info + BACKFILL_ATTEMPTED) !=
		native32(info_again + BACKFILL_ATTEMPTED))
		return 0;
	fields(x, hdr, info);
	return makes_sense(x);
}

uint64_t
walindex_pgno_at(uint32_t frame, uint32_t *run)
{
	uint32_t n = frame - 1, block, in_block;

	if (n < FIRST_FRAMES) {
		*run = FIRST_FRAMES - n;
		return HEADER_SIZE + (uint64_t)n * 4;
	}
	block = (n - FIRST_FRAMES) / BLOCK_FRAMES + 1;
	in_block = (n - FIRST_FRAMES) % BLOCK_FRAMES;
	*run = BLOCK_FRAMES - in_block;
	return (uint64_t)block * BLOCK_SIZE + (uint64_t)in_block * 4;
}
