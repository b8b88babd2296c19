/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune -- what of a replica is not needed any more, and its removal.
 *
 * Of a database in LTX, prune_ltx.h says what is kept by the same policy.  The
 * rest of this is of generations.
 *
 * The words: a *run* is a snapshot and the segments up to the next snapshot of
 * its generation.  A *state* is what one object, a snapshot or a segment,
 * brings a restore to.  A state is *current* from its time until that of the
 * next one, over all generations; the last one is the newest.
 *
 * What is kept, as the policy stands at 'as of', the moment 'grace' before now:
 *
 *	always		the newest state; every state that was current at 'as
 *			of' or came later
 *	keep_for	every state that was current at some time in so long
 *			before 'as of'
 *	last		every state since the so many'th newest snapshot
 *	hourly, ...	of so many hours (days, weeks from Monday, months; in
 *			UTC) that have states, the last snapshot of each, alone;
 *			where there is none, its newest state
 *
 * Kept is a run with all its states, or its snapshot alone, or nothing of it.
 * Beside these runs are kept whole: the last run of a generation of which
 * another is kept, for it says that the generation is ended; and the run before
 * one that is kept whole, also for the state that its snapshot is, where WAL of
 * a run before that is kept: litestream 0.3.13 wants WAL of the index before.
 * Of Litestream's own generations everything from the run before the first that
 * is kept.  Only with 'foreign' are those looked at, else they are as if they
 * were not there.
 *
 * The time of an object is when it was stored.  That is its state's own time in
 * a directory, and after it on S3, by an upload; so what a time of capture
 * leads to is kept, too.  But the last object of a generation has its state's
 * time, and the others none that is later: which generation is the newest is
 * decided as in a restore, also where they were copied in another order.
 *
 * The order of removal, in waves, is such that whatever is kept can be restored
 * at every moment, by lspp and litestream 0.3.13 and 0.5 (lspp-format(5), rules
 * 1 to 6):
 *
 *	before	it is said which snapshots stand alone (prune_db_mark)
 *	0	the snapshots of all runs that go
 *	1...	their segments, and those behind snapshots that stand alone:
 *		index by index from the last one on, in each first what does not
 *		begin it.  So Litestream, which knows nothing of what stands
 *		alone, finds a beginning of what was there.  Where no snapshot
 *		that is kept is before them, and below a run that is kept whole
 *		for its snapshot, too: those that begin no index; those that
 *		begin one, but for the last index; that
 *	last	what says that a snapshot stands alone that went; owner's
 *		objects, of a database that goes as a whole
 *
 * If something of a wave cannot be removed, the database's later ones are left.
 *
 * Room prune: which objects of a replica may go, and removing them (invariant
 *     9); of what it keeps, which snapshots stand alone, and which steps of LTX
 *     become one file.
 * Used by: ship, for what is promised (PRUNE_TRUST_NS); bin.
 * Never: removes what a restore that has begun may need; reads the state.
 *
 * Why it is so:
 *
 * -- What may be pruned, and an old state all the same --
 *
 * lspp-prune removes the very objects that a run with an old state would meet.
 * Such a run could then put a segment at a position that is free again.  No
 * restore would ever use that segment, and the run would print the path.  We
 * cannot keep a few segments as markers: any segment may be the one that some
 * old record points at, so we would keep them all.  Nor is it enough that the
 * last object of a record is there: the next one may be gone.  This is enough:
 *
 *  - lspp-prune removes whole runs.  It removes the snapshot first and alone,
 *    and the rest when the snapshot is durably gone.  Or it says beside the
 *    snapshot that it stands alone, and removes the rest when that is durable.
 *    What follows a record is always in the run of the record's snapshot
 *    (invariant 7).  So while that snapshot is there, and does not stand alone,
 *    so is the object at the record's position (invariant 9).
 *  - A directory is asked for both at every object: when the object is staged,
 *    and again when it is linked.  That is free.
 *  - On S3 that would be one more request for each object.  So lspp-ship
 *    relies on a record that is younger than 24 h, and lspp-prune leaves on S3
 *    what was superseded less than 48 h ago.  The difference is for clocks.
 *    For an older record lspp-ship makes two small reads, before the PUT and
 *    again after it.  These are needed because the run may be pruned between
 *    the first ones and the PUT; then the object is not acknowledged.
 *  - If the snapshot is gone or stands alone, or if looking is denied, lspp-ship
 *    begins a new generation by way of the fence (ship.h).  By then the interval
 *    of snapshots is over, so a snapshot is due anyway.
 *  - A run that adopts a tail may follow it through a run that is kept to one
 *    that is not.  So at the end of the tail it asks whether that is the end:
 *    is anything behind it in its generation, or newer in another generation?
 *    In a directory it always asks, on S3 if the end is older than 24 h.  If
 *    there is something, or if the question is denied, a new generation
 *    begins.
 *  - A generation of which anything is kept keeps its last run, so that the
 *    object that ended it stays.  Owner's objects stay as long as there is
 *    anything else.  They go last, with a database that goes as a whole.
 *
 * What decides is the age of the record, not that of the state as a whole.  If
 * a machine is rolled back by an hour, databases included, its state is young
 * and it has nothing to ship.  What it had shipped in that hour may be pruned
 * before it ships again.
 *
 * If lspp-prune is killed after it removed the snapshots, the segments lead
 * from no snapshot.  The next run removes them; behind a run that is kept it
 * leaves them, since they continue that run.  If it is killed between the
 * segments: see the order of removal above.  If it is killed in a database
 * that is gone: the record says so before the first object goes, and from then
 * on a ship begins anew.  Two prunes at once: removing is idempotent, and
 * neither needs more of what it keeps than the other one leaves alone, unless
 * their policies differ.  A ship at the same time: it writes behind the newest
 * state, and that is kept with all that follows; what the listing was too
 * early for is in no plan.  If a listing breaks off, the database it was at is
 * not planned for.
 *
 * -- Retention --
 *
 * A plan is a pure function of a listing and a policy (prune_plan.c), which a
 * model with a restore of its own checks.  The policy is applied as of --grace
 * ago: that alone makes it safe for restores that have begun, since whatever
 * they may need was kept by every run since.  Times are those of the listing:
 * for the times of capture each object would have to be read.  S3's are later,
 * never earlier, so keeping by them keeps more.  But not across generations: a
 * copy's times are in the order of copying, and the newest would go.  So where
 * something is to go and there are several, each one's last object is asked
 * for its capture.
 *
 * What goes is decided by the clock, so a clock that is wrong by days would
 * delete what is promised.  The store has one, too: each answer of a server
 * says what it is, and in a directory a file's time does.  If the two differ
 * by minutes one is wrong, and nobody knows which: nothing is deleted.
 *
 * Why does a snapshot stand alone, and how is that told?  With a ship an hour a
 * run is a day, and a policy of days would delete next to nothing of whole
 * runs; shorter ones do not help, they are more snapshots (bench/RESULTS.md).
 * But a record in a run that was cut would still find its snapshot, and put its
 * object at a position that is free.  Nothing that is left tells it: that the
 * run's first segment is gone does not, for a record right behind the snapshot,
 * and to remove that one first would break the generation for litestream
 * 0.3.13.  Nor could lspp-verify tell what was pruned from what was lost.  So an
 * object beside the snapshot says it, durably, before the first segment goes,
 * and no sooner goes than the snapshot.  Its name is known to any record, which
 * costs one stat in a directory, and on S3 one more small read where the
 * snapshot is looked for.  Readers take no segment behind it, whatever is left
 * of them: so a kill leaves nothing that could be restored wrongly.
 *
 * One listing streams through for a whole root, a database at a time;
 * deletions of many databases share the waves.  Ids of generations tell whose
 * they are, since a read for each would cost more than the listing.
 */
