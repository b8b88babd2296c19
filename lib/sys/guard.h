/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard -- one thread at a time on one file of somebody else's.
 *
 * POSIX locks belong to the process and go with the first descriptor of the
 * file that is closed, whoever opened it.  So no two threads may have the same
 * inode open at once.
 */
#ifndef LSPP_SYS_GUARD_H
#define LSPP_SYS_GUARD_H

#include <stdbool.h>
#include <stdint.h>

struct err;

/* Waits until no other thread holds (dev, ino). */
void guard_enter(int64_t dev, int64_t ino);
void guard_leave(int64_t dev, int64_t ino);

/*
 * Files of our own that we hold locks on: those of the state.  Whoever opens a
 * path that was given to him asks first, and where it became one in between he
 * leaves it open.  As often as one is added it has to be removed.
 */
void guard_own(int64_t dev, int64_t ino);
void guard_own_end(int64_t dev, int64_t ino);
bool guard_is_own(int64_t dev, int64_t ino);
int guard_refuse(struct err *e); /* -1: "this is the state of lspp" */

#endif
