/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lspp-stat for people: a summary, the worst databases, groups.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "bin/stat/stat.h"
#include "lib/cli/lines.h"
#include "lib/text/human.h"
#include "lib/text/utf8.h"

enum { ERRORS_SHOWN = 5 };

uint64_t
stat_seconds(int64_t ns)
{
	return ns <= 0 ? 0 : ((uint64_t)ns + 999999999) / 1000000000;
}

void
stat_ago(const struct stat_run *r, struct buf *out, int64_t ns)
{
	if (ns == 0)
		buf_adds(out, "never");
	else
		human_duration(out, stat_seconds(r->conf.now_ns - ns));
}

/* Bytes of others: they cannot steer a terminal. */
static void
add_safe(struct buf *b, const char *s)
{
	char *tame = xstrdup(s);

	utf8_tame(tame, false);
	buf_adds(b, tame);
	free(tame);
}

/* A line of the summary; value and note are empty again. */
static void
line(const char *name, struct buf *value, struct buf *note)
{
	char *text = xasprintf("%-14s %11s%s%s", name, buf_str(value),
	    note->len > 0 ? "   " : "", buf_str(note));

	lines_put('\n', text);
	free(text);
	buf_reset(value);
	buf_reset(note);
}

/* -- the summary ----------------------------------------------------------- */

static void
put_databases(const struct stat_sum *s, struct buf *value, struct buf *note)
{
	buf_addf(value, "%" PRIu64, s->databases);
	for (int i = 0; i < STAT_TIERS; i++)
		buf_addf(note, "%s%s %" PRIu64,
		    i == 0              ? ""
			: i < STAT_GONE ? ", "
					: "; ",
		    stat_tier_name[i], s->tier[i]);
	line("databases", value, note);
	buf_addf(value, "%" PRIu64, s->waiting);
	buf_adds(note, "lag at most ");
	human_duration(note, stat_seconds(s->lag_max_ns));
	buf_adds(note, ", p99 ");
	human_duration(note, stat_seconds(s->lag_p99_ns));
	buf_adds(note, ", p50 ");
	human_duration(note, stat_seconds(s->lag_p50_ns));
	line("waiting", value, note);
	buf_addf(value, "%" PRIu64, s->failed);
	line("failed", value, note);
	buf_addf(value, "%" PRIu64, s->left_out);
	if (s->left_out > 0)
		buf_adds(note, "there, but they come in no pass");
	line("left out", value, note);
	buf_addf(value, "%" PRIu64, s->shrunk);
	if (s->shrunk > 0)
		buf_adds(note, "by more than a half, or without tables now");
	line("shrunk", value, note);
}

static void
put_sizes(const struct stat_sum *s, struct buf *value, struct buf *note)
{
	human_bytes(value, (double)s->size);
	buf_adds(note, "snapshots ");
	human_bytes(note, (double)s->snapshots);
	buf_adds(note, ", WAL behind them ");
	human_bytes(note, (double)s->wal);
	line("size", value, note);
	buf_addf(value, "%" PRIu64,
	    s->due[STAT_INTERVAL] + s->due[STAT_WAL] + s->due[STAT_SEGMENTS]);
	buf_addf(note,
	    "with the next change: by age %" PRIu64 ", WAL %" PRIu64
	    ", segments %" PRIu64,
	    s->due[STAT_INTERVAL], s->due[STAT_WAL], s->due[STAT_SEGMENTS]);
	line("snapshots due", value, note);
}

static void
put_verified(const struct stat_run *r, struct buf *value, struct buf *note)
{
	const struct stat_sum *s = &r->fleet.sum;

	buf_addf(value, "%" PRIu64, s->unverified);
	if (s->verified_ns != 0) {
		buf_adds(note, "the others within ");
		stat_ago(r, note, s->verified_ns);
	}
	line("unverified", value, note);
	buf_addf(value, "%" PRIu64, s->broken);
	line("broken", value, note);
	buf_addf(value, "%" PRIu64, s->wrong);
	buf_addf(
	    note, "ahead %" PRIu64 ", healed %" PRIu64, s->ahead, s->healed);
	line("wrong", value, note);
}

