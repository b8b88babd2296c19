/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --follow: copies that go on, in passes.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bin/restore/restore.h"
#include "lib/base/buf.h"
#include "lib/cli/cli_replica.h"
#include "lib/mirror/mirror.h"
#include "lib/sys/stop.h"
#include "lib/text/json_write.h"

/* Steps under way at once, and reported at once. */
#define LIMIT 256
#define BATCH 128

struct follower {
	struct job job;
	struct choice c;
	struct mirror *m; /* NULL: it failed to begin */
	enum mirror_did did;
	bool begun;
	int rc;        /* of the last step */
	struct err *e; /* with -1 */
	char *told;    /* what was said of that, or NULL */
};

struct following {
	struct run *run;
	struct follower **v;
	size_t n, room, next;
};

static int64_t
clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* -- which ones ------------------------------------------------------------ */

static int
chosen(void *ctx, struct choice *c)
{
	struct following *x = ctx;
	struct run *run = x->run;
	struct follower *f;

	run->told++;
	if (c->rc == -1) {
		cli_fail(&run->cli, c->name, &c->e, 1);
		choice_release(c);
		return 0;
	}
	f = xcalloc(1, sizeof(*f));
	f->c = *c;
	if (x->n == x->room) {
		x->room = x->room * 2 + 16;
		x->v = xrealloc(x->v, x->room * sizeof(*x->v));
	}
	x->v[x->n++] = f;
	return 0;
}

/* Of several replicas that with the newest state. */
static int
which(struct run *run, struct follower *f, struct err *e)
{
	struct request q = { .c = f->c };
	int rc = f->c.others > 0 ? restore_which(run, &q) : 0;

	f->c = q.c;
	if (rc == -1)
		*e = q.c.e;
	restore_plan_release(&q.plan);
	free(q.unseen);
	return rc;
}

static void
follower_free(struct follower *f)
{
	mirror_free(f->m);
	choice_release(&f->c);
	free(f->told);
	free(f->e);
	free(f);
}

/* -- a pass ---------------------------------------------------------------- */

static struct job *
next(void *ctx)
{
	struct following *x = ctx;

	while (x->next < x->n && !stop_requested()) {
		struct follower *f = x->v[x->next++];

		if (f->m != NULL || !f->begun)
			return &f->job;
	}
	return NULL;
}

static int
begin(struct run *run, struct follower *f, struct err *e)
{
	struct mirror_conf conf = {
		.target = {
			.path = buf_str(&f->c.path),
			.trusted = f->c.trusted,
			.force = run->force,
			.force_open = run->force_open,
			.check = run->check,
			.own = &run->own,
		},
		.format = run->want.format,
		.wait_ms = run->live_wait_ms,
	};

	if (which(run, f, e) == -1)
		return -1;
	conf.store = f->c.store;
	conf.key = buf_str(&f->c.key);
	f->m = mirror_new(&conf);
	return 0;
}

static void
work(struct job *j, void *arg)
{
	struct follower *f = (struct follower *)j;
	const struct worker *w = arg;
	struct err e;

	crew_enter(&w->run->crew);
	f->did = MIRROR_NOTHING;
	f->rc = f->m == NULL ? begin(w->run, f, &e) : 0;
	if (f->rc == 0)
		f->rc = mirror_step(f->m, w->tools, &f->did, &e);
	/* What a signal interrupted has not failed, unless it had before. */
	if (f->rc == -1 && f->begun && stop_requested()) {
		f->rc = f->told != NULL ? -1 : 0;
	} else if (f->rc == -1) {
		if (f->e == NULL)
			f->e = xmalloc(sizeof(*f->e));
		*f->e = e;
	}
	crew_leave(&w->run->crew);
}

static void
put(struct run *run, const struct follower *f)
{
	static const char *const did[] = { [MIRROR_BEGUN] = "restored",
		[MIRROR_RESUMED] = "resumed",
		[MIRROR_APPLIED] = "applied",
		[MIRROR_RENEWED] = "renewed" };
	struct mirror_where w;
	char txid[17];
	struct buf *b;

	if (!run->cli.json) {
		cli_put(&run->cli, buf_str(&f->c.path));
		return;
	}
	mirror_where(f->m, &w);
	(void)snprintf(txid, sizeof(txid), "%016" PRIx64, w.txid);
	b = cli_object(&run->cli, buf_str(&f->c.path));
	json_text(b, "source", f->c.name);
	json_text(b, "did", did[f->did]);
	json_text(b, "generation", w.ltx ? NULL : w.line);
	json_text(b, "txid", w.ltx ? txid : NULL);
	json_time(b, "as_of", w.as_of_ns);
	cli_put_object(&run->cli);
}

