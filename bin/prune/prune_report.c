/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lspp-prune says: objects, databases and counts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bin/prune/prune.h"
#include "lib/base/buf.h"
#include "lib/cli/cli_replica.h"
#include "lib/text/json_write.h"
#include "lib/text/metrics.h"
#include "lib/text/progress.h"

void
prune_print(struct run *run, const struct store *s, const char *key,
    uint64_t size, enum prune_why why)
{
	struct cli *c = &run->cli;
	char *url = xasprintf("%s/%s", s->root, key);
	struct buf *b;

	run->objects[why]++;
	run->bytes[why] += size;
	if (c->json) {
		b = cli_object(c, url);
		json_text(b, "reason", prune_why_name(why));
		json_number(b, "bytes", size);
		json_bool(b, "dry_run", c->dry_run);
		cli_put_object(c);
	} else {
		if (c->dry_run && !run->headed)
			(void)printf("%-14s %14s %s%c", "reason", "bytes",
			    "object", c->end);
		run->headed = true;
		if (c->dry_run)
			(void)printf(
			    "%-14s %14" PRIu64 " ", prune_why_name(why), size);
		cli_put(c, url);
	}
	free(url);
}

static void
tell_left(struct run *run, const struct task *t)
{
	const struct prune_db *db = t->db;

	if (db->h.unknown > 0)
		cli_warn(&run->cli, t->name,
		    "%zu objects of unknown names are left; one is %s",
		    db->h.unknown, db->h.first_unknown);
	if (t->whole)
		cli_warn(&run->cli, t->name,
		    "what is behind the snapshots of a day, a week or a month "
		    "is left: to say that it is gone wants s3:PutObject and "
		    "s3:GetObject, or the right to write");
	if (db->into > 0)
		cli_note(&run->cli, t->name,
		    "%" PRIu64 " files of level 0 are merged into %" PRIu64,
		    db->merged, db->into);
	if (db->unmerged)
		cli_warn(&run->cli, t->name,
		    "files of level 0 are left as they are: to merge them "
		    "wants s3:PutObject and s3:GetObject, or the right to "
		    "write");
	if (db->plan.stray > 0)
		cli_warn(&run->cli, t->name,
		    "%" PRIu64 " objects that no snapshot leads to are left: "
		    "they are newer than all that can be restored",
		    db->plan.stray);
	if (db->plan.foreign > 0)
		cli_note(&run->cli, t->name,
		    "%" PRIu64 " objects of Litestream's are left: --foreign "
		    "prunes them",
		    db->plan.foreign);
}

/* --erase has not done what it says as long as anything is left. */
static void
check_erased(struct task *t)
{
	const struct history *h = &t->db->h;

	if (h->unknown == 0)
		return;
	t->rc = err_set(&t->e, ERR_EXISTS,
	    "%zu objects of unknown names are left; one is %s", h->unknown,
	    h->first_unknown);
	err_hint(
	    &t->e, "lspp did not write them: look, and delete them by hand");
}

void
prune_report(struct run *run, struct task *t)
{
	run->told++;
	if (t->rc == 0 && run->erase)
		check_erased(t);
	if (t->rc == -1)
		cli_fail(&run->cli, t->name, &t->e, 1);
	else if (!t->failed)
		cli_pass(&run->cli);
	if (t->db != NULL && !run->erase)
		tell_left(run, t);
	run->pruned += t->any;
}

void
prune_note(struct run *run)
{
	uint64_t n = 0, bytes = 0;
	struct buf b = { 0 };

	for (int i = 0; i < WHYS; i++) {
		n += run->objects[i];
		bytes += run->bytes[i];
	}
	cli_note(&run->cli, NULL,
	    "%" PRIu64 " objects of %" PRIu64 " databases, %" PRIu64 " bytes%s",
	    n, run->pruned, bytes,
	    run->cli.dry_run ? " would be deleted" : " deleted");
	cli_requests(run->by_file, run->store, &run->stats);
	if (stats_text(&run->stats, run->cli.json, &b))
		cli_note(&run->cli, NULL, "requests: %s", buf_str(&b));
	buf_release(&b);
}

void
prune_measure(void *ctx, struct metrics *m)
{
	struct run *run = ctx;
	char label[40];

	metrics_databases(m, "seen", run->told);
	metrics_databases(m, "pruned", run->pruned);
	for (int i = 0; i < WHYS; i++) {
		(void)snprintf(label, sizeof(label), "reason=\"%s\"",
		    prune_why_name((enum prune_why)i));
		metrics_add(m, METRIC_PRUNED, label,
		    run->cli.dry_run ? 0 : (double)run->objects[i]);
		metrics_add(m, METRIC_PRUNED_BYTES, label,
		    run->cli.dry_run ? 0 : (double)run->bytes[i]);
	}
	stats_metrics(&run->stats, m);
}

void
prune_watch(void *ctx, struct progress *p)
{
	struct run *run = ctx;
	struct store_stats x;

	cli_requests(run->by_file, run->store, &x);
	p->requests = stats_requests(&x);
}

void
prune_tell_unknown(struct run *run, struct prune_scan *scan)
{
	if (scan->unknown > 0 && scan->pattern == NULL && !run->counting)
		cli_warn(&run->cli, NULL,
		    "%" PRIu64 " objects that are of no database are left; one "
		    "is %s",
		    scan->unknown, scan->first);
	free(scan->first);
}
