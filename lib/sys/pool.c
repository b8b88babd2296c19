/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sys/pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct queue {
	struct job *first, **last;
	size_t n;
};

/*
 * A job goes round: reader -> todo -> a worker -> done -> finish() -> todo or
 * away.  'live' counts those that exist, with the one that next() is making.
 */
struct pool {
	const struct pool_ops *ops;
	void *ctx;
	size_t limit, batch;

	pthread_mutex_t lock; /* for all below */
	pthread_cond_t room;  /* live < limit, for the reader */
	pthread_cond_t todo_cond;
	pthread_cond_t done_cond;
	struct queue todo, done;
	size_t live;
	enum { HELD, RUNNING, CANCELLED } gate;
	bool eof; /* next() returned NULL */
};

struct worker {
	struct pool *pool;
	void *arg;
	pthread_t thread;
};

static void
queue_init(struct queue *q)
{
	q->first = NULL;
	q->last = &q->first;
	q->n = 0;
}

static void
queue_add(struct queue *q, struct job *j)
{
	j->link = NULL;
	*q->last = j;
	q->last = &j->link;
	q->n++;
}

static struct job *
queue_take(struct queue *q)
{
	struct job *j = q->first;

	if (j == NULL)
		return NULL;
	if ((q->first = j->link) == NULL)
		q->last = &q->first;
	q->n--;
	return j;
}

/* With the lock. */
static bool
over(const struct pool *p)
{
	return p->gate == CANCELLED || (p->eof && p->live == 0);
}

static void
wake_all(struct pool *p)
{
	pthread_cond_broadcast(&p->room);
	pthread_cond_broadcast(&p->todo_cond);
	pthread_cond_broadcast(&p->done_cond);
}

void
pool_put(struct pool *p, struct job *j)
{
	pthread_mutex_lock(&p->lock);
	while (p->live >= p->limit)
		pthread_cond_wait(&p->room, &p->lock);
	p->live++;
	queue_add(&p->todo, j);
	pthread_cond_signal(&p->todo_cond);
	pthread_mutex_unlock(&p->lock);
}

/* With the lock: the reader's life where jobs are handed in. */
static void
feed_all(struct pool *p)
{
	while (p->gate == HELD)
		pthread_cond_wait(&p->room, &p->lock);
	if (p->gate == CANCELLED)
		return;
	pthread_mutex_unlock(&p->lock);
	p->ops->feed(p, p->ctx);
	pthread_mutex_lock(&p->lock);
	p->eof = true;
	wake_all(p);
}

