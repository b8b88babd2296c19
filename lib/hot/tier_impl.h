/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tier_impl -- what the files of tier, and forget, share; nobody else includes
 * this.
 */
#ifndef LSPP_HOT_TIER_IMPL_H
#define LSPP_HOT_TIER_IMPL_H

#include "lib/hot/tier.h"
#include "lib/state/state.h"

enum { TIER_AT_ONCE = 1000 }; /* in one transaction */

/* Is that root asked for? */
bool tiers_ask_for(const struct tiers *t, int64_t root);

/* out->sig and racy are set, t->abs is the path: what seen makes of it.  What
 * waits is noted.  -1: the state cannot be read. */
int tier_judge(struct tiers *t, const struct state_seen *seen, struct tier *out,
    struct err *e);

/*
 * What did not come in the pass that began then; see tiers_passed().  empty:
 * nothing did.  The rounds know of the pass then, if it was a whole one.
 */
int tiers_hunt(struct tiers *t, int64_t began_ns, bool empty, struct err *e);

#endif
