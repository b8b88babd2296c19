/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing a batch: data, names, directories.  Nothing is reported as done
 * before the last of the three is durable.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/store/dir/dir_impl.h"
#include "lib/sys/file.h"
#include "lib/sys/kernel.h"

static struct dir_object *
object(struct staged *st)
{
	return (struct dir_object *)st;
}

static void
fail(struct dir_object *o, const struct err *e)
{
	o->staged.rc = -1;
	o->staged.e = *e;
}

/* Does it wait for another, which failed? */
static bool
is_behind(struct dir_object *o)
{
	const struct staged *other = o->staged.behind;

	if (other == NULL || other->rc == 0)
		return false;
	fail(o, &other->e);
	return true;
}

/* Does one syncfs serve the batch? */
static bool
as_one(const struct dir *d, struct staged **list, size_t n)
{
	if (d->sys.syncfs == NULL || n < DIR_SYNCFS)
		return false;
	for (size_t i = 0; i < n; i++)
		if (object(list[i])->dev != d->dev)
			return false;
	return true;
}

/* The sync of o failed, and so of all: only o is told its name. */
static int
sync_failed(struct dir_object *o, struct err *e)
{
	int errnum = errno;
	struct err own;

	err_sys(&own, "cannot sync object %s", o->key);
	fail(o, &own);
	errno = errnum;
	return err_sys(e, "cannot sync the replica");
}

static int
sync_data(struct dir *d, struct staged **list, size_t n, struct err *e)
{
	struct dir_object *o;

	if (as_one(d, list, n)) {
		if (d->sys.syncfs(d->root) == -1)
			return err_sys(e, "cannot sync the replica");
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		o = object(list[i]);
		if (!o->failed && d->sys.fsync(o->fd) == -1)
			return sync_failed(o, e);
	}
	return 0;
}

/* Names */

/* Bytes of two files: 1 the same, 0 not, -1. */
static int
same_bytes(int a, int b, struct err *e)
{
	uint8_t *p = xmalloc(2 * DIR_PIECE), *q = p + DIR_PIECE;
	ssize_t n, m;
	uint64_t off = 0;
	int rc = -1;

	do {
		if ((n = file_pread(a, p, DIR_PIECE, off, e)) == -1 ||
		    (m = file_pread(b, q, DIR_PIECE, off, e)) == -1)
			goto out;
		off += (uint64_t)n;
	} while (n == m && n > 0 && memcmp(p, q, (size_t)n) == 0);
	rc = n == 0 && m == 0;
out:
	free(p);
	return rc;
}

/* The name is taken: fine if it is by the same bytes. */
static int
compare(struct dir *d, struct dir_object *o, struct err *e)
{
	struct stat st, mine;
	int fd, same = 0;

	fd = openat(o->parent, path_base(o->key),
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd == -1 && errno != ELOOP && errno != ENXIO)
		return err_sys(
		    e, "cannot read object %s, which exists", o->key);
	if (fd != -1 && (fstat(fd, &st) == -1 || fstat(o->fd, &mine) == -1))
		same =
		    err_sys(e, "cannot read object %s, which exists", o->key);
	else if (fd != -1 && S_ISREG(st.st_mode) && st.st_size == mine.st_size)
		same = same_bytes(fd, o->fd, e);
	/* Whoever wrote it: we are about to vouch for it. */
	if (same == 1 && d->sys.fsync(fd) == -1)
		same = err_sys(e, "cannot sync object %s", o->key);
	file_close(fd);
	if (same == 0)
		err_set(
		    e, ERR_BUSY, "object %s exists with other content", o->key);
	return same == 1 ? 0 : -1;
}

