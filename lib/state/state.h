/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state -- what is known about each database of each replica root, kept in one
 * SQLite database, DIR/state.db.
 *
 * It is a cache with one duty: when it is lost or older than the replica, the
 * next ship notices, because objects are written conditionally.  So it may be
 * deleted, at the cost of a snapshot each.  It is written only after the
 * objects it speaks of are durable, and says what was seen before they were
 * read.
 *
 * A record and its page sums change in one transaction: they cannot disagree,
 * whatever moment a process is killed at and whichever copy of the state is
 * put back.
 *
 * A handle is for one thread at a time; several handles of one state may be
 * open, one of them writing.
 *
 * Room state: what is known about each database of each root, in one SQLite
 *     file; and the lock of a database.  fleet/ reads the same across all
 *     databases.
 * Used by: hot, ship, verify, stat, bin.
 * Never: looks at a database or at a replica.
 *
 * Why it is so:
 *
 * -- State --
 *
 * One SQLite database: a record for each database of each root, and the page
 * sums in rows of 240, so that a record and its sums change in one transaction
 * and cannot disagree, whichever copy of the state is put back.  (Files of
 * their own would need a protocol for exactly that, a sync each, and 100,000
 * inodes.)  Every full pass checks that the sums add up to the record's.
 * Locks are byte ranges of one file, a byte for each database.
 *
 * A bit that flips in it must not lead to an object that nobody can restore,
 * and SQLite does not see it.  So what of a record decides about the next
 * object has a checksum, and each row of sums; what does not hold counts as
 * lost, and begins anew.
 *
 * -- What did not come --
 *
 * The state also holds what looks on from outside need: the last failure of
 * each path (state_trouble), and when a pass over the fleet or a run that was
 * piped one last began.  Such a run is only believed where lspp-hot never
 * passed, and if any path came: otherwise an lspp-hot that fails each time
 * would leave signs of life.  Failures are noted some at a time, in
 * transactions of their own, since a note lost with a process costs nothing; a
 * success takes its own back in the transaction that records it.  What nobody
 * takes back that way, because the file vanished or another run was faster,
 * the next pass of lspp-hot does, which looks at everything anyway; but not a
 * pass that saw nothing.  Notes never fail anything.
 */
#ifndef LSPP_STATE_STATE_H
#define LSPP_STATE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/replica/codec/pos.h"
#include "lib/source/signature.h"
#include "lib/source/source.h"
#include "lib/sqlite/pagesum.h"
#include "lib/sys/spool.h"

struct rounds;
struct state;

/* Why an equal signature does not prove that a database is shipped. */
enum {
	RACY = 1,      /* it may have changed without a trace */
	CONTENDED = 2, /* somebody else may have taken its replica over */
};

struct record {
	int64_t id; /* 0: not in the state yet */
	int64_t root;
	char *key;  /* in the replica */
	char *path; /* on this machine, absolute */

	enum format format;
	struct pos pos; /* where the next object goes */
	struct chain chain;
	uint32_t page_size, pages; /* what the replica restores to at pos */
	struct pagesum sum;

	struct source_pos source;
	struct signature sig;
	unsigned racy; /* of the bits above; 0: the signature proves it */

	/* since and of the last snapshot */
	uint64_t snapshot; /* where it stands, in the same line */
	int64_t snapshot_ns;
	uint64_t snapshot_size; /* of the database, uncompressed */
	uint64_t wal_bytes;     /* shipped since, uncompressed */
	uint32_t segments;

	int64_t captured_ns; /* of the newest object */
};

/* Free key and path; the rest holds no memory. */
void record_release(struct record *r);

/*
 * Open DIR/state.db.  write: create directory (0700) and file as needed, and
 * fail unless it can be written.  Not there and not write: ERR_MISSING.
 * Damaged or of a newer version: ERR_CONFIG.  One of an earlier version becomes
 * one of this version, whoever opens it (state_migrate.c); ERR_CONFIG, too, if
 * that is not allowed.
 */
struct state *state_open(const char *dir, bool write, struct err *e);
/*
 * Opened to read, for a worker: it looks up single records.  So it keeps a few
 * pages in memory, where others keep up to 512 KB: of these there would be as
 * many as there are workers.
 */
struct state *state_open_worker(const char *dir, struct err *e);
void state_close(struct state *st); /* takes NULL */

