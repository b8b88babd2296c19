/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forget -- take back what is known of a database that does not come any more.
 *
 * Its replica stays as it is.  If the database is shipped again some day, that
 * begins a new generation, as without a state (ship_fence.c).
 *
 * Why it is so:
 *
 * What is known and does not come stays so until somebody acknowledges it
 * (forget): the record goes, under the lock of a ship, and the replica is left
 * alone.  Nothing else could tell a tenant that left from one that was deleted
 * by mistake.
 */
#ifndef LSPP_HOT_FORGET_H
#define LSPP_HOT_FORGET_H

#include <stdbool.h>

struct err;
struct forget;
struct tiers;

/* t, begun, says which state and roots; dir is the state directory. */
struct forget *forget_open(struct tiers *t, const char *dir, struct err *e);
void forget_close(struct forget *f); /* takes NULL */

/*
 * Forget the database at path in each root that is asked for: *why is "gone",
 * "lost", "left out", or with force "there" for one that is well and comes in
 * passes, which is refused without: ERR_EXISTS.  If such a one has shrunk, only
 * that is forgotten: "shrunk".  ERR_MISSING: it is not known.
 * ERR_BUSY: somebody ships it now.
 */
int forget_path(struct forget *f, const char *path, bool force,
    const char **why, struct err *e);

#endif
