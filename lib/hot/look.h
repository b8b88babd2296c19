/* SPDX-License-Identifier: Apache-2.0 */
/*
 * look -- is the file of a database that was shipped still a database?
 *
 * Two stat calls (signature.h) tell that it is there and whether it changed.
 * That it can be read and begins like a database takes a look into it, as
 * lspp-scan has: what fails there does not come any more.
 */
#ifndef LSPP_HOT_LOOK_H
#define LSPP_HOT_LOOK_H

#include <stdbool.h>

struct err;
struct signature;

enum look {
	LOOK_WELL,
	LOOK_GONE, /* no such file: e says so */
	LOOK_LOST, /* there, or not to be reached, and none: e says why */
};

/* Is there no such file, rather than none to be reached? */
bool look_is_gone(const char *path);

/* The content alone, of a file with that signature.  0, or -1: it is lost. */
int look_into(const char *path, const struct signature *sig, struct err *e);

/* All of it; sig and racy as signature_take(). */
enum look look_at(
    const char *path, struct signature *sig, bool *racy, struct err *e);

#endif
