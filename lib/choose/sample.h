/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sample -- a part of a fleet: those that were verified longest ago, or never,
 * and at random where that is the same.
 *
 * What is added is kept in a temporary database of SQLite's, so that memory
 * follows what is drawn at most, not the fleet.  One thread at a time.
 */
#ifndef LSPP_CHOOSE_SAMPLE_H
#define LSPP_CHOOSE_SAMPLE_H

#include <stdint.h>

struct choice;
struct err;
struct sample;

/* One of the two is not 0. */
struct sample_size {
	uint64_t n;
	double percent; /* rounded up */
};

/* "20" or "2.5%".  0, or -1 ERR_USAGE that names --sample. */
int sample_parse(const char *arg, struct sample_size *size, struct err *e);

struct sample *sample_new(struct err *e);
void sample_free(struct sample *s); /* takes NULL */

/* Takes over what c holds, which did not fail; verified_ns is 0 for never. */
int sample_add(
    struct sample *s, struct choice *c, int64_t verified_ns, struct err *e);

/* How many of those that were added. */
int sample_count(struct sample *s, const struct sample_size *size, uint64_t *n,
    struct err *e);

/* That many to each(), which takes over what c holds; -1 from it ends it. */
int sample_draw(struct sample *s, uint64_t n,
    int (*each)(void *ctx, struct choice *c), void *ctx, struct err *e);

#endif
