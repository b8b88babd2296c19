/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Staging: an object's bytes in a file that has no name, or one that is ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/store/dir/dir_impl.h"
#include "lib/sys/file.h"
#include "lib/sys/names.h"
#include "lib/sys/rng.h"
#include "lib/sys/spool.h"
#include "lib/sys/stop.h"

/* Temporary files */

static int
open_tmp_dir(struct dir *d, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&d->lock);
	if (d->tmp == -1) {
		if (mkdirat(d->root, DIR_TMP, 0700) == -1 && errno != EEXIST)
			rc = -1;
		else
			d->tmp =
			    openat(d->root, DIR_TMP, DIR_FLAGS | O_NOFOLLOW);
		if (d->tmp == -1) {
			rc = err_sys(
			    e, "cannot make %s in the replica root", DIR_TMP);
			dir_blame_root(d, e);
		}
	}
	pthread_mutex_unlock(&d->lock);
	return rc;
}

/* Take fd for ours.  False: a run that cleans up was faster. */
static bool
claim(int fd)
{
	struct stat st;

	/* Where there are no such locks, nobody can clean up either. */
	if (flock(fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK)
		return false;
	return fstat(fd, &st) == 0 && st.st_nlink > 0;
}

int
dir_open_named(struct dir *d, struct dir_object *o, struct err *e)
{
	uint64_t id;

	if (open_tmp_dir(d, e) == -1)
		return -1;
	for (int i = 0; i < DIR_RACES; i++) {
		if (rng_bytes(&id, sizeof(id), e) == -1)
			return -1;
		(void)snprintf(o->tmp, sizeof(o->tmp), "%016" PRIx64, id);
		o->fd = openat(d->tmp, o->tmp,
		    O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0640);
		if (o->fd != -1 && claim(o->fd))
			return 0;
		if (o->fd == -1 && errno != EEXIST) {
			o->tmp[0] = '\0';
			err_sys(e, "cannot make a file in %s of the replica",
			    DIR_TMP);
			dir_blame_root(d, e);
			return -1;
		}
		file_close(o->fd);
		o->fd = -1;
	}
	o->tmp[0] = '\0';
	return err_set(
	    e, ERR_BUSY, "cannot keep a file in %s of the replica", DIR_TMP);
}

void
dir_clean_up(struct dir *d)
{
	struct names ns = { 0 };
	struct err e;
	int at, fd;

	at = openat(d->root, DIR_TMP, DIR_FLAGS | O_NOFOLLOW);
	if (at == -1)
		return;
	if (names_read(&ns, at, false, &e) == -1)
		ns.n = 0;
	for (size_t i = 0; i < ns.n; i++) {
		if (ns.v[i].type != DT_REG)
			continue;
		fd = openat(at, ns.v[i].s,
		    O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			(void)unlinkat(at, ns.v[i].s, 0);
		file_close(fd);
	}
	names_release(&ns);
	close(at);
}

static bool
no_tmpfile(int errnum)
{
	return errnum == EOPNOTSUPP || errnum == EISDIR || errnum == EINVAL ||
	    errnum == ENOSYS || errnum == ENOENT;
}

/* 1: o->fd is a file without a name, 0: there are none here, -1. */
static int
open_unnamed(struct dir *d, struct dir_object *o, struct err *e)
{
	if (!d->sys.tmpfile || atomic_load(&d->named))
		return 0;
	for (int i = 0; i < DIR_RACES; i++) {
		o->fd = openat(
		    o->parent, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
		if (o->fd != -1)
			return 1;
		if (!dir_is_removed(o->parent))
			break;
		/* Systems answer differently for a removed directory: ENOENT,
		 * EPERM. */
		if (dir_open_parent(d, o, e) == -1)
			return -1;
	}
	if (no_tmpfile(errno))
		return 0;
	err_sys(e, "cannot create object %s", o->key);
	dir_blame_root(d, e);
	return -1;
}

static int
open_file(struct dir *d, struct dir_object *o, struct err *e)
{
	int rc = open_unnamed(d, o, e);

	return rc == 0 ? dir_open_named(d, o, e) : rc == 1 ? 0 : -1;
}

/* Staging */

static int
copy(struct dir *d, struct dir_object *o, struct spool *from, struct err *e)
{
	size_t room = from->size < DIR_PIECE ? (size_t)from->size : DIR_PIECE;
	uint8_t *piece = xmalloc(room + 1);
	uint64_t off = 0;
	int rc = -1;

	for (size_t n; off < from->size; off += n) {
		n = from->size - off < room ? (size_t)(from->size - off) : room;
		if (stop_overdue(e) == -1 ||
		    spool_read(from, off, piece, n, e) == -1)
			goto out;
		if (file_pwrite(o->fd, piece, n, off, e) == -1) {
			err_in(e, "object %s", o->key);
			goto out;
		}
		atomic_fetch_add(&d->sent, n);
	}
	rc = 0;
out:
	free(piece);
	return rc;
}

int
dir_set_time(struct dir_object *o, struct err *e)
{
	struct timespec t[2];

	t[0].tv_sec = (time_t)(o->mtime_ns / 1000000000);
	t[0].tv_nsec = (long)(o->mtime_ns % 1000000000);
	if (t[0].tv_nsec < 0) {
		t[0].tv_sec--;
		t[0].tv_nsec += 1000000000;
	}
	t[1] = t[0];
	if (futimens(o->fd, t) == -1)
		return err_sys(e, "cannot set the time of object %s", o->key);
	return 0;
}

/* 1: it is there, 0, or -1. */
static int
is_there(struct dir *d, const char *key, struct err *e)
{
	struct stat st;

	if (dir_check_key(key, e) == -1)
		return -1;
	if (fstatat(d->root, key, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	if (errno == ENOENT || errno == ENOTDIR)
		return 0;
	err_sys(e, "cannot look for %s", key);
	dir_blame_root(d, e);
	return -1;
}

int
dir_check_after(
    struct dir *d, const char *after, const char *unless, struct err *e)
{
	int rc;

	if (after != NULL && (rc = is_there(d, after, e)) != 1) {
		if (rc == -1)
			return -1;
		err_set(e, ERR_MISSING, "%s: gone from the replica", after);
		dir_blame_root(d, e);
		return -1;
	}
	if (unless == NULL || (rc = is_there(d, unless, e)) == 0)
		return 0;
	if (rc == 1)
		err_set(e, ERR_MISSING, "%s: what came behind it was pruned",
		    unless);
	return -1;
}

void
dir_drop(struct store *s, struct staged *st)
{
	struct dir *d = (struct dir *)s;
	struct dir_object *o = (struct dir_object *)st;

	if (o == NULL)
		return;
	if (o->tmp[0] != '\0')
		(void)unlinkat(d->tmp, o->tmp, 0);
	file_close(o->fd);
	file_close(o->parent);
	if (o->staged.rc == -1)
		dir_prune(d, o->key, o->made);
	free(o->key);
	free(o->after);
	free(o->unless);
	free(o);
}

struct staged *
dir_stage(struct store *s, const struct store_stage *st, struct err *e)
{
	struct dir *d = (struct dir *)s;
	struct dir_object *o;

	if (d->mode == STORE_READ) {
		err_set(e, ERR_BUG, "the replica was opened for reading");
		return NULL;
	}
	if (dir_check_key(st->key, e) == -1 ||
	    dir_check_after(d, st->after, st->unless, e) == -1)
		return NULL;
	o = xcalloc(1, sizeof(*o));
	*o = (struct dir_object){
		.staged = { .rc = -1 },
		.key = xstrdup(st->key),
		.after = st->after != NULL ? xstrdup(st->after) : NULL,
		.unless = st->unless != NULL ? xstrdup(st->unless) : NULL,
		.mtime_ns = st->mtime_ns,
		.parent = -1,
		.fd = -1,
	};
	err_set(&o->staged.e, ERR_BUG, "%s is not published", o->key);
	if (dir_open_parent(d, o, e) == -1 || open_file(d, o, e) == -1 ||
	    copy(d, o, st->bytes, e) == -1 || dir_set_time(o, e) == -1) {
		dir_drop(s, &o->staged);
		return NULL;
	}
	/* Not every file system has attributes. */
	if (st->note != NULL)
		(void)fsetxattr(o->fd, DIR_NOTE, st->note, strlen(st->note), 0);
	return &o->staged;
}
