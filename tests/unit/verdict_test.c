/* SPDX-License-Identifier: Apache-2.0 */
/* What lspp-verify notes, and what of that lspp-ship is told; the sample. */
#include "lib/state/state_verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/choose/choose.h"
#include "lib/choose/sample.h"
#include "lib/state/state.h"
#include "tests/unit/tmp_kit.h"

#define OLD "0123456789abcdef"
#define NEW "fedcba9876543210"

static void
ship_to(struct state *st, const char *key, const char *generation)
{
	struct record r = {
		.root = 1, .format = FORMAT_WAL, .page_size = 4096, .pages = 1
	};
	struct err e;

	if (state_find(st, 1, key, &r, &e) != 1) {
		r.key = xstrdup(key);
		r.path = xasprintf("/srv/%s", key);
	}
	memcpy(r.pos.line, generation, sizeof(r.pos.line));
	r.racy = false;
	ok(state_begin(st, &e) == 0 && state_put(st, &r, &e) == 0 &&
		state_begun(st, 1, key, generation, &e) == 0 &&
		state_commit(st, &e) == 0,
	    "%s is shipped to %s", key, generation);
	record_release(&r);
}

static bool
note(struct state *st, const char *key, int64_t at_ns, bool deep,
    const char *broken)
{
	struct verdict v = { .at_ns = at_ns, .deep = deep, .broken = broken };
	bool marked = false;
	struct err e;

	v.class = broken != NULL ? ERR_CORRUPT : ERR_NONE;
	v.msg = broken != NULL ? "is broken" : NULL;
	ok(state_begin(st, &e) == 0 &&
		state_put_verdict(st, 1, key, &v, &marked, &e) == 0 &&
		state_commit(st, &e) == 0,
	    "%s is noted", key);
	return marked;
}

static bool
is_racy(struct state *st, const char *key)
{
	struct record r;
	struct err e;
	bool racy;

	if (state_find(st, 1, key, &r, &e) != 1)
		return false;
	racy = r.racy;
	record_release(&r);
	return racy;
}

static int64_t
verified(struct state *st, const char *key, bool deep)
{
	int64_t ns = -1;
	struct err e;

	return state_verified_ns(st, 1, key, deep, &ns, &e) == 0 ? ns : -1;
}

static void
test_mark(struct state *st)
{
	struct err e;

	ship_to(st, "a", OLD);
	is_int(state_broken(st, 1, "a", OLD, &e), 0, "nothing is known");
	ok(!note(st, "a", 10, true, NULL), "sound");
	ok(!is_racy(st, "a"), "and so not dirty");
	ok(note(st, "a", 20, true, OLD), "broken: marked");
	is_int(state_broken(st, 1, "a", OLD, &e), 1, "ship is told");
	is_int(state_broken(st, 1, "a", NEW, &e), 0, "of that generation");
	is_int(state_broken(st, 2, "a", OLD, &e), 0, "and root");
	ok(is_racy(st, "a"), "hot is, too");
	ok(!note(st, "a", 30, false, NULL), "another run finds it sound");
	is_int(state_broken(st, 1, "a", OLD, &e), 1, "which ends no mark");
	ship_to(st, "a", OLD);
	is_int(state_broken(st, 1, "a", OLD, &e), 1, "nor a segment");
	ship_to(st, "a", NEW);
	is_int(state_broken(st, 1, "a", OLD, &e), 0, "a new generation does");
	ok(!note(st, "a", 40, true, OLD), "one that is past is not marked");
	ok(!is_racy(st, "a"), "nor made dirty");
	is_int(state_broken(st, 1, "a", OLD, &e), 0, "nor told to ship");
	ok(!note(st, "other", 40, true, OLD), "nor one that is not shipped");
}

static void
test_times(struct state *st)
{
	int64_t never, oldest;
	struct err e;

	ship_to(st, "b", OLD);
	ship_to(st, "c", OLD);
	is_int(verified(st, "b", false), 0, "never verified");
	(void)note(st, "b", 100, false, NULL);
	is_int(verified(st, "b", false), 100, "verified");
	is_int(verified(st, "b", true), 0, "but not deep");
	(void)note(st, "b", 200, true, NULL);
	(void)note(st, "b", 300, false, NULL);
	is_int(verified(st, "b", false), 300, "verified again");
	is_int(verified(st, "b", true), 200, "deep before that");
	ok(state_put_tried(st, 1, "b", 400, &e) == 0, "tried in vain");
	is_int(verified(st, "b", true), 400, "goes behind the others");
	ok(state_put_tried(st, 1, "c", 500, &e) == 0, "another");
	ok(state_unverified(st, 0, &never, &oldest, &e) == 0, "summed up");
	is_int(never, 1, "one was never verified");
	is_int(oldest, 40, "and of the others one not since");
	ok(state_unverified(st, 7, &never, &oldest, &e) == 0 && never == 0 &&
		oldest == INT64_MAX,
	    "a root with nothing");
}

static char order[16];

static int
drawn(void *ctx, struct choice *c)
{
	size_t n = strlen(order);

	ok(c->store == ctx && strcmp(c->name, buf_str(&c->key)) == 0 &&
		strcmp(buf_str(&c->path), "/p") == 0,
	    "%s is as it was added", c->name);
	order[n] = c->name[0];
	order[n + 1] = '\0';
	choice_release(c);
	return 0;
}

static void
add(struct sample *s, struct store *store, const char *name, int64_t ns)
{
	struct choice c = { .name = xstrdup(name), .store = store };
	struct err e;

	buf_adds(&c.key, name);
	buf_adds(&c.path, "/p");
	ok(sample_add(s, &c, ns, &e) == 0, "%s is added", name);
}

static void
test_sample(void)
{
	struct store *store = (struct store *)order; /* any address */
	struct sample_size size;
	struct sample *s;
	struct err e;
	uint64_t n;

	ok(sample_parse("3", &size, &e) == 0 && size.n == 3, "a number");
	ok(sample_parse("2.5%", &size, &e) == 0 && size.percent == 2.5 &&
		size.n == 0,
	    "a part");
	ok(sample_parse("0", &size, &e) == -1 &&
		sample_parse("101%", &size, &e) == -1 &&
		sample_parse("1.2", &size, &e) == -1 &&
		sample_parse("%", &size, &e) == -1 &&
		sample_parse("-1", &size, &e) == -1 &&
		sample_parse("1.2.3%", &size, &e) == -1 &&
		sample_parse("", &size, &e) == -1,
	    "nothing else");
	if (!ok((s = sample_new(&e)) != NULL, "a sample"))
		return;
	add(s, store, "d", 40);
	add(s, store, "b", 20);
	add(s, store, "a", 0);
	add(s, store, "c", 30);
	size = (struct sample_size){ .percent = 51 };
	ok(sample_count(s, &size, &n, &e) == 0 && n == 3, "rounded up");
	size = (struct sample_size){ .n = 9 };
	ok(sample_count(s, &size, &n, &e) == 0 && n == 4, "no more than all");
	ok(sample_draw(s, 3, drawn, store, &e) == 0, "drawn");
	is_str(order, "abc", "the longest unverified first");
	sample_free(s);
}

int
main(void)
{
	struct state *st;
	struct err e;

	dir_begin();
	if (ok((st = state_open(dir, true, &e)) != NULL, "opened")) {
		test_mark(st);
		test_times(st);
	}
	state_close(st);
	test_sample();
	return dir_done();
}
