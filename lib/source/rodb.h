/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rodb -- a read transaction on somebody's database that cannot write.
 *
 * SQLite runs over a VFS of ours that opens every file read-only and creates
 * and deletes none, and with readonly_shm=1, so that the wal-index is not
 * written either.  What needs a write (a hot journal, a recovery) is an error.
 * The first use also keeps SQLite from changing owners of files, in the whole
 * process.
 *
 * This is how invariant 1 (ARCHITECTURE.md) holds where SQLite reads.
 */
#ifndef LSPP_SOURCE_RODB_H
#define LSPP_SOURCE_RODB_H

struct buf;
struct err;
struct sqlite3;

/*
 * Begin a read transaction on the database at path, an absolute path; waits
 * up to wait_ms for a writer.  Returns the connection, or NULL:
 *	ERR_BUSY	a writer held the lock, or there is a hot journal
 *	ERR_DENIED	it cannot be locked without writing
 *	ERR_CORRUPT	not a database
 */
struct sqlite3 *rodb_begin(const char *path, int wait_ms, struct err *e);

/* End the transaction and close; takes NULL. */
void rodb_end(struct sqlite3 *db);

/* For one who opens it another way: the name of that VFS, and path as a URI. */
const char *rodb_vfs(void);
void rodb_uri(struct buf *b, const char *path);
/* Fills e for an opening or a reading that failed with rc, as above; -1. */
int rodb_fail(struct sqlite3 *db, int rc, struct err *e);

#endif
