/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lspp-restore -- bring databases back from a replica.
 *
 * The way of a request: bin/restore/restore_options.c has what is asked for, and
 * bin/restore/restore_report.c what is said.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bin/restore/restore.h"
#include "lib/base/buf.h"
#include "lib/choose/choose.h"
#include "lib/cli/cli_replica.h"
#include "lib/live/restore_live.h"
#include "lib/restore/restore.h"
#include "lib/state/state.h"
#include "lib/store/conf.h"
#include "lib/store/open/store_open.h"
#include "lib/sys/file.h"
#include "lib/text/glob.h"

/* Unfinished files at once, and in one batch. */
#define LIMIT 256
#define BATCH 128

#define JOBS 10 /* unless told */

/* What costs no request to be listed again is not relied on for longer. */
#define LISTED_NS INT64_C(60000000000)

static void
forget_listing(struct request *q)
{
	if (q->c.listed)
		listed_release(&q->c.below);
	q->c.listed = false;
	listed_page_drop(q->page);
	q->page = NULL;
}

static void
request_free(struct request *q)
{
	restored_drop(q->restored);
	restore_list_release(q);
	forget_listing(q);
	restore_plan_release(&q->plan);
	choice_release(&q->c);
	free(q->unseen);
	free(q);
}

/* On the reader's thread: what goes to standard output has to be alone. */
static int
chosen(void *ctx, struct choice *c)
{
	struct run *run = ctx;
	struct request *q = run->held;

	if (run->spare != NULL && q != NULL) {
		choice_release(c);
		q->c.rc = err_set(&q->c.e, ERR_USAGE,
		    "more than one database for standard output");
		return -1;
	}
	q = xcalloc(1, sizeof(*q));
	q->c = *c;
	q->attempts = 1;
	run->pager.s = c->store;
	if (c->rc == 0 && c->searched && run->chooser.lists && !c->listed)
		q->c.listed = pager_look(
		    &run->pager, buf_str(&q->c.key), &q->c.below, &q->page);
	if (run->spare != NULL)
		run->held = q;
	else
		pool_put(run->pool, &q->job);
	return 0;
}

static void
feed(struct pool *p, void *ctx)
{
	struct run *run = ctx;

	run->pool = p;
	if (run->pass != NULL)
		restore_pass_feed(run);
	else
		cli_choose(&run->in, run->by_file, &run->chooser);
	if (run->held != NULL)
		pool_put(p, &run->held->job);
	pager_release(&run->pager);
}

/* Before the first byte: does anybody get another's target? */
static int
no_clash(void *ctx, struct choice *c)
{
	struct err *e = ctx;
	bool clash = c->clash;

	if (clash) {
		*e = c->e;
		e->class = ERR_USAGE;
		err_in(e, "%s", c->name);
	}
	choice_release(c);
	return clash ? -1 : 0;
}

static int
check_targets(const struct run *run, char **operands, struct err *e)
{
	struct chooser h = run->chooser;
	int rc = 0;

	if (run->by_file != NULL || !choose_may_clash(&h.target, operands))
		return 0;
	h.chosen = no_clash;
	h.lists = false;
	h.ctx = e;
	for (; *operands != NULL && rc == 0; operands++)
		rc = choose(&h, *operands);
	choose_release(&h);
	return rc;
}

static bool
is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* "-o out/a.db srv/a.db" means a file, as like as not. */
static void
check_output(struct run *run, char **operands)
{
	const char *into = run->chooser.target.into;

	if (into != NULL && run->spare == NULL && operands[0] != NULL &&
	    operands[1] == NULL && !glob_is_pattern(operands[0]) &&
	    strcmp(path_base(into), path_base(operands[0])) == 0 &&
	    !is_there(into))
		cli_usage(&run->cli,
		    "-o %s: that would be a directory, and %s in it: give the "
		    "directory, or for a file of any name, -o - >FILE",
		    into, path_base(operands[0]));
}

static void
is_complete(struct request *q)
{
	q->passed = "is complete";
	q->complete = true;
}

