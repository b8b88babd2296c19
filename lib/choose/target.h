/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target -- which database of a replica an operand names, and where it goes.
 *
 *	operand		key			without -o	with -o DIR
 *	relative	itself			base/key	DIR/key
 *	absolute	its path below base	base/key	DIR/key
 *	URL		its part below -r	base/key	DIR/key
 *	URL pattern	each that matches	base/key	DIR/rest
 *
 * where rest is the key without the pattern's fixed part.
 *
 * A key is normal: no empty component, no ".", and never a "..": nothing that
 * is restored leaves the base or DIR.
 *
 * Names are anybody's, a tenant's file for one.  So a URL that is written for a
 * name (target_url(), as lspp-scan does) has a backslash before each byte that
 * means anything, and target_key() undoes just that; and a URL below the root
 * never says with which server to speak.
 */
#ifndef LSPP_CHOOSE_TARGET_H
#define LSPP_CHOOSE_TARGET_H

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

/* Kinds of operands. */
enum target_kind {
	TARGET_NAME,
	TARGET_EITHER, /* a name if there is one, else a pattern */
	TARGET_PATTERN,
};

/* The key that operand names, or the pattern for keys that it is, in place of
 * what key held: one of enum target_kind, or -1 with ERR_USAGE. */
int target_key(const struct target_conf *c, const char *operand,
    struct buf *key, struct err *e);

/* Append the URL that names just the database key of the root: an operand for
 * target_key(), whatever bytes they hold. */
void target_url(const char *root, const char *key, struct buf *url);

/* Is key one as target_key() makes them? */
bool target_key_is_normal(const char *key);

/*
 * The path of the file that key is restored to, in place of what path held.
 * With a directory to restore into the first 'skip' bytes of the key are left
 * out, but never its last component.
 * *trusted as in struct restore_target: links count as intruders below DIR,
 * and as the user's own at the original place.
 */
void target_path(const struct target_conf *c, const char *key, size_t skip,
    struct buf *path, size_t *trusted);

/*
 * Targets that were met, and whose: 24 bytes each, whatever their length
 * (XXH3).  { 0 } is empty.
 */
struct target_set {
	struct target_hash {
		uint64_t hi, lo; /* of the path; lo is 0: free */
		uint64_t key;
	} * slot;
	size_t n, size;
};

enum target_met { TARGET_NEW, TARGET_SAME_KEY, TARGET_OTHER_KEY };

/* Was path met already, and if so for the same key? */
enum target_met target_set_add(
    struct target_set *s, const char *path, const char *key);

/*
 * Was a path met already that cannot be beside this one, since to SQLite one is
 * the log or journal of the other (lib/sqlite/beside.h)?  It is appended to
 * other.
 */
bool target_set_beside(
    const struct target_set *s, const char *path, struct buf *other);
void target_set_release(struct target_set *s);

#endif
