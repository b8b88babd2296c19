/* SPDX-License-Identifier: Apache-2.0 */
/* draw_kit -- what random tests draw from; main() sets seed = tap_seed(). */
#ifndef LSPP_TESTS_UNIT_DRAW_KIT_H
#define LSPP_TESTS_UNIT_DRAW_KIT_H

static unsigned long long seed;

/* A number below n; of 0: 0. */
static inline unsigned
draw(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return n > 0 ? (unsigned)(seed >> 33) % n : 0;
}

#endif
