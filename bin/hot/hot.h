/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot -- what the files of lspp-hot share.
 */
#ifndef LSPP_BIN_HOT_HOT_H
#define LSPP_BIN_HOT_HOT_H

#include "lib/base/buf.h"
#include "lib/cli/cli.h"
#include "lib/cli/lines.h"
#include "lib/hot/longest.h"
#include "lib/hot/tier.h"
#include "lib/hot/tier_config.h"

#define SECOND INT64_C(1000000000)

enum {
	WATCH = 256,
	FOR,
	INTERVAL,
	SCAN_INTERVAL,
	HOT_FOR,
	MAX_HOT,
	TIERS,
	COLD,
	STALE,
	WAL_OVER,
	GONE,
	FORGET,
	EXPECT_MIN,
	FORCE,
	EVERY,
};

/* What did not come, of one kind: gone, or lost for one reason. */
struct hot_kind {
	enum look how;
	struct err e;
	struct buf paths; /* the first few, each with its NUL */
	uint64_t n;
};

enum { HOT_KINDS = 8, HOT_LINES = 5 };

struct run {
	struct cli cli;
	struct lines in;
	struct tiers tiers;
	struct tier_config config; /* -c */
	struct buf base;           /* of names, absolute */
	int mode;                  /* 0, or one of the above */
	int64_t began_ns;          /* of watch_clock_ns() */
	int64_t interval_ns, scan_interval_ns, for_ns, stale_ns, every_ns;
	size_t others; /* of which so many at least are looked at each time */
	uint64_t wal_over, expected;
	struct longest longest; /* --max-hot */
	bool fleet;             /* the paths are the fleet's, not operands */
	bool warned;
	bool force; /* --forget */
	struct hot_kind kind[HOT_KINDS];
	size_t n_kinds;
	bool empty, told;            /* nothing came; what is lost was told */
	uint64_t seen, hot, wal_max; /* to be measured */
	int64_t oldest_ns;           /* write that waits; 0: none */
};

/* A path in one form, whatever is asked for.  -1: it cannot be a line, and has
 * failed. */
int hot_print(struct run *r, const char *path, bool hot, const char *why);
bool hot_is_stale(const struct run *r, const struct tier *t);
/* -1: there is no state, or nothing of that root in it. */
int hot_knows(const struct run *r, struct err *e);
/* The state cannot be written: once. */
void hot_warn(struct run *r, const struct err *e);

/* struct tiers' missing; ctx is the run.  Told by the next call. */
void hot_missing(void *ctx, const struct missing *m);
void hot_missing_end(struct run *r);

/* --forget. */
int hot_forget(struct run *r, struct err *e);

#endif
