/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sumtable -- the sums of a database's pages, by page number, in any order.
 *
 * Memory is bounded, whatever the number of pages: a megabyte is kept, which
 * is the whole of it up to 65,536 pages, and the rest is in a file without a
 * name.  { 0, 0 } stands for a page that has no sum.
 *
 * One thread at a time.
 */
#ifndef LSPP_REPLICA_SUMTABLE_H
#define LSPP_REPLICA_SUMTABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/sqlite/pagesum.h"

struct err;

#define SUMTABLE_CHUNK 256 /* sums that go to the file and back together */
#define SUMTABLE_SLOTS 256 /* chunks in memory */

struct sumtable_slot {
	uint32_t chunk;
	bool used, dirty;
	struct pagesum sum[SUMTABLE_CHUNK];
};

struct sumtable {
	const char *dir; /* borrowed: where the file goes */
	int fd;          /* -1: there is none yet */
	struct sumtable_slot *slot[SUMTABLE_SLOTS];
};

void sumtable_init(struct sumtable *t, const char *dir);
/* Empty it; its memory is kept. */
int sumtable_reset(struct sumtable *t, struct err *e);
void sumtable_release(struct sumtable *t);

int sumtable_get(
    struct sumtable *t, uint32_t pgno, struct pagesum *sum, struct err *e);
int sumtable_put(
    struct sumtable *t, uint32_t pgno, struct pagesum sum, struct err *e);

#endif
