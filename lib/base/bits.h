/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bits -- a set of small numbers, a bit for each up to the largest.
 *
 * { 0 } is the empty set.  As bytes it is what bits_data() says, the bit of n
 * being 1 << n % 8 of byte n / 8, without zeros at the end, so that equal sets
 * are equal bytes.
 */
#ifndef LSPP_BASE_BITS_H
#define LSPP_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BITS_MAX (INT64_C(1) << 28) /* 32 MB: larger ones are in no set */

struct bits {
	uint8_t *data;
	size_t len, room; /* bytes */
};

void bits_release(struct bits *b);

/* A number that is negative or too large is not added. */
void bits_add(struct bits *b, int64_t n);
bool bits_has(const struct bits *b, int64_t n);

/* How many numbers are in b; in both a and b. */
uint64_t bits_count(const struct bits *b);
uint64_t bits_common(const struct bits *a, const struct bits *b);

/* All of 'from' to b. */
void bits_join(struct bits *b, const struct bits *from);

/* All of 'from' out of b. */
void bits_part(struct bits *b, const struct bits *from);

/* In place of what b held. */
void bits_set(struct bits *b, const void *data, size_t len);

/* Valid until b changes; NULL, and *len 0, for the empty set. */
const void *bits_data(const struct bits *b, size_t *len);

#endif
