/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_whose -- what a state remembers of others that ship the same databases.
 *
 * A run has a random number, its token, which is in the state before the run
 * writes any object and in the provenance of each.  An object of this state's
 * writer whose token the state does not know was written by another copy of the
 * state: an older one was put back, or a clone of the machine is at work.
 *
 *	run	tokens of runs of which some object may not be recorded
 *	whose	of a database: the object of somebody else that was met at its
 *		last try, and when this state took its history back without
 *		being asked
 */
#ifndef LSPP_STATE_STATE_WHOSE_H
#define LSPP_STATE_STATE_WHOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/state/state.h"

/* Durable when it returns: the token of a run that is about to write. */
int state_put_run(struct state *st, uint64_t token, struct err *e);
/* All that run has written is recorded. */
int state_end_run(struct state *st, uint64_t token, struct err *e);
/* 1, 0, -1. */
int state_knows_run(struct state *st, uint64_t token, struct err *e);

struct whose {
	char *object;     /* somebody else's, met at the last try; or NULL */
	int64_t taken_ns; /* taken back without being asked; 0: never */
};

/* *w is { 0 } if there is nothing; release it. */
int state_whose(struct state *st, int64_t root, const char *key,
    struct whose *w, struct err *e);
void whose_release(struct whose *w);
/* Within a transaction.  { 0 } forgets it. */
int state_put_whose(struct state *st, int64_t root, const char *key,
    const struct whose *w, struct err *e);

/*
 * Within a transaction: somebody else ships to the root.  Each of its databases
 * counts as contended (state.h) until a ship has found that it is still ours.
 */
int state_contend(struct state *st, int64_t root, struct err *e);
/* Is that record contended now?  1, 0, -1. */
int state_contended(struct state *st, int64_t id, struct err *e);

#endif