/*
 * Make the tables that a state of an earlier program lacks.  -1: they cannot be
 * made here and now; then of what they hold nothing is found and nothing kept.
 */
int state_complete(struct state *st, struct err *e);

/*
 * Who writes: an id of this state on this machine.  The machine is known by
 * LSPP_MACHINE in the environment, else by /etc/machine-id.
 */
void state_writer(const struct state *st, uint8_t id[16]);

/* Are two writers on one machine?  False where a machine is not known. */
bool state_same_machine(const uint8_t a[16], const uint8_t b[16]);

/*
 * The number of a replica root: 1 found (or made, with create), 0 not, -1.  A
 * directory is known by the name that it had first, and by any other that leads
 * to it now.
 */
int state_root(struct state *st, const char *url, bool create, int64_t *root,
    struct err *e);

/* Every root; each returns 0, or else ends it. */
typedef int state_each_root(
    void *ctx, int64_t root, const char *url, struct err *e);
int state_roots(
    struct state *st, state_each_root *each, void *ctx, struct err *e);

/* Was this said of a root, by an lspp of before?  1, 0, -1. */
int state_marked(struct state *st, const char *mark, struct err *e);

/* A number by its name, and another in its place.  1; 0: there is none; -1. */
int state_number(
    struct state *st, const char *name, int64_t *value, struct err *e);
int state_set_number(
    struct state *st, const char *name, int64_t value, struct err *e);

/*
 * 1: *r filled (release it); 0: no such record; -1.  ERR_CONFIG with an r->id:
 * the record is damaged, and nothing of it is to be used but that number, under
 * which another one may be put in its place.
 */
int state_find(struct state *st, int64_t root, const char *key,
    struct record *r, struct err *e);

/* The state's knowledge of the database at a path. */
struct state_seen {
	bool known;            /* it has been shipped */
	bool changed;          /* since then, by its signature */
	bool racy;             /* or perhaps, without a trace */
	int64_t captured_ns;   /* when it was read for that; 0 if not known */
	struct rounds *rounds; /* set before: told of each record; may be NULL
				*/
};

/*
 * Is the database at path, which has that signature now, shipped to the root,
 * or with root 0 to every root that knows it?  Asked in ascending order of
 * paths, many answers cost little more than one.  The first look begins a read
 * transaction, state_look_end() ends it: all looks in between see the state as
 * it was then, and nothing may be written with this handle.
 */
int state_look(struct state *st, int64_t root, const char *path,
    const struct signature *sig, struct state_seen *seen, struct err *e);
void state_look_end(struct state *st);
/* 1: of every path that is known, of whatever root, there was a look, and in
 * order; 0: not, or who knows; -1. */
int state_looked_at_all(struct state *st, struct err *e);

/*
 * Databases with writes that are not shipped yet: since when, as far as it was
 * noticed.  A note is taken back when what is written by then has been read
 * and recorded: state_settled(), within the transaction of the record.
 */
int state_pending(struct state *st, int64_t root, const char *path,
    int64_t *since_ns, struct err *e); /* 1, 0, -1 */
int state_note(struct state *st, int64_t root, const char *path,
    int64_t since_ns, struct err *e);
int state_settled(struct state *st, int64_t root, const char *path,
    int64_t read_ns, struct err *e);
/* All of it was read then, but something may have been written since that does
 * not show: a note that is there is of then. */
int state_renote(struct state *st, int64_t root, const char *path,
    int64_t read_ns, struct err *e);

/* When the last pass over a root's databases began; 0: there was none.  seen:
 * how many it looked at. */
int state_pass(
    struct state *st, int64_t root, int64_t *began_ns, struct err *e);
int state_put_pass(struct state *st, int64_t root, int64_t began_ns,
    uint64_t seen, struct err *e);
/* When the last pass began, of that root or of all, or where there never was
 * one, the last run; 0: never. */
int state_life(
    struct state *st, int64_t root, int64_t *began_ns, struct err *e);
/* When the last run began that shipped what it was piped. */
int state_put_ran(
    struct state *st, int64_t root, int64_t began_ns, struct err *e);

/* Can notes be written? */
bool state_writable(const struct state *st);

/* The database at path is not there any more.  What was known of that? */
enum state_gone {
	STATE_UNKNOWN, /* no such database was ever shipped */
	STATE_THERE,   /* nothing; it is noted now */
	STATE_GONE,    /* it is noted already */
};
int state_note_gone(
    struct state *st, const char *path, int64_t at_ns, struct err *e);

