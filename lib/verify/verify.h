/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify -- does a replica restore, and is it what the state says?
 *
 * Of each database everything that the replica holds is looked at, the newest
 * state first: any time that a restore may be asked for.  One listing says what
 * there is; of each object the last bytes are read, or all of it:
 *
 *	names	every object is what its name says (its provenance), and is of
 *		the kind that the others of its generation are
 *	chain	from each snapshot on no index and no offset is missing, up to
 *		the state that the next snapshot brings, too
 *	state	the newest object is the one that was recorded, or a newer one
 *		that this machine wrote
 *	source	the newest state is what the live database is, page by page,
 *		as SQLite reads it (sqlread.h), or an earlier one of it
 *		(verify_judge.h)
 *	deep	every byte is decoded; the frames' salts and checksums chain;
 *		the pages' sums make up, after each object, the checksum that
 *		its provenance claims.  Nothing is written but temporary files
 *		with 16 bytes a page.
 *
 * Litestream's objects have no provenance: of them the deep look proves the
 * frames and that they chain, the other one only the names.
 *
 * lspp-prune takes a snapshot together with all segments up to the next one,
 * the snapshot first.  So segments that no snapshot leads to, and certain gaps,
 * may be its doing: they are no damage, and only told (ERR_EARLIER).  If it is
 * at work there will be fewer objects in the next look.
 *
 * What cannot be seen, since nothing that is left depends on it: that the end
 * of a generation is gone which is not the one in the state, that a generation
 * is gone as a whole, or a snapshot between segments that go on behind it.
 *
 * A replica may be written and pruned meanwhile.  A fault is told only when two
 * looks, each with a listing of its own, agree on it.
 *
 * Room verify: does a replica restore, and is it what the state and the live
 *     database say?
 * Used by: bin.
 * Never: writes to a replica or to a source; tells a fault that it saw but
 *     once (invariant 12).
 *
 * Why it is so:
 *
 * A restore proves itself; verify.h proves the same of every state that the
 * replica holds, without a file.  What a restore would write is known by 16
 * bytes a page (replay.h, sumtable.h): a forward pass over a snapshot and its
 * segments keeps the sum of each page's newest image and so, since the sum of
 * a database is the XOR of those of its pages, its checksum after each object.
 * So each object is compared with its own provenance, and a fault is found at
 * the object.  Beyond 65,536 pages the sums are in a temporary file.  Going
 * backwards with a bit a page would need less, but the frames' checksums chain
 * forward.
 *
 * Which states?  All, the newest first: whether that is affected decides
 * whether to begin anew.  What is a hole?  A missing segment and one that was
 * pruned look alike.  Since lspp-prune takes whole runs, a snapshot and the
 * segments up to the next, snapshot first, a run that is there must be
 * complete: its first index begins, its segments join, and where the next
 * snapshot has the next index, both have the same sum.  Only what follows an
 * index that began without a snapshot, or no snapshot at all, may be what a
 * retention run leaves that was ended, or is at work: that is told with status
 * 3, after a time in which nothing moved.
 *
 * Two looks.  A listing of a directory that is written to may lack a name and
 * have a later one; objects vanish behind a listing.  So a fault counts if a
 * second look, with a listing of its own, finds the same, and no fewer
 * objects.  So the first may be at a listing that served others, too, and is
 * older than the record: what it lacks for that is found by the second.
 */
#ifndef LSPP_VERIFY_VERIFY_H
#define LSPP_VERIFY_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct err;
struct listed;
struct state;
struct store;

struct verify_want {
	bool deep;
	bool sql;    /* restore the newest state, have SQLite check it */
	bool source; /* compare the newest state with the live database */
	bool newest; /* nothing older than the newest snapshots */
};

enum verify_source {
	VERIFY_NOT_COMPARED,
	VERIFY_EQUAL,  /* page for page */
	VERIFY_BEHIND, /* it was written to since the replica's newest object */
	VERIFY_WRONG,  /* it was not, and yet it is not the same */
	VERIFY_AHEAD,  /* the replica has what it never had, or not any more */
};

/* Outcome of one database.  { 0 } is empty. */
struct verified {
	/*
	 * ERR_CORRUPT: would the newest state not restore?  And the generation
	 * that the state ships to, "" if it has no record.
	 */
	bool newest;
	char shipping[17];
	size_t more;     /* further faults: */
	struct buf also; /* the first of them, a line each */

	unsigned attempts;
	size_t generations, objects;
	uint64_t bytes;      /* of all that was looked at, compressed */
	char generation[17]; /* of the newest state */
	int64_t as_of_ns;    /* likewise */
	bool checksum;       /* all of it has provenance */
	bool recorded;       /* it was compared with a record */
	size_t unknown;      /* objects that are none of a replica's: */
	char *first_unknown;
	enum verify_source source;
	uint32_t newer; /* pages in which the source differs */
	bool by_sqlite; /* SQLite read it; else: */
	char *why_not;
	bool unread; /* it failed because the source cannot be read */
};
void verified_release(struct verified *out);

/* The buffers and connections of one worker; one thread at a time.  dir
 * (borrowed) is for temporary files. */
struct verifier;
struct verifier *verifier_new(const char *dir);
void verifier_free(struct verifier *v); /* takes NULL */

struct verify_job {
	struct store *store;
	const char *db;   /* key */
	struct state *st; /* NULL: there is none */
	int64_t root;     /* in st; 0: never shipped to */
	const char *path; /* of the live database, without a record */
	/* All that is below "db/", listed a moment ago: what the first look is
	 * at.  Each other one lists.  NULL: so does the first. */
	const struct listed *listed;
};

/*
 * 0: all that was asked for is as it should be.  ERR_EARLIER: likewise, but
 * older states are lost, or a retention run was ended.  ERR_CORRUPT: the
 * replica is damaged, or wrong.  ERR_EXISTS: it is sound, and ahead of the live
 * database.  What else fails leaves open what the replica is:
 * ERR_MISSING for instance, there is no backup of that name; ERR_BUSY, it
 * changes faster than it can be read, or somebody else ships it.
 */
int verify(struct verifier *v, const struct verify_job *j,
    const struct verify_want *want, struct verified *out, struct err *e);

#endif
