/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cli/lines.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/sys/stop.h"
#include "lib/text/utf8.h"

#define CHUNK     65536
#define TOTAL_MAX (64 << 20) /* of a list that is read twice */

/* stdout belongs to the process, and so does this. */
static int put_errnum;

int
lines_open(struct lines *in, char **operands, int end, struct err *e)
{
	*in = (struct lines){ .operand = operands, .end = end };
	in->reading = operands[0] == NULL;
	if (in->reading && isatty(STDIN_FILENO)) {
		err_set(e, ERR_USAGE,
		    "no paths given, and standard input is a terminal");
		return err_hint(e,
		    "pipe them in, as lspp-scan prints them, name them, or "
		    "use \"-\" to type them");
	}
	for (; end != '\0' && *operands != NULL; operands++)
		if (strchr(*operands, end) != NULL) {
			err_set(e, ERR_USAGE, "an operand holds a newline");
			return err_hint(e, "use -0");
		}
	return 0;
}

/*
 * Wait until stdin has something, at most ms milliseconds unless that is -1: 1;
 * 0: it has nothing yet; -1: a stop is requested.
 */
static int
ready(int ms)
{
	struct pollfd fd[2] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = stop_fd(), .events = POLLIN },
	};
	int n;

	while (!stop_requested()) {
		n = poll(fd, 2, ms);
		if (stop_requested())
			break;
		if (n > 0 && fd[0].revents != 0)
			return 1;
		if (n == 0 && ms >= 0)
			return 0;
	}
	return -1;
}

/*
 * Read more of stdin, as ready() says when: 1; 0: nothing has come; -1 at its
 * end, after an error and after a signal.
 */
static int
fill(struct lines *in, int ms)
{
	struct buf *b = &in->buf;
	ssize_t n;
	int rc;

	if (in->at > 0) {
		b->len -= in->at;
		memmove(b->data, b->data + in->at, b->len);
		in->seen -= in->at;
		in->at = 0;
	}
	(void)buf_room(b, CHUNK);
	do {
		if ((rc = ready(ms)) != 1)
			return rc;
		n = read(STDIN_FILENO, b->data + b->len, CHUNK);
	} while (n == -1 && (errno == EINTR || errno == EAGAIN));
	if (n == -1)
		in->errnum = errno;
	if (n <= 0)
		return -1;
	b->len += (size_t)n;
	return 1;
}

/* Set *end to where the next record ends, if that is known. */
static bool
find_end(const struct lines *in, size_t *end)
{
	const struct buf *b = &in->buf;
	const uint8_t *p = NULL;

	if (b->len > in->seen)
		p = memchr(b->data + in->seen, in->end, b->len - in->seen);
	if (p != NULL)
		*end = (size_t)(p - b->data);
	return p != NULL;
}

enum { FOR_EVER = -1, NO_MORE = -2 }; /* in place of milliseconds */

/*
 * The next record of stdin with a NUL for its end: 1; 0: it has not come
 * within *ms; -1: there is none.  A wait with a limit is the only one of a
 * call, whatever comes: *ms is then NO_MORE.
 */
static int
record(struct lines *in, int *ms, const char **path, size_t *len)
{
	size_t end = 0;
	int rc;

	while (!find_end(in, &end)) {
		in->seen = in->buf.len;
		if (*ms == NO_MORE)
			return 0;
		rc = fill(in, *ms);
		if (rc == 0)
			return 0;
		if (*ms != FOR_EVER)
			*ms = NO_MORE;
		if (rc == 1)
			continue;
		/* A line that an error or a signal cut short may name another
		 * file. */
		if (in->errnum != 0 || stop_requested() ||
		    in->at == in->buf.len)
			return -1;
		end = in->buf.len; /* no end byte, but room for it */
		break;
	}
	in->buf.data[end] = '\0';
	*path = (const char *)in->buf.data + in->at;
	*len = end - in->at;
	in->at = end < in->buf.len ? end + 1 : end;
	in->seen = in->at;
	return 1;
}

