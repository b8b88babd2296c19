/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat_judge -- what the rows of one database say of it; for stat_fleet alone.
 */
#ifndef LSPP_STAT_STAT_JUDGE_H
#define LSPP_STAT_STAT_JUDGE_H

#include "lib/stat/stat_fleet.h"
#include "lib/state/fleet/came.h"

/* Is that root one that conf asks for? */
bool stat_asks_for(const struct stat_conf *conf, int64_t root);

/* A database, borrowing from its row, and what its replicas add up to. */
struct stat_verdict {
	struct stat_db db;
	uint64_t replicas, wal, snapshots;
	bool due[STAT_DUES];
	bool unverified;
};

/* Is row about a database of the roots that conf asks for?  Then *out. */
bool stat_judge(const struct stat_conf *conf, const struct came *came,
    const struct stat_row *row, struct stat_verdict *out);

#endif
