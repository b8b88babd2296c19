/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool -- a stream of jobs through n threads, finished in batches.
 *
 *	next() -> [at most 'limit' jobs] -> work() on n threads -> finish()
 *
 * next() runs on a thread of its own and may block on input (feed(), in its
 * place, is called once there and hands jobs in with pool_put()); work() runs
 * on the worker threads, each with its own args[i] (args NULL: all with ctx);
 * finish() runs on the caller's thread with every job that was worked since the
 * last call, in the order in which they were done: this is where one sync serves
 * many jobs.
 * finish() either disposes of a job with pool_done() or sends it round again
 * with pool_again(); exactly one of the two for each.
 *
 * Threads share nothing but the jobs, and a job is in one place at a time, so
 * jobs need no lock.  At most 'limit' jobs exist at once.
 *
 * Invariant 5 (ARCHITECTURE.md): a job fails alone.
 */
#ifndef LSPP_SYS_POOL_H
#define LSPP_SYS_POOL_H

#include <stddef.h>

struct err;
struct pool;

/* Embed first in the caller's own job. */
struct job {
	struct job *link; /* the pool's */
};

struct pool_ops {
	/* A new job, or NULL when there are no more. */
	struct job *(*next)(void *ctx);
	/* Instead of next(): pool_put() for each job, and return at the end. */
	void (*feed)(struct pool *p, void *ctx);
	void (*work)(struct job *j, void *arg);
	void (*finish)(struct pool *p, struct job **jobs, size_t n, void *ctx);
	/*
	 * How long finish() is put off, in ms, for a batch to fill while
	 * workers are busy: one sync of many is cheaper than many of few.
	 */
	unsigned linger_ms;
};

/*
 * Run until next() has returned NULL (or feed() at all) and every job is
 * disposed of.  At most 'limit' jobs are under way, of which finish() gets at
 * most 'batch' at once. Returns 0, or -1 when a thread could not be started
 * (nothing was run then).
 */
int pool_run(const struct pool_ops *ops, void *ctx, void **args, unsigned n,
    size_t limit, size_t batch, struct err *e);

/* From feed(): a job for the workers.  Waits while there are 'limit' of them.
 */
void pool_put(struct pool *p, struct job *j);

/* From finish(): the job is over; room for another.  The caller frees it. */
void pool_done(struct pool *p, struct job *j);

/* From finish(): give the job to the workers once more. */
void pool_again(struct pool *p, struct job *j);

#endif
