/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/ltx/codec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/ltx/ltx_names.h"

enum { NS_IN_MS = 1000000 };

/* The state keeps 63 bits of it, and no replica comes there by itself. */
#define LAST_TXID (INT64_MAX - 1)

static void
put_prefix(struct buf *b, const char *db, enum ltx_levels how)
{
	if (*db != '\0')
		buf_addf(b, "%s/", db);
	if (how == LTX_LEVELS_DIR)
		buf_adds(b, "ltx/");
}

static void
prefix_dir(struct buf *b, const char *db, const char *line)
{
	(void)line;
	put_prefix(b, db, LTX_LEVELS_DIR);
}

static void
prefix_flat(struct buf *b, const char *db, const char *line)
{
	(void)line;
	put_prefix(b, db, LTX_LEVELS_FLAT);
}

static void
put_key(struct buf *b, const char *db, enum ltx_levels how,
    const struct layout_name *name)
{
	struct ltx_name n = { 0, name->at, name->at };

	if (name->kind == LAYOUT_SNAPSHOT)
		n = (struct ltx_name){ LTX_SNAPSHOTS, 1, name->at - 1 };
	ltx_key(b, db, how, &n);
}

static void
key_dir(struct buf *b, const char *db, const char *line,
    const struct layout_name *name)
{
	(void)line;
	put_key(b, db, LTX_LEVELS_DIR, name);
}

static void
key_flat(struct buf *b, const char *db, const char *line,
    const struct layout_name *name)
{
	(void)line;
	put_key(b, db, LTX_LEVELS_FLAT, name);
}

/* What compaction made of it stands nowhere. */
static bool
parse(const char *rest, enum ltx_levels how, char line[POS_LINE],
    struct layout_name *name)
{
	const char *slash = strchr(rest, '/');
	struct ltx_name n;
	unsigned level;

	line[0] = '\0';
	if (slash == NULL ||
	    !ltx_parse_level(rest, (size_t)(slash - rest), how, &level) ||
	    !ltx_parse(&n, slash + 1) || !ltx_name_makes_sense(&n))
		return false;
	if (level == 0 && n.min == n.max)
		*name = (struct layout_name){ LAYOUT_SEGMENT, n.max };
	else if (level == LTX_SNAPSHOTS && n.min == 1)
		*name = (struct layout_name){ LAYOUT_SNAPSHOT, n.max + 1 };
	else
		return false;
	return true;
}

static bool
parse_dir(const char *rest, char line[POS_LINE], struct layout_name *name)
{
	return parse(rest, LTX_LEVELS_DIR, line, name);
}

static bool
parse_flat(const char *rest, char line[POS_LINE], struct layout_name *name)
{
	return parse(rest, LTX_LEVELS_FLAT, line, name);
}

/* No name tells. */
static bool
is_own(const char *line)
{
	(void)line;
	return false;
}

static void
label(char text[CODEC_LABEL], uint64_t at)
{
	(void)snprintf(text, CODEC_LABEL, "%016" PRIx64, at - 1);
}

static bool
same_log(uint64_t a, uint64_t b)
{
	return a == b;
}

static uint64_t
next_log(uint64_t at)
{
	return at + 1;
}

static bool
begins_log(uint64_t at)
{
	(void)at;
	return true;
}

static int
begin(struct pos *pos, struct err *e)
{
	if (pos->at == 0 || pos->at >= LAST_TXID)
		return err_set(
		    e, ERR_CONFIG, "its TXIDs are used up: %" PRIx64, pos->at);
	(void)snprintf(pos->line, sizeof(pos->line), "%016" PRIx64, pos->at);
	return 0;
}

static uint64_t
snapshot(uint64_t at)
{
	return at;
}

static uint64_t
behind(uint64_t at, uint64_t bytes, uint64_t roll_at)
{
	(void)bytes;
	(void)roll_at;
	return at + 1;
}

static bool
is_last(uint64_t at)
{
	return at >= LAST_TXID;
}

static bool
is_sound(const struct pos *pos, const struct chain *c, uint64_t at_snapshot,
    uint32_t segments, uint32_t page_size)
{
	uint64_t first;

	(void)page_size;
	return c->n == 0 && ltx_parse_txid(&first, pos->line) && first > 0 &&
	    at_snapshot > first && pos->at <= LAST_TXID &&
	    pos->at >= at_snapshot && pos->at - at_snapshot == segments;
}

#define COMMON                                                                \
	.format = FORMAT_LTX,                                                 \
	.traits = { .one_row = true,                                          \
		.no_lock_page = true,                                         \
		.tick_ns = NS_IN_MS },                                        \
	.writer = &ltx_writer, .is_own = is_own, .label = label,              \
	.same_log = same_log, .next_log = next_log, .begins_log = begins_log, \
	.begin = begin, .snapshot = snapshot, .behind = behind,               \
	.is_last = is_last, .is_sound = is_sound

const struct codec ltx_dir_codec = {
	COMMON,
	.prefix = prefix_dir,
	.key = key_dir,
	.parse = parse_dir,
};

const struct codec ltx_flat_codec = {
	COMMON,
	.prefix = prefix_flat,
	.key = key_flat,
	.parse = parse_flat,
};
