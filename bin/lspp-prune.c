/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lspp-prune -- delete from a replica what is not to be kept.
 *
 * The way of a database: bin/prune/prune_options.c has what is to be kept,
 * bin/prune/prune_gone.c what is not there any more, bin/prune/prune_report.c what is said.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bin/prune/prune.h"
#include "lib/base/buf.h"
#include "lib/cli/cli_replica.h"
#include "lib/replica/wal/layout.h"
#include "lib/state/dblock.h"
#include "lib/store/open/store_open.h"
#include "lib/sys/file.h"
#include "lib/sys/stop.h"
#include "lib/text/glob.h"

/* Databases under way, and finished at once: deleted together. */
#define LIMIT 512
#define BATCH 256

static struct task *
task_new(const char *name, struct store *s, struct prune_db *db)
{
	struct task *t = xcalloc(1, sizeof(*t));

	t->name = xstrdup(name);
	t->store = s;
	t->db = db;
	if (db != NULL)
		db->ctx = t;
	return t;
}

static void
task_free(struct task *t)
{
	prune_db_free(t->db);
	free(t->path);
	free(t->name);
	free(t);
}

static int
put_failed(struct run *run, const char *name, const struct err *e)
{
	struct task *t = task_new(name, NULL, NULL);

	t->rc = -1;
	t->e = *e;
	pool_put(run->pool, &t->job);
	return stop_requested() ? -1 : 0;
}

/* -- what is meant: on the reader's thread --------------------------------- */

/* It was not, and is the shard's; by a file, choose_config() has looked. */
static bool
add_seen(
    struct run *run, const struct store *s, const char *key, const char *part)
{
	char *name;
	bool is;

	if (run->by_file == NULL && !shard_has(&run->cli.shard, key))
		return false;
	name = xasprintf("%s\n%s", key, part);
	is = target_set_add(&run->seen, name, s->url) != TARGET_SAME_KEY;
	free(name);
	return is;
}

/* A database that is named: all of it. */
static bool
is_new(struct run *run, const struct store *s, const char *key)
{
	bool is = add_seen(run, s, key, "");

	(void)add_seen(run, s, key, "wal");
	(void)add_seen(run, s, key, "ltx");
	return is;
}

/* Only what a pattern was for is looked at for uploads. */
static void
add_place(struct run *run, struct store *s, const char *prefix)
{
	struct place *p;

	for (size_t i = 0; i < run->places; i++)
		if (run->place[i].store == s &&
		    strcmp(run->place[i].prefix, prefix) == 0)
			return;
	run->place =
	    xrealloc(run->place, (run->places + 1) * sizeof(*run->place));
	p = &run->place[run->places++];
	p->store = s;
	p->prefix = xstrdup(prefix);
}

static int
put_database(struct run *run, const char *name, struct store *s,
    struct prune_db *db, enum part part)
{
	struct task *t = task_new(name, s, db);

	t->part = part;
	if (prune_clock(run, s, &t->e) == -1) {
		t->rc = -1;
		run->ended =
		    part != PART_ALL; /* others that came by name are told */
	} else if (run->cli.end != '\0' &&
	    strchr(db->key, run->cli.end) != NULL) {
		t->rc = err_set(&t->e, ERR_USAGE, "the name holds a newline");
		err_hint(&t->e, "use -0");
	}
	pool_put(run->pool, &t->job);
	return run->ended || stop_requested() ? -1 : 0;
}

struct search {
	struct run *run;
	bool any;
};

/* Is what was found to be handed in?  *first: it is the first part of it. */
static bool
is_found(struct run *run, const struct prune_db *db, bool *first)
{
	if (run->alone) {
		*first = !db->again;
		return shard_has(&run->cli.shard, db->key);
	}
	*first = add_seen(run, run->store, db->key, "");
	return add_seen(
	    run, run->store, db->key, db->ltx.n > 0 ? "ltx" : "wal");
}

static int
found(void *ctx, struct prune_db *db)
{
	struct search *f = ctx;
	struct run *run = f->run;
	bool first;

	f->any = true;
	if (!is_found(run, db, &first)) {
		prune_db_free(db);
		return 0;
	}
	return put_database(
	    run, db->key, run->store, db, first ? PART_FIRST : PART_OTHER);
}

