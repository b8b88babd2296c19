/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dblock -- one shipper at a time for one database of one replica root.
 *
 * Within the process a table; between processes byte-range locks on the file
 * DIR/lock, a byte for each database, chosen by a hash of root and key: one
 * file and one descriptor for any number of databases.  The kernel drops the
 * locks of a process that is killed.
 */
#ifndef LSPP_STATE_DBLOCK_H
#define LSPP_STATE_DBLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct dblocks;
struct err;
struct job;

/* dir is the state directory.  Once a process: closing drops all locks. */
struct dblocks *dblocks_open(const char *dir, struct err *e);
void dblocks_close(struct dblocks *l); /* takes NULL */

/* The number that stands for a database; root is the state's for its root. */
int64_t dblock_id(int64_t root, const char *key);

/*
 * 1: taken.  0: another thread of this process has it.  -1 with ERR_BUSY:
 * another process has it, and still had it after wait_ms; release it all the
 * same, for the jobs that queued behind this one.
 */
int dblock_take(struct dblocks *l, int64_t id, unsigned wait_ms, struct err *e);

/*
 * Queue j behind whoever of this process holds id; false: nobody does any
 * more, try again.  The job's link is used until it is handed back.
 */
bool dblock_wait(struct dblocks *l, int64_t id, struct job *j);

/* The jobs in the queue for id, linked; for the thread that queues and releases
 * them. */
struct job *dblock_queue(struct dblocks *l, int64_t id);

/* Returns the jobs that waited for it, linked; they take the lock anew. */
struct job *dblock_release(struct dblocks *l, int64_t id);

#endif
