/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --health: is there anything that somebody should look at?
 */
#include <inttypes.h>
#include <stdlib.h>

#include "bin/stat/stat.h"
#include "lib/base/when.h"
#include "lib/cli/lines.h"
#include "lib/text/human.h"
#include "lib/text/utf8.h"

#define DAY_NS (INT64_C(86400) * 1000000000)

/* Begin another complaint. */
static struct buf *
also(struct buf *out)
{
	if (out->len > 0)
		buf_adds(out, "; ");
	return out;
}

static void
add_url(struct buf *out, const struct stat_root *r)
{
	if (r != NULL)
		buf_addf(out, " of %s", r->url);
}

/*
 * A cron that is dead leaves no lag behind, but nothing else either.  Nor does
 * one that died while the clock was ahead: until then nothing can be told.
 */
static void
check_life(const struct stat_run *r, struct buf *out)
{
	const struct stat_fleet *f = &r->fleet;

	if (f->life_ns == 0) {
		buf_adds(also(out), "no pass over the fleet ever");
		add_url(out, f->stillest);
	} else if (r->conf.now_ns - f->life_ns > r->max_lag_ns) {
		buf_adds(also(out), "no pass over the fleet");
		add_url(out, f->stillest);
		buf_adds(out, " for ");
		stat_ago(r, out, f->life_ns);
	}
	if (f->latest_ns - r->conf.now_ns > r->max_lag_ns) {
		buf_adds(also(out), "the last pass over the fleet");
		add_url(out, f->latest);
		buf_adds(out, " is yet to come, in ");
		human_duration(
		    out, stat_seconds(f->latest_ns - r->conf.now_ns));
	}
}

/* For a day: by then somebody has seen that restores want care. */
static void
check_clock(const struct stat_run *r, struct buf *out)
{
	const struct stat_fleet *f = &r->fleet;
	int64_t ago = r->conf.now_ns - f->back_to_ns;
	char from[WHEN_SIZE], to[WHEN_SIZE];

	if (f->back_to_ns != 0 && ago >= 0 && ago < DAY_NS)
		buf_addf(also(out),
		    "the clock went back from %s to %s: what was shipped "
		    "before has times that are not certain (lspp-restore "
		    "--list)",
		    when_text(f->back_from_ns, from),
		    when_text(f->back_to_ns, to));
}

/* The last run did not get as far as a database. */
static void
check_run(const struct stat_fleet *f, struct buf *out)
{
	for (size_t i = 0; i < f->n_errors; i++)
		if (f->error[i].path[0] == '\0')
			buf_addf(also(out), "cannot ship: %s", f->error[i].msg);
}

/* A second opinion, and what lspp-ship found of itself. */
static void
check_compared(const struct stat_sum *s, struct buf *out)
{
	if (s->wrong > 0)
		buf_addf(also(out), "%" PRIu64 " wrong", s->wrong);
	if (s->ahead > 0)
		buf_addf(also(out), "%" PRIu64 " ahead", s->ahead);
	if (s->healed > 0)
		buf_addf(also(out),
		    "%" PRIu64 " healed (compare them: lspp-verify "
		    "--against-source)",
		    s->healed);
}

/* Nothing of it can be shipped, and perhaps it is time to restore. */
static void
check_lost(const struct stat_fleet *f, struct buf *out)
{
	const struct stat_error *x = f->error;

	if (f->sum.tier[STAT_LOST] == 0)
		return;
	buf_addf(also(out), "%" PRIu64 " lost", f->sum.tier[STAT_LOST]);
	while (x < f->error + f->n_errors && !x->lost)
		x++;
	if (x < f->error + f->n_errors)
		buf_addf(out, ", %s: %s", x->path, x->msg);
}

bool
stat_is_healthy(const struct stat_run *r, struct buf *out)
{
	const struct stat_fleet *f = &r->fleet;
	const struct stat_sum *s = &f->sum;

	check_life(r, out);
	check_clock(r, out);
	if (s->lag_max_ns > r->max_lag_ns) {
		buf_adds(also(out), "lag ");
		human_duration(out, stat_seconds(s->lag_max_ns));
		if (f->n_worst > 0)
			buf_addf(out, " of %s", f->worst[0].path);
	}
	check_lost(f, out);
	if (s->failed > r->max_failed)
		buf_addf(also(out), "%" PRIu64 " failed", s->failed);
	check_run(f, out);
	if (r->bare != NULL)
		buf_addf(also(out), "nothing was ever shipped to %s", r->bare);
	if (s->broken > 0)
		buf_addf(also(out), "%" PRIu64 " broken", s->broken);
	check_compared(s, out);
	if (s->databases < r->expected)
		buf_addf(also(out), "%" PRIu64 " databases, expected %" PRIu64,
		    s->databases, r->expected);
	else if (f->seen_known && f->seen < r->expected)
		buf_addf(also(out), "the last pass saw %" PRIu64 " databases",
		    f->seen);
	return out->len == 0;
}

static void
add_summary(const struct stat_run *r, struct buf *b)
{
	const struct stat_sum *s = &r->fleet.sum;

	buf_addf(b, "%" PRIu64 " databases, lag ", s->databases);
	human_duration(b, stat_seconds(s->lag_max_ns));
	buf_addf(b, ", %" PRIu64 " failed, last pass ", s->failed);
	stat_ago(r, b, r->fleet.life_ns);
	buf_adds(b, " ago");
}

static void
put(struct stat_run *r, const char *what, const char *text)
{
	char *line = xasprintf("%s: %s", what, text);

	utf8_tame(line, false); /* one line, whatever is in it */
	if (!r->cli.quiet)
		lines_put('\n', line);
	free(line);
}

void
stat_unhealthy(struct stat_run *r, const char *why, int status)
{
	put(r, "unhealthy", why);
	r->cli.least = status;
}

void
stat_health(struct stat_run *r)
{
	const struct stat_sum *s = &r->fleet.sum;
	struct buf b = { 0 };

	if (s->databases + s->tier[STAT_GONE] == 0 && r->expected > 0) {
		stat_unhealthy(
		    r, "nothing was ever shipped from here", ERR_MISSING);
	} else if (!stat_is_healthy(r, &b)) {
		stat_unhealthy(r, buf_str(&b), 1);
	} else {
		add_summary(r, &b);
		put(r, "ok", buf_str(&b));
	}
	buf_release(&b);
}
