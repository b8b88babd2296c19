/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leap -- a clock that leaps over what is only waited for.  For LD_PRELOAD:
 *
 *	LEAP_CLOCK=FILE LEAP_TO=SECONDS LD_PRELOAD=.../leap.so PROGRAM...
 *
 * The program and all that it starts share a clock, kept in FILE, which is set
 * to LEAP_TO, but never back.  It goes on as any clock does, and where one of them would sleep,
 * it is as much later at once.  So a minute in which something is to happen now
 * and then takes as long as what happens, and nothing is told another duration
 * than it would have had.  A wait for input, for a lock or for another thread is
 * a wait: nanosleep(), with which locks are tried again, sleeps.
 *
 * Times of files stay those of the machine: FILE's clock is to be ahead of it.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

static _Atomic int64_t *ahead; /* nanoseconds, of the machine's clock */

#define NEXT(f)                     \
	static __typeof__(f) *next; \
	if (next == NULL)           \
	*(void **)&next = dlsym(RTLD_NEXT, #f)

static struct timespec
later(struct timespec t, int64_t ns)
{
	int64_t all = t.tv_sec * SECOND + t.tv_nsec + ns;

	return (
	    struct timespec){ .tv_sec = all / SECOND, .tv_nsec = all % SECOND };
}

static int64_t
ahead_ns(void)
{
	return ahead != NULL ? atomic_load(ahead) : 0;
}

static void
leap(int64_t ns)
{
	if (ahead != NULL)
		atomic_fetch_add(ahead, ns);
}

int
clock_gettime(clockid_t id, struct timespec *t)
{
	NEXT(clock_gettime);
	int rc = next(id, t);

	if (id != CLOCK_PROCESS_CPUTIME_ID && id != CLOCK_THREAD_CPUTIME_ID)
		*t = later(*t, ahead_ns());
	return rc;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec t;
	int rc = clock_gettime(CLOCK_REALTIME, &t);

	(void)zone;
	tv->tv_sec = t.tv_sec;
	tv->tv_usec = t.tv_nsec / 1000;
	return rc;
}

time_t
time(time_t *out)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (out != NULL)
		*out = t.tv_sec;
	return t.tv_sec;
}

/* -- waits ----------------------------------------------------------------- */

/* Nothing can come, but what another thread or a signal writes to a pipe of
 * our own. */
static int
is_sleep(const struct pollfd *fd, nfds_t n)
{
	struct stat sb;

	return n == 0 ||
	    (n == 1 && fd->fd > 2 && fstat(fd->fd, &sb) == 0 &&
		S_ISFIFO(sb.st_mode));
}

int
poll(struct pollfd *fd, nfds_t n, int ms)
{
	NEXT(poll);
	int rc;

	if (ms <= 0 || ahead == NULL || !is_sleep(fd, n))
		return next(fd, n, ms);
	rc = next(fd, n, 0);
	if (rc == 0)
		leap(ms * (SECOND / 1000));
	return rc;
}

/* A wait, by the machine's clock. */
int
pthread_cond_timedwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m,
    const struct timespec *restrict until)
{
	NEXT(pthread_cond_timedwait);
	struct timespec t = later(*until, -ahead_ns());

	return next(c, m, &t);
}

/* -- the clock ------------------------------------------------------------- */

__attribute__((constructor)) static void
begin(void)
{
	const char *file = getenv("LEAP_CLOCK"), *to = getenv("LEAP_TO");
	int fd =
	    file != NULL ? open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
	struct timespec t;
	int64_t ns;
	void *p;

	if (fd == -1 || ftruncate(fd, sizeof(*ahead)) == -1)
		return;
	p = mmap(
	    NULL, sizeof(*ahead), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (p == MAP_FAILED)
		return;
	ahead = p;
	if (to == NULL)
		return;
	clock_gettime(CLOCK_REALTIME, &t);
	ns = strtoll(to, NULL, 10) * SECOND - (t.tv_sec * SECOND + t.tv_nsec);
	if (ns > 0)
		leap(ns);
	(void)unsetenv("LEAP_TO");
}