/*
 * With --resume: is the target complete?  Where the replica does not say what
 * it should be, *compare asks for it to be made; also where that may be older
 * than what the plan leads to.
 */
static int
look(const struct worker *w, struct request *q, const struct restore_want *want,
    const struct restore_target *t, bool *compare, struct err *e)
{
	const struct run *run = w->run;
	const char *key = buf_str(&q->c.key);
	enum restore_good good = run->want.good;
	enum restore_there there;

	if (!run->resume || run->spare != NULL || !is_there(t->path))
		return 0;
	if (restore_plan(q->c.store, key, want, &q->plan, e) == -1)
		return -1;
	if (restore_look(
		w->restorer, q->c.store, key, &q->plan, t, &there, e) == -1) {
		if (good == RESTORE_EXACT || e->class != ERR_CORRUPT)
			return -1;
		there = RESTORE_UNKNOWN;
	}
	if (there == RESTORE_WHOLE && good != RESTORE_BISECT)
		is_complete(q);
	else
		*compare = there == RESTORE_UNKNOWN || good != RESTORE_EXACT;
	return 0;
}

/* It was made to be compared: is it there already? */
static int
compare_made(struct request *q, bool force, struct err *e)
{
	bool same;

	if (restored_same(q->restored, &same, e) == -1)
		return -1;
	q->restored->force = force;
	if (same)
		is_complete(q);
	else if (!force)
		return restore_target_free(buf_str(&q->c.path), e);
	return 0;
}

/* Find the objects, and make the file without a name. */
static int
attempt(const struct worker *w, struct request *q, struct err *e)
{
	const struct run *run = w->run;
	const char *key = buf_str(&q->c.key);
	struct restore_target t = {
		.path = buf_str(&q->c.path),
		.trusted = q->c.trusted,
		.force = run->force || run->live,
		.force_open = run->force_open || run->live,
		.check = run->check,
		.own = &run->own,
		.resume = run->resume && run->spare == NULL,
	};
	struct restore_want want = run->want;
	bool compare = false;

	if (q->c.listed &&
	    (q->page != NULL || !listed_is_old(&q->c.below, LISTED_NS)))
		want.listed = &q->c.below;
	if (q->by_pass)
		want.exact = &q->at;
	if (run->spare != NULL) {
		t.path = run->spare;
		t.trusted = strlen(t.path);
		t.force = t.force_open = true;
	}
	if (run->live && live_check(t.path, e) == -1)
		return -1;
	restored_drop(q->restored);
	q->restored = NULL;
	restore_plan_release(&q->plan);
	if (look(w, q, &want, &t, &compare, e) == -1)
		return -1;
	if (q->passed != NULL)
		return 0;
	restore_plan_release(&q->plan);
	if (run->cli.dry_run) {
		if (restore_plan(q->c.store, key, &want, &q->plan, e) == -1)
			return -1;
		return t.force ? 0 : restore_target_free(t.path, e);
	}
	t.force |= compare;
	if (restore_find(w->restorer, q->c.store, key, &want, &q->plan, &t,
		&q->restored, e) == -1)
		return -1;
	return compare ? compare_made(q, run->force, e) : 0;
}

static bool
is_absent(const struct request *q)
{
	return q->c.rc == -1 &&
	    (q->c.absent || (q->c.e.class == ERR_MISSING && q->plan.absent));
}

static void
restore(const struct worker *w, struct request *q)
{
	struct choice *c = &q->c;

	if (w->run->if_not_exists && is_there(buf_str(&c->path))) {
		q->passed = "exists";
		return;
	}
	if (c->others > 0 && restore_which(w->run, q) == -1)
		return;
	c->rc = attempt(w, q, &c->e);
	forget_listing(q);
	/* An object that was listed is gone: what does the replica say now? */
	if (c->rc == -1 && c->e.class == ERR_MISSING && q->plan.bytes > 0) {
		q->attempts++;
		q->at.look = true;
		c->rc = attempt(w, q, &c->e);
	}
	if (c->rc == 0 && w->run->live && q->restored != NULL)
		c->rc = restored_live(q->restored, buf_str(&c->path),
		    w->run->live_wait_ms, &c->e);
}

