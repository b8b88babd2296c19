/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a pass.  However it is cut into pieces, the answer is the same; a
 * line that is read is written as it was, and leads to a place that makes sense.
 */
#include "lib/pass/pass.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

struct answer {
	int rc;
	uint64_t lines;
	struct buf again;
	struct err e;
};

static int
each(void *ctx, const struct pass_line *l, struct err *e)
{
	struct answer *a = ctx;

	(void)e;
	must(strlen(buf_str(&l->key)) == l->key.len);
	must(l->shipped || l->stands == PASS_FAILED);
	must(!l->shipped || l->at.snapshot <= l->at.pos.at);
	pass_line_put(&a->again, l);
	return 0;
}

static void
read_text(struct answer *a, const uint8_t *p, size_t size, size_t step)
{
	struct pass_text t = { .each = each, .ctx = a };
	size_t n;

	memset(a, 0, sizeof(*a));
	for (; size > 0 && a->rc == 0; p += n, size -= n) {
		n = size < step ? size : step;
		a->rc = pass_text_feed(&t, p, n, &a->e);
	}
	if (a->rc == 0)
		a->rc = pass_text_end(&t, &a->e);
	must(a->rc == 0 || a->e.class == ERR_CORRUPT ||
	    a->e.class == ERR_CONFIG);
	a->lines = t.lines;
	if (a->rc == 0) {
		/* All of it: head, lines and end. */
		struct buf all = { 0 };

		pass_head_put(&all, t.name, t.began_ns, t.ended_ns);
		buf_add(&all, a->again.data, a->again.len);
		pass_end_put(&all, t.lines);
		buf_release(&a->again);
		a->again = all;
	}
	pass_text_release(&t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer a, b;

	read_text(&a, data, size, size + 1);
	read_text(&b, data, size, 1 + (size > 0 ? data[size / 2] % 7 : 0));
	must(a.rc == b.rc && a.lines == b.lines);
	if (a.rc == 0)
		must(a.again.len == size &&
		    memcmp(a.again.data, data, size) == 0);
	buf_release(&a.again);
	buf_release(&b.again);
	return 0;
}
