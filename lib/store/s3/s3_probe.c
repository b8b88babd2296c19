/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is an object never overwritten there?  A server is asked by what it does:
 * several create one object at the same moment.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "lib/store/s3/s3_impl.h"
#include "lib/sys/rng.h"

enum {
	RACERS = 8,
	DAY = 86400,
	HOUR = 3600,
};

/* -- one race -------------------------------------------------------------- */

struct race {
	struct s3 *s;
	const char *full;
	enum store_guard guard;
	struct spool bytes;
	struct s3_digest digest;
	pthread_mutex_t lock; /* for the rest */
	unsigned created, refused;
	int status; /* of an answer to one that failed */
	bool failed;
	struct err e;
};

static void *
run_racer(void *ctx)
{
	struct race *x = ctx;
	struct http_response r = { 0 };
	struct err e;
	int rc = s3_put_call(
	    x->s, x->full, &x->bytes, &x->digest, x->guard, NULL, &r, &e);

	if (rc == 0 && r.status != 412 &&
	    s3_stored(&r, &x->digest) != S3_STORED) {
		rc = err_set(&e, ERR_UNAVAILABLE,
		    "PUT %s: the answer does not say that it is stored",
		    x->full);
		err_hint(&e, "is it S3 that answers there?");
	}
	pthread_mutex_lock(&x->lock);
	if (rc == -1 && !x->failed) {
		x->failed = true;
		x->status = r.status;
		x->e = e;
	} else if (rc == 0) {
		x->created += r.status != 412;
		x->refused += r.status == 412;
	}
	pthread_mutex_unlock(&x->lock);
	http_response_release(&r);
	return NULL;
}

/* The name is new, so one of n creates it, and one alone. */
static int
new_key(struct s3 *s, struct buf *full, struct err *e)
{
	const char *in = s->conf->probe_in != NULL ? s->conf->probe_in : "";
	uint64_t random;
	char *key;
	int rc;

	if (rng_bytes(&random, sizeof(random), e) == -1)
		return -1;
	key = xasprintf(
	    "%s%s" S3_PROBE "-%016" PRIx64, in, *in != '\0' ? "/" : "", random);
	rc = s3_full_key(s, key, full, e);
	free(key);
	return rc;
}

/* Where deleting is not allowed, it stays: a line of text a day. */
static void
clean_up(struct s3 *s, const char *full)
{
	struct http_response r = { 0 };
	struct s3_call c = { .method = "DELETE",
		.class = STORE_REQUEST_DELETE,
		.key = full,
		.finish = true,
		.expect = 404 };
	struct err ignored;

	(void)s3_do(s, &c, &r, &ignored);
	http_response_release(&r);
}

/* n requests at once; the caller looks at x. */
static int
run_race(struct race *x, struct s3 *s, enum store_guard guard, unsigned n,
    struct err *e)
{
	static const char text[] = "lspp: does a condition on PUT hold here?\n";
	pthread_t threads[RACERS - 1];
	struct buf full = { 0 };
	unsigned i = 0;
	int rc;

	*x = (struct race){ .s = s, .guard = guard };
	spool_init(&x->bytes, "/nonexistent", sizeof(text));
	pthread_mutex_init(&x->lock, NULL);
	rc = new_key(s, &full, e);
	if (rc == 0)
		rc = spool_write(&x->bytes, text, sizeof(text) - 1, e);
	if (rc == 0)
		rc = s3_digest(&x->bytes, 0, x->bytes.size, &x->digest, e);
	if (rc == 0) {
		x->full = buf_str(&full);
		while (i + 1 < n &&
		    pthread_create(&threads[i], NULL, run_racer, x) == 0)
			i++;
		(void)run_racer(x);
		while (i > 0)
			(void)pthread_join(threads[--i], NULL);
		/* Does it hold at least for those who come one by one? */
		if (x->created > 1 && x->refused == 0 && !x->failed)
			(void)run_racer(x);
		if (x->created > 0)
			clean_up(s, x->full);
	}
	pthread_mutex_destroy(&x->lock);
	spool_release(&x->bytes);
	buf_release(&full);
	return rc;
}

