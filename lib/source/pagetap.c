/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/source/pagetap.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#include "lib/source/rodb.h"
#include "lib/sqlite/wal.h"

#define TAP_NAME     "lspp-tap"
#define NOWHERE_NAME "lspp-nowhere"

/* A file of rodb's stands behind it; or none does: it is empty. */
struct tap_file {
	sqlite3_file base;
	const struct pagetap *tap;
	bool wal, empty;
	sqlite3_file *real;
};

/* Where the pager writes to, and reads nothing from. */
struct nowhere_file {
	sqlite3_file base;
	sqlite3_int64 size;
};

static sqlite3_vfs tap_vfs, nowhere_vfs;
static sqlite3_vfs *below;
static pthread_once_t registered = PTHREAD_ONCE_INIT;
static _Thread_local const struct pagetap *current;

void
pagetap_set(const struct pagetap *t)
{
	current = t;
}

static struct tap_file *
tap_of(sqlite3_file *f)
{
	return (struct tap_file *)f;
}

static sqlite3_file *
real_of(sqlite3_file *f)
{
	return ((struct tap_file *)f)->real;
}

/* -- reading --------------------------------------------------------------- */

/* Only of pages does SQLite read so many bytes: all powers of 2 from 512 on. */
static bool
is_page_size(int n)
{
	return n >= 512 && n <= 65536 && (n & (n - 1)) == 0;
}

/* The page that n bytes at off are of; 0: of none. */
static int
page_at(struct tap_file *t, int n, sqlite3_int64 off, uint32_t *pgno)
{
	uint8_t hdr[WAL_FRAME_HDR_SIZE];
	sqlite3_int64 at = off - WAL_HDR_SIZE - WAL_FRAME_HDR_SIZE;
	struct wal_frame f;
	int rc;

	*pgno = 0;
	if (!is_page_size(n))
		return SQLITE_OK;
	if (!t->wal) {
		*pgno = off % n == 0 ? (uint32_t)(off / n) + 1 : 0;
		return SQLITE_OK;
	}
	if (at < 0 || at % (WAL_FRAME_HDR_SIZE + n) != 0)
		return SQLITE_OK;
	rc = t->real->pMethods->xRead(
	    t->real, hdr, sizeof(hdr), off - WAL_FRAME_HDR_SIZE);
	if (rc == SQLITE_OK) {
		wal_frame_parse(&f, hdr);
		*pgno = f.pgno;
	}
	return rc;
}

static int
tap_read(sqlite3_file *f, void *p, int n, sqlite3_int64 off)
{
	struct tap_file *t = tap_of(f);
	uint32_t pgno;
	int rc, looked;

	if (t->empty) {
		memset(p, 0, (size_t)n);
		return SQLITE_IOERR_SHORT_READ;
	}
	rc = t->real->pMethods->xRead(t->real, p, n, off);
	/* Behind the end of the file a page is zeros. */
	if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ)
		return rc;
	if ((looked = page_at(t, n, off, &pgno)) != SQLITE_OK)
		return looked;
	if (pgno != 0 && t->tap->page(t->tap->ctx, pgno, p, (uint32_t)n) != 0)
		return SQLITE_IOERR_READ;
	return rc;
}

static int
tap_size(sqlite3_file *f, sqlite3_int64 *size)
{
	*size = 0;
	return tap_of(f)->empty
	    ? SQLITE_OK
	    : real_of(f)->pMethods->xFileSize(real_of(f), size);
}

/* -- what is passed on ----------------------------------------------------- */

static int
tap_close(sqlite3_file *f)
{
	return tap_of(f)->empty ? SQLITE_OK
				: real_of(f)->pMethods->xClose(real_of(f));
}

static int
tap_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 off)
{
	(void)f, (void)p, (void)n, (void)off;
	return SQLITE_READONLY;
}

static int
tap_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	(void)f, (void)size;
	return SQLITE_READONLY;
}

static int
tap_sync(sqlite3_file *f, int flags)
{
	(void)f, (void)flags;
	return SQLITE_OK;
}

static int
tap_lock(sqlite3_file *f, int level)
{
	return tap_of(f)->tap->alone
	    ? SQLITE_OK
	    : real_of(f)->pMethods->xLock(real_of(f), level);
}

static int
tap_unlock(sqlite3_file *f, int level)
{
	return tap_of(f)->tap->alone
	    ? SQLITE_OK
	    : real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int
tap_reserved(sqlite3_file *f, int *out)
{
	*out = 0;
	return tap_of(f)->tap->alone
	    ? SQLITE_OK
	    : real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int
tap_control(sqlite3_file *f, int op, void *arg)
{
	return tap_of(f)->empty
	    ? SQLITE_NOTFOUND
	    : real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int
tap_sector(sqlite3_file *f)
{
	return tap_of(f)->empty ? 4096
				: real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int
tap_device(sqlite3_file *f)
{
	return tap_of(f)->empty
	    ? 0
	    : real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int
tap_shm_map(sqlite3_file *f, int n, int size, int extend, void volatile **p)
{
	return real_of(f)->pMethods->xShmMap(real_of(f), n, size, extend, p);
}

static int
tap_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), at, n, flags);
}

static void
tap_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int
tap_shm_unmap(sqlite3_file *f, int gone)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), gone);
}

