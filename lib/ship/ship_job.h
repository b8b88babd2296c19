/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ship_job -- a job of lspp-ship as a table, and what the files of ship share;
 * nobody else includes this.
 *
 * A job is one path in one root.  It goes round: a worker works on it
 * (ship_work), then the finishing thread publishes what was staged
 * (ship_stage.c), records it (ship_record.c) and asks ship_job_next() for what
 * comes next.  Two things say where a job stands: its phase, and its start,
 * which is how its next object begins.  What a round came to is its outcome.
 *
 *   phase    what the worker does       outcome   next
 *   PREPARE  takes the lock, asks the   WAITS     PREPARE, behind the job that
 *            state, reads the database            has the lock
 *            and stages what changed    AHEAD     ADOPT, in the same round
 *                                       UNSURE    FENCE, in the same round
 *                                       CONFLICT  FENCE if it claims; else ADOPT
 *                                       DONE      OVER: the path is reported,
 *                                                 for it is recorded
 *                                                 (invariant 2)
 *   ADOPT    follows the replica's      MORE      ADOPT, from the record on
 *            tail from the record on              that was just put
 *            (invariant 7)              DONE      FENCE if start is ENDED and
 *                                                 the fence was not asked;
 *                                                 else PREPARE
 *   FENCE    looks who ships the        MORE      FENCE
 *            database, and stages the   CONFLICT  FENCE
 *            end of one generation      DONE      PREPARE: none is left to end
 *            (invariant 10)
 *   OVER     nothing: it was refused    FAILED    OVER
 *   any      failed                     FAILED    OVER: the failure is reported
 *
 * A conflict is that an object with other bytes is there already (invariant 8).
 * A job meets 8 of them, or 64 while it claims, and then fails.  It fails at
 * once if it claims behind the fence: somebody else has begun at this moment.
 * ADOPT stages nothing, so it has no conflict.
 *
 *   start      the objects that PREPARE stages
 *   UNDECIDED  none: it has not asked the state yet
 *   GOES_ON    a segment at the record's position, and a snapshot if it is due
 *   ENDS       an empty segment at the record's position, which ends the old
 *              generation (invariant 7); an owner's object that names a new
 *              one; its first snapshot
 *   ENDED      the first snapshot alone: an object is at that position already
 *   CLAIMS     an owner's object, the first snapshot (invariant 10)
 *
 *   from                 to       when
 *   UNDECIDED            GOES_ON  PREPARE: the state has a record
 *   UNDECIDED            CLAIMS   PREPARE: it has none, or a damaged one
 *   GOES_ON              ENDS     PREPARE: the record is not to be gone on with
 *                                 (ship_anew() says why).  The outcome is UNSURE
 *                                 if the replica lost what it continues, or
 *                                 whether it did cannot be told
 *   GOES_ON, ENDS,       ENDED    ADOPT: the tail ends, or is not to be adopted
 *     ENDED
 *   ENDS, ENDED, CLAIMS  CLAIMS   FENCE: none is left to end
 *
 * In one row of positions (codec.h, LTX) the same table holds, with other
 * objects.  Where a line begins (ENDS, at the record's position, and CLAIMS, behind
 * all that is there) that is a segment of all pages, and a snapshot if it is not
 * the first; nothing is ended, so FENCE is never MORE; ADOPT is MORE behind each
 * file; and ENDED always goes on to FENCE.
 *
 * Where the layout changes (changes), the start is ENDS or CLAIMS, and the codec is
 * that of the old one: FENCE is MORE for each end and for the object that closes it,
 * and then goes over (turned): the start is CLAIMS, without a record, in LTX.
 *
 * So there is a record (known) in GOES_ON, ENDS and ENDED, and maybe in CLAIMS;
 * ADOPT is never in CLAIMS, FENCE never in GOES_ON.  A worker asserts both.
 *
 * Where looking is denied, the fence has nothing to say, and the job must not
 * come back to it for that (it would go round for ever).  With a record it says
 * so by fence.asked: then UNSURE is not an outcome.  Without one it counts up
 * fence.owner (--new-generation), and comes back after a conflict alone.
 *
 * These stay flags beside the table, since each can be so with several of the
 * others: fence.asked, which is set in CLAIMS, or in ENDS and ENDED where
 * looking is denied, and unset when adopting fails behind it; fence.blind, which
 * the last look at an old record's snapshot left; and what was met in the tail,
 * whose.alien and whose.other (of two objects), and whose.own.
 */
