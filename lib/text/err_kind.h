/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err_kind -- what several failures have in common.
 *
 * Two failures are of one kind if their class is the same and so is what they
 * say, but for what is each one's own: its path or what is below it in the
 * replica, other paths, numbers, ids.
 */
#ifndef LSPP_TEXT_ERR_KIND_H
#define LSPP_TEXT_ERR_KIND_H

struct buf;

/* Append to out what is left of msg without what is path's own. */
void err_kind(struct buf *out, const char *msg, const char *path);

#endif
