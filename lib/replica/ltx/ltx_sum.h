/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx_sum -- the checksums of LTX: CRC-64/ISO, and what is made of it.
 *
 * The CRC is that of Go's hash/crc64 with its table ISO: the polynomial
 * 0xd800000000000000 (reflected), all ones at the beginning and inverted at the
 * end.  Of "123456789" it is b90956c775a41001.  Each checksum in a file has its
 * highest bit set, so that none is 0 (superfly/ltx: ChecksumFlag).
 *
 * The sum of a page is the CRC of its number, 4 bytes big-endian, and its
 * bytes; the rolling checksum of a database is the XOR of those of its pages,
 * but for the page of the lock, with the highest bit set
 * (superfly/ltx: checksum.go).
 */
#ifndef LSPP_REPLICA_LTX_SUM_H
#define LSPP_REPLICA_LTX_SUM_H

#include <stddef.h>
#include <stdint.h>

#define LTX_SUM_FLAG (UINT64_C(1) << 63)

/* Go on with the CRC of what came before; 0 begins. */
uint64_t ltx_crc(uint64_t crc, const void *p, size_t n);

/* The CRC of two strings, the second of n bytes, from those of each. */
uint64_t ltx_crc_join(uint64_t first, uint64_t second, uint64_t n);

/* The sum of a page. */
uint64_t ltx_page_sum(uint32_t pgno, const uint8_t *page, uint32_t size);

/* The page that holds the byte of SQLite's locks, which no file has
 * (sqlite.org/fileformat2.html 1.2, "The Lock-Byte Page"). */
static inline uint32_t
ltx_lock_page(uint32_t page_size)
{
	return 0x40000000u / page_size + 1;
}

#endif
