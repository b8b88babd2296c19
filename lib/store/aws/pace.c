/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/aws/pace.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/sys/stop.h"

enum {
	LOOK_MS = 100, /* how often one that waits looks for a signal */
	CALM_MS = 500, /* one burst of complaints halves once */
};

struct pace {
	struct pace_conf conf;
	uint64_t end; /* pace_now() of the deadline */
	pthread_mutex_t lock;
	pthread_cond_t room;
	uint64_t used;    /* of the budget */
	uint64_t next_us; /* when the rate allows another one */
	unsigned under_way;
	double limit; /* 0: none */
	unsigned was; /* under way when it was first set */
	uint64_t cut_at;
};

static uint64_t
now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t
pace_now(void)
{
	return now_us() / 1000;
}

struct pace *
pace_new(const struct pace_conf *conf)
{
	struct pace *p = xcalloc(1, sizeof(*p));
	pthread_condattr_t a;

	p->conf = *conf;
	p->end = pace_now() + conf->deadline_s * 1000;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&p->room, &a);
	pthread_condattr_destroy(&a);
	return p;
}

void
pace_free(struct pace *p)
{
	if (p == NULL)
		return;
	pthread_cond_destroy(&p->room);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

uint64_t
pace_left(const struct pace *p)
{
	uint64_t now = pace_now();

	if (p->conf.deadline_s == 0)
		return 0;
	return now >= p->end ? 1 : p->end - now;
}

/* 0, or -1 when nothing may begin any more. */
static int
open_for_more(const struct pace *p, struct err *e)
{
	if (stop_requested())
		return err_set(e, ERR_BUSY, "interrupted by a signal");
	if (p->conf.deadline_s != 0 && pace_now() >= p->end)
		return err_set(e, ERR_BUSY, "the --deadline of %llu s is over",
		    (unsigned long long)p->conf.deadline_s);
	return 0;
}

int
pace_sleep(struct pace *p, uint64_t ms, struct err *e)
{
	uint64_t end = pace_now() + ms, now;
	struct pollfd fd = { .fd = stop_fd(), .events = POLLIN };

	while (open_for_more(p, e) == 0) {
		if ((now = pace_now()) >= end)
			return 0;
		ms = end - now;
		if (fd.fd == -1 && ms > LOOK_MS)
			ms = LOOK_MS;
		if (p->conf.deadline_s != 0 && ms > pace_left(p))
			ms = pace_left(p);
		(void)poll(&fd, fd.fd != -1, ms > 60000 ? 60000 : (int)ms);
	}
	return -1;
}

static void
wait_for_room(struct pace *p)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += LOOK_MS * 1000000L;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_nsec -= 1000000000;
		ts.tv_sec++;
	}
	(void)pthread_cond_timedwait(&p->room, &p->lock, &ts);
}

/* When the rate lets this one in, in ms from now. */
static uint64_t
take_slot(struct pace *p)
{
	uint64_t now = now_us(), at;

	if (p->conf.rate == 0)
		return 0;
	at = p->next_us > now ? p->next_us : now;
	p->next_us = at + 1000000 / p->conf.rate;
	return (at - now + 999) / 1000;
}

int
pace_enter(struct pace *p, bool anyway, struct err *e)
{
	uint64_t ms = 0;
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	while (!anyway && (rc = open_for_more(p, e)) == 0 && p->limit > 0 &&
	    p->under_way >= (unsigned)p->limit)
		wait_for_room(p);
	if (rc == 0 && !anyway && p->conf.max_requests > 0 &&
	    p->used >= p->conf.max_requests)
		rc = err_set(e, ERR_BUSY,
		    "the budget of %llu requests (--max-requests) is used up",
		    (unsigned long long)p->conf.max_requests);
	if (rc == 0) {
		p->used++;
		p->under_way++;
		ms = take_slot(p);
	}
	pthread_mutex_unlock(&p->lock);
	if (rc == 0 && ms > 0 && pace_sleep(p, ms, e) == -1 && !anyway) {
		pace_leave(p, PACE_OTHER);
		rc = -1;
	}
	return rc;
}

static void
slow_down(struct pace *p)
{
	uint64_t now = pace_now();

	if (p->cut_at != 0 && now - p->cut_at < CALM_MS)
		return;
	p->cut_at = now;
	if (p->limit == 0) {
		p->was = p->under_way;
		p->limit = p->under_way;
	}
	p->limit = p->limit < 2 ? 1 : p->limit / 2;
}

void
pace_leave(struct pace *p, enum pace_outcome o)
{
	pthread_mutex_lock(&p->lock);
	if (o == PACE_TOO_MUCH)
		slow_down(p);
	else if (o == PACE_WELL && p->limit > 0)
		p->limit += 1 / p->limit;
	if (p->limit > 2 * (double)p->was)
		p->limit = 0; /* more than there ever were */
	p->under_way--;
	pthread_cond_broadcast(&p->room);
	pthread_mutex_unlock(&p->lock);
}

uint64_t
pace_backoff(unsigned n, uint64_t max_ms, uint64_t random)
{
	uint64_t ms = n >= 20 ? max_ms : (uint64_t)100 << n;

	if (ms > max_ms)
		ms = max_ms;
	return random % (ms + 1);
}

unsigned
pace_limit(struct pace *p)
{
	unsigned n;

	pthread_mutex_lock(&p->lock);
	n = (unsigned)p->limit;
	pthread_mutex_unlock(&p->lock);
	return n;
}
