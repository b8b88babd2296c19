/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pace -- how many requests there may be, and when.
 *
 * One for a store, shared by its threads: each request is let in by
 * pace_enter() and ends with pace_leave().  Three limits hold all of them
 * together: a rate, a budget for the run, and a number under way.  That number
 * is as large as the callers are many until a server says that it is too much;
 * then it halves, and grows by one for each round that went well (as TCP
 * does).
 */
#ifndef LSPP_STORE_AWS_PACE_H
#define LSPP_STORE_AWS_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct pace;

struct pace_conf {
	uint64_t rate;         /* a second; 0: any */
	uint64_t max_requests; /* 0: any */
	uint64_t deadline_s;   /* from now on; 0: none */
};

enum pace_outcome {
	PACE_WELL,
	PACE_TOO_MUCH, /* the server asked for less */
	PACE_OTHER,
};

struct pace *pace_new(const struct pace_conf *conf);
void pace_free(struct pace *p); /* takes NULL */

/*
 * Wait until a request may begin.  ERR_BUSY when none may any more: the budget
 * is used up, the time is over, or a signal came.  anyway: what cleans up is
 * let in all the same.
 */
int pace_enter(struct pace *p, bool anyway, struct err *e);
void pace_leave(struct pace *p, enum pace_outcome o);

/* Sleep; ERR_BUSY as soon as no request may begin any more. */
int pace_sleep(struct pace *p, uint64_t ms, struct err *e);

/* Until the deadline, in ms, at least 1; 0: there is none. */
uint64_t pace_left(const struct pace *p);

/* ms since some moment. */
uint64_t pace_now(void);

/*
 * How long to wait before try number n + 1, of n tries: anything up to
 * 100 ms * 2^n, and to max_ms ("full jitter").  random is any number.
 */
uint64_t pace_backoff(unsigned n, uint64_t max_ms, uint64_t random);

/* How many may be under way now, 0: any; for tests and -v. */
unsigned pace_limit(struct pace *p);

#endif