#ifndef LSPP_PRUNE_PRUNE_H
#define LSPP_PRUNE_PRUNE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/replica/history.h"
#include "lib/replica/ltx/ltx_list.h"

struct store;

/*
 * How long lspp-ship relies on a record: what the replica had behind it is
 * still there, since lspp-prune leaves what was superseded less than
 * PRUNE_GRACE_MIN_NS ago.  For an older one it is asked first whether the
 * snapshot that it is based on is there, which is the first to go.
 */
#define PRUNE_TRUST_NS (INT64_C(24) * 3600 * 1000000000)

/* On S3, where lspp-ship relies on it. */
#define PRUNE_GRACE_MIN_NS (2 * PRUNE_TRUST_NS)

enum prune_period {
	PRUNE_HOURLY,
	PRUNE_DAILY,
	PRUNE_WEEKLY,
	PRUNE_MONTHLY,
	PRUNE_PERIODS,
};

struct prune_policy {
	int64_t now_ns, grace_ns;
	int64_t keep_for_ns; /* -1: not asked for */
	uint32_t last;       /* 0: not asked for; likewise */
	uint32_t count[PRUNE_PERIODS];
	bool foreign;
	/* Of a run that is kept for a period, its snapshot alone. */
	bool alone;
	/* Before anything goes, read how long the newest run's segments are:
	 * one small read for each that has another of its index behind it. */
	bool measure;
	/* Files of LTX are merged (prune_ltx.h), with temporary ones in that
	 * directory; NULL: they are not. */
	const char *tmp;
};

