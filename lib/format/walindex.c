#include "lib/format/walindex.h"

#include <string.h>

#include "lib/base/be.h"
#include "lib/format/wal.h"

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
	AT_BACKFILL = 96,
	AT_BACKFILL_ATTEMPTED = 128,
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

bool
walindex_parse(struct walindex *x, const uint8_t p[WALINDEX_SIZE])
{
	uint16_t page_size;

	if (memcmp(p, p + COPY_SIZE, COPY_SIZE) != 0 || !p[AT_IS_INIT] ||
	    native32(p + AT_VERSION) != WAL_VERSION || !sum_holds(p))
		return false;
	memcpy(&page_size, p + AT_PAGE_SIZE, sizeof(page_size));
	x->page_size = page_size == 1 ? 65536 : page_size;
	x->frames = native32(p + AT_FRAMES);
	x->pages = native32(p + AT_PAGES);
	x->sum[0] = native32(p + AT_FRAME_SUM);
	x->sum[1] = native32(p + AT_FRAME_SUM + 4);
	x->salt[0] = be32(p + AT_SALT);
	x->salt[1] = be32(p + AT_SALT + 4);
	x->backfill = native32(p + AT_BACKFILL);
	x->backfill_attempted = native32(p + AT_BACKFILL_ATTEMPTED);
	return true;
}
