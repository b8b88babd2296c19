/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_plan_impl -- what the files of the plan share; nobody else includes
 * this.
 */
#ifndef LSPP_REPLICA_RESTORE_PLAN_IMPL_H
#define LSPP_REPLICA_RESTORE_PLAN_IMPL_H

#include "lib/replica/history.h"
#include "lib/replica/jump.h"
#include "lib/replica/restore_plan.h"

/* What one generation offers of what is wanted. */
struct pick {
	struct history_generation *g; /* NULL: nothing */
	size_t snapshot;              /* of g's */
	size_t first, n;              /* of g's segments */
	int64_t until_ns, captured_ns, snapshot_ns;
	uint64_t end;     /* of the last segment, if it says it */
	bool unsure;      /* the last object does not say its time */
	bool undated;     /* nor does any before it */
	bool alone;       /* what came behind the snapshot was pruned */
	int64_t ended_ns; /* history.h */
	int64_t next_ns;  /* of g's next object, if it is after the wanted time;
			     also of one of which there is nothing else */
};

struct planner {
	struct history h;
	const struct restore_want *w;
	bool dated; /* exact times are needed */
	/* Its first snapshot is damaged: as old as wanted, or not? */
	const struct history_generation *unsure;
	/* One that was passed over although nobody knows of when it is. */
	struct pick undated;
	struct jumps jumps; /* with a wanted time */
	int64_t next_ns;    /* of what was looked at last, as in a pick */
};

/* Is anything of g missing between it and what was wanted?  Then p->earlier. */
void plan_near(
    const struct planner *pl, const struct pick *k, struct restore_plan *p);

#endif