static void
work(struct job *j, void *arg)
{
	struct request *q = (struct request *)j;
	const struct worker *w = arg;

	crew_enter(&w->run->crew);
	if (q->c.rc == 0 && w->run->list)
		restore_list(w->run, q);
	else if (q->c.rc == 0)
		restore(w, q);
	if (w->run->if_replica_exists && is_absent(q)) {
		q->c.rc = 0;
		q->passed = "has no backup";
	} else if (is_absent(q) && q->c.key.len > 0 && !q->c.absent) {
		choose_hint_below(q->c.store, buf_str(&q->c.key), &q->c.e);
	}
	if (q->c.rc == -1 && q->plan.older) {
		q->c.rc = 0;
		q->passed = "has nothing that is newer";
		q->older = true;
	}
	if (w->run->if_existed && q->c.rc == -1 && q->plan.younger) {
		q->c.rc = 0;
		q->passed = "did not exist then";
		q->younger = true;
	}
	crew_leave(&w->run->crew);
}

/* The outcome of restore_publish(). */
static void
take_result(const struct run *run, struct request *q)
{
	if (q->restored->rc == 0)
		return;
	if (run->if_not_exists && q->restored->e.class == ERR_EXISTS &&
	    is_there(buf_str(&q->c.path))) {
		q->passed = "exists";
		return;
	}
	q->c.rc = -1;
	q->c.e = q->restored->e;
}

static void
publish(struct run *run, struct restored **staged, size_t n)
{
	if (run->live)
		return; /* they are where they belong */
	if (run->spare == NULL)
		restore_publish(staged, n);
	else if (n > 0)
		staged[0]->rc =
		    restored_write(staged[0], STDOUT_FILENO, &staged[0]->e);
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
		if (q->restored != NULL && q->passed == NULL && q->c.rc == 0)
			staged[m++] = q->restored;
	}
	publish(run, staged, m);
	for (size_t i = 0; i < n; i++) {
		q = (struct request *)jobs[i];
		if (q->restored != NULL && q->passed == NULL && q->c.rc == 0)
			take_result(run, q);
		restore_report(run, q);
		pool_done(p, jobs[i]);
		request_free(q);
	}
	lines_flush();
}

static int
run_pool(struct run *run, struct err *e)
{
	static const struct pool_ops ops = {
		.feed = feed, .work = work, .finish = finish, .linger_ms = 20
	};
	/* An unfinished file holds two: its own, and its directory's. */
	const struct file_needs needs = { .run = 12, .worker = 12, .job = 2 };
	size_t limit = LIMIT;
	int rc = cli_fit(&run->cli, &run->file, needs, &limit, e);
	unsigned n = run->cli.jobs;
	struct worker *w = xcalloc(n, sizeof(*w));
	void **args = xcalloc(n, sizeof(*args));

	atomic_init(&run->crew.idle, (int)n);
	run->want.crew = &run->crew;
	for (unsigned i = 0; i < n; i++) {
		w[i].run = run;
		w[i].restorer = restorer_new(&run->crew);
		args[i] = &w[i];
	}
	if (rc == 0)
		rc = pool_run(&ops, run, args, n, limit, BATCH, e);
	for (unsigned i = 0; i < n; i++)
		restorer_free(w[i].restorer);
	free(args);
	free(w);
	return rc;
}

/* The replica root: -r, or what the operands say.  1: there is none, which is
 * fine. */
