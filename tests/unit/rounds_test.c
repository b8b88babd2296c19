/* SPDX-License-Identifier: Apache-2.0 */
/* Which round a pass is of, and what should have come. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/state/fleet/rounds.h"
#include "lib/state/fleet/state_known.h"
#include "lib/state/state.h"
#include "tests/unit/tmp_kit.h"

#define MINUTE INT64_C(60000000000)

static int64_t now = 1000 * MINUTE;
static struct bits none;

/* Records from up to before 'to' come. */
static void
come(struct rounds *r, int64_t from, int64_t to)
{
	bits_release(&r->came);
	for (int64_t i = from; i < to; i++)
		rounds_came(r, i);
}

/* A pass that is sure which round it is of, or of a new one. */
static void
pass(struct rounds *r, int64_t from, int64_t to)
{
	struct err e;
	bool sure;
	struct round *like;

	come(r, from, to);
	like = rounds_like(r, &sure);
	rounds_end(r, sure ? like : NULL, &none, now);
	(void)rounds_store(r, NULL, &e);
}

static bool
covers(struct rounds *r, const struct round *mine, int64_t id)
{
	struct bits b = { 0 };
	bool is;

	rounds_others(r, mine, now, &b);
	is = bits_has(&b, id);
	bits_release(&b);
	return is;
}

static void
test_halves(void)
{
	struct rounds r = { 0 };
	struct round *like;
	bool sure;

	come(&r, 0, 100);
	ok(rounds_like(&r, &sure) == NULL && !sure, "of none at first");
	for (int i = 0; i < 4; i++, now += MINUTE) {
		pass(&r, 0, 100);
		pass(&r, 100, 200);
	}
	is_int((long long)r.n, 2, "two halves are two rounds");
	come(&r, 0, 99);
	like = rounds_like(&r, &sure);
	ok(sure && bits_has(&like->came, 0), "the first, one is missing");
	ok(!covers(&r, like, 99), "nobody else brings that");
	ok(covers(&r, like, 150), "of the other half it asks for nothing");
	pass(&r, 0, 200);
	is_int((long long)r.n, 1, "one line in place of two: one round");
	come(&r, 0, 200);
	like = rounds_like(&r, &sure);
	ok(sure && bits_count(&like->came) == 200, "that brings them all");
	rounds_release(&r);
}

static void
test_parts(void)
{
	struct rounds r = { 0 };
	struct round *like;
	bool sure;

	for (int i = 0; i < 3; i++, now += 60 * MINUTE)
		pass(&r, 0, 1000);
	come(&r, 0, 10);
	like = rounds_like(&r, &sure);
	ok(like != NULL && !sure, "a few of a round: who knows");
	rounds_end(&r, NULL, &none, now);
	(void)rounds_store(&r, NULL, NULL);
	is_int((long long)r.n, 2, "they were well: a round of their own");
	like = rounds_like(&r, &sure);
	ok(sure && bits_count(&like->came) == 10, "as which they come again");
	for (int i = 0; i < 50; i++, now += MINUTE)
		pass(&r, 0, 10);
	is_int((long long)r.n, 2, "the hourly one still comes");
	ok(covers(&r, &r.v[1], 500), "and answers for what is in it");
	for (int i = 0; i < 71; i++, now += MINUTE)
		pass(&r, 0, 10);
	ok(!covers(&r, NULL, 500), "for twice its time, no longer");
	pass(&r, 0, 1000);
	now += MINUTE;
	pass(&r, 0, 10);
	is_int((long long)r.n, 2, "when it comes again, it is known");
	ok(covers(&r, NULL, 500), "and relied on");
	now += 119 * MINUTE;
	ok(covers(&r, NULL, 500), "for as long as before");
	now += 10000 * MINUTE;
	pass(&r, 0, 10);
	is_int((long long)r.n, 1, "one that never comes again is forgotten");
	rounds_release(&r);
	/* Once, by hand. */
	pass(&r, 0, 10);
	now += MINUTE;
	ok(covers(&r, NULL, 5), "one that came once is relied on for a moment");
	now += 2 * MINUTE;
	ok(!covers(&r, NULL, 5), "and no longer");
	pass(&r, 0, 10);
	now += 6 * MINUTE;
	ok(covers(&r, NULL, 5), "twice: it may come so again");
	/* A night without cron. */
	for (int i = 0; i < 99; i++, now += MINUTE)
		pass(&r, 0, 10);
	now += 600 * MINUTE;
	pass(&r, 0, 10);
	now += 5 * MINUTE;
	ok(!covers(&r, NULL, 5), "a night makes no long period");
	rounds_release(&r);
}

