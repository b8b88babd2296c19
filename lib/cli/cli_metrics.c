/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --metrics: what a run tells Prometheus.
 */
#include "lib/cli/cli_impl.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/sys/file.h"
#include "lib/text/metrics.h"

int64_t
cli_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
cli_measured(struct cli *c, cli_measure *fn, void *ctx)
{
	c->measure = fn;
	c->measure_ctx = ctx;
}

void
cli_unmeasured(struct cli *c)
{
	c->measured = true;
}

void
cli_check_metrics(struct cli *c)
{
	const char *file = c->metrics;
	struct buf dir = { 0 };
	struct err e;
	size_t n;

	if (file == NULL)
		return;
	n = strlen(path_base(file));
	/* Nor is any other file replaced by a slip of the hand. */
	if (n <= 5 || strcmp(path_base(file) + n - 5, ".prom") != 0)
		cli_usage(c,
		    "--metrics: \"%s\" does not end in .prom: nobody would "
		    "read "
		    "it",
		    file);
	if (c->dry_run)
		cli_usage(c, "--metrics and -n/--dry-run exclude each other");
	path_dir(file, &dir);
	if (faccessat(AT_FDCWD, buf_str(&dir), W_OK | X_OK, AT_EACCESS) == -1) {
		err_sys(&e, "cannot write there");
		cli_say(c, file, e.msg, "");
		exit(e.class == ERR_DENIED ? ERR_DENIED : ERR_IO);
	}
	buf_release(&dir);
	c->metrics_file = file;
}

static void
collect(struct cli *c, int status, struct metrics *m)
{
	double now = (double)time(NULL);

	metrics_add(m, METRIC_DATABASES, "state=\"failed\"", (double)c->failed);
	metrics_add(m, METRIC_LAST_SUCCESS, NULL, status == 0 ? now : 0);
	metrics_add(m, METRIC_LAST_RUN, NULL, now);
	metrics_add(m, METRIC_EXIT_CODE, NULL, status);
	metrics_add(m, METRIC_DURATION, NULL,
	    (double)(cli_now_ms() - c->started_ms) / 1000);
	if (c->measure != NULL)
		c->measure(c->measure_ctx, m);
}

int
cli_write_metrics(struct cli *c, int status)
{
	struct metrics m = { .program = c->program };
	const char *file = c->metrics_file, *name;
	struct err e;
	char *job;
	int rc;

	if (file == NULL || c->measured)
		return status;
	c->measured = true;
	name = path_base(file);
	m.job = job =
	    xasprintf("%.*s", (int)(strlen(name) - strlen(".prom")), name);
	collect(c, status, &m);
	if (metrics_merge(&m, file, &e) == -1)
		cli_warn(c, file, "%s: its counters begin anew", e.msg);
	rc = metrics_write(&m, file, &e);
	metrics_release(&m);
	free(job);
	if (rc == 0)
		return status;
	cli_say(c, file, e.msg, e.hint);
	return status <= 1 ? ERR_IO : status;
}
