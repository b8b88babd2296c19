/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object, and the same bytes as data.  However it is cut into pieces, the
 * answer is the same; what was encoded comes back.
 */
#include "lib/replica/wal/object.h"

#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "tests/fuzz/fuzz.h"

enum { MAX = 1 << 20 };

static struct object_enc *enc;
static struct object_dec *dec;

struct answer {
	int rc;
	bool has;
	struct provenance pv;
	struct buf data;
	struct err e;
};

static int
collect(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	struct buf *b = ctx;

	(void)e;
	must(n > 0 && n <= MAX - b->len);
	buf_add(b, p, n);
	return 0;
}

static void
decode(struct answer *a, const uint8_t *p, size_t size, size_t step)
{
	size_t n;

	memset(a, 0, sizeof(*a));
	object_dec_begin(dec, collect, &a->data, MAX);
	for (; size > 0 && a->rc == 0; p += n, size -= n) {
		n = size < step ? size : step;
		a->rc = object_dec_feed(dec, p, n, &a->e);
	}
	if (a->rc == 0)
		a->rc = object_dec_finish(dec, &a->pv, &a->has, &a->e);
	must(object_dec_raw(dec) == a->data.len);
	must(a->rc == 0 || a->e.class == ERR_CORRUPT);
}

static void
round_trip(const uint8_t *p, size_t size)
{
	const struct provenance pv = { .generation = "0123456789abcdef" };
	struct answer a;
	struct spool s;
	uint8_t *object;
	struct err e;

	spool_init(&s, "/tmp", MAX);
	must(object_enc_begin(enc, &s, &e) == 0);
	must(object_enc_add(enc, p, size, &e) == 0);
	must(object_enc_finish(enc, &pv, &e) == 0);
	object = xmalloc(s.size);
	must(spool_read(&s, 0, object, s.size, &e) == 0);
	decode(&a, object, s.size, s.size);
	must(a.rc == 0 && a.has && a.data.len == size);
	must(size == 0 || memcmp(a.data.data, p, size) == 0);
	buf_release(&a.data);
	free(object);
	spool_release(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer a, b;

	if (enc == NULL) {
		enc = object_enc_new();
		dec = object_dec_new();
	}
	decode(&a, data, size, size);
	decode(&b, data, size, 1 + (size > 0 ? data[size / 2] % 7 : 0));
	must(a.rc == b.rc && a.has == b.has);
	must(a.rc == -1 || a.data.len == b.data.len);
	must(a.rc == -1 || a.data.len == 0 ||
	    memcmp(a.data.data, b.data.data, a.data.len) == 0);
	buf_release(&a.data);
	buf_release(&b.data);
	if (size <= MAX)
		round_trip(data, size);
	return 0;
}
