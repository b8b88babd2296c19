/* SPDX-License-Identifier: Apache-2.0 */
/* A WAL: header, frames.  What is accepted is what we would write. */
#include "lib/sqlite/wal.h"

#include <string.h>

#include "lib/base/err.h"
#include "tests/fuzz/fuzz.h"

static void
frames(const struct wal_hdr *h, const uint8_t *data, size_t size)
{
	uint32_t sum[2] = { h->sum[0], h->sum[1] }, was[2];
	uint8_t again[WAL_FRAME_HDR_SIZE];
	const uint8_t *p, *page;
	struct wal_frame f;
	uint64_t n;

	for (n = 1; wal_frame_offset(h->page_size, n + 1) <= size; n++) {
		p = data + wal_frame_offset(h->page_size, n);
		page = p + WAL_FRAME_HDR_SIZE;
		memcpy(was, sum, sizeof(was));
		if (!wal_frame_follows(h, p, page, sum)) {
			must(memcmp(was, sum, sizeof(was)) == 0);
			return;
		}
		wal_frame_parse(&f, p);
		must(f.pgno != 0);
		wal_frame_write(h, f.pgno, f.commit, page, was, again);
		must(memcmp(again, p, sizeof(again)) == 0);
		must(memcmp(was, sum, sizeof(was)) == 0);
	}
}

/* Headers are few among random bytes: make one of them. */
static void
made(const uint8_t *data, size_t size)
{
	struct wal_hdr h = { .big_endian = data[0] & 1, .page_size = 512 };
	uint32_t sum[2] = { 0, 0 };
	uint8_t p[WAL_HDR_SIZE], frame[WAL_FRAME_HDR_SIZE];
	struct wal_hdr got;
	struct err e;

	wal_hdr_write(&h, p);
	must(wal_hdr_parse(&got, p, &e) == 0);
	if (size < h.page_size)
		return;
	wal_frame_write(&h, 1, 1, data, sum, frame);
	sum[0] = sum[1] = 0;
	must(wal_frame_follows(&h, frame, data, sum));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[WAL_HDR_SIZE];
	struct wal_hdr h;
	struct err e;

	if (size < WAL_HDR_SIZE)
		return 0;
	made(data, size);
	if (wal_hdr_parse(&h, data, &e) == -1) {
		must(e.class == ERR_CORRUPT);
		return 0;
	}
	wal_hdr_write(&h, again);
	must(memcmp(again, data, sizeof(again)) == 0);
	frames(&h, data, size);
	return 0;
}
