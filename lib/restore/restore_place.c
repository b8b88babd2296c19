/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/restore/restore_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/restore/restore.h"
#include "lib/restore/restore_part.h"
#include "lib/sqlite/beside.h"
#include "lib/sqlite/dbhdr.h"
#include "lib/sys/file.h"
#include "lib/sys/guard.h"
#include "lib/sys/kernel.h"
#include "lib/sys/links.h"
#include "lib/sys/rng.h"

#define TMP_PREFIX ".lspp-"
#define TMP_RANDOM 6

void
place_init(struct place *p)
{
	*p = (struct place){ .dir = -1 };
}

void
place_release(struct place *p)
{
	file_close(p->dir);
	free(p->path);
	place_init(p);
}

static bool
is_unfinished(const char *name)
{
	static const char set[] = "0123456789abcdef";
	size_t n = sizeof(TMP_PREFIX) - 1;

	return strncmp(name, TMP_PREFIX, n) == 0 &&
	    strspn(name + n, set) == TMP_RANDOM && name[n + TMP_RANDOM] == '\0';
}

/*
 * Remove an unfinished file unless somebody holds its lock.  Its owner may just
 * have created and not yet locked it: place_create() notices.
 */
static void
remove_leftover(int dir, const char *name)
{
	struct stat st;
	int fd;

	fd = openat(dir, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd == -1)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0)
		(void)unlinkat(dir, name, 0);
	file_close(fd);
}

/* What cannot be looked through or removed stays: it is in nobody's way. */
static void
remove_leftovers(int dir, bool keep_parts)
{
	struct dirent *d;
	DIR *all;
	int fd;

	fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return;
	if ((all = fdopendir(fd)) == NULL) {
		file_close(fd);
		return;
	}
	while ((d = readdir(all)) != NULL)
		if (is_unfinished(d->d_name) ||
		    (!keep_parts && part_is_name(d->d_name)))
			remove_leftover(dir, d->d_name);
	(void)closedir(all);
}

/* The first time p comes to its directory. */
static void
clean(struct place *p)
{
	struct stat st;
	size_t i;

	if (fstat(p->dir, &st) == -1)
		return;
	i = (st.st_ino ^ st.st_dev * 31) % PLACE_SEEN;
	if (p->seen[i].dev == st.st_dev && p->seen[i].ino == st.st_ino)
		return;
	p->seen[i].dev = st.st_dev;
	p->seen[i].ino = st.st_ino;
	remove_leftovers(p->dir, p->keep_parts);
}

/* Made by this run, or by one that was killed, and not finished. */
static bool
is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
	    (st.st_mode & 07777) == PLACE_UNFINISHED;
}

/* Open the directory called name in dir; made if it is not there. */
static int
step(int dir, const char *name, mode_t mode, bool *made, struct err *e)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd;

	fd = openat(dir, name, flags);
	if (fd == -1 && errno == ENOENT) {
		if (mkdirat(dir, name, mode & ~(mode_t)077) == 0)
			*made = true;
		else if (errno != EEXIST)
			return err_sys(e, "cannot create directory %s", name);
		fd = openat(dir, name, flags);
	}
	if (fd == -1 && (errno == ELOOP || errno == ENOTDIR))
		return err_set(e, ERR_EXISTS,
		    "%s on the way is a link or no directory", name);
	if (fd == -1 || (*made && fchmod(fd, mode) == -1)) {
		err_sys(e, "cannot open directory %s", name);
		file_close(fd);
		return -1;
	}
	return fd;
}

/*
 * The directory of n bytes of path, whose links may be followed, with all above
 * it; the last one as p says.  Whoever owns what is below must get there,
 * whatever the umask; nobody else need see the names.
 */
static int
open_way(const struct place *p, const char *dir, bool last, struct err *e)
{
	mode_t mode = last && p->own_dirs ? PLACE_UNFINISHED : PLACE_WAY;
	struct buf above = { 0 };
	char *what = xasprintf("cannot open directory %s", dir);
	bool made = false;
	int fd = links_open_dir(dir, what, e), up;

	free(what);
	if (fd != -1 || e->class != ERR_MISSING)
		return fd;
	path_dir(dir, &above);
	if (strcmp(buf_str(&above), dir) != 0 &&
	    (up = open_way(p, buf_str(&above), false, e)) != -1) {
		fd = step(up, path_base(dir), mode, &made, e);
		close(up);
	}
	buf_release(&above);
	return fd;
}

static int
open_trusted(
    const struct place *p, const char *path, size_t n, bool last, struct err *e)
{
	struct stat st;
	char *dir;
	int fd;

	if (n == 0)
		dir = xstrdup(path[0] == '/' ? "/" : ".");
	else
		dir = xasprintf("%.*s", (int)n, path);
	while (strlen(dir) > 1 && dir[strlen(dir) - 1] == '/')
		dir[strlen(dir) - 1] = '\0';
	fd = open_way(p, dir, last, e);
	if (fd == -1 &&
	    (stat(dir, &st) == 0 ? !S_ISDIR(st.st_mode) : errno == ENOTDIR)) {
		err_set(e, ERR_EXISTS, "%s is not a directory", dir);
		err_hint(e,
		    "-o takes a directory; one database as a file of any name: "
		    "-o - >FILE");
	}
	free(dir);
	return fd;
}

