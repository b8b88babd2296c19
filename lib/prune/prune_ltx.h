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
 *	levels 1 to 8		if any file of these stays, or of level 0 one
 *				that they have already: the newest of each, and
 *				at each level what the next one that is not
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
 * -- What is merged --
 *
 * Where hours are kept of what is shipped by the minute, the way to the state of
 * each hour is all of level 0 since the last snapshot.  So what no option keeps
 * as single states, but of which the end is kept, becomes one file of level 1:
 * of level 0 all from behind one state that is kept of a period to the next one
 * before W.  (The file of W itself stays: in a bucket Litestream finds no time
 * that is before that of the oldest object.)  Only of periods that are over,
 * whose state stays the one that is kept; and only if that makes the files fewer
 * by half, or each of a database that changes once an hour would be copied.
 *
 * A merged file is what Litestream's daemon makes at that level: the newest of
 * each page, without those behind the end; the size, the time and the mark of
 * its last file, and no rolling checksum, which compaction would refuse.  It has
 * all pages that came on the way and are in the last state, so it leads from
 * each state in between to the end: a follower that has one goes on.  They
 * follow each other without a hole, from behind the end of all levels above 0
 * on, or the daemon's compaction would fail for ever behind it.  Where pages
 * became of another size, lspp-ship has closed the levels, so none crosses that.
 *
 * What is merged is read: each file is held to its checksums and to what it
 * makes the database grow by, and has to be of lspp, since a daemon merges its
 * own.  The bytes of the new file, read back onto the sums of the state before,
 * lead to the sum that its last file says: then it is put, if nothing has its
 * name.  Two that merge at once put the same bytes.
 *
 * Nothing goes for it in the same run.  A file of level 1 counts for a way once
 * it has been there since 'as of', which a bucket tells by its time and a
 * directory by its ctime: a restore that began before finds its files.  Then it
 * is what a daemon would have left, and all above holds of it; it is read and
 * proved in the store before what it stands for goes, from the beginning of level
 * 0 on.  So a kill leaves files that are there twice, and the next run goes on.
 *
 * In a bucket its time is that of the merging.  The time of its last file, by
 * which it is kept, is in its mark.  That costs a small read of each in each
 * run, in place of a listing of all that it stands for.
 *
 * Behind W each state is promised, so nothing there is merged: a restore of the
 * newest state reads level 0 since the last snapshot, as before.  To put files
 * beside those that stay would save it requests, and cost a GET of each step.
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

/* A file that stands for all of level 0 with its TXIDs. */
struct prune_merge {
	struct ltx_name name;
	int64_t stored_ns; /* of the last of these */
};

struct prune_merges {
	struct prune_merge *v; /* ascending, without a hole */
	size_t n;
};

/*
 * Which of the n files at v, which are sorted, are to be merged, if they are
 * lspp's; behind: others that are not among them end there, or 0.  None where
 * prune_ltx_plan() fails.  Pure.
 */
void prune_ltx_merges(struct ltx_file *v, size_t n, uint64_t behind,
    const struct prune_policy *p, struct prune_merges *m);
void prune_merges_release(struct prune_merges *m);

/*
 * Put these files, each once it is proved.  0, also where some are better left
 * as they are (db->unmerged: for want of a permission); -1 ERR_CORRUPT: what
 * would be merged, or what it is based on, is damaged.
 */
int prune_ltx_merge(struct prune_db *db, const struct prune_merges *m,
    const char *tmp, struct err *e);

/* prune_db_plan(), of what is in LTX: what goes is in plan.  -1: db->e. */
int prune_ltx_db(
    struct prune_db *db, const struct prune_policy *p, struct prune_plan *plan);

/* Read what plan->prove has.  -1 ERR_CORRUPT: one is damaged. */
int prune_ltx_prove(
    const struct prune_db *db, const struct prune_plan *plan, struct err *e);

/* The size of a file of the plan, and its key in place of what b held. */
uint64_t prune_ltx_key(const struct prune_db *db, size_t at, struct buf *b);

#endif
