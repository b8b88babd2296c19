/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/source/rodb.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stddef.h>
#include <string.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/sqlite/dbfault.h"
#include "lib/sqlite/dbopen.h"

#define VFS_NAME "lspp-readonly"

static sqlite3_vfs readonly_vfs;
static sqlite3_vfs *system_vfs;
static pthread_once_t registered = PTHREAD_ONCE_INIT;

static int
open_readonly(
    sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	(void)vfs;
	flags &= ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
	    SQLITE_OPEN_DELETEONCLOSE | SQLITE_OPEN_EXCLUSIVE);
	return system_vfs->xOpen(
	    system_vfs, name, f, flags | SQLITE_OPEN_READONLY, out);
}

static int
delete_nothing(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs, (void)name, (void)sync;
	return SQLITE_IOERR_DELETE;
}

/*
 * As root SQLite gives a -wal and a -shm that it opens the database's owner.
 * On the files of others that is a change, if only of their ctime.
 */
static int
chown_nothing(int fd, uid_t uid, gid_t gid)
{
	(void)fd, (void)uid, (void)gid;
	return 0;
}

static void
register_vfs(void)
{
	dbopen_never_waits();
	if ((system_vfs = sqlite3_vfs_find(NULL)) == NULL)
		return;
	if (system_vfs->xSetSystemCall != NULL)
		system_vfs->xSetSystemCall(
		    system_vfs, "fchown", (sqlite3_syscall_ptr)chown_nothing);
	readonly_vfs = *system_vfs;
	readonly_vfs.zName = VFS_NAME;
	readonly_vfs.pNext = NULL;
	readonly_vfs.xOpen = open_readonly;
	readonly_vfs.xDelete = delete_nothing;
	sqlite3_vfs_register(&readonly_vfs, 0);
}

const char *
rodb_vfs(void)
{
	pthread_once(&registered, register_vfs);
	return VFS_NAME;
}

/* Only what would end or change it is escaped. */
void
rodb_uri(struct buf *b, const char *path)
{
	buf_adds(b, "file:");
	for (; *path != '\0'; path++)
		if (strchr("%?#", *path) != NULL)
			buf_addf(b, "%%%02X", (unsigned char)*path);
		else
			buf_add(b, path, 1);
	buf_adds(b, "?readonly_shm=1");
}

int
rodb_fail(sqlite3 *db, int rc, struct err *e)
{
	const char *why = db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc);

	if (rc == SQLITE_READONLY_ROLLBACK) {
		err_set(e, ERR_BUSY, "hot journal: a writer died");
		return err_hint(e,
		    "it is shipped once the application has "
		    "opened the database and rolled it back");
	}
	/* It would delete a log beside an empty file: delete_nothing(). */
	if (rc == SQLITE_IOERR_DELETE)
		return err_set(e, ERR_CORRUPT, "empty file");
	/* Of a page that the wal-index names; those of the file are zeros. */
	if (rc == SQLITE_IOERR_SHORT_READ) {
		err_set(e, ERR_CORRUPT,
		    "its -wal ends before what its wal-index knows of");
		return err_hint(e,
		    "was the -wal cut? restart the application; what it "
		    "committed meanwhile may be lost");
	}
	if ((errno = dbfault_errno(db)) != 0)
		return err_sys(e, "%s", sqlite3_errstr(SQLITE_IOERR));
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return err_set(e, ERR_BUSY, "locked by a writer");
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT: return err_set(e, ERR_CORRUPT, "%s", why);
	case SQLITE_NOMEM: return err_set(e, ERR_OS, "%s", why);
	case SQLITE_IOERR: return err_set(e, ERR_IO, "%s", why);
	default: return err_set(e, ERR_DENIED, "cannot lock: %s", why);
	}
}

struct sqlite3 *
rodb_begin(const char *path, int wait_ms, struct err *e)
{
	struct buf uri = { 0 };
	sqlite3 *db = NULL;
	int rc;

	rodb_uri(&uri, path);
	rc = sqlite3_open_v2(buf_str(&uri), &db,
	    SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX |
		SQLITE_OPEN_NOFOLLOW,
	    rodb_vfs());
	buf_release(&uri);
	if (rc == SQLITE_OK) {
		sqlite3_extended_result_codes(db, 1);
		sqlite3_db_config(
		    db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		sqlite3_busy_timeout(db, wait_ms);
		/* Reads page 1, and so takes the lock; parses no schema. */
		rc = sqlite3_exec(
		    db, "BEGIN; PRAGMA schema_version", NULL, NULL, NULL);
	}
	if (rc != SQLITE_OK) {
		rodb_fail(db, rc, e);
		sqlite3_close(db);
		return NULL;
	}
	return db;
}

void
rodb_end(struct sqlite3 *db)
{
	sqlite3_close(db); /* rolls back */
}
