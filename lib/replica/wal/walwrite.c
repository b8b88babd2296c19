/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of a history, written.
 */
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/replica/wal/codec.h"
#include "lib/replica/wal/object.h"
#include "lib/replica/wal/vwal.h"

struct writer {
	struct object_enc *enc;
	struct vwal vwal;
	bool changes; /* it is a segment */
	uint32_t page_size;
};

static struct writer *
make(void)
{
	struct writer *w = xcalloc(1, sizeof(*w));

	w->enc = object_enc_new();
	return w;
}

static void
writer_free(struct writer *w)
{
	if (w == NULL)
		return;
	object_enc_free(w->enc);
	vwal_release(&w->vwal);
	free(w);
}

static int
begin(struct writer *w, struct spool *out, bool changes, uint32_t page_size,
    struct err *e)
{
	w->changes = changes;
	w->page_size = page_size;
	if (spool_reset(out, e) == -1)
		return -1;
	return object_enc_begin(w->enc, out, e);
}

static int
segment(struct writer *w, struct spool *out, const struct pos *pos,
    const struct chain *c, uint32_t page_size, struct err *e)
{
	struct chain from = *c;

	if (walpos_begins_log(pos->at) && vwal_salts(&from, e) == -1)
		return -1;
	if (begin(w, out, true, page_size, e) == -1)
		return -1;
	return vwal_begin(&w->vwal, w->enc, page_size, pos->at, &from, e);
}

static int
snapshot(struct writer *w, struct spool *out, uint32_t page_size, struct err *e)
{
	return begin(w, out, false, page_size, e);
}

static int
page(struct writer *w, uint32_t pgno, const uint8_t *data, struct err *e)
{
	return w->changes ? vwal_add(&w->vwal, pgno, data, e)
			  : object_enc_add(w->enc, data, w->page_size, e);
}

static uint64_t
raw(const struct writer *w)
{
	return object_enc_raw(w->enc);
}

static int
end(struct writer *w, struct provenance *pv, struct chain *c, struct err *e)
{
	if (w->changes && vwal_commit(&w->vwal, pv->pages, c, e) == -1)
		return -1;
	pv->length = object_enc_raw(w->enc);
	return object_enc_finish(w->enc, pv, e);
}

static int
note(struct writer *w, struct spool *out, const struct buf *data,
    struct provenance *pv, struct err *e)
{
	if (begin(w, out, false, 0, e) == -1)
		return -1;
	if (data != NULL && data->len > 0 &&
	    object_enc_add(w->enc, data->data, data->len, e) == -1)
		return -1;
	pv->length = object_enc_raw(w->enc);
	return object_enc_finish(w->enc, pv, e);
}

const struct codec_writer wal_writer = { .make = make,
	.free = writer_free,
	.segment = segment,
	.snapshot = snapshot,
	.page = page,
	.raw = raw,
	.end = end,
	.note = note };
