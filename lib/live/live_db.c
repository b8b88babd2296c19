/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/live/live_db.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/sqlite/dbfault.h"
#include "lib/sqlite/dbopen.h"
#include "lib/sys/file.h"
#include "lib/sys/stop.h"

static const char stop_and_force[] =
    "stop the application, then restore with --force";

int
live_fail(sqlite3 *db, int rc, const struct stop_wait *w, struct err *e)
{
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		if (stop_overdue(e) == -1)
			return -1;
		err_set(
		    e, ERR_BUSY, "in use: no lock within %u s", w->ms / 1000);
		return err_hint(
		    e, "nothing was changed; --live-wait waits for longer");
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		if ((errno = dbfault_errno(db)) != 0 ||
		    (errno = dbfault_journal_errno(db)) != 0)
			return err_sys(e, "the live database: %s",
			    sqlite3_errstr(SQLITE_IOERR));
		err_set(e, ERR_CORRUPT, "the live database: %s",
		    sqlite3_errmsg(db));
		return err_hint(e, "%s", stop_and_force);
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		return err_set(
		    e, ERR_DENIED, "the live database: %s", sqlite3_errmsg(db));
	default:
		return err_set(
		    e, ERR_IO, "the live database: %s", sqlite3_errmsg(db));
	}
}

/*
 * SQLite minds a link anywhere on the way.  The file must not be one, also not
 * by now; a directory above it may.
 */
static char *
without_links(const char *path, struct err *e)
{
	struct buf above = { 0 };
	char *dir, *real = NULL;

	path_dir(path, &above);
	if ((dir = realpath(buf_str(&above), NULL)) == NULL)
		err_sys(e, "--live");
	else
		real = xasprintf("%s/%s", dir, path_base(path));
	free(dir);
	buf_release(&above);
	return real;
}

sqlite3 *
live_open(const char *path, struct stop_wait *w, struct err *e)
{
	char *real = without_links(path, e);
	sqlite3 *db = NULL;

	dbopen_never_waits();
	if (real != NULL &&
	    sqlite3_open_v2(real, &db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW,
		NULL) != SQLITE_OK) {
		live_fail(db, sqlite3_errcode(db), w, e);
		sqlite3_close(db);
		db = NULL;
	}
	if (db != NULL)
		sqlite3_busy_handler(db, stop_wait, w);
	free(real);
	return db;
}
