/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/format.h"

#include <stddef.h>

#include "lib/replica/ltx/codec.h"
#include "lib/replica/wal/codec.h"

const struct codec *
format_codec(enum format format, bool flat)
{
	switch (format) {
	case FORMAT_WAL: return &wal_codec;
	case FORMAT_LTX: return flat ? &ltx_flat_codec : &ltx_dir_codec;
	}
	return NULL;
}