/* Version 2 has a wal-index, and no mapped pages, which nobody would see. */
#define TAP_METHODS                                                          \
	.xClose = tap_close, .xRead = tap_read, .xWrite = tap_write,         \
	.xTruncate = tap_truncate, .xSync = tap_sync, .xFileSize = tap_size, \
	.xLock = tap_lock, .xUnlock = tap_unlock,                            \
	.xCheckReservedLock = tap_reserved, .xFileControl = tap_control,     \
	.xSectorSize = tap_sector, .xDeviceCharacteristics = tap_device,     \
	.xShmMap = tap_shm_map, .xShmLock = tap_shm_lock,                    \
	.xShmBarrier = tap_shm_barrier, .xShmUnmap = tap_shm_unmap

static const sqlite3_io_methods tap_methods = { .iVersion = 2, TAP_METHODS };
static const sqlite3_io_methods alone_methods = { .iVersion = 1, TAP_METHODS };

static int
tap_open(
    sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	struct tap_file *t = tap_of(f);
	int rc = SQLITE_OK, there = 1;

	(void)vfs;
	memset(t, 0, sizeof(*t));
	if (current == NULL)
		return SQLITE_MISUSE;
	t->tap = current;
	t->wal = (flags & SQLITE_OPEN_WAL) != 0;
	t->real = (sqlite3_file *)(t + 1);
	if (t->wal && current->alone &&
	    below->xAccess(below, name, SQLITE_ACCESS_EXISTS, &there) ==
		SQLITE_OK &&
	    !there) {
		t->empty = true;
		if (out != NULL)
			*out = SQLITE_OPEN_READONLY | SQLITE_OPEN_WAL;
	} else {
		rc = below->xOpen(below, name, t->real, flags, out);
	}
	if (rc == SQLITE_OK)
		f->pMethods = current->alone ? &alone_methods : &tap_methods;
	return rc;
}

/* -- nowhere --------------------------------------------------------------- */

static int
nowhere_ok(sqlite3_file *f)
{
	(void)f;
	return SQLITE_OK;
}

static int
nowhere_read(sqlite3_file *f, void *p, int n, sqlite3_int64 off)
{
	memset(p, 0, (size_t)n);
	return off + n <= ((struct nowhere_file *)f)->size
	    ? SQLITE_OK
	    : SQLITE_IOERR_SHORT_READ;
}

static int
nowhere_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 off)
{
	struct nowhere_file *w = (struct nowhere_file *)f;

	(void)p;
	if (off + n > w->size)
		w->size = off + n;
	return SQLITE_OK;
}

static int
nowhere_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	((struct nowhere_file *)f)->size = size;
	return SQLITE_OK;
}

static int
nowhere_size(sqlite3_file *f, sqlite3_int64 *size)
{
	*size = ((struct nowhere_file *)f)->size;
	return SQLITE_OK;
}

static int
nowhere_number(sqlite3_file *f, int n)
{
	(void)f, (void)n;
	return SQLITE_OK;
}

static int
nowhere_reserved(sqlite3_file *f, int *out)
{
	(void)f;
	*out = 0;
	return SQLITE_OK;
}

static int
nowhere_control(sqlite3_file *f, int op, void *arg)
{
	(void)f, (void)op, (void)arg;
	return SQLITE_NOTFOUND;
}

static int
nowhere_open(
    sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	static const sqlite3_io_methods methods = { .iVersion = 1,
		.xClose = nowhere_ok,
		.xRead = nowhere_read,
		.xWrite = nowhere_write,
		.xTruncate = nowhere_truncate,
		.xSync = nowhere_number,
		.xFileSize = nowhere_size,
		.xLock = nowhere_number,
		.xUnlock = nowhere_number,
		.xCheckReservedLock = nowhere_reserved,
		.xFileControl = nowhere_control,
		.xSectorSize = nowhere_ok,
		.xDeviceCharacteristics = nowhere_ok };

	(void)vfs, (void)name;
	((struct nowhere_file *)f)->size = 0;
	f->pMethods = &methods;
	if (out != NULL)
		*out = flags;
	return SQLITE_OK;
}

static int
nowhere_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
	(void)vfs, (void)name, (void)flags;
	*out = 0;
	return SQLITE_OK;
}

static int
nowhere_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs, (void)name, (void)sync;
	return SQLITE_OK;
}

/* -- both ------------------------------------------------------------------ */

static void
register_vfs(void)
{
	if ((below = sqlite3_vfs_find(rodb_vfs())) == NULL)
		return;
	tap_vfs = *below;
	tap_vfs.zName = TAP_NAME;
	tap_vfs.pNext = NULL;
	tap_vfs.szOsFile += (int)sizeof(struct tap_file);
	tap_vfs.xOpen = tap_open;
	sqlite3_vfs_register(&tap_vfs, 0);
	nowhere_vfs = *below;
	nowhere_vfs.zName = NOWHERE_NAME;
	nowhere_vfs.pNext = NULL;
	nowhere_vfs.szOsFile = (int)sizeof(struct nowhere_file);
	nowhere_vfs.xOpen = nowhere_open;
	nowhere_vfs.xAccess = nowhere_access;
	nowhere_vfs.xDelete = nowhere_delete;
	sqlite3_vfs_register(&nowhere_vfs, 0);
}

const char *
pagetap_vfs(void)
{
	pthread_once(&registered, register_vfs);
	return TAP_NAME;
}

const char *
pagetap_nowhere(void)
{
	pthread_once(&registered, register_vfs);
	return NOWHERE_NAME;
}
