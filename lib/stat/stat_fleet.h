/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat_fleet -- how a fleet is, as far as the state tells.
 *
 * Databases are not looked at: what happened to them since the last pass is not
 * known here, and how long ago that was is part of the answer.
 *
 * A database is one path, whatever the number of roots that it is shipped to;
 * it is as safe as in the worst of them.  Tiers are those of lib/hot/tier.h:
 *
 *	new	it was seen, or failed, and no root has it
 *	hot	it waits (was noted, or failed, since it was shipped), or may
 *		have changed without a trace, or was written a moment ago
 *	cold	none of these
 *	lost	it was shipped, and its file is none any more, or cannot be
 *		reached: state_known.h
 *	gone	it is known not to be there any more; then nothing of it counts
 *		but this
 *
 * Left out is one that was shipped and is there, but came in no pass
 * (rounds.h).
 *
 * Lag is how long its oldest write that is not shipped has waited, at most: 0
 * if none is known of.
 *
 * Room stat: how a fleet is, judged by the state alone.
 * Used by: bin.
 * Never: looks at a database or at a replica.
 *
 * Why it is so:
 *
 * lspp-stat looks at no database.  It reads the three tables side by side in
 * the order of paths, so memory is that of one database; in that order a
 * directory's databases are together, so --by keeps only the directories from
 * the base down to the present one.  What it cannot know, it bounds: a lag is
 * never told shorter than it is, and what was written since the last pass is
 * as old as that at most, so a pass that is too long ago is as unhealthy as a
 * lag.
 */
#ifndef LSPP_STAT_STAT_FLEET_H
#define LSPP_STAT_STAT_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/state/fleet/stat_rows.h"
#include "lib/text/shard.h"

struct state;

enum stat_tier {
	STAT_HOT,
	STAT_COLD,
	STAT_NEW,
	STAT_LOST,
	STAT_GONE,
	STAT_TIERS
};
/* The kinds of databases that --top may ask for. */
enum stat_kind {
	STAT_WORST, /* whatever waits, or is not well */
	STAT_IS_GONE,
	STAT_IS_LOST,
	STAT_IS_LEFT_OUT,
	STAT_IS_SHRUNK,
	STAT_IS_FAILED,
	STAT_IS_BROKEN,
	STAT_IS_WRONG,
	STAT_IS_AHEAD,
	STAT_IS_HEALED,
	STAT_KINDS
};
extern const char *const stat_kind_name[STAT_KINDS];
enum stat_due { STAT_INTERVAL, STAT_WAL, STAT_SEGMENTS, STAT_DUES };
extern const char *const stat_tier_name[STAT_TIERS];

/* One database. */
struct stat_db {
	char *path;
	enum stat_tier tier;
	bool waits;       /* it has something to ship, as far as is known */
	int64_t since_ns; /* that it does */
	bool failed;      /* when it was last tried; then: */
	enum err_class class;
	char *msg;
	unsigned attempts;
	int64_t failing_ns, failed_ns; /* the first in a row, the last */
	int64_t gone_ns, lost_ns;      /* since then; 0: it is not */
	enum err_class lost_class;
	char *lost_msg;
	bool left_out;
	int64_t shrunk_ns; /* at that ship; 0: it did not: */
	uint64_t shrunk_was, shrunk_now;
	bool no_tables;
	uint64_t size;
	int64_t verified_ns; /* longest ago of its replicas; 0: never */
	bool broken;         /* a replica, as lspp-verify found */
	char *broken_msg;
	/* It is not what SQLite has, or has what that lacks, as lspp-verify
	 * found: */
	bool wrong, ahead;
	char *compared_msg;
	int64_t healed_ns; /* by lspp-ship, not compared since; 0: not so */
};

/* Many of them. */
struct stat_sum {
	uint64_t tier[STAT_TIERS];
	uint64_t databases; /* all but those that are gone */
	uint64_t replicas;  /* of these: one for each root */
	uint64_t waiting, failed, left_out, shrunk;
	int64_t lag_max_ns, lag_p50_ns, lag_p99_ns; /* over all databases */
	uint64_t size;                              /* of the databases */
	uint64_t wal, snapshots; /* of replicas: WAL behind the last snapshot,
				    and that; uncompressed */
	uint64_t due[STAT_DUES]; /* a snapshot, with the next change */
	uint64_t unverified; /* databases of which some was never verified */
	uint64_t broken, wrong, ahead, healed;
	int64_t verified_ns; /* longest ago of the others; 0: none */
	const char *group;   /* below the base; NULL: all */
};

/* Failures of one kind (stat_error.h), or what is lost for one reason. */
struct stat_error {
	bool lost;
	enum err_class class;
	char *kind;
	uint64_t n;
	int64_t failing_ns, failed_ns; /* the first, the last */
	char *path;                    /* one of them; "": of the run */
	char *msg;                     /* of that one */
};
enum { STAT_ERRORS = 16 };

/* Counts of databases by their lag: up to 1s, 10s, 1m, 10m, 1h, 1d, more. */
enum { STAT_LAGS = 7 };
extern const char *const stat_lag_name[STAT_LAGS];

struct stat_conf {
	const int64_t *roots; /* n of them; NULL: all */
	size_t n_roots;
	char **want; /* absolute paths of databases and directories, ended
			     by NULL; or NULL: all */
	struct shard shard;  /* these alone, of what is below base */
	const char *base;    /* absolute: groups are directories below it */
	unsigned depth;      /* so many levels of them; 0: no groups */
	size_t top;          /* so many of the worst databases, */
	enum stat_kind kind; /* or of those of one kind */
	int64_t now_ns, hot_for_ns, snapshot_interval_ns;
	/* A group is complete; those within it came before.  May be NULL. */
	void (*group)(void *ctx, const struct stat_sum *s);
	void *ctx;
};

struct stat_fleet {
	struct stat_sum sum;
	uint64_t lag[STAT_LAGS]; /* of those that wait */
	struct stat_db *worst;   /* that has waited longest first */
	size_t n_worst;
	struct stat_error error[STAT_ERRORS]; /* the latest first */
	size_t n_errors;
	uint64_t other_errors;   /* of yet other kinds */
	struct stat_root *roots; /* those asked for, id 0 first */
	size_t n_roots;
	/* When the last pass began, or without any the last run, of the root
	   where that is longest ago; 0: never. */
	int64_t life_ns;
	const struct stat_root *stillest; /* that root, or NULL: no roots */
	int64_t latest_ns; /* that of the root where it is the latest, */
	const struct stat_root *latest;   /* that root, or NULL */
	int64_t back_from_ns, back_to_ns; /* lspp-ship's clock went; 0: never */
	bool seen_known;
	uint64_t seen; /* databases in the last pass */
};

/* Fill f; free it with stat_fleet_release() also after -1. */
int stat_fleet(struct stat_fleet *f, struct state *st,
    const struct stat_conf *conf, struct err *e);
void stat_fleet_release(struct stat_fleet *f); /* takes { 0 } */

#endif
