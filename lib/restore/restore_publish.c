/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for what was restored.  Order, for each file: its bytes are durable,
 * then it has its name, then the name is durable, then it is reported.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/restore/restore.h"
#include "lib/restore/restore_place.h"
#include "lib/sys/file.h"
#include "lib/sys/kernel.h"

/* From so many files on, one sync of their file system is cheaper. */
#define MANY 4

#define COPY_BUF ((size_t)256 * 1024)

/* Those of the file system of r that wait for a sync. */
static size_t
waiting(struct restored **list, size_t n, const struct restored *r)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += !list[i]->synced && list[i]->dev == r->dev;
	return count;
}

/* One sync for all files of r's file system: they share its fate. */
static void
sync_fs(struct restored **list, size_t n, const struct restored *r)
{
	uint64_t dev = r->dev;
	struct err e;
	int rc;

	rc = syncfs(r->dir) == 0 ? 0
				 : err_sys(&e, "cannot sync the file system");
	for (size_t i = 0; i < n; i++) {
		if (list[i]->synced || list[i]->dev != dev)
			continue;
		list[i]->synced = true;
		if (rc == -1)
			list[i]->e = e;
		list[i]->rc = rc;
	}
}

/* Have 'each' done to the files of a file system, or one sync if many. */
static void
sync_group(struct restored **list, size_t n,
    int (*each)(struct restored *r, struct err *e))
{
	struct restored *r;

	for (size_t i = 0; i < n; i++)
		list[i]->synced = list[i]->rc == -1;
	for (size_t i = 0; i < n; i++) {
		r = list[i];
		if (r->synced)
			continue;
		if (waiting(list, n, r) >= MANY) {
			sync_fs(list, n, r);
			continue;
		}
		r->rc = each(r, &r->e);
		r->synced = true;
	}
}

static int
sync_data(struct restored *r, struct err *e)
{
	return fsync(r->fd) == 0 ? 0 : err_sys(e, "cannot sync");
}

static int
sync_name(struct restored *r, struct err *e)
{
	return place_sync(r->dir, e);
}

/* Remove name, with a suffix, if it is there. */
static int
take_away(int dir, const char *name, const char *suffix, struct err *e)
{
	char *side = xasprintf("%s%s", name, suffix);
	int rc = 0;

	if (unlinkat(dir, side, 0) == -1 && errno != ENOENT)
		rc = err_sys(e, "cannot remove %s", side);
	free(side);
	return rc;
}

static bool
has(int dir, const char *name, const char *suffix)
{
	char *side = xasprintf("%s%s", name, suffix);
	struct stat st;
	bool there = fstatat(dir, side, &st, AT_SYMLINK_NOFOLLOW) == 0;

	free(side);
	return there;
}

/*
 * A log or journal must meet neither the new database nor, should we end here,
 * be missed by the old one: the old database goes first.
 */
static int
clear_the_way(const struct restored *r, struct err *e)
{
	if ((has(r->dir, r->name, "-wal") ||
		has(r->dir, r->name, "-journal")) &&
	    take_away(r->dir, r->name, "", e) == -1)
		return -1;
	if (take_away(r->dir, r->name, "-wal", e) == -1 ||
	    take_away(r->dir, r->name, "-journal", e) == -1)
		return -1;
	return take_away(r->dir, r->name, "-shm", e);
}

/* rename(2) that replaces nothing. */
static int
rename_new(int dir, const char *from, const char *to)
{
	if (kernel_rename_new(dir, from, dir, to) == 0)
		return 0;
	/* A file system, or a kernel, that does not know the flag. */
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (linkat(dir, from, dir, to, 0) == -1)
		return -1;
	(void)unlinkat(dir, from, 0);
	return 0;
}

