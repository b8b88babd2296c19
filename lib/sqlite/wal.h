/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wal -- SQLite's write-ahead log as bytes: header, frames, running checksum.
 *
 * Source: sqlite.org/fileformat2.html section 4 ("The Write-Ahead Log").
 * A log is a 32-byte header and frames of a 24-byte header and one page.  All
 * fields are big-endian; the header's magic says how the *checksum* reads its
 * words.  A frame counts if its salts are the header's and its checksum
 * continues from the frame before; what follows the last commit frame is not
 * committed.
 *
 * Pure: bytes in, bytes out.
 */
#ifndef LSPP_SQLITE_WAL_H
#define LSPP_SQLITE_WAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define WAL_HDR_SIZE       32
#define WAL_FRAME_HDR_SIZE 24
#define WAL_MAGIC_LE       0x377f0682u /* checksum words little-endian */
#define WAL_MAGIC_BE       0x377f0683u
#define WAL_VERSION        3007000u

struct wal_hdr {
	bool big_endian; /* checksum words */
	uint32_t page_size;
	uint32_t seq; /* checkpoint sequence number */
	uint32_t salt[2];
	uint32_t sum[2]; /* of the header itself: where frame 1 goes on */
};

struct wal_frame {
	uint32_t pgno;
	uint32_t commit; /* database size in pages, 0: not a commit frame */
	uint32_t salt[2];
	uint32_t sum[2];
};

/*
 * Parse and check 32 bytes.  ERR_CORRUPT names the rule that broke: magic,
 * page size (a power of two, 512 to 65536), checksum, version; *h is all zeros
 * then, so that nothing of a header that does not hold is ever used.
 */
int wal_hdr_parse(
    struct wal_hdr *h, const uint8_t p[WAL_HDR_SIZE], struct err *e);

/*
 * Is it only the version that does not hold?  What is no header counts as no
 * log for SQLite; this one makes it refuse the database (walIndexRecover()).
 */
bool wal_hdr_other_version(const uint8_t p[WAL_HDR_SIZE]);

/* Write the 32 bytes; sets h->sum. */
void wal_hdr_write(struct wal_hdr *h, uint8_t p[WAL_HDR_SIZE]);

/*
 * The running checksum over n bytes, n a multiple of 8, on from sum[].  Speed
 * matters: this is run over every byte shipped and restored.
 */
void wal_sum(bool big_endian, const uint8_t *p, size_t n, uint32_t sum[2]);

/* The fields of a frame header, unchecked. */
void wal_frame_parse(struct wal_frame *f, const uint8_t p[WAL_FRAME_HDR_SIZE]);

/*
 * Is this frame the one that follows sum[] under h?  True moves sum[] on to
 * the frame's own checksum; false leaves it.
 */
bool wal_frame_follows(const struct wal_hdr *h, const uint8_t *frame_hdr,
    const uint8_t *page, uint32_t sum[2]);

/* Write the 24 bytes of a frame for page; moves sum[] on. */
void wal_frame_write(const struct wal_hdr *h, uint32_t pgno, uint32_t commit,
    const uint8_t *page, uint32_t sum[2], uint8_t p[WAL_FRAME_HDR_SIZE]);

/* Offset of frame n (from 1) in a log with that page size. */
static inline uint64_t
wal_frame_offset(uint32_t page_size, uint64_t n)
{
	return WAL_HDR_SIZE + (n - 1) * (WAL_FRAME_HDR_SIZE + page_size);
}

#endif
