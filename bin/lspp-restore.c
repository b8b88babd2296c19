/*
 * lspp-restore -- bring databases back from a replica.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/cli.h"
#include "lib/base/file.h"
#include "lib/base/lines.h"
#include "lib/base/pool.h"
#include "lib/engine/restore.h"
#include "lib/engine/target.h"
#include "lib/format/glob.h"
#include "lib/store/conf.h"
#include "lib/store/store.h"

/* Unfinished files at once, at two descriptors each, and in one batch. */
#define LIMIT 256
#define BATCH 128

enum { OPT_OUTPUT = 256, OPT_FORCE, OPT_IF_NOT_EXISTS, OPT_CHECK };

static const struct cli_opt options[] = {
	{ "output", 'o', "DIR", "restore below DIR, not in place", OPT_OUTPUT },
	{ "force", 0, NULL, "replace databases that exist", OPT_FORCE },
	{ "if-not-exists", 0, NULL, "pass over databases that exist",
	    OPT_IF_NOT_EXISTS },
	{ "check", 0, "HOW", "SQLite's check: none, quick, full", OPT_CHECK },
	{ 0 },
};

struct run {
	struct cli cli;
	struct lines in;
	struct store *store;
	struct store_conf conf;
	uint64_t gets, lists, bytes; /* that a dry run would cost */
	struct target_conf target;
	struct target_set seen; /* keys; the reader's */
	bool force, if_not_exists;
	enum restore_check check;
};

struct worker {
	const struct run *run;
	struct restorer *restorer;
};

/* One operand on its way. */
struct request {
	struct job job;
	char *operand;
	struct buf key, path;
	size_t trusted;
	int rc; /* -1: failed with e */
	struct err e;
	unsigned attempts;
	bool skipped; /* it exists, and that is fine */
	struct restore_plan plan;
	struct restored *restored; /* NULL with -n, when skipped or failed */
};

static void
request_free(struct request *q)
{
	if (q->restored != NULL)
		restored_drop(q->restored);
	restore_plan_release(&q->plan);
	buf_release(&q->key);
	buf_release(&q->path);
	free(q->operand);
	free(q);
}

/* On the reader's thread: the next operand, and where it goes. */
static struct job *
next(void *ctx)
{
	struct run *run = ctx;
	const char *operand = lines_next(&run->in);
	struct request *q;

	if (operand == NULL)
		return NULL;
	q = xcalloc(1, sizeof(*q));
	q->operand = xstrdup(operand);
	q->attempts = 1;
	q->rc = target_key(&run->target, operand, &q->key, &q->e);
	if (q->rc == -1)
		return &q->job;
	target_path(&run->target, buf_str(&q->key), &q->path, &q->trusted);
	if (!target_set_add(&run->seen, buf_str(&q->key)))
		q->rc = err_set(&q->e, ERR_EXISTS,
		    "%s is the target of an earlier path", buf_str(&q->path));
	return &q->job;
}

static bool
is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* Find the objects, and make the file without a name. */
static int
attempt(const struct worker *w, struct request *q, struct err *e)
{
	const struct run *run = w->run;
	struct restore_target t = {
		.path = buf_str(&q->path),
		.trusted = q->trusted,
		.force = run->force,
		.check = run->check,
	};

	restore_plan_release(&q->plan);
	if (restore_plan(run->store, buf_str(&q->key), &q->plan, e) == -1)
		return -1;
	if (run->cli.dry_run)
		return run->force ? 0 : restore_target_free(t.path, e);
	return restore_stage(w->restorer, run->store, buf_str(&q->key),
	    &q->plan, &t, &q->restored, e);
}

