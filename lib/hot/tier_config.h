/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tier_config -- what a litestream.yml makes of "shipped": to each replica that
 * it gives the database.  For struct tiers.
 */
#ifndef LSPP_HOT_TIER_CONFIG_H
#define LSPP_HOT_TIER_CONFIG_H

#include <stdint.h>

#include "lib/config/config_file.h"
#include "lib/state/state.h"

struct tier_config {
	struct config_file file;
	struct state *st; /* NULL: nothing was ever shipped */
	int64_t *roots;   /* numbers of the file's, 0: not in the state */
};

/* name, base and warns as for config_file_open(); then set st, then find the roots. */
int tier_config_open(struct tier_config *tc, const char *name,
    const struct store_conf *base, bool warns, struct err *e);
int tier_config_roots(struct tier_config *tc, struct state *st, struct err *e);
/* Of an entry that was shipped to one replica, the URL of one that nothing was
 * ever shipped to; NULL: there is none.  Borrowed. */
const char *tier_config_bare(const struct tier_config *tc);
void tier_config_close(struct tier_config *tc); /* takes { 0 } */

/* struct tiers' look; ctx is the tier_config. */
int tier_config_look(void *ctx, const char *path, struct buf *abs,
    const struct signature *sig, struct state_seen *seen, struct err *e);

#endif
