/* SPDX-License-Identifier: Apache-2.0 */
/* Telling a scribe what to do. */
#include "tests/differ/differ.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void
become(const char *command, int in, int out)
{
	char line[PATH_MAX + 64];

	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	(void)snprintf(line, sizeof(line), "exec %s", command);
	execl("/bin/sh", "sh", "-c", line, (char *)NULL);
	_exit(127);
}

void
scribe_start(struct round *r, struct scribe *s)
{
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC) == -1 || pipe2(from, O_CLOEXEC) == -1)
		die("pipe: %s", strerror(errno));
	if ((s->pid = fork()) == 0)
		become(s->command, to[0], from[1]);
	close(to[0]);
	close(from[1]);
	s->to = fdopen(to[1], "we");
	s->from = fdopen(from[0], "re");
	s->open = s->txn = false;
	if (s->pid == -1 || !ask(r, s, "version"))
		die("cannot start: %s", s->command);
	(void)snprintf(s->version, sizeof(s->version), "%.20s", s->reply);
}

static void
hang_up(struct scribe *s)
{
	if (s->pid == 0)
		return;
	(void)fclose(s->to);
	(void)fclose(s->from);
	(void)waitpid(s->pid, NULL, 0);
	s->pid = 0;
	s->open = s->txn = false;
}

void
scribe_stop(struct scribe *s)
{
	hang_up(s);
}

void
scribe_kill(struct round *r, struct scribe *s)
{
	note(r, "%d killed", (int)(s - r->s));
	kill(s->pid, SIGKILL);
	hang_up(s);
	r->moved_ns = now_ns();
}

static void
send_line(struct round *r, struct scribe *s, const char *fmt, va_list ap)
{
	char line[4096];

	(void)vsnprintf(line, sizeof(line), fmt, ap);
	note(r, "%d: %s", (int)(s - r->s), line);
	if (fprintf(s->to, "%s\n", line) < 0 || fflush(s->to) == EOF)
		die("scribe %s is gone", s->command);
}

void
tell(struct round *r, struct scribe *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	send_line(r, s, fmt, ap);
	va_end(ap);
}

/* What SQLite says of a file that it or the runner broke. */
static bool
is_broken(const char *text)
{
	return strstr(text, "malformed") != NULL ||
	    strstr(text, "not a database") != NULL ||
	    strstr(text, "I/O error") != NULL;
}

bool
ask(struct round *r, struct scribe *s, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	send_line(r, s, fmt, ap);
	va_end(ap);
	if (fgets(line, sizeof(line), s->from) == NULL)
		die("scribe %s died", s->command);
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, "ok ") != 0)
		note(r, "%d = %s", (int)(s - r->s), line);
	if (strncmp(line, "err", 3) == 0 && is_broken(line))
		die("the source is broken: %s", line);
	(void)snprintf(s->reply, sizeof(s->reply), "%s",
	    line + (strncmp(line, "ok", 2) == 0 ? 3 : 4));
	return strncmp(line, "ok", 2) == 0;
}

static const char *
uri_options(const struct round *r)
{
	if (strcmp(r->lock, "nolock") == 0)
		return "?nolock=1";
	if (strcmp(r->lock, "dotfile") == 0)
		return "?vfs=unix-dotfile";
	if (strcmp(r->lock, "excl") == 0)
		return "?vfs=unix-excl";
	return "";
}

bool
scribe_open(struct round *r, struct scribe *s)
{
	if (s->pid == 0)
		scribe_start(r, s);
	if (s->open)
		return true;
	if (!ask(r, s, "open file:%s%s", r->db, uri_options(r)))
		die("cannot open: %s", s->reply);
	s->open = true;
	ask(r, s, "exec PRAGMA busy_timeout = 3000");
	ask(r, s, "exec PRAGMA synchronous = %s",
	    chance(r, 85)       ? "OFF"
		: chance(r, 50) ? "NORMAL"
				: "FULL");
	if (strcmp(r->lock, "exclusive") == 0)
		ask(r, s, "exec PRAGMA locking_mode = EXCLUSIVE");
	if (chance(r, 60))
		ask(r, s, "exec PRAGMA cache_size = %u", 1 + below(r, 12));
	return true;
}

void
scribe_close(struct round *r, struct scribe *s)
{
	if (!s->open)
		return;
	if (!ask(r, s, "close"))
		die("cannot close: %s", s->reply);
	s->open = s->txn = false;
	r->moved_ns = now_ns();
}

bool
learn(struct round *r, struct scribe *s)
{
	uint64_t sum;

	scribe_open(r, s);
	if (!ask(r, s, "sum"))
		return false;
	sum = strtoull(s->reply, NULL, 16);
	r->unsure = false;
	if (r->states > 0 && r->hash[r->states - 1] == sum)
		return true;
	if (r->states % 1024 == 0 &&
	    (r->hash = realloc(
		 r->hash, (r->states + 1024) * sizeof(*r->hash))) == NULL)
		die("no memory");
	r->hash[r->states++] = sum;
	note(r, "state %zu is %" PRIx64, r->states - 1, sum);
	return true;
}