/* Is anything asked for?  If not, nothing is superseded. */
bool prune_policy_any(const struct prune_policy *p);

/* The longest time that it promises anything of; 0: it names none. */
int64_t prune_policy_longest(const struct prune_policy *p);

/* Why an object goes. */
enum prune_why {
	PRUNE_SUPERSEDED, /* no state of its run is to be kept */
	PRUNE_GENERATION, /* nor any of its generation */
	PRUNE_HEADLESS,   /* no snapshot leads to it */
	PRUNE_GONE,       /* its database is not there any more */
	PRUNE_UPLOAD,     /* it never became an object */
};
const char *prune_why_name(enum prune_why why);

/* Beside those of enum layout_kind: a file in LTX. */
enum { PRUNE_LTX = LAYOUT_ALONE + 1 };

struct prune_item {
	uint32_t generation; /* of the history's */
	/* Of its snapshots or segments, the owners, alone, or the LTX files. */
	uint32_t at;
	uint32_t wave;
	uint8_t kind; /* enum layout_kind, or PRUNE_LTX */
	uint8_t why;
};

/* A snapshot that is to stand alone. */
struct prune_mark {
	uint32_t generation; /* of the history's */
	uint32_t at;         /* of its snapshots */
};

/* In the order of removal. */
struct prune_plan {
	struct prune_item *v;
	size_t n, room;
	struct prune_mark *mark; /* before anything else */
	size_t marks;
	size_t *prove; /* LTX files to read before anything goes */
	size_t proofs;
	uint64_t foreign; /* objects left for being Litestream's */
	uint64_t stray;   /* newer than all that can be restored: left */
};

/* A database of a replica, as it was listed. */
struct prune_db {
	struct store *store; /* borrowed */
	char *key;
	struct history h;
	struct ltx_list ltx; /* sorted once there is a plan */
	enum ltx_levels how;
	bool ltx_plain; /* Litestream wrote these (prune_db_tell()) */
	bool again;     /* another part of it came before, in the same scan */
	int rc;         /* -1: it is not known what it holds */
	struct err e;
	struct prune_plan plan;
	/* Of files in LTX so many became so many; or they may not be put. */
	uint64_t merged, into;
	bool unmerged;
	void *ctx; /* the caller's */
	/* private */
	size_t at;
	bool stopped;
};

