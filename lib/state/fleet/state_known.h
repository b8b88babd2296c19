/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_known -- what the state keeps so that nothing it knows is ever out of
 * sight: the rounds of passes (rounds.h), and what was found lost.
 *
 * Lost is a database that was shipped, and whose file is there but is none any
 * more, or cannot be reached or read.  Kept is since when, and why.
 *
 * Room state/fleet: the state read across the whole fleet, in the order of
 *     paths: which databases came in which passes, which are gone, lost or
 *     failed, rows for stat.
 * Used by: hot, stat; prune's programs ask who is gone.
 * Never: looks at a database; decides.
 */
#ifndef LSPP_STATE_FLEET_STATE_KNOWN_H
#define LSPP_STATE_FLEET_STATE_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/source/signature.h"

struct round;
struct rounds;
struct state;

/* Those of r->root to r, which is empty, and the number of the last record. */
int state_rounds(struct state *st, struct rounds *r, struct err *e);
/* Of any root, each with that of its passes; each returns 0, or else ends it.
 */
typedef int state_each_round(
    void *ctx, int64_t root, const struct round *v, struct err *e);
int state_all_rounds(
    struct state *st, state_each_round *each, void *ctx, struct err *e);
/* Within a transaction: set v->id if it is new; drop it, unless it has come
 * again since it was read. */
int state_put_round(
    struct state *st, int64_t root, struct round *v, struct err *e);
int state_drop_round(struct state *st, const struct round *v, struct err *e);

/* Within a transaction: path is lost, now as why says.  1: that is news, 0; -1.
 */
int state_put_lost(struct state *st, const char *path, int64_t at_ns,
    const struct err *why, struct err *e);
/* It is found, or gone, or forgotten: no longer lost. */
int state_unlost(struct state *st, const char *path, struct err *e);

/* Each record of the database at path; each returns 0, or else ends it. */
typedef int state_each_at(
    void *ctx, int64_t id, int64_t root, const char *key, struct err *e);
int state_at(struct state *st, const char *path, state_each_at *each, void *ctx,
    struct err *e);
/* Within a transaction: nothing waits or fails there for that root, and, once
 * no record is left, nothing is lost there. */
int state_forget_notes(
    struct state *st, int64_t root, const char *path, struct err *e);

/* Is it noted that it is gone?  1, 0, -1. */
int state_is_gone(struct state *st, const char *path, struct err *e);

/* A database that the state knows, by one of its records. */
struct known_row {
	int64_t id, root;
	const char *path;
	struct signature
	    sig; /* when it was shipped; zeros if that is damaged */
	bool racy;
	int64_t captured_ns;
};
typedef int state_each_known(
    void *ctx, const struct known_row *row, struct err *e);

/* Every record behind the path 'after', in the order of paths; each returns 0,
 * or else ends it. */
int state_known(struct state *st, const char *after, state_each_known *each,
    void *ctx, struct err *e);
/* The same of those alone that are noted to be gone or lost. */
int state_missing(struct state *st, const char *after, state_each_known *each,
    void *ctx, struct err *e);

#endif