#ifndef LSPP_SHIP_SHIP_JOB_H
#define LSPP_SHIP_SHIP_JOB_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/base/buf.h"
#include "lib/replica/codec/codec.h"
#include "lib/replica/ltx/ltx_own.h"
#include "lib/replica/wal/object.h"
#include "lib/ship/ship.h"
#include "lib/state/state.h"
#include "lib/state/state_shrunk.h"
#include "lib/state/state_whose.h"
#include "lib/store/listed_page.h"
#include "lib/sys/spool.h"

struct store;
struct staged;
struct source;

enum ship_phase {
	SHIP_PREPARE, /* read, encode, stage */
	SHIP_ADOPT,   /* the replica is ahead of the state: catch up */
	SHIP_FENCE,   /* end what others may go on with, or stop */
	SHIP_OVER,    /* to be reported; or nothing was ever to be done */
};

/* What a round came to: so the worker says, then the store, then the state. */
enum ship_outcome {
	SHIP_DONE,
	SHIP_MORE,     /* ADOPT, FENCE: as far as one round goes */
	SHIP_WAITS,    /* PREPARE: another job of this process has the lock */
	SHIP_AHEAD,    /* PREPARE: the replica is to be adopted, at once */
	SHIP_UNSURE,   /* PREPARE: whose it is is to be looked at, at once */
	SHIP_CONFLICT, /* another object is there; e says so */
	SHIP_FAILED,   /* e says why */
};

/* See above. */
enum ship_start {
	SHIP_UNDECIDED,
	SHIP_GOES_ON,
	SHIP_ENDS,
	SHIP_ENDED,
	SHIP_CLAIMS,
};

/* Page sums to record, for one object, in the order of the objects. */
struct ship_step {
	struct spool log; /* of struct sum_entry */
	uint32_t pages;
	bool anew;
};

/* A segment, then a snapshot; in LTX the same snapshot once more in levels 1 to 8
 * (ship_row_close()). */
enum { SHIP_OBJECTS = 2 + 8 };
/* Behind an end, in the layout of Litestream 0.3: the owner's object that names
 * the generation that begins. */
enum { SHIP_NAMED = 2 };

struct ship_job {
	struct job job; /* the pool's: it is the first */
	struct ship *ship;
	char *path, *abs;          /* as it was given; and absolute */
	const struct codec *codec; /* of its replica; NULL: not known yet */
	struct ship_job *then;     /* the same path in the next root */
	bool failed;               /* in an earlier root */
	unsigned also; /* it came so often again while this one waited */

	/* Where it stands: see above. */
	enum ship_phase phase;
	enum ship_start start;
	enum ship_outcome outcome;
	struct err e;
	unsigned attempts, conflicts; /* rounds; and conflicts in all of them */

	struct {
		int64_t id;
		bool held; /* release it, and go on with who waits for it */
	} lock;

	/* What the state says of it.  Adopting moves rec on. */
	struct record rec;
	bool known;   /* there is a record; otherwise rec is key and path */
	bool changes; /* from the layout of 0.3, codec, to LTX: ship_change.c */
	bool turned;  /* to that: what the state says of it is of the other */
	bool moved;   /* but for its path: it was elsewhere */
	bool troubled; /* it failed when it was last tried */

	/* What the replica holds of others, and of lost states: ship_fence.c;
	 * blind: ship_pruned.c. */
	struct {
		bool asked;     /* it was looked at, or that is denied */
		bool blind;     /* may not look whether it is pruned */
		uint64_t owner; /* the number of the object that claims */
		uint64_t next;  /* in one row: where a line begins; 0: at 1 */
		uint32_t page_size; /* of what is before that; 0: not known */
		int64_t floor_ns;   /* what begins is captured later */
		struct buf follows; /* how far Litestream's went */
		char *ended_key;    /* the end that was put last */
	} fence;

