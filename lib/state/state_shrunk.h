/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_shrunk -- databases of which there was much less at a ship than at the
 * one before.  They are shipped as any other; this is for those who look on.
 *
 * A row also says of a database that has no tables that this is nothing new.
 *
 * Why it is so:
 *
 * What is there and well may be all but empty, by a DELETE without its WHERE
 * or an application that began anew.  lspp-ship sees it in passing
 * (ship_shrunk): less than half of the pages, or a sqlite_schema that is a
 * leaf without a cell, on page 1, which every change of the schema writes.
 * That is told and counted, never refused: it may be meant, and what was
 * stays.
 */
#ifndef LSPP_STATE_STATE_SHRUNK_H
#define LSPP_STATE_STATE_SHRUNK_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct state;

struct shrunk {
	int64_t at_ns;     /* when it did; 0: it did not */
	uint64_t was, now; /* bytes */
	bool no_tables;
};

/* 1, 0: there is no row; -1. */
int state_shrunk(struct state *st, int64_t root, const char *key,
    struct shrunk *s, struct err *e);
/* Within a transaction; of zeros there is no row. */
int state_put_shrunk(struct state *st, int64_t root, const char *key,
    const struct shrunk *s, struct err *e);

#endif
