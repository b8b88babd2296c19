/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --pass: what is asked for comes from the object of a pass, not from a listing.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bin/restore/restore.h"
#include "lib/base/buf.h"
#include "lib/base/when.h"
#include "lib/sqlite/beside.h"
#include "lib/sys/stop.h"
#include "lib/text/glob.h"

/* An operand: a name, or a pattern for names. */
struct wanted {
	const char *operand;
	struct buf key;
	enum target_kind kind;
	bool met;
};

struct feeding {
	struct run *run;
	struct wanted *v;
	size_t n;
	/* The keys that were fed and that the last one begins with, each with
	 * its 0: to SQLite that may be the log of one of them. */
	struct buf mains;
};

void
restore_pass_check(struct run *run, char **operands)
{
	const struct restore_want *w = &run->want;
	struct err e;

	if (run->pass == NULL)
		return;
	if (strcmp(run->pass, "latest") != 0 &&
	    pass_check_name(run->pass, &e) == -1)
		cli_usage(&run->cli, "--pass: %s", e.msg);
	if (run->cli.replica == NULL)
		cli_usage(&run->cli, "--pass is of a replica root: use -r URL");
	if (w->at_ns != INT64_MAX || w->txid != 0 || w->generation != NULL ||
	    w->newer_ns != 0 || w->format != RESTORE_ANY ||
	    w->good != RESTORE_EXACT)
		cli_usage(&run->cli,
		    "--pass says which states: it goes with none of "
		    "--timestamp, --txid, --generation, --newer-than, "
		    "--format, --to-last-good and --bisect");
	if (run->list || run->follow || run->spare != NULL ||
	    run->state_dir != NULL)
		cli_usage(&run->cli,
		    "--pass goes with none of --list, --follow, -o - and -s");
	for (; *operands != NULL; operands++)
		if (strcmp(*operands, "-") == 0 || store_is_url(*operands))
			cli_usage(&run->cli,
			    "--pass wants names and patterns below -r as "
			    "operands, not %s",
			    *operands);
}

int
restore_pass_open(struct run *run, struct err *e)
{
	const char *dir = getenv("TMPDIR");
	char ended[WHEN_SIZE];

	if (dir == NULL || *dir == '\0')
		dir = "/var/tmp";
	if (pass_get(&run->passed, run->chooser.store, run->pass, dir, e) == -1)
		return -1;
	if (strcmp(run->pass, "latest") == 0)
		cli_warn(&run->cli, NULL,
		    "the pass %s, of %s: %" PRIu64 " databases",
		    run->passed.name, when_text(run->passed.ended_ns, ended),
		    run->passed.lines);
	else
		cli_note(&run->cli, NULL, "of %s: %" PRIu64 " databases",
		    when_text(run->passed.ended_ns, ended), run->passed.lines);
	return 0;
}

/* -- what is meant --------------------------------------------------------- */

/* The name wins: what looks like a pattern may be one. */
static int
note_name(void *ctx, const struct pass_line *l, struct err *e)
{
	struct feeding *f = ctx;

	(void)e;
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].kind == TARGET_EITHER &&
		    strcmp(buf_str(&f->v[i].key), buf_str(&l->key)) == 0)
			f->v[i].kind = TARGET_NAME;
	return stop_requested();
}

static int
settle(struct feeding *f, struct err *e)
{
	struct wanted *w = f->v;
	bool either = false;

	for (size_t i = 0; i < f->n; i++)
		either |= w[i].kind == TARGET_EITHER;
	if (either && pass_lines(&f->run->passed, note_name, f, e) == -1)
		return -1;
	for (size_t i = 0; i < f->n; i++) {
		const char *key = buf_str(&w[i].key);

		if (w[i].kind == TARGET_EITHER)
			w[i].kind = TARGET_PATTERN;
		else if (w[i].kind == TARGET_NAME && choose_is_any_depth(key))
			return choose_refuse(key, "with a \\ before it", e);
		if (w[i].kind == TARGET_PATTERN && glob_check(key, e) == -1)
			return err_in(e, "%s", w[i].operand);
	}
	return 0;
}

static int
read_operands(struct feeding *f, char **operands, struct err *e)
{
	const struct target_conf *t = &f->run->chooser.target;
	int kind;

	while (operands[f->n] != NULL)
		f->n++;
	f->v = xcalloc(f->n + 1, sizeof(*f->v));
	for (size_t i = 0; i < f->n; i++) {
		f->v[i].operand = operands[i];
		kind = target_key(t, operands[i], &f->v[i].key, e);
		if (kind == -1)
			return err_in(e, "%s", operands[i]);
		f->v[i].kind = (enum target_kind)kind;
	}
	return settle(f, e);
}

