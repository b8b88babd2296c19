/* SPDX-License-Identifier: Apache-2.0 */
/*
 * longest -- of many databases that wait, the few that have waited longest.
 *
 * Memory is for those few only: a heap, the one that has waited least on top.
 */
#ifndef LSPP_HOT_LONGEST_H
#define LSPP_HOT_LONGEST_H

#include <stddef.h>
#include <stdint.h>

struct longest_entry {
	char *path;
	const char *why; /* the caller's, borrowed */
	int64_t since_ns;
	size_t at; /* in the order of adding */
};

/* { .max = N } is ready; 0 keeps none. */
struct longest {
	size_t max;
	struct longest_entry *v;
	size_t n, added;
};

void longest_add(
    struct longest *l, const char *path, const char *why, int64_t since_ns);

/* Those that are left, in the order of adding; then l is empty again. */
void longest_each(struct longest *l,
    void (*each)(void *ctx, const char *path, const char *why), void *ctx);

#endif
