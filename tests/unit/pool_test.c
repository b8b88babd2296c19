/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sys/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "tests/unit/tap.h"

struct task {
	struct job job;
	unsigned number, worked, rounds;
};

struct run {
	unsigned want, made; /* by next() */
	unsigned again;      /* rounds for every third task */
	pthread_t caller;
	atomic_size_t live, most;
	size_t batch, biggest;
	unsigned over, *seen;
	unsigned wrong; /* what must not be */
};

static struct job *
next(void *ctx)
{
	struct run *r = ctx;
	struct task *t;
	size_t live;

	if (r->made == r->want)
		return NULL;
	t = xcalloc(1, sizeof(*t));
	t->number = r->made++;
	t->rounds = t->number % 3 == 0 ? r->again : 0;
	live = atomic_fetch_add(&r->live, 1) + 1;
	if (live > atomic_load(&r->most))
		atomic_store(&r->most, live);
	return &t->job;
}

/* Each worker counts in its own place, which no lock protects. */
static void
work(struct job *j, void *arg)
{
	struct task *t = (struct task *)j;
	unsigned *mine = arg;

	t->worked++;
	(*mine)++;
}

static void
finish(struct pool *p, struct job **jobs, size_t n, void *ctx)
{
	struct run *r = ctx;

	if (!pthread_equal(pthread_self(), r->caller) || n == 0 || n > r->batch)
		r->wrong++;
	if (n > r->biggest)
		r->biggest = n;
	for (size_t i = 0; i < n; i++) {
		struct task *t = (struct task *)jobs[i];

		if (t->rounds > 0) {
			t->rounds--;
			pool_again(p, jobs[i]);
			continue;
		}
		if (t->worked != 1 + (t->number % 3 == 0 ? r->again : 0))
			r->wrong++;
		r->seen[t->number]++;
		r->over++;
		atomic_fetch_sub(&r->live, 1);
		pool_done(p, jobs[i]);
		free(t);
	}
}

static const struct pool_ops ops = {
	.next = next, .work = work, .finish = finish, .linger_ms = 5
};

static void
check(unsigned want, unsigned n, size_t limit, size_t batch, unsigned again)
{
	struct run r = {
		.want = want,
		.again = again,
		.batch = batch,
		.caller = pthread_self(),
		.seen = xcalloc(want, sizeof(unsigned)),
	};
	unsigned counts[16] = { 0 }, sum = 0, bad = 0;
	void *args[16];
	struct err e;

	for (unsigned i = 0; i < n; i++)
		args[i] = &counts[i];
	is_int(pool_run(&ops, &r, args, n, limit, batch, &e), 0,
	    "%u jobs, %u workers, limit %zu, batch %zu, again %u", want, n,
	    limit, batch, again);
	for (unsigned i = 0; i < want; i++)
		bad += r.seen[i] != 1;
	for (unsigned i = 0; i < n; i++)
		sum += counts[i];
	is_int(bad, 0, "  each over once");
	is_int(sum, want + (want + 2) / 3 * again, "  each worked");
	is_int(r.wrong, 0, "  as promised");
	ok(atomic_load(&r.most) <= limit, "  within the limit");
	ok(r.biggest <= limit, "  no batch beyond it");
	free(r.seen);
}

/*
 * Batches: the first finish() returns only after the two workers have worked
 * four more jobs behind its back.  At most the last of each is not done yet, so
 * at least two come together in the next.
 */
struct batches {
	struct task t[5];
	unsigned made, calls;
	size_t sizes[5];
	atomic_uint worked;
};

static struct job *
next_of_five(void *ctx)
{
	struct batches *b = ctx;

	return b->made < 5 ? &b->t[b->made++].job : NULL;
}

static void
work_counted(struct job *j, void *arg)
{
	struct batches *b = arg;

	/* One alone first: the others wait until finish() has it. */
	while (j != &b->t[0].job && atomic_load(&b->worked) == 0)
		usleep(100);
	if (j != &b->t[0].job)
		atomic_fetch_add(&b->worked, 1);
}

static void
finish_late(struct pool *p, struct job **jobs, size_t n, void *ctx)
{
	struct batches *b = ctx;

	if (b->calls < 5)
		b->sizes[b->calls] = n;
	if (b->calls++ == 0) {
		atomic_fetch_add(&b->worked, 1);
		while (atomic_load(&b->worked) < 5)
			usleep(100);
	}
	for (size_t i = 0; i < n; i++)
		pool_done(p, jobs[i]);
}

static void
test_batches(void)
{
	static const struct pool_ops late = { .next = next_of_five,
		.work = work_counted,
		.finish = finish_late };
	struct batches b = { 0 };
	void *args[2] = { &b, &b };
	struct err e;

	is_int(pool_run(&late, &b, args, 2, 5, 5, &e), 0, "a slow finish");
	is_int(b.sizes[0], 1, "it had one job");
	ok(b.sizes[1] >= 2, "the next has what was done meanwhile");
}

/*
 * What waits for a batch is woken when it is there, not by each job of it: its
 * thread gives the processor away a few times for each batch.
 */
static void
work_slowly(struct job *j, void *arg)
{
	(void)j;
	(void)arg;
	usleep(200);
}

static void
finish_counted(struct pool *p, struct job **jobs, size_t n, void *ctx)
{
	struct run *r = ctx;

	r->over++;
	for (size_t i = 0; i < n; i++) {
		pool_done(p, jobs[i]);
		free(jobs[i]);
	}
}

static void
test_wakes(void)
{
	static const struct pool_ops slow = { .next = next,
		.work = work_slowly,
		.finish = finish_counted,
		.linger_ms = 1000 };
	struct run r = { .want = 800 };
	struct rusage before, after;
	struct err e;

	getrusage(RUSAGE_THREAD, &before);
	is_int(pool_run(&slow, &r, NULL, 4, 1000, 1000, &e), 0, "a long batch");
	getrusage(RUSAGE_THREAD, &after);
	ok(after.ru_nvcsw - before.ru_nvcsw < 100 + 4L * r.over,
	    "%u batches, woken %ld times", r.over,
	    after.ru_nvcsw - before.ru_nvcsw);
}

static void
test_none(void)
{
	struct run r = { .caller = pthread_self(), .batch = 4 };
	unsigned count = 0;
	void *args[1] = { &count };
	struct err e;

	is_int(pool_run(&ops, &r, args, 1, 4, 4, &e), 0, "no jobs at all");
	is_int(count, 0, "no work");
}

/* In a process of its own, for its limit: no address space for stacks. */
static void
test_no_threads(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit none = { 0, 0 };
		struct run r = { .caller = pthread_self(), .batch = 4 };
		unsigned count = 0;
		void *args[1] = { &count };
		struct err e = { 0 };
		int rc;

		r.want = 1;
		if (getuid() == 0 && (setgid(65534) || setuid(65534)))
			_exit(9);
		setrlimit(RLIMIT_NPROC, &none);
		rc = pool_run(&ops, &r, args, 1, 4, 4, &e);
		_exit(rc == -1 && e.class == ERR_OS && r.made == 0 ? 0 : 1);
	}
	ok(pid > 0 && waitpid(pid, &status, 0) == pid, "no more threads");
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "is an error, and nothing was run");
}

int
main(void)
{
	check(1, 1, 1, 1, 0);
	check(1000, 1, 1, 1, 0);
	check(1000, 4, 1, 8, 1);
	check(5000, 8, 64, 16, 0);
	check(5000, 8, 16, 64, 2);
	check(3, 16, 64, 64, 5);
	test_batches();
	test_wakes();
	test_none();
	test_no_threads();
	return done();
}