/* -- what it means --------------------------------------------------------- */

static bool
refuses(int status)
{
	return status == 400 || status == 501;
}

/*
 * One was created, whatever the others heard; or none that we know of: an
 * answer was lost, and the next try met what the first had put.
 */
static int
judge(struct s3 *s, enum store_guard *guard, struct err *e)
{
	struct race x;

	if (run_race(&x, s, STORE_GUARDED, RACERS, e) == -1)
		return -1;
	if (x.failed && refuses(x.status) && x.created + x.refused == 0) {
		/* The header, or anything else?  One without it tells. */
		*guard = STORE_GUARD_REFUSED;
		if (run_race(&x, s, *guard, 1, e) == -1)
			return -1;
	} else if (!x.failed && x.created > 1 && x.refused == 0) {
		*guard = STORE_GUARD_IGNORED;
		if (run_race(&x, s, STORE_GUARDED_GOOG, RACERS, e) == -1)
			return -1;
		if (!x.failed && x.created <= 1)
			*guard = STORE_GUARDED_GOOG;
		x.failed = false; /* another's header may well be an error */
	} else {
		*guard = x.created > 1 ? STORE_GUARD_IN_TURN : STORE_GUARDED;
	}
	if (x.failed)
		*e = x.e;
	return x.failed ? -1 : 0;
}

static void
tell(struct s3 *s, enum store_guard guard)
{
	const char *what = guard == STORE_GUARD_REFUSED
	    ? "refuses conditions on PUT"
	    : "ignores conditions on PUT";

	if (guard == STORE_GUARD_IN_TURN)
		s3_warn(s,
		    "%s: conditions on PUT do not hold there for several at "
		    "the same moment: two machines that ship one database then "
		    "would not notice",
		    s->store.url);
	else if (guard == STORE_GUARD_IGNORED || guard == STORE_GUARD_REFUSED)
		s3_warn(s,
		    "%s: the server %s: each object is "
		    "looked for before it is put, and two machines that ship "
		    "one database at the same moment would not notice",
		    s->store.url, what);
}

int
s3_probe(struct store *st, struct err *e)
{
	struct s3 *s = (struct s3 *)st;
	enum store_guard guard, was = atomic_load(&s->guard);

	if (judge(s, &guard, e) == -1)
		return err_in(e, "looking whether conditions on PUT hold");
	atomic_store(&s->guard, guard);
	atomic_store(&s->probed, (int64_t)time(NULL));
	atomic_store(&s->probe_at, atomic_load(&s->probed) + DAY);
	if (guard != was)
		tell(s, guard);
	return guard == STORE_GUARDED || guard == STORE_GUARDED_GOOG;
}

void
s3_assume(struct store *st, enum store_guard guard, int64_t probed)
{
	struct s3 *s = (struct s3 *)st;

	atomic_store(&s->guard, guard);
	atomic_store(&s->probed, probed);
	atomic_store(&s->probe_at, probed + DAY);
}

enum store_guard
s3_guard(struct store *st, int64_t *probed)
{
	struct s3 *s = (struct s3 *)st;

	*probed = atomic_load(&s->probed);
	return atomic_load(&s->guard);
}

/*
 * Before an object is put: is it a day since this was found out?  Where it
 * cannot be just now, what was found then holds for another hour.
 */
void
s3_probe_daily(struct s3 *s)
{
	int64_t now = (int64_t)time(NULL);
	struct err ignored;

	if (now < atomic_load(&s->probe_at))
		return;
	pthread_mutex_lock(&s->probing);
	if (now >= atomic_load(&s->probe_at) &&
	    s3_probe(&s->store, &ignored) == -1)
		atomic_store(&s->probe_at, now + HOUR);
	pthread_mutex_unlock(&s->probing);
}
