#include "lib/replica/format.h"

#include <stddef.h>

#include "lib/replica/wal/codec.h"

const struct codec *
format_codec(enum format format)
{
	return format == FORMAT_WAL ? &wal_codec : NULL;
}
