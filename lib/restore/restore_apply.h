/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_apply -- the data of a snapshot and of WAL segments, as a stream of
 * bytes, onto a file.  Private to restore.
 *
 *	apply_begin
 *	apply_snapshot ..., apply_snapshot_end
 *	for each log: apply_log, apply_wal ..., apply_log_end
 *		for each segment, first: growth_read(&growth, its size)
 *	apply_end
 *
 * Frames are written as they come, before their commit is seen.  When a log
 * ends in frames without a commit, these must not have been written: its limit
 * is noted, and when all is read apply_again() says that it must be done once
 * more, now with the limits.  That costs no memory, and nobody writes such logs
 * on purpose.
 */
#ifndef LSPP_RESTORE_RESTORE_APPLY_H
#define LSPP_RESTORE_RESTORE_APPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/replica/wal/walread.h"
#include "lib/sqlite/dbhdr.h"
#include "lib/sqlite/growth.h"

struct err;

#define APPLY_RUN ((size_t)256 * 1024)

struct apply_limit {
	uint64_t log;
	uint32_t frames;
};

struct apply {
	int fd;
	uint32_t page_size;   /* 0: not known yet */
	uint64_t size;        /* of the file */
	uint64_t started;     /* so much of it is on its way to the disk */
	uint64_t room;        /* has been made up to there */
	uint32_t pages;       /* database size by the last commit; 0: none */
	struct growth growth; /* of that: told the size of each segment */
	uint8_t start[DBHDR_SIZE];
	uint64_t pos;       /* bytes of the snapshot so far */
	struct walread wal; /* where it is in this log */
	uint32_t committed; /* the last commit frame */
	uint32_t limit;     /* frames after it have no effect */
	/* pages that follow each other and are not written yet */
	uint8_t *run;
	uint64_t run_at;
	size_t run_len;
	struct apply_limit *limits;
	size_t n_limits;
	size_t n_limits_known; /* of the time before */
};

void apply_init(struct apply *a);
void apply_release(struct apply *a);

/* Start on the empty file fd; again: keep the limits that were found. */
void apply_begin(struct apply *a, int fd, bool again);

int apply_snapshot(void *apply, const uint8_t *p, size_t n, struct err *e);
int apply_snapshot_end(struct apply *a, struct err *e);

void apply_log(struct apply *a, uint64_t at);
int apply_wal(void *apply, const uint8_t *p, size_t n, struct err *e);
int apply_log_end(struct apply *a, struct err *e);

/* Were there frames without a commit that have been written? */
bool apply_again(const struct apply *a);

/*
 * Pages in place of all that: the file is empty, and of that page size; a page
 * goes where it belongs; what was put is in the file, which gets that many pages.
 */
int apply_pages(struct apply *a, uint32_t page_size, struct err *e);
int apply_page(
    struct apply *a, uint32_t pgno, const uint8_t *page, struct err *e);
int apply_pages_end(struct apply *a, uint32_t pages, struct err *e);

/* All is there: give back room that was not needed. */
int apply_end(struct apply *a, struct err *e);

#endif
