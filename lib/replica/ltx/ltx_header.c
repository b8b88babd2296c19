/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/ltx/ltx_header.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/be.h"
#include "lib/base/err.h"
#include "lib/replica/ltx/ltx_names.h"
#include "lib/replica/ltx/ltx_sum.h"
#include "lib/sqlite/growth.h"

enum {
	FLAG_NO_SUMS = 2,
	NS_IN_MS = 1000000,
	MAGIC = 0x4c545831, /* LTX1 */
};

static bool
is_page_size(uint32_t n)
{
	return n >= 512 && n <= 65536 && (n & (n - 1)) == 0;
}

/* What every reader of Litestream's refuses in these, too. */
static int
check_wal(const uint8_t *p, struct err *e)
{
	uint64_t at = be64(p + 48), size = be64(p + 56), salts = be64(p + 64);

	if (at > INT64_MAX || size > INT64_MAX)
		return err_set(
		    e, ERR_CORRUPT, "LTX header: a negative place in a WAL");
	if (at == 0 && (size != 0 || salts != 0))
		return err_set(
		    e, ERR_CORRUPT, "LTX header: of a WAL, but not where");
	return 0;
}

static int
check_sums(const struct ltx_header *h, struct err *e)
{
	bool must = h->summed && !ltx_is_snapshot(h);

	if (must != (h->before != 0))
		return err_set(e, ERR_CORRUPT,
		    "LTX header: the checksum of the state before it %s",
		    must ? "is missing" : "is there, but should not");
	if (must && (h->before & LTX_SUM_FLAG) == 0)
		return err_set(e, ERR_CORRUPT,
		    "LTX header: the checksum of the state before it is none");
	return 0;
}

static int
check(const struct ltx_header *h, int64_t ms, struct err *e)
{
	if (!is_page_size(h->page_size))
		return err_set(e, ERR_CORRUPT,
		    "LTX header: page size is %" PRIu32, h->page_size);
	if (h->pages == 0 || h->pages > GROWTH_PAGES_MAX)
		return err_set(e, ERR_CORRUPT,
		    "LTX header: a database of %" PRIu32 " pages", h->pages);
	if (h->min == 0 || h->min > h->max)
		return err_set(e, ERR_CORRUPT,
		    "LTX header: TXIDs from %016" PRIx64 " to %016" PRIx64,
		    h->min, h->max);
	if (ms < 0 || ms > INT64_MAX / NS_IN_MS)
		return err_set(
		    e, ERR_CORRUPT, "LTX header: a time of %" PRId64 " ms", ms);
	return check_sums(h, e);
}

int
ltx_header_parse(
    struct ltx_header *h, const uint8_t p[LTX_HEADER_SIZE], struct err *e)
{
	uint32_t flags = be32(p + 4);
	int64_t ms = (int64_t)be64(p + 32);

	if (be32(p) != MAGIC)
		return err_set(e, ERR_CORRUPT, "not an LTX file");
	if (flags != 0 && flags != FLAG_NO_SUMS)
		return err_set(e, ERR_CORRUPT,
		    "LTX header: flags are %" PRIx32 ", which is not known",
		    flags);
	*h = (struct ltx_header){
		.summed = flags == 0,
		.page_size = be32(p + 8),
		.pages = be32(p + 12),
		.min = be64(p + 16),
		.max = be64(p + 24),
		.before = be64(p + 40),
		.wal_at = be64(p + 48),
		.node = be64(p + 72),
	};
	memcpy(h->reserved, p + 80, sizeof(h->reserved));
	if (check(h, ms, e) == -1)
		return -1;
	h->captured_ns = ms * NS_IN_MS;
	return check_wal(p, e);
}

void
ltx_header_write(const struct ltx_header *h, uint8_t p[LTX_HEADER_SIZE])
{
	memset(p, 0, LTX_HEADER_SIZE);
	be32_put(p, MAGIC);
	be32_put(p + 4, h->summed ? 0 : FLAG_NO_SUMS);
	be32_put(p + 8, h->page_size);
	be32_put(p + 12, h->pages);
	be64_put(p + 16, h->min);
	be64_put(p + 24, h->max);
	be64_put(p + 32, (uint64_t)(h->captured_ns / NS_IN_MS));
	be64_put(p + 40, h->before);
	be64_put(p + 48, h->wal_at);
	be64_put(p + 72, h->node);
	memcpy(p + 80, h->reserved, sizeof(h->reserved));
}

int
ltx_header_is(
    const struct ltx_header *h, const struct ltx_name *n, struct err *e)
{
	if (h->min == n->min && h->max == n->max)
		return 0;
	return err_set(e, ERR_CORRUPT,
	    "is another file under this name: it brings the TXIDs from "
	    "%016" PRIx64 " to %016" PRIx64,
	    h->min, h->max);
}
