/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links -- which symbolic links are followed: root's, the caller's own, and
 * those that lead to what their owner owns.
 *
 * A program that runs as root reads and writes below directories of others.  Who
 * may write there can put a link in the place of a file, and would have what is
 * another's read, shipped or written to.  Linux has the same rule for /tmp
 * (fs.protected_symlinks).
 *
 * What comes back holds no link.  It is opened so that none is followed
 * (file_openat_strict(), file_open_here()): then nothing that happens in between
 * leads elsewhere.
 */
#ifndef LSPP_SYS_LINKS_H
#define LSPP_SYS_LINKS_H

struct err;

/*
 * The absolute path, free of links, of a path that is there; the caller frees
 * it.  NULL with e: "what" and the reason, or ERR_DENIED where a link is not
 * followed.  It takes two calls, however deep the path is, if that is absolute
 * and normal and holds no link.
 */
char *links_resolve(const char *path, const char *what, struct err *e);

/* The same, opened as a directory: a descriptor, or -1. */
int links_open_dir(const char *path, const char *what, struct err *e);

#endif
