/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The copy, as SQLite has it: no writer beside us, and nothing of a killed one.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/err.h"
#include "lib/mirror/mirror_impl.h"
#include "lib/sys/guard.h"
#include "lib/sys/stop.h"

int
seen_look(struct seen *s, int dir, const char *path, struct err *e)
{
	struct stat st;

	if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return err_sys(e, "the copy");
	if (!S_ISREG(st.st_mode))
		return err_set(
		    e, ERR_EXISTS, "it is a link, or no regular file");
	*s = (struct seen){ st.st_dev, st.st_ino, st.st_size,
		(int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec };
	return 0;
}

bool
seen_equal(const struct seen *a, const struct seen *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	    a->mtime_ns == b->mtime_ns;
}

/* SQLite wants a path: the one that leads to the directory now.  What it opens
 * then is looked at before anything is written. */
static int
begin(struct copy *c, struct err *e)
{
	char *path = xasprintf("/proc/self/fd/%d/%s", c->dir, c->name);
	int rc;

	c->db = live_open(path, &c->wait, e);
	free(path);
	if (c->db == NULL)
		return -1;
	rc = sqlite3_exec(c->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_file_control(
		    c->db, "main", SQLITE_FCNTL_FILE_POINTER, &c->file);
	return rc == SQLITE_OK ? 0 : live_fail(c->db, rc, &c->wait, e);
}

int
copy_begin(
    struct copy *c, int dir, const char *name, int wait_ms, struct err *e)
{
	struct seen s = { 0 };

	*c = (struct copy){ .dir = dir, .name = name, .wait.ms = wait_ms };
	if (seen_look(&s, dir, name, e) == -1)
		return -1;
	c->dev = (int64_t)s.dev;
	c->ino = (int64_t)s.ino;
	guard_enter(c->dev, c->ino);
	if (begin(c, e) == 0)
		return 0;
	copy_end(c);
	return -1;
}

void
copy_end(struct copy *c)
{
	if (c->file != NULL)
		(void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
	(void)sqlite3_close(c->db);
	guard_leave(c->dev, c->ino);
	c->db = NULL;
	c->file = NULL;
}

int
copy_page(const struct copy *c, uint32_t pgno, uint32_t size, uint8_t *page,
    struct err *e)
{
	int rc = c->file->pMethods->xRead(
	    c->file, page, (int)size, (sqlite3_int64)(pgno - 1) * size);

	if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ)
		return err_set(e, ERR_IO, "cannot read page %" PRIu32, pgno);
	return 0;
}

/*
 * The state of page 1 is not known here but by what is in the file: so this is
 * only of the copy's own bytes.
 */
bool
copy_has_own(const uint8_t *page, const struct state *s)
{
	uint8_t made[DBHDR_SIZE];

	memcpy(made, page, sizeof(made));
	own_put(&s->own, made);
	own_make(made, s->pages, s->counter);
	return memcmp(made, page, sizeof(made)) == 0;
}

int
copy_is(
    const struct copy *c, const struct state *s, uint8_t *page, struct err *e)
{
	struct pagesum sum = { 0 };
	sqlite3_int64 size;

	if (c->file->pMethods->xFileSize(c->file, &size) != SQLITE_OK)
		return err_set(e, ERR_IO, "cannot stat the copy");
	if ((uint64_t)size != (uint64_t)s->pages * s->page_size)
		return 0;
	for (uint32_t i = 1; i <= s->pages; i++) {
		if (copy_page(c, i, s->page_size, page, e) == -1 ||
		    stop_overdue(e) == -1)
			return -1;
		if (i == 1 && !copy_has_own(page, s))
			return 0;
		if (i == 1)
			own_put(&s->own, page);
		pagesum_xor(&sum, pagesum_of(i, page, s->page_size));
	}
	return pagesum_equal(sum, s->sum);
}
