/* SPDX-License-Identifier: Apache-2.0 */
/* How many requests, and when: the arithmetic, and threads under it. */
#include <pthread.h>
#include <stdatomic.h>

#include "lib/base/err.h"
#include "lib/store/aws/pace.h"
#include "tests/unit/tap.h"

static void
test_backoff(void)
{
	bool bounded = true;

	is_int(pace_backoff(0, 20000, 100), 100, "the first wait: up to 100");
	is_int(pace_backoff(0, 20000, 101), 0, "and from 0 on");
	is_int(pace_backoff(3, 20000, 800), 800, "it doubles");
	is_int(pace_backoff(30, 20000, 20000), 20000, "to the longest");
	for (unsigned n = 0; n < 100; n++)
		for (uint64_t r = 1; r != 0 && r < UINT64_MAX / 3; r *= 3)
			bounded = bounded && pace_backoff(n, 5000, r) <= 5000;
	ok(bounded, "never more");
}

static void
test_budget(void)
{
	struct pace *p = pace_new(&(struct pace_conf){ .max_requests = 2 });
	struct err e;

	is_int(pace_enter(p, false, &e), 0, "one");
	is_int(pace_enter(p, false, &e), 0, "two");
	is_int(pace_enter(p, false, &e), -1, "not three");
	is_int(e.class, ERR_BUSY, "run again");
	is_int(pace_enter(p, true, &e), 0, "but what cleans up");
	for (int i = 0; i < 3; i++)
		pace_leave(p, PACE_WELL);
	pace_free(p);
}

/* n enter, and all leave with the outcome. */
static void
round_of(struct pace *p, unsigned n, enum pace_outcome o)
{
	struct err e;

	for (unsigned i = 0; i < n; i++)
		(void)pace_enter(p, true, &e);
	for (unsigned i = 0; i < n; i++)
		pace_leave(p, o);
}

static void
test_limit(void)
{
	struct pace *p = pace_new(&(struct pace_conf){ 0 });

	round_of(p, 16, PACE_WELL);
	is_int(pace_limit(p), 0, "no limit at first");
	round_of(p, 16, PACE_TOO_MUCH);
	is_int(pace_limit(p), 8, "a burst of complaints halves once");
	round_of(p, 8, PACE_WELL);
	is_int(pace_limit(p), 8, "a good round");
	round_of(p, 9, PACE_WELL);
	ok(pace_limit(p) >= 9, "makes it one more, about");
	for (int i = 0; i < 60; i++)
		round_of(p, 16, PACE_WELL);
	is_int(pace_limit(p), 0, "and in the end there is none");
	pace_free(p);
}

static atomic_int inside, most;

static void *
visit(void *ctx)
{
	struct pace *p = ctx;
	struct err e;
	int n, m;

	for (int i = 0; i < 20; i++) {
		if (pace_enter(p, false, &e) == -1)
			return ctx;
		n = atomic_fetch_add(&inside, 1) + 1;
		for (m = atomic_load(&most); n > m;)
			if (atomic_compare_exchange_weak(&most, &m, n))
				break;
		(void)pace_sleep(p, 1, &e);
		atomic_fetch_sub(&inside, 1);
		pace_leave(p, PACE_OTHER);
	}
	return NULL;
}

static void
test_threads(void)
{
	struct pace *p = pace_new(&(struct pace_conf){ 0 });
	pthread_t t[8];
	void *rc;
	int failed = 0;

	round_of(p, 4, PACE_TOO_MUCH);
	is_int(pace_limit(p), 2, "two at once");
	for (int i = 0; i < 8; i++)
		(void)pthread_create(&t[i], NULL, visit, p);
	for (int i = 0; i < 8; i++) {
		(void)pthread_join(t[i], &rc);
		failed += rc != NULL;
	}
	is_int(failed, 0, "all get in");
	ok(atomic_load(&most) <= 2, "and never more than two are inside");
	pace_free(p);
}

int
main(void)
{
	test_backoff();
	test_budget();
	test_limit();
	test_threads();
	return done();
}
