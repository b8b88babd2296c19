/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/live/restore_live.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/be.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/live/live_db.h"
#include "lib/restore/restore.h"
#include "lib/source/source.h"
#include "lib/sqlite/dbhdr.h"
#include "lib/sys/file.h"
#include "lib/sys/guard.h"
#include "lib/sys/stop.h"

enum {
	AT_VERSIONS = 18, /* for writing, for reading */
	VERSIONS = 2,
	AT_ENCODING = 56, /* of its text */
};

static const char stop_and_force[] =
    "stop the application, then restore with --force";

/* -- before ---------------------------------------------------------------- */

int
live_check(const char *path, struct err *e)
{
	struct stat st;

	if (lstat(path, &st) == -1)
		return err_sys(e, "--live");
	if (!S_ISREG(st.st_mode))
		return err_set(
		    e, ERR_EXISTS, "--live: it is a link, or no regular file");
	if (st.st_nlink > 1) {
		err_set(e, ERR_EXISTS,
		    "--live: it has hard links, and what is beside another of "
		    "its names cannot be seen");
		return err_hint(e, "remove the other link");
	}
	return source_by_name(path, e);
}

static int
read_header(int fd, uint8_t p[DBHDR_SIZE], struct dbhdr *h, struct err *e)
{
	ssize_t n = file_pread(fd, p, DBHDR_SIZE, 0, e);

	if (n == -1)
		return -1;
	if (n < DBHDR_SIZE)
		return err_set(e, ERR_CORRUPT, "not a database");
	return dbhdr_parse(h, p, e);
}

/*
 * The header as the file has it: a WAL over it has no other journal mode, nor
 * page size.  Closed before SQLite has a lock that closing would drop.
 */
static int
look_at(const char *path, uint8_t p[DBHDR_SIZE], struct dbhdr *h, struct err *e)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), rc;

	if (fd == -1)
		return err_sys(e, "--live");
	rc = read_header(fd, p, h, e);
	file_close(fd);
	if (rc == -1)
		err_hint(e,
		    "--live writes into a database; --force replaces "
		    "whatever is there");
	return rc;
}

/* A connection that has read the schema minds it for good.  0: it is empty. */
static bool
same_encoding(const uint8_t *a, const uint8_t *b)
{
	uint32_t x = be32(a + AT_ENCODING), y = be32(b + AT_ENCODING);

	return x == 0 || y == 0 || x == y;
}

/* The state is to have the journal mode of the database it goes to. */
static int
fit(struct restored *r, const char *path, struct err *e)
{
	uint8_t live[DBHDR_SIZE] = { 0 }, own[DBHDR_SIZE] = { 0 };
	struct dbhdr to = { 0 }, from = { 0 };

	if (look_at(path, live, &to, e) == -1 ||
	    read_header(r->fd, own, &from, e) == -1)
		return -1;
	if (to.application_id == DBHDR_APPLICATION_ID)
		return err_set(e, ERR_CORRUPT, "it is a state of lspp");
	if (to.page_size != from.page_size && to.wal) {
		err_set(e, ERR_CONFIG,
		    "it has pages of %u bytes, the state that is to be "
		    "restored of %u: in WAL mode that cannot be changed live",
		    to.page_size, from.page_size);
		return err_hint(e, "%s", stop_and_force);
	}
	if (!same_encoding(live, own)) {
		err_set(e, ERR_CONFIG,
		    "its text has another encoding than that of the state that "
		    "is to be restored, which cannot be changed live");
		return err_hint(e, "%s", stop_and_force);
	}
	if (pwrite(r->fd, live + AT_VERSIONS, VERSIONS, AT_VERSIONS) !=
	    VERSIONS)
		return err_sys(e, "the unfinished file");
	return 0;
}

/*
 * Is what was opened, and by now written to, what path leads to?  To open the
 * file here, even for a moment, would drop what locks SQLite has on it.
 */
static int
is_there(sqlite3 *to, const char *path, const struct stat *was, struct err *e)
{
	struct stat is;
	int moved = 0;

	(void)sqlite3_file_control(to, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	if (!moved && stat(path, &is) == 0 && is.st_dev == was->st_dev &&
	    is.st_ino == was->st_ino)
		return 0;
	err_set(e, ERR_BUSY,
	    "it was moved or replaced while it was written to: what is there "
	    "now is not what was restored");
	return err_hint(e, "run it again");
}

/* -- writing --------------------------------------------------------------- */

/* A file that nobody else has open needs no lock. */
static sqlite3 *
open_state(const struct restored *r, struct err *e)
{
	char *uri =
	    xasprintf("file:/proc/self/fd/%d/%s?immutable=1", r->dir, r->tmp);
	sqlite3 *db = NULL;

	if (sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
		NULL) != SQLITE_OK) {
		err_set(
		    e, ERR_IO, "the unfinished file: %s", sqlite3_errmsg(db));
		sqlite3_close(db);
		db = NULL;
	}
	free(uri);
	return db;
}

/*
 * One transaction, however many steps: the first one begins it.  Given up in
 * the middle it is rolled back.
 */
static int
copy(sqlite3 *from, sqlite3 *to, const struct stop_wait *w, struct err *e)
{
	enum { PAGES = 4096 }; /* in a step */
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
	int rc, last, stopped = 0;

	if (b == NULL)
		return live_fail(to, sqlite3_errcode(to), w, e);
	do {
		rc = sqlite3_backup_step(b, PAGES);
	} while (rc == SQLITE_OK && (stopped = stop_overdue(e)) == 0);
	/* That a lock was not to be had, only the step says. */
	last = sqlite3_backup_finish(b);
	if (stopped)
		return -1;
	if (rc == SQLITE_DONE)
		rc = last;
	return rc == SQLITE_OK ? 0 : live_fail(to, rc, w, e);
}

static int
write_live(const struct restored *r, const char *path, const struct stat *st,
    int wait_ms, struct err *e)
{
	struct stop_wait w = { .ms = (unsigned)wait_ms };
	sqlite3 *from = open_state(r, e), *to = NULL;
	int rc = -1;

	if (from == NULL || (to = live_open(path, &w, e)) == NULL)
		goto out;
	rc = is_there(to, path, st, e);
	if (rc == 0)
		rc = copy(from, to, &w, e);
	if (rc == 0)
		rc = is_there(to, path, st, e);
out:
	if (to != NULL && sqlite3_close(to) != SQLITE_OK && rc == 0)
		rc = err_set(e, ERR_BUG, "the live database is still open");
	sqlite3_close(from);
	return rc;
}

int
restored_live(struct restored *r, const char *path, int wait_ms, struct err *e)
{
	struct stat st;
	int rc = live_check(path, e);

	if (rc == 0 && (rc = stat(path, &st)) == -1)
		err_sys(e, "--live");
	if (rc == 0) {
		guard_enter((int64_t)st.st_dev, (int64_t)st.st_ino);
		if ((rc = fit(r, path, e)) == 0)
			rc = write_live(r, path, &st, wait_ms, e);
		guard_leave((int64_t)st.st_dev, (int64_t)st.st_ino);
	}
	if (r->tmp[0] != '\0')
		(void)unlinkat(r->dir, r->tmp, 0);
	r->tmp[0] = '\0';
	return rc;
}
