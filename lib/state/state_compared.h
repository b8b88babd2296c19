/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_compared -- how the replica of each database compares with the live
 * one, in the state: one row for each that was compared, or healed.
 *
 *	at_ns	when lspp-verify --against-source last told; 0: it never did
 *	tried_ns	the last time that it could not tell
 *	class, msg	what it told: 0 (equal, or behind), ERR_CORRUPT (wrong)
 *		or ERR_EXISTS (ahead), and why
 *	healed_ns, healed	when lspp-ship last found, and shipped, pages
 *		that had changed earlier than an earlier ship said; how often
 *
 * What was healed is settled by a comparison that is well since then; what is
 * wrong or ahead also by a snapshot, which stands by itself.
 */
#ifndef LSPP_STATE_STATE_COMPARED_H
#define LSPP_STATE_STATE_COMPARED_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

struct state;

struct compared {
	int64_t at_ns;
	enum err_class class;
	const char *msg; /* NULL: none */
};

/* Within a transaction, each. */
int state_put_compared(struct state *st, int64_t root, const char *key,
    const struct compared *c, struct err *e);
int state_put_uncompared(struct state *st, int64_t root, const char *key,
    int64_t tried_ns, struct err *e);
int state_put_healed(struct state *st, int64_t root, const char *key,
    int64_t at_ns, struct err *e);

/* When it was last compared, or that was tried; 0: never. */
int state_compared_ns(struct state *st, int64_t root, const char *key,
    int64_t *ns, struct err *e);

/* Is there such a table?  A state that nobody has written since has none. */
bool state_has_compared(struct state *st);

#endif
