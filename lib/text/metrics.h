/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics -- the outcome of a run as a file for the textfile collector of
 * Prometheus' node_exporter.
 *
 * Collect the series, merge what an earlier run left in the file, write it.
 * Names, types and help are the same in every program, and the number of series
 * does not follow the number of databases.  Counters go on from run to run.
 */
#ifndef LSPP_TEXT_METRICS_H
#define LSPP_TEXT_METRICS_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

enum metric {
	METRIC_DATABASES,    /* state */
	METRIC_LAST_SUCCESS, /* 0: not this time; kept from before */
	METRIC_LAST_RUN,
	METRIC_EXIT_CODE,
	METRIC_DURATION,
	METRIC_REQUESTS,  /* op, class */
	METRIC_BYTES,     /* dir */
	METRIC_RETRIES,   /* reason */
	METRIC_SNAPSHOTS, /* reason */
	METRIC_HEALED,
	METRIC_WAL_MAX,
	METRIC_OLDEST,
	/* These are lspp-stat's: it counts what the state knows. */
	METRIC_FLEET, /* tier */
	METRIC_FLEET_WAITING,
	METRIC_FLEET_FAILED,
	METRIC_FLEET_LEFT_OUT,
	METRIC_FLEET_SHRUNK,
	METRIC_FLEET_LAG,   /* percentile */
	METRIC_FLEET_BYTES, /* of */
	METRIC_FLEET_DUE,   /* reason */
	METRIC_FLEET_UNVERIFIED,
	METRIC_FLEET_BROKEN,
	METRIC_FLEET_WRONG,
	METRIC_FLEET_AHEAD,
	METRIC_FLEET_HEALED,
	METRIC_FLEET_VERIFIED,
	METRIC_FLEET_PASS,
	METRIC_FLEET_SEEN,
	METRIC_GROUPS,
	METRIC_GROUP, /* group, as those below */
	METRIC_GROUP_WAITING,
	METRIC_GROUP_FAILED,
	METRIC_GROUP_OLDEST,
	METRIC_GROUP_BYTES,
	METRIC_PRUNED,       /* reason */
	METRIC_PRUNED_BYTES, /* likewise */
	METRIC_UNVERIFIED,
	METRIC_KINDS,
};

/* { .program = "lspp-ship" } is empty. */
struct metrics {
	/* Labels of every series; job_name, so that the files of two jobs with
	   one program do not hold the same series.  job NULL: none. */
	const char *program, *job;
	struct metric_series {
		enum metric metric;
		char *name; /* as in the file, with all labels */
		double value;
	} * v;
	size_t n, room;
};

void metrics_release(struct metrics *m);

/* labels: those besides the program, like "dir=\"sent\"", or NULL. */
void metrics_add(
    struct metrics *m, enum metric metric, const char *labels, double value);

/* So many databases are, or were, in that state. */
void metrics_databases(struct metrics *m, const char *state, uint64_t n);

/*
 * Append name="value" to a list of labels.  Values are bytes: what is no text
 * becomes %XX, and a '%' becomes "%25", so that no two values look the same.
 */
void metrics_label(struct buf *labels, const char *name, const char *value);

/* Append all series, as they are in a file. */
void metrics_text(const struct metrics *m, struct buf *out);

/*
 * Go on from the file at path, if there is one: counters are added up, and a
 * last success that is 0 is taken over.  -1 if it is none of this program's
 * (ERR_CORRUPT) or cannot be read; then m is as it was.
 */
int metrics_merge(struct metrics *m, const char *path, struct err *e);

/*
 * Replace the file at path at once, with mode 0644.  Its directory is what
 * must be writable.  Not synced: it is of the past after a crash anyway.
 */
int metrics_write(const struct metrics *m, const char *path, struct err *e);

#endif
