/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dbfault -- is a database damaged, or did its disk not read?
 *
 * Of a read that fails with EIO or the like SQLite may say SQLITE_CORRUPT,
 * "database disk image is malformed", as it does of bytes that are wrong.  What
 * helps is not the same: a damaged file wants another one in its place, and a
 * disk that fails wants to be looked at before anything is moved or deleted.
 */
#ifndef LSPP_SQLITE_DBFAULT_H
#define LSPP_SQLITE_DBFAULT_H

struct sqlite3;

/*
 * The errno of a read of db, or of its WAL, that the disk failed; 0: none did.
 * It is remembered as long as db is open, and may be asked for in any moment.
 */
int dbfault_errno(struct sqlite3 *db);

/*
 * The same of the journal that SQLite was to roll back.  It is closed when SQLite
 * tells that it could not, so it is read once more, as a whole.  Only for a
 * database that SQLite may write.
 */
int dbfault_journal_errno(struct sqlite3 *db);

#endif
