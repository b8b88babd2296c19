/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/wal/walpos.h"

#include "lib/base/be.h"
#include "lib/replica/wal/layout.h"
#include "lib/sqlite/wal.h"

uint64_t
walpos_behind(uint64_t at, uint64_t bytes, uint64_t roll_at)
{
	if (walpos_offset(at) + bytes >= roll_at)
		return walpos(walpos_index(at) + 1, 0);
	return at + bytes;
}

bool
walpos_is_last(uint64_t at)
{
	return walpos_index(at) >= LAYOUT_INDEX_MAX - 1;
}

void
walpos_chain(struct chain *c, const uint32_t salt[2], const uint32_t sum[2])
{
	*c = (struct chain){ .n = WALPOS_CHAIN };
	for (size_t i = 0; i < 2; i++) {
		be32_put(c->bytes + 4 * i, salt[i]);
		be32_put(c->bytes + 8 + 4 * i, sum[i]);
	}
}

void
walpos_unchain(const struct chain *c, uint32_t salt[2], uint32_t sum[2])
{
	for (size_t i = 0; i < 2; i++) {
		salt[i] = be32(c->bytes + 4 * i);
		sum[i] = be32(c->bytes + 8 + 4 * i);
	}
}

bool
walpos_is_sound(const struct pos *pos, const struct chain *c, uint64_t snapshot,
    uint32_t segments, uint32_t page_size)
{
	uint32_t index = walpos_index(pos->at), offset = walpos_offset(pos->at);

	return layout_is_generation(pos->line) && index <= LAYOUT_INDEX_MAX &&
	    (offset == 0 ||
		(c->n == WALPOS_CHAIN && offset >= WAL_HDR_SIZE &&
		    (offset - WAL_HDR_SIZE) %
			    (WAL_FRAME_HDR_SIZE + page_size) ==
			0)) &&
	    walpos_offset(snapshot) == 0 && walpos_index(snapshot) <= index &&
	    index - walpos_index(snapshot) <= segments;
}