	/*
	 * Who else ships it: ship_whose.c.  alien: objects were met that this
	 * state's writer wrote and the state knows nothing of.  other: those of
	 * another state on this machine.  own: where the record goes on there
	 * is no object.
	 */
	struct {
		struct whose noted; /* what the state says */
		char *foreign;      /* the object of others it failed for */
		bool alien, other, own;
	} whose;
	bool written; /* an object of it may be in the replica */

	/* What the worker found.  ship_job_forget() drops objects and sums. */
	bool dirty;         /* next is to be recorded */
	bool reread;        /* it is not: nothing new, and racy as before */
	int64_t read_ns;    /* what was committed by then is in it */
	int64_t clock_ns;   /* for the provenance: ship_clock.c */
	struct record next; /* key and path are rec's */
	struct ship_step *steps;
	size_t n_steps;
	struct staged *staged[SHIP_OBJECTS];
	char *keys[SHIP_OBJECTS];          /* NULL if there is none */
	struct spool *bytes[SHIP_OBJECTS]; /* of the worker, till staged */
	char own[LTX_OWN_SIZE]; /* in LTX: what goes with each; "": nothing */
	struct shrunk shrunk;
	bool put_shrunk; /* to be recorded */

	/* For the operator. */
	uint32_t healed; /* pages that an earlier run should have shipped */
	struct ship_report report;
	char notice[512];
};

/* Failures that are not in the state yet; see ship_trouble.c. */
struct troubles {
	struct buf list;
	size_t n;
	int64_t flushed_ns;
	bool some;    /* there was some in the state when the run began */
	bool unnoted; /* some of this run's could not be */
};

struct ship_worker {
	struct ship *ship;
	struct state *st;
	const struct codec_writer *writer; /* whose these are; NULL: none yet */
	struct writer *segment, *snapshot;
	struct object_dec *dec;
	struct ltx_read *ltx; /* NULL: there was none yet */
	struct spool segment_bytes, snapshot_bytes;
	struct sums sums;
	/* An image read while a writer in rollback mode was at work. */
	struct spool raw, raw_sums, patch;
	uint32_t raw_pages;
};

/* One for all roots of a run. */
struct ship_run {
	pthread_mutex_t lock;
	uint64_t token;
	bool noted;    /* the state has the token */
	unsigned open; /* paths of which an object may not be recorded */
	int64_t back_from_ns, back_to_ns; /* the clock went; 0: never */
};

struct ship {
	const struct ship_conf *conf;
	struct state *st; /* of the finishing thread */
	bool fresh;       /* the state was not there before */
	bool joined;      /* state and locks are another's */
	struct store *store;
	struct dblocks *locks;
	struct troubles *troubles;
	struct ship_run *run;
	int64_t
	    life_ns; /* when the fleet was last looked at before; 0: never */
	int64_t guard_note; /* what the state says of the store's conditions */
	int64_t root;
	uint8_t writer[16];
	atomic_bool unlisted;    /* listing is not allowed */
	pthread_mutex_t looking; /* for the pager: ship_begin.c */
	struct pager pager;
};

void ship_job_free(struct ship_job *j);
struct ship_step *ship_job_step(struct ship_job *j, uint32_t pages, bool anew);
void ship_job_forget(struct ship_job *j); /* what work() found */

/*
 * The table: from what a round came to, what comes next.  SHIP_AHEAD and
 * SHIP_UNSURE go on in the same round, SHIP_WAITS behind who has the lock.
 */
enum ship_phase ship_job_next(const struct ship_job *j);

/* Has this round failed, be it for good or for a conflict? */
bool ship_job_failed(const struct ship_job *j);

/* Begin a new generation, and tell the operator why: GOES_ON becomes ENDS; of
 * the others each is a beginning already. */
void ship_anew(struct ship_job *j, const char *why);

/* From now on w writes what that layout asks for. */
void ship_writes(struct ship_worker *w, const struct codec *codec);

/* The layout of j's replica, from its record if there is one; j->changes if another
 * one is asked for.  ERR_CONFIG: it cannot be that. */
