/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sys/relay.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

enum {
	ROOM = 1 << 20,
	PIECE = 256 << 10, /* less is not worth a call of the sink */
	HALF = ROOM / 2,   /* nor is less worth waking who waits */
};

struct relay {
	relay_sink *sink;
	void *ctx;
	pthread_t thread;
	pthread_mutex_t lock; /* for the rest */
	pthread_cond_t moved;
	uint64_t in, out; /* bytes so far: their places in data, modulo ROOM */
	bool end, failed;
	struct err e; /* the sink's */
	uint8_t data[ROOM];
};

/* How many bytes lie together from place 'at' on, of n that follow. */
static size_t
together(uint64_t at, uint64_t n)
{
	size_t left = ROOM - (size_t)(at % ROOM);

	return n < left ? (size_t)n : left;
}

static void *
relay_main(void *arg)
{
	struct relay *r = arg;
	size_t n;
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	while (rc == 0) {
		if (r->in - r->out < PIECE)
			while (r->in - r->out < HALF && !r->end)
				pthread_cond_wait(&r->moved, &r->lock);
		n = together(r->out, r->in - r->out);
		if (n > PIECE)
			n -= n % PIECE;
		if (n == 0)
			break;
		pthread_mutex_unlock(&r->lock);
		rc = r->sink(r->ctx, r->data + r->out % ROOM, n, &r->e);
		pthread_mutex_lock(&r->lock);
		r->out += n;
		r->failed = rc == -1;
		if (r->in - r->out <= HALF || r->failed)
			pthread_cond_signal(&r->moved);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

struct relay *
relay_start(relay_sink *sink, void *ctx, struct err *e)
{
	struct relay *r = xmalloc(sizeof(*r));
	int errnum;

	memset(r, 0, offsetof(struct relay, data));
	r->sink = sink;
	r->ctx = ctx;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->moved, NULL);
	errnum = pthread_create(&r->thread, NULL, relay_main, r);
	if (errnum == 0)
		return r;
	err_set(e, ERR_OS, "cannot start a thread: %s", strerror(errnum));
	pthread_cond_destroy(&r->moved);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return NULL;
}

/* Until there is room for n bytes, a piece at most. */
static void
wait_for_room(struct relay *r, size_t n)
{
	if (r->in - r->out + n > ROOM)
		while (r->in - r->out > HALF && !r->failed)
			pthread_cond_wait(&r->moved, &r->lock);
}

uint8_t *
relay_room(struct relay *r, size_t *n)
{
	uint8_t *p = r->data + r->in % ROOM;

	*n = PIECE - (size_t)(r->in % PIECE);
	pthread_mutex_lock(&r->lock);
	wait_for_room(r, *n);
	pthread_mutex_unlock(&r->lock);
	return p;
}

int
relay_put(struct relay *r, const uint8_t *p, size_t n, struct err *e)
{
	uint8_t *to;
	size_t part;
	bool failed;

	pthread_mutex_lock(&r->lock);
	for (; n > 0 && !r->failed; p += part, n -= part) {
		wait_for_room(r, 1);
		part = together(r->in, ROOM - (r->in - r->out));
		if (part > n)
			part = n;
		/* Nobody reads there: not under the lock. */
		pthread_mutex_unlock(&r->lock);
		to = r->data + r->in % ROOM;
		if (p != to)
			memcpy(to, p, part);
		pthread_mutex_lock(&r->lock);
		r->in += part;
		if (r->in - r->out >= HALF)
			pthread_cond_signal(&r->moved);
	}
	if ((failed = r->failed))
		*e = r->e;
	pthread_mutex_unlock(&r->lock);
	return failed ? -1 : 0;
}

int
relay_end(struct relay *r, struct err *e)
{
	bool failed;

	if (r == NULL)
		return 0;
	pthread_mutex_lock(&r->lock);
	r->end = true;
	pthread_cond_signal(&r->moved);
	pthread_mutex_unlock(&r->lock);
	(void)pthread_join(r->thread, NULL);
	if ((failed = r->failed))
		*e = r->e;
	pthread_cond_destroy(&r->moved);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return failed ? -1 : 0;
}
