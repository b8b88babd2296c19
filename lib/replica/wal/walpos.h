/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walpos -- what a position (replica/codec/pos.h) is in this layout.
 *
 * at is the index, times 2^32, and the offset in the WAL of that index; a
 * snapshot stands at offset 0.  The chain is the salts of that WAL and its
 * running checksum, big-endian: of an index that has no WAL yet, nothing that
 * counts.
 */
#ifndef LSPP_REPLICA_WAL_WALPOS_H
#define LSPP_REPLICA_WAL_WALPOS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/replica/codec/pos.h"

#define WALPOS_CHAIN 16 /* bytes */

static inline uint64_t
walpos(uint32_t index, uint32_t offset)
{
	return (uint64_t)index << 32 | offset;
}

static inline uint32_t
walpos_index(uint64_t at)
{
	return (uint32_t)(at >> 32);
}

static inline uint32_t
walpos_offset(uint64_t at)
{
	return (uint32_t)at;
}

/*
 * The objects of one index are a log, which begins at offset 0: one stream of
 * bytes, with one header.
 */
static inline bool
walpos_same_log(uint64_t a, uint64_t b)
{
	return walpos_index(a) == walpos_index(b);
}

static inline bool
walpos_begins_log(uint64_t at)
{
	return walpos_offset(at) == 0;
}

static inline uint64_t
walpos_next_log(uint64_t at)
{
	return walpos(walpos_index(at) + 1, 0);
}

/* Where the next snapshot stands: behind a log, or where it has not begun. */
static inline uint64_t
walpos_snapshot(uint64_t at)
{
	return walpos_begins_log(at) ? at : walpos_next_log(at);
}

/*
 * Behind so many bytes of WAL.  Leaving an index that is long enough (roll_at,
 * 2^32 at most) is part of the position, not of the next step.
 */
uint64_t walpos_behind(uint64_t at, uint64_t bytes, uint64_t roll_at);

/* May no further index be begun behind this one? */
bool walpos_is_last(uint64_t at);

void walpos_chain(
    struct chain *c, const uint32_t salt[2], const uint32_t sum[2]);
/* Of a chain of WALPOS_CHAIN bytes. */
void walpos_unchain(const struct chain *c, uint32_t salt[2], uint32_t sum[2]);

/*
 * Can somebody have come to pos, who put a snapshot at 'snapshot' of its line,
 * and so many segments since?  A position is behind whole frames; each index
 * since that of the snapshot was left behind a segment.
 */
bool walpos_is_sound(const struct pos *pos, const struct chain *c,
    uint64_t snapshot, uint32_t segments, uint32_t page_size);

#endif