/* Does path lead to what fd is open on? */
static int
leads_to(const char *path, int fd, struct err *e)
{
	struct stat is, was;

	if (fstat(fd, &was) == -1)
		return err_sys(e, "cannot stat it");
	if (stat(path, &is) == 0) {
		if (is.st_dev == was.st_dev && is.st_ino == was.st_ino)
			return 0;
	} else if (errno == ENAMETOOLONG) {
		return 0; /* nobody can go there at once */
	} else if (errno != ENOENT && errno != ENOTDIR) {
		return err_sys(e, "cannot stat %s", path);
	}
	return err_set(e, ERR_BUSY,
	    "its directory was moved or replaced while it was restored");
}

/* Before something is replaced there: is it still the directory asked for? */
static int
dir_is_there(const struct restored *r, struct err *e)
{
	struct buf dir = { 0 };
	int rc;

	path_dir(r->path, &dir);
	if ((rc = leads_to(buf_str(&dir), r->dir, e)) == -1)
		err_hint(e, "run it again");
	buf_release(&dir);
	return rc;
}

static int
is_there(const struct restored *r, struct err *e)
{
	if (leads_to(r->path, r->fd, e) == 0)
		return 0;
	return err_hint(e,
	    "run it again; a whole file called %s is in the directory that "
	    "was there",
	    r->name);
}

int
restored_fd(const struct restored *r)
{
	return r->fd;
}

static int
give_name(struct restored *r, struct err *e)
{
	int rc;

	if (dir_is_there(r, e) == -1)
		return -1;
	if (place_free(r->dir, r->name, r->path, r->force, e) == -1)
		return -1;
	if (r->force && place_mounted(r->dir, r->name, r->path, e) == -1)
		return -1;
	if (r->force && !r->force_open &&
	    place_in_use(r->dir, r->name, e) == -1)
		return -1;
	if (r->force && clear_the_way(r, e) == -1)
		return -1;
	rc = r->force ? renameat(r->dir, r->tmp, r->dir, r->name)
		      : rename_new(r->dir, r->tmp, r->name);
	if (rc == -1 && errno == EEXIST)
		return err_set(e, ERR_EXISTS, "%s exists", r->name);
	if (rc == -1 && errno == EBUSY)
		return err_set(e, ERR_EXISTS, "%s is a mount point", r->name);
	if (rc == -1)
		return err_sys(e, "cannot rename to %s", r->name);
	r->tmp[0] = '\0';
	return 0;
}

int
restored_name(struct restored *r, struct err *e)
{
	return give_name(r, e) == -1 ? -1 : is_there(r, e);
}

void
restore_publish(struct restored **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		list[i]->rc = 0;
	sync_group(list, n, sync_data);
	for (size_t i = 0; i < n; i++)
		if (list[i]->rc == 0)
			list[i]->rc = give_name(list[i], &list[i]->e);
	sync_group(list, n, sync_name);
	for (size_t i = 0; i < n; i++) {
		if (list[i]->rc == 0)
			list[i]->rc = is_there(list[i], &list[i]->e);
		if (list[i]->rc == 0 && list[i]->part[0] != '\0')
			(void)unlinkat(list[i]->dir, list[i]->part, 0);
	}
}

int
restored_write(struct restored *r, int fd, struct err *e)
{
	uint8_t *buf;
	uint64_t at = 0;
	ssize_t n;

	/* Whatever ends us while somebody reads: nothing is left behind. */
	if (unlinkat(r->dir, r->tmp, 0) == -1)
		return err_sys(e, "cannot remove the unfinished file");
	r->tmp[0] = '\0';
	buf = xmalloc(COPY_BUF);
	while ((n = file_pread(r->fd, buf, COPY_BUF, at, e)) > 0) {
		if (file_write(fd, buf, (size_t)n, e) == -1) {
			n = -1;
			break;
		}
		at += (uint64_t)n;
	}
	free(buf);
	return n == -1 ? -1 : 0;
}

void
restored_drop(struct restored *r)
{
	if (r == NULL)
		return;
	if (r->tmp[0] != '\0')
		(void)unlinkat(r->dir, r->tmp, 0);
	file_close(r->fd);
	file_close(r->dir);
	free(r->path);
	free(r->name);
	free(r);
}
