/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune_ltx -- which files of a database in LTX may go.
 *
 * A *state* is named by a TXID, and can be restored if files that end with it
 * or before bring all TXIDs from 1 on, and one of them ends with it
 * (ltx_plan.h).  Its time is the earliest of those of the files that end with
 * it, but never later than that of a state behind it: so a time leads to the
 * newest state that is not later, as in a restore.  Times are those of the
 * store, as in prune.h, which has the policy.
 *
 * From the oldest moment on that is promised as a whole ('as of', and as
 * keep_for and last say) everything stays that is of a later time, or that ends
 * behind the state W that was current then.  Of what is before that these stay:
 *
 *	the chain to W		as Litestream finds it by that time: the last
 *				snapshot (level 9) until then, and so on
 *	of each period		its last snapshot, alone; where there is none,
 *				the chain to its newest state, and of the files
 *				that end with that the first, which has its time
 *	levels 0 and 9		the newest file
 *	levels 1 to 8		if any file of these stays: the newest of each,
 *				and at each level what the next one that is not
 *				empty has not got yet
 *	level 0			whatever is behind the first that stays
 *
 * So every restore of a state from W on has the plan that it had before, with
 * lspp and with Litestream 0.5.18, by TXID and by time.  A follower (litestream
 * restore -f, which takes nothing of level 9) that is at W or later finds the
 * files that it found before.  A daemon that compacts goes on behind the newest
 * file of each level, and meets no hole there, which it would fail at for ever.
 *
 * The order of removal.  Each file that goes is not needed by anything that is
 * promised, so that holds at every moment.
 *
 *	before	what stands in for others is read whole, and proved
 *	0	level 9
 *	1	levels 1 to 8
 *	2...	level 0, ascending: each in a wave of its own, unless what is
 *		removed at once goes in order (a directory)
 *
 * Why it is so:
 *
 * -- An old state of lspp-ship --
 *
 * A step behind TXID N is the file N+1 of level 0, whoever writes it: so it is
 * met, unless it was pruned.  Since level 0 goes ascending, and nothing of it
 * is kept that has a hole behind it, this is enough: while the file N of level 0
 * is there, so is all of that level behind it (ship_row.c).  lspp-ship asks for
 * that one file before it puts another, where its record is not young.  In a
 * bucket a record that is younger than PRUNE_TRUST_NS may be relied on: what was
 * superseded less than PRUNE_GRACE_MIN_NS ago stays there, so all of level 0
 * that came since does.
 *
 * The newest file of level 0 always stays: a daemon that does not find it begins
 * again at TXID 1, below what is there, and ships what nobody restores.
 *
 * -- What is proved --
 *
 * A snapshot may be damaged, while the files of level 0 that led to the same
 * state are sound.  A file that stays counts as a way to a state only once it
 * was read and held (ltx_read.h), if there was another way before and there is
 * none behind.  In the long run that is one snapshot for each that is removed.
 * If it is damaged nothing of the database goes.
 *
 * Private to prune, but for the model that checks it.
 */
#ifndef LSPP_PRUNE_PRUNE_LTX_H
#define LSPP_PRUNE_PRUNE_LTX_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/prune/prune.h"
#include "lib/replica/ltx/ltx_plan.h"

/*
 * What is not to be kept of the n files at v, which are sorted, into plan.  Pure.
 * in_order: files that are removed at once go in their order.  -1 ERR_CORRUPT,
 * and nothing goes: a TXID is missing, or a file has no time.
 */
int prune_ltx_plan(struct ltx_file *v, size_t n, const struct prune_policy *p,
    bool in_order, struct prune_plan *plan, struct err *e);

/*
 * All goes, in such an order that what is there never restores to another state
 * than the newest.
 */
void prune_ltx_plan_all(
    struct ltx_file *v, size_t n, bool in_order, struct prune_plan *plan);

/* Read what plan->prove has.  -1 ERR_CORRUPT: one is damaged. */
int prune_ltx_prove(
    const struct prune_db *db, const struct prune_plan *plan, struct err *e);

/* The size of a file of the plan, and its key in place of what b held. */
uint64_t prune_ltx_key(const struct prune_db *db, size_t at, struct buf *b);

#endif
