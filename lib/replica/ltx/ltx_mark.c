/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/ltx/ltx_mark.h"

#include <string.h>

#include "lib/base/be.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/ltx/ltx_list.h"
#include "lib/replica/ltx/ltx_names.h"
#include "lib/replica/wal/provenance.h"

#define SECOND INT64_C(1000000000)

static const uint8_t magic[3] = { 'l', 's', 'p' };

/* Places in the bytes that are reserved. */
enum { KIND = 3, STATE = 4, RUN = 8, SUM = 12, MACHINE_SIZE = 8 };

void
ltx_mark(
    struct ltx_header *h, enum ltx_mark_kind kind, const struct provenance *pv)
{
	uint8_t *p = h->reserved;

	h->node = be64(pv->writer);
	memcpy(p, magic, sizeof(magic));
	p[KIND] = (uint8_t)kind;
	memcpy(p + STATE, pv->writer + MACHINE_SIZE,
	    LTX_MARK_WRITER - MACHINE_SIZE);
	be32_put(p + RUN, (uint32_t)pv->run);
	be64_put(p + SUM, pv->sum.hi);
}

void
ltx_mark_merged(
    struct ltx_header *h, const struct ltx_header *last, int64_t stored_ns)
{
	h->node = last->node;
	memcpy(h->reserved, last->reserved, sizeof(h->reserved));
	h->reserved[KIND] = LTX_MERGED;
	be32_put(h->reserved + RUN, (uint32_t)(stored_ns / SECOND));
}

static bool
has_mark(const struct ltx_header *h)
{
	uint8_t kind = h->reserved[KIND];

	return memcmp(h->reserved, magic, sizeof(magic)) == 0 &&
	    kind >= LTX_STEP && kind <= LTX_MERGED;
}

int64_t
ltx_mark_stored(const struct ltx_header *h)
{
	return has_mark(h) && h->reserved[KIND] == LTX_MERGED
	    ? be32(h->reserved + RUN) * SECOND
	    : -1;
}

bool
ltx_mark_has_sum(const struct ltx_header *h, uint64_t first)
{
	return !has_mark(h) || be64(h->reserved + SUM) == first;
}

bool
ltx_marked(const struct ltx_header *h, struct provenance *pv)
{
	const uint8_t *p = h->reserved;

	*pv = (struct provenance){ .captured_ns = h->captured_ns,
		.page_size = h->page_size,
		.pages = h->pages,
		.name = { LAYOUT_SEGMENT, h->max } };
	if (!has_mark(h))
		return false;
	if (p[KIND] != LTX_STEP)
		pv->name.kind = LAYOUT_SNAPSHOT;
	be64_put(pv->writer, h->node);
	memcpy(pv->writer + MACHINE_SIZE, p + STATE,
	    LTX_MARK_WRITER - MACHINE_SIZE);
	pv->run = p[KIND] != LTX_MERGED ? be32(p + RUN) : 0;
	pv->sum.hi = be64(p + SUM);
	return true;
}

int
ltx_mark_peek(
    struct store *s, const char *key, struct provenance *pv, struct err *e)
{
	enum ltx_levels how;
	struct ltx_header h;
	struct ltx_name n;
	size_t db;

	if (!ltx_object(key, &db, &how, &n))
		return err_set(e, ERR_BUG, "%s is not the name of a file", key);
	if (ltx_peek_key(s, key, &n, &h, e) == -1)
		return -1;
	return ltx_marked(&h, pv);
}
