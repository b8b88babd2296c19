/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fleet's series, for --metrics and --prometheus: always the same ones, and
 * of at most so many groups as --top says.
 */
#include "bin/stat/stat.h"
#include "lib/text/metrics.h"

static double
seconds(int64_t ns)
{
	return (double)ns / 1e9;
}

static void
measure_group(struct metrics *m, const struct stat_sum *s, const char *name)
{
	struct buf label = { 0 };
	const char *l;

	metrics_label(&label, "group", name);
	l = buf_str(&label);
	metrics_add(m, METRIC_GROUP, l, (double)s->databases);
	metrics_add(m, METRIC_GROUP_WAITING, l, (double)s->waiting);
	metrics_add(m, METRIC_GROUP_FAILED, l, (double)s->failed);
	metrics_add(m, METRIC_GROUP_OLDEST, l, seconds(s->lag_max_ns));
	metrics_add(m, METRIC_GROUP_BYTES, l, (double)s->size);
	buf_release(&label);
}

static void
measure_groups(const struct stat_run *r, struct metrics *m)
{
	const struct stat_groups *g = &r->groups;

	metrics_add(m, METRIC_GROUPS, NULL, (double)g->all);
	for (size_t i = 0; i < g->n; i++)
		measure_group(m, &g->v[i], g->v[i].group);
	/* No directory is called so. */
	measure_group(m, &g->others, "//others");
}

static void
measure_sum(const struct stat_sum *s, struct metrics *m)
{
	static const char *const tier[STAT_TIERS] = { "tier=\"hot\"",
		"tier=\"cold\"", "tier=\"new\"", "tier=\"lost\"",
		"tier=\"gone\"" };

	for (int i = 0; i < STAT_TIERS; i++)
		metrics_add(m, METRIC_FLEET, tier[i], (double)s->tier[i]);
	metrics_add(m, METRIC_FLEET_WAITING, NULL, (double)s->waiting);
	metrics_add(m, METRIC_FLEET_FAILED, NULL, (double)s->failed);
	metrics_add(m, METRIC_FLEET_LEFT_OUT, NULL, (double)s->left_out);
	metrics_add(m, METRIC_FLEET_SHRUNK, NULL, (double)s->shrunk);
	metrics_add(m, METRIC_OLDEST, NULL, seconds(s->lag_max_ns));
	metrics_add(
	    m, METRIC_FLEET_LAG, "percentile=\"50\"", seconds(s->lag_p50_ns));
	metrics_add(
	    m, METRIC_FLEET_LAG, "percentile=\"99\"", seconds(s->lag_p99_ns));
	metrics_add(m, METRIC_FLEET_BYTES, "of=\"databases\"", (double)s->size);
	metrics_add(
	    m, METRIC_FLEET_BYTES, "of=\"snapshots\"", (double)s->snapshots);
	metrics_add(m, METRIC_FLEET_BYTES, "of=\"wal\"", (double)s->wal);
	metrics_add(m, METRIC_FLEET_DUE, "reason=\"interval\"",
	    (double)s->due[STAT_INTERVAL]);
	metrics_add(m, METRIC_FLEET_DUE, "reason=\"wal_size\"",
	    (double)s->due[STAT_WAL]);
	metrics_add(m, METRIC_FLEET_DUE, "reason=\"segments\"",
	    (double)s->due[STAT_SEGMENTS]);
	metrics_add(m, METRIC_FLEET_UNVERIFIED, NULL, (double)s->unverified);
	metrics_add(m, METRIC_FLEET_BROKEN, NULL, (double)s->broken);
	metrics_add(m, METRIC_FLEET_WRONG, NULL, (double)s->wrong);
	metrics_add(m, METRIC_FLEET_AHEAD, NULL, (double)s->ahead);
	metrics_add(m, METRIC_FLEET_HEALED, NULL, (double)s->healed);
	metrics_add(m, METRIC_FLEET_VERIFIED, NULL, seconds(s->verified_ns));
}

void
stat_measure(const struct stat_run *r, struct metrics *m)
{
	const struct stat_fleet *f = &r->fleet;

	measure_sum(&f->sum, m);
	metrics_add(m, METRIC_FLEET_PASS, NULL, seconds(f->life_ns));
	metrics_add(m, METRIC_FLEET_SEEN, NULL, (double)f->seen);
	if (r->conf.depth > 0)
		measure_groups(r, m);
}
