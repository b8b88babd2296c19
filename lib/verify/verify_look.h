/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_look -- what the files of verify share; nobody else includes this.
 */
#ifndef LSPP_VERIFY_VERIFY_LOOK_H
#define LSPP_VERIFY_VERIFY_LOOK_H

#include "lib/base/err.h"
#include "lib/replica/history.h"
#include "lib/replica/replay.h"
#include "lib/replica/wal/object.h"
#include "lib/source/unmoved.h"
#include "lib/state/state.h"
#include "lib/store/listed.h"
#include "lib/verify/verify.h"

struct restorer;

struct verifier {
	const char *dir;
	struct object_dec *dec;
	struct replay replay;
	struct restorer *restorer; /* made when it is needed */
	struct spool
	    differ; /* numbers of pages that the source has otherwise */
	struct buf key;
};

/* The live database, as it was read. */
struct live {
	bool read, by_sqlite;
	struct err why_not; /* by SQLite */
	struct signature before, after;
	uint32_t page_size, pages;
	struct pagesum sum;
	uint8_t head[DBHDR_SIZE], newest_head[DBHDR_SIZE]; /* the replica's */
	uint32_t other;          /* pages that the newest state has otherwise */
	uint32_t kept, reverted; /* see verify_judge.h */
	struct sums sums;
	/* Of them those that cannot have changed since the record. */
	struct unmoved unmoved;
};

/* One look at one replica. */
struct look {
	struct verifier *v;
	const struct verify_job *j;
	const struct verify_want *want;
	struct verified *out;
	/* What is below the database: the job's, or the look's own. */
	const struct listed *from;
	struct listed listed;
	struct history h;
	struct record rec;
	bool known;       /* rec is filled */
	struct err fault; /* the first, or one of the newest state */

	/* The generation at hand. */
	struct history_generation *g;
	enum { LOOK_UNKNOWN, LOOK_OURS, LOOK_PLAIN } kind;
	struct layout_name first; /* the object that told */
	bool plain;               /* one of them was */
	/* The snapshot that was looked at last, if it is sound. */
	struct provenance snapshot;
	bool has_snapshot;
	/* The object at hand. */
	const struct history_object *o;
	struct provenance pv;
	bool has;        /* it has one */
	uint64_t length; /* of its data, 0 if that is not known */

	/* A newer one without a snapshot, or NULL. */
	struct history_generation *beyond;
	/* The last object of the newest state. */
	struct history_generation *newest;
	struct provenance last;
	bool has_last;
	char *last_key;

	/* The states that objects bring; once the source was read, those that
	 * are what it is. */
	struct look_state {
		struct pagesum sum;
		uint32_t pages;
		int64_t captured_ns;
	} * states;
	size_t n_states, room_states;
	bool beyond_record; /* the newest is younger than the record */
	struct live live;
};

/*
 * Is it in LTX?  1: yes, and all of it was looked at; 0: no; -1: likewise as
 * all of these.
 */
int look_ltx(struct look *l, struct err *e);

/*
 * All of a generation but its newest snapshot and what follows it, or that
 * alone (which sets last).  A fault is noted with look_fault(); -1: it cannot
 * be told.
 */
int look_newest(struct look *l, struct history_generation *g, struct err *e);
int look_older(struct look *l, struct history_generation *g, struct err *e);

/* The owner's objects. */
int look_owners(struct look *l, struct err *e);

/* Read the end of g's last object: 1 with *pv filled, 0 it has none, -1. */
int look_last(struct look *l, struct history_generation *g,
    struct provenance *pv, struct err *e);

/* Take e for a fault of the replica, if it is one; -1: it is something else. */
int look_fault(struct look *l, bool newest, struct err *e);

/* Does the record agree with the replica? */
int look_state(struct look *l, struct err *e);
/* Is what is newer than the record another machine's?  -1 ERR_BUSY. */
int look_foreign(struct look *l, struct err *e);
bool look_is_foreign(const struct look *l);

/* After look_newest(): read the live database and compare. */
int look_source(struct look *l, struct err *e);
/* Of each object: the state that it brings may be what the source is. */
void look_note_state(struct look *l);
/* After all: what does it mean that it is another one? */
int look_judge(struct look *l, struct err *e);
/* Restore the newest state to a file without a name, and ask SQLite. */
int look_sql(struct look *l, struct err *e);

#endif