/*
 * Of the database that is key in the root: *path (the caller frees it), and
 * since when it is noted to be gone, or 0.  1, 0: there is no record; -1.
 */
int state_gone(struct state *st, int64_t root, const char *key, char **path,
    int64_t *since_ns, struct err *e);
/* A name other than key that the root has for the database at path: 1, and
 * *other is the caller's to free; 0: none; -1. */
int state_other_name(struct state *st, int64_t root, const char *path,
    const char *key, char **other, struct err *e);
/* Note it; at_ns 0: it is there again. */
int state_put_gone(struct state *st, int64_t root, const char *key,
    int64_t at_ns, struct err *e);
/* Its replica is about to be deleted: the next ship, if there is one, begins
 * anew (state_verdict.h).  Durable: a transaction of its own. */
int state_put_going(
    struct state *st, int64_t root, const char *key, struct err *e);
/* Its replica is deleted: a transaction of its own. */
int state_forget(
    struct state *st, int64_t root, const char *key, struct err *e);

/* Every path of a root (0: of all) in order; each returns 0, or else ends it.
 */
typedef int state_each(void *ctx, const char *path, struct err *e);
int state_paths(
    struct state *st, int64_t root, state_each *each, void *ctx, struct err *e);

/*
 * Trouble: the last failure of a path, from the first one in a row until it is
 * shipped, or forgotten: lib/state/fleet/state_trouble.c.  Root 0: before it was
 * known to which root; path "": of the run, before any path.
 */
enum { STATE_TROUBLE_MSG = 240 }; /* bytes that are kept of a message */

struct trouble {
	int64_t root;
	int64_t wait_ns; /* it may have been waiting since then */
	int64_t at_ns;   /* it failed */
	enum err_class class;
	unsigned attempts;
};

/* Within a transaction. */
int state_trouble(struct state *st, const struct trouble *t, const char *path,
    const char *msg, struct err *e);
/* 1: there is some, also of root 0, or it is noted as gone; 0; -1. */
int state_troubled(
    struct state *st, int64_t root, const char *path, struct err *e);
int state_any_trouble(struct state *st, struct err *e); /* 1, 0, -1 */
/* The database is there and shipped. */
int state_untrouble(
    struct state *st, int64_t root, const char *path, struct err *e);
int state_note_back(struct state *st, const char *path, struct err *e);
/* What has not failed again since then: nobody tries it any more. */
int state_forget_trouble(struct state *st, int64_t before_ns, struct err *e);

/*
 * Every path of a root (0: of all) with a note or trouble from before that
 * time, behind 'after' in order; each as for state_paths().
 */
int state_noted(struct state *st, int64_t root, int64_t before_ns,
    const char *after, state_each *each, void *ctx, struct err *e);
/* Within a transaction: it waits for nothing and has no trouble since then. */
int state_unnote(struct state *st, int64_t root, int64_t before_ns,
    const char *path, struct err *e);

/* A transaction over many records: begin, put ..., commit, durable then. */
int state_begin(struct state *st, struct err *e);
int state_commit(struct state *st, struct err *e);
void state_rollback(struct state *st);

/* Within it, changes that belong together: kept, or with !ok undone. */
int state_step_begin(struct state *st, struct err *e);
int state_step_end(struct state *st, bool ok, struct err *e);

/* Within a transaction: insert (sets r->id) or update. */
int state_put(struct state *st, struct record *r, struct err *e);

/*
 * Within a transaction: take over the entries logged in 'log' (an array of
 * struct sum_entry), and cut off what lies behind 'pages'.  anew: forget what
 * was there.
 */
int state_put_sums(struct state *st, int64_t id, struct spool *log,
    uint32_t pages, bool anew, struct err *e);

/*
 * Read page sums, best in ascending order: a chunk at a time is kept.
 * { .st = st, .id = id } is ready to use.
 */
struct sums {
	struct state *st;
	int64_t id;
	uint32_t chunk, n; /* n sums of chunk - 1 are in buf; chunk 0: none */
	uint8_t buf[240 * PAGESUM_SIZE + 8];
};
/* 1; 0: there is none for that page, or it is damaged; -1. */
int sums_get(struct sums *s, uint32_t pgno, struct pagesum *out, struct err *e);

#endif