/*
 * What is not to be kept, into plan.  A pure function of what was listed;
 * h->v[].plain tells Litestream's.  -1 ERR_CORRUPT, and nothing goes: an
 * object that a kept state needs is missing, or has no time.
 */
int prune_plan(const struct history *h, const struct prune_policy *p,
    struct prune_plan *plan, struct err *e);

/* All of it goes: the newest state, and who owned it.  What Litestream wrote
 * stays, unless 'foreign'; prune_db_tell() tells that. */
void prune_plan_all(struct prune_db *db, bool foreign, struct prune_plan *plan);
void prune_plan_release(struct prune_plan *plan);

/* -- listings (prune_load.c) ----------------------------------------------- */

struct prune_db *prune_db_new(struct store *s, const char *key);
void prune_db_free(struct prune_db *db); /* takes NULL */

/* List the database, anew if it was; rc and e of db tell of failures. */
void prune_db_load(struct prune_db *db);

struct prune_scan {
	const char *pattern; /* NULL: all */
	/* One database is listed; takes it over.  -1 ends the scan.  One that
	 * has generations and LTX comes for each of them, not side by side. */
	int (*found)(void *ctx, struct prune_db *db);
	/* The object of a pass (pass/pass.h), which is no database's; may be
	 * NULL. */
	void (*pass)(void *ctx, const struct store_entry *en);
	void *ctx;
	uint64_t unknown; /* out: objects that are of no database */
	char *first;      /* of them, or NULL: the caller frees it */
};

/*
 * Every database that matches, by one listing of what is below the pattern's
 * fixed part, whatever else it holds.  A database whose listing was broken off
 * is not handed out.  0, also if found() ended it; or -1.
 */
int prune_scan(struct store *s, struct prune_scan *scan, struct err *e);

/* Is key one of an object of a database? */
bool prune_is_object(const char *key);

/*
 * Ask the store whose each generation is, where its id does not tell, and whose
 * what is in LTX: 0, or 1: some are Litestream's; -1.
 */
int prune_db_tell(struct prune_db *db, struct err *e);

/*
 * Put generations, if there are several, in the order in which a restore has
 * them: that of the captures of their last states.  What the store has as the
 * time of an object may be that of a copy; nothing in a generation stays later
 * than its last state.
 *
 * Of Litestream's there is no such time: with 'foreign' they come before what
 * an owner's object says has followed them (follow.h); ERR_CONFIG where nothing
 * does.
 */
int prune_db_date(struct prune_db *db, bool foreign, struct err *e);

/*
 * Plan for a database that was listed, asking the store what a listing does not
 * tell, where it matters.  As prune_plan(), and with 'measure': a segment
 * between two others of the newest run is missing, or one is damaged.
 */
void prune_db_plan(struct prune_db *db, const struct prune_policy *p);

/*
 * Say in the replica which snapshots are to stand alone, before the first object
 * of the plan goes.  True: that is not allowed, and the plan is one without.
 */
bool prune_db_mark(struct prune_db *db, const struct prune_policy *p);

/* Its newest file of level 0 in LTX, which tells whose all are (ltx_mark.h);
 * SIZE_MAX: it has none. */
size_t prune_ltx_last(const struct prune_db *db);
/* Are they lspp's?  1, 0, -1. */
int prune_ltx_is_own(const struct prune_db *db, struct err *e);

/* -- removal (prune_run.c) --------------------------------------------------
 */

/* The key of an item, in place of what b held; and its size. */
uint64_t prune_item_key(
    const struct prune_db *db, const struct prune_item *it, struct buf *b);

/* rc -1 with an e of class ERR_NONE: it is left since another failed. */
typedef void prune_removed(void *ctx, const struct prune_db *db,
    const struct prune_item *it, const char *key, uint64_t size, int rc,
    const struct err *e);

/* Carry out the plans of n databases of one store, wave by wave together. */
void prune_run(
    struct prune_db **dbs, size_t n, prune_removed *removed, void *ctx);

#endif
