/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a wal-index: what is believed makes sense together. */
#include "lib/sqlite/walindex.h"

#include <string.h>

#include "lib/sqlite/wal.h"
#include "tests/fuzz/fuzz.h"

enum { HEADER = 136, COPY = 48, SUMMED = 40 };

struct file {
	uint8_t data[HEADER];
	size_t size;
};

static int
get(void *ctx, uint64_t at, void *p, size_t n)
{
	const struct file *f = ctx;

	if (at > f->size || n > f->size - at)
		return 0;
	memcpy(p, f->data + at, n);
	return 1;
}

static void
try(struct file *f)
{
	struct walindex x;

	if (walindex_read(&x, get, f) != 1)
		return;
	must(x.page_size <= 65536 && (x.page_size & (x.page_size - 1)) == 0);
	must(x.frames == 0 || (x.page_size >= 512 && x.pages > 0));
	must(x.backfill <= x.frames);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct file f = { .size = size < HEADER ? size : HEADER };
	const uint32_t version = WAL_VERSION;
	uint32_t sum[2] = { 0, 0 };

	memcpy(f.data, data, f.size);
	try(&f);
	/* Once more with a checksum and a second copy that hold. */
	f.size = HEADER;
	f.data[12] = 1;
	memcpy(f.data, &version, sizeof(version));
	wal_sum(__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__, f.data, SUMMED, sum);
	memcpy(f.data + SUMMED, sum, sizeof(sum));
	memcpy(f.data + COPY, f.data, COPY);
	try(&f);
	return 0;
}
