/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/wal/vwal.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/wal/object.h"
#include "lib/replica/wal/walpos.h"
#include "lib/sys/rng.h"

int
vwal_salts(struct chain *c, struct err *e)
{
	const uint32_t none[2] = { 0 };
	uint32_t salt[2];

	if (rng_bytes(salt, sizeof(salt), e) == -1)
		return -1;
	walpos_chain(c, salt, none);
	return 0;
}

int
vwal_begin(struct vwal *v, struct object_enc *out, uint32_t page_size,
    uint64_t at, const struct chain *c, struct err *e)
{
	uint8_t p[WAL_HDR_SIZE];

	v->out = out;
	v->hdr =
	    (struct wal_hdr){ .page_size = page_size, .seq = walpos_index(at) };
	walpos_unchain(c, v->hdr.salt, v->sum);
	v->frames = v->pgno = 0;
	if (v->page_room < page_size) {
		v->page = xrealloc(v->page, page_size);
		v->page_room = page_size;
	}
	if (walpos_offset(at) > 0)
		return 0;
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
vwal_commit(struct vwal *v, uint32_t pages, struct chain *c, struct err *e)
{
	if (v->pgno == 0)
		return err_set(e, ERR_BUG, "a changeset without a page");
	if (put_held(v, pages, e) == -1)
		return -1;
	walpos_chain(c, v->hdr.salt, v->sum);
	return 0;
}

void
vwal_release(struct vwal *v)
{
	free(v->page);
	*v = (struct vwal){ 0 };
}
