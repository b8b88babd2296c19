/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mirror -- a copy of a database that goes on following its replica.
 *
 *	mirror_new
 *	mirror_step	the copy is made, or found to be where its position says
 *	mirror_step ...	what has come since is applied
 *	mirror_free
 *
 * A copy is an SQLite database in rollback mode, whatever its source is.  Each
 * step writes all that is new in one transaction: who reads it through SQLite
 * sees the state before or the one behind, whole.  A reader holds a step up for
 * as long as its transaction is open, and a step holds readers up while it
 * writes.  Their connections go on through all steps, also when nothing but a
 * whole new restore leads on, or the page size changes.
 *
 * Nothing is written before it is proved: each object by its checksums, its
 * place behind what was applied last, and the checksum of the state that it
 * leads to, where it has one.
 *
 * Beside the copy, in "<copy>-follow", is its position: the replica, where in
 * it the copy stands, and the sum of its pages.  It is written before the copy
 * is, and says what the copy holds before and behind.  So a copy that was
 * killed, moved with its position, or put back from a backup with it, goes on;
 * one that an application wrote into, or that is older or newer than its
 * position, is refused.
 *
 * Room mirror: a copy of a database that goes on following its replica.
 * Used by: bin (restore).
 * Never: writes into a copy that is not, byte for byte, what its position says;
 *     writes to a replica.
 *
 * Why it is so:
 *
 * SQLite has the locks, and rolls back what was killed.  It has no call that
 * writes a page, though (sqlite_dbpage is not compiled in everywhere), and its
 * backup interface writes all of them.  So mirror_write makes the rollback
 * journal itself, as SQLite's file format has it, and removes it to commit.
 *
 * A file of LTX that Litestream writes does not say what it follows but by its
 * TXID.  If a replica is begun anew, another history has the same TXIDs.  So the
 * object that was applied last is remembered by its size and its last bytes,
 * which hold checksums.  While it is there and is the same, what comes behind it
 * follows it.  If it is gone, only a running checksum tells: else the copy is
 * restored anew, and what differs is written.
 */
#ifndef LSPP_MIRROR_MIRROR_H
#define LSPP_MIRROR_MIRROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/replica/restore_plan.h"
#include "lib/restore/restore.h"

struct crew;
struct err;
struct store;

struct mirror_conf {
	struct store *store; /* borrowed, like key and path */
	const char *key;
	struct restore_target target; /* of the copy; with force: begin anew */
	enum restore_format format;
	int wait_ms; /* for a lock */
};

/* What the copy holds. */
struct mirror_where {
	bool ltx;
	char line[17]; /* the generation, or "ltx" */
	uint64_t txid; /* with ltx */
	int64_t as_of_ns;
};

enum mirror_did {
	MIRROR_NOTHING, /* there was nothing new */
	MIRROR_BEGUN,   /* the copy was made */
	MIRROR_RESUMED, /* it was there, and is what its position says */
	MIRROR_APPLIED, /* objects were */
	MIRROR_RENEWED, /* what a whole restore brings was */
};

/* What a worker needs; one thread at a time. */
struct mirror_tools;
struct mirror_tools *mirror_tools_new(struct crew *crew, const char *tmp);
void mirror_tools_free(struct mirror_tools *t); /* takes NULL */

/* Some 500 bytes. */
struct mirror;
struct mirror *mirror_new(const struct mirror_conf *conf);
void mirror_free(struct mirror *m); /* takes NULL */

/*
 * One step, on any thread, one at a time.  It costs one listing of one page
 * where nothing is new.  -1: the copy is as it was, or ahead by what was sound;
 * what failed is tried again as soon as the listing is another, and sometimes in
 * between.
 *	ERR_EXISTS	something is there that is no copy, or not of this
 *	ERR_CORRUPT	an object is damaged; or the copy was written to
 *	ERR_BUSY	no lock; the replica was rewound, or is another
 */
int mirror_step(struct mirror *m, struct mirror_tools *t, enum mirror_did *did,
    struct err *e);

/* After a step that made or found the copy. */
void mirror_where(const struct mirror *m, struct mirror_where *w);

#endif
