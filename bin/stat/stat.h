/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat -- what the files of lspp-stat share.
 */
#ifndef LSPP_BIN_STAT_STAT_H
#define LSPP_BIN_STAT_STAT_H

#include "lib/base/buf.h"
#include "lib/cli/cli.h"
#include "lib/hot/tier_config.h"
#include "lib/stat/stat_fleet.h"

struct metrics;
struct state;

/* Some groups, those that are worst first, and the others as one. */
struct stat_groups {
	size_t max;
	struct stat_sum *v; /* of each, group is its own */
	size_t n, all;
	struct stat_sum others;
};

void stat_groups_add(struct stat_groups *g, const struct stat_sum *s);
void stat_groups_release(struct stat_groups *g);

struct stat_run {
	struct cli cli;
	enum stat_mode {
		STAT_SUMMARY,
		STAT_TOP,
		STAT_BY,
		STAT_PROMETHEUS,
		STAT_HEALTH,
		STAT_HTML,
	} mode;
	struct stat_conf conf;
	struct stat_fleet fleet;
	struct stat_groups groups;
	bool done; /* fleet is filled in */
	const char *html;
	/* --health */
	int64_t max_lag_ns;
	uint64_t max_failed, expected;
	const char *bare; /* -c: a replica that never got anything, or NULL */
};

/* The table, or with --json objects. */
void stat_put_summary(struct stat_run *r);
void stat_put_worst(struct stat_run *r);
void stat_put_groups_head(void);
void stat_put_group(const struct stat_sum *s);
void stat_put_groups_end(const struct stat_run *r, bool others);

/* The same for programs. */
void stat_json_summary(struct stat_run *r);
void stat_json_group(struct stat_run *r, const struct stat_sum *s);
void stat_json_db(struct stat_run *r, const struct stat_db *d);

/* The fleet's series. */
void stat_measure(const struct stat_run *r, struct metrics *m);

/* What is not well, appended to out, if anything; is all well? */
bool stat_is_healthy(const struct stat_run *r, struct buf *out);
/* --health: one line, and the exit status. */
void stat_health(struct stat_run *r);
void stat_unhealthy(struct stat_run *r, const char *why, int status);

/* Replace the file of --html. */
int stat_html(struct stat_run *r, struct err *e);

/* Of a time, "12s", or "never" if it is 0; appended. */
void stat_ago(const struct stat_run *r, struct buf *out, int64_t ns);
/* Seconds, rounded up. */
uint64_t stat_seconds(int64_t ns);

#endif
