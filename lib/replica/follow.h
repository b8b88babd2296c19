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
	uint32_t snapshot; /* index */
	struct layout_name segment;
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

/* What to do about it, for a hint or a message. */
#define FOLLOW_SETTLE                                                       \
	"--generation restores from the other; lspp-ship --new-generation " \
	"goes on behind it, once Litestream has stopped"

#endif
