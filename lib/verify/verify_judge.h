/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_judge -- what it means that a live database is not what its replica
 * brings; for verify alone.
 *
 *	behind	it was written to since: what lspp-ship is there for
 *	wrong	nothing was written to it since it was shipped, or not to these
 *		pages, and yet they are others
 *	ahead	the replica has what the database has not, though that was
 *		written earlier: the database, or the machine with the state,
 *		was put back
 *
 * Neither of the last two is ever said of what an application, a ship that was
 * killed and a clock can do between them: where they leave a doubt it is
 * behind.  A page that is written back to what it was once is no proof of
 * anything by itself; SQLite's change counter never goes back, but need not
 * move in WAL mode, or while a connection keeps its lock.
 *
 * Why it is so:
 *
 * Behind, wrong or ahead is decided by verify_judge.h, a pure function of what
 * was found, and of which a table is the test.  Equal signatures, but other
 * pages, are wrong.  Ahead needs a proof that the database was there before:
 * it is what an older object brings, or the record, and its times are earlier,
 * or its change counter, or it is another file.  A content that was there once
 * is no proof, since a page may be written back (in WAL mode without a trace
 * in page 1), nor are times, since clocks jump.  Where the record is old, a
 * ship may have been killed, by one step; beyond that a database that has none
 * of the pages which the later objects brought, and some as the record had
 * them, never was what they were shipped from.
 */
#ifndef LSPP_VERIFY_VERIFY_JUDGE_H
#define LSPP_VERIFY_VERIFY_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/verify/verify.h"

struct verify_facts {
	bool recorded; /* the state has a record, and the replica ... */
	bool at_end;   /* ends with it, */
	bool beyond;   /* or goes on, by this machine's doing, */
	bool further;  /* by more than what one ship brings */
	/* The files say that nothing was written since the record; without
	   one, for a second before the newest object was captured. */
	bool untouched;
	/* By the times of the files, put back by what keeps these, too, nothing
	   was written since the newest object was captured. */
	bool earlier;
	/* Whatever was written since the record, some of the pages that differ
	   were not (unmoved.h). */
	bool unmoved;
	bool same_file; /* as in the record: not replaced */
	bool older;     /* it is what an older object brings, or the record */
	int counter;    /* its change counter is lower (-1), the same, higher */
	/* Beyond the record pages changed: of these it has so many as the
	   newest object brings them, and as the record had them. */
	uint32_t kept, reverted;
};

enum verify_source verify_judge(const struct verify_facts *f);

#endif
