#include "lib/replica/wal/vwal.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/wal/object.h"

int
vwal_begin(struct vwal *v, struct object_enc *out, uint32_t page_size,
    uint32_t index, uint64_t offset, const uint32_t salt[2],
    const uint32_t sum[2], struct err *e)
{
	uint8_t p[WAL_HDR_SIZE];

	v->out = out;
	v->hdr = (struct wal_hdr){ .page_size = page_size,
		.seq = index,
		.salt = { salt[0], salt[1] } };
	v->frames = v->pgno = 0;
	if (v->page_room < page_size) {
		v->page = xrealloc(v->page, page_size);
		v->page_room = page_size;
	}
	if (offset > 0) {
		memcpy(v->sum, sum, sizeof(v->sum));
		return 0;
	}
	wal_hdr_write(&v->hdr, p);
	memcpy(v->sum, v->hdr.sum, sizeof(v->sum));
	return object_enc_add(out, p, sizeof(p), e);
}

static int
put_held(struct vwal *v, uint32_t commit, struct err *e)
{
	uint8_t p[WAL_FRAME_HDR_SIZE];

	wal_frame_write(&v->hdr, v->pgno, commit, v->page, v->sum, p);
	if (object_enc_add(v->out, p, sizeof(p), e) == -1)
		return -1;
	return object_enc_add(v->out, v->page, v->hdr.page_size, e);
}

int
vwal_add(struct vwal *v, uint32_t pgno, const uint8_t *page, struct err *e)
{
	if (v->pgno != 0 && put_held(v, 0, e) == -1)
		return -1;
	v->pgno = pgno;
	v->frames++;
	memcpy(v->page, page, v->hdr.page_size);
	return 0;
}

int
vwal_commit(struct vwal *v, uint32_t pages, struct err *e)
{
	if (v->pgno == 0)
		return err_set(e, ERR_BUG, "a changeset without a page");
	return put_held(v, pages, e);
}

void
vwal_release(struct vwal *v)
{
	free(v->page);
	*v = (struct vwal){ 0 };
}