int ship_choose_codec(struct ship_worker *w, struct ship_job *j, struct err *e);

/* Append the key of an object of j's database; of an owner's the line is NULL,
 * and at its number. */
void ship_key(const struct ship_job *j, struct buf *b, enum layout_kind kind,
    const char *line, uint64_t at);

/*
 * What the last bytes of an object say.  1: *pv filled; 0: it is not of lspp;
 * -1: ERR_MISSING, ERR_CORRUPT (also of a generation that lspp began, with
 * nothing of lspp's at its end) and others.
 */
int ship_peek(
    struct ship *s, const char *key, struct provenance *pv, struct err *e);

/* ERR_BUSY: somebody else, who wrote the object called key, ships it. */
int ship_foreign(struct ship_job *j, const char *key, struct err *e);

/* Likewise; nothing in it is of lspp. */
int ship_unmarked(struct ship_job *j, const char *key, struct err *e);

/*
 * The object called key, if it is there: 1, of this state, or to be gone on with
 * all the same, with *pv filled; 0: there is none; -1.  ERR_BUSY with
 * j->whose.other: to be begun anew without being asked.
 */
int ship_ask(struct ship_worker *w, struct ship_job *j, const char *key,
    struct provenance *pv, struct err *e);

/* A generation is to begin where this machine has begun one before, as the
 * newest owner's object says, and no record tells: of what it says so. */
void ship_unrecorded(
    struct ship_worker *w, struct ship_job *j, const struct provenance *owner);

/* Before the record is relied on: did somebody else go on with it?  0; 1: it
 * is to be adopted; -1. */
int ship_still_own(struct ship_worker *w, struct ship_job *j, struct err *e);

/* Before an object of j is written, and when j is over. */
int ship_note_run(struct ship_worker *w, struct ship_job *j, struct err *e);
/* Likewise, before that generation is ended: if it is the one of the record, and
 * what is to follow it does not come, the next run begins anew. */
int ship_note_ending(
    struct ship_worker *w, struct ship_job *j, const char *line, struct err *e);
void ship_note_end(struct ship_job *j);

/* Within the transaction of the record, or of the failure. */
int ship_put_whose(struct ship *s, struct ship_job *j, struct err *e);

/* What ship_read() found, to the store. */
int ship_stage(struct ship_worker *w, struct ship_job *j, struct err *e);

/* What was staged of n jobs; those that met a conflict go round again. */
void ship_publish(struct job **jobs, size_t n);

/* What was published of n jobs, and who stopped others: one transaction. */
void ship_record(struct ship *s, struct job **jobs, size_t n);

/* j has failed: to be noted, with some others.  Of the finishing thread. */
void ship_trouble(struct ship_job *j);
/* The run cannot go on, or again can (NULL). */
void ship_trouble_run(struct ship *s, const struct err *why);
void ship_trouble_flush(struct ship *s);
void ship_trouble_soon(struct ship *s); /* unless it was just done */

/* s has its store; and is to be closed. */
void ship_looks_begin(struct ship *s);
void ship_looks_end(struct ship *s);

/* May this job begin a generation without looking at the replica? */
int ship_must_look(struct ship_job *j, struct err *e);

/* What looks like a lost record's may be another database's.  -1: it is. */
int ship_check_place(struct ship_worker *w, struct ship_job *j, struct err *e);

/*
 * Can lspp-prune have taken what the replica had behind a record whose last
 * object was captured then?
 */
bool ship_may_be_pruned(int64_t captured_ns);

/* Before and behind an object that continues the record: is what it continues
 * there?  ERR_MISSING; ERR_DENIED, with j->fence.blind: it cannot be told. */
int ship_confirm(struct ship_job *j, bool behind, struct err *e);

/* The tail was followed to j->next: is that where the history ends?  -1:
 * ERR_CORRUPT, what came next was pruned; ERR_DENIED. */
int ship_is_end(struct ship_job *j, struct err *e);

/* Look who ships the database, and end what is to be taken over, or fail. */
int ship_fence(struct ship_worker *w, struct ship_job *j, struct err *e);

