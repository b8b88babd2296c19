/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_cut -- all that the state knows of one root, at one moment: what a pass
 * of lspp-ship is made of (lib/pass/pass.h).
 *
 * Memory is that of one database.
 */
#ifndef LSPP_STATE_FLEET_STATE_CUT_H
#define LSPP_STATE_FLEET_STATE_CUT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

struct record;
struct state;

enum cut_stands { CUT_OK, CUT_FAILED, CUT_LOST, CUT_GONE };

/* A database; valid during the call. */
struct cut_row {
	const struct record *rec; /* NULL: there is none, or it is damaged */
	const char *path;
	const char *key; /* NULL: it was never shipped */
	enum cut_stands stands;
	/* Since when, and why; not of CUT_OK. */
	int64_t since_ns;
	enum err_class class;
	const char *why;
};
/* 0, or else it ends it. */
typedef int state_each_cut(void *ctx, const struct cut_row *row, struct err *e);

/*
 * Every record of the root in byte order of the keys, and then what failed and
 * has no record, in one read transaction: st must be in none.  Of two troubles
 * of a database the one is told that says most: gone, lost, failed.
 */
int state_cut(struct state *st, int64_t root, state_each_cut *each, void *ctx,
    struct err *e);

#endif
