/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_part -- a large object on its way into a directory, so that a run
 * that is killed need not begin it again.  Private to restore.
 *
 * The bytes as they are in the replica, as many as there are yet, in a file
 * ".lspp-<16 hex digits>.part" whose name is a hash of the replica and the key:
 * objects never change, so nothing else needs to be known.  What was lost or
 * mixed up is found by the checks of what is made of it; who finds that removes
 * the file.  It is locked while somebody works on it.
 */
#ifndef LSPP_RESTORE_RESTORE_PART_H
#define LSPP_RESTORE_RESTORE_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/store/store.h"

/* From so many bytes on it is worth it. */
#define PART_MIN ((uint64_t)64 << 20)

#define PART_NAME 32

struct part {
	int fd; /* -1: none */
	char name[PART_NAME];
	uint64_t have;  /* bytes */
	bool continued; /* it held some when it was opened */
};

/*
 * Open the part of the object key in dir, or make it: a file of ours that
 * nobody else may open.  What else is there under that name is removed.  false:
 * somebody else works on it, or it cannot be made, and so has to be done
 * without.
 */
bool part_open(struct part *p, int dir, const char *url, const char *key);

/* Get what is missing, then hand all to sink. */
int part_get(struct part *p, struct store *s, const char *key, store_sink *sink,
    void *ctx, struct err *e);

void part_close(struct part *p); /* the file stays */

/* Is name that of a part? */
bool part_is_name(const char *name);

#endif
