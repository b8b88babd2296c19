/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ship -- bring the replica of each database up to date.
 *
 * One job is one database.  It goes round like this:
 *
 *	work	lock it; unchanged by its signature? done.  Else read it at one
 *		committed state, encode what moved, stage the objects
 *	finish	for a batch: publish the segments, then the snapshots; then
 *		record them all in the state, in one transaction; then report
 *
 * What holds at every moment, whenever a process is killed:
 *  - a database is reported only when its objects and its record are durable;
 *  - a generation begins with a snapshot; later snapshots are published only
 *    behind a segment of the same step, under the next index, and are recorded
 *    together with it.  So any progress of the replica beyond a record begins
 *    with an object at exactly the record's position: a run with an older
 *    record cannot pass by it (lspp-format(5) rules 1, 2, 4, 6, 9);
 *  - a new generation of a database that had one first ends the old one, with
 *    an empty segment at the record's position (lspp-format(5) rule 8): so
 *    this holds for a record of an old generation, too;
 *  - a generation has an owner's object before its snapshot, which one writer
 *    alone can put; whoever takes over first ends what others may go on with
 *    (ship_fence.c).  Behind an end that a record put itself, too: else who takes
 *    over at that moment would know nothing of what is about to begin
 *    (ship_begin.c).  Only where listing is denied there is none;
 *  - what is pruned goes in runs, a snapshot and the segments up to the next,
 *    snapshot first; or the segments alone, behind an object that says so.  The
 *    object at a record's position is in the run of the record's snapshot: so
 *    while that is there, and does not stand alone, it is, too (ship_pruned.c);
 *  - an object at that position with other bytes means that the record is old
 *    (then the tail is adopted, if this writer wrote it) or that somebody else
 *    ships the database (then this path stops with ERR_BUSY);
 *  - offsets grow from segment to segment without a hole (lspp-format(5) rule
 *    5), and an index is left for the next when its offset passes roll_at.
 *
 * Room ship: brings the replica of each database up to date.
 * Used by: stat, for when a snapshot is due; bin.
 * Never: writes to a source (invariant 1); reports a path before its record is
 *     durable (2); puts an object elsewhere than at its record's position (7);
 *     overwrites an object (8).
 *
 * Why it is so:
 *
 * -- Two machines, one replica --
 *
 * A record is a fence: a run whose record is old meets an object.  A ship
 * without a record (the state is new or lost, or has --new-generation, or the
 * replica lost the generation) has another fence, the owner's object,
 * generations/owner-N.lz4.  Its data says how far Litestream's generations
 * went, if there are any.  Its provenance says who begins which generation
 * (ship_fence.c).
 *
 * Where there is no record:
 *
 *	nothing is there	LIST; PUT owner-0 if there is none; snapshot;
 *				record: three requests, once
 *	something is there	LIST, and read the tails: who?
 *	  another machine	75, names its last object; nothing is written
 *	  this machine, or	end every generation that is not ended; PUT
 *	  --new-generation	owner-N+1; snapshot; record
 *
 * A record that has not its own end to put takes the same LIST.  One that has
 * lists the owners alone, before it puts the end, and then PUTs owner-N+1.
 *
 * All machines compute the same name.  So of two that begin at once one
 * creates the object.  It is put before the snapshot, so the other machine has
 * written nothing by then.  No other ship looks at it: a ship with a record of
 * today asks nothing, and one change stays one PUT.
 *
 * To end the generation of another machine, lspp-ship puts an empty segment
 * where that machine goes on: behind the last object.  It cannot see whether
 * that machine has left the index, or is about to leave it with a snapshot on
 * its way.  So it puts an empty segment into this index, the end, and then one
 * into the next index, the guard.  If the other machine was faster, the end is
 * refused; then lspp-ship reads again, eight times at most.  The order is
 * never the other way round.  Both segments repeat what the last object says
 * of the database.  A guard that stood there before the end was refused would
 * be newer, by its name, than what the other machine has shipped since.
 *
 * Who else ships the database: ship_whose.c has the table.  The token of a run
 * is in the state before the run writes its first object, and in the
 * provenance of each object.  So an object that this state's writer wrote, and
 * that the state does not know, is from another copy of the state.  A copy
 * that was put back and a clone that is at work look alike the first time.  A
 * clone comes again.  So lspp-ship goes on the first time, and says so; the
 * second time within a week it stops.  Where one database has met such an
 * object, the other databases of the root may have been taken as well, also
 * idle ones.  So one statement marks all records of the root as contended.  A
 * ship clears the mark of a record by one look at its position.  A record that
 * is written meanwhile keeps the mark, unless the ship put an object there.
 *
 * If the last object of a generation is damaged, its length is still known
 * where its LZ4 frame is whole.  Then the generation can be ended, and so it can
 * by a record that is behind that object.  Otherwise nobody can tell where its
 * writer goes on, and the takeover fails: two machines that acknowledge one
 * database are worse.
 *
 * The first half of a writer's id stands for the machine: LSPP_MACHINE, else
 * /etc/machine-id.  A machine that has neither is never the same as another.
 * A lost state therefore costs a LIST, a GET for each generation and a
 * snapshot, and no manual step.  An id that is wrong does no harm: if two
 * machines have one id, the second one takes over, and the first one stops at
 * its next ship.
 *
 * If lspp-ship is killed behind owner-N, the next run finds its own name and
 * puts owner-N+1.  Killed between end and guard: the last segment is empty and
 * not the first of its index; the next run puts the guard.  Killed after both
 * end objects: no machine writes until one starts a new generation; the other
 * machine then fails with status 75.  Killed before the record: a generation
 * of its own with which nobody goes on; the next run ends it and begins
 * another.  An old copy of the state is behind, by its record.  A state that
 * was lost, and is found again after another one has begun, goes on once, in a
 * generation of its own (ship_whose.c).  A server that ignores conditions:
 * lspp-ship looks before each PUT; two PUTs at the very same moment are not
 * told apart, and the warning says so.  If looking is denied, an owner's
 * object that cannot be read counts as that of another machine (75), also when
 * a first ship was killed behind it; --new-generation counts on to a free
 * number, says that the other generation was not ended, and goes on.
 *
 * Litestream does not look for other writers, and it overwrites.  So its
 * generations cannot be ended; lspp-ship leaves them alone and warns.  The
 * first ship beside them looks at them once, and its owner's object says how
 * far each went (follow.h).
 *
 * -- LTX --
 *
 * What is said above of generations is of the layout of Litestream 0.3.  In LTX
 * all positions are one row (codec.h): a generation that begins anew is a line
 * that goes on in it, with all pages at the record's position, or behind all
 * that is there.  ship_row.c says what takes the place of ends and owners.
 *
 * A history in the layout of 0.3 may go over to LTX, and not back: ship_change.c
 * has the states and says why.
 *
 * -- When a snapshot is due --
 *
 * A snapshot is due after 24 h (--snapshot-interval), when the WAL shipped
 * since the last one exceeds the size of the database and 1 MiB, or at 256
 * segments.  The 1 MiB is there because a restore that reads less is not worth
 * a second object: without it a database of a few pages would get a snapshot
 * at every other ship.
 */
