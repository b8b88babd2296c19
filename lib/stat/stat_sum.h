/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat_sum -- sums over databases that come in the order of their paths: of
 * all, and of the directories that they are in; for stat_fleet alone.
 *
 * In that order what is in a directory is together, so only the directories
 * from the base down to the present one are open at a time.
 */
#ifndef LSPP_STAT_STAT_SUM_H
#define LSPP_STAT_STAT_SUM_H

#include "lib/stat/stat_judge.h"

struct stat_sums;

/* conf is borrowed. */
struct stat_sums *stat_sums_new(const struct stat_conf *conf);
void stat_sums_add(struct stat_sums *s, const struct stat_verdict *v);
/* All groups are complete; *total gets the sum of all. */
void stat_sums_end(struct stat_sums *s, struct stat_sum *total);
void stat_sums_free(struct stat_sums *s); /* takes NULL */

#endif
