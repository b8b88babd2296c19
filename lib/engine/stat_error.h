/*
 * stat_error -- what several failures have in common; for stat_fleet alone.
 *
 * Two failures are of one kind if their class is the same and so is what they
 * say, but for what is each one's own: its path or what is below it in the
 * replica, other paths, numbers, ids.
 */
#ifndef LSPP_ENGINE_STAT_ERROR_H
#define LSPP_ENGINE_STAT_ERROR_H

#include "lib/engine/stat_fleet.h"

/*
 * One more like x, of which are needed: class, msg, path ("": of the run),
 * failing_ns, failed_ns, lost.  All is borrowed.
 */
void stat_error_add(struct stat_fleet *f, const struct stat_error *x);

/* When there are no more: the latest first. */
void stat_error_sort(struct stat_fleet *f);
void stat_error_release(struct stat_error *x);

/* What is left of msg without what is path's own, for tests. */
void stat_error_kind(struct buf *out, const char *msg, const char *path);

#endif
