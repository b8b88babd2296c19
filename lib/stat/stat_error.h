/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat_error -- failures of one kind (lib/text/err_kind.h) are one; for
 * stat_fleet alone.
 */
#ifndef LSPP_STAT_STAT_ERROR_H
#define LSPP_STAT_STAT_ERROR_H

#include "lib/stat/stat_fleet.h"

/*
 * One more like x, of which are needed: class, msg, path ("": of the run),
 * failing_ns, failed_ns, lost.  All is borrowed.
 */
void stat_error_add(struct stat_fleet *f, const struct stat_error *x);

/* When there are no more: the latest first. */
void stat_error_sort(struct stat_fleet *f);
void stat_error_release(struct stat_error *x);

#endif
