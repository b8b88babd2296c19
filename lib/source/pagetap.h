/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pagetap -- a VFS of SQLite's that tells which pages its pager reads.
 *
 * It is over rodb's, so nothing is written, created or deleted, and the files
 * are not mapped into memory.  Whatever the pager takes for the image of a page
 * in its transaction, from the database or from a frame of the WAL, it has read
 * last of that page.
 *
 * With 'alone' nobody else is connected, and somebody sees to that: no lock is
 * taken and there is no wal-index but in SQLite's own memory, for which the
 * connection needs locking_mode=EXCLUSIVE; a -wal that is not there is empty.
 *
 * A second VFS keeps nothing: what is written to a database of it is gone.
 */
#ifndef LSPP_SOURCE_PAGETAP_H
#define LSPP_SOURCE_PAGETAP_H

#include <stdbool.h>
#include <stdint.h>

struct pagetap {
	/* The image of a page of n bytes, valid during the call.  Anything but
	 * 0 makes the read fail. */
	int (*page)(void *ctx, uint32_t pgno, const uint8_t *p, uint32_t n);
	void *ctx;
	bool alone;
};

/*
 * The name of the VFS, for connections that this thread opens, uses and closes
 * while t is set.
 */
const char *pagetap_vfs(void);
void pagetap_set(const struct pagetap *t); /* NULL: no more */

/* The name of the one that keeps nothing. */
const char *pagetap_nowhere(void);

#endif
