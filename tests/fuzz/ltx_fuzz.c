/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An LTX file, and the same bytes as pages of one.  However it is cut into
 * pieces, the answer is the same; what was made comes back.
 */
#include "lib/replica/ltx/ltx_read.h"

#include <string.h>

#include "lib/base/be.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/ltx/ltx_names.h"
#include "lib/replica/ltx/ltx_sum.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/ltx_kit.h"

enum { PAGE = 512 };

static struct ltx_read *reader;

struct answer {
	int rc;
	size_t pages;
	uint32_t pgno;
	uint64_t crc, after;
	struct ltx_header h;
	struct err e;
};

static int
take_header(void *ctx, const struct ltx_header *h, struct err *e)
{
	struct answer *a = ctx;

	(void)e;
	must(h->pages > 0 && h->min > 0 && h->min <= h->max);
	must(h->page_size >= 512 && h->page_size <= 65536);
	a->h = *h;
	return 0;
}

static int
take_page(void *ctx, uint32_t pgno, const uint8_t *page, struct err *e)
{
	struct answer *a = ctx;

	(void)e;
	must(pgno > a->pgno && pgno <= a->h.pages);
	must(pgno != ltx_lock_page(a->h.page_size));
	a->pgno = pgno;
	a->pages++;
	a->crc = ltx_crc(a->crc, page, a->h.page_size);
	return 0;
}

static void
decode(struct answer *a, const uint8_t *p, size_t size, size_t step)
{
	static const struct ltx_sink sink = { take_header, take_page };
	size_t n;

	memset(a, 0, sizeof(*a));
	ltx_read_begin(reader, NULL, &sink, a);
	for (; size > 0 && a->rc == 0; p += n, size -= n) {
		n = size < step ? size : step;
		a->rc = ltx_read_feed(reader, p, n, &a->e);
	}
	if (a->rc == 0)
		a->rc = ltx_read_finish(reader, &a->after, &a->e);
	must(a->rc == 0 || a->e.class == ERR_CORRUPT);
	if (a->rc == 0 && ltx_is_snapshot(&a->h))
		must(a->pages + (a->h.pages >= ltx_lock_page(a->h.page_size)) ==
		    a->h.pages);
}

static void
try(const uint8_t *p, size_t size)
{
	struct answer a, b;

	decode(&a, p, size, size);
	decode(&b, p, size, 1 + (size > 0 ? p[size / 2] % 7 : 0));
	must(a.rc == b.rc && a.pages == b.pages && a.crc == b.crc);
	must(a.rc == -1 || a.after == b.after);
}

/* A file that is right, with pages of these bytes; then with one of its bytes
 * bent. */
static void
made(const uint8_t *data, size_t size)
{
	struct ltx_made m = { 0 };
	uint32_t pages = 1 + data[0] % 4;
	struct answer a;
	size_t at;

	if (size < PAGE + pages)
		return;
	ltx_make(&m, LTX_NO_SUMS, PAGE, pages, 1, 1 + data[1], 0);
	for (uint32_t i = 1; i <= pages; i++)
		if ((data[0] >> 2 & i) != 0)
			ltx_page(&m, i, data + i);
		else
			ltx_page_frame(&m, i, data + i, PAGE);
	at = LTX_HEADER_SIZE +
	    (size_t)be16(data + 2) % (m.out.len - LTX_HEADER_SIZE);
	ltx_end(&m, 0);
	decode(&a, m.out.data, m.out.len, 1 + data[2]);
	must(a.rc == 0 && a.pages == pages);
	m.out.data[at] ^= data[4];
	try(m.out.data, m.out.len);
	ltx_made_release(&m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (reader == NULL)
		reader = ltx_read_new();
	try(data, size);
	if (size > PAGE)
		made(data, size);
	return 0;
}
