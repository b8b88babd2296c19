/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a history, written.
 */
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/ltx/codec.h"
#include "lib/replica/ltx/ltx_mark.h"
#include "lib/replica/ltx/ltx_write.h"
#include "lib/replica/wal/provenance.h"

struct writer {
	struct ltx_write *file;
	bool all; /* it was begun as a snapshot */
};

static struct writer *
make(void)
{
	struct writer *w = xcalloc(1, sizeof(*w));

	w->file = ltx_write_new();
	return w;
}

static void
writer_free(struct writer *w)
{
	if (w == NULL)
		return;
	ltx_write_free(w->file);
	free(w);
}

static int
segment(struct writer *w, struct spool *out, const struct pos *pos,
    const struct chain *c, uint32_t page_size, struct err *e)
{
	(void)pos;
	(void)c;
	w->all = false;
	return ltx_write_begin(w->file, out, page_size, false, e);
}

static int
snapshot(struct writer *w, struct spool *out, uint32_t page_size, struct err *e)
{
	w->all = true;
	return ltx_write_begin(w->file, out, page_size, false, e);
}

static int
page(struct writer *w, uint32_t pgno, const uint8_t *data, struct err *e)
{
	return ltx_write_page(w->file, pgno, data, e);
}

static uint64_t
raw(const struct writer *w)
{
	return ltx_write_raw(w->file);
}

static struct ltx_header
header(const struct writer *w, const struct provenance *pv)
{
	bool level9 = pv->name.kind == LAYOUT_SNAPSHOT;
	struct ltx_header h = { .pages = pv->pages,
		.min = level9 ? 1 : pv->name.at,
		.max = level9 ? pv->name.at - 1 : pv->name.at,
		.captured_ns = pv->captured_ns,
		.wal_at = level9 ? 0 : LTX_WAL_BEGINS };

	ltx_mark(&h,
	    level9       ? LTX_SNAPSHOT
		: w->all ? LTX_BEGINNING
			 : LTX_STEP,
	    pv);
	return h;
}

static int
end(struct writer *w, struct provenance *pv, struct chain *c, struct err *e)
{
	struct ltx_header h = header(w, pv);

	c->n = 0;
	pv->length = ltx_write_raw(w->file);
	return ltx_write_end(w->file, &h, e);
}

static int
again(struct writer *w, struct spool *out, struct provenance *pv, struct err *e)
{
	struct ltx_header h = header(w, pv);

	pv->length = ltx_write_raw(w->file);
	return ltx_write_again(w->file, out, &h, e);
}

const struct codec_writer ltx_writer = { .make = make,
	.free = writer_free,
	.segment = segment,
	.snapshot = snapshot,
	.page = page,
	.raw = raw,
	.end = end,
	.again = again };
