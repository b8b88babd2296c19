/* SPDX-License-Identifier: Apache-2.0 */
/*
 * choose_config -- which databases of a litestream.yml are meant.
 *
 * As lib/choose/choose.h, but an operand is the path of a database that the
 * file names, or else a pattern for such paths (one without a slash: for their
 * last component).  One with a component "**" that is both is wrong use.  Each
 * database comes from the replicas that the file gives it: one choice has all
 * that are not refused, or there is one for each of them (every_replica).  For an
 * entry with a directory or patterns that is what its replica has, not what is
 * still on this machine.
 *
 * By its path, too, a database is in a shard.
 *
 * A target is the path itself, or with a directory to restore into the path
 * below that.
 */
#ifndef LSPP_CHOOSE_CHOOSE_CONFIG_H
#define LSPP_CHOOSE_CHOOSE_CONFIG_H

#include "lib/choose/choose.h"
#include "lib/config/config_file.h"

struct store_stats;
struct config_chooser;

/* Both are borrowed; of h what is private, end, into, every_replica, paths_only
 * and chosen(). */
struct config_chooser *config_chooser_open(
    const struct config_file *f, struct chooser *h);
/* When all that was chosen is done with: it holds the stores.  Takes NULL. */
void config_chooser_close(struct config_chooser *x);

/* All that operand names.  0, or -1 if chosen() said so. */
int choose_config(struct config_chooser *x, const char *operand);
/* The same where operand is known to be the path of a database. */
int choose_config_path(struct config_chooser *x, const char *operand);

/* The requests that the stores of all roots counted. */
void config_chooser_stats(struct config_chooser *x, struct store_stats *out);

#endif
