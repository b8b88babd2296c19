/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a run ends: what failed, the report files, the exit status.
 */
#include "lib/cli/cli_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/mask.h"
#include "lib/cli/lines.h"
#include "lib/sys/stop.h"
#include "lib/text/json_write.h"

static void
report(struct cli *c, int fd, const struct buf *record)
{
	ssize_t n;

	if (fd == -1)
		return;
	do {
		n = write(fd, record->data, record->len);
	} while (n == -1 && errno == EINTR);
	if (n != (ssize_t)record->len && c->report_errnum == 0)
		c->report_errnum = n == -1 ? errno : ENOSPC;
}

/* Never one path as two records. */
static bool
fits_line(const struct cli *c, const char *path)
{
	return c->end == '\0' || strchr(path, c->end) == NULL;
}

static void
failure_object(struct buf *b, const char *path, const struct err *e,
    const char *hint, unsigned attempts)
{
	char *msg = xstrdup(e->msg);

	json_begin(b, NULL);
	json_text(b, "path", path);
	json_number(b, "status", (uint64_t)cli_status_of(e->class));
	json_number(b, "attempts", attempts);
	mask_urls(msg);
	json_text(b, "message", msg);
	json_text(b, "hint", hint[0] != '\0' ? hint : NULL);
	json_end(b);
	buf_add(b, "\n", 1);
	free(msg);
}

static void
report_failure(struct cli *c, const char *path, const struct err *e,
    const char *hint, unsigned attempts)
{
	struct buf b = { 0 };
	char end = (char)c->end;

	if (c->json) {
		failure_object(&b, path, e, hint, attempts);
		report(c, c->errors_fd, &b);
	} else if (fits_line(c, path)) {
		buf_addf(
		    &b, "%d\t%u\t%s", cli_status_of(e->class), attempts, path);
		buf_add(&b, &end, 1);
		report(c, c->errors_fd, &b);
	}
	buf_release(&b);
}

/* For the next run. */
static void
report_path(struct cli *c, const char *path)
{
	struct buf b = { 0 };
	char end = (char)c->end;

	buf_adds(&b, path);
	buf_add(&b, &end, 1);
	if (fits_line(c, path))
		report(c, c->failed_fd, &b);
	buf_release(&b);
}

/* The hint that the path itself gives for its failure. */
static const char *
hint_of(const struct cli *c, const char *path, const struct err *e)
{
	size_t n = strlen(path);

	if (e->hint[0] != '\0')
		return e->hint;
	if (e->class == ERR_MISSING && n > 0 && path[n - 1] == '\r')
		return "the path ends in a carriage return: a list with DOS "
		       "line ends?";
	if (!fits_line(c, path) &&
	    ((c->errors_fd != -1 && !c->json) || c->failed_fd != -1))
		return "a path with a newline is not in the report: use -0";
	return "";
}

void
cli_fail_silently(
    struct cli *c, const char *path, const struct err *e, unsigned attempts)
{
	if (c->failed++ == 0)
		c->first = e->class;
	else if (c->first != e->class)
		c->mixed = true;
	if (path == NULL)
		return;
	report_failure(c, path, e, hint_of(c, path, e), attempts);
	report_path(c, path);
}

void
cli_tell(const struct cli *c, const char *path, const struct err *e)
{
	cli_say(c, path, e->msg, path == NULL ? e->hint : hint_of(c, path, e));
}

/* Unless the same was said of another path. */
static void
say(struct cli *c, const char *path, const struct err *e)
{
	const char *hint = path == NULL ? e->hint : hint_of(c, path, e);
	enum cli_told told = CLI_NEW;

	if (path != NULL)
		told = cli_told(c, path, e->class, e->msg, hint);
	if (told != CLI_COUNTED)
		cli_say(c, path, e->msg, told == CLI_NEW ? hint : "");
}

void
cli_fail(
    struct cli *c, const char *path, const struct err *e, unsigned attempts)
{
	say(c, path, e);
	cli_fail_silently(c, path, e, attempts);
}

void
cli_earlier(struct cli *c, const char *path, const char *why)
{
	struct err e;

	err_set(&e, ERR_EARLIER, "%s", why);
	if (c->least < ERR_EARLIER)
		c->least = ERR_EARLIER;
	say(c, path, &e);
	report_failure(c, path, &e, "", 1);
}

void
cli_pass(struct cli *c)
{
	c->passed++;
}

struct buf *
cli_object(struct cli *c, const char *path)
{
	buf_reset(&c->object);
	json_begin(&c->object, NULL);
	json_text(&c->object, "path", path);
	return &c->object;
}

void
cli_put_object(struct cli *c)
{
	json_end(&c->object);
	lines_put('\n', buf_str(&c->object));
}

void
cli_put(struct cli *c, const char *path)
{
	if (!c->json) {
		lines_put(c->end, path);
		return;
	}
	(void)cli_object(c, path);
	cli_put_object(c);
}

static int
close_stdout(void)
{
	int errnum;

	lines_flush();
	errnum = lines_errno();
	if (ferror(stdout) && errnum == 0)
		errnum = EIO;
	if (fclose(stdout) == EOF && errnum == 0)
		errnum = errno;
	return errnum;
}

static void
close_report(struct cli *c, int *fd)
{
	if (*fd != -1 && close(*fd) == -1 && c->report_errnum == 0)
		c->report_errnum = errno;
	*fd = -1;
}

/* A failure to write is a failure of the run, but no path's: it says more than
 * that some paths failed, and less than what is wrong with all. */
static int
write_failed(struct cli *c, int status, const char *what, int errnum)
{
	struct err e;

	err_set(&e, ERR_IO, "cannot write %s: %s", what, strerror(errnum));
	cli_complain(c, &e);
	return status <= 1 ? ERR_IO : status;
}

int
cli_end(struct cli *c, int status)
{
	int sig = stop_signal();

	status = cli_write_metrics(c, sig != 0 ? 128 + sig : status);
	cli_tell_rest(c); /* of these, too */
	if (sig != 0) {
		(void)fflush(stdout);
		(void)signal(sig, SIG_DFL);
		(void)raise(sig);
	}
	return status;
}

int
cli_finish(struct cli *c)
{
	int status = c->least, out;

	cli_progress_end(c);
	cli_tell_rest(c);
	if (c->failed > 0)
		status =
		    c->passed > 0 || c->mixed ? 1 : cli_status_of(c->first);
	close_report(c, &c->errors_fd);
	close_report(c, &c->failed_fd);
	if (c->report_errnum != 0)
		status = write_failed(
		    c, status, "the report of failures", c->report_errnum);
	if ((out = close_stdout()) != 0)
		status = write_failed(c, status, "to standard output", out);
	buf_release(&c->object);
	return cli_end(c, status);
}