/* Walk from the trusted part down to the directory of path, 'end' bytes. */
static int
walk(struct place *p, const char *path, size_t trusted, size_t end, bool *made,
    struct err *e)
{
	char *name;
	int fd, next;
	size_t n;

	fd = open_trusted(
	    p, path, trusted < end ? trusted : end, trusted >= end, e);
	for (size_t at = trusted; at < end && fd != -1; at += n) {
		at += strspn(path + at, "/");
		n = strcspn(path + at, "/");
		if (at >= end)
			break;
		name = xasprintf("%.*s", (int)n, path + at);
		*made = false;
		if (strcmp(name, "..") == 0)
			next = err_set(e, ERR_USAGE, "\"..\" in a path");
		else
			next = step(fd, name,
			    p->own_dirs && at + n >= end ? PLACE_UNFINISHED
							 : PLACE_WAY,
			    made, e);
		free(name);
		file_close(fd);
		fd = next;
	}
	p->unfinished = fd != -1 && p->own_dirs && is_ours(fd);
	return fd;
}

/* Is p at the first 'end' bytes of path, and that still what is there? */
static bool
is_here(const struct place *p, const char *path, size_t end, size_t trusted)
{
	struct stat was, is;

	if (p->path == NULL || strlen(p->path) != end ||
	    memcmp(p->path, path, end) != 0 || p->trusted != trusted ||
	    fstat(p->dir, &was) == -1 || was.st_nlink == 0)
		return false;
	if (stat(end > 0 ? p->path : ".", &is) == -1)
		return errno == ENAMETOOLONG;
	return is.st_dev == was.st_dev && is.st_ino == was.st_ino;
}

const char *
place_open(struct place *p, const char *path, size_t trusted, struct err *e)
{
	const char *name = path_base(path);
	size_t end = (size_t)(name - path);
	bool made = false;

	/* "a/b/" + "x.db"; but the slash of "/x.db" is its directory. */
	if (end > 1)
		end--;
	if (is_here(p, path, end, trusted))
		return name;
	file_close(p->dir);
	free(p->path);
	p->path = NULL;
	if ((p->dir = walk(p, path, trusted, end, &made, e)) == -1)
		return NULL;
	p->path = xasprintf("%.*s", (int)end, path);
	p->trusted = trusted;
	if (!made)
		clean(p);
	return name;
}

static int
exists(const char *what, struct err *e)
{
	err_set(e, ERR_EXISTS, "%s exists", what);
	return err_hint(e, "--force replaces it");
}

static int
cannot_replace(
    const char *path, const char *what, const char *how, struct err *e)
{
	err_set(e, ERR_EXISTS, "%s is %s", path, what);
	(void)err_hint(e, "%s", how);
	return 1;
}

/* 1: there and in the way; 0: not; -1: it cannot be told. */
static int
in_the_way(
    int dir, const char *name, const char *path, bool force, struct err *e)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 : err_sys(e, "cannot stat %s", path);
	if (S_ISLNK(st.st_mode))
		return cannot_replace(path, "a symbolic link",
		    "restore to where it leads, or remove it", e);
	if (!S_ISREG(st.st_mode))
		return cannot_replace(path, "there and not a regular file",
		    "remove it, or restore to another directory with -o DIR",
		    e);
	if (guard_is_own((int64_t)st.st_dev, (int64_t)st.st_ino)) {
		guard_refuse(e);
		return 1;
	}
	if (force)
		return 0;
	exists(path, e);
	return 1;
}

/* Is name, of a file of SQLite's, that of a database all the same? */
static bool
is_database(int dir, const char *name)
{
	uint8_t head[16];
	struct err none;
	ssize_t n;
	int fd =
	    openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd == -1)
		return false;
	n = file_pread(fd, head, sizeof(head), 0, &none);
	file_close(fd);
	return n == sizeof(head) && dbhdr_magic(head, sizeof(head));
}

/* As in_the_way(), for what would be a file of SQLite's beside the one of that
 * path: there is something called side. */
static int
side_in_the_way(int dir, const char *side, const char *path, const char *suffix,
    bool force, struct err *e)
{
	char *side_path = xasprintf("%s%s", path, suffix);
	int rc;

	if (is_database(dir, side)) {
		err_set(e, ERR_EXISTS,
		    "%s is a database: SQLite would take it for a log of %s",
		    side_path, path_base(path));
		err_hint(e, "restore to another directory with -o DIR");
		rc = 1;
	} else {
		rc = in_the_way(dir, side, side_path, force, e);
	}
	free(side_path);
	return rc;
}

/* As a rule that is one call for each. */
static int
sides_in_the_way(
    int dir, const char *name, const char *path, bool force, struct err *e)
{
	struct buf side = { 0 };
	struct stat st;
	int rc = 0;

	for (int i = 0; i < BESIDE_N && rc == 0; i++) {
		buf_reset(&side);
		buf_adds(&side, name);
		buf_adds(&side, beside_suffix[i]);
		if (fstatat(dir, buf_str(&side), &st, AT_SYMLINK_NOFOLLOW) ==
			0 ||
		    errno != ENOENT)
			rc = side_in_the_way(dir, buf_str(&side), path,
			    beside_suffix[i], force, e);
	}
	buf_release(&side);
	return rc;
}