/* What ENDS puts before its snapshot: j->fence.owner becomes the next number, of
 * an object that is to be put if *named (looking may be denied).  0; 1: the newest
 * one closes the layout, and the outcome is UNSURE; -1. */
int ship_next_owner(struct ship_job *j, bool *named, struct err *e);
int ship_put_owner(struct ship_worker *w, struct ship_job *j, struct err *e);

/* Looking is not allowed: with a record it is as if there was no fence. */
int ship_blind(struct ship_job *j, struct err *e);

/* What says whose it is has an owner's object: does that close the layout? */
bool ship_is_closed(const struct provenance *owner);
/* An object without pages to the store, as keys[which]: what 'of' says of the
 * database, and data. */
int ship_note(struct ship_worker *w, struct ship_job *j, int which,
    const struct provenance *of, const char *line, const struct buf *data,
    struct err *e);
/* May the layout be changed, if j is to?  lost: the owner's object is. */
int ship_may_change(struct ship_job *j, bool lost, struct err *e);
/* All generations are ended: the owner's object that closes the layout. */
int ship_put_closed(struct ship_worker *w, struct ship_job *j,
    const struct provenance *last, uint64_t owner, struct err *e);
/* That is there: look at LTX, where it goes on. */
int ship_go_over(struct ship_worker *w, struct ship_job *j,
    const struct provenance *owner, uint64_t number, struct err *e);
/* From now on j is as one without a record, in LTX. */
void ship_turn(struct ship_worker *w, struct ship_job *j);
/* A line for the operator. */
void ship_say_change(struct ship_job *j);

/* Likewise in one row, where nothing is ended: ship_row.c. */
int ship_row_fence(struct ship_worker *w, struct ship_job *j, struct err *e);
/*
 * A line begins in one row, with pages of that size and a snapshot that is in
 * 'bytes'.  If what is before has pages of another size: where else that
 * snapshot goes, into j->keys, for compaction is not to merge the two.
 */
int ship_row_close(
    struct ship_job *j, uint32_t page_size, struct spool *bytes, struct err *e);
/* In place of ship_confirm(): is the file before the position still ours?
 * ERR_BUSY: Litestream ships the database, too. */
int ship_row_confirm(struct ship_job *j, bool behind, struct err *e);

/*
 * All pages were looked at, and those in log (of struct sum_entry) are not what
 * the record has; wal: the database is in WAL mode.  Sets healed, and says so.
 */
int ship_heal(struct ship_job *j, const struct source_state *st, bool wal,
    struct spool *log, struct err *e);

/* What page 1 says of the schema, if it was looked at. */
enum ship_schema { SHIP_SCHEMA_UNSEEN, SHIP_SCHEMA_SOME, SHIP_SCHEMA_EMPTY };

/* Is there much less than j->rec says?  Sets shrunk, and says so if it is news.
 */
int ship_shrunk(struct ship_worker *w, struct ship_job *j,
    const struct source_state *st, enum ship_schema schema, struct err *e);

/* Read and encode: fills next, steps and the worker's spools. */
int ship_read(struct ship_worker *w, struct ship_job *j, struct err *e);

/* The clock is behind j->rec, and was behind another one before: a generation
 * says of one such jump what is to be said. */
bool ship_went_back(struct ship_job *j, int64_t clock_ns);

/* What was read when the clock said that: sets captured_ns of j->next and
 * clock_ns, and tells and notes it if the clock went back. */
int ship_clock(
    struct ship_worker *w, struct ship_job *j, int64_t clock_ns, struct err *e);

/* An object of ours is adopted: what follows says what the clock said if that
 * does. */
int ship_clock_met(struct ship_worker *w, struct ship_job *j,
    const struct provenance *pv, struct err *e);

/* Follow the replica's tail from rec on: fills next and steps. */
int ship_adopt(struct ship_worker *w, struct ship_job *j, struct err *e);
/* Likewise in one row, a file at a time: ship_row_adopt.c. */
int ship_row_adopt(struct ship_worker *w, struct ship_job *j, struct err *e);
/* What both end with: there is nothing behind, so the source is read anew. */
void ship_adopted(struct ship_job *j);
/* What was at the position ends the line. */
void ship_ended(struct ship_job *j);

#endif
