/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sys/relay.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "tests/unit/tap.h"

struct got {
	uint64_t n, sum;
	const uint8_t *last;
	uint64_t fail_at; /* 0: never */
	bool failed, after;
};

static uint64_t
add(uint64_t sum, const uint8_t *p, size_t n)
{
	while (n-- > 0)
		sum = sum * 31 + *p++;
	return sum;
}

static int
sink(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	struct got *g = ctx;

	g->after |= g->failed;
	g->last = p;
	g->sum = add(g->sum, p, n);
	g->n += n;
	if (g->fail_at == 0 || g->n < g->fail_at)
		return 0;
	g->failed = true;
	return err_set(e, ERR_CORRUPT, "enough");
}

/* Pieces of all sizes, more than there is room for at once. */
static void
test_order(void)
{
	static uint8_t piece[300000];
	struct got g = { 0 };
	uint64_t n = 0, sum = 0;
	struct relay *r;
	struct err e;
	int rc = 0;

	if ((r = relay_start(sink, &g, &e)) == NULL) {
		ok(false, "%s", e.msg);
		return;
	}
	for (size_t i = 0; i < 200 && rc == 0; i++) {
		size_t len = i * 7919 % sizeof(piece);

		for (size_t k = 0; k < len; k++)
			piece[k] = (uint8_t)(i * 13 + k * 7);
		rc = relay_put(r, piece, len, &e);
		sum = add(sum, piece, len);
		n += len;
	}
	is_int(rc, 0, "all is taken");
	is_int(relay_end(r, &e), 0, "and worked on");
	ok(g.n == n && n > 10000000, "all of it arrives");
	ok(g.sum == sum, "in order");
}

/* Some pieces are written where they are to lie, as far as that goes. */
static void
test_room(void)
{
	static uint8_t piece[300000];
	struct got g = { 0 };
	uint64_t n = 0, sum = 0, in_place = 0;
	struct relay *r;
	struct err e;
	int rc = 0;

	if ((r = relay_start(sink, &g, &e)) == NULL) {
		ok(false, "%s", e.msg);
		return;
	}
	for (size_t i = 0; i < 300 && rc == 0; i++) {
		size_t len = i * 7919 % sizeof(piece), room = len;
		uint8_t *p = piece;

		if (i % 3 > 0) {
			p = relay_room(r, &room);
			len = i % 3 == 1 || room < len ? room : len;
		}
		for (size_t k = 0; k < len; k++)
			p[k] = (uint8_t)(i * 13 + k * 7);
		sum = add(sum, p, len);
		rc = relay_put(r, p, len, &e);
		in_place += p != piece;
		n += len;
	}
	is_int(rc, 0, "all is taken");
	is_int(relay_end(r, &e), 0, "and worked on");
	ok(in_place == 200 && g.n == n && n > 10000000, "all of it arrives");
	ok(g.sum == sum, "in order");
}

static void
test_in_place(void)
{
	static const uint8_t abc[3] = { 'a', 'b', 'c' };
	struct got g = { 0 };
	struct relay *r;
	struct err e;
	uint8_t *p;
	size_t n;

	if ((r = relay_start(sink, &g, &e)) == NULL) {
		ok(false, "%s", e.msg);
		return;
	}
	p = relay_room(r, &n);
	ok(n >= 3, "there is room");
	memcpy(p, abc, sizeof(abc));
	is_int(relay_put(r, p, sizeof(abc), &e), 0, "what lies there");
	is_int(relay_end(r, &e), 0, "is taken");
	ok(g.n == sizeof(abc) && g.sum == add(0, abc, sizeof(abc)), "as it is");
	ok(g.last == p, "from there");
}

static void
test_failure(void)
{
	static const uint8_t piece[100000];
	struct got g = { .fail_at = 2500000 };
	struct relay *r;
	struct err e;
	uint8_t *p;
	size_t n;
	int i, rc = 0;

	if ((r = relay_start(sink, &g, &e)) == NULL) {
		ok(false, "%s", e.msg);
		return;
	}
	for (i = 0; i < 1000 && rc == 0; i++)
		rc = relay_put(r, piece, sizeof(piece), &e);
	ok(rc == -1 && i < 40, "a sink that fails ends it");
	for (i = 0; i < 8; i++) {
		p = relay_room(r, &n);
		memset(p, 1, n);
		is_int(relay_put(r, p, n, &e), -1, "with room or without");
	}
	is_str(e.msg, "enough", "with its error");
	memset(&e, 0, sizeof(e));
	is_int(relay_end(r, &e), -1, "which the end tells, too");
	is_str(e.msg, "enough", "the same");
	ok(!g.after, "it is not called again");
}

/* The last piece is what it fails on. */
static void
test_failure_at_end(void)
{
	struct got g = { .fail_at = 3 };
	struct relay *r;
	struct err e;

	if ((r = relay_start(sink, &g, &e)) == NULL) {
		ok(false, "%s", e.msg);
		return;
	}
	(void)relay_put(r, (const uint8_t *)"abc", 3, &e);
	is_int(relay_end(r, &e), -1, "a failure behind the last put");
	is_int(e.class, ERR_CORRUPT, "is not lost");
}

int
main(void)
{
	struct err e;

	test_order();
	test_room();
	test_in_place();
	test_failure();
	test_failure_at_end();
	is_int(relay_end(NULL, &e), 0, "none");
	return done();
}