#ifndef LSPP_SHIP_SHIP_H
#define LSPP_SHIP_SHIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/replica/codec/pos.h"
#include "lib/sys/pool.h"

struct record;
struct ship;
struct ship_worker;
struct store_conf;
struct store_stats;

/* Numbers in the state: between which moments the clock went back, last. */
#define SHIP_BACK_FROM "clock back from"
#define SHIP_BACK_TO   "clock back to"

struct ship_conf {
	const char *url;                /* of the replica root; NULL: none */
	const struct store_conf *store; /* NULL: the defaults */
	const char *state_dir;
	const char *base; /* absolute; keys are paths below it.  NULL: each job
			     has a key */
	/* The layout of a replica that begins; 0: that of Litestream 0.3.  One
	 * that is there keeps the layout that it has; asked: or goes over to
	 * LTX, or is refused. */
	enum format format;
	bool format_asked;
	int64_t snapshot_interval_ns;
	uint64_t roll_at;      /* bytes of WAL in one index */
	unsigned max_hold_ms;  /* of a lock that keeps writers waiting */
	unsigned lock_wait_ms; /* for another run that ships the same */
	bool new_generation;   /* begin anew, whatever the state says */
	bool dry_run;          /* read and encode, write nothing */
	bool fleet;            /* the paths are a fleet's, not typed by hand */
};

