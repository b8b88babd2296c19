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
 */
#ifndef LSPP_ENGINE_STATE_H
#define LSPP_ENGINE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/spool.h"
#include "lib/engine/signature.h"
#include "lib/engine/source.h"
#include "lib/format/layout.h"
#include "lib/format/pagesum.h"

struct err;
struct state;

/* Where the next frame of the virtual WAL goes. */
struct vwal_pos {
	char generation[LAYOUT_GENERATION];
	uint32_t index;
	uint32_t offset; /* 0: the index has no WAL yet */
	uint32_t salt[2], sum[2];
};

struct record {
	int64_t id; /* 0: not in the state yet */
	int64_t root;
	char *key;  /* in the replica */
	char *path; /* on this machine, absolute */

	struct vwal_pos pos;
	uint32_t page_size, pages; /* what the replica restores to at pos */
	struct pagesum sum;

	struct source_pos source;
	struct signature sig;
	bool racy;

	/* since and of the last snapshot */
	uint32_t snapshot_index;
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
 * Damaged or of a newer version: ERR_CONFIG.
 */
struct state *state_open(const char *dir, bool write, struct err *e);
void state_close(struct state *st); /* takes NULL */

/* Who writes: an id of this state on this machine. */
void state_writer(const struct state *st, uint8_t id[16]);

/* The state's own file, to know it by. */
void state_file(const struct state *st, struct file_sig *f);

/* The number of a replica root: 1 found (or made, with create), 0 not, -1. */
int state_root(struct state *st, const char *url, bool create, int64_t *root,
    struct err *e);

/* A mark stays set; 1: it is, 0: it is not, -1. */
int state_mark(struct state *st, const char *mark, struct err *e);
int state_marked(struct state *st, const char *mark, struct err *e);

/* 1: *r filled (release it); 0: no such record; -1. */
int state_find(struct state *st, int64_t root, const char *key,
    struct record *r, struct err *e);

/*
 * Is the database at path, which has that signature now, shipped?  1: yes, to
 * the root, or with root 0 to every root that knows it; 0: no; -1.
 */
int state_shipped(struct state *st, int64_t root, const char *path,
    const struct signature *sig, struct err *e);

/* A transaction over many records: begin, put ..., commit, durable then. */
int state_begin(struct state *st, struct err *e);
int state_commit(struct state *st, struct err *e);
void state_rollback(struct state *st);

/* Within it, changes that belong together: kept, or with !ok undone. */
int state_step_begin(struct state *st, struct err *e);
int state_step_end(struct state *st, bool ok, struct err *e);

/* Within a transaction: insert (sets r->id) or update. */
int state_put(struct state *st, struct record *r, struct err *e);

/* A page sum as it is logged while pages are read, ascending by page. */
struct sum_entry {
	uint32_t pgno;
	struct pagesum sum;
};

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
	uint8_t buf[240 * PAGESUM_SIZE];
};
/* 1; 0: there is none for that page; -1. */
int sums_get(struct sums *s, uint32_t pgno, struct pagesum *out, struct err *e);

#endif