static void *
reader_main(void *arg)
{
	struct pool *p = arg;
	struct job *j;

	pthread_mutex_lock(&p->lock);
	if (p->ops->feed != NULL) {
		feed_all(p);
		pthread_mutex_unlock(&p->lock);
		return NULL;
	}
	while (!p->eof) {
		if (p->gate == CANCELLED)
			break;
		if (p->gate == HELD || p->live >= p->limit) {
			pthread_cond_wait(&p->room, &p->lock);
			continue;
		}
		p->live++;
		pthread_mutex_unlock(&p->lock);
		j = p->ops->next(p->ctx);
		pthread_mutex_lock(&p->lock);
		if (j == NULL) {
			p->live--;
			p->eof = true;
			wake_all(p);
		} else {
			queue_add(&p->todo, j);
			pthread_cond_signal(&p->todo_cond);
		}
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/*
 * With the lock: finish_all() is woken by the first job that is done, and in
 * linger() by the last that it waits for.  A call for each of those between
 * would wake it for nothing.
 */
static void
add_done(struct pool *p, struct job *j)
{
	queue_add(&p->done, j);
	if (p->done.n == 1 || p->done.n >= p->batch || p->done.n >= p->live)
		pthread_cond_signal(&p->done_cond);
}

static void *
worker_main(void *arg)
{
	struct worker *w = arg;
	struct pool *p = w->pool;
	struct job *j;

	pthread_mutex_lock(&p->lock);
	while (!over(p)) {
		if ((j = queue_take(&p->todo)) == NULL) {
			pthread_cond_wait(&p->todo_cond, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		p->ops->work(j, w->arg);
		pthread_mutex_lock(&p->lock);
		add_done(p, j);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* With the lock: wait a little for the batch to fill. */
static void
linger(struct pool *p)
{
	struct timespec until;

	if (p->ops->linger_ms == 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += p->ops->linger_ms * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (p->done.n > 0 && p->done.n < p->batch && p->done.n < p->live)
		if (pthread_cond_timedwait(&p->done_cond, &p->lock, &until) !=
		    0)
			break;
}

/* On the caller's thread: everything that is done, as it comes. */
static void
finish_all(struct pool *p)
{
	struct job **jobs = xcalloc(p->batch, sizeof(struct job *));
	size_t n;

	pthread_mutex_lock(&p->lock);
	while (!over(p)) {
		linger(p);
		for (n = 0; n < p->batch; n++)
			if ((jobs[n] = queue_take(&p->done)) == NULL)
				break;
		if (n == 0) {
			pthread_cond_wait(&p->done_cond, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		p->ops->finish(p, jobs, n, p->ctx);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	free(jobs);
}

/* The reader waits while there is no room at all. */
void
pool_done(struct pool *p, struct job *j)
{
	(void)j;
	pthread_mutex_lock(&p->lock);
	p->live--;
	if (over(p))
		wake_all(p);
	else if (p->live + 1 == p->limit)
		pthread_cond_signal(&p->room);
	pthread_mutex_unlock(&p->lock);
}

void
pool_again(struct pool *p, struct job *j)
{
	pthread_mutex_lock(&p->lock);
	queue_add(&p->todo, j);
	pthread_cond_signal(&p->todo_cond);
	pthread_mutex_unlock(&p->lock);
}

static void
open_gate(struct pool *p, bool run)
{
	pthread_mutex_lock(&p->lock);
	p->gate = run ? RUNNING : CANCELLED;
	wake_all(p);
	pthread_mutex_unlock(&p->lock);
}

/* How many of the n workers and the reader (the last) were started. */
static unsigned
start(struct pool *p, struct worker *w, void **args, unsigned n, struct err *e)
{
	unsigned i;
	int errnum;

	for (i = 0; i <= n; i++) {
		w[i].pool = p;
		w[i].arg = args == NULL ? p->ctx : i < n ? args[i] : NULL;
		errnum = i < n
		    ? pthread_create(&w[i].thread, NULL, worker_main, &w[i])
		    : pthread_create(&w[i].thread, NULL, reader_main, p);
		if (errnum != 0) {
			err_set(e, ERR_OS, "cannot start thread %u of %u: %s",
			    i + 1, n + 1, strerror(errnum));
			err_hint(e, "use fewer workers: -j");
			break;
		}
	}
	return i;
}

int
pool_run(const struct pool_ops *ops, void *ctx, void **args, unsigned n,
    size_t limit, size_t batch, struct err *e)
{
	struct pool p = {
		.ops = ops,
		.ctx = ctx,
		.limit = limit,
		.batch = batch < limit ? batch : limit,
	};
	struct worker *w = xcalloc((size_t)n + 1, sizeof(*w));
	pthread_condattr_t attr;
	unsigned started;

	assert(n > 0 && limit > 0 && batch > 0);
	queue_init(&p.todo);
	queue_init(&p.done);
	pthread_mutex_init(&p.lock, NULL);
	pthread_cond_init(&p.room, NULL);
	pthread_cond_init(&p.todo_cond, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p.done_cond, &attr);
	pthread_condattr_destroy(&attr);

	started = start(&p, w, args, n, e);
	open_gate(&p, started == n + 1);
	if (started == n + 1)
		finish_all(&p);
	for (unsigned i = 0; i < started; i++)
		pthread_join(w[i].thread, NULL);

	pthread_cond_destroy(&p.done_cond);
	pthread_cond_destroy(&p.todo_cond);
	pthread_cond_destroy(&p.room);
	pthread_mutex_destroy(&p.lock);
	free(w);
	return started == n + 1 ? 0 : -1;
}
