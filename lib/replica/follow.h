/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow -- which of a database's generations came first, where not all of
 * them are lspp's.
 *
 * What lspp wrote says when it was captured, by the clock of the machine that
 * shipped it.  What Litestream wrote has only the time at which it was stored,
 * by the store's clock, or which a copy of the replica gave it.  These two are
 * never compared.  Instead whoever begins a generation beside Litestream's
 * looks at those, and its owner's object says how far each went: its data is a
 * line for each,
 *
 *	<generation> <index of its newest snapshot> <index>_<offset>\n
 *
 * with the name of its last segment; "-" stands for what there was none of.
 * What is now no further than that is older than all that was captured since
 * the owner's object was.
 *
 * An owner's object may also close the layout: then it names no generation, and
 * the history goes on in LTX (ship_change.c), with what is captured later.  No
 * other comes behind it.  A database that is in both layouts, and of which that
 * does not tell which is newer, is restored from neither before somebody says
 * from which.
 *
 * This is how invariant 11 (ARCHITECTURE.md) holds.
 *
 * Why it is so:
 *
 * A time of the store is never compared with a time of capture.  The first is
 * from the clock of the store, or of the machine that copied the replica last.
 * The second is from the clock of the machine that shipped.  So lspp's
 * generations are in the order of their captures, and Litestream's in that of
 * the store.  How the two lie to each other only an owner's object tells: a
 * generation that it names, and that is no further now, is older than what was
 * captured since.  If no object tells, the restore has status 3, and so has
 * lspp-verify, and lspp-prune --foreign refuses.  On S3 that look is a LIST
 * for each database without a record, once.
 */
#ifndef LSPP_REPLICA_FOLLOW_H
#define LSPP_REPLICA_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/replica/wal/layout.h"

struct err;
struct history;
struct history_generation;

/* How far a generation went. */
struct follow_end {
	char generation[LAYOUT_GENERATION];
	bool has_snapshot, has_segment;
	uint64_t snapshot, segment; /* where they begin */
};

void follow_write(struct buf *b, const struct follow_end *end);

/*
 * Read the owner's objects of h: where there is an answer, followed_ns of each
 * generation is filled in, and began_ns of h.  One read for each; what is
 * damaged, or gone meanwhile, says nothing.
 */
int follow_read(struct history *h, struct err *e);

/*
 * Is g, one of Litestream's, older than what lspp captured at that time?  If
 * not, nobody knows.
 */
bool follow_is_older(const struct history_generation *g, int64_t captured_ns);

/*
 * Beside files in LTX: is what is captured in these later than h->closed_ns, and
 * all of h earlier?  0; ERR_CONFIG: nothing tells which is newer.
 */
int follow_closed(struct history *h, struct err *e);
int follow_unclosed(struct err *e);

/* What to do about it, for a hint or a message. */
#define FOLLOW_SETTLE                                                       \
	"--generation restores from the other; lspp-ship --new-generation " \
	"goes on behind it, once Litestream has stopped"

#endif
