/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx_header -- the first 100 bytes of an LTX file.
 *
 *	offset	size
 *	0	4	"LTX1"
 *	4	4	flags: 2, no rolling checksums; 0, with these
 *	8	4	page size
 *	12	4	pages of the database behind the last transaction
 *	16	8	first TXID
 *	24	8	last TXID
 *	32	8	when that was, ms since 1970
 *	40	8	rolling checksum of the state before, 0 if there is none
 *	48	8	where in a WAL it was read, and how many bytes
 *	56	8
 *	64	8	salts of that WAL
 *	72	8	node
 *	80	20	reserved
 * All numbers are big-endian.  A file whose first TXID is 1 is a snapshot: it
 * has every page.  Source of each rule: superfly/ltx v0.5.2, Header.Validate().
 */
#ifndef LSPP_REPLICA_LTX_HEADER_H
#define LSPP_REPLICA_LTX_HEADER_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct ltx_name;

#define LTX_HEADER_SIZE 100
#define LTX_RESERVED    20

/*
 * Where a file says that its pages were read in a WAL, if it was not compaction
 * that made it: behind the header of the WAL.  Litestream's daemon, which goes
 * on behind what it finds, takes a lower place for damage and ships no more.
 */
#define LTX_WAL_BEGINS 32

struct ltx_header {
	bool summed; /* it has rolling checksums */
	uint32_t page_size, pages;
	uint64_t min, max;
	int64_t captured_ns; /* whole milliseconds */
	uint64_t before;     /* the rolling checksum, or 0 */
	uint64_t wal_at;     /* where in a WAL; 0: in none */
	uint64_t node;
	uint8_t reserved[LTX_RESERVED];
};

/*
 * ERR_CORRUPT: it is none, or one that makes no sense; also one that leads to
 * an empty database, which nobody ships.
 */
int ltx_header_parse(
    struct ltx_header *h, const uint8_t p[LTX_HEADER_SIZE], struct err *e);

/* With nothing of what was at that place in the WAL. */
void ltx_header_write(const struct ltx_header *h, uint8_t p[LTX_HEADER_SIZE]);

/* Is it that of the file with that name?  ERR_CORRUPT says what differs. */
int ltx_header_is(
    const struct ltx_header *h, const struct ltx_name *n, struct err *e);

static inline bool
ltx_is_snapshot(const struct ltx_header *h)
{
	return h->min == 1;
}

#endif
