/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune_impl -- what the two files of the planner share; nobody else includes
 * this.
 */
#ifndef LSPP_PRUNE_PRUNE_IMPL_H
#define LSPP_PRUNE_PRUNE_IMPL_H

#include "lib/prune/prune.h"

#define NO_SNAPSHOT SIZE_MAX

enum level {
	KEEP_NOTHING,
	KEEP_ALONE, /* its snapshot alone */
	KEEP_WHOLE,
};

struct run {
	size_t snapshot; /* of the generation's, or NO_SNAPSHOT */
	size_t first, n; /* of its segments */
	enum level keep;
	bool bare;  /* for the state that its snapshot is, too */
	bool exact; /* likewise, by what keeps it whole */
	bool alone; /* its snapshot stands alone: what else is left goes */
};

struct generation {
	const struct history_generation *h;
	struct run *v;
	size_t n;
	bool foreign, ignored;
};

/* The largest keys of many, and of those that are equal the largest values. */
struct top {
	struct top_entry {
		int64_t key, value;
		int64_t snapshot; /* the largest value of one; INT64_MIN */
	} * v;                    /* ascending */
	size_t n, max, room;
	bool distinct;
};

struct planner {
	const struct history *h;
	const struct prune_policy *p;
	struct generation *g;
	size_t n;
	int64_t as_of, newest;
	/* of a pass over the states */
	const struct generation *current;
	int64_t at, best;
	enum prune_period period;
	struct top top;
};

/* What is not kept, into plan, in the order in which it goes. */
void prune_order(const struct planner *pl, struct prune_plan *plan);

#endif
