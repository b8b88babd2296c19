/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lspp-verify -- prove that replicas restore; print those that do.
 *
 * The way of a request: chosen by the reader (from paths, patterns, or the
 * state), looked at by a worker, noted in the state and told by the main
 * thread, bin/verify/verify_report.c.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bin/verify/verify.h"
#include "lib/base/when.h"
#include "lib/cli/cli_replica.h"
#include "lib/state/state.h"
#include "lib/state/state_compared.h"
#include "lib/state/state_verdict.h"
#include "lib/store/open/store_open.h"
#include "lib/sys/file.h"
#include "lib/sys/stop.h"
#include "lib/text/glob.h"

/* Databases at once, and in one transaction of the state. */
#define LIMIT 256
#define BATCH 128
/* At one that is being pruned. */
#define LOOKS 20

/* A listing is not relied on for longer. */
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

/* -- choosing, on the reader's thread -------------------------------------- */

/* Those that a pattern found come in the order of a listing. */
static void
hand_in(struct run *run, struct choice *c)
{
	struct request *q = xcalloc(1, sizeof(*q));

	q->c = *c;
	run->pager.s = c->store;
	run->pager.for_ns = LISTED_NS;
	if (c->rc == 0 && c->searched && run->chooser.lists && !c->listed)
		q->c.listed = pager_look(
		    &run->pager, buf_str(&c->key), &q->c.below, &q->page);
	pool_put(run->pool, &q->job);
}

/* Of a sample: when was it verified, or compared? */
static int
add_to_sample(struct run *run, struct choice *c)
{
	struct err *e = &run->trouble;
	int64_t root = 0, ns = 0;
	int rc = 0;

	run->of++;
	if (run->reader != NULL)
		rc = state_root(run->reader, c->store->url, false, &root, e);
	if (rc == 1 && run->want.source)
		rc = state_compared_ns(
		    run->reader, root, buf_str(&c->key), &ns, e);
	else if (rc == 1)
		rc = state_verified_ns(run->reader, root, buf_str(&c->key),
		    run->want.deep, &ns, e);
	if (rc != -1)
		return sample_add(run->sample, c, ns, e);
	choice_release(c);
	return -1;
}

/* The number of its record, 0: none. */
static int64_t
record_of(struct run *run, const struct store *s, const char *key)
{
	int64_t root, id = 0;
	struct err none;

	if (run->reader != NULL &&
	    state_root(run->reader, s->url, false, &root, &none) == 1)
		(void)state_record_id(run->reader, root, key, &id, &none);
	return id;
}

static int
chosen(void *ctx, struct choice *c)
{
	struct run *run = ctx;
	int64_t id;

	if (run->chooser.alone && c->searched &&
	    (id = record_of(run, c->store, buf_str(&c->key))) > 0)
		bits_add(&run->listed, id);
	if (run->sample != NULL && c->rc == 0)
		return add_to_sample(run, c);
	hand_in(run, c);
	return 0;
}

/* What the state has of the root: its keys are names in it. */
static int
each_key(void *ctx, const char *key, const char *path, struct err *e)
{
	struct run *run = ctx;
	struct choice c = { .name = xstrdup(key), .store = run->chooser.store };

	(void)e;
	buf_adds(&c.key, key);
	buf_adds(&c.path, path);
	if (!shard_has(&run->cli.shard, key)) {
		choice_release(&c);
		return 0;
	}
	return stop_requested() ? 1 : chosen(run, &c);
}

struct known {
	struct run *run;
	struct store *store;
	choose_key *add;
	void *search;
};

static int
add_known(void *ctx, const char *key, const char *path, struct err *e)
{
	struct known *k = ctx;

	(void)path;
	(void)e;
	if (k->run->chooser.alone &&
	    bits_has(&k->run->listed, record_of(k->run, k->store, key)))
		return 0;
	return k->add(k->search, key);
}

/* Of a pattern, too: a replica that is gone as a whole is in no listing. */
static void
each_known(void *ctx, struct store *s, choose_key *add, void *search)
{
	struct run *run = ctx;
	struct known k = { run, s, add, search };
	struct err *e = &run->trouble;
	int64_t root;

	if (run->reader != NULL &&
	    state_root(run->reader, s->url, false, &root, e) == 1)
		(void)state_records(run->reader, root, add_known, &k, e);
}

/* Of all that the state has, what the file names. */
static int
each_path(void *ctx, const char *path, struct err *e)
{
	struct run *run = ctx;
	struct buf abs = { 0 };
	struct err none;
	bool named = config_file_find(&run->file, path, &abs, &none) != NULL;

	(void)e;
	buf_release(&abs);
	if (stop_requested())
		return 1;
	return named ? choose_config_path(run->by_file, path) : 0;
}

static int
choose_from_state(struct run *run, struct err *e)
{
	struct store *s = run->chooser.store;
	int64_t root;
	int rc;

	if (run->by_file != NULL)
		return state_paths(run->reader, 0, each_path, run, e);
	rc = state_root(run->reader, s->url, false, &root, e);
	if (rc == 0)
		return err_set(e, ERR_CONFIG,
		    "nothing was ever shipped to %s with this state", s->url);
	return rc == -1 ? -1
			: state_records(run->reader, root, each_key, run, e);
}

