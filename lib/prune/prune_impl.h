/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune_impl -- what the files of the planners share; nobody else includes
 * this.
 */
#ifndef LSPP_PRUNE_PRUNE_IMPL_H
#define LSPP_PRUNE_PRUNE_IMPL_H

#include "lib/prune/prune.h"

struct store_stage;

/* Where the objects of a database are, in byte order. */
enum prune_part {
	PRUNE_PART_FLAT, /* LTX, as LTX_LEVELS_FLAT */
	PRUNE_PART_WAL,  /* generations */
	PRUNE_PART_DIR,  /* LTX, as LTX_LEVELS_DIR */
	PRUNE_PARTS
};

/* What the keys of that part begin with, in place of what b held. */
void prune_part_prefix(struct buf *b, const char *db, enum prune_part part);

/*
 * The length of the database's name in a key, and which part of it that is; or
 * -1: it is of none.  What is no object of any, and lies in a generation, is of
 * that one's, unknown to it.
 */
ptrdiff_t prune_name_in(const char *key, enum prune_part *part);

/* An object of that part of db. */
void prune_db_take(
    struct prune_db *db, enum prune_part part, const struct store_entry *en);

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

/* A number that grows from period to period. */
int64_t prune_period_of(enum prune_period which, int64_t ns);

void prune_plan_add(struct prune_plan *plan, struct prune_item it);
/* What 'more' has, behind all of it; more is released. */
void prune_plan_join(struct prune_plan *plan, struct prune_plan *more);

/* Put that object, which is the same whoever puts it. */
int prune_put(struct prune_db *db, const struct store_stage *st, struct err *e);

/* What is not kept, into plan, in the order in which it goes. */
void prune_order(const struct planner *pl, struct prune_plan *plan);

#endif
