/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay -- a snapshot and WAL segments, as streams of bytes, onto the sums of
 * the pages that a restore would write.
 *
 * What restore/restore_apply does with a file, without one: 16 bytes stand for
 * a page, and what the database's checksum would be is known after each object.
 *
 *	replay_begin
 *	replay_snapshot ..., replay_snapshot_end
 *	for each log: replay_log, replay_wal ..., replay_log_end
 *		for each segment, first: growth_read(&growth, its size)
 * or, of what is neither: for each transaction
 *	replay_write ..., replay_commit
 *
 * Frames count from their commit on; those without one, at the end of a
 * log, have no effect.  Failures of the bytes are ERR_CORRUPT, all others are
 * about temporary files.
 */
#ifndef LSPP_REPLICA_REPLAY_H
#define LSPP_REPLICA_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/replica/sumtable.h"
#include "lib/replica/wal/walread.h"
#include "lib/sqlite/dbhdr.h"
#include "lib/sqlite/growth.h"
#include "lib/sys/spool.h"

struct err;

struct replay {
	uint32_t page_size;       /* 0: not known yet */
	uint64_t size;            /* of the snapshot */
	uint32_t pages;           /* of the database, by the last commit */
	struct growth growth;     /* of that: told the size of each segment */
	struct pagesum total;     /* of the database, then; if summing */
	uint8_t head[DBHDR_SIZE]; /* its first bytes, then */
	struct walread wal;       /* where it is in the snapshot or a log */
	/* private */
	bool summing;
	bool keep;        /* the sums by page, for what comes behind */
	uint32_t highest; /* page that has a sum */
	struct sumtable sums;
	uint32_t uncommitted; /* frames */
	struct spool pending; /* their sums: struct sum_entry */
	bool head_pending;    /* one of them is of page 1: */
	uint8_t next_head[DBHDR_SIZE];
	uint8_t *zeros;
};

/* dir (borrowed) is where temporary files go. */
void replay_init(struct replay *r, const char *dir);
void replay_release(struct replay *r);

/*
 * summing: total is wanted.  keep: segments follow the snapshot, or
 * replay_page() is going to be asked.
 */
int replay_begin(struct replay *r, bool summing, bool keep, struct err *e);

/* An object_sink, as replay_wal() is: replay is a struct replay. */
int replay_snapshot(void *replay, const uint8_t *p, size_t n, struct err *e);
int replay_snapshot_end(struct replay *r, struct err *e);

void replay_log(struct replay *r, uint64_t at);
int replay_wal(void *replay, const uint8_t *p, size_t n, struct err *e);
int replay_log_end(struct replay *r, struct err *e);

/* A page, which counts from the commit on.  page_size is set before the first.
 */
int replay_write(
    struct replay *r, uint32_t pgno, const uint8_t *page, struct err *e);
/* The database has so many pages now. */
int replay_commit(struct replay *r, uint32_t pages, struct err *e);

/* The sum of page pgno, from 1 to pages. */
int replay_page(
    struct replay *r, uint32_t pgno, struct pagesum *sum, struct err *e);

#endif
