/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/wal/codec.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/replica/wal/layout.h"
#include "lib/sys/rng.h"

static int
begin(struct pos *pos, struct err *e)
{
	uint8_t random[5];

	if (rng_bytes(random, sizeof(random), e) == -1)
		return -1;
	layout_new_generation(pos->line, random);
	pos->at = walpos(0, 0);
	return 0;
}

static void
label(char text[CODEC_LABEL], uint64_t at)
{
	(void)snprintf(text, CODEC_LABEL, "%08" PRIx32, walpos_index(at));
}

const struct codec wal_codec = {
	.format = FORMAT_WAL,
	.traits = { .tick_ns = 1 },
	.writer = &wal_writer,
	.prefix = layout_generation_prefix,
	.key = layout_key,
	.parse = layout_parse_below,
	.is_own = layout_is_own,
	.label = label,
	.same_log = walpos_same_log,
	.next_log = walpos_next_log,
	.begins_log = walpos_begins_log,
	.begin = begin,
	.snapshot = walpos_snapshot,
	.behind = walpos_behind,
	.is_last = walpos_is_last,
	.is_sound = walpos_is_sound,
};