static void
put_life(const struct stat_run *r, struct buf *value, struct buf *note)
{
	const struct stat_fleet *f = &r->fleet;

	stat_ago(r, value, f->life_ns);
	if (f->life_ns != 0)
		buf_adds(value, " ago");
	if (f->seen_known)
		buf_addf(note, "saw %" PRIu64, f->seen);
	if (f->n_roots > 2) {
		buf_addf(note, "%sof %zu roots, for ",
		    note->len > 0 ? ", " : "", f->n_roots - 1);
		add_safe(note, f->stillest->url);
	}
	line("last pass", value, note);
}

/* "  12 connection refused (failing for 3h, last 20s ago), /srv/a.db" */
static void
put_error(const struct stat_run *r, const struct stat_error *x, struct buf *b)
{
	buf_addf(b, "%11" PRIu64 "   %s", x->n, x->lost ? "lost: " : "");
	add_safe(b, x->msg);
	buf_adds(b, "; for ");
	stat_ago(r, b, x->failing_ns);
	buf_adds(b, ", last ");
	stat_ago(r, b, x->failed_ns);
	buf_adds(b, " ago: ");
	if (x->path[0] == '\0')
		buf_adds(b, "before any database");
	else
		add_safe(b, x->path);
	if (x->n > 1)
		buf_addf(b, " and %" PRIu64 " more", x->n - 1);
	lines_put('\n', buf_str(b));
	buf_reset(b);
}

static void
put_errors(const struct stat_run *r)
{
	const struct stat_fleet *f = &r->fleet;
	uint64_t others = f->other_errors;
	struct buf b = { 0 };

	if (f->n_errors > 0)
		lines_put('\n', "last errors");
	for (size_t i = 0; i < f->n_errors; i++)
		if (i < ERRORS_SHOWN)
			put_error(r, &f->error[i], &b);
		else
			others += f->error[i].n;
	if (others > 0) {
		buf_addf(&b, "%11" PRIu64 "   for other reasons", others);
		lines_put('\n', buf_str(&b));
	}
	buf_release(&b);
}

/* What is known and does not come stays, until somebody says so. */
static void
put_advice(const struct stat_sum *s)
{
	if (s->tier[STAT_LOST] + s->tier[STAT_GONE] + s->left_out + s->shrunk >
	    0)
		lines_put('\n',
		    "lspp-stat --top lost, gone, left-out or shrunk names "
		    "them, lspp-hot --forget acknowledges");
}

void
stat_put_summary(struct stat_run *r)
{
	const struct stat_sum *s = &r->fleet.sum;
	struct buf value = { 0 }, note = { 0 };

	put_databases(s, &value, &note);
	put_sizes(s, &value, &note);
	put_verified(r, &value, &note);
	put_life(r, &value, &note);
	put_errors(r);
	put_advice(s);
	buf_release(&value);
	buf_release(&note);
}

/* -- databases ------------------------------------------------------------- */

/* A line below a database. */
static void
put_finding(struct buf *b, const char *what, const char *msg)
{
	buf_addf(b, "%27s %s", "", what);
	add_safe(b, msg);
	lines_put('\n', buf_str(b));
	buf_reset(b);
}

static void
put_shrunk(const struct stat_run *r, const struct stat_db *d, struct buf *b)
{
	buf_addf(b, "%27s %s from ", "",
	    d->no_tables ? "lost its tables, and went" : "shrank");
	human_bytes(b, (double)d->shrunk_was);
	buf_adds(b, " to ");
	human_bytes(b, (double)d->shrunk_now);
	buf_adds(b, " ");
	stat_ago(r, b, d->shrunk_ns);
	buf_adds(b, " ago");
	lines_put('\n', buf_str(b));
	buf_reset(b);
}