static int
open_replica(struct run *run, char **operands, struct err *e)
{
	struct target_conf *t = &run->chooser.target;
	char *root = NULL;

	run->chooser.end = run->cli.end;
	run->chooser.shard = run->cli.shard;
	run->chooser.chosen = chosen;
	run->chooser.ctx = run;
	run->chooser.alone = operands[0] != NULL && operands[1] == NULL &&
	    strcmp(operands[0], "-") != 0;
	run->chooser.files = !run->list && run->spare == NULL;
	if (run->cli.config != NULL) {
		run->chooser.every_replica = run->list;
		run->by_file = config_chooser_open(&run->file, &run->chooser);
		return 0;
	}
	run->chooser.lists = !run->list && !run->follow;
	if (run->cli.replica == NULL) {
		if (t->into == NULL && !run->list)
			cli_usage(&run->cli,
			    "where to restore is not known: -r or -o");
		if ((root = choose_root(operands, e)) == NULL)
			return -1;
	}
	run->chooser.store = store_open(root != NULL ? root : run->cli.replica,
	    STORE_READ, !run->if_replica_exists, &run->conf, e);
	free(root);
	if (run->chooser.store == NULL)
		return run->if_replica_exists && e->class == ERR_MISSING ? 1
									 : -1;
	t->url = run->chooser.store->root;
	return 0;
}

static int
expect(const struct run *run, struct err *e)
{
	return run->if_replica_exists ? 0 : lines_expect(&run->in, e);
}

/* One pattern may be any number of databases. */
static void
tell_total(struct run *run)
{
	for (char **o = run->in.operand; *o != NULL; o++)
		if (glob_is_pattern(*o))
			return;
	cli_total(&run->cli, lines_total(&run->in));
}

/* To be asked what was shipped. */
static int
open_state(struct run *run, struct err *e)
{
	if (run->state_dir == NULL)
		return 0;
	run->state = state_open(run->state_dir, false, e);
	return run->state == NULL ? -1 : 0;
}

static int
open_input(struct run *run, char **operands, struct err *e)
{
	if (run->pass != NULL) {
		if (restore_pass_open(run, e) == -1)
			return -1;
		if (operands[0] == NULL)
			cli_total(&run->cli, run->passed.lines);
		return 0;
	}
	if (open_state(run, e) == -1 ||
	    lines_open(&run->in, operands, run->cli.end, e) == -1 ||
	    check_targets(run, operands, e) == -1)
		return -1;
	tell_total(run);
	return 0;
}

int
main(int argc, char *argv[])
{
	struct run run = {
		.conf = STORE_CONF, .want = RESTORE_WANT, .passed.text.fd = -1
	};
	struct buf base = { 0 };
	struct err e;
	int rc = -1;

	cli_begin(&run.cli, argc, argv, "rCc/j0neqv", restore_option_table,
	    "[PATH ...]",
	    "Restore databases from a replica and print where they are.");
	run.cli.jobs = JOBS;
	cli_more(&run.cli, restore_more_table, "more");
	cli_more(&run.cli, store_options, "s3");
	cli_measured(&run.cli, restore_measure, &run);
	restore_options(&run);
	check_output(&run, argv + optind);
	if (cli_prepare(&run.cli, &run.file, &run.conf, &base, &e) == -1)
		goto out;
	run.chooser.target.base = buf_str(&base);
	if ((rc = open_replica(&run, argv + optind, &e)) != 0)
		goto out;
	rc = -1;
	if (open_input(&run, argv + optind, &e) == -1)
		goto out;
	cli_watch(&run.cli, restore_watch, &run);
	rc = run.follow ? restore_follow(&run, &e) : run_pool(&run, &e);
	if (rc == 0 &&
	    (lines_close(&run.in, &e) == -1 || expect(&run, &e) == -1))
		cli_fail(&run.cli, NULL, &e, 1);
	restore_note_requests(&run);
out:
	cli_watch(&run.cli, NULL, NULL);
	choose_release(&run.chooser);
	config_chooser_close(run.by_file);
	config_file_close(&run.file);
	pass_release(&run.passed);
	store_close(run.chooser.store);
	state_close(run.state);
	free(run.spare);
	buf_release(&base);
	return rc == -1 ? cli_fatal(&run.cli, &e) : cli_finish(&run.cli);
}
