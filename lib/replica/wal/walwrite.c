#include "lib/replica/wal/walwrite.h"

#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/replica/wal/object.h"
#include "lib/replica/wal/vwal.h"

struct walwrite {
	struct object_enc *enc;
	struct vwal vwal;
	bool segment;
	uint32_t page_size;
};

struct walwrite *
walwrite_new(void)
{
	struct walwrite *w = xcalloc(1, sizeof(*w));

	w->enc = object_enc_new();
	return w;
}

void
walwrite_free(struct walwrite *w)
{
	if (w == NULL)
		return;
	object_enc_free(w->enc);
	vwal_release(&w->vwal);
	free(w);
}

static int
begin(struct walwrite *w, struct spool *out, bool segment, uint32_t page_size,
    struct err *e)
{
	w->segment = segment;
	w->page_size = page_size;
	if (spool_reset(out, e) == -1)
		return -1;
	return object_enc_begin(w->enc, out, e);
}

int
walwrite_segment(struct walwrite *w, struct spool *out, const struct pos *pos,
    const struct chain *c, uint32_t page_size, struct err *e)
{
	struct chain from = *c;

	if (walpos_begins_log(pos->at) && vwal_salts(&from, e) == -1)
		return -1;
	if (begin(w, out, true, page_size, e) == -1)
		return -1;
	return vwal_begin(&w->vwal, w->enc, page_size, pos->at, &from, e);
}

int
walwrite_snapshot(
    struct walwrite *w, struct spool *out, uint32_t page_size, struct err *e)
{
	return begin(w, out, false, page_size, e);
}

int
walwrite_page(
    struct walwrite *w, uint32_t pgno, const uint8_t *page, struct err *e)
{
	return w->segment ? vwal_add(&w->vwal, pgno, page, e)
			  : object_enc_add(w->enc, page, w->page_size, e);
}

uint64_t
walwrite_raw(const struct walwrite *w)
{
	return object_enc_raw(w->enc);
}

int
walwrite_end(
    struct walwrite *w, struct provenance *pv, struct chain *c, struct err *e)
{
	if (w->segment && vwal_commit(&w->vwal, pv->pages, c, e) == -1)
		return -1;
	pv->length = object_enc_raw(w->enc);
	return object_enc_finish(w->enc, pv, e);
}

int
walwrite_note(struct walwrite *w, struct spool *out, const struct buf *data,
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
