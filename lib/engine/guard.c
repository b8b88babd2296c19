#include "lib/engine/guard.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"

/* As many as there are workers: a list will do. */
static struct held {
	int64_t dev, ino;
} * held;
static size_t n_held, cap_held;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t left = PTHREAD_COND_INITIALIZER;

static struct held *
find(int64_t dev, int64_t ino)
{
	for (size_t i = 0; i < n_held; i++)
		if (held[i].dev == dev && held[i].ino == ino)
			return &held[i];
	return NULL;
}

void
guard_enter(int64_t dev, int64_t ino)
{
	pthread_mutex_lock(&mutex);
	while (find(dev, ino) != NULL)
		pthread_cond_wait(&left, &mutex);
	if (n_held == cap_held) {
		cap_held = cap_held ? cap_held * 2 : 16;
		held = xrealloc(held, cap_held * sizeof(*held));
	}
	held[n_held++] = (struct held){ dev, ino };
	pthread_mutex_unlock(&mutex);
}

void
guard_leave(int64_t dev, int64_t ino)
{
	struct held *h;

	pthread_mutex_lock(&mutex);
	if ((h = find(dev, ino)) != NULL)
		*h = held[--n_held];
	pthread_cond_broadcast(&left);
	pthread_mutex_unlock(&mutex);
}
