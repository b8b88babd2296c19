/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/ltx/ltx_sum.h"

#include <pthread.h>

#include "lib/base/be.h"
#include "lib/base/le.h"

#define POLY UINT64_C(0xd800000000000000)

enum { EIGHT = 8, SLICES = 2 * EIGHT };

/* table[k][b] is what byte b does to the CRC k bytes later. */
static uint64_t table[SLICES][256];
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void
make(void)
{
	for (unsigned b = 0; b < 256; b++) {
		uint64_t crc = b;

		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? POLY : 0);
		table[0][b] = crc;
	}
	for (int k = 1; k < SLICES; k++)
		for (unsigned b = 0; b < 256; b++)
			table[k][b] = table[k - 1][b] >> 8 ^
			    table[0][table[k - 1][b] & 0xff];
}

/* What 8 bytes do to the CRC, the last of them so many bytes later. */
static uint64_t
eight(uint64_t v, unsigned later)
{
	uint64_t(*t)[256] = table + later;

	return t[7][v & 0xff] ^ t[6][v >> 8 & 0xff] ^ t[5][v >> 16 & 0xff] ^
	    t[4][v >> 24 & 0xff] ^ t[3][v >> 32 & 0xff] ^ t[2][v >> 40 & 0xff] ^
	    t[1][v >> 48 & 0xff] ^ t[0][v >> 56];
}

uint64_t
ltx_crc(uint64_t crc, const void *data, size_t n)
{
	const uint8_t *p = data;

	(void)pthread_once(&made, make);
	crc = ~crc;
	for (; n >= SLICES; p += SLICES, n -= SLICES)
		crc = eight(crc ^ le64(p), EIGHT) ^ eight(le64(p + EIGHT), 0);
	for (; n > 0; n--)
		crc = table[0][(crc ^ *p++) & 0xff] ^ crc >> 8;
	return ~crc;
}

/* The product of two polynomials modulo that of the CRC.  The highest bit is
 * the coefficient of 1. */
static uint64_t
times(uint64_t a, uint64_t b)
{
	uint64_t product = 0;

	for (; a != 0; a <<= 1) {
		if (a & LTX_SUM_FLAG)
			product ^= b;
		b = b >> 1 ^ (b & 1 ? POLY : 0);
	}
	return product;
}

/* Each byte behind a string multiplies its CRC by x^8. */
uint64_t
ltx_crc_join(uint64_t first, uint64_t second, uint64_t n)
{
	uint64_t power = LTX_SUM_FLAG >> 8;

	for (; n > 0; n >>= 1) {
		if (n & 1)
			first = times(power, first);
		power = times(power, power);
	}
	return first ^ second;
}

uint64_t
ltx_page_sum(uint32_t pgno, const uint8_t *page, uint32_t size)
{
	uint8_t number[4];

	be32_put(number, pgno);
	return ltx_crc(ltx_crc(0, number, sizeof(number)), page, size) |
	    LTX_SUM_FLAG;
}
