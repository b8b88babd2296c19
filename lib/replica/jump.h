/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jump -- of a generation, where a clock that was ahead was set right.
 *
 * Captures never go back: behind a state that a clock dated which was ahead,
 * those that follow have its time and a nanosecond more each.  From the first
 * of these on every object says what the clock said, too (provenance.h).  Those
 * before it with a time that is later than that were captured before it, and
 * when is not known.
 *
 * Why it is so:
 *
 * A clock that was ahead once (ship_clock.c, jump.h).  Times never go back
 * within a history, so all that follows would have times of then, for years.
 * From the first ship on at which the clock is more than a minute behind the
 * last capture, each object says what the clock said, too, also when it has
 * caught up: so a reader finds the first by a binary search, at the cost of
 * one more small read with a wanted time.  What the right clock said orders
 * what follows; what is before it, and dated later than that, was captured
 * until then.  Was the clock ahead, or is it behind now?  Nobody can tell from
 * inside; but a time that is yet to come, by a reader's clock, was not right.
 * So while it is, a wanted time is by the new clock; afterwards, by either:
 * status 3.  Between what was captured before the clock was ahead and the
 * moment it went back nothing is certain: 3.  A second jump would break that
 * order, and begins a generation.  A snapshot's due time is by the clock, not
 * the capture.  lspp-prune asks, in a directory, those objects that are yet to
 * come or a nanosecond behind another.  A bucket has its own times, and takes
 * no request of a clock that is off by more than minutes.  What leaves no
 * trace is a clock that was behind and jumps forward; one that was ahead for
 * longer than it was ahead by; and one that was ahead, for a database that was
 * not written to again until that time had come, or of which that was pruned.
 */
#ifndef LSPP_REPLICA_JUMP_H
#define LSPP_REPLICA_JUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct history;
struct history_generation;
struct history_time;

/* Clocks that differ by no more are as one. */
#define JUMP_STEP_NS (INT64_C(60) * 1000000000)

struct jump {
	bool any;
	size_t snapshot, segment; /* of g's: the first that say it */
	int64_t from_ns, to_ns;   /* the clock went back from, and to */
};

/* One small read, and if there is one, those of two binary searches. */
int jump_find(const struct history *h, struct history_generation *g,
    struct jump *j, struct err *e);

/*
 * What the jumps of all generations mean for a wanted time.  Until real time
 * has caught up with a clock that was ahead, a wanted time that is not before
 * it was set right is by the right clock.  Later it may be by either.
 */
struct jumps {
	struct jump *v; /* of each generation of the history */
	size_t n;
	int64_t at_ns, now_ns;
	bool by_clock; /* at_ns is one that the clock said behind a jump, */
	int64_t to_ns; /* and what has no clock was captured before this */
};

int jumps_find(struct history *h, int64_t at_ns, int64_t now_ns,
    struct jumps *j, struct err *e);
void jumps_release(struct jumps *j); /* takes { 0 } */

/* Whether what is next to at_ns, and was captured at next_ns, was so behind it,
 * cannot be told: into why, of n bytes; or false. */
bool jumps_unsure(const struct jumps *j, int64_t next_ns, char *why, size_t n);

/* When it was captured, or until when at the latest; in the order of objects.
 */
int64_t jump_time(const struct jump *j, const struct history_time *t);

#endif
