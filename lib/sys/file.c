/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sys/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/sys/kernel.h"

static const char *
kind(mode_t mode)
{
	if (S_ISDIR(mode))
		return "a directory";
	if (S_ISFIFO(mode))
		return "a FIFO";
	if (S_ISLNK(mode))
		return "a symbolic link";
	if (S_ISSOCK(mode))
		return "a socket";
	if (S_ISCHR(mode) || S_ISBLK(mode))
		return "a device";
	return "something else";
}

static int
not_regular(mode_t mode, struct err *e)
{
	err_set(e, ERR_CORRUPT, "not a regular file (%s)", kind(mode));
	if (S_ISDIR(mode))
		err_hint(e, "lspp-scan prints the databases in a directory");
	return -1;
}

static int
open_regular(const char *path, bool here, struct stat *st, struct err *e)
{
	int flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, fd;

	fd = here ? file_open_strict(path, flags) : open(path, flags);
	if (fd == -1) {
		if (errno == ELOOP && here && lstat(path, st) == 0 &&
		    S_ISLNK(st->st_mode))
			return not_regular(st->st_mode, e);
		if (errno == ELOOP && here)
			return err_set(e, ERR_BUSY,
			    "a directory on the way has become a link");
		/* A socket, or a device without a driver, does not open. */
		if (errno == ENXIO && stat(path, st) == 0)
			return not_regular(st->st_mode, e);
		return err_sys(e, "cannot open");
	}
	if (fstat(fd, st) == -1)
		err_sys(e, "cannot stat");
	else if (!S_ISREG(st->st_mode))
		not_regular(st->st_mode, e);
	else
		return fd;
	file_close(fd);
	return -1;
}

int
file_open(const char *path, struct stat *st, struct err *e)
{
	return open_regular(path, false, st, e);
}

int
file_open_here(const char *path, struct stat *st, struct err *e)
{
	return open_regular(path, true, st, e);
}

/* Raised as far as it may be. */
static size_t
limit_of_files(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		return 256; /* what POSIX systems have at least */
	if (rl.rlim_cur < rl.rlim_max) {
		rlim_t was = rl.rlim_cur;

		rl.rlim_cur = rl.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
			rl.rlim_cur = was;
	}
	return rl.rlim_cur < 1 << 20 ? (size_t)rl.rlim_cur : 1 << 20;
}

/* Those that we were born with count, too. */
static size_t
open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	if (d == NULL)
		return 32; /* as a guess */
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n; /* "." and ".." are room for two more */
}

int
file_fit(
    const struct file_needs *n, unsigned *workers, size_t *jobs, struct err *e)
{
	size_t limit = limit_of_files(), open = open_files() + n->run;
	size_t least = open + n->worker + n->job, most;

	if (limit < least) {
		err_set(e, ERR_OS,
		    "%zu files may be open at once, and at least %zu are "
		    "needed",
		    limit, least);
		return err_hint(e,
		    "raise the limit: ulimit -n, or LimitNOFILE= of a systemd "
		    "unit");
	}
	most = (limit - open) / (n->worker + n->job);
	if (*workers > most)
		*workers = (unsigned)most;
	if (n->job == 0)
		return 0;
	most = (limit - open - *workers * n->worker) / n->job;
	if (*jobs > most)
		*jobs = most;
	return 0;
}

int
file_openat_strict(int at, const char *path, int flags)
{
	return kernel_open_no_links(at, path, flags);
}

int
file_open_strict(const char *path, int flags)
{
	int fd = file_openat_strict(AT_FDCWD, path, flags);

	if (fd == -1 && (errno == ENOSYS || errno == EPERM))
		fd = open(path, flags | O_NOFOLLOW);
	return fd;
}

void
file_close(int fd)
{
	if (fd != -1)
		(void)close(fd);
}

