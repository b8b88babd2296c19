/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dbopen -- SQLite waits for no file that it opens.
 *
 * Whatever was looked at before, who owns a directory can have put a FIFO in place
 * of a database, a -wal or a journal when SQLite opens it, and to open one for
 * reading is to wait for a writer: for ever.
 */
#ifndef LSPP_SQLITE_DBOPEN_H
#define LSPP_SQLITE_DBOPEN_H

/*
 * From now on SQLite's open of a FIFO fails in this process, with each VFS that is
 * made of the system's, and none waits for a lease of another process.  To be called
 * before a database of somebody else's is opened, any number of times, by any thread.
 */
void dbopen_never_waits(void);

#endif
