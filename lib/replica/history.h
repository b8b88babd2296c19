/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history -- everything that a replica holds of one database.
 *
 * One listing of what is below "<db>/generations/" comes in byte order:
 * generation by generation, in each the snapshots before the WAL segments and
 * both ascending.
 *
 * An object's time is when what it brings was captured, as its provenance says;
 * in a generation of Litestream's, which has none, when it was stored.  One of
 * ours that is damaged does not say; a store's time may be that of a copy. Then
 * what is before it in the generation is of an earlier time, or the same, and
 * that is taken: so it is not passed over for being too new, and what is wrong
 * with it is found out when it is restored.
 *
 * Room replica: what a replica holds of a database: generations, their order,
 *     runs and moments, the plan that leads to a state, and what a restore
 *     would make, without a file.
 * Used by: restore, mirror, prune, ship, verify, bin.
 * Never: writes or removes an object; asks the state.
 *
 * Why it is so:
 *
 * -- Which generation is the newest --
 *
 * The empty segment that ends a generation carries the moment at which the
 * next generation begins: one nanosecond before the capture of its snapshot,
 * or the moment of a takeover.  So a restore of a later time that still
 * arrives at this generation knows that what it was asked for is gone.  So
 * does a restore of the newest state, without a link from one generation to
 * the next.  The state is that of the object before the end.  Only the
 * provenance of the end has that time; its file, by which Litestream chooses,
 * has not.
 *
 * -- Restoring one database --
 *
 * An object that does not say when it was captured is not dated by the store:
 * in a copy of a replica every time of the store is new.  A damaged object of
 * lspp has the time of the object before it.  So it stays in the plan, and the
 * restore meets it.  Otherwise one bad byte would cut off what is behind it,
 * or make an old generation the newest.
 */
#ifndef LSPP_REPLICA_HISTORY_H
#define LSPP_REPLICA_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/replica/codec/codec.h"

struct buf;
struct err;
struct store;
struct store_entry;

/*
 * Beyond these a replica was not written by anybody who wants it restored:
 * ERR_CORRUPT, before memory is out.  Of one generation there may be as many
 * others as there like.
 */
#define HISTORY_GENERATIONS 4096
#define HISTORY_OBJECTS     ((size_t)1 << 22)

/* Bytes that an object without data stays below. */
#define HISTORY_EMPTY 160

struct history_object {
	int64_t mtime_ns;
	uint64_t size;
	uint64_t at; /* as in layout_name */
};

struct history_list {
	struct history_object *v;
	size_t n, cap;
};

/* A snapshot that stands alone: lspp-prune has taken what came behind it, up to
 * the next one, or is about to. */
struct history_alone {
	char id[POS_LINE];
	uint64_t size, at;
};

struct history_generation {
	char id[POS_LINE];
	struct history_list snapshots, segments;
	/* Whose it is, by its id, or once an object was looked at: all are of
	 * one kind. */
	bool ours, plain;
	/* follow.h: when lspp captured the first state known to be newer than
	 * all of it; 0: nobody says. */
	int64_t followed_ns;
};

enum history_known {
	HISTORY_AT,    /* that is its time */
	HISTORY_AFTER, /* that of what is before it: not earlier */
	HISTORY_UNTIL, /* that of what is behind it, or when it was stored,
			  whichever is less: not later */
};

struct history_time {
	int64_t ns;
	enum history_known known;
	uint64_t end; /* of a segment: where the next of its log begins;
			 UINT64_MAX: it does not say */
	/* It is empty, and ends the history of its generation: then ns is the
	 * time of the last state, and at this one another generation began.
	 * Else INT64_MAX. */
	int64_t ended_ns;
	int64_t clock_ns; /* what the clock said, which was behind; see jump.h.
			     0: the same, or not told */
};

struct history {
	struct store *s; /* borrowed, like db */
	const char *db;
	const struct codec *codec;
	struct history_generation *v; /* by id; none is empty */
	size_t n, cap, objects;
	struct history_list owners;
	struct {
		struct history_alone *v; /* of all generations */
		size_t n, cap;
	} alone;
	int64_t began_ns;    /* follow.h: the first of them; 0: none says */
	int64_t closed_ns;   /* likewise: the last closed it then; 0: no */
	size_t unknown;      /* objects that no reader looks at */
	char *first_unknown; /* the key of the first of them, or NULL */
	size_t prefix;       /* private */
	bool all;
};

/*
 * all: false leaves out, in each generation, what is older than its newest
 * snapshot.  generation: that one alone; NULL: all.  A database that is not
 * there has no generations.
 */
int history_read(struct history *h, struct store *s, const char *db,
    const char *generation, bool all, struct err *e);
void history_release(struct history *h);

/* The same, from what may be listed already. */
struct listed;
int history_read_listed(struct history *h, const struct listed *from,
    const char *db, const char *generation, bool all, struct err *e);

/*
 * The same from a listing that the caller has: begin, then take each entry, in
 * byte order of keys.  1: taken, or of no use; 0: the layout has no such
 * object; -1.
 */
void history_begin(
    struct history *h, struct store *s, const char *db, bool all);
int history_take(
    struct history *h, const struct store_entry *en, struct err *e);

/* The key of an object of g, in place of what is in b. */
void history_key(const struct history *h, const struct history_generation *g,
    enum layout_kind kind, const struct history_object *o, struct buf *b);

/*
 * The time of an object in one of g's lists: one small read, unless g is
 * Litestream's or there is damage.  ERR_MISSING: it is gone meanwhile.
 */
int history_time(const struct history *h, struct history_generation *g,
    enum layout_kind kind, const struct history_object *o,
    struct history_time *t, struct err *e);

/* Does g's snapshot at that place stand alone?  Then the segments up to the next
 * one, if there are any left, lead nowhere. */
bool history_is_alone(
    const struct history *h, const struct history_generation *g, uint64_t at);

/* From now on it does.  Returns where it is in the list. */
size_t history_add_alone(
    struct history *h, const char *id, uint64_t at, uint64_t size);

/* How many of l stand before that place. */
size_t history_below(const struct history_list *l, uint64_t at);

/* The object in which g, which has one, ends. */
struct history_object *history_last(
    const struct history_generation *g, enum layout_kind *kind);

/* Of g's segments those behind a snapshot, up to the next one. */
struct history_run {
	size_t first, n;
};
struct history_run history_run(
    const struct history_generation *g, size_t snapshot);

/* How many segments of g stand before its first snapshot. */
size_t history_headless(const struct history_generation *g);

/* The time of the last object of g, and of the first from which something can
 * be restored (INT64_MAX: there is none). */
int history_window(const struct history *h, struct history_generation *g,
    int64_t *from_ns, int64_t *until_ns, struct err *e);

/*
 * How many of the n segments at v, which a snapshot at that place needs, come
 * before the first log that is missing or has no beginning, at *gone; n: that
 * is not so.  What is missing between is known only from the lengths.
 */
size_t history_whole(const struct history *h, const struct history_object *v,
    size_t n, uint64_t at, uint64_t *gone);

#endif
