/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lspp-restore says of its requests: results, plans, notes and counts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bin/restore/restore.h"
#include "lib/base/buf.h"
#include "lib/base/when.h"
#include "lib/cli/cli_replica.h"
#include "lib/replica/codec/codec.h"
#include "lib/replica/restore_ltx.h"
#include "lib/state/state.h"
#include "lib/text/json_write.h"
#include "lib/text/metrics.h"
#include "lib/text/progress.h"

static void
tell_plan(struct run *run, const struct request *q)
{
	const struct restore_plan *p = &q->plan;
	char until[WHEN_SIZE], snapshot[CODEC_LABEL];

	if (q->by_pass && !p->unlisted)
		cli_note(&run->cli, q->c.name,
		    "listed: not all steps are under the names they had");
	if (p->ltx != NULL) {
		cli_note(&run->cli, q->c.name,
		    "LTX, TXID %016" PRIx64 ", %zu files, %" PRIu64
		    " bytes, as of %s",
		    p->ltx->plan.txid, p->ltx->plan.n, p->bytes,
		    when_text(p->until_ns, until));
		return;
	}
	p->codec->label(snapshot, p->snapshot);
	cli_note(&run->cli, q->c.name,
	    "generation %s, snapshot %s, %zu segments, %" PRIu64
	    " bytes, as of %s",
	    p->generation, snapshot, p->segments, p->bytes,
	    when_text(p->until_ns, until));
}

/* The small reads of a plan that was made without a listing. */
static uint64_t
looks(const struct restore_plan *p)
{
	if (!p->unlisted)
		return 0;
	return p->ltx != NULL || p->segments == 0 ? 1 : p->segments;
}

/* Does the state know of more than was restored? */
static void
ask_state(struct run *run, struct request *q)
{
	const struct restore_want *w = &run->want;
	struct restore_plan *p = &q->plan;
	struct record r;
	char shipped[WHEN_SIZE], until[WHEN_SIZE];
	struct err e;
	int64_t root;
	int rc;

	if (run->state == NULL || run->cli.dry_run || p->earlier ||
	    w->at_ns != INT64_MAX || w->generation != NULL)
		return;
	rc = state_root(run->state, q->c.store->url, false, &root, &e);
	if (rc == 1)
		rc = state_find(run->state, root, buf_str(&q->c.key), &r, &e);
	if (rc == -1)
		cli_warn(&run->cli, q->c.name, "state: %s", e.msg);
	if (rc != 1)
		return;
	if (r.captured_ns < p->until_ns && !p->plain)
		cli_warn(&run->cli, q->c.name,
		    "the replica is ahead: what is restored, of %s, is newer "
		    "than what the state knows of, %s; if this machine went "
		    "back to an earlier image, its databases did, too",
		    when_text(p->until_ns, until),
		    when_text(r.captured_ns, shipped));
	p->earlier = r.captured_ns > p->until_ns;
	(void)snprintf(p->why, sizeof(p->why),
	    "what was shipped until %s is no longer in the replica",
	    when_text(r.captured_ns, shipped));
	record_release(&r);
}

static void
tell_earlier(struct run *run, struct request *q)
{
	const struct restore_plan *p = &q->plan;
	char until[WHEN_SIZE];
	char *why;

	ask_state(run, q);
	if (!p->earlier && q->unseen != NULL) {
		q->plan.earlier = true;
		(void)snprintf(
		    q->plan.why, sizeof(q->plan.why), "%s", q->unseen);
	}
	if (!p->earlier)
		return;
	why = xasprintf("%s of %s, not the newest: %s",
	    q->complete            ? "is the state"
		: run->cli.dry_run ? "would be the state"
				   : "restored the state",
	    when_text(p->until_ns, until), p->why);
	cli_earlier(&run->cli, q->c.name, why);
	free(why);
}

/* -n: a row of the plan, for people.  The paths come last, whatever they hold.
 */
static void
print_plan(struct run *run, const struct request *q)
{
	const struct restore_plan *p = &q->plan;
	char until[WHEN_SIZE], snapshot[CODEC_LABEL] = "-", *line, *names;

	if (p->ltx == NULL)
		p->codec->label(snapshot, p->snapshot);
	names = xasprintf("%s -> %s", buf_str(&q->c.key),
	    run->spare != NULL ? "standard output" : buf_str(&q->c.path));
	if (!run->headed)
		(void)printf("%-16s %-8s %8s %14s %-24s %s%c", "generation",
		    "snapshot", "segments", "bytes", "covered until",
		    run->narrow ? "" : "database -> target", run->cli.end);
	run->headed = true;
	if (run->narrow)
		cli_put(&run->cli, names);
	line = xasprintf("%-16s %-8s %8zu %14" PRIu64 " %-24s %s",
	    p->generation, snapshot, p->segments, p->bytes,
	    when_text(p->until_ns, until), run->narrow ? "" : names);
	cli_put(&run->cli, line);
	free(line);
	free(names);
}

