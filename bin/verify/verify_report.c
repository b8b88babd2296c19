/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lspp-verify says of databases, and notes in the state.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bin/verify/verify.h"
#include "lib/base/buf.h"
#include "lib/base/when.h"
#include "lib/cli/cli_replica.h"
#include "lib/state/state.h"
#include "lib/state/state_compared.h"
#include "lib/state/state_verdict.h"
#include "lib/store/store.h"
#include "lib/text/json_write.h"
#include "lib/text/metrics.h"
#include "lib/text/progress.h"

/* The replica is broken, as far as that was asked for. */
static bool
is_broken(const struct request *q)
{
	return q->c.rc == -1 && q->c.e.class == ERR_CORRUPT &&
	    q->c.store != NULL && !q->out.unread;
}

/* It is sound, and not what the live database is. */
static bool
is_wrong(const struct request *q)
{
	return is_broken(q) && q->out.source == VERIFY_WRONG;
}

static bool
is_ahead(const struct request *q)
{
	return q->c.rc == -1 && q->c.e.class == ERR_EXISTS &&
	    q->out.source == VERIFY_AHEAD;
}

/* Somebody else writes to the replica; that the source is busy is not it. */
static bool
is_contended(const struct request *q)
{
	return q->c.rc == -1 && q->c.e.class == ERR_BUSY &&
	    q->c.store != NULL && !q->out.unread;
}

/* Sound, but an older state may be lost. */
static bool
is_earlier(const struct request *q)
{
	return q->c.rc == -1 && q->c.e.class == ERR_EARLIER;
}

/* -- the state ------------------------------------------------------------- */

static int
put(struct run *run, struct request *q, struct err *e)
{
	const char *key = buf_str(&q->c.key);
	struct verdict v = { .at_ns = q->at_ns, .deep = run->want.deep };

	if (q->c.rc == -1 && !is_broken(q) && !is_earlier(q) && !is_ahead(q))
		return state_put_tried(run->st, q->root, key, q->at_ns, e);
	if (is_broken(q) && !is_wrong(q)) {
		v.class = q->c.e.class;
		v.msg = q->c.e.msg;
	}
	if (q->out.newest && q->out.shipping[0] != '\0')
		v.broken = q->out.shipping;
	return state_put_verdict(run->st, q->root, key, &v, &q->marked, e);
}

static int
put_compared(struct run *run, struct request *q, struct err *e)
{
	const char *key = buf_str(&q->c.key);
	struct compared c = { .at_ns = q->at_ns };

	if (!run->want.source)
		return 0;
	if (q->c.rc == -1 && !is_wrong(q) && !is_ahead(q) && !is_earlier(q))
		return state_put_uncompared(run->st, q->root, key, q->at_ns, e);
	if (is_wrong(q) || is_ahead(q)) {
		c.class = q->c.e.class;
		c.msg = q->c.e.msg;
	}
	return state_put_compared(run->st, q->root, key, &c, e);
}

static int
put_request(struct run *run, struct request *q, struct err *e)
{
	if (q->root == 0 || q->at_ns == 0)
		return 0;
	return put(run, q, e) == -1 ? -1 : put_compared(run, q, e);
}

void
verify_record(struct run *run, struct job **jobs, size_t n)
{
	struct err e;
	int rc;

	if (run->st == NULL || run->cli.dry_run)
		return;
	if ((rc = state_begin(run->st, &e)) == 0) {
		for (size_t i = 0; i < n && rc == 0; i++)
			rc = put_request(run, (struct request *)jobs[i], &e);
		if (rc == 0)
			rc = state_commit(run->st, &e);
	}
	if (rc == 0)
		return;
	state_rollback(run->st);
	for (size_t i = 0; i < n; i++)
		((struct request *)jobs[i])->marked = false;
	if (!run->warned)
		cli_warn(&run->cli, NULL, "nothing is noted: %s", e.msg);
	run->warned = true;
	run->mute = "the state cannot be written";
}

/* -- a database ------------------------------------------------------------ */

