/* SPDX-License-Identifier: Apache-2.0 */
/*
 * beside -- the names of the files that SQLite keeps beside a database.
 *
 * A file called a.db-wal is the log of a.db to SQLite, whatever it holds
 * (sqlite.org/tempfiles.html, 2): it is read as one, or emptied, or removed.
 * So a database of such a name cannot be where a.db is.
 */
#ifndef LSPP_SQLITE_BESIDE_H
#define LSPP_SQLITE_BESIDE_H

#include <stddef.h>

#define BESIDE_N 3

/* "-wal", "-shm", "-journal" */
extern const char *const beside_suffix[BESIDE_N];

/* How many of the len bytes of name, which may be a path, are the name of the
 * database that it would belong to; 0: it would to none. */
size_t beside_of(const char *name, size_t len);

#endif
