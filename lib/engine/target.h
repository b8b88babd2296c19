/*
 * target -- which database of a replica an operand names, and where it goes.
 *
 *	operand		key			without -o	with -o DIR
 *	relative	itself			base/key	DIR/key
 *	absolute	its path below base	base/key	DIR/key
 *	URL		its part below -r	base/key	DIR/key
 *
 * A key is normal: no empty component, no ".", and never a "..": nothing that
 * is restored leaves the base or DIR.
 */
#ifndef LSPP_ENGINE_TARGET_H
#define LSPP_ENGINE_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct err;

struct target_conf {
	const char *url;  /* of the replica root: store->root */
	const char *base; /* absolute and normal */
	const char *into; /* a directory, or NULL: the original place */
};

/* The key that operand names, in place of what key held.  ERR_USAGE. */
int target_key(const struct target_conf *c, const char *operand,
    struct buf *key, struct err *e);

/*
 * The path of the file that key is restored to, in place of what path held.
 * *trusted as in struct restore_target: links count as intruders below DIR,
 * and as the user's own at the original place.
 */
void target_path(const struct target_conf *c, const char *key, struct buf *path,
    size_t *trusted);

/*
 * Keys that were met: 16 bytes each, whatever their length (XXH3-128).  { 0 }
 * is empty.  Different keys have different targets, and equal ones the same.
 */
struct target_set {
	struct target_hash {
		uint64_t hi, lo;
	} * slot; /* lo is 0: free */
	size_t n, size;
};

/* False if it was there already. */
bool target_set_add(struct target_set *s, const char *key);
void target_set_release(struct target_set *s);

#endif
