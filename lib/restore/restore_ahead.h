/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_ahead -- the segments of a plan (of LTX, its files but the first),
 * fetched before they are wanted.
 * Private to restore.
 *
 * A chain of many small objects takes as long as the store needs to answer, and
 * hardly any of its bandwidth.  So threads, as many as there are places for in
 * the crew, each fetch the next segment that nobody has begun, and hold it
 * until it is its turn.  Each holds one at a time, of at most AHEAD_MAX bytes:
 * a larger one is left to whoever wants it.
 *
 *	ahead_start, ahead_get for some first segments in turn, ahead_stop
 */
#ifndef LSPP_RESTORE_RESTORE_AHEAD_H
#define LSPP_RESTORE_RESTORE_AHEAD_H

#include <stddef.h>

#include "lib/store/store.h"

#define AHEAD_MAX ((size_t)1 << 20)

struct ahead;
struct crew;
struct restore_plan;

/* All is borrowed until ahead_stop(). */
struct ahead *ahead_start(struct crew *crew, struct store *s, const char *db,
    const struct restore_plan *p);

/* Segment i, whose key is key, to sink; as the store's get. */
int ahead_get(struct ahead *a, size_t i, const char *key, store_sink *sink,
    void *ctx, struct err *e);

/* Waits for what is under way.  Takes NULL. */
void ahead_stop(struct ahead *a);

#endif
