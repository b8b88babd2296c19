/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of numbers. */
#include <string.h>

#include "lib/base/bits.h"
#include "tests/unit/tap.h"

static bool
equal(const struct bits *a, const struct bits *b)
{
	size_t n, m;
	const void *p = bits_data(a, &n), *q = bits_data(b, &m);

	return n == m && (n == 0 || memcmp(p, q, n) == 0);
}

int
main(void)
{
	struct bits a = { 0 }, b = { 0 }, c = { 0 };
	const uint8_t bytes[] = { 0x81, 0, 1, 0, 0 };
	size_t len;

	ok(!bits_has(&a, 0) && bits_count(&a) == 0, "empty");
	ok(bits_data(&a, &len) == NULL && len == 0, "no bytes");
	bits_add(&a, 0);
	bits_add(&a, 7);
	bits_add(&a, 16);
	bits_add(&a, 16);
	ok(bits_has(&a, 0) && bits_has(&a, 7) && bits_has(&a, 16), "added");
	ok(!bits_has(&a, 1) && !bits_has(&a, 17) && !bits_has(&a, 1000),
	    "others are not");
	is_int((long long)bits_count(&a), 3, "three");
	bits_add(&a, -1);
	bits_add(&a, BITS_MAX);
	ok(!bits_has(&a, -1) && !bits_has(&a, BITS_MAX) && bits_count(&a) == 3,
	    "beyond the limits: never");
	bits_set(&b, bytes, sizeof(bytes));
	ok(equal(&a, &b), "as bytes, zeros at the end left out");
	ok(memcmp(bits_data(&a, &len), bytes, 3) == 0 && len == 3, "and back");
	bits_add(&c, 16);
	bits_add(&c, 99999);
	bits_part(&b, &c);
	bits_part(&b, &c);
	is_int((long long)bits_count(&b), 2, "taken out");
	ok(!equal(&a, &b), "not equal");
	ok(bits_data(&b, &len) != NULL && len == 1, "and shorter");
	bits_add(&b, 100000);
	is_int((long long)bits_common(&a, &b), 2, "in both");
	is_int((long long)bits_common(&b, &a), 2, "either way");
	bits_join(&a, &b);
	is_int((long long)bits_count(&a), 4, "joined");
	ok(bits_has(&a, 100000) && bits_has(&a, 16), "all of both");
	bits_set(&a, NULL, 0);
	ok(bits_count(&a) == 0, "replaced");
	bits_join(&a, &b);
	ok(equal(&a, &b), "into an empty one");
	bits_release(&a);
	bits_release(&b);
	bits_release(&c);
	return done();
}