/* Where the state was: in a generation, or at a TXID. */
static void
put_origin(struct buf *b, const struct restore_plan *p)
{
	char text[CODEC_LABEL];

	if (p->ltx != NULL) {
		(void)snprintf(
		    text, sizeof(text), "%016" PRIx64, p->ltx->plan.txid);
		json_null(b, "generation");
		json_text(b, "txid", text);
		json_null(b, "snapshot");
		return;
	}
	p->codec->label(text, p->snapshot);
	json_text(b, "generation", p->generation);
	json_null(b, "txid");
	json_number(b, "snapshot", strtoull(text, NULL, 16));
}

static void
put_object(struct cli *c, const struct request *q)
{
	static const char *const checks[] = { [RESTORE_CHECK_NONE] = "none",
		[RESTORE_CHECK_QUICK] = "quick",
		[RESTORE_CHECK_FULL] = "full" };
	const struct restored *r = q->restored;
	struct buf *b = cli_object(c, buf_str(&q->c.path));

	json_text(b, "source", q->c.name);
	put_origin(b, &q->plan);
	json_number(b, "segments", q->plan.segments);
	json_number(b, "bytes", q->plan.bytes);
	json_time(b, "as_of", q->plan.until_ns);
	json_bool(b, "earlier", q->plan.earlier);
	if (r != NULL) {
		json_bool(b, "checksum", r->summed);
		json_text(b, "check", checks[r->checked]);
	} else {
		json_null(b, "checksum");
		json_null(b, "check");
	}
	json_bool(b, "dry_run", c->dry_run);
	cli_put_object(c);
}

void
restore_measure(void *ctx, struct metrics *m)
{
	struct run *run = ctx;

	metrics_databases(m, "seen", run->told);
	metrics_databases(m, "restored", run->restored);
	metrics_databases(m, "skipped", run->skipped);
	stats_metrics(&run->stats, m);
}

void
restore_watch(void *ctx, struct progress *p)
{
	struct run *run = ctx;

	cli_requests_progress(run->by_file, run->chooser.store, p);
}

void
restore_report(struct run *run, struct request *q)
{
	run->told++;
	if (q->c.rc == -1) {
		cli_fail(&run->cli, q->c.name, &q->c.e, q->attempts);
		return;
	}
	cli_pass(&run->cli);
	if (q->passed != NULL) {
		run->skipped++;
		run->younger += q->younger;
		run->older += q->older;
		cli_note(&run->cli, q->c.name, "%s %s: passed over",
		    q->c.path.len > 0 ? buf_str(&q->c.path) : "it", q->passed);
		if (q->complete)
			tell_earlier(run, q);
		return;
	}
	if (run->list) {
		restore_list_print(run, q);
		return;
	}
	run->restored++;
	tell_plan(run, q);
	tell_earlier(run, q);
	run->lists += !q->plan.unlisted;
	run->gets += q->plan.segments + 1 + looks(&q->plan);
	run->bytes += q->plan.bytes;
	if (q->restored != NULL && q->restored->note != NULL)
		cli_note(&run->cli, q->c.name, "%s", q->restored->note);
	if (run->cli.json)
		put_object(&run->cli, q);
	else if (run->cli.dry_run)
		print_plan(run, q);
	else if (run->spare == NULL)
		cli_put(&run->cli, buf_str(&q->c.path));
}

void
restore_note_requests(struct run *run)
{
	const struct store_conf *c = &run->conf;
	struct buf b = { 0 };

	if (run->older > 0)
		cli_warn(&run->cli, NULL,
		    "%" PRIu64 " database%s nothing newer than that: passed "
		    "over",
		    run->older, run->older == 1 ? " has" : "s have");
	if (run->younger > 0)
		cli_warn(&run->cli, NULL,
		    "%" PRIu64 " database%s did not exist then: passed over",
		    run->younger, run->younger == 1 ? "" : "s");
	if (run->cli.dry_run && c->priced)
		cli_warn(&run->cli, NULL,
		    "would read %" PRIu64 " bytes, with %" PRIu64
		    " GET and %" PRIu64 " LIST requests: $%.6f",
		    run->bytes, run->gets, run->lists,
		    store_conf_price(c, 0, run->lists, run->gets));

	cli_requests(run->by_file, run->chooser.store, &run->stats);
	if (stats_text(&run->stats, run->cli.json, &b))
		cli_note(&run->cli, NULL, "requests: %s", buf_str(&b));
	buf_release(&b);
}
