/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay -- bytes to a function that runs on a thread of its own, through a
 * bounded buffer: so that fetching them and working on them overlap.
 *
 *	relay_start, relay_put as often as wanted, relay_end
 *
 * Who waits is woken when the buffer is half full, or half empty: not for each
 * piece.
 */
#ifndef LSPP_SYS_RELAY_H
#define LSPP_SYS_RELAY_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct relay;

typedef int relay_sink(void *ctx, const uint8_t *p, size_t n, struct err *e);

/* sink gets the bytes in order, in pieces of at least 256 KiB but for the last,
 * and of whole ones but for that.  ctx is its alone until relay_end().  NULL if
 * there can be no thread. */
struct relay *relay_start(relay_sink *sink, void *ctx, struct err *e);

/*
 * Waits for room.  Where the next bytes lie, *n of them at most and at least
 * one: what is written there before relay_put(r, the same place, ...) is not
 * copied.  The place is the caller's until then.
 */
uint8_t *relay_room(struct relay *r, size_t *n);

/* Waits for room.  -1 with the sink's error once that has failed. */
int relay_put(struct relay *r, const uint8_t *p, size_t n, struct err *e);

/* Wait until the sink has had all, or has failed: 0, or -1 with its error.
 * Frees r; takes NULL. */
int relay_end(struct relay *r, struct err *e);

#endif