static void
work(struct job *j, void *arg)
{
	struct request *q = (struct request *)j;
	const struct worker *w = arg;

	if (q->rc == -1)
		return;
	if (w->run->if_not_exists && is_there(buf_str(&q->path))) {
		q->skipped = true;
		return;
	}
	q->rc = attempt(w, q, &q->e);
	/* An object that was listed is gone: what does the replica say now? */
	if (q->rc == -1 && q->e.class == ERR_MISSING && q->plan.bytes > 0) {
		q->attempts++;
		q->rc = attempt(w, q, &q->e);
	}
	if (q->rc == -1 && q->e.class == ERR_MISSING && q->plan.bytes == 0 &&
	    glob_is_pattern(buf_str(&q->key)))
		err_set(&q->e, ERR_USAGE,
		    "no backup of exactly that name, and patterns are not "
		    "supported yet");
}

static void
rfc3339(int64_t ns, char *out, size_t size)
{
	time_t t = (time_t)(ns / 1000000000);
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(out, size, "an unknown time");
}

static void
tell_plan(struct run *run, const struct request *q)
{
	const struct restore_plan *p = &q->plan;
	char until[32];

	if (p->passed_over[0] != '\0')
		cli_warn(&run->cli, q->operand,
		    "generation %s is newer, but has no snapshot: passed over",
		    p->passed_over);
	rfc3339(p->until_ns, until, sizeof(until));
	cli_note(&run->cli, q->operand,
	    "generation %s, snapshot %08" PRIx32 ", %zu segments, %" PRIu64
	    " bytes, as of %s",
	    p->generation, p->snapshot, p->segments, p->bytes, until);
}

static void
report(struct run *run, struct request *q)
{
	if (q->rc == -1) {
		cli_fail(&run->cli, q->operand, &q->e, q->attempts);
		return;
	}
	cli_pass(&run->cli);
	if (q->skipped) {
		cli_note(&run->cli, q->operand, "%s exists: passed over",
		    buf_str(&q->path));
		return;
	}
	tell_plan(run, q);
	run->lists++;
	run->gets += q->plan.segments + 1;
	run->bytes += q->plan.bytes;
	if (q->restored != NULL && q->restored->note != NULL)
		cli_note(&run->cli, q->operand, "%s", q->restored->note);
	lines_put(run->cli.end, buf_str(&q->path));
}

/* The outcome of restore_publish(). */
static void
take_result(const struct run *run, struct request *q)
{
	if (q->restored->rc == 0)
		return;
	if (run->if_not_exists && q->restored->e.class == ERR_EXISTS &&
	    is_there(buf_str(&q->path))) {
		q->skipped = true;
		return;
	}
	q->rc = -1;
	q->e = q->restored->e;
}

static void
finish(struct pool *p, struct job **jobs, size_t n, void *ctx)
{
	struct restored *staged[BATCH];
	struct run *run = ctx;
	struct request *q;
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		q = (struct request *)jobs[i];
		if (q->restored != NULL)
			staged[m++] = q->restored;
	}
	restore_publish(staged, m);
	for (size_t i = 0; i < n; i++) {
		q = (struct request *)jobs[i];
		if (q->restored != NULL)
			take_result(run, q);
		report(run, q);
		pool_done(p, jobs[i]);
		request_free(q);
	}
	lines_flush();
}

static enum restore_check
check_of(struct cli *c, const char *arg)
{
	if (strcmp(arg, "none") == 0)
		return RESTORE_CHECK_NONE;
	if (strcmp(arg, "quick") == 0)
		return RESTORE_CHECK_QUICK;
	if (strcmp(arg, "full") == 0)
		return RESTORE_CHECK_FULL;
	cli_usage(c, "--check: \"%s\" is not none, quick or full", arg);
}

