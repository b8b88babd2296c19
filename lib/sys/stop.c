/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sys/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/err.h"

static atomic_int first_signal;
static atomic_llong asked_ms; /* then, by a clock that never jumps */
static atomic_uint drain;     /* seconds that a first SIGTERM is put off */
static atomic_bool draining;
static int wake[2] = { -1, -1 };

enum { GRACE_MS = 1000 };

static long long
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
on_signal(int sig)
{
	int errnum = errno, none = 0;
	ssize_t n;

	if (sig == SIGTERM && atomic_load(&drain) > 0 &&
	    !atomic_exchange(&draining, true)) {
		(void)alarm(atomic_load(&drain));
		return;
	}
	if (sig == SIGALRM)
		sig = SIGTERM;
	if (atomic_load(&asked_ms) == 0)
		atomic_store(&asked_ms, now_ms());
	if (atomic_compare_exchange_strong(&first_signal, &none, sig)) {
		n = write(wake[1], "", 1);
		(void)n;
	} else {
		/* Blocked in here: it strikes when the handler returns. */
		(void)signal(sig, SIG_DFL);
		(void)raise(sig);
	}
	errno = errnum;
}

void
stop_on_signals(void)
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal }, old;

	if (wake[0] != -1)
		return;
	/* Without a pipe there is still the flag. */
	if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) == -1)
		wake[0] = wake[1] = -1;
	sa.sa_flags = SA_RESTART;
	sigemptyset(&sa.sa_mask);
	for (unsigned i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		/* A signal that nohup or a shell's "&" has us ignore stays
		 * ignored. */
		if (sigaction(sigs[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			(void)sigaction(sigs[i], &sa, NULL);
	}
}

void
stop_drain(unsigned seconds)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sa.sa_flags = SA_RESTART;
	sigemptyset(&sa.sa_mask);
	(void)sigaction(SIGALRM, &sa, NULL);
	atomic_store(&drain, seconds);
}

bool
stop_requested(void)
{
	return atomic_load(&first_signal) != 0;
}

bool
stop_since(unsigned ms)
{
	return stop_requested() && now_ms() - atomic_load(&asked_ms) >= ms;
}

int
stop_overdue(struct err *e)
{
	if (!stop_since(GRACE_MS))
		return 0;
	return err_set(e, ERR_BUSY, "interrupted by a signal");
}

int
stop_wait(void *wait, int n)
{
	const struct timespec pause = { 0, n < 10 ? 2000000 : 20000000 };
	struct stop_wait *w = wait;
	struct err ignored;

	if (n == 0)
		w->waited_ms = 0;
	w->waited_ms += n < 10 ? 2 : 20;
	if (w->waited_ms > w->ms || stop_overdue(&ignored) == -1)
		return 0;
	nanosleep(&pause, NULL);
	return 1;
}

int
stop_signal(void)
{
	int sig = atomic_load(&first_signal);

	return sig == 0 && atomic_load(&draining) ? SIGTERM : sig;
}

int
stop_fd(void)
{
	return wake[0];
}
