/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lspp-stat --json: an object for all, for each group, or for each database.
 */
#include "bin/stat/stat.h"
#include "lib/text/json_write.h"

static void
put_sum(struct buf *b, const struct stat_sum *s)
{
	json_number(b, "databases", s->databases);
	for (int i = 0; i < STAT_TIERS; i++)
		json_number(b, stat_tier_name[i], s->tier[i]);
	json_number(b, "waiting", s->waiting);
	json_number(b, "failed", s->failed);
	json_number(b, "left_out", s->left_out);
	json_number(b, "shrunk", s->shrunk);
	json_number(b, "lag", stat_seconds(s->lag_max_ns));
	json_number(b, "lag_p99", stat_seconds(s->lag_p99_ns));
	json_number(b, "lag_p50", stat_seconds(s->lag_p50_ns));
	json_number(b, "replicas", s->replicas);
	json_number(b, "size", s->size);
	json_number(b, "snapshots", s->snapshots);
	json_number(b, "wal", s->wal);
	json_number(b, "due_interval", s->due[STAT_INTERVAL]);
	json_number(b, "due_wal", s->due[STAT_WAL]);
	json_number(b, "due_segments", s->due[STAT_SEGMENTS]);
	json_number(b, "unverified", s->unverified);
	json_number(b, "broken", s->broken);
	json_number(b, "wrong", s->wrong);
	json_number(b, "ahead", s->ahead);
	json_number(b, "healed", s->healed);
}

static void
put_time(struct buf *b, const char *name, int64_t ns)
{
	if (ns != 0)
		json_time(b, name, ns);
	else
		json_null(b, name);
}

void
stat_json_summary(struct stat_run *r)
{
	const struct stat_fleet *f = &r->fleet;
	struct buf *b = cli_object(&r->cli, NULL);

	put_sum(b, &f->sum);
	put_time(b, "verified", f->sum.verified_ns);
	put_time(b, "last_pass", f->life_ns);
	if (f->seen_known)
		json_number(b, "last_pass_saw", f->seen);
	else
		json_null(b, "last_pass_saw");
	cli_put_object(&r->cli);
}

void
stat_json_group(struct stat_run *r, const struct stat_sum *s)
{
	struct buf *b = cli_object(&r->cli, s->group);

	put_sum(b, s);
	put_time(b, "verified", s->verified_ns);
	cli_put_object(&r->cli);
}

void
stat_json_db(struct stat_run *r, const struct stat_db *d)
{
	struct buf *b = cli_object(&r->cli, d->path);

	json_text(b, "tier", stat_tier_name[d->tier]);
	if (d->waits) {
		json_number(
		    b, "lag", stat_seconds(r->conf.now_ns - d->since_ns));
		json_time(b, "since", d->since_ns);
	} else {
		json_null(b, "lag");
		json_null(b, "since");
	}
	json_number(b, "size", d->size);
	if (d->failed) {
		json_number(b, "status", (uint64_t)d->class);
		json_number(b, "attempts", d->attempts);
	} else {
		json_null(b, "status");
		json_null(b, "attempts");
	}
	json_text(b, "message", d->failed ? d->msg : NULL);
	put_time(b, "failing", d->failed ? d->failing_ns : 0);
	put_time(b, "tried", d->failed ? d->failed_ns : 0);
	put_time(b, "gone_since", d->gone_ns);
	json_text(b, "lost", d->lost_msg);
	put_time(b, "lost_since", d->lost_ns);
	json_bool(b, "left_out", d->left_out);
	put_time(b, "shrunk", d->shrunk_ns);
	if (d->shrunk_ns != 0) {
		json_number(b, "shrunk_from", d->shrunk_was);
		json_number(b, "shrunk_to", d->shrunk_now);
	} else {
		json_null(b, "shrunk_from");
		json_null(b, "shrunk_to");
	}
	json_bool(b, "no_tables", d->no_tables);
	put_time(b, "verified", d->verified_ns);
	json_text(b, "broken", d->broken ? d->broken_msg : NULL);
	json_text(b, "wrong", d->wrong ? d->compared_msg : NULL);
	json_text(b, "ahead", d->ahead ? d->compared_msg : NULL);
	put_time(b, "healed", d->healed_ns);
	cli_put_object(&r->cli);
}
