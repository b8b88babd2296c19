/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/state/dblock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/le.h"
#include "lib/sqlite/pagesum.h"
#include "lib/sys/file.h"
#include "lib/sys/guard.h"
#include "lib/sys/pool.h"
#include "lib/sys/stop.h"

enum {
	POLL_MS = 20,
};

struct held {
	int64_t id;
	struct job *waiters;
};

struct dblocks {
	pthread_mutex_t mutex;
	int fd;
	struct stat file;  /* ours, and nobody else's to close */
	struct held *held; /* by this process: as many as jobs are under way */
	size_t n, cap;
};

struct dblocks *
dblocks_open(const char *dir, struct err *e)
{
	char *path = xasprintf("%s/lock", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct dblocks *l = NULL;
	struct stat st;

	if (fd == -1 || stat(path, &st) == -1) {
		err_sys(e, "%s", path);
		file_close(fd);
	} else {
		guard_own((int64_t)st.st_dev, (int64_t)st.st_ino);
		l = xcalloc(1, sizeof(*l));
		l->file = st;
		pthread_mutex_init(&l->mutex, NULL);
		l->fd = fd;
	}
	free(path);
	return l;
}

void
dblocks_close(struct dblocks *l)
{
	if (l == NULL)
		return;
	close(l->fd);
	guard_own_end((int64_t)l->file.st_dev, (int64_t)l->file.st_ino);
	pthread_mutex_destroy(&l->mutex);
	free(l->held);
	free(l);
}

int64_t
dblock_id(int64_t root, const char *key)
{
	uint8_t number[8];
	struct buf b = { 0 };
	struct pagesum h;

	le64_put(number, (uint64_t)root);
	buf_add(&b, number, sizeof(number));
	buf_adds(&b, key);
	h = pagesum_of(0, b.data, (uint32_t)b.len);
	buf_release(&b);
	return (int64_t)(h.lo >> 2); /* an offset in a file: not negative */
}

static struct flock
byte_of(int64_t id)
{
	return (struct flock){ .l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = id,
		.l_len = 1 };
}

/* 1: locked; 0: another process has it; -1. */
static int
try_file(struct dblocks *l, int64_t id, struct err *e)
{
	struct flock fl = byte_of(id);

	if (fcntl(l->fd, F_SETLK, &fl) == 0)
		return 1;
	return errno == EACCES || errno == EAGAIN ? 0 : err_sys(e, "lock");
}

static struct held *
find(struct dblocks *l, int64_t id)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->held[i].id == id)
			return &l->held[i];
	return NULL;
}

static bool
add_held(struct dblocks *l, int64_t id)
{
	bool add;

	pthread_mutex_lock(&l->mutex);
	if ((add = find(l, id) == NULL)) {
		if (l->n == l->cap) {
			l->cap = l->cap ? l->cap * 2 : 64;
			l->held = xrealloc(l->held, l->cap * sizeof(*l->held));
		}
		l->held[l->n++] = (struct held){ id, NULL };
	}
	pthread_mutex_unlock(&l->mutex);
	return add;
}

static struct job *
drop_held(struct dblocks *l, int64_t id)
{
	struct job *waiters = NULL;
	struct held *h;

	pthread_mutex_lock(&l->mutex);
	if ((h = find(l, id)) != NULL) {
		waiters = h->waiters;
		*h = l->held[--l->n];
	}
	pthread_mutex_unlock(&l->mutex);
	return waiters;
}

bool
dblock_wait(struct dblocks *l, int64_t id, struct job *j)
{
	struct held *h;

	pthread_mutex_lock(&l->mutex);
	if ((h = find(l, id)) != NULL) {
		j->link = h->waiters;
		h->waiters = j;
	}
	pthread_mutex_unlock(&l->mutex);
	return h != NULL;
}

struct job *
dblock_queue(struct dblocks *l, int64_t id)
{
	struct held *h;
	struct job *first;

	pthread_mutex_lock(&l->mutex);
	h = find(l, id);
	first = h != NULL ? h->waiters : NULL;
	pthread_mutex_unlock(&l->mutex);
	return first;
}

static int
held_by_another(struct dblocks *l, int64_t id, struct err *e)
{
	struct flock fl = byte_of(id);

	if (fcntl(l->fd, F_GETLK, &fl) == -1 || fl.l_type == F_UNLCK ||
	    fl.l_pid <= 0)
		err_set(e, ERR_BUSY, "another run is shipping it");
	else
		err_set(e, ERR_BUSY, "another run is shipping it, process %ld",
		    (long)fl.l_pid);
	return err_hint(
	    e, "that run ships it; --lock-wait TIME waits longer for it");
}

int
dblock_take(struct dblocks *l, int64_t id, unsigned wait_ms, struct err *e)
{
	const struct timespec pause = { 0, POLL_MS * 1000000L };
	unsigned waited = 0;
	int rc;

	if (!add_held(l, id))
		return 0;
	while ((rc = try_file(l, id, e)) == 0 && waited < wait_ms &&
	    !stop_requested()) {
		nanosleep(&pause, NULL);
		waited += POLL_MS;
	}
	if (rc != 0)
		return rc;
	return held_by_another(l, id, e);
}

struct job *
dblock_release(struct dblocks *l, int64_t id)
{
	struct flock fl = { .l_type = F_UNLCK,
		.l_whence = SEEK_SET,
		.l_start = id,
		.l_len = 1 };

	fcntl(l->fd, F_SETLK, &fl);
	return drop_held(l, id);
}
