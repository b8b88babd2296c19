/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pagesum -- a checksum of a database that follows its pages one by one.
 *
 * The sum of a page is XXH3-128 of its image, seeded with its page number;
 * the sum of a database is the XOR of the sums of its pages 1..n.  XOR makes
 * it free of order and its own inverse: changing a page is
 * total ^= old ^ new.  Not a defence against an adversary.
 */
#ifndef LSPP_SQLITE_PAGESUM_H
#define LSPP_SQLITE_PAGESUM_H

#include <stdbool.h>
#include <stdint.h>

#define PAGESUM_SIZE 16

struct pagesum {
	uint64_t hi, lo; /* canonical big-endian order when stored: hi, lo */
};

/* A page sum as it is logged while pages are read, ascending by page. */
struct sum_entry {
	uint32_t pgno;
	struct pagesum sum;
};

struct pagesum pagesum_of(uint32_t pgno, const uint8_t *page, uint32_t size);
void pagesum_xor(struct pagesum *total, struct pagesum s);
bool pagesum_equal(struct pagesum a, struct pagesum b);
void pagesum_store(uint8_t p[PAGESUM_SIZE], struct pagesum s);
struct pagesum pagesum_load(const uint8_t p[PAGESUM_SIZE]);

#endif