static void
found_pass(void *ctx, const struct store_entry *en)
{
	struct search *f = ctx;
	struct run *run = f->run;

	if (run->alone || add_seen(run, run->store, en->key, "pass"))
		prune_note_pass(run, en);
}

static int
feed_pattern(struct run *run, const char *operand, const char *pattern)
{
	struct search f = { .run = run };
	struct prune_scan scan = { .found = found,
		.pattern = strcmp(pattern, "**") == 0 ? NULL : pattern,
		.ctx = &f };
	struct buf prefix = { 0 };
	struct err e;
	int rc;

	if (scan.pattern == NULL && run->cli.shard.n == 0)
		scan.pass = found_pass;
	buf_add(&prefix, pattern, glob_fixed(pattern));
	if (glob_check(pattern, &e) == -1)
		return put_failed(run, operand, &e);
	add_place(run, run->store, buf_str(&prefix));
	buf_release(&prefix);
	rc = prune_scan(run->store, &scan, &e);
	prune_tell_unknown(run, &scan);
	if (run->ended)
		return -1;
	if (rc == 0 && !f.any && !stop_requested())
		rc = err_set(&e, ERR_MISSING, "no database in %s matches",
		    run->store->url);
	return rc == -1 ? put_failed(run, operand, &e) : 0;
}

/* What is to be erased may be under way. */
static void
add_database(struct run *run, struct store *s, const char *key)
{
	struct buf place = { 0 };

	layout_generation_prefix(&place, key, NULL);
	add_place(run, s, buf_str(&place));
	buf_release(&place);
}

static int
feed_operand(struct run *run, const char *operand)
{
	struct buf key = { 0 };
	struct err e;
	int rc, is = choose_key_of(&run->target, run->store, operand, &key, &e);

	if (is == 0 && run->erase)
		is = err_set(&e, ERR_USAGE, "--erase wants names, no pattern");
	if (is == 1 && run->erase)
		add_database(run, run->store, buf_str(&key));
	if (is == -1)
		rc = put_failed(run, operand, &e);
	else if (is == 0)
		rc = feed_pattern(run, operand, buf_str(&key));
	else if (is_new(run, run->store, buf_str(&key)))
		rc = put_database(run, operand, run->store,
		    prune_db_new(run->store, buf_str(&key)), PART_ALL);
	else
		rc = 0;
	buf_release(&key);
	return rc;
}

/* What a litestream.yml leads to. */
static int
chosen(void *ctx, struct choice *c)
{
	struct run *run = ctx;
	int rc = 0;

	if (c->rc == 0)
		c->rc = prune_clock(run, c->store, &c->e);
	if (c->rc == -1)
		rc = put_failed(run, c->name, &c->e);
	else if (is_new(run, c->store, buf_str(&c->key))) {
		if (run->erase)
			add_database(run, c->store, buf_str(&c->key));
		else if (glob_is_pattern(c->name))
			add_place(run, c->store, "");
		rc = put_database(run, c->name, c->store,
		    prune_db_new(c->store, buf_str(&c->key)), PART_ALL);
	}
	choice_release(c);
	return rc;
}

static void
feed(struct pool *p, void *ctx)
{
	struct run *run = ctx;
	const char *operand;
	int rc = 0;

	run->pool = p;
	while (rc == 0 && (operand = lines_next(&run->in)) != NULL)
		rc = run->by_file != NULL ? choose_config(run->by_file, operand)
					  : feed_operand(run, operand);
}

/* -- one database: on a worker --------------------------------------------- */

static void
work(struct job *j, void *arg)
{
	struct task *t = (struct task *)j;
	const struct run *run = arg;

	if (t->rc == -1)
		return;
	if (t->part == PART_ALL)
		prune_db_load(t->db);
	if (!run->erase)
		prune_db_plan(t->db, &run->policy);
	if (!run->erase && !run->counting && !run->cli.dry_run)
		t->whole = prune_db_mark(t->db, &run->policy);
	if (t->db->rc == -1) {
		t->rc = -1;
		t->e = t->db->e;
		if (t->e.class == ERR_MISSING)
			choose_hint_below(t->store, t->db->key, &t->e);
	}
}

/* -- deleting: on the main thread, many databases together ----------------- */

