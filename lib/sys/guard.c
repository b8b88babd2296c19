/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sys/guard.h"

#include <pthread.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct held {
	int64_t dev, ino;
};

struct list {
	struct held *v;
	size_t n, cap;
};

/* As many as there are workers, and a few files: lists will do. */
static struct list held, own;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t left = PTHREAD_COND_INITIALIZER;

static struct held *
find(const struct list *l, int64_t dev, int64_t ino)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].dev == dev && l->v[i].ino == ino)
			return &l->v[i];
	return NULL;
}

static void
add(struct list *l, int64_t dev, int64_t ino)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 16;
		l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
	}
	l->v[l->n++] = (struct held){ dev, ino };
}

static void
leave(struct list *l, int64_t dev, int64_t ino)
{
	struct held *h;

	pthread_mutex_lock(&mutex);
	if ((h = find(l, dev, ino)) != NULL)
		*h = l->v[--l->n];
	pthread_cond_broadcast(&left);
	pthread_mutex_unlock(&mutex);
}

void
guard_enter(int64_t dev, int64_t ino)
{
	pthread_mutex_lock(&mutex);
	while (find(&held, dev, ino) != NULL)
		pthread_cond_wait(&left, &mutex);
	add(&held, dev, ino);
	pthread_mutex_unlock(&mutex);
}

void
guard_leave(int64_t dev, int64_t ino)
{
	leave(&held, dev, ino);
}

void
guard_own(int64_t dev, int64_t ino)
{
	pthread_mutex_lock(&mutex);
	add(&own, dev, ino);
	pthread_mutex_unlock(&mutex);
}

void
guard_own_end(int64_t dev, int64_t ino)
{
	leave(&own, dev, ino);
}

bool
guard_is_own(int64_t dev, int64_t ino)
{
	bool is;

	pthread_mutex_lock(&mutex);
	is = find(&own, dev, ino) != NULL;
	pthread_mutex_unlock(&mutex);
	return is;
}

int
guard_refuse(struct err *e)
{
	return err_set(e, ERR_CORRUPT, "this is the state of lspp");
}