/* Would name be a file of SQLite's, beside what is there? */
static int
is_beside(int dir, const char *name, const char *path, struct err *e)
{
	size_t len = beside_of(name, strlen(name));
	struct stat st;
	char *of;
	int rc = 0;

	if (len == 0)
		return 0;
	of = xasprintf("%.*s", (int)len, name);
	if (fstatat(dir, of, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !S_ISDIR(st.st_mode)) {
		err_set(e, ERR_EXISTS,
		    "%.*s is there: SQLite would take %s for a log of it",
		    (int)beside_of(path, strlen(path)), path, path_base(path));
		err_hint(e, "restore to another directory with -o DIR");
		rc = 1;
	}
	free(of);
	return rc;
}

int
place_free_name(
    int dir, const char *name, const char *path, bool force, struct err *e)
{
	int rc = is_beside(dir, name, path, e);

	if (rc == 0)
		rc = in_the_way(dir, name, path, force, e);
	return rc == 0 ? 0 : -1;
}

int
place_free(
    int dir, const char *name, const char *path, bool force, struct err *e)
{
	if (place_free_name(dir, name, path, force, e) == -1)
		return -1;
	return sides_in_the_way(dir, name, path, force, e) == 0 ? 0 : -1;
}

int
place_mounted(int dir, const char *name, const char *path, struct err *e)
{
	if (!kernel_is_mount(dir, name))
		return 0;
	(void)cannot_replace(path, "a mount point",
	    "no file can take its place; --live writes into it, if it is a "
	    "database",
	    e);
	return -1;
}

int
restore_target_free(const char *path, struct err *e)
{
	return place_free(AT_FDCWD, path, path, false, e);
}

/* A name that is not taken; 1: somebody was faster. */
static int
create(struct place *p, struct restored *r, struct err *e)
{
	uint8_t random[TMP_RANDOM / 2];
	struct stat st;

	if (rng_bytes(random, sizeof(random), e) == -1)
		return -1;
	(void)snprintf(r->tmp, sizeof(r->tmp), TMP_PREFIX "%02x%02x%02x",
	    random[0], random[1], random[2]);
	r->fd = openat(p->dir, r->tmp,
	    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (r->fd == -1) {
		r->tmp[0] = '\0';
		if (errno == EEXIST)
			return 1;
		return err_sys(e, "cannot create a file in %s", p->path);
	}
	/*
	 * Between the two somebody may have taken it for a leftover, and then
	 * has the lock, or had it.  A file system without locks has none who
	 * could hold one.
	 */
	if ((flock(r->fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK) ||
	    fstat(r->fd, &st) == -1 || st.st_nlink == 0) {
		(void)unlinkat(p->dir, r->tmp, 0);
		file_close(r->fd);
		r->fd = -1;
		r->tmp[0] = '\0';
		return 1;
	}
	r->dev = st.st_dev;
	return 0;
}

int
place_create(struct place *p, struct restored *r, struct err *e)
{
	int rc = 1;

	for (int tries = 0; rc == 1 && tries < 100; tries++)
		rc = create(p, r, e);
	if (rc == 1)
		return err_set(e, ERR_BUSY, "no free name in %s", p->path);
	if (rc == -1)
		return -1;
	r->dir = fcntl(p->dir, F_DUPFD_CLOEXEC, 3);
	if (r->dir == -1) {
		err_sys(e, "cannot keep directory %s open", p->path);
		(void)unlinkat(p->dir, r->tmp, 0);
		r->tmp[0] = '\0';
		return -1;
	}
	return 0;
}

/* EINVAL: a file system that has no such thing, and says so. */
static int
sync_one(int fd, struct err *e)
{
	if (fsync(fd) == -1 && errno != EINVAL && errno != EROFS)
		return err_sys(e, "cannot sync the directory");
	return 0;
}

/* The one above *fd takes its place.  0: that is not of this file system, or may
 * not be opened by who runs this, and so was not made by it. */
static int
go_up(int *fd, struct err *e)
{
	struct stat st, above;
	int up = openat(*fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (up == -1)
		return errno == EACCES
		    ? 0
		    : err_sys(e, "cannot open the directory above");
	if (fstat(*fd, &st) == -1 || fstat(up, &above) == -1) {
		err_sys(e, "stat of the directory");
		file_close(up);
		return -1;
	}
	file_close(*fd);
	*fd = up;
	return above.st_dev == st.st_dev && above.st_ino != st.st_ino;
}

int
place_sync(int dir, struct err *e)
{
	int fd, rc;

	if (sync_one(dir, e) == -1)
		return -1;
	if ((fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return err_sys(e, "cannot open the directory");
	while ((rc = go_up(&fd, e)) == 1)
		if ((rc = sync_one(fd, e)) == -1)
			break;
	file_close(fd);
	return rc;
}
