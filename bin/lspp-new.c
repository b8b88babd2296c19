/* SPDX-License-Identifier: Apache-2.0 */
/* lspp-new -- create databases from a template; print each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cli/cli.h"
#include "lib/cli/lines.h"
#include "lib/restore/restore.h"
#include "lib/restore/template.h"
#include "lib/sys/file.h"
#include "lib/sys/pool.h"
#include "lib/text/metrics.h"

enum { IN_FLIGHT = 256, BATCH = 128, LINGER_MS = 5 };

enum { TEMPLATE = 256, SYNC, MODE, IF_NOT_EXISTS };

static const struct cli_opt options[] = {
	{ "template", 't', "FILE", "the database to begin with", TEMPLATE },
	{ "sync", 0, NULL, "durable before it is printed", SYNC },
	{ "mode", 0, "MODE", "octal, in place of the template's", MODE },
	{ "if-not-exists", 0, NULL, "pass over databases that exist",
	    IF_NOT_EXISTS },
	{ 0 },
};

struct run {
	struct cli cli;
	struct lines in;
	const char *from;
	struct db_template template;
	int mode; /* -1: the template's */
	bool sync, if_not_exists;
	uint64_t seen, created, skipped;
};

struct worker {
	const struct run *run;
	struct place place;
};

struct request {
	struct job job;
	char *path;
	int rc;
	struct err e;
	struct restored *made; /* NULL with -n, or when it failed */
};

static struct job *
next(void *ctx)
{
	struct run *run = ctx;
	const char *path = lines_next(&run->in);
	struct request *q;

	if (path == NULL)
		return NULL;
	q = xcalloc(1, sizeof(*q));
	q->path = xstrdup(path);
	return &q->job;
}

/* There is no --force, and no -o. */
static void
forget_hint(struct err *e)
{
	if (e->class == ERR_EXISTS)
		e->hint[0] = '\0';
}

static int
make(const struct run *run, struct worker *w, struct request *q)
{
	if (q->path[strlen(q->path) - 1] == '/')
		return err_set(&q->e, ERR_USAGE, "a path of a directory");
	if (run->cli.dry_run) {
		if (restore_target_free(q->path, &q->e) == 0)
			return 0;
		q->e.hint[0] = '\0';
		return -1;
	}
	if (template_copy(
		&run->template, &w->place, q->path, &q->made, &q->e) == -1)
		return -1;
	if (run->sync || restored_name(q->made, &q->e) == 0)
		return 0;
	forget_hint(&q->e);
	return -1;
}

static void
work(struct job *j, void *arg)
{
	struct request *q = (struct request *)j;
	struct worker *w = arg;

	q->rc = make(w->run, w, q);
}

/* With --sync: names for all that were made, durably. */
static void
publish(struct job **jobs, size_t n)
{
	struct restored *list[BATCH];
	struct request *q;
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		q = (struct request *)jobs[i];
		if (q->rc == 0 && q->made != NULL)
			list[m++] = q->made;
	}
	restore_publish(list, m);
	for (size_t i = 0; i < n; i++) {
		q = (struct request *)jobs[i];
		if (q->rc == 0 && q->made != NULL &&
		    (q->rc = q->made->rc) != 0) {
			q->e = q->made->e;
			forget_hint(&q->e);
		}
	}
}

static void
measure(void *ctx, struct metrics *m)
{
	struct run *run = ctx;

	metrics_databases(m, "seen", run->seen);
	metrics_databases(m, "created", run->created);
	metrics_databases(m, "skipped", run->skipped);
}

static void
report(struct run *run, const struct request *q)
{
	struct cli *c = &run->cli;
	struct stat st;

	run->seen++;
	if (q->rc == 0) {
		run->created++;
		cli_pass(c);
		cli_put(c, q->path);
	} else if (run->if_not_exists && q->e.class == ERR_EXISTS &&
	    lstat(q->path, &st) == 0 && S_ISREG(st.st_mode)) {
		run->skipped++;
		cli_pass(c);
		cli_note(c, q->path, "exists: passed over");
	} else {
		cli_fail(c, q->path, &q->e, 1);
	}
}

