/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_live -- a restored state into a database that stays where it is, with
 * its connections: the only way in which lspp writes to a user's database.
 *
 * The state is made and proved beside it first.  Then SQLite's backup interface
 * (sqlite.org/c3ref/backup_finish.html) writes it in one transaction: each
 * connection sees the old state or the new one, and a crash leaves the one or
 * the other.  The database keeps its journal mode.
 */
#ifndef LSPP_LIVE_RESTORE_LIVE_H
#define LSPP_LIVE_RESTORE_LIVE_H

struct err;
struct restored;

/*
 * Can path be written into?  ERR_MISSING: there is none to be written into.
 * ERR_BUSY, ERR_EXISTS: those who have it open have another -wal, or may have.
 */
int live_check(const char *path, struct err *e);

/*
 * Write what r holds, which has no name yet, into the database at path, and
 * remove r's file.  Waits up to wait_ms for the lock of a writer, and in
 * rollback mode for readers.
 *	ERR_BUSY	it was not to be had, or a signal came (stop.h): nothing
 *			was changed; or path leads to another file by now
 *	ERR_CONFIG	another page size, in WAL mode, or encoding of text
 *	ERR_CORRUPT	what is at path is no database, or a state of lspp
 */
int restored_live(
    struct restored *r, const char *path, int wait_ms, struct err *e);

#endif
