/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sqlite/pagesum.h"

#include <xxhash.h>

#include "tests/unit/tap.h"

enum { PAGES = 20, SIZE = 4096 };

static uint8_t pages[PAGES][SIZE];

static void
fill(void)
{
	uint32_t i, n, x = 1;

	for (n = 0; n < PAGES; n++)
		for (i = 0; i < SIZE; i++)
			pages[n][i] = (uint8_t)((x = x * 69069 + 1) >> 24);
}

/* The sum of pages first..last, numbered from 1. */
static struct pagesum
total(uint32_t first, uint32_t last)
{
	struct pagesum s = { 0 };

	for (; first <= last; first++)
		pagesum_xor(&s, pagesum_of(first, pages[first - 1], SIZE));
	return s;
}

/* The library's own canonical form of XXH3-128 is what is stored. */
static void
test_canonical(void)
{
	XXH128_canonical_t want;
	uint8_t got[PAGESUM_SIZE];
	struct pagesum s;
	uint32_t size;

	for (size = 512; size <= SIZE; size *= 2) {
		s = pagesum_of(7, pages[0], size);
		XXH128_canonicalFromHash(
		    &want, XXH3_128bits_withSeed(pages[0], size, 7));
		pagesum_store(got, s);
		ok(memcmp(got, want.digest, sizeof(got)) == 0,
		    "XXH3-128 of %u bytes", size);
		ok(pagesum_equal(pagesum_load(got), s), "loaded");
	}
}

/* From XXH3's published sanity table: 128 bits of no input, seed 0. */
static void
test_vector(void)
{
	struct pagesum s = pagesum_of(0, pages[0], 0);

	ok(s.hi == 0x99aa06d3014798d8 && s.lo == 0x6001c324468d497f,
	    "of nothing");
}

static void
test_algebra(void)
{
	struct pagesum all = total(1, PAGES), s = total(11, PAGES),
		       zero = { 0 };

	ok(!pagesum_equal(all, zero), "not nothing");
	pagesum_xor(&s, total(1, 10));
	ok(pagesum_equal(s, all), "free of order");

	pagesum_xor(&s, pagesum_of(5, pages[4], SIZE));
	pages[4][SIZE - 1] ^= 1;
	pagesum_xor(&s, pagesum_of(5, pages[4], SIZE));
	ok(!pagesum_equal(s, all), "one bit shows");
	ok(pagesum_equal(s, total(1, PAGES)), "a page exchanged");
	pages[4][SIZE - 1] ^= 1;

	ok(!pagesum_equal(
	       pagesum_of(1, pages[0], SIZE), pagesum_of(2, pages[0], SIZE)),
	    "the same page elsewhere is another");
	s = (struct pagesum){ .hi = 1 };
	ok(!pagesum_equal(s, zero), "the high half counts");
	s = (struct pagesum){ .lo = 1 };
	ok(!pagesum_equal(s, zero), "so does the low one");
}

int
main(void)
{
	fill();
	test_canonical();
	test_vector();
	test_algebra();
	return done();
}