static void
removed(void *ctx, const struct prune_db *db, const struct prune_item *it,
    const char *key, uint64_t size, int rc, const struct err *e)
{
	struct run *run = ctx;
	struct task *t = db->ctx;

	if (rc == 0) {
		t->any = true;
		prune_print(run, db->store, key, size, (enum prune_why)it->why);
		return;
	}
	t->failed = true;
	if (e->class != ERR_NONE)
		cli_fail(&run->cli, key, e, 1);
	else
		cli_note(&run->cli, key, "left: see above");
}

static void
show(struct run *run, struct task *t)
{
	struct prune_db *db = t->db;
	struct buf key = { 0 };
	uint64_t size;

	t->any = db->plan.n > 0;
	run->todo_databases += t->any;
	for (size_t i = 0; i < db->plan.n; i++) {
		size = prune_item_key(db, &db->plan.v[i], &key);
		run->todo++;
		run->todo_bytes += size;
		if (!run->counting)
			prune_print(run, t->store, buf_str(&key), size,
			    (enum prune_why)db->plan.v[i].why);
	}
	buf_release(&key);
}

/* Those of one store, which are taken out of the list. */
static void
delete_of(struct run *run, struct task **tasks, size_t *n)
{
	struct prune_db **db = xcalloc(*n, sizeof(*db));
	struct store *s = tasks[0]->store;
	struct task *t;
	size_t left = 0, m = 0;

	for (size_t i = 0; i < *n; i++) {
		if (tasks[i]->store == s)
			db[m++] = tasks[i]->db;
		else
			tasks[left++] = tasks[i];
	}
	*n = left;
	prune_run(db, m, removed, run);
	for (size_t i = 0; i < m; i++) {
		t = db[i]->ctx;
		if (t->gone)
			prune_end_gone(run, t);
	}
	free(db);
}

static void
delete_all(struct run *run, struct job **jobs, size_t n)
{
	struct task **tasks = xcalloc(n, sizeof(*tasks)), *t;
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		t = (struct task *)jobs[i];
		if (t->rc == -1 || t->db->plan.n == 0)
			continue;
		if (t->gone && prune_begin_gone(run, t) == -1)
			continue;
		tasks[m++] = t;
	}
	while (m > 0)
		delete_of(run, tasks, &m);
	free(tasks);
}

static void
finish(struct pool *p, struct job **jobs, size_t n, void *ctx)
{
	struct run *run = ctx;
	struct task *t;

	for (size_t i = 0; i < n; i++) {
		t = (struct task *)jobs[i];
		if (t->rc == 0)
			prune_gone(run, t);
		if (t->rc == 0 && (run->counting || run->cli.dry_run))
			show(run, t);
	}
	if (!run->counting && !run->cli.dry_run)
		delete_all(run, jobs, n);
	for (size_t i = 0; i < n; i++) {
		t = (struct task *)jobs[i];
		if (!run->counting)
			prune_report(run, t);
		pool_done(p, jobs[i]);
		task_free(t);
	}
	lines_flush();
}

/* -- all of it ------------------------------------------------------------- */

static int
run_pool(struct run *run, char **operands, struct err *e)
{
	static const struct pool_ops ops = {
		.feed = feed, .work = work, .finish = finish, .linger_ms = 50
	};
	/* A worker: a connection, or what a directory needs to be walked; and
	 * what is merged needs temporary files. */
	const struct file_needs needs = { .run = 12, .worker = 16 };
	size_t limit = LIMIT;
	int rc = cli_fit(&run->cli, &run->file, needs, &limit, e);

	run->policy.measure = !run->cli.dry_run && !run->counting;
	run->policy.tmp = run->policy.measure ? run->tmp : NULL;
	run->alone = operands[0] != NULL && operands[1] == NULL &&
	    strcmp(operands[0], "-") != 0;
	if (rc == 0)
		rc = lines_open(&run->in, operands, run->cli.end, e);
	if (rc == 0)
		rc = pool_run(&ops, run, NULL, run->cli.jobs, limit, BATCH, e);
	if (rc == 0 &&
	    (lines_close(&run->in, e) == -1 || lines_expect(&run->in, e) == -1))
		cli_fail(&run->cli, NULL, e, 1);
	if (rc == 0)
		prune_uploads(run);
	prune_passes(run);
	target_set_release(&run->seen);
	run->seen = (struct target_set){ 0 };
	return rc;
}

