/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sqlite/pagesum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lib/base/be.h"

struct pagesum
pagesum_of(uint32_t pgno, const uint8_t *page, uint32_t size)
{
	XXH128_hash_t h = XXH3_128bits_withSeed(page, size, pgno);

	return (struct pagesum){ .hi = h.high64, .lo = h.low64 };
}

void
pagesum_xor(struct pagesum *total, struct pagesum s)
{
	total->hi ^= s.hi;
	total->lo ^= s.lo;
}

bool
pagesum_equal(struct pagesum a, struct pagesum b)
{
	return a.hi == b.hi && a.lo == b.lo;
}

void
pagesum_store(uint8_t p[PAGESUM_SIZE], struct pagesum s)
{
	be64_put(p, s.hi);
	be64_put(p + 8, s.lo);
}

struct pagesum
pagesum_load(const uint8_t p[PAGESUM_SIZE])
{
	return (struct pagesum){ .hi = be64(p), .lo = be64(p + 8) };
}