static int
next_record(struct lines *in, int *ms, const char **path)
{
	size_t len;
	int rc;

	while ((rc = record(in, ms, path, &len)) == 1) {
		if (strlen(*path) != len)
			in->nul = true;
		else if (len > 0)
			break;
	}
	return rc;
}

bool
lines_waits(const struct lines *in)
{
	size_t end;

	return in->reading && !find_end(in, &end);
}

int
lines_await(struct lines *in, int ms, const char **path)
{
	int rc;

	while (!stop_requested()) {
		if (in->reading) {
			if ((rc = next_record(in, &ms, path)) != -1) {
				in->came |= rc == 1;
				return rc;
			}
			in->empty = !in->came;
			in->reading = false;
			continue;
		}
		if ((*path = *in->operand) == NULL)
			return -1;
		in->operand++;
		if (strcmp(*path, "-") != 0)
			return 1;
		in->reading = true;
	}
	return -1;
}

const char *
lines_next(struct lines *in)
{
	const char *path;

	return lines_await(in, FOR_EVER, &path) == 1 ? path : NULL;
}

/* The records from where standard input is, if it is a file. */
static uint64_t
count_records(int end)
{
	off_t at = lseek(STDIN_FILENO, 0, SEEK_CUR);
	uint8_t *piece;
	uint64_t n = 0;
	uint8_t last = (uint8_t)end;
	struct stat st;
	ssize_t got;

	if (at == -1 || fstat(STDIN_FILENO, &st) == -1 ||
	    !S_ISREG(st.st_mode) || st.st_size > TOTAL_MAX)
		return 0;
	piece = xmalloc(CHUNK);
	while ((got = pread(STDIN_FILENO, piece, CHUNK, at)) > 0) {
		for (ssize_t i = 0; i < got; last = piece[i++])
			n += piece[i] != end && last == end;
		at += got;
	}
	free(piece);
	return n;
}

uint64_t
lines_total(const struct lines *in)
{
	uint64_t n = 0;

	if (in->reading)
		return count_records(in->end);
	for (char **o = in->operand; *o != NULL; o++, n++)
		if (strcmp(*o, "-") == 0)
			return 0;
	return n;
}

bool
lines_failed(const struct lines *in)
{
	return in->errnum != 0 || in->nul;
}

int
lines_expect(const struct lines *in, struct err *e)
{
	if (!in->empty || in->came || stop_requested())
		return 0;
	err_set(e, ERR_MISSING, "nothing came in on standard input");
	return err_hint(e, "did what should have printed the paths fail?");
}

int
lines_close(struct lines *in, struct err *e)
{
	buf_release(&in->buf);
	if (in->errnum != 0)
		return err_set(e, ERR_IO, "cannot read standard input: %s",
		    strerror(in->errnum));
	if (in->nul) {
		err_set(e, ERR_USAGE, "a line of standard input holds a NUL");
		return err_hint(e, "use -0 for paths that end in NUL");
	}
	return 0;
}

static void
nothing(void)
{
}

static void (*hold)(void) = nothing, (*release)(void) = nothing;

void
lines_hold(void (*before)(void), void (*after)(void))
{
	hold = before;
	release = after;
}

void
lines_put(int end, const char *path)
{
	static int terminal = -1;
	char *shown = NULL;

	hold();
	if (terminal == -1)
		terminal = isatty(STDOUT_FILENO);
	if (terminal == 1 && end != '\0') { /* a name is a tenant's, maybe */
		path = shown = xstrdup(path);
		utf8_tame(shown, true);
	}
	if ((fputs(path, stdout) == EOF || putchar(end) == EOF) &&
	    put_errnum == 0)
		put_errnum = errno;
	free(shown);
	release();
}

void
lines_flush(void)
{
	hold();
	if (fflush(stdout) == EOF && put_errnum == 0)
		put_errnum = errno;
	release();
}

int
lines_errno(void)
{
	return put_errnum;
}