static void
tell_faults(struct run *run, const struct request *q)
{
	char *rest = q->out.also.len > 0 ? (char *)q->out.also.data : NULL;
	char *line;

	while (rest != NULL && (line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0')
			cli_note(&run->cli, q->c.name, "%s", line);
}

/* What becomes of it. */
static void
hint(const struct run *run, const struct request *q, struct err *e)
{
	const char *what;
	char more[64] = "";

	if (q->out.more > 0)
		(void)snprintf(
		    more, sizeof(more), "; %zu more with -v", q->out.more);
	if (!q->out.newest)
		what = "the newest state is sound";
	else if (q->marked)
		what = "the next lspp-ship begins it anew";
	else if (run->mute != NULL)
		what = run->mute;
	else if (q->out.shipping[0] == '\0')
		what = "it was not shipped with this state: no lspp-ship is "
		       "told to begin it anew";
	else
		what = "it has been begun anew";
	(void)err_hint(e, "%s%s", what, more);
}

static void
fail(struct run *run, struct request *q)
{
	bool broken = is_broken(q);

	run->broken += broken && !is_wrong(q);
	run->contended += is_contended(q);
	if (broken)
		hint(run, q, &q->c.e);
	/* A path may have several. */
	if (run->by_file != NULL && q->c.store != NULL)
		err_in(&q->c.e, "%s", q->c.store->url);
	cli_fail(&run->cli, q->c.name, &q->c.e,
	    q->out.attempts > 0 ? q->out.attempts : 1);
	tell_faults(run, q);
}

static void
tell(struct run *run, const struct request *q)
{
	const struct verified *v = &q->out;
	char until[WHEN_SIZE];
	struct buf b = { 0 };

	buf_addf(&b,
	    "sound as of %s: %zu objects in %zu generations, %" PRIu64
	    " bytes%s",
	    when_text(v->as_of_ns, until), v->objects, v->generations, v->bytes,
	    v->checksum ? "" : "; of litestream's, no checksum");
	if (v->unknown > 0)
		buf_addf(&b, "; %zu are not of a replica, the first: %s",
		    v->unknown, v->first_unknown);
	cli_note(&run->cli, q->c.name, "%s", buf_str(&b));
	buf_release(&b);
	if (v->source == VERIFY_BEHIND)
		cli_note(&run->cli, q->c.name,
		    "the source was written to since: %" PRIu32
		    " pages are newer",
		    v->newer);
}

/* How the source was read, if not as it should be. */
static void
tell_reading(struct run *run, const struct request *q)
{
	if (q->out.source != VERIFY_NOT_COMPARED && !q->out.by_sqlite)
		cli_note(&run->cli, q->c.name,
		    "the source was read from its files, as lspp-ship does, "
		    "not by SQLite: %s",
		    q->out.why_not);
}

static void
put_object(struct run *run, const struct request *q)
{
	const struct verified *v = &q->out;
	struct buf *b = cli_object(&run->cli, q->c.name);

	json_text(b, "replica", q->c.store->url);
	json_bool(b, "deep", run->want.deep);
	json_text(b, "generation", run->cli.dry_run ? NULL : v->generation);
	json_number(b, "generations", v->generations);
	json_number(b, "objects", v->objects);
	json_number(b, "bytes", v->bytes);
	if (run->cli.dry_run)
		json_null(b, "as_of");
	else
		json_time(b, "as_of", v->as_of_ns);
	json_bool(b, "checksum", run->want.deep && v->checksum);
	json_bool(b, "state", v->recorded);
	json_bool(b, "sql", run->want.sql && !run->cli.dry_run);
	json_bool(b, "earlier", is_earlier(q));
	json_number(b, "unknown", v->unknown);
	if (v->source == VERIFY_NOT_COMPARED) {
		json_null(b, "source");
		json_null(b, "newer");
		json_null(b, "by_sqlite");
	} else {
		json_text(b, "source",
		    v->source == VERIFY_EQUAL ? "equal" : "behind");
		json_number(b, "newer", v->newer);
		json_bool(b, "by_sqlite", v->by_sqlite);
	}
	json_bool(b, "dry_run", run->cli.dry_run);
	cli_put_object(&run->cli);
}

void
verify_report(struct run *run, struct request *q)
{
	run->told++;
	run->compared[q->out.source]++;
	tell_reading(run, q);
	if (run->evidence != NULL)
		verify_evidence_add(run, q);
	if (q->c.rc == -1 && !is_earlier(q)) {
		fail(run, q);
		return;
	}
	cli_pass(&run->cli);
	run->verified++;
	if (is_earlier(q))
		cli_earlier(&run->cli, q->c.name, q->c.e.msg);
	if (!run->cli.dry_run)
		tell(run, q);
	if (run->cli.json)
		put_object(run, q);
	else
		cli_put(&run->cli, q->c.name);
}

/* -- the run --------------------------------------------------------------- */

void
verify_watch(void *ctx, struct progress *p)
{
	struct run *run = ctx;

	cli_requests_progress(run->by_file, run->chooser.store, p);
}

void
verify_sum_up(struct run *run)
{
	int64_t never = 0, oldest = INT64_MAX;
	struct buf b = { 0 };
	struct err e;

	cli_requests(run->by_file, run->chooser.store, &run->stats);
	if (stats_text(&run->stats, run->cli.json, &b))
		cli_note(&run->cli, NULL, "requests: %s", buf_str(&b));
	buf_release(&b);
	if (run->st == NULL)
		return;
	if (state_unverified(run->st, 0, &never, &oldest, &e) == -1)
		cli_warn(&run->cli, NULL, "%s", e.msg);
	run->never = (uint64_t)never;
	run->oldest_ns = oldest;
}

void
verify_measure(void *ctx, struct metrics *m)
{
	static const char *const states[] = { [VERIFY_EQUAL] = "equal",
		[VERIFY_BEHIND] = "behind",
		[VERIFY_WRONG] = "wrong",
		[VERIFY_AHEAD] = "ahead" };
	struct run *run = ctx;
	double oldest = 0;

	if (run->oldest_ns > 0 && run->oldest_ns < INT64_MAX)
		oldest = (double)(when_now() - run->oldest_ns) / 1e9;
	metrics_databases(m, "seen", run->told);
	metrics_databases(m, "verified", run->verified);
	metrics_databases(m, "broken", run->broken);
	metrics_databases(m, "contended", run->contended);
	metrics_databases(m, "unverified", run->never);
	for (int i = VERIFY_EQUAL; i <= VERIFY_AHEAD; i++)
		metrics_databases(m, states[i], run->compared[i]);
	metrics_add(m, METRIC_UNVERIFIED, NULL, oldest);
	stats_metrics(&run->stats, m);
}
