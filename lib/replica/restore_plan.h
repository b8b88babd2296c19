/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_plan -- which objects of a replica lead to the state that is wanted.
 *
 * A plan is a snapshot and the segments behind it, in order.  Nothing is read
 * but a listing and, where times have to be known, the ends of objects.
 */
#ifndef LSPP_REPLICA_RESTORE_PLAN_H
#define LSPP_REPLICA_RESTORE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/replica/codec/pos.h"
#include "lib/sqlite/pagesum.h"

struct crew;
struct err;
struct restore_ltx;
struct store;

struct codec;
struct listed;

struct plan_segment {
	uint64_t at;
	int64_t ns;     /* when it was stored */
	uint64_t bytes; /* compressed */
};

struct restore_plan {
	const struct codec *codec;
	/* restore_ltx.h: the plan, if it is one of LTX files: then generation
	   is "ltx", and segments are its files but the first.  Or NULL. */
	struct restore_ltx *ltx;
	char generation[17];
	uint64_t snapshot;            /* where it stands */
	int64_t snapshot_ns;          /* when it was stored */
	struct plan_segment *segment; /* in order */
	size_t segments;
	uint64_t bytes;          /* compressed, of all objects */
	uint64_t snapshot_bytes; /* of these */
	int64_t until_ns; /* capture time of the last object, or its mtime */
	bool unsure;      /* it is damaged: that of what is before it */
	/* A newer generation that has no snapshot and so cannot be restored
	   from; "" if there is none. */
	char passed_over[17];
	bool plain;    /* Litestream's: that is when it was stored */
	bool unlisted; /* made without a listing; then sizes are bounds */
	bool absent;  /* restore_plan() failed: there is nothing at all of it */
	bool younger; /* likewise: it did not exist at the wanted time */
	bool older;   /* likewise: all of it is older than newer_ns */
	/* What it leads to is, or may be, older than what was asked for and
	   once was in the replica; why is for people. */
	bool earlier;
	char why[512];
};

/* What to do when what is wanted is damaged. */
enum restore_good {
	RESTORE_EXACT,     /* fail */
	RESTORE_LAST_GOOD, /* go back to before the damage */
	RESTORE_BISECT,    /* to the newest state SQLite finds no fault with */
};

/* Where there is something to go back to. */
#define RESTORE_HINT_BEFORE \
	"the state before it, of %s, is restored with --to-last-good"

/* In which layout a database is; of both only if it is told which. */
enum restore_format { RESTORE_ANY, RESTORE_WAL, RESTORE_LTX };

/* One state, by its place: what the record of lspp-ship had of it. */
struct restore_at {
	enum format format;
	struct pos pos;    /* where the next object was to go */
	uint64_t snapshot; /* where that before it stands, in the same line */
	uint32_t segments; /* between the two */
	uint32_t page_size, pages;
	struct pagesum sum;
	int64_t captured_ns;
	bool look; /* not all is under its own name: LTX may be listed */
};

/* Of all states; RESTORE_WANT is the newest. */
struct restore_want {
	int64_t at_ns;          /* the newest captured until then */
	const char *generation; /* NULL: the one that gets closest */
	uint64_t before;        /* only what stands before it; UINT64_MAX */
	enum restore_format format;
	uint64_t txid; /* LTX: exactly that state; 0 */
	enum restore_good good;
	bool dated; /* until_ns is to be compared with that of another plan */
	int64_t newer_ns;  /* ERR_MISSING if it is older; 0: however old */
	int64_t now_ns;    /* 0: by the clock */
	struct crew *crew; /* for threads that help, or NULL */
	const struct restore_at
	    *exact; /* that alone; the rest does not count */
	/* All that is below "db/", listed just now; NULL: it is to be. */
	const struct listed *listed;
	/* Private: only snapshots that stand before it. */
	uint64_t below;
};
#define RESTORE_WANT                                                          \
	{                                                                     \
		.at_ns = INT64_MAX, .before = UINT64_MAX, .below = UINT64_MAX \
	}

/*
 * Choose what to restore db from, as w wants it: one listing, with several
 * generations the end of each one's last object, and with a time as many more
 * as a binary search needs.  Of the generations the one is taken that gets
 * closest to the wanted time from below; the objects say when they were
 * captured, or else the store when it got them (history.h: also of what is
 * damaged).
 *
 * ERR_MISSING when the replica has no such database, or nothing as old as
 * wanted; ERR_CORRUPT names what is missing when a chain has a hole, unless w
 * wants what is before it.
 */
int restore_plan(struct store *s, const char *db, const struct restore_want *w,
    struct restore_plan *p, struct err *e);
void restore_plan_release(struct restore_plan *p);

/* For restore_plan(): from generations.  *listed: there are some. */
int restore_generations(const struct listed *from, const char *db,
    const struct restore_want *w, struct restore_plan *p, bool *listed,
    struct err *e);

/*
 * For restore_plan(): what w->exact is, without a listing (restore_at.c).
 * ERR_MISSING: what leads to it is not all there any more; ERR_CORRUPT: what is
 * there leads to another state.
 */
int restore_plan_at(struct store *s, const char *db,
    const struct restore_want *w, struct restore_plan *p, struct err *e);

#define RESTORE_HINT_YOUNGER \
	"it did not exist then: --if-existed passes over such"

/* For restore_plan(): nothing in h is as w wants it.  -1, and why. */
struct history;
struct jumps;
int restore_outside(
    struct history *h, const struct restore_want *w, struct err *e);
bool restore_is_younger(
    struct history *h, const struct jumps *j, int64_t at_ns);
/* What p leads to is older than w wants it: -1, and p->older. */
int restore_too_old(
    struct restore_plan *p, const struct restore_want *w, struct err *e);

/* Leave out all but the first n segments. */
void restore_plan_cut(struct restore_plan *p, size_t n);

#endif
