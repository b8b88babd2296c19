/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_ltx -- the plan of a restore from a replica in LTX.
 *
 * For restore_plan(), which asks first whether a database is in LTX.  A
 * database that is in both layouts is restored from LTX if it went over to that,
 * and as of a time before from generations (follow.h).  Another one is refused
 * unless w->format says which: nothing that a replica holds tells which of the two
 * is newer, since of Litestream 0.3's only the store's time is known (invariant
 * 11).
 */
#ifndef LSPP_REPLICA_RESTORE_LTX_H
#define LSPP_REPLICA_RESTORE_LTX_H

#include <stdbool.h>

#include "lib/replica/ltx/ltx_list.h"

struct buf;
struct err;
struct listed;
struct restore_plan;
struct restore_want;
struct store;

/* Of a plan: the files that there are, and which lead to the state. */
struct restore_ltx {
	enum ltx_levels how;
	struct ltx_list files;
	struct ltx_plan plan;
	struct ltx_wish wish;
	uint64_t wanted;   /* the TXID that was, when nothing was bad yet */
	int64_t closed_ns; /* 0, or when the layout of 0.3 was closed */
};

/*
 * Is db in LTX, and to be restored from that?  1: p is the plan; 0: it is not,
 * and p is as it was; -1, then *listed tells whether there are any files.
 */
int restore_ltx(const struct listed *from, const char *db,
    const struct restore_want *w, struct restore_plan *p, bool *listed,
    struct err *e);

/*
 * The file at place i of p's chain is damaged: a chain without it, to the same
 * state or one before it, which p->earlier then tells.  -1: there is none, with
 * e as it was.
 */
int restore_ltx_without(struct store *s, const char *db,
    const struct restore_want *w, struct restore_plan *p, size_t i,
    struct err *e);

/* The key of the file at place i of the chain, in place of what key held. */
void restore_ltx_key(
    const struct restore_ltx *x, const char *db, size_t i, struct buf *key);

void restore_ltx_free(struct restore_ltx *x); /* takes NULL */

#endif
