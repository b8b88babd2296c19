/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of pages: any order, more than memory holds. */
#include "lib/replica/sumtable.h"

#include <stdlib.h>

#include "lib/base/err.h"
#include "tests/unit/tap.h"

#define PAGES ((uint32_t)300000) /* several times what is kept */

static struct pagesum
sum_of(uint32_t n, uint32_t salt)
{
	return (struct pagesum){ .hi = n, .lo = salt };
}

/* How many of 1..PAGES have the sum that was put last. */
static uint32_t
count_right(struct sumtable *t, const uint32_t *salt)
{
	struct pagesum got;
	uint32_t right = 0;
	struct err e;

	for (uint32_t n = 1; n <= PAGES; n++) {
		if (sumtable_get(t, n, &got, &e) == -1)
			return 0;
		if (salt[n] == 0)
			right += got.hi == 0 && got.lo == 0;
		else
			right += pagesum_equal(got, sum_of(n, salt[n]));
	}
	return right;
}

static void
fill(struct sumtable *t, uint32_t *salt, uint32_t step, uint32_t by)
{
	struct err e;

	for (uint32_t i = 0, n = 1; i < PAGES / 3; i++) {
		n = (uint32_t)(((uint64_t)n + step) % PAGES) + 1;
		salt[n] = i + by;
		if (sumtable_put(t, n, sum_of(n, salt[n]), &e) == -1)
			salt[n] = 0;
	}
}

int
main(void)
{
	uint32_t *salt = calloc(PAGES + 1, sizeof(*salt));
	struct sumtable t;
	struct err e;

	sumtable_init(&t, "/tmp");
	is_int(count_right(&t, salt), PAGES, "empty, no page has a sum");
	ok(t.fd == -1, "and there is no file");
	fill(&t, salt, 0, 1);
	is_int(count_right(&t, salt), PAGES, "what was put in order");
	fill(&t, salt, 104729, 7);
	is_int(count_right(&t, salt), PAGES, "what was put in any order");
	ok(t.fd != -1, "with a file");
	is_int(sumtable_reset(&t, &e), 0, "emptied");
	memset(salt, 0, (PAGES + 1) * sizeof(*salt));
	is_int(count_right(&t, salt), PAGES, "nothing is left");
	sumtable_release(&t);
	t.dir = "/nonexistent";
	for (uint32_t n = 1; n <= PAGES; n++)
		if (sumtable_put(&t, n, sum_of(n, 1), &e) == -1)
			break;
	is_int(e.class, ERR_MISSING, "no directory for the file is an error");
	sumtable_release(&t);
	free(salt);
	return done();
}
