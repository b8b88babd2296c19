/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sqlite/dbfault.h"

#include <errno.h>
#include <sqlite3.h>
#include <stddef.h>

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
		db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK &&
	    log != NULL && log->pMethods != NULL)
		(void)log->pMethods->xFileControl(
		    log, SQLITE_FCNTL_LAST_ERRNO, &errnum);
	errnum = of_disk(errnum);
	/* What could not even be opened has no file to ask. */
	if (errnum == 0 && (sqlite3_errcode(db) & 0xff) == SQLITE_IOERR)
		errnum = of_disk(sqlite3_system_errno(db));
	return errnum;
}