static void
take_options(struct run *run)
{
	const char *arg;
	struct err e;
	int o;

	while ((o = cli_option(&run->cli, &arg)) != -1)
		switch (o) {
		case OPT_OUTPUT:
			if (*arg == '\0')
				cli_usage(
				    &run->cli, "-o has an empty argument");
			run->target.into = arg;
			break;
		case OPT_FORCE: run->force = true; break;
		case OPT_IF_NOT_EXISTS: run->if_not_exists = true; break;
		case OPT_CHECK: run->check = check_of(&run->cli, arg); break;
		default:
			if (store_conf_take(&run->conf, o, arg, &e) == -1)
				cli_usage(&run->cli, "%s", e.msg);
		}
	if (run->cli.replica == NULL)
		cli_usage(&run->cli, "no replica: -r URL or LSPP_REPLICA");
	if (run->force && run->if_not_exists)
		cli_usage(&run->cli,
		    "--force and --if-not-exists exclude "
		    "each other");
	if (store_conf_check(&run->conf, &e) == -1)
		cli_usage(&run->cli, "%s", e.msg);
}

/* --whoami: instead of everything else. */
static int
whoami(struct run *run)
{
	struct buf b = { 0 };
	struct err e;

	if (store_whoami(run->cli.replica, &run->conf, &b, &e) == -1)
		return cli_fatal(&run->cli, &e);
	(void)fputs(buf_str(&b), stdout);
	buf_release(&b);
	return cli_finish(&run->cli);
}

static void
note_requests(struct run *run)
{
	const struct store_conf *c = &run->conf;
	struct buf b = { 0 };

	if (run->cli.dry_run && (c->price_get > 0 || c->price_put > 0))
		cli_warn(&run->cli, NULL,
		    "would read %" PRIu64 " bytes, with %" PRIu64
		    " GET and %" PRIu64 " LIST requests: $%.6f",
		    run->bytes, run->gets, run->lists,
		    (double)run->gets * c->price_get / 1000 +
			(double)run->lists * c->price_put / 1000);

	if (store_stats_text(run->store, &b))
		cli_note(&run->cli, NULL, "requests: %s", buf_str(&b));
	buf_release(&b);
}

static int
run_pool(struct run *run, struct err *e)
{
	static const struct pool_ops ops = {
		.next = next, .work = work, .finish = finish, .linger_ms = 20
	};
	unsigned n = run->cli.jobs;
	struct worker *w = xcalloc(n, sizeof(*w));
	void **args = xcalloc(n, sizeof(*args));
	int rc;

	for (unsigned i = 0; i < n; i++) {
		w[i].run = run;
		w[i].restorer = restorer_new();
		args[i] = &w[i];
	}
	rc = pool_run(&ops, run, args, n, LIMIT, BATCH, e);
	for (unsigned i = 0; i < n; i++)
		restorer_free(w[i].restorer);
	free(args);
	free(w);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct run run = { .conf = STORE_CONF };
	struct buf base = { 0 };
	struct err e;
	int rc = -1;

	cli_begin(&run.cli, argc, argv, "rCj0neqv", options, "[PATH ...]",
	    "Restore databases from a replica and print where they are.");
	cli_more(&run.cli, store_options, "s3");
	take_options(&run);
	store_conf_tell(&run.conf, cli_on_warn, cli_on_debug, &run.cli);
	if (run.conf.whoami)
		return whoami(&run);
	if (path_absolute(
		run.cli.base != NULL ? run.cli.base : "/", &base, &e) == -1)
		goto out;
	run.target.base = buf_str(&base);
	run.store =
	    store_open(run.cli.replica, STORE_READ, true, &run.conf, &e);
	if (run.store == NULL)
		goto out;
	run.target.url = run.store->root;
	if (lines_open(&run.in, argv + optind, run.cli.end, &e) == -1)
		goto out;
	if ((rc = run_pool(&run, &e)) == 0 && lines_close(&run.in, &e) == -1)
		cli_fail(&run.cli, NULL, &e, 1);
	note_requests(&run);
out:
	target_set_release(&run.seen);
	store_close(run.store);
	buf_release(&base);
	return rc == -1 ? cli_fatal(&run.cli, &e) : cli_finish(&run.cli);
}
