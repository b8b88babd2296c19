/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tier -- is a database hot or cold, and since when has it waited?
 *
 * Nothing of this is kept but told by two stat calls and the record of what was
 * shipped, so it cannot be out of step with either:
 *
 *	dirty	it may hold what is not shipped: its signature is not the one
 *		in the record, or that one is racy, or there is no record
 *	hot	dirty, or written within the last hot_for
 *	cold	neither.  All it holds is shipped.
 *
 * What is kept, in the state, is since when a database has been dirty, as far
 * as somebody looked.  The oldest write that is not shipped is then not older
 * than `since': nothing was outstanding when it was last read, nor in the last
 * pass that brought it, or it would have been noted then.
 *
 * At the end of a pass over the fleet, what the state knows and nobody brought
 * is looked at, too (rounds.h): it is
 *
 *	gone	there is no such file
 *	lost	there is, but it is empty or no database any more, or cannot be
 *		read or reached.  So is one that came and turns out to be so
 *	left	there and well: the scan leaves it out.  What is written to it
 *	out	is noted as waiting, as of any other
 *
 * Room hot: which databases have to be shipped, which should have come and did
 *     not, and looking again and again.
 * Used by: bin (lspp-hot).
 * Never: opens a replica; reads more of a database than its signature and
 *     header.
 *
 * Why it is so:
 *
 * -- Tiers --
 *
 * The state does not keep whether a database is hot or cold.  Its signature,
 * its record and the clock tell, so the answer cannot be out of step with
 * them.  The state keeps only since when a database has been dirty.  lspp-hot
 * notes that.  The transaction that records a ship takes the note back, if the
 * ship has read what was written by then.  A write that was not noticed before
 * is not older than the last ship, nor than the last pass over the fleet,
 * which would have noticed it; of these the later one counts.  So --stale may
 * call a write older than it is, by one pass, and never younger.  The times of
 * files would do the opposite: they tell of the newest write.
 *
 * lspp-hot asks in the order of paths, and so reads the state's index from end
 * to end, not 100,000 times from the top.
 *
 * -- What did not come --
 *
 * A write that nobody noticed is not older than the last pass that brought the
 * database, which may be an hour ago although another round came a minute ago:
 * the bits know that, too.
 */
#ifndef LSPP_HOT_TIER_H
#define LSPP_HOT_TIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/hot/look.h"
#include "lib/source/signature.h"
#include "lib/state/fleet/rounds.h"
#include "lib/text/shard.h"

struct missing;
struct state;
struct state_seen;

struct tier {
	bool dirty, hot;
	const char *why;    /* it is dirty: "new", "changed", "racy" */
	bool racy;          /* a change in the same tick would not show */
	bool lost;          /* it changed into that; tiers.why says how */
	int64_t written_ns; /* by the times of the files, at most now */
	int64_t since_ns;   /* if dirty; 0: not known, so any time */
	int64_t shipped_ns; /* when what is shipped was read; 0: nothing is */
	struct signature sig;
};

/* What looks have in common.  One thread at a time. */
struct tiers {
	struct state *st; /* NULL: nothing was ever shipped */
	int64_t root;     /* 0: any; see state_look() */
	bool no_root;     /* nothing was ever shipped to that root */
	/* In place of state_look() by path; abs gets the absolute path. */
	int (*look)(void *ctx, const char *path, struct buf *abs,
	    const struct signature *sig, struct state_seen *seen,
	    struct err *e);
	void *ctx;
	int64_t hot_for_ns;
	bool keep; /* note in the state what is dirty */
	/* The paths are that part of a fleet: of what did not come no other is
	 * looked at.  base as in shard_has_path(). */
	struct shard shard;
	const char *base;

	/* With -c: the roots that are asked for, where root is 0. */
	const int64_t *roots;
	size_t n_roots;
	/* One that did not come; NULL: nobody looks. */
	void (*missing)(void *ctx, const struct missing *m);
	void *missing_ctx;

	bool broken;    /* it was the state that failed, not the database */
	struct err why; /* of the last look, if that found it lost */

	/* private */
	int64_t last_pass_ns;
	struct rounds rounds;
	struct buf abs, notes, lost;
	size_t n_notes;
};

/* Known, and did not come in a pass; valid during the call. */
struct missing {
	const char *path;
	enum look how;
	const struct err *e;     /* why, if it is gone or lost */
	bool news;               /* that it is, if the state can tell */
	bool empty;              /* nothing at all came in that pass */
	const struct tier *tier; /* if it is well: it is left out */
};

/* After st, root, no_root, roots, hot_for_ns and keep were set. */
int tiers_begin(struct tiers *t, struct err *e);

/* ERR_MISSING: no such file. */
int tier_look(
    struct tiers *t, const char *path, struct tier *out, struct err *e);

/* Was it shipped less than every_ns ago, so that it may wait? */
bool tier_is_held(const struct tier *t, int64_t every_ns);

/*
 * Write down what was noted, if there is anything; ends the state's read
 * transaction.  To be called now and then, and before waiting.
 */
int tiers_flush(struct tiers *t, struct err *e);

/*
 * Every database of the fleet, 'seen' of them, was looked at since began_ns.
 * write: for other processes, too; then what did not come is looked at and
 * reported, and what was noted before the pass before, of databases that are
 * not there any more or have nothing left to ship, is taken back.
 */
int tiers_passed(struct tiers *t, int64_t began_ns, uint64_t seen, bool write,
    struct err *e);

/*
 * A look at path failed with why, in a pass or between.  If it is known that is
 * noted: as state_note_gone() if there is no such file, else as lost, and
 * STATE_THERE.
 */
int tiers_failed(
    struct tiers *t, const char *path, const struct err *why, struct err *e);

void tiers_release(struct tiers *t);

#endif
