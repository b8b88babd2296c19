/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments fetched before they are wanted, from a store that shows how many of
 * them it is asked for at once.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/replica/wal/codec.h"
#include "lib/restore/restore.h"
#include "lib/restore/restore_ahead.h"
#include "lib/sys/crew.h"
#include "tests/unit/tap.h"

enum { SEGMENTS = 40, GONE = 7, LARGE = 11, GREW = 13 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static int now, most, want, gets;
static int by_others; /* than the main thread */
static pthread_t main_thread;

/* Every key ends in the offset, which is the number of the segment. */
static unsigned
number(const char *key)
{
	const char *at = strrchr(key, '_');

	return at != NULL ? (unsigned)strtoul(at + 1, NULL, 16) : 0;
}

/* Waits until so many are wanted at once, for ten seconds at most. */
static void
meet(void)
{
	struct timespec limit;

	(void)clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += 10;
	pthread_mutex_lock(&lock);
	gets++;
	by_others += !pthread_equal(pthread_self(), main_thread);
	if (++now > most)
		most = now;
	pthread_cond_broadcast(&moved);
	while (
	    most < want && pthread_cond_timedwait(&moved, &lock, &limit) == 0)
		;
	now--;
	pthread_mutex_unlock(&lock);
}

static int
get(struct store *s, const char *key, uint64_t off, uint64_t n,
    store_sink *sink, void *ctx, struct err *e)
{
	static const uint8_t much[AHEAD_MAX + 1];
	unsigned i = number(key);

	(void)s;
	(void)off;
	(void)n;
	meet();
	if (i == GONE)
		return err_set(e, ERR_MISSING, "no object %s", key);
	if (i == GREW)
		return sink(ctx, much, sizeof(much), e);
	return sink(ctx, (const uint8_t *)key, strlen(key), e);
}

static const struct store_ops ops = { .get = get };
static struct store store = { .ops = &ops };

static struct plan_segment segments[SEGMENTS];
static const struct restore_plan plan = { .codec = &wal_codec,
	.generation = "0123456789abcdef",
	.segment = segments,
	.segments = SEGMENTS };

static int
add(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	(void)e;
	buf_add(ctx, p, n);
	return 0;
}

/* Segment i as it should be, or the failure that it should be? */
static bool
right(struct ahead *a, unsigned i)
{
	char *key = xasprintf("k_%08x", i);
	struct buf got = { 0 };
	struct err e = { 0 };
	int rc = ahead_get(a, i, key, add, &got, &e);
	bool good = rc == 0 && got.len > 0 && number(buf_str(&got)) == i;

	if (i == GONE)
		good = rc == -1 && e.class == ERR_MISSING;
	if (i == GREW) /* ahead: it is not held; else: as it is */
		good = rc == -1 ? e.class == ERR_CORRUPT
				: got.len == AHEAD_MAX + 1;
	buf_release(&got);
	free(key);
	return good;
}

/* The first n segments with so many places for threads. */
static unsigned
run(struct crew *crew, unsigned n)
{
	struct ahead *a;
	unsigned good = 0;

	now = most = gets = by_others = 0;
	a = ahead_start(crew, &store, "db", &plan);
	for (unsigned i = 0; i < n; i++)
		good += right(a, i);
	ahead_stop(a);
	return good;
}

static void
test_alone(void)
{
	struct crew crew = { 0 };

	want = 1;
	is_int(run(NULL, SEGMENTS), SEGMENTS, "all, without a crew");
	is_int(run(&crew, SEGMENTS), SEGMENTS, "all, without a place in it");
	is_int(most, 1, "one at a time");
	is_int(gets, SEGMENTS, "each once");
}

static void
test_together(void)
{
	struct crew crew;

	atomic_init(&crew.idle, 5);
	want = 5;
	is_int(run(&crew, SEGMENTS), SEGMENTS, "all, by several");
	is_int(most >= 5 && most <= 6, 1, "five threads and who wants them");
	is_int(gets, SEGMENTS, "each once");
	is_int(atomic_load(&crew.idle), 5, "all places are free again");
}

/* Who gives up after some gets back the places all the same. */
static void
test_stop(void)
{
	struct crew crew;

	atomic_init(&crew.idle, 3);
	want = 3;
	is_int(run(&crew, 2), 2, "two of many");
	is_int(gets <= 6, 1, "hardly more than that were got");
	want = 1;
	is_int(run(&crew, 0), 0, "none of them");
	is_int(atomic_load(&crew.idle), 3, "all places are free again");
}

/* A worker that comes in gets the place of a thread as soon as can be. */
static void
test_short(void)
{
	struct crew crew;
	struct ahead *a;
	unsigned good = 0;

	atomic_init(&crew.idle, 2);
	want = 1;
	now = most = gets = by_others = 0;
	a = ahead_start(&crew, &store, "db", &plan);
	crew_enter(&crew);
	crew_enter(&crew);
	for (unsigned i = 0; i < SEGMENTS; i++)
		good += right(a, i);
	is_int(good, SEGMENTS, "all");
	is_int(by_others <= 2, 1, "each thread had one and was gone");
	ahead_stop(a);
	is_int(atomic_load(&crew.idle), 0, "with their places");
}

int
main(void)
{
	main_thread = pthread_self();
	for (unsigned i = 0; i < SEGMENTS; i++) {
		segments[i].at = i;
		segments[i].bytes = i == LARGE ? AHEAD_MAX + 1 : 100;
	}
	test_alone();
	test_together();
	test_stop();
	test_short();
	return done();
}