static int
drawn(void *ctx, struct choice *c)
{
	hand_in(ctx, c);
	return stop_requested() ? -1 : 0;
}

static int
draw(struct run *run, struct err *e)
{
	uint64_t n;

	if (sample_count(run->sample, &run->size, &n, e) == -1)
		return -1;
	cli_total(&run->cli, n);
	return sample_draw(run->sample, n, drawn, run, e);
}

static void
feed(struct pool *p, void *ctx)
{
	struct run *run = ctx;
	struct err *e = &run->trouble;

	run->pool = p;
	if (run->from_state)
		(void)choose_from_state(run, e);
	else
		cli_choose(&run->in, run->by_file, &run->chooser);
	if (run->sample != NULL && e->class == ERR_NONE && !stop_requested())
		(void)draw(run, e);
	pager_release(&run->pager);
}

/* -- looking, on a worker -------------------------------------------------- */

static int
look(struct worker *w, struct request *q, struct err *e)
{
	struct verify_job j = { .store = q->c.store,
		.db = buf_str(&q->c.key),
		.st = w->st,
		.path = buf_str(&q->c.path) };

	int rc;

	q->at_ns = when_now();
	if (w->st != NULL &&
	    state_root(w->st, q->c.store->url, false, &q->root, e) == -1)
		return -1;
	j.root = q->root;
	if (q->c.listed && !listed_is_old(&q->c.below, LISTED_NS))
		j.listed = &q->c.below;
	rc = verify(w->verifier, &j, &w->run->want, &q->out, e);
	forget_listing(q);
	q->took_ns = when_now() - q->at_ns;
	return rc;
}

/* Until so long after the look before, or a signal. */
static void
wait_for(const struct run *run, const struct request *q)
{
	const struct timespec pause = { 0, 50000000 };

	while (when_now() - q->at_ns < run->settle_ns && !stop_requested())
		nanosleep(&pause, NULL);
}

static void
work(struct job *j, void *arg)
{
	struct request *q = (struct request *)j;
	struct worker *w = arg;

	if (q->looks > 0)
		wait_for(w->run, q);
	else if (stop_requested())
		q->dropped = true;
	if (q->c.rc == 0 && !q->dropped && !w->run->cli.dry_run)
		q->c.rc = look(w, q, &q->c.e);
	if (q->c.rc == -1 && q->c.e.class == ERR_MISSING &&
	    !w->run->from_state && q->c.key.len > 0 && !q->c.absent)
		choose_hint_below(q->c.store, buf_str(&q->c.key), &q->c.e);
	q->looks++;
}

/*
 * What lspp-prune may be at is only told if nothing moves for a while.  1: look
 * again.
 */
static bool
unsettled(struct request *q)
{
	size_t objects = q->objects;
	uint64_t bytes = q->bytes;

	if (q->c.rc == 0 || q->c.e.class != ERR_EARLIER || q->looks > LOOKS ||
	    stop_requested())
		return false;
	q->objects = q->out.objects;
	q->bytes = q->out.bytes;
	if (q->looks > 1 && q->objects == objects && q->bytes == bytes)
		return false;
	q->c.rc = 0;
	return true;
}

static void
finish(struct pool *p, struct job **jobs, size_t n, void *ctx)
{
	struct run *run = ctx;
	struct request *q;

	for (size_t i = 0; i < n;) {
		if (unsettled((struct request *)jobs[i])) {
			pool_again(p, jobs[i]);
			jobs[i] = jobs[--n];
		} else {
			i++;
		}
	}
	verify_record(run, jobs, n);
	for (size_t i = 0; i < n; i++) {
		q = (struct request *)jobs[i];
		if (!q->dropped)
			verify_report(run, q);
		pool_done(p, jobs[i]);
		forget_listing(q);
		choice_release(&q->c);
		verified_release(&q->out);
		free(q);
	}
	lines_flush();
}

/* -- the run --------------------------------------------------------------- */

/*
 * What is not there, or may only be read, is no reason not to look; but nobody
 * is told then to begin anew what is broken.
 */
static int
open_state(struct run *run, struct err *e)
{
	const char *dir = run->cli.state;

	run->reader = state_open(dir, false, e);
	if (run->reader == NULL) {
		if (run->from_state) {
			if (e->class == ERR_MISSING)
				e->class = ERR_CONFIG;
			return err_in(e, "--sample without paths");
		}
		run->mute = "there is no state: no lspp-ship is told to begin "
			    "it anew";
		if (e->class != ERR_MISSING)
			cli_complain(&run->cli, e);
		else
			cli_note(&run->cli, NULL, "%s", e->msg);
		return 0;
	}
	if (run->cli.dry_run)
		return 0;
	run->st = state_open(dir, true, e);
	if (run->st == NULL) {
		run->mute = "the state cannot be written: no lspp-ship is told "
			    "to begin it anew";
		cli_warn(&run->cli, NULL, "nothing is noted: %s", e->msg);
	}
	return 0;
}

