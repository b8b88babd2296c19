/* SPDX-License-Identifier: Apache-2.0 */
/*
 * came -- does some pass over the fleet bring a record?  All roots' rounds
 * together (rounds.h), for those who look on.
 */
#ifndef LSPP_STATE_FLEET_CAME_H
#define LSPP_STATE_FLEET_CAME_H

#include <stddef.h>
#include <stdint.h>

#include "lib/state/fleet/rounds.h"

struct came {
	struct came_of {
		int64_t root; /* of the passes: 0 is of all */
		struct round round;
	} * v;
	size_t n;
};

int came_load(struct came *c, struct state *st, struct err *e);
void came_release(struct came *c);

/*
 * Of the passes that should have brought the record of that root, as of the
 * last one: 1: one did; 0: none did; -1: there was none since it was made.
 */
int came_has(const struct came *c, int64_t root, int64_t id);

#endif
