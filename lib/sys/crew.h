/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crew -- how many threads may work at the same time, whoever started them.
 *
 * The workers of a pool come and go with their jobs: crew_enter() never waits.
 * While there are fewer jobs than workers, those that have one may take the
 * others' places for threads of their own: crew_take(), as long as there is a
 * place.  One that lasts gives its place back when crew_short() says that a
 * worker wants it.
 *
 * All takes NULL, which is a crew without a place for anybody else.
 */
#ifndef LSPP_SYS_CREW_H
#define LSPP_SYS_CREW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct crew {
	atomic_int idle; /* begins as the number of workers */
};

static inline void
crew_enter(struct crew *c)
{
	if (c != NULL)
		atomic_fetch_sub(&c->idle, 1);
}

/* Also what gives back a place that was taken. */
static inline void
crew_leave(struct crew *c)
{
	if (c != NULL)
		atomic_fetch_add(&c->idle, 1);
}

static inline bool
crew_take(struct crew *c)
{
	int idle = c != NULL ? atomic_load(&c->idle) : 0;

	while (idle > 0)
		if (atomic_compare_exchange_weak(&c->idle, &idle, idle - 1))
			return true;
	return false;
}

static inline bool
crew_short(struct crew *c)
{
	return c != NULL && atomic_load(&c->idle) < 0;
}

#endif
