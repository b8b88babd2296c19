/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/restore/restore_ahead.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/replica/codec/codec.h"
#include "lib/replica/restore_ltx.h"
#include "lib/restore/restore.h"
#include "lib/sys/crew.h"

enum {
	THREADS = 31,
	WORTH = 8, /* segments that a thread is worth on a disk */
	NONE = -1,
};

/* A thread and what it holds. */
struct hand {
	struct ahead *a;
	pthread_t thread;
	pthread_cond_t taken;
	ssize_t segment; /* NONE: it is between two, or has ended */
	bool ready;      /* bytes, or rc and e, are there */
	struct buf bytes;
	int rc;
	struct err e;
};

struct ahead {
	struct crew *crew;
	struct store *s;
	const char *db;
	const struct restore_plan *p;
	pthread_mutex_t lock; /* for the rest, but what a hand fetches into */
	pthread_cond_t ready;
	size_t next; /* the first segment that nobody has begun */
	bool stop;
	size_t hands;
	struct hand hand[THREADS];
};

/* The next segment for a thread, or NONE. */
static ssize_t
claim(struct ahead *a)
{
	const struct restore_plan *p = a->p;

	while (a->next < p->segments && p->segment[a->next].bytes > AHEAD_MAX)
		a->next++;
	return a->next < p->segments ? (ssize_t)a->next++ : NONE;
}

static int
keep(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	struct buf *b = ctx;

	if (n > AHEAD_MAX - b->len)
		return err_set(
		    e, ERR_CORRUPT, "is larger than it was when listed");
	buf_add(b, p, n);
	return 0;
}

static void
fetch(struct hand *h)
{
	const struct restore_plan *p = h->a->p;
	struct store *s = h->a->s;
	size_t i = (size_t)h->segment;
	struct layout_name name = { LAYOUT_SEGMENT, p->segment[i].at };
	struct buf key = { 0 };

	if (p->ltx != NULL)
		restore_ltx_key(p->ltx, h->a->db, i + 1, &key);
	else
		p->codec->key(&key, h->a->db, p->generation, &name);
	buf_reset(&h->bytes);
	h->rc = s->ops->get(
	    s, buf_str(&key), 0, UINT64_MAX, keep, &h->bytes, &h->e);
	buf_release(&key);
}

static void *
work(void *arg)
{
	struct hand *h = arg;
	struct ahead *a = h->a;

	pthread_mutex_lock(&a->lock);
	while (!a->stop && !crew_short(a->crew) &&
	    (h->segment = claim(a)) != NONE) {
		h->ready = false;
		pthread_mutex_unlock(&a->lock);
		fetch(h);
		pthread_mutex_lock(&a->lock);
		h->ready = true;
		pthread_cond_signal(&a->ready);
		while (h->segment != NONE && !a->stop)
			pthread_cond_wait(&h->taken, &a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	crew_leave(a->crew);
	return NULL;
}

/* More threads, if there are places.  With the lock. */
static void
hire(struct ahead *a)
{
	struct hand *h;

	while (a->hands < THREADS && a->hands < a->p->segments - a->next &&
	    crew_take(a->crew)) {
		h = &a->hand[a->hands];
		h->a = a;
		h->segment = NONE;
		pthread_cond_init(&h->taken, NULL);
		if (pthread_create(&h->thread, NULL, work, h) != 0) {
			pthread_cond_destroy(&h->taken);
			crew_leave(a->crew);
			break;
		}
		a->hands++;
	}
}

struct ahead *
ahead_start(struct crew *crew, struct store *s, const char *db,
    const struct restore_plan *p)
{
	struct ahead *a = xcalloc(1, sizeof(*a));

	a->s = s;
	a->db = db;
	a->p = p;
	if (s->ops->traits.remote || p->segments >= WORTH)
		a->crew = crew;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->ready, NULL);
	pthread_mutex_lock(&a->lock);
	hire(a);
	pthread_mutex_unlock(&a->lock);
	return a;
}

/* Who has segment i, or is about to?  With the lock. */
static struct hand *
holder(struct ahead *a, size_t i)
{
	for (size_t k = 0; k < a->hands; k++)
		if (a->hand[k].segment == (ssize_t)i)
			return &a->hand[k];
	return NULL;
}

int
ahead_get(struct ahead *a, size_t i, const char *key, store_sink *sink,
    void *ctx, struct err *e)
{
	struct hand *h;
	int rc;

	pthread_mutex_lock(&a->lock);
	h = holder(a, i);
	if (a->next <= i)
		a->next = i + 1;
	hire(a);
	while (h != NULL && !h->ready)
		pthread_cond_wait(&a->ready, &a->lock);
	pthread_mutex_unlock(&a->lock);
	if (h == NULL)
		return a->s->ops->get(a->s, key, 0, UINT64_MAX, sink, ctx, e);
	if ((rc = h->rc) == -1)
		*e = h->e;
	else
		rc = sink(ctx, h->bytes.data, h->bytes.len, e);
	pthread_mutex_lock(&a->lock);
	h->segment = NONE;
	pthread_cond_signal(&h->taken);
	pthread_mutex_unlock(&a->lock);
	return rc;
}

void
ahead_stop(struct ahead *a)
{
	if (a == NULL)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	for (size_t k = 0; k < a->hands; k++)
		pthread_cond_signal(&a->hand[k].taken);
	pthread_mutex_unlock(&a->lock);
	for (size_t k = 0; k < a->hands; k++) {
		(void)pthread_join(a->hand[k].thread, NULL);
		pthread_cond_destroy(&a->hand[k].taken);
		buf_release(&a->hand[k].bytes);
	}
	pthread_cond_destroy(&a->ready);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
