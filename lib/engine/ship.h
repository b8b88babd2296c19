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
 *    record cannot pass by it (FORMAT rules 1, 2, 4, 6, 9);
 *  - a new generation of a database that had one first ends the old one, with
 *    an empty segment at the record's position (rule 8): so this holds for a
 *    record of an old generation, too;
 *  - an object at that position with other bytes means that the record is old
 *    (then the tail is adopted, if this writer wrote it) or that somebody else
 *    ships the database (then this path stops with ERR_BUSY);
 *  - offsets grow from segment to segment without a hole (rule 5), and an index
 *    is left for the next when its offset passes roll_at.
 */
#ifndef LSPP_ENGINE_SHIP_H
#define LSPP_ENGINE_SHIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/pool.h"

struct buf;
struct ship;
struct ship_worker;
struct store_conf;

struct ship_conf {
	const char *url;                /* of the replica root */
	const struct store_conf *store; /* NULL: the defaults */
	const char *state_dir;
	const char *base; /* absolute; keys are paths below it */
	int64_t snapshot_interval_ns;
	uint64_t roll_at;      /* bytes of WAL in one index */
	unsigned max_hold_ms;  /* of a lock that keeps writers waiting */
	unsigned lock_wait_ms; /* for another run that ships the same */
	bool new_generation;   /* begin anew, whatever the state says */
	bool dry_run;          /* read and encode, write nothing */
};

enum ship_what { SHIP_UNCHANGED, SHIP_SEGMENT, SHIP_SNAPSHOT, SHIP_BOTH };

/* What became of a database; valid during the call of report(). */
struct ship_report {
	const char *path; /* as it was given */
	int rc;
	struct err *e; /* if rc is -1 */
	unsigned attempts;
	enum ship_what what;
	const char *key, *snapshot_key; /* of the objects */
	const char *ending_key;         /* of one that ends an old generation */
	uint32_t pages;                 /* in the segment, or the snapshot */
	uint64_t bytes;                 /* of the objects, as stored */
	const char *hint, *read;        /* "" if it was not read */
	const char *reason;             /* of the snapshot */
	const char *notice; /* worth a warning although all is well, or NULL */
};

typedef void ship_report_fn(void *ctx, const struct ship_report *r);

/* conf must outlive it.  Opens state and store. */
struct ship *ship_open(const struct ship_conf *conf, struct err *e);
void ship_close(struct ship *s); /* takes NULL */

/* The requests that were made; false: none are counted. */
bool ship_requests(struct ship *s, struct buf *out);

/* What one thread needs. */
struct ship_worker *ship_worker_new(struct ship *s, struct err *e);
void ship_worker_free(struct ship_worker *w); /* takes NULL */

struct job *ship_job_new(struct ship *s, const char *path);

/* For pool_ops; finish() calls report once for each path that is over. */
void ship_work(struct job *j, void *worker);
void ship_finish(struct ship *s, struct pool *p, struct job **jobs, size_t n,
    ship_report_fn *report, void *ctx);

#endif
