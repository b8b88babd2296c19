/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune_ltx_impl -- what the planners of LTX share; nobody else includes this.
 */
#ifndef LSPP_PRUNE_PRUNE_LTX_IMPL_H
#define LSPP_PRUNE_PRUNE_LTX_IMPL_H

#include "lib/prune/prune_ltx.h"

struct ltx_state {
	uint64_t txid;
	int64_t ns;
};

struct ltx_planner {
	const struct ltx_file *v;
	size_t n;
	const struct prune_policy *p;
	bool *keep;     /* of the files, by place */
	size_t *by_end; /* places, by where the files end */
	bool *leads;    /* its state can be restored */
	struct ltx_state *state;
	size_t states;
	int64_t as_of, from;
	uint64_t whole; /* from this state on all is kept; 0: there is none */
	uint64_t *promised; /* that, and the states of periods */
	size_t promises;
	uint64_t *cut; /* of these, those of periods that are over */
	size_t cuts;
};

/* What is kept of the files, which are sorted.  1; 0: all; -1 ERR_CORRUPT, as
 * prune_ltx_plan().  To be ended in each case. */
int ltx_planner_begin(struct ltx_planner *pl, struct ltx_file *v, size_t n,
    const struct prune_policy *p, struct err *e);
void ltx_planner_end(struct ltx_planner *pl);

/* A state is promised, too. */
void ltx_planner_promise(struct ltx_planner *pl, uint64_t txid);
/* What the plan has to have read: plan->prove. */
void ltx_planner_proofs(struct ltx_planner *pl, struct prune_plan *plan);

#endif
