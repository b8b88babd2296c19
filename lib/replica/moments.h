/* SPDX-License-Identifier: Apache-2.0 */
/*
 * moments -- the states around a time that can be restored, of all generations
 * of a database.
 *
 * A state is what a segment brings, or a snapshot where the segment that led to
 * it is gone: then there is a gap before it, of states that were pruned.
 */
#ifndef LSPP_REPLICA_MOMENTS_H
#define LSPP_REPLICA_MOMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/replica/codec/pos.h"

struct err;
struct history;

struct moment {
	int64_t ns; /* as in history_time() */
	char generation[POS_LINE];
	struct layout_name name;
	bool gap;   /* what came right before it is not there */
	bool plain; /* Litestream's: that is when it was stored */
};

/*
 * The last 'each' ones not after at_ns and the first 'each' after it, in order,
 * into *v, which the caller frees: as many small reads for each generation, and
 * those of a binary search.  h must hold all of the database.
 */
int moments_around(struct history *h, int64_t at_ns, size_t each,
    struct moment **v, size_t *n, struct err *e);

#endif
