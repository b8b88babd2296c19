/*
 * ship_job -- what the files of ship share; nobody else includes this.
 */
#ifndef LSPP_ENGINE_SHIP_JOB_H
#define LSPP_ENGINE_SHIP_JOB_H

#include "lib/base/spool.h"
#include "lib/engine/ship.h"
#include "lib/engine/state.h"
#include "lib/format/object.h"
#include "lib/format/vwal.h"

struct store;
struct staged;
struct source;

enum ship_phase {
	SHIP_PREPARE, /* read, encode, stage */
	SHIP_ADOPT,   /* the replica is ahead of the state: catch up */
};

/* Page sums to record, for one object, in the order of the objects. */
struct ship_step {
	struct spool log; /* of struct sum_entry */
	uint32_t pages;
	bool anew;
};

enum { SHIP_OBJECTS = 2 }; /* a segment, then a snapshot */

struct ship_job {
	struct job job;
	struct ship *ship;
	char *path, *abs;
	enum ship_phase phase;
	unsigned attempts;

	int64_t lock;
	bool locked, waiting; /* waiting: another job has the lock */

	bool known; /* rec is what the state says */
	struct record rec;
	bool anew; /* the objects begin a new generation */
	/*
	 * Beginning anew, the first object ends the old generation, by taking
	 * the position of the record; unless that is taken or gone already.
	 */
	bool ending, ended;
	bool more; /* the tail that is being adopted goes on */
	unsigned conflicts;

	/* What work() found. */
	bool dirty;         /* next is to be recorded */
	struct record next; /* key and path are rec's */
	struct ship_step *steps;
	size_t n_steps;
	struct staged *staged[SHIP_OBJECTS];
	char *keys[SHIP_OBJECTS]; /* "" if there is none */

	int rc;
	struct err e;
	struct ship_report report;
	char notice[512];
};

struct ship_worker {
	struct ship *ship;
	struct state *st;
	struct object_enc *segment, *snapshot;
	struct object_dec *dec;
	struct vwal vwal;
	struct spool segment_bytes, snapshot_bytes;
	struct sums sums;
	/* An image read while a writer in rollback mode was at work. */
	struct spool raw, raw_sums, patch;
	uint32_t raw_pages;
};

struct ship {
	const struct ship_conf *conf;
	struct state *st; /* of the finishing thread */
	struct store *store;
	struct dblocks *locks;
	int64_t root;
	uint8_t writer[16];
	struct file_sig state_file; /* never to be read as a source */
};

struct ship_step *ship_job_step(struct ship_job *j, uint32_t pages, bool anew);
void ship_job_forget(struct ship_job *j); /* what work() found */

/* Begin a new generation, and tell the operator why. */
void ship_anew(struct ship_job *j, const char *why);

/*
 * Move pos behind a segment of that many bytes.  Leaving an index that is long
 * enough is part of the position, not of the next step: see ship.h.
 */
void ship_advance(struct vwal_pos *pos, uint64_t bytes, uint64_t roll_at);

/* Read and encode: fills next, steps and the worker's spools. */
int ship_read(struct ship_worker *w, struct ship_job *j, struct err *e);

/* Follow the replica's tail from rec on: fills next and steps. */
int ship_adopt(struct ship_worker *w, struct ship_job *j, struct err *e);

#endif