/* On a terminal.  -1: no. */
static int
ask(struct run *run, char **operands, struct err *e)
{
	char *question;
	bool yes;

	run->counting = true;
	if (run_pool(run, operands, e) == -1)
		return -1;
	run->counting = false;
	if (run->todo == 0 || stop_requested())
		return 0;
	question = xasprintf("delete %" PRIu64 " objects, %" PRIu64
			     " bytes, of %" PRIu64 " databases?",
	    run->todo, run->todo_bytes, run->todo_databases);
	yes = cli_ask(&run->cli, question);
	free(question);
	if (yes)
		return 0;
	return err_set(e, ERR_BUSY, "nothing was deleted");
}

/* What lspp-ship relies on holds for object storage. */
static void
check_grace(struct run *run, const char *url)
{
	if (store_traits(url)->looks)
		return;
	if (run->policy.grace_ns < PRUNE_GRACE_MIN_NS)
		cli_usage(&run->cli,
		    "--grace: at least 2d for object storage, where lspp-ship "
		    "relies on it");
	if (run->gone_for_ns >= 0 && run->gone_for_ns < PRUNE_GRACE_MIN_NS)
		cli_usage(
		    &run->cli, "--gone-for: at least 2d for object storage");
}

static int
open_config(struct run *run)
{
	for (size_t i = 0; i < run->file.c.n_roots; i++)
		check_grace(run, run->file.c.root[i].url);
	run->chooser.end = run->cli.end;
	run->chooser.every_replica = true;
	run->chooser.paths_only = run->erase;
	run->chooser.chosen = chosen;
	run->chooser.ctx = run;
	run->chooser.mode = run->cli.dry_run ? STORE_READ : STORE_REMOVE;
	run->by_file = config_chooser_open(&run->file, &run->chooser);
	return 0;
}

static int
open_replica(struct run *run, char **operands, struct err *e)
{
	enum store_mode mode = run->cli.dry_run ? STORE_READ : STORE_REMOVE;
	const char *url = run->cli.replica;
	char *root = NULL;

	if (run->cli.config != NULL)
		return open_config(run);
	if (url == NULL && (url = root = choose_root(operands, e)) == NULL)
		return -1;
	check_grace(run, url);
	run->store = store_open(url, mode, true, &run->conf, e);
	free(root);
	if (run->store == NULL)
		return -1;
	run->target.url = run->store->root;
	return 0;
}

static int
prune(struct run *run, char **operands, struct err *e)
{
	if (open_replica(run, operands, e) == -1 ||
	    prune_open_state(run, e) == -1)
		return -1;
	cli_watch(&run->cli, prune_watch, run);
	if (!run->yes && !run->cli.dry_run && ask(run, operands, e) == -1)
		return -1;
	if (run_pool(run, operands, e) == -1)
		return -1;
	prune_note(run);
	return 0;
}

int
main(int argc, char *argv[])
{
	struct run run = { .conf = STORE_CONF };
	struct buf base = { 0 };
	struct err e = { 0 };
	int rc = -1;

	cli_begin(&run.cli, argc, argv, "rCcs/j0neqv", prune_option_table,
	    "[PATH ...]",
	    "Delete from a replica what is not to be kept, and print it.");
	cli_more(&run.cli, prune_more_table, "more");
	cli_more(&run.cli, store_options, "s3");
	cli_measured(&run.cli, prune_measure, &run);
	prune_options(&run);
	if (cli_prepare(&run.cli, &run.file, &run.conf, &base, &e) == -1)
		goto out;
	run.target.base = buf_str(&base);
	rc = prune(&run, argv + optind, &e);
out:
	cli_watch(&run.cli, NULL, NULL);
	for (size_t i = 0; i < run.places; i++)
		free(run.place[i].prefix);
	free(run.place);
	free(run.clock);
	choose_release(&run.chooser);
	config_chooser_close(run.by_file);
	config_file_close(&run.file);
	store_close(run.store);
	dblocks_close(run.locks);
	state_close(run.state);
	buf_release(&base);
	return rc == -1 ? cli_fatal(&run.cli, &e) : cli_finish(&run.cli);
}