static void
test_lost(void)
{
	struct rounds r = { 0 };
	struct bits lost = { 0 };
	struct round *like;
	bool sure;

	pass(&r, 0, 100);
	now += MINUTE;
	come(&r, 0, 60);
	like = rounds_like(&r, &sure);
	ok(like != NULL && !sure, "many are missing");
	for (int64_t i = 60; i < 100; i++)
		bits_add(&lost, i);
	rounds_end(&r, like, &lost, now);
	(void)rounds_store(&r, NULL, NULL);
	is_int((long long)r.n, 1, "lost ones leave the round what it is");
	is_int((long long)bits_count(&r.v[0].came), 100, "and stay in it");
	bits_release(&lost);
	come(&r, 0, 3);
	bits_release(&r.v[0].came);
	bits_join(&r.v[0].came, &r.came);
	come(&r, 0, 2);
	(void)rounds_like(&r, &sure);
	ok(sure, "two of three: it is that");
	come(&r, 0, 1);
	(void)rounds_like(&r, &sure);
	ok(!sure, "one of three: who knows");
	rounds_release(&r);
}

static void
test_seen(void)
{
	struct rounds r = { 0 };

	pass(&r, 0, 10);
	now += 10 * MINUTE;
	pass(&r, 100, 200);
	rounds_path(&r);
	is_int(rounds_seen_ns(&r), 0, "no record: unknown");
	rounds_came(&r, 5);
	is_int(
	    rounds_seen_ns(&r), now - 10 * MINUTE, "when that one last came");
	rounds_came(&r, 150);
	is_int(rounds_seen_ns(&r), now - 10 * MINUTE, "the earliest of two");
	rounds_came(&r, 50);
	is_int(rounds_seen_ns(&r), 0, "one that never came");
	rounds_path(&r);
	rounds_came(&r, 150);
	is_int(rounds_seen_ns(&r), now, "each path anew");
	rounds_release(&r);
	rounds_path(NULL);
	rounds_came(NULL, 1);
}

/* Each time others: they drive nobody out who brings more. */
static void
test_many(void)
{
	struct rounds r = { 0 };
	bool kept = false;

	pass(&r, 0, 10000);
	for (int i = 0; i < 200; i++, now += MINUTE / 60)
		pass(&r, INT64_C(40) * i, INT64_C(40) * i + 20);
	is_int((long long)r.n, ROUNDS_MAX, "no more than that");
	for (size_t i = 0; i < r.n; i++)
		kept = kept || bits_count(&r.v[i].came) == 10000;
	ok(kept, "the one that others do not make up for is kept");
	rounds_release(&r);
}

static void
store(struct rounds *r, struct state *st)
{
	struct err e;

	or_end(state_begin(st, &e) != -1, &e);
	or_end(rounds_store(r, st, &e) != -1, &e);
	or_end(state_commit(st, &e) != -1, &e);
}

/* Two passes at once, each with what it read before the other ended. */
static void
test_state(void)
{
	struct rounds a, b;
	struct state *st;
	struct err e;
	bool sure;

	or_end((st = state_open(dir, true, &e)) != NULL, &e);
	or_end(rounds_load(&a, st, 7, &e) != -1, &e);
	ok(a.kept && a.n == 0 && a.upto == 0, "an empty state");
	come(&a, 0, 100);
	rounds_end(&a, NULL, &none, now);
	store(&a, st);
	come(&a, 100, 200);
	rounds_end(&a, NULL, &none, now);
	store(&a, st);
	or_end(rounds_load(&b, st, 7, &e) != -1, &e);
	is_int((long long)b.n, 2, "kept");
	now += MINUTE;
	come(&b, 100, 200);
	rounds_end(&b, rounds_like(&b, &sure), &none, now);
	come(&a, 0, 100);
	rounds_end(&a, rounds_like(&a, &sure), &none, now);
	store(&a, st);
	store(&b, st);
	rounds_release(&a);
	or_end(rounds_load(&a, st, 7, &e) != -1, &e);
	ok(a.n == 2 && a.v[0].began_ns == now && a.v[1].began_ns == now,
	    "each has written its own alone");
	rounds_release(&b);
	or_end(rounds_load(&b, st, 0, &e) != -1, &e);
	is_int((long long)b.n, 0, "those of another root are others");
	/* One that is over here has come again meanwhile. */
	now += INT64_C(60) * 24 * 60 * MINUTE;
	rounds_release(&b);
	or_end(rounds_load(&b, st, 7, &e) != -1, &e);
	come(&b, 0, 100);
	rounds_end(&b, rounds_like(&b, &sure), &none, now);
	store(&b, st);
	come(&a, 100, 200);
	rounds_end(&a, rounds_like(&a, &sure), &none, now - MINUTE);
	store(&a, st);
	rounds_release(&b);
	or_end(rounds_load(&b, st, 7, &e) != -1, &e);
	is_int((long long)b.n, 2, "and stays");
	rounds_release(&a);
	rounds_release(&b);
	state_close(st);
}

int
main(void)
{
	dir_begin();
	test_halves();
	test_parts();
	test_lost();
	test_seen();
	test_many();
	test_state();
	return dir_done();
}
