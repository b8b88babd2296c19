/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peek -- what the end of an object says of it, in one small read.
 *
 * Who wants to know whose an object is, or which state it leads to, asks here;
 * the object is not read, and so nothing is known of its data.
 */
#ifndef LSPP_REPLICA_PEEK_H
#define LSPP_REPLICA_PEEK_H

#include "lib/replica/wal/provenance.h"

struct err;
struct store;

/*
 * Fill *pv from the end of the object called key.  1: it is one of lspp's; 0:
 * it says nothing, as all of Litestream's; -1: ERR_CORRUPT, it is one of ours
 * and damaged (e does not name it), or what the store says, ERR_MISSING maybe.
 * It may be another object than its name says: see provenance_is().
 */
int peek(
    struct store *s, const char *key, struct provenance *pv, struct err *e);

/*
 * The same of an object of any layout, by its key, for the writer with the id
 * self: an LTX file does not have all of an id (ltx_mark.h), and what it lacks is
 * taken for self's.  e names what is damaged.
 */
int peek_any(struct store *s, const char *key, const uint8_t *self,
    struct provenance *pv, struct err *e);

#endif