static int
open_replica(struct run *run, char **operands, struct err *e)
{
	char *root = NULL;

	run->chooser.end = run->cli.end;
	run->chooser.shard = run->cli.shard;
	run->chooser.every_replica = true;
	run->chooser.chosen = chosen;
	run->chooser.known = each_known;
	run->chooser.ctx = run;
	if (run->cli.config != NULL) {
		run->by_file = config_chooser_open(&run->file, &run->chooser);
		return 0;
	}
	/* A sample is not drawn in the order of a listing; and what a live
	 * database is compared with is listed just then. */
	run->chooser.lists = run->size.n == 0 && run->size.percent <= 0 &&
	    !run->want.source && !run->cli.dry_run;
	run->chooser.alone = operands[0] != NULL && operands[1] == NULL &&
	    strcmp(operands[0], "-") != 0;
	if (run->cli.replica == NULL &&
	    (root = choose_root(operands, e)) == NULL)
		return -1;
	run->chooser.store = store_open(root != NULL ? root : run->cli.replica,
	    STORE_READ, true, &run->conf, e);
	free(root);
	if (run->chooser.store == NULL)
		return -1;
	run->chooser.target.url = run->chooser.store->root;
	return 0;
}

/* One pattern may be any number of databases. */
static int
open_input(struct run *run, char **operands, struct err *e)
{
	bool patterns = false;

	if (run->size.n > 0 || run->size.percent > 0) {
		if ((run->sample = sample_new(e)) == NULL)
			return -1;
		if (run->from_state)
			return 0;
	}
	if (lines_open(&run->in, operands, run->cli.end, e) == -1)
		return -1;
	for (; *operands != NULL; operands++)
		patterns |= glob_is_pattern(*operands);
	if (!patterns && run->sample == NULL)
		cli_total(&run->cli, lines_total(&run->in));
	return 0;
}

static int
run_pool(struct run *run, struct err *e)
{
	static const struct pool_ops ops = {
		.feed = feed, .work = work, .finish = finish, .linger_ms = 20
	};
	/* A worker: two spools, the state, a connection or what a directory
	 * needs to be walked, and a source with what SQLite opens beside it. */
	const struct file_needs needs = { .run = 12, .worker = 20 };
	size_t limit = LIMIT;
	int rc = cli_fit(&run->cli, &run->file, needs, &limit, e);
	unsigned n = run->cli.jobs;
	struct worker *w = xcalloc(n, sizeof(*w));
	void **args = xcalloc(n, sizeof(*args));

	for (unsigned i = 0; i < n && rc == 0; i++) {
		w[i].run = run;
		w[i].verifier = verifier_new(run->tmp);
		if (run->reader != NULL &&
		    (w[i].st = state_open_worker(run->cli.state, e)) == NULL)
			rc = -1;
		args[i] = &w[i];
	}
	if (rc == 0)
		rc = pool_run(&ops, run, args, n, limit, BATCH, e);
	for (unsigned i = 0; i < n; i++) {
		verifier_free(w[i].verifier);
		state_close(w[i].st);
	}
	free(args);
	free(w);
	return rc;
}

static int
verify_all(struct run *run, char **operands, struct err *e)
{
	int rc;

	if (verify_evidence_begin(run, e) == -1 ||
	    open_replica(run, operands, e) == -1 || open_state(run, e) == -1 ||
	    open_input(run, operands, e) == -1)
		return -1;
	cli_watch(&run->cli, verify_watch, run);
	rc = run_pool(run, e);
	if (rc == 0 && !run->from_state &&
	    (lines_close(&run->in, e) == -1 || lines_expect(&run->in, e) == -1))
		cli_fail(&run->cli, NULL, e, 1);
	if (rc == 0 && run->trouble.class != ERR_NONE)
		cli_fail(&run->cli, NULL, &run->trouble, 1);
	cli_watch(&run->cli, NULL, NULL);
	verify_sum_up(run);
	if (rc == 0)
		verify_evidence_write(run, operands);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct run run = { .conf = STORE_CONF };
	struct buf base = { 0 };
	struct err e;
	int rc = -1;

	cli_begin(&run.cli, argc, argv, "rCsc/j0neqv", verify_option_table,
	    "[PATH ...]", "Prove that replicas restore, and print which do.");
	cli_more(&run.cli, verify_more_table, "more");
	cli_more(&run.cli, store_options, "s3");
	cli_measured(&run.cli, verify_measure, &run);
	verify_options(&run, argv);
	if (cli_prepare(&run.cli, &run.file, &run.conf, &base, &e) == -1)
		goto out;
	run.chooser.target.base = buf_str(&base);
	rc = verify_all(&run, argv + optind, &e);
out:
	choose_release(&run.chooser);
	bits_release(&run.listed);
	config_chooser_close(run.by_file);
	config_file_close(&run.file);
	store_close(run.chooser.store);
	sample_free(run.sample);
	evidence_free(run.evidence);
	state_close(run.reader);
	state_close(run.st);
	buf_release(&base);
	return rc == -1 ? cli_fatal(&run.cli, &e) : cli_finish(&run.cli);
}
