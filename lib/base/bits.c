/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/bits.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"

void
bits_release(struct bits *b)
{
	free(b->data);
	*b = (struct bits){ 0 };
}

/* So many bytes, new ones 0. */
static void
grow(struct bits *b, size_t len)
{
	if (len <= b->len)
		return;
	if (len > b->room) {
		b->room = len > 2 * b->room ? len : 2 * b->room;
		b->data = xrealloc(b->data, b->room);
	}
	memset(b->data + b->len, 0, len - b->len);
	b->len = len;
}

static void
trim(struct bits *b)
{
	while (b->len > 0 && b->data[b->len - 1] == 0)
		b->len--;
}

static bool
may_be(int64_t n)
{
	return n >= 0 && n < BITS_MAX;
}

void
bits_add(struct bits *b, int64_t n)
{
	if (!may_be(n))
		return;
	grow(b, (size_t)n / 8 + 1);
	b->data[n / 8] |= (uint8_t)(1 << n % 8);
}

bool
bits_has(const struct bits *b, int64_t n)
{
	return may_be(n) && (size_t)n / 8 < b->len &&
	    (b->data[n / 8] >> n % 8 & 1) != 0;
}

uint64_t
bits_count(const struct bits *b)
{
	uint64_t n = 0;

	for (size_t i = 0; i < b->len; i++)
		n += (uint64_t)__builtin_popcount(b->data[i]);
	return n;
}

uint64_t
bits_common(const struct bits *a, const struct bits *b)
{
	size_t len = a->len < b->len ? a->len : b->len;
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += (uint64_t)__builtin_popcount(a->data[i] & b->data[i]);
	return n;
}

void
bits_join(struct bits *b, const struct bits *from)
{
	grow(b, from->len);
	for (size_t i = 0; i < from->len; i++)
		b->data[i] |= from->data[i];
}

void
bits_part(struct bits *b, const struct bits *from)
{
	size_t len = b->len < from->len ? b->len : from->len;

	for (size_t i = 0; i < len; i++)
		b->data[i] &= (uint8_t)~from->data[i];
	trim(b);
}

void
bits_set(struct bits *b, const void *data, size_t len)
{
	if (len > BITS_MAX / 8)
		len = BITS_MAX / 8;
	b->len = 0;
	grow(b, len);
	if (len > 0)
		memcpy(b->data, data, len);
	trim(b);
}

const void *
bits_data(const struct bits *b, size_t *len)
{
	*len = b->len;
	return b->len > 0 ? b->data : NULL;
}
