/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress: a line that is drawn again and again on a terminal, lines now and
 * then elsewhere, one line when SIGUSR1 asks for it.
 *
 * A thread of its own waits for the signal, which is blocked in all others, so
 * that no call of theirs is interrupted.  Everything that goes to standard
 * error passes cli_write(), which takes a drawn line away first.
 */
#include "lib/cli/cli_impl.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/cli/lines.h"
#include "lib/text/progress.h"

enum {
	FIRST_MS = 500, /* a short run draws nothing */
	DRAW_MS = 200,
	LINE_MS = 10000,
};

/* Standard error belongs to the process, and so does this. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool drawn;
static bool asking; /* the line belongs to a question */
static atomic_bool over;
static pthread_t thread;

static void
put(const char *text, size_t len)
{
	ssize_t n;

	do {
		n = write(STDERR_FILENO, text, len);
	} while (n == -1 && errno == EINTR);
}

/* With the lock. */
static void
erase(void)
{
	static const char line[] = "\r\033[K";

	if (drawn)
		put(line, sizeof(line) - 1);
	drawn = false;
}

void
cli_write(const char *text, size_t len)
{
	pthread_mutex_lock(&lock);
	erase();
	put(text, len);
	pthread_mutex_unlock(&lock);
}

/* Around a write to standard output, when that is a terminal, too. */
static void
hold(void)
{
	pthread_mutex_lock(&lock);
	erase();
}

static void
release(void)
{
	pthread_mutex_unlock(&lock);
}

/* With the lock. */
static void
format(struct cli *c, struct buf *out)
{
	struct progress p = { .verb = "done",
		.done = atomic_load(&c->passed),
		.failed = atomic_load(&c->failed),
		.total = atomic_load(&c->total),
		.ms = cli_now_ms() - c->started_ms };

	if (c->watch != NULL)
		c->watch(c->watch_ctx, &p);
	buf_addf(out, "%s: ", c->program);
	progress_text(&p, out);
}

static void
say_line(struct cli *c)
{
	struct buf line = { 0 };

	pthread_mutex_lock(&lock);
	format(c, &line);
	buf_add(&line, "\n", 1);
	erase();
	put(buf_str(&line), line.len);
	pthread_mutex_unlock(&lock);
	buf_release(&line);
}

static void
draw(struct cli *c)
{
	struct winsize size = { .ws_col = 0 };
	struct buf line = { 0 };

	/* In the background the terminal is somebody else's. */
	if (tcgetpgrp(STDERR_FILENO) != getpgrp())
		return;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == -1 || size.ws_col < 2)
		size.ws_col = 80;
	buf_add(&line, "\r", 1);
	pthread_mutex_lock(&lock);
	format(c, &line);
	/* A line that wraps could not be taken away. */
	if (line.len > size.ws_col)
		line.len = size.ws_col;
	buf_adds(&line, "\033[K");
	if (!asking) {
		put(buf_str(&line), line.len);
		drawn = true;
	}
	pthread_mutex_unlock(&lock);
	buf_release(&line);
}

static void
set_asking(bool now)
{
	pthread_mutex_lock(&lock);
	asking = now;
	pthread_mutex_unlock(&lock);
}

bool
cli_ask(struct cli *c, const char *question)
{
	char answer[16] = "";
	struct buf line = { 0 };
	bool yes;

	buf_addf(&line, "%s: %s [y/N] ", c->program, question);
	set_asking(true);
	cli_write(buf_str(&line), line.len);
	yes = fgets(answer, sizeof(answer), stdin) != NULL &&
	    (*answer == 'y' || *answer == 'Y');
	set_asking(false);
	buf_release(&line);
	return yes;
}

static void
signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGUSR1);
#ifdef SIGINFO
	sigaddset(set, SIGINFO);
#endif
}

static void *
progress_main(void *arg)
{
	struct cli *c = arg;
	int64_t every = c->how == CLI_DRAWN ? DRAW_MS : LINE_MS;
	int64_t next = cli_now_ms(), left;
	struct timespec t;
	sigset_t set;
	int sig;

	signals(&set);
	next += c->how == CLI_DRAWN ? FIRST_MS : LINE_MS;
	while (!atomic_load(&over)) {
		left = next - cli_now_ms();
		if (c->how == CLI_ASKED || left < 0)
			left = c->how == CLI_ASKED ? 3600000 : 0;
		t.tv_sec = (time_t)(left / 1000);
		t.tv_nsec = (long)(left % 1000) * 1000000;
		sig = sigtimedwait(&set, NULL, &t);
		if (atomic_load(&over))
			break;
		if (sig > 0) {
			say_line(c);
		} else if (errno == EAGAIN && c->how != CLI_ASKED) {
			if (c->how == CLI_DRAWN)
				draw(c);
			else
				say_line(c);
			next = cli_now_ms() + every;
		}
	}
	return NULL;
}

static enum cli_how
how(const struct cli *c)
{
	const char *term = getenv("TERM");
	struct stat st;

	if (!c->progress &&
	    (c->quiet || !isatty(STDERR_FILENO) ||
		/* Another program at its end may draw. */
		(fstat(STDOUT_FILENO, &st) == 0 && S_ISFIFO(st.st_mode))))
		return CLI_ASKED;
	if (!isatty(STDERR_FILENO) || term == NULL || *term == '\0' ||
	    strcmp(term, "dumb") == 0)
		return CLI_LINES;
	return CLI_DRAWN;
}

void
cli_progress_block(void)
{
	sigset_t set;

	signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void
cli_progress_begin(struct cli *c)
{
	sigset_t all, before;

	c->how = how(c);
	if (c->how == CLI_DRAWN && isatty(STDOUT_FILENO))
		lines_hold(hold, release);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	/* Without a thread there is no progress: no reason to fail. */
	c->watching = pthread_create(&thread, NULL, progress_main, c) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void
cli_progress_end(struct cli *c)
{
	if (!c->watching)
		return;
	c->watching = false;
	atomic_store(&over, true);
	(void)pthread_kill(thread, SIGUSR1);
	(void)pthread_join(thread, NULL);
	hold();
	release();
}

void
cli_watch(struct cli *c, cli_watch_fn *fn, void *ctx)
{
	pthread_mutex_lock(&lock);
	c->watch = fn;
	c->watch_ctx = ctx;
	pthread_mutex_unlock(&lock);
}

void
cli_total(struct cli *c, uint64_t n)
{
	atomic_store(&c->total, n);
}
