/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names -- the entries of one directory, sorted.
 *
 * A directory's name ends in '/', so that the order of the entries is the
 * byte order of the whole paths below them: "a-b" comes before "a/", as
 * "a-b/x" comes before "a/x".  "." and ".." are left out.
 */
#ifndef LSPP_SYS_NAMES_H
#define LSPP_SYS_NAMES_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"

struct err;

struct name {
	const char *s;
	size_t len;         /* with the '/' of a directory */
	unsigned char type; /* DT_REG, DT_DIR, DT_LNK, ...; never DT_UNKNOWN */
};

/* { 0 } is empty and ready for the first names_read(). */
struct names {
	struct name *v;
	size_t n, room;
	struct buf bytes;
};

/*
 * Read all entries of the directory that fd is open on, in place of what ns
 * held; memory is reused.  follow: a symbolic link has the type of what it
 * leads to (DT_LNK if that cannot be told).  An entry that goes away while it
 * is looked at is left out.  fd stays open.
 */
int names_read(struct names *ns, int fd, bool follow, struct err *e);
void names_release(struct names *ns);

/* Is there an entry of that name (len bytes, with the '/' of a directory)? */
bool names_has(const struct names *ns, const char *s, size_t len);

#endif
