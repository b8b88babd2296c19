/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_verdict -- what lspp-verify found, in the state: one row for each
 * database that was looked at, whether it was shipped from here or not.
 *
 *	at_ns	when a look last told; 0: none has
 *	deep	was that a deep one?
 *	class, msg	what it told: 0, or an err_class and why
 *	deep_ns	the last deep one that told
 *	tried_ns	the last that could not tell
 *	broken	the generation that lspp-ship is to begin anew, or NULL
 *
 * A generation found broken, or being deleted by lspp-prune --gone-for, is
 * begun anew whatever a ship does meanwhile: the
 * mark names the generation, so it means nothing for the next one, and a ship
 * that goes on with a marked generation records it as racy, which lspp-hot
 * prints.  Who records another generation takes the mark away in the same
 * transaction.
 *
 * Why it is so:
 *
 * The mark names the generation that is broken, not the database.  So it needs
 * no protocol with lspp-ship: a ship under way may go on with that generation,
 * and then records itself as racy, in the same transaction that looks for the
 * mark; a record of another generation makes it void.  lspp-hot knows only of
 * racy records.
 */
#ifndef LSPP_STATE_STATE_VERDICT_H
#define LSPP_STATE_STATE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

struct state;

struct verdict {
	int64_t at_ns;
	bool deep;
	enum err_class class; /* ERR_NONE: sound */
	const char *msg;
	const char *broken; /* generation, or NULL */
};

/*
 * Within a transaction.  *marked: the state still ships to v->broken, so the
 * next ship begins it anew.  A mark that is there stays.
 */
int state_put_verdict(struct state *st, int64_t root, const char *key,
    const struct verdict *v, bool *marked, struct err *e);

/* Likewise for a look that could not tell. */
int state_put_tried(struct state *st, int64_t root, const char *key,
    int64_t at_ns, struct err *e);

/* Is that generation to be begun anew?  1, 0, -1. */
int state_broken(struct state *st, int64_t root, const char *key,
    const char *generation, struct err *e);

/* Within the transaction that records generation: marks of others are over. */
int state_begun(struct state *st, int64_t root, const char *key,
    const char *generation, struct err *e);

/* When a look last told, deep or not, or was tried; 0: never. */
int state_verified_ns(struct state *st, int64_t root, const char *key,
    bool deep, int64_t *ns, struct err *e);

/*
 * Of what was shipped to a root (0: to any): how many were never verified, and
 * when the one of the others was that has waited longest; INT64_MAX: none was.
 */
int state_unverified(struct state *st, int64_t root, int64_t *never,
    int64_t *oldest_ns, struct err *e);

/* Key and path of each record of a root (0: of all); each() returns 0, or else
 * ends it. */
typedef int state_each_record(
    void *ctx, const char *key, const char *path, struct err *e);
int state_records(struct state *st, int64_t root, state_each_record *each,
    void *ctx, struct err *e);

/* The number of the record that a key has in a root; 0: it has none. */
int state_record_id(struct state *st, int64_t root, const char *key,
    int64_t *id, struct err *e);

#endif
