/*
 * dir -- a directory as a store.
 *
 * stage writes to a file without a name (O_TMPFILE) in the directory where the
 * object is to be, or where that is not to be had, to .lspp-tmp/ below the
 * root under an advisory lock, so that the next run can tell what a killed one
 * left and removes it.
 *
 * publish syncs the data of a whole batch, links the names (a link never
 * overwrites), and syncs the directories: two waits for a batch, however many
 * objects are in it (syncfs when there are several, else fsync for each).
 * Objects are not visible before their data is durable.  When a sync fails,
 * the whole batch fails and its names are taken back: pages that were not
 * written are clean to the kernel, and a second sync would tell a lie.
 *
 * Objects are made with mode 0640 and directories with 0750, less umask.
 * A killed process may leave empty directories; those are listed as prefixes.
 * Nothing is written through a symbolic link below the root; the root itself
 * may be one, and reading follows those in a key, but list() none on its way.
 *
 * Names that begin with ".lspp-" are the driver's own: never listed, and
 * refused in keys, as are empty components, "." and "..".
 */
#ifndef LSPP_STORE_DIR_H
#define LSPP_STORE_DIR_H

#include "lib/store/store.h"

/* path is absolute and normal.  The caller sets url. */
struct store *store_dir_open(
    const char *path, enum store_mode mode, bool must_exist, struct err *e);

#endif
