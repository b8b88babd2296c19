/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shard -- the part of a fleet that a database is in, by its name alone.
 *
 * N parts hold each name once.  Which one does not depend on what other names
 * there are, nor on who lists them.  With N + 1 parts a name is in the part that
 * it was in, or in the new one: one in N + 1 moves.
 *
 * A jump hash (Lamping and Veach, 2014) of the XXH3 of the name: as few move as
 * can be, as with rendezvous hashing, and it takes the logarithm of N.  What it
 * cannot do is to take away another part than the last; parts that have no
 * names but numbers have no need of that.
 *
 * A name is a key below a replica root.  Slashes before it do not count, so that
 * of a path with the base "/" it is the same.
 */
#ifndef LSPP_TEXT_SHARD_H
#define LSPP_TEXT_SHARD_H

#include <stdbool.h>
#include <stdint.h>

struct err;

struct shard {
	uint32_t k, n; /* the part k of 1 to n; n is 0: all */
};

enum { SHARD_MAX = 65536 };

/* "3/7".  0, or -1 ERR_USAGE that names --shard. */
int shard_parse(const char *arg, struct shard *s, struct err *e);

/* Is what is called so in it? */
bool shard_has(const struct shard *s, const char *name);

/* The same of a path, absolute and normal: its name is what is below base, or
 * all of it, if it is not below that.  base NULL: "/". */
bool shard_has_path(const struct shard *s, const char *base, const char *path);

/* The part, from 1 on, of n that the name is in. */
uint32_t shard_of(const char *name, uint32_t n);

/* As published: from 0 on. */
uint32_t shard_jump(uint64_t key, uint32_t n);

#endif