static bool
is_wanted(struct feeding *f, const char *key)
{
	bool is = f->n == 0, hit;
	struct err e;

	for (size_t i = 0; i < f->n; i++) {
		const char *w = buf_str(&f->v[i].key);

		hit = f->v[i].kind == TARGET_NAME ? strcmp(w, key) == 0
						  : glob_match(w, key, &e) == 1;
		f->v[i].met |= hit;
		is |= hit;
	}
	return is;
}

/*
 * Keys come in order, so one that this would be the log of was fed, and all
 * between the two begin with it: they are in 'mains'.
 */
static bool
is_log(struct feeding *f, const char *key)
{
	size_t at = 0, n, main = beside_of(key, strlen(key));
	const char *p;
	bool is = false;

	while (at < f->mains.len) {
		p = buf_str(&f->mains) + at;
		n = strlen(p);
		if (strncmp(p, key, n) != 0)
			break;
		is |= main > 0 && n == main;
		at += n + 1;
	}
	f->mains.len = at;
	buf_add(&f->mains, key, strlen(key) + 1);
	return is && f->run->chooser.files;
}

/* -- requests -------------------------------------------------------------- */

/* It stood so: a state that is not what was there, or none. */
static void
take_stands(struct request *q, const struct pass_line *l)
{
	struct err *e = &q->c.e;
	char since[WHEN_SIZE];

	(void)when_text(l->since_ns, since);
	if (l->stands == PASS_GONE) {
		q->plan.younger = true;
		q->c.rc = err_set(e, ERR_MISSING,
		    "was gone when the pass ended, since %s", since);
		err_hint(e,
		    "--if-existed passes over such; its last state is restored "
		    "without --pass");
	} else if (!l->shipped) {
		q->c.rc = err_set(e, ERR_MISSING,
		    "the pass has no state of it: to ship it had failed since "
		    "%s: %s",
		    since, buf_str(&l->why));
	} else if (l->stands != PASS_OK) {
		q->unseen = xasprintf("when the pass ended, %s since %s: %s",
		    l->stands == PASS_LOST ? "it was lost"
					   : "to ship it had failed",
		    since, buf_str(&l->why));
	}
}

static int
put(struct run *run, struct request *q)
{
	q->attempts = 1;
	pool_put(run->pool, &q->job);
	return stop_requested();
}

static int
feed_line(void *ctx, const struct pass_line *l, struct err *e)
{
	struct feeding *f = ctx;
	struct run *run = f->run;
	struct chooser *h = &run->chooser;
	const char *key = buf_str(&l->key);
	struct request *q;

	(void)e;
	if (!is_wanted(f, key) || !shard_has(&h->shard, key))
		return stop_requested();
	q = xcalloc(1, sizeof(*q));
	q->c.name = xstrdup(key);
	q->c.store = h->store;
	buf_adds(&q->c.key, key);
	q->by_pass = true;
	q->at = l->at;
	/* What was never shipped may have no name below the root. */
	if (l->shipped)
		q->c.rc = choice_name(h, key, &q->c.e);
	if (q->c.rc == 0)
		take_stands(q, l);
	if (q->c.rc == 0 && is_log(f, key))
		q->c.rc = err_set(&q->c.e, ERR_EXISTS,
		    "to SQLite it is a log of another database that is "
		    "restored");
	if (q->c.rc == 0)
		target_path(&h->target, key, 0, &q->c.path, &q->c.trusted);
	return put(run, q);
}

static void
fail(struct run *run, const char *name, const struct err *e, bool absent)
{
	struct request *q = xcalloc(1, sizeof(*q));

	q->c.name = xstrdup(name);
	q->c.rc = -1;
	q->c.e = *e;
	q->c.absent = absent;
	(void)put(run, q);
}

void
restore_pass_feed(struct run *run)
{
	struct feeding f = { .run = run };
	struct err e;
	int rc = read_operands(&f, run->operands, &e);

	if (rc == 0)
		rc = pass_lines(&run->passed, feed_line, &f, &e);
	if (rc == -1)
		fail(run, run->passed.name, &e, false);
	for (size_t i = 0; i < f.n && rc == 0; i++) {
		if (f.v[i].met)
			continue;
		err_set(
		    &e, ERR_MISSING, "is not in the pass %s", run->passed.name);
		fail(run, f.v[i].operand, &e, true);
	}
	for (size_t i = 0; i < f.n; i++)
		buf_release(&f.v[i].key);
	free(f.v);
	buf_release(&f.mains);
}
