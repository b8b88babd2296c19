/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sqlite/dbfault.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "lib/base/buf.h"

enum { PART = 64 * 1024 };

/* Those that SQLite takes for damage. */
static int
of_disk(int errnum)
{
	switch (errnum) {
	case EIO:
	case ENXIO:
	case ERANGE: return errnum;
	default: return 0;
	}
}

static int
of_file(sqlite3_file *f)
{
	int errnum = 0;

	if (f != NULL && f->pMethods != NULL &&
	    f->pMethods->xFileControl != NULL)
		(void)f->pMethods->xFileControl(
		    f, SQLITE_FCNTL_LAST_ERRNO, &errnum);
	return of_disk(errnum);
}

static void
read_all(sqlite3_file *f)
{
	char *part = xmalloc(PART);
	sqlite3_int64 size, at;
	int rc = f->pMethods->xFileSize(f, &size);

	for (at = 0; rc == SQLITE_OK && at < size; at += PART)
		rc = f->pMethods->xRead(
		    f, part, size - at < PART ? (int)(size - at) : PART, at);
	free(part);
}

int
dbfault_errno(sqlite3 *db)
{
	sqlite3_file *log = NULL;
	int errnum = 0;

	if (db == NULL)
		return 0;
	if (sqlite3_file_control(
		db, "main", SQLITE_FCNTL_LAST_ERRNO, &errnum) == SQLITE_OK &&
	    of_disk(errnum) != 0)
		return errnum;
	errnum = 0;
	if (sqlite3_file_control(
		db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK)
		errnum = of_file(log);
	/* What could not even be opened has no file to ask. */
	if (errnum == 0 && (sqlite3_errcode(db) & 0xff) == SQLITE_IOERR)
		errnum = of_disk(sqlite3_system_errno(db));
	return errnum;
}

int
dbfault_journal_errno(sqlite3 *db)
{
	const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_JOURNAL;
	const char *path = db == NULL ? NULL : sqlite3_db_filename(db, "main");
	sqlite3_vfs *vfs = NULL;
	sqlite3_file *f;
	char *name;
	int errnum = 0;

	if (path == NULL || *path == '\0' ||
	    sqlite3_file_control(db, "main", SQLITE_FCNTL_VFS_POINTER, &vfs) !=
		SQLITE_OK ||
	    vfs == NULL)
		return 0;
	name = xasprintf("%s-journal", path);
	f = xcalloc(1, (size_t)vfs->szOsFile);
	if (vfs->xOpen(vfs, name, f, flags, NULL) == SQLITE_OK) {
		read_all(f);
		errnum = of_file(f);
	}
	if (f->pMethods != NULL)
		(void)f->pMethods->xClose(f);
	free(f);
	free(name);
	return errnum;
}
