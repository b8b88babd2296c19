/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/wal/walread.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/wal/walpos.h"

#define UNIT_MAX (WAL_FRAME_HDR_SIZE + 65536)

void
walread_init(struct walread *w, struct growth *growth)
{
	*w = (struct walread){ .growth = growth };
	w->unit = xmalloc(UNIT_MAX);
}

void
walread_release(struct walread *w)
{
	free(w->unit);
	w->unit = NULL;
}

void
walread_start(struct walread *w, uint64_t at, uint32_t page_size)
{
	w->log = walpos(walpos_index(at), 0);
	w->hdr = (struct wal_hdr){ .page_size = page_size };
	w->pos = 0;
	w->frames = 0;
	w->have = 0;
}

void
walread_go_on(
    struct walread *w, uint64_t at, const struct chain *c, uint32_t page_size)
{
	walread_start(w, at, page_size);
	w->pos = walpos_offset(at);
	if (w->pos > 0)
		walpos_unchain(c, w->hdr.salt, w->sum);
}

uint64_t
walread_at(const struct walread *w)
{
	return w->log + w->pos;
}

void
walread_chain(const struct walread *w, struct chain *c)
{
	walpos_chain(c, w->hdr.salt, w->sum);
}

bool
walread_is_cut(const struct walread *w)
{
	return w->have > 0;
}

bool
walread_unit(struct walread *w, size_t need, const uint8_t **p, size_t *n,
    const uint8_t **unit)
{
	size_t part = need - w->have < *n ? need - w->have : *n;

	*unit = *p;
	if (part < need) {
		memcpy(w->unit + w->have, *p, part);
		*unit = w->unit;
	}
	*p += part;
	*n -= part;
	w->pos += part;
	w->have += part;
	if (w->have < need)
		return false;
	w->have = 0;
	return true;
}

void
walread_keep(struct walread *w, const uint8_t *unit, size_t n)
{
	memmove(w->unit, unit, n);
	w->have = n;
}

static int
take_header(struct walread *w, const uint8_t *p, struct err *e)
{
	uint32_t page_size = w->hdr.page_size;

	if (wal_hdr_parse(&w->hdr, p, e) == -1)
		return -1;
	if (w->hdr.page_size != page_size)
		return err_set(e, ERR_CORRUPT,
		    "page size %" PRIu32
		    " in a WAL over a snapshot with %" PRIu32,
		    w->hdr.page_size, page_size);
	memcpy(w->sum, w->hdr.sum, sizeof(w->sum));
	return 0;
}

static int
take_frame(struct walread *w, const uint8_t *p, walread_frame *frame, void *ctx,
    struct err *e)
{
	const uint8_t *page = p + WAL_FRAME_HDR_SIZE;
	struct wal_frame f;

	wal_frame_parse(&f, p);
	w->frames++;
	if (!wal_frame_follows(&w->hdr, p, page, w->sum))
		return err_set(e, ERR_CORRUPT,
		    "frame %" PRIu32 " of WAL index %08" PRIx32
		    " does not continue its chain (salt or checksum)",
		    w->frames, walpos_index(w->log));
	if (f.pgno > GROWTH_PAGES_MAX)
		return err_set(e, ERR_CORRUPT,
		    "frame %" PRIu32 " of WAL index %08" PRIx32
		    " is for page %" PRIu32,
		    w->frames, walpos_index(w->log), f.pgno);
	if (f.commit != 0 && w->growth != NULL &&
	    growth_commit(w->growth, f.commit, e) == -1)
		return err_in(e, "frame %" PRIu32 " of WAL index %08" PRIx32,
		    w->frames, walpos_index(w->log));
	return frame(ctx, &f, page, e);
}

int
walread_feed(struct walread *w, const uint8_t *p, size_t n,
    walread_frame *frame, void *ctx, struct err *e)
{
	const uint8_t *unit;
	size_t need;

	while (n > 0) {
		need = WAL_FRAME_HDR_SIZE + w->hdr.page_size;
		if (w->pos - w->have < WAL_HDR_SIZE)
			need = WAL_HDR_SIZE;
		if (!walread_unit(w, need, &p, &n, &unit))
			break;
		if ((w->pos == WAL_HDR_SIZE
			    ? take_header(w, unit, e)
			    : take_frame(w, unit, frame, ctx, e)) == -1)
			return -1;
	}
	return 0;
}
