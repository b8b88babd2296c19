/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx_plan -- which files of a replica in LTX lead to the state that is wanted.
 *
 * A state is named by the TXID of its last transaction.  One can be had if some
 * file ends with it, and a chain of files leads there: the first begins with
 * TXID 1, so it has all pages; each other begins at the latest with the TXID
 * behind the one before it, and ends later.  Files may overlap.  Of all that
 * could come next that which ends last is taken, so the chain is the shortest
 * one; of those that end alike the one that begins first, then the one of the
 * highest level, as Litestream does (CalcRestorePlan in replica.go).
 *
 * A file's time is that of its last transaction.  Only a snapshot of level 9
 * has the time at which it was made, which is not earlier.  So a state's time
 * is the earliest of those of the files that end with it.  Where all that ends
 * with it is of level 9, it is known to be no later than that.
 *
 * Pure.
 */
#ifndef LSPP_REPLICA_LTX_PLAN_H
#define LSPP_REPLICA_LTX_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/replica/ltx/ltx_names.h"

#define LTX_NEWEST UINT64_MAX

/* One that a listing has. */
struct ltx_file {
	struct ltx_name name; /* makes sense */
	uint64_t size;
	int64_t stored_ns;   /* its time in the store, for who prunes */
	int64_t put_ns;      /* it has been there since then, or before */
	int64_t captured_ns; /* by its header; only looked at for a time */
	bool bad;            /* not to be used */
};

struct ltx_wish {
	uint64_t txid; /* LTX_NEWEST: of the newest, or as at_ns says */
	int64_t at_ns; /* the newest until then; INT64_MAX: however new */
};

struct ltx_plan {
	size_t *v, n; /* indexes of the files, in order; the caller's to free */
	uint64_t txid;   /* where they lead; 0: there are none */
	uint64_t wanted; /* where they should; 0: there is no such state */
	/* Where they end before that: nothing brings these. */
	uint64_t gap_from, gap_until;
	/*
	 * With a time.  The next state of which there is anything, if it is
	 * not wanted + 1: those between were put together with it, and one of
	 * them may have been of that time.  0: nothing is between.
	 */
	uint64_t next;
	/* A state before the one that is wanted whose time is after the wanted
	 * one: a clock went back.  0: none is. */
	uint64_t back;
};

/* In the order of ltx_plan(): by where they begin, then by level, the highest
 * first. */
void ltx_sort(struct ltx_file *v, size_t n);

/* Sorts the files, so that the indexes are of the new order. */
void ltx_plan(
    struct ltx_plan *p, struct ltx_file *v, size_t n, const struct ltx_wish *w);

/*
 * From that state on as far as files of levels 0 to 8 lead, likewise the
 * shortest chain; wanted is where they could.
 */
void ltx_plan_from(
    struct ltx_plan *p, struct ltx_file *v, size_t n, uint64_t txid);

/* Releases its memory. */
void ltx_plan_release(struct ltx_plan *p);

/* The first and the last state of those that can be had; false: none can. */
bool ltx_reach(struct ltx_file *v, size_t n, uint64_t *first, uint64_t *last);

#endif
