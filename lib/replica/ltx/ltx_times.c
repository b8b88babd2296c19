/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/ltx/ltx_times.h"

#include <pthread.h>
#include <stdatomic.h>

#include "lib/base/err.h"
#include "lib/replica/ltx/ltx_header.h"
#include "lib/replica/ltx/ltx_list.h"
#include "lib/store/store.h"
#include "lib/sys/crew.h"

enum {
	THREADS = 15,
	WORTH = 8, /* files for one of them */
};

struct times {
	struct store *s;
	const char *db;
	enum ltx_levels how;
	struct ltx_file *v;
	size_t n;
	atomic_size_t next;
	atomic_bool failed;
	pthread_mutex_t lock; /* for these */
	size_t bad;           /* the first file with a damaged header, or n */
	struct err why;       /* it is */
	struct err e;         /* why it failed */
};

static void
note(struct times *t, size_t i, const struct err *e)
{
	pthread_mutex_lock(&t->lock);
	if (e->class != ERR_CORRUPT) {
		t->e = *e;
		atomic_store(&t->failed, true);
	} else if (i < t->bad) {
		t->bad = i;
		t->why = *e;
	}
	pthread_mutex_unlock(&t->lock);
}

static void *
work(void *arg)
{
	struct times *t = arg;
	struct ltx_header h;
	struct err e;
	size_t i;

	while (!atomic_load(&t->failed) &&
	    (i = atomic_fetch_add(&t->next, 1)) < t->n) {
		struct ltx_file *f = &t->v[i];

		if (ltx_peek(t->s, t->db, t->how, &f->name, &h, &e) == 0) {
			f->captured_ns = h.captured_ns;
			continue;
		}
		f->captured_ns = INT64_MAX;
		f->bad = true;
		note(t, i, &e);
	}
	return NULL;
}

int
ltx_times(struct crew *crew, struct store *s, const char *db,
    enum ltx_levels how, struct ltx_file *v, size_t n, struct err *e)
{
	struct times t = { .s = s, .db = db, .how = how, .v = v, .n = n };
	pthread_t thread[THREADS];
	size_t k = 0;

	t.bad = n;
	pthread_mutex_init(&t.lock, NULL);
	while (s->ops->traits.remote && k < THREADS && n > (k + 1) * WORTH &&
	    crew_take(crew)) {
		if (pthread_create(&thread[k], NULL, work, &t) != 0) {
			crew_leave(crew);
			break;
		}
		k++;
	}
	(void)work(&t);
	while (k > 0) {
		(void)pthread_join(thread[--k], NULL);
		crew_leave(crew);
	}
	pthread_mutex_destroy(&t.lock);
	if (atomic_load(&t.failed)) {
		*e = t.e;
		return -1;
	}
	if (t.bad < n)
		*e = t.why;
	return t.bad < n;
}
