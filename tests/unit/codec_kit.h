/* SPDX-License-Identifier: Apache-2.0 */
/* codec_kit -- what the tests of codecs share. */
#ifndef LSPP_TESTS_UNIT_CODEC_KIT_H
#define LSPP_TESTS_UNIT_CODEC_KIT_H

#include <string.h>

#include "lib/replica/codec/codec.h"

#define PAGE 512u

static const struct codec *codec;

/* May a record say so? */
static inline bool
sound(const char *line, uint64_t at, unsigned chain, uint64_t snapshot,
    uint32_t segments)
{
	struct pos pos = { .at = at };
	struct chain c = { .n = (uint8_t)chain };

	memcpy(pos.line, line, strlen(line));
	return codec->is_sound(&pos, &c, snapshot, segments, PAGE);
}

#endif