static void
put_db(const struct stat_run *r, const struct stat_db *d, struct buf *b)
{
	struct buf lag = { 0 }, size = { 0 };

	if (d->waits)
		stat_ago(r, &lag, d->since_ns);
	human_bytes(&size, (double)d->size);
	buf_addf(b, "%8s %-5s %11s  ", d->waits ? buf_str(&lag) : "-",
	    stat_tier_name[d->tier], buf_str(&size));
	add_safe(b, d->path);
	lines_put('\n', buf_str(b));
	buf_reset(b);
	if (d->failed) {
		buf_addf(b, "%27s failed %u times in ", "", d->attempts);
		stat_ago(r, b, d->failing_ns);
		buf_adds(b, ": ");
		add_safe(b, d->msg);
		lines_put('\n', buf_str(b));
		buf_reset(b);
	}
	if (d->gone_ns != 0) {
		buf_addf(b, "%27s gone for ", "");
		stat_ago(r, b, d->gone_ns);
		lines_put('\n', buf_str(b));
		buf_reset(b);
	}
	if (d->lost_ns != 0)
		put_finding(b, "lost: ", d->lost_msg);
	if (d->left_out)
		put_finding(b, "there, but it comes in no pass", "");
	if (d->shrunk_ns != 0)
		put_shrunk(r, d, b);
	if (d->broken)
		put_finding(b, "broken: ", d->broken_msg);
	if (d->wrong || d->ahead)
		put_finding(b, d->wrong ? "wrong: " : "", d->compared_msg);
	if (d->healed_ns != 0)
		put_finding(b, "healed, and not compared since", "");
	buf_release(&lag);
	buf_release(&size);
}

void
stat_put_worst(struct stat_run *r)
{
	const struct stat_fleet *f = &r->fleet;
	struct buf b = { 0 };

	buf_addf(&b, "%8s %-5s %11s  %s", "LAG", "TIER", "SIZE", "DATABASE");
	lines_put('\n', buf_str(&b));
	buf_reset(&b);
	for (size_t i = 0; i < f->n_worst; i++)
		put_db(r, &f->worst[i], &b);
	buf_release(&b);
}

/* -- groups ---------------------------------------------------------------- */

void
stat_put_groups_head(void)
{
	char *text = xasprintf("%9s %7s %7s %8s %8s %8s %10s  %s", "DATABASES",
	    "WAITING", "FAILED", "LAG", "P99", "P50", "SIZE", "GROUP");

	lines_put('\n', text);
	free(text);
}

static void
put_group(const struct stat_sum *s, const char *name, bool percentiles)
{
	struct buf b = { 0 }, t[4] = { { 0 } };

	human_duration(&t[0], stat_seconds(s->lag_max_ns));
	human_duration(&t[1], stat_seconds(s->lag_p99_ns));
	human_duration(&t[2], stat_seconds(s->lag_p50_ns));
	human_bytes(&t[3], (double)s->size);
	buf_addf(&b,
	    "%9" PRIu64 " %7" PRIu64 " %7" PRIu64 " %8s %8s %8s %10s  ",
	    s->databases, s->waiting, s->failed, buf_str(&t[0]),
	    percentiles ? buf_str(&t[1]) : "-",
	    percentiles ? buf_str(&t[2]) : "-", buf_str(&t[3]));
	add_safe(&b, name);
	lines_put('\n', buf_str(&b));
	buf_release(&b);
	for (int i = 0; i < 4; i++)
		buf_release(&t[i]);
}

void
stat_put_group(const struct stat_sum *s)
{
	put_group(s, s->group, true);
}

void
stat_put_groups_end(const struct stat_run *r, bool others)
{
	const struct stat_groups *g = &r->groups;
	char *name = xasprintf("(%zu other groups)", g->all - g->n);

	if (others && g->all > g->n)
		put_group(&g->others, name, false);
	free(name);
	put_group(&r->fleet.sum, "(all)", true);
}