/* What fails is said once, until it is another or passes. */
static void
tell(struct run *run, struct follower *f)
{
	const struct err *e = f->e;

	if (f->rc == 0) {
		if (f->told != NULL)
			cli_note(&run->cli, f->c.name, "goes on");
		free(f->told);
		f->told = NULL;
		return;
	}
	if (f->told != NULL && strcmp(f->told, e->msg) == 0)
		return;
	free(f->told);
	f->told = xstrdup(e->msg);
	cli_warn(&run->cli, f->c.name, "%s%s%s", e->msg,
	    e->hint[0] != '\0' ? "; " : "", e->hint);
}

static void
report(struct run *run, struct follower *f)
{
	if (f->did != MIRROR_NOTHING)
		put(run, f);
	if (f->begun) {
		tell(run, f);
		return;
	}
	f->begun = true;
	if (f->rc == 0) {
		run->restored++;
		return;
	}
	if (!stop_requested())
		cli_fail(&run->cli, f->c.name, f->e, 1);
	mirror_free(f->m);
	f->m = NULL;
}

static void
finish(struct pool *p, struct job **jobs, size_t n, void *ctx)
{
	struct following *x = ctx;

	for (size_t i = 0; i < n; i++) {
		report(x->run, (struct follower *)jobs[i]);
		pool_done(p, jobs[i]);
	}
	lines_flush();
}

/* -- all ------------------------------------------------------------------- */

static int
choose_all(struct following *x)
{
	struct run *run = x->run;
	const char *operand;
	int rc = 0;

	run->chooser.chosen = chosen;
	run->chooser.ctx = x;
	while (rc == 0 && (operand = lines_next(&run->in)) != NULL)
		rc = run->by_file != NULL ? choose_config(run->by_file, operand)
					  : choose(&run->chooser, operand);
	return rc;
}

/* Until then, or a signal. */
static void
sleep_until(int64_t ns)
{
	struct pollfd fd = { .fd = stop_fd(), .events = POLLIN };
	int64_t left;

	while (!stop_requested() && (left = ns - clock_ns()) > 0)
		if (poll(&fd, 1, (int)(left / 1000000) + 1) > 0)
			return;
}

static bool
is_over(const struct following *x)
{
	for (size_t i = 0; i < x->n; i++)
		if (x->v[i]->m != NULL)
			return false;
	return true;
}

static int
passes(struct following *x, void **args, unsigned n, struct err *e)
{
	static const struct pool_ops ops = {
		.next = next, .work = work, .finish = finish
	};
	const struct run *run = x->run;
	int64_t began = clock_ns(), end = INT64_MAX, pass = began;
	int rc = 0;

	if (run->for_ns > 0)
		end = began + run->for_ns;
	for (size_t i = 0; rc == 0 && !stop_requested(); i++) {
		/* What was there already is caught up with at once. */
		if (i > 1) {
			if (pass >= end || is_over(x))
				break;
			pass += run->interval_ns;
			sleep_until(pass < end ? pass : end);
			if (clock_ns() > pass)
				pass = clock_ns();
		}
		x->next = 0;
		if (!stop_requested())
			rc = pool_run(&ops, x, args, n, LIMIT, BATCH, e);
	}
	return rc;
}

/* What does not go on has failed. */
static void
conclude(struct following *x)
{
	for (size_t i = 0; i < x->n; i++) {
		struct follower *f = x->v[i];

		if (f->m != NULL && f->rc == -1 && f->begun)
			cli_fail(&x->run->cli, f->c.name, f->e, 1);
		else if (f->m != NULL)
			cli_pass(&x->run->cli);
		follower_free(f);
	}
	free(x->v);
}

int
restore_follow(struct run *run, struct err *e)
{
	struct following x = { .run = run };
	const char *tmp = getenv("TMPDIR");
	unsigned n;
	const struct file_needs needs = { .run = 12, .worker = 24 };
	size_t jobs = LIMIT;
	struct worker *w;
	void **args;
	int rc = cli_fit(&run->cli, &run->file, needs, &jobs, e);

	if (tmp == NULL || *tmp == '\0')
		tmp = "/var/tmp";
	if (rc == 0)
		(void)choose_all(&x);
	n = run->cli.jobs < x.n ? run->cli.jobs : (unsigned)x.n;
	w = xcalloc(n, sizeof(*w));
	args = xcalloc(n, sizeof(*args));
	atomic_init(&run->crew.idle, (int)n);
	run->want.crew = &run->crew;
	for (unsigned i = 0; i < n; i++) {
		w[i] = (struct worker){ .run = run,
			.tools = mirror_tools_new(&run->crew, tmp) };
		args[i] = &w[i];
	}
	if (x.n > 0)
		rc = passes(&x, args, n, e);
	for (unsigned i = 0; i < n; i++)
		mirror_tools_free(w[i].tools);
	conclude(&x);
	free(args);
	free(w);
	return rc;
}
