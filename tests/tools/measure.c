/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measure -- run a command, append what it took to a file.
 *
 *	measure FILE COMMAND [ARGUMENT...]
 *
 * The record is "seconds peak-KiB status processor-seconds written-KiB", where
 * the peak is the largest resident set of the command or of any child it waited
 * for, and written what goes to disks on its account.  Passes SIGTERM on, and
 * exits as the command did (128 and the signal, if one ended it).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t child;

static void
pass_on(int sig)
{
	if (child > 0)
		kill(child, sig);
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double
seconds(struct timeval tv)
{
	return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

static int
fail(const char *what)
{
	fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
	return 125;
}

int
main(int argc, char *argv[])
{
	struct sigaction sa = { .sa_handler = pass_on };
	struct rusage use;
	int status, fd;
	double start;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: measure FILE COMMAND...\n");
		return 2;
	}
	fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd == -1)
		return fail(argv[1]);
	start = now();
	if ((pid = fork()) == -1)
		return fail("fork");
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		_exit(fail(argv[2]));
	}
	child = pid;
	sigaction(SIGTERM, &sa, NULL);
	while (wait4(pid, &status, 0, &use) == -1)
		if (errno != EINTR)
			return fail("wait4");
	status =
	    WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	if (dprintf(fd, "%.4f %ld %d %.4f %ld\n", now() - start, use.ru_maxrss,
		status, seconds(use.ru_utime) + seconds(use.ru_stime),
		use.ru_oublock / 2) < 0)
		return fail(argv[1]);
	return status;
}