/* 0, or -1 with errno. */
static int
link_unnamed(const struct dir *d, const struct dir_object *o)
{
	const char *name = path_base(o->key);
	char proc[40];

	if (!d->sys.fdlink) {
		errno = EOPNOTSUPP;
		return -1;
	}
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", o->fd);
	if (linkat(AT_FDCWD, proc, o->parent, name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (errno != ENOENT)
		return -1;
	/* /proc is not mounted, or the directory is gone. */
	return linkat(o->fd, "", o->parent, name, AT_EMPTY_PATH);
}

static int
link_named(const struct dir *d, struct dir_object *o)
{
	const char *name = path_base(o->key);

	if (d->sys.hardlink) {
		if (linkat(d->tmp, o->tmp, o->parent, name, 0) == 0)
			return 0;
		if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS)
			return -1;
	}
	/* FAT and its like have no links, but will not replace if told so. */
	if (kernel_rename_new(d->tmp, o->tmp, o->parent, name) == -1)
		return -1;
	o->tmp[0] = '\0';
	return 0;
}

/* Copy the nameless file into one that has a name in DIR_TMP. */
static int
make_named(struct dir *d, struct dir_object *o, struct err *e)
{
	uint8_t *piece = NULL;
	uint64_t off = 0;
	ssize_t n;
	int from = o->fd, rc = -1;

	o->fd = -1;
	if (dir_open_named(d, o, e) == -1)
		goto out;
	piece = xmalloc(DIR_PIECE);
	while ((n = file_pread(from, piece, DIR_PIECE, off, e)) > 0) {
		if (file_pwrite(o->fd, piece, (size_t)n, off, e) == -1)
			goto out;
		off += (uint64_t)n;
	}
	if (n == -1 || dir_set_time(o, e) == -1)
		goto out;
	if (d->sys.fsync(o->fd) == -1) {
		o->failed = true;
		err_sys(e, "cannot sync object %s", o->key);
		goto out;
	}
	atomic_store(&d->named, true);
	rc = 0;
out:
	file_close(from);
	free(piece);
	return rc;
}

static int
link_once(struct dir *d, struct dir_object *o)
{
	return o->tmp[0] == '\0' ? link_unnamed(d, o) : link_named(d, o);
}

/* Errors that have nothing to do with the file having no name. */
static bool
is_final(int errnum)
{
	return errnum == EEXIST || errnum == ENOSPC || errnum == EDQUOT ||
	    errnum == EROFS || errnum == EIO || errnum == EACCES ||
	    errnum == ENAMETOOLONG;
}

static int
blame(struct dir *d, struct dir_object *o, int errnum, struct err *e)
{
	errno = errnum;
	if (errnum == ENAMETOOLONG)
		err_set(e, ERR_USAGE,
		    "object %s: name too long for the replica's file system",
		    o->key);
	else if (errnum == ENOENT)
		err_set(e, ERR_BUSY,
		    "the directory of %s was removed meanwhile", o->key);
	else
		err_sys(e, "cannot create object %s", o->key);
	dir_blame_root(d, e);
	return -1;
}

static int
link_object(struct dir *d, struct dir_object *o, struct err *e)
{
	int rc = link_once(d, o);

	/* Somebody cleared away the directory while it was empty. */
	for (int i = 0; rc == -1 && i < DIR_RACES; i++) {
		if (errno != ENOENT || !dir_is_removed(o->parent))
			break;
		if (dir_open_parent(d, o, e) == -1)
			return -1;
		rc = link_once(d, o);
	}
	if (rc == -1 && o->tmp[0] == '\0' && !is_final(errno)) {
		if (make_named(d, o, e) == -1)
			return err_in(e, "object %s", o->key);
		rc = link_once(d, o);
	}
	o->linked = rc == 0;
	if (rc == 0)
		return 0;
	return errno == EEXIST ? compare(d, o, e) : blame(d, o, errno, e);
}

/* Directories */

/* The length of the directory part of path[0..len), 0 for the root. */
static size_t
above(const char *path, size_t len)
{
	while (len > 0 && path[len - 1] != '/')
		len--;
	return len > 0 ? len - 1 : 0;
}

/*
 * fsync the directory key[0..len) of the root, 0 for the root itself.  Where
 * that fails all is filled, too: what others have written may be lost.
 */
static int
sync_dir(
    struct dir *d, const char *key, size_t len, struct err *all, struct err *e)
{
	char *name = len == 0 ? xstrdup(".") : xasprintf("%.*s", (int)len, key);
	int fd, errnum, rc = 0;

	fd = openat(
	    d->root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || d->sys.fsync(fd) == -1) {
		errnum = errno;
		rc =
		    err_sys(e, "cannot sync directory %s of the replica", name);
		errno = errnum;
		if (fd != -1)
			err_sys(all, "cannot sync the replica");
	}
	file_close(fd);
	free(name);
	return rc;
}

static bool
is_durable(struct dir *d, const char *key, size_t len)
{
	bool known;

	pthread_mutex_lock(&d->lock);
	known = len == 0 || dir_paths_has(&d->durable, key, len);
	pthread_mutex_unlock(&d->lock);
	return known;
}

/*
 * Make the name of o last, and the names of the directories it is in, up to
 * the first that is known to.  synced: the directories this batch has synced.
 */
static int
sync_chain(struct dir *d, struct dir_object *o, struct dir_paths *synced,
    struct err *all, struct err *e)
{
	size_t len = strlen(o->key);

	do {
		len = above(o->key, len);
		if (dir_paths_has(synced, o->key, len))
			continue;
		if (sync_dir(d, o->key, len, all, e) == -1)
			return -1;
		dir_paths_add(synced, o->key, len);
	} while (!is_durable(d, o->key, len));
	return 0;
}

static void
remember(struct dir *d, const struct dir_object *o)
{
	size_t len = above(o->key, strlen(o->key));

	pthread_mutex_lock(&d->lock);
	for (; len > 0; len = above(o->key, len))
		dir_paths_add(&d->durable, o->key, len);
	pthread_mutex_unlock(&d->lock);
}

/* The object cannot be relied on: remove its name. */
static void
take_back(struct dir_object *o)
{
	if (o->linked)
		(void)unlinkat(o->parent, path_base(o->key), 0);
	o->linked = false;
}

static int
sync_names(struct dir *d, struct staged **list, size_t n, struct err *e)
{
	struct dir_paths *synced;
	struct dir_object *o;
	struct err own;

	if (as_one(d, list, n)) {
		if (d->sys.syncfs(d->root) == -1)
			return err_sys(e, "cannot sync the replica");
		return 0;
	}
	synced = xcalloc(1, sizeof(*synced));
	e->class = ERR_NONE;
	for (size_t i = 0; e->class == ERR_NONE && i < n; i++) {
		o = object(list[i]);
		if (o->staged.rc != 0)
			continue;
		if (is_behind(o)) {
			take_back(o);
		} else if (sync_chain(d, o, synced, e, &own) == -1) {
			take_back(o);
			fail(o, &own);
		}
	}
	free(synced);
	return e->class == ERR_NONE ? 0 : -1;
}

/* A sync failed: no object of the batch is to be relied on, now or later. */
static void
fail_all(struct staged **list, size_t n, const struct err *e)
{
	struct dir_object *o;

	for (size_t i = 0; i < n; i++) {
		o = object(list[i]);
		take_back(o);
		o->failed = true;
		if (o->staged.rc == 0 || o->staged.e.class == ERR_BUG)
			fail(o, e);
	}
}

/* What it continues may have been removed just before it came: see ship.h. */
static int
look_behind(struct dir *d, struct dir_object *o, struct err *e)
{
	if (dir_check_after(d, o->after, o->unless, e) == 0)
		return 0;
	take_back(o);
	return -1;
}

void
dir_publish(struct store *s, struct staged **list, size_t n)
{
	struct dir *d = (struct dir *)s;
	struct dir_object *o;
	struct err e;

	for (size_t i = 0; i < n; i++) {
		o = object(list[i]);
		o->linked = false;
		if (o->failed)
			err_set(&o->staged.e, ERR_IO,
			    "object %s was lost in a failed sync", o->key);
	}
	if (sync_data(d, list, n, &e) == -1) {
		fail_all(list, n, &e);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		o = object(list[i]);
		if (o->failed || is_behind(o))
			continue;
		if (link_object(d, o, &e) == -1 || look_behind(d, o, &e) == -1)
			fail(o, &e);
		else
			o->staged.rc = 0;
	}
	if (sync_names(d, list, n, &e) == -1) {
		fail_all(list, n, &e);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (list[i]->rc == 0)
			remember(d, object(list[i]));
}
