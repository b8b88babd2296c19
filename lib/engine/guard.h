/*
 * guard -- one thread at a time on one file of somebody else's.
 *
 * POSIX locks belong to the process and go with the first descriptor of the
 * file that is closed, whoever opened it.  So no two threads may have the same
 * inode open at once.
 */
#ifndef LSPP_ENGINE_GUARD_H
#define LSPP_ENGINE_GUARD_H

#include <stdint.h>

/* Waits until no other thread holds (dev, ino). */
void guard_enter(int64_t dev, int64_t ino);
void guard_leave(int64_t dev, int64_t ino);

#endif
