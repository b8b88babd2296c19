/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_db -- a database that applications have open, opened through SQLite.
 *
 * SQLite has the locks, and rolls back what a killed process left.
 *
 * Room live: databases that are written to while others have them open.
 * Used by: mirror, bin (restore).
 * Never: writes what was not proved before.
 */
#ifndef LSPP_LIVE_LIVE_DB_H
#define LSPP_LIVE_LIVE_DB_H

#include <sqlite3.h>

struct err;
struct stop_wait;

/*
 * For writing.  A directory on the way may be a link, the file must not be one.
 * SQLite waits for locks as w (borrowed) says, and for no longer than
 * stop_overdue() allows.  NULL with e.
 */
sqlite3 *live_open(const char *path, struct stop_wait *w, struct err *e);

/* What SQLite's result rc, which is none of success, means: -1. */
int live_fail(sqlite3 *db, int rc, const struct stop_wait *w, struct err *e);

#endif
