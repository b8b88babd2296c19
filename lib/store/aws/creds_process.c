/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials that a program prints.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/store/aws/creds_fetch.h"
#include "lib/store/aws/pace.h"
#include "lib/sys/file.h"
#include "lib/sys/stop.h"

extern char **environ;

enum { LOOK_MS = 100 }; /* how often one that waits looks for a signal */

struct process {
	pid_t pid;
	int fd; /* its output */
	uint64_t end;
	int status; /* once it has ended; else -1 */
};

/* How long poll() may wait yet; 0: the time is over, or a signal came. */
static int
time_left(const struct process *p)
{
	uint64_t now = pace_now(), left = now >= p->end ? 0 : p->end - now;

	if (stop_requested())
		return 0;
	return left > LOOK_MS ? LOOK_MS : (int)left;
}

/* Has it ended?  A child of it that it left may be there for long. */
static bool
has_ended(struct process *p)
{
	if (p->status == -1 && waitpid(p->pid, &p->status, WNOHANG) != p->pid)
		p->status = -1;
	return p->status != -1;
}

/* All that it prints: 0, or -1: more than that, or not in time. */
static int
collect(struct process *p, struct buf *out)
{
	struct pollfd fd = { .fd = p->fd, .events = POLLIN };
	ssize_t n = 1;
	bool ended;
	int ms;

	while (n != 0 && out->len < CREDS_SMALL && (ms = time_left(p)) > 0) {
		/* Its whole output is in the pipe once it has ended. */
		ended = has_ended(p);
		if (poll(&fd, 1, ended ? 0 : ms > 20 ? 20 : ms) <= 0) {
			n = ended ? 0 : 1;
			continue;
		}
		n = read(p->fd, buf_room(out, 4096), 4096);
		if (n > 0)
			out->len += (size_t)n;
		else if (n == -1 && errno != EINTR)
			break;
	}
	buf_add(out, "", 0);
	return n == 0 ? 0 : -1;
}

/* Its status, or -1: it was still there when the time was over. */
static int
await(struct process *p)
{
	int ms;

	while (!has_ended(p) && (ms = time_left(p)) > 0)
		(void)poll(NULL, 0, ms > 10 ? 10 : ms);
	return p->status;
}

static int
start(struct process *p, const char *command, struct err *e)
{
	const char *argv[] = { "sh", "-c", command, NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	int fd[2], errnum;

	if (pipe2(fd, O_CLOEXEC) == -1)
		return err_sys(e, "pipe");
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, fd[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(
	    &fa, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	/* A group of its own: so that all of it can be ended. */
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
	errnum = posix_spawn(
	    &p->pid, "/bin/sh", &fa, &attr, (char *const *)argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&fa);
	file_close(fd[1]);
	p->fd = fd[0];
	if (errnum == 0)
		return 0;
	file_close(fd[0]);
	errno = errnum;
	return err_sys(e, "/bin/sh");
}

/* Its output, in *text, if it ends well and in time. */
static int
run(const char *command, uint64_t timeout_s, struct buf *text, struct err *e)
{
	struct process p = { .end = pace_now() + timeout_s * 1000,
		.status = -1 };
	int rc, status = -1;

	if (start(&p, command, e) == -1)
		return -1;
	rc = collect(&p, text);
	file_close(p.fd);
	if (rc == 0 || text->len < CREDS_SMALL)
		status = await(&p);
	if (status == -1)
		(void)kill(-p.pid, SIGKILL);
	if (p.status == -1)
		while (waitpid(p.pid, NULL, 0) == -1 && errno == EINTR)
			continue;
	if (status == 0 && rc == 0)
		return 0;
	if (text->len >= CREDS_SMALL)
		return err_set(e, ERR_CONFIG, "it prints too much");
	if (status == -1 && stop_requested())
		return err_set(e, ERR_BUSY, "interrupted by a signal");
	if (status == -1)
		return err_set(e, ERR_CONFIG,
		    "it did not end within %" PRIu64 " s (--timeout)",
		    timeout_s);
	return err_set(e, ERR_CONFIG, "it failed (%s %d)",
	    WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

int
creds_from_process(const struct creds_conf *conf, const char *command,
    struct creds *out, struct err *e)
{
	struct buf text = { 0 };
	int rc = run(command, conf->timeout_s, &text, e);

	if (rc == 0)
		rc = creds_parse(&text, "SessionToken", out, e);
	buf_wipe(&text);
	if (rc == -1)
		return err_in(e, "credential_process");
	out->source = xstrdup("credential_process");
	return 0;
}