static void
finish(struct pool *p, struct job **jobs, size_t n, void *ctx)
{
	struct run *run = ctx;
	struct request *q;

	if (run->sync)
		publish(jobs, n);
	for (size_t i = 0; i < n; i++) {
		q = (struct request *)jobs[i];
		report(run, q);
		pool_done(p, jobs[i]);
		if (q->made != NULL)
			restored_drop(q->made);
		free(q->path);
		free(q);
	}
	lines_flush();
}

/* A new file holds two descriptors, its own and the directory's. */
static const struct file_needs needs = { .run = 16, .worker = 6, .job = 2 };

static int
run_pool(struct run *run, struct err *e)
{
	static const struct pool_ops ops = { .next = next,
		.work = work,
		.finish = finish,
		.linger_ms = LINGER_MS };
	size_t limit = IN_FLIGHT;
	int rc = file_fit(&needs, &run->cli.jobs, &limit, e);
	unsigned n = run->cli.jobs;
	struct worker *w = xcalloc(n, sizeof(*w));
	void **args = xcalloc(n, sizeof(*args));

	for (unsigned i = 0; i < n; i++) {
		w[i].run = run;
		place_init(&w[i].place);
		args[i] = &w[i];
	}
	if (rc == 0)
		rc = pool_run(&ops, run, args, n, limit, BATCH, e);
	for (unsigned i = 0; i < n; i++)
		place_release(&w[i].place);
	free(args);
	free(w);
	return rc;
}

static int
mode_of(struct cli *c, const char *arg)
{
	char *end;
	unsigned long mode = strtoul(arg, &end, 8);

	if (*arg < '0' || *arg > '7' || *end != '\0' || mode > 0777)
		cli_usage(c, "--mode: \"%s\" is not an octal mode", arg);
	return (int)mode;
}

static void
take_options(struct run *run)
{
	const char *arg;
	int o;

	cli_examples(&run->cli,
	    "  seq -f 't/%06.0f.db' 10000 | lspp-new -t template.db | wc -l\n"
	    "  lspp-new --sync -t template.db t/4711.db | lspp-ship");
	while ((o = cli_option(&run->cli, &arg)) != -1)
		switch (o) {
		case TEMPLATE: run->from = arg; break;
		case SYNC: run->sync = true; break;
		case MODE: run->mode = mode_of(&run->cli, arg); break;
		case IF_NOT_EXISTS: run->if_not_exists = true; break;
		default: break;
		}
	if (run->from == NULL)
		cli_usage(&run->cli, "no template: -t FILE");
}

int
main(int argc, char *argv[])
{
	struct run run = { .mode = -1 };
	struct err e;
	int rc;

	cli_begin(&run.cli, argc, argv, "j0neqv", options, "[PATH ...]",
	    "Create databases from a template and print where they are.");
	cli_measured(&run.cli, measure, &run);
	take_options(&run);
	if (lines_open(&run.in, argv + optind, run.cli.end, &e) == -1)
		cli_misused(&run.cli, &e);
	if (template_open(&run.template, run.from, ".", &e) == -1) {
		err_in(&e, "template %s", run.from);
		return cli_fatal(&run.cli, &e);
	}
	if (run.mode != -1) {
		run.template.mode = (mode_t)run.mode;
		run.template.told = true;
	}
	cli_total(&run.cli, lines_total(&run.in));
	rc = run_pool(&run, &e);
	template_close(&run.template);
	if (lines_close(&run.in, rc == 0 ? &e : &(struct err){ 0 }) == -1)
		rc = -1;
	return rc == -1 ? cli_fatal(&run.cli, &e) : cli_finish(&run.cli);
}