ssize_t
file_pread(int fd, void *p, size_t n, uint64_t off, struct err *e)
{
	size_t got = 0;
	ssize_t r;

	while (got < n) {
		r = pread(fd, (char *)p + got, n - got, (off_t)(off + got));
		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1)
			return err_sys(
			    e, "cannot read at byte %" PRIu64, off + got);
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

int
file_pwrite(int fd, const void *p, size_t n, uint64_t off, struct err *e)
{
	size_t put = 0;
	ssize_t r;

	while (put < n) {
		r = pwrite(
		    fd, (const char *)p + put, n - put, (off_t)(off + put));
		if (r == -1 && errno == EINTR)
			continue;
		if (r == 0)
			errno = EIO; /* never to be seen, but no endless loop */
		if (r <= 0)
			return err_sys(
			    e, "cannot write at byte %" PRIu64, off + put);
		put += (size_t)r;
	}
	return 0;
}

int
file_write(int fd, const void *p, size_t n, struct err *e)
{
	size_t put = 0;
	ssize_t r;

	while (put < n) {
		r = write(fd, (const char *)p + put, n - put);
		if (r == -1 && errno == EINTR)
			continue;
		if (r == 0)
			errno = EIO;
		if (r <= 0)
			return err_sys(e, "cannot write");
		put += (size_t)r;
	}
	return 0;
}

static bool
is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int
make_dir(const char *dir, struct err *e)
{
	int errnum;

	if (mkdir(dir, 0777) == 0)
		return 0;
	errnum = errno;
	/* Whatever mkdir says of a directory that is there (EEXIST, EROFS). */
	if (is_dir(dir))
		return 0;
	if (errnum == EEXIST)
		return err_set(
		    e, ERR_EXISTS, "%s is there, but is no directory", dir);
	errno = errnum;
	return err_sys(e, "cannot create directory %s", dir);
}

int
file_mkdirs(const char *dir, struct err *e)
{
	char *path, *p;
	int rc = -1;

	if (is_dir(dir))
		return 0;
	path = xstrdup(dir);
	for (p = path; *p != '\0'; p++) {
		if (*p != '/' || p == path || p[-1] == '/')
			continue;
		*p = '\0';
		if (!is_dir(path) && make_dir(path, e) == -1)
			goto out;
		*p = '/';
	}
	rc = make_dir(dir, e);
out:
	free(path);
	return rc;
}

int
file_sync_dir(const char *dir, struct err *e)
{
	int fd, rc = -1;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return err_sys(e, "cannot open directory %s", dir);
	/* EINVAL: a file system that has no such thing, and says so. */
	if (fsync(fd) == -1 && errno != EINVAL)
		err_sys(e, "cannot sync directory %s", dir);
	else
		rc = 0;
	file_close(fd);
	return rc;
}

int
file_slurp(const char *path, size_t max, struct buf *b, struct err *e)
{
	struct stat st;
	ssize_t got;
	size_t want;
	int fd, rc = -1;

	buf_reset(b);
	if ((fd = file_open(path, &st, e)) == -1)
		return -1;
	/* Not by st_size: it is 0 in /proc, and the file may be growing. */
	do {
		want = b->len < 4096 ? 4096 : b->len;
		if (want > max + 1 - b->len)
			want = max + 1 - b->len;
		got = file_pread(fd, buf_room(b, want), want, b->len, e);
		if (got == -1)
			goto out;
		b->len += (size_t)got;
		b->data[b->len] = 0;
	} while ((size_t)got == want && b->len <= max);
	if (b->len > max) {
		err_set(e, ERR_CORRUPT, "larger than %zu bytes", max);
		goto out;
	}
	rc = 0;
out:
	file_close(fd);
	return rc;
}

/* Replace what out holds by its parent as the file system sees it. */
static int
parent(struct buf *out, struct err *e)
{
	char *real;

	buf_adds(out, "/..");
	if ((real = realpath(buf_str(out), NULL)) == NULL)
		return err_sys(e, "cannot resolve %s", buf_str(out));
	buf_reset(out);
	if (strcmp(real, "/") != 0)
		buf_adds(out, real);
	free(real);
	return 0;
}

static int
current_dir(struct buf *out, struct err *e)
{
	char *cwd = getcwd(NULL, 0);

	if (cwd == NULL)
		return err_sys(e, "cannot tell the current directory");
	if (strcmp(cwd, "/") != 0)
		buf_adds(out, cwd);
	free(cwd);
	return 0;
}

int
file_replace(
    const char *path, const void *p, size_t n, mode_t mode, struct err *e)
{
	struct buf tmp = { 0 };
	int fd, rc;

	path_dir(path, &tmp);
	buf_adds(&tmp, "/.lspp-XXXXXX");
	if ((fd = mkostemp((char *)tmp.data, O_CLOEXEC)) == -1) {
		rc = err_sys(e, "cannot write");
		goto out;
	}
	rc = file_write(fd, p, n, e);
	if (rc == 0 && fchmod(fd, mode) == -1)
		rc = err_sys(e, "cannot set the mode");
	if (close(fd) == -1 && rc == 0)
		rc = err_sys(e, "cannot write");
	if (rc == 0 && rename(buf_str(&tmp), path) == -1)
		rc = err_sys(e, "cannot replace");
	if (rc == -1)
		(void)unlink(buf_str(&tmp));
out:
	buf_release(&tmp);
	return rc;
}

int
path_absolute(const char *path, struct buf *out, struct err *e)
{
	size_t n;

	buf_reset(out);
	if (*path == '\0')
		return err_set(e, ERR_MISSING, "empty path");
	if (*path != '/' && current_dir(out, e) == -1)
		return -1;
	/* out is the path so far without a trailing slash: "" is the root */
	for (; *path != '\0'; path += n) {
		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (n == 0 || (n == 1 && path[0] == '.'))
			continue;
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			if (parent(out, e) == -1)
				return -1;
			continue;
		}
		buf_add(out, "/", 1);
		buf_add(out, path, n);
	}
	if (out->len == 0)
		buf_adds(out, "/");
	return 0;
}

void
path_real(const char *path, struct buf *out)
{
	size_t n = strlen(path);
	char *there = xstrdup(path), *real;

	buf_reset(out);
	while ((real = realpath(there, NULL)) == NULL && n > 0) {
		while (n > 0 && there[--n] != '/')
			;
		there[n] = '\0';
	}
	if (real != NULL && strcmp(real, "/") != 0)
		buf_adds(out, real);
	buf_adds(out, path + n);
	if (out->len == 0)
		buf_adds(out, "/");
	free(real);
	free(there);
}

const char *
path_below(const char *dir, const char *path)
{
	size_t n = strlen(dir);

	if (n > 0 && dir[n - 1] == '/')
		n--; /* the root */
	if (strncmp(dir, path, n) != 0 || path[n] != '/' || path[n + 1] == '\0')
		return NULL;
	return path + n + 1;
}

const char *
path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

void
path_dir(const char *path, struct buf *out)
{
	size_t n = (size_t)(path_base(path) - path);

	if (n == 0) {
		buf_adds(out, ".");
		return;
	}
	while (n > 1 && path[n - 1] == '/')
		n--;
	buf_add(out, path, n);
}