enum ship_what { SHIP_UNCHANGED, SHIP_SEGMENT, SHIP_SNAPSHOT, SHIP_BOTH };

/* The result for one database; valid during the call of report(). */
struct ship_report {
	const char *path; /* as it was given */
	int rc;
	struct err *e; /* if rc is -1 */
	unsigned attempts;
	enum ship_what what;
	const char *key, *snapshot_key; /* of the objects */
	const char *owner_key;          /* of one that says who began */
	const char *ending_key;         /* of one that ends an old generation */
	uint32_t pages;                 /* in the segment, or the snapshot */
	uint64_t bytes;                 /* of the objects, as stored */
	const struct pos *pos;          /* that it is shipped to, or NULL */
	enum format format;             /* of that */
	int64_t captured_ns;            /* of that */
	uint64_t wal_size;              /* of the -wal beside it */
	const char *hint, *read;        /* "" if it was not read */
	const char *reason;             /* of the snapshot */
	uint32_t healed;    /* pages that an earlier run should have shipped */
	const char *notice; /* worth a warning although all is well, or NULL */
	/* Of several roots, the path fails if one does. */
	bool lost;   /* the replica knows it, and the state is new */
	bool more;   /* the path goes on to another root */
	bool failed; /* in an earlier one */
};

typedef void ship_report_fn(void *ctx, const struct ship_report *r);

/* conf must outlive it.  Opens state and store. */
struct ship *ship_open(const struct ship_conf *conf, struct err *e);
void ship_close(struct ship *s); /* takes NULL */

/*
 * Another root of the same run, with a conf of its own: state directory and
 * what is not about the root are as with's.  State and locks are shared, and
 * workers and ship_finish() serve both.  Close it first.  Any one thread, also
 * while others work.
 */
struct ship *ship_join(
    struct ship *with, const struct ship_conf *conf, struct err *e);

/* Is the state new, and does nothing say which machine this is? */
bool ship_nameless(const struct ship *s);

/* The requests that the store has counted so far; any thread may ask. */
void ship_stats(struct ship *s, struct store_stats *out);

/*
 * At the end, when all paths were read that began to come at began_ns: says so
 * in the state if any came (none is what a program before it in the pipe leaves
 * that failed), and forgets trouble of paths that do not come any more.  The
 * last failure of each path is noted on the way: with one that the state does
 * not know only if it is the fleet's.  None of this fails: it is for those who
 * look on.
 */
void ship_ran(struct ship *s, int64_t began_ns, bool any);

/* What is in a pass, and the bytes of its object. */
struct ship_passed {
	uint64_t databases, failed, bytes;
};

/*
 * At the end, when all paths were read and are over: what the state has of the
 * root becomes the pass of that name (lib/pass/pass.h), of a run that began
 * then.  0 when it is durable.  ERR_EXISTS: there is one of that name.
 */
int ship_pass(struct ship *s, const char *name, int64_t began_ns,
    struct ship_passed *out, struct err *e);

/*
 * Is a snapshot due with the next change, once more_bytes of WAL in so many
 * segments are shipped beyond r?  "interval", "wal size", "segments", or NULL.
 */
const char *ship_snapshot_due(const struct ship_conf *c, const struct record *r,
    uint64_t more_bytes, uint32_t more_segments, int64_t now);

/* The buffers and connections of one thread. */
struct ship_worker *ship_worker_new(struct ship *s, struct err *e);
void ship_worker_free(struct ship_worker *w); /* takes NULL */

/* key: its name in the replica; NULL: its path below the base. */
struct job *ship_job_new(struct ship *s, const char *path, const char *key);
/* Nothing is to be done for it: this is what is reported. */
void ship_job_refuse(struct job *j, const struct err *e);
/* next is to the same path in another root, and begins when j is over. */
void ship_job_then(struct job *j, struct job *next);

/* For pool_ops; finish() calls report once for each path that is over. */
void ship_work(struct job *j, void *worker);
void ship_finish(struct ship *s, struct pool *p, struct job **jobs, size_t n,
    ship_report_fn *report, void *ctx);

#endif
