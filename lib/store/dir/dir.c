/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/dir/dir_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/when.h"
#include "lib/store/stats.h"
#include "lib/sys/file.h"

/* Paths */

static XXH128_hash_t *
slot(const struct dir_paths *p, XXH128_hash_t h)
{
	return (XXH128_hash_t *)&p->slot[h.low64 % DIR_PATHS];
}

bool
dir_paths_has(const struct dir_paths *p, const char *path, size_t len)
{
	XXH128_hash_t h = XXH3_128bits(path, len);

	return XXH128_isEqual(*slot(p, h), h);
}

void
dir_paths_add(struct dir_paths *p, const char *path, size_t len)
{
	XXH128_hash_t h = XXH3_128bits(path, len);

	*slot(p, h) = h;
}

static void
dir_paths_remove(struct dir_paths *p, const char *path, size_t len)
{
	XXH128_hash_t h = XXH3_128bits(path, len);

	if (XXH128_isEqual(*slot(p, h), h))
		*slot(p, h) = (XXH128_hash_t){ 0 };
}

/* Keys */

static bool
is_dots(const char *name, size_t n)
{
	return (n == 1 && name[0] == '.') ||
	    (n == 2 && name[0] == '.' && name[1] == '.');
}

int
dir_check_key(const char *key, struct err *e)
{
	const char *p = key;
	size_t n;

	for (;; p += n + 1) {
		n = strcspn(p, "/");
		if (n == 0 || is_dots(p, n))
			return err_set(e, ERR_USAGE,
			    "key \"%s\" has a component \"%.*s\"", key, (int)n,
			    p);
		if (n > NAME_MAX)
			return err_set(e, ERR_USAGE,
			    "key %s has a component of %zu bytes; a directory "
			    "takes %d at most",
			    key, n, NAME_MAX);
		if (strncmp(p, DIR_OWN, strlen(DIR_OWN)) == 0)
			return err_set(e, ERR_USAGE,
			    "key %s: names that begin with \"%s\" are reserved",
			    key, DIR_OWN);
		if (p[n] == '\0')
			break;
	}
	if ((size_t)(p - key) + n >= PATH_MAX)
		return err_set(e, ERR_USAGE, "key %s is longer than %d bytes",
		    key, PATH_MAX - 1);
	return 0;
}

bool
dir_is_removed(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink == 0;
}

void
dir_blame_root(struct dir *d, struct err *e)
{
	if (dir_is_removed(d->root))
		err_set(e, ERR_UNAVAILABLE,
		    "the replica root %s was removed meanwhile", d->path);
}

/* Parent directories */

/* Which file stands where directory key[0..len) must be? */
static int
blame(struct dir *d, const char *key, size_t len, struct err *e)
{
	int errnum = errno;

	if (errnum == ENOTDIR || errnum == ELOOP)
		err_set(e, ERR_EXISTS,
		    "%.*s in the replica is not a directory, and links are not "
		    "followed when writing",
		    (int)len, key);
	else if (errnum == ENAMETOOLONG)
		err_set(e, ERR_USAGE,
		    "%.*s: name too long for the replica's file system",
		    (int)len, key);
	else
		err_sys(e, "cannot create directory %.*s in the replica",
		    (int)len, key);
	dir_blame_root(d, e);
	return -1;
}

/* How missing directories are made on a walk. */
struct making {
	unsigned made; /* how many of the last ones on the way */
	/*
	 * Always ask for a new one first.  While a directory is being removed
	 * it can be opened, and is dead then; making one waits for the end.
	 */
	bool first;
};

/* Open the directory key[from..to) in 'at', making it when it is missing. */
static int
enter(struct dir *d, int at, const char *key, size_t from, size_t to,
    struct making *m)
{
	char name[NAME_MAX + 1];
	int fd;

	memcpy(name, key + from, to - from);
	name[to - from] = '\0';
	if (m == NULL)
		return openat(at, name, DIR_FLAGS | O_NOFOLLOW);
	if (!m->first) {
		fd = openat(at, name, DIR_FLAGS | O_NOFOLLOW);
		if (fd != -1)
			m->made = 0;
		if (fd != -1 || errno != ENOENT)
			return fd;
	}
	if (mkdirat(at, name, 0750) == 0)
		m->made++;
	else if (errno == EEXIST)
		m->made = 0;
	else
		return -1;
	pthread_mutex_lock(&d->lock);
	dir_paths_remove(&d->durable, key, to);
	pthread_mutex_unlock(&d->lock);
	return openat(at, name, DIR_FLAGS | O_NOFOLLOW);
}

/*
 * Open what is there already on the way to the object key, in a call for it and
 * for each level that is missing.  *from is where the rest begins.  If a link
 * is on the way, or the kernel has no such call, that is the root and all of it.
 */
static int
leap(struct dir *d, const char *key, size_t *from)
{
	char *path = xstrdup(key), *slash;
	int fd = -1;

	errno = ENOENT;
	while (fd == -1 && errno == ENOENT &&
	    (slash = strrchr(path, '/')) != NULL) {
		*slash = '\0';
		fd = file_openat_strict(d->root, path, DIR_FLAGS);
	}
	*from = fd == -1 ? 0 : strlen(path) + 1;
	free(path);
	return fd == -1 ? openat(d->root, ".", DIR_FLAGS) : fd;
}

/*
 * Open the directory that the object key is in; m is NULL to make nothing.  On
 * failure errno tells, and *len is how much of key could not be opened.
 */
static int
walk(struct dir *d, const char *key, struct making *m, size_t *len)
{
	size_t from = 0, to;
	int at, next, errnum;

	if (m != NULL && m->first)
		at = openat(d->root, ".", DIR_FLAGS);
	else
		at = leap(d, key, &from);
	*len = from > 0 ? from - 1 : 0;
	while (at != -1 && key[to = from + strcspn(key + from, "/")] != '\0') {
		*len = to;
		next = enter(d, at, key, from, to, m);
		errnum = errno;
		close(at); /* only read from: cannot fail with a loss */
		errno = errnum;
		at = next;
		from = to + 1;
	}
	return at;
}

int
dir_open_parent(struct dir *d, struct dir_object *o, struct err *e)
{
	struct making m = { .first = false };
	struct stat st;
	size_t len = 0;

	file_close(o->parent);
	o->parent = -1;
	/* Another run may clear away a directory while it is empty. */
	for (int i = 0; o->parent == -1 && i < DIR_RACES; i++) {
		m = (struct making){ .first = i > 0 };
		o->parent = walk(d, o->key, &m, &len);
		if (o->parent == -1 && errno != ENOENT)
			break;
		if (o->parent == -1)
			continue;
		if (fstat(o->parent, &st) == -1)
			return err_sys(
			    e, "cannot stat the directory of %s", o->key);
		if (st.st_nlink == 0) {
			close(o->parent);
			o->parent = -1;
			errno = ENOENT;
		}
	}
	if (o->parent == -1)
		return blame(d, o->key, len, e);
	o->dev = st.st_dev;
	o->made = m.made;
	return 0;
}

void
dir_prune(struct dir *d, const char *key, unsigned levels)
{
	char *path = xstrdup(key), *slash;
	size_t len;
	int at;

	for (; levels > 0; levels--) {
		if ((slash = strrchr(path, '/')) == NULL)
			break;
		*slash = '\0';
		if ((at = walk(d, path, NULL, &len)) == -1)
			break;
		if (unlinkat(at, path_base(path), AT_REMOVEDIR) == -1)
			levels = 1; /* ENOTEMPTY, as a rule */
		close(at);
	}
	free(path);
}

int
dir_unlink(struct dir *d, const char *key)
{
	size_t len;
	int at = walk(d, key, NULL, &len), rc, errnum;

	if (at == -1)
		return -1;
	rc = unlinkat(at, path_base(key), 0);
	errnum = errno;
	close(at);
	errno = errnum;
	return rc;
}

/* Opening and closing */

static void
dir_close(struct store *s)
{
	struct dir *d = (struct dir *)s;

	file_close(d->tmp);
	file_close(d->root);
	pthread_mutex_destroy(&d->lock);
	free(d->path);
	free(d);
}

static void
dir_stats(struct store *s, struct store_stats *out)
{
	struct dir *d = (struct dir *)s;

	*out = (struct store_stats){ .sent = atomic_load(&d->sent),
		.received = atomic_load(&d->received) };
}

/* The file system's, which may be another machine's: that of a file that is
 * written to now.  Who only reads cannot ask. */
static int
dir_now(struct store *s, int64_t *ns, struct err *e)
{
	struct dir *d = (struct dir *)s;
	struct stat st;
	int fd, rc;

	(void)e;
	if (d->mode == STORE_READ)
		return 1;
	fd = openat(
	    d->root, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (fd == -1 && futimens(d->root, NULL) == -1)
		return 1;
	rc = fstat(fd != -1 ? fd : d->root, &st);
	if (fd != -1)
		(void)close(fd);
	if (rc == -1)
		return 1;
	*ns = when_ns(&st.st_mtim);
	return 0;
}

static int
dir_can_name(struct store *s, const char *key, struct err *e)
{
	(void)s;
	return dir_check_key(key, e);
}

static const struct store_ops dir_ops = {
	.traits = { .looks = true, .times = true, .links = true, .held = 2 },
	.stage = dir_stage,
	.publish = dir_publish,
	.drop = dir_drop,
	.get = dir_get,
	.list = dir_list,
	.remove = dir_remove,
	.remove_many = dir_remove_many,
	.uploads = dir_uploads,
	.abort = dir_abort,
	.close = dir_close,
	.note = dir_note,
	.now = dir_now,
	.can_name = dir_can_name,
	.stats = dir_stats,
};

/* Make the root; 1 if it was made, 0 if it is there. */
static int
make_root(const char *path, bool must_exist, struct err *e)
{
	struct stat st;

	if (stat(path, &st) == 0)
		return 0;
	if (errno != ENOENT)
		return err_sys(e, "cannot open replica root %s", path);
	if (!must_exist && mkdir(path, 0750) == 0)
		return 1;
	if (!must_exist && errno == EEXIST && stat(path, &st) == 0)
		return 0; /* another run has just made it */
	if (!must_exist && errno != ENOENT && errno != EEXIST)
		return err_sys(e, "cannot create replica root %s", path);
	if (!must_exist && errno == ENOENT) {
		err_set(e, ERR_UNAVAILABLE,
		    "replica root %s is not there: is it mounted?", path);
		return err_hint(e, "if it is to be new: mkdir -p '%s'", path);
	}
	return err_set(e, ERR_UNAVAILABLE,
	    "replica root %s is gone: is it mounted?", path);
}

/*
 * The root's own name must last, too, also if the run that made it was killed
 * before it could see to it.  So a failure counts in each run.  But a root that
 * is there may be below a directory that this user cannot read.
 */
static int
sync_root(struct dir *d, bool made, struct err *e)
{
	int fd, rc = 0;

	fd = openat(d->root, "..", DIR_FLAGS);
	if (fd == -1
		? made || errno != EACCES
		: d->sys.fsync(fd) == -1 && errno != EINVAL && errno != EROFS)
		rc = err_sys(e, "cannot sync the directory of %s", d->path);
	file_close(fd);
	return rc;
}

static int
open_root(struct dir *d, bool must_exist, struct err *e)
{
	struct statvfs fs;
	struct stat st;
	int made = 0;

	if (d->mode == STORE_WRITE &&
	    (made = make_root(d->path, must_exist, e)) == -1)
		return -1;
	d->root = open(d->path, DIR_FLAGS);
	if (d->root == -1 && errno == ENOENT)
		return err_set(e, ERR_MISSING, "no replica root %s", d->path);
	if (d->root == -1 && errno == ENOTDIR)
		return err_set(e, ERR_CONFIG,
		    "replica root %s is not a directory", d->path);
	if (d->root == -1 || fstat(d->root, &st) == -1)
		return err_sys(e, "cannot open replica root %s", d->path);
	d->dev = st.st_dev;
	if (d->mode == STORE_READ)
		return 0;
	if (fstatvfs(d->root, &fs) == 0 && (fs.f_flag & ST_RDONLY))
		return err_set(e, ERR_DENIED,
		    "replica root %s is on a read-only file system", d->path);
	if (d->mode == STORE_REMOVE)
		return 0;
	return sync_root(d, made == 1, e);
}

struct store *
dir_open(const char *path, enum store_mode mode, bool must_exist,
    const struct dir_sys *sys, struct err *e)
{
	struct dir *d = xcalloc(1, sizeof(*d));

	d->store.ops = &dir_ops;
	d->sys = *sys;
	d->mode = mode;
	d->path = xstrdup(path);
	d->root = d->tmp = -1;
	pthread_mutex_init(&d->lock, NULL);
	if (open_root(d, must_exist, e) == -1) {
		dir_close(&d->store);
		return NULL;
	}
	if (mode == STORE_WRITE)
		dir_clean_up(d);
	return &d->store;
}

/* Before Linux 5.8, syncfs(2) keeps failed writes to itself. */
static bool
syncfs_reports(void)
{
	struct utsname u;
	unsigned long major, minor = 0;
	char *end;

	if (uname(&u) == -1 || strcmp(u.sysname, "Linux") != 0)
		return false;
	major = strtoul(u.release, &end, 10);
	if (*end == '.')
		minor = strtoul(end + 1, NULL, 10);
	return major > 5 || (major == 5 && minor >= 8);
}

static struct store *
open_url(const char *url, enum store_mode mode, bool must_exist,
    const struct store_conf *conf, struct err *e)
{
	struct dir_sys sys = {
		.fsync = fsync,
		.syncfs = syncfs_reports() ? syncfs : NULL,
		.tmpfile = true,
		.fdlink = true,
		.hardlink = true,
	};
	struct buf path = { 0 };
	struct store *s = NULL;

	(void)conf;
	if (dir_locate(url, &path, e) == 0)
		s = dir_open(buf_str(&path), mode, must_exist, &sys, e);
	if (s != NULL) {
		s->url = xasprintf("file://%s", buf_str(&path));
		s->root = xstrdup(s->url);
	}
	buf_release(&path);
	return s;
}

const struct store_driver dir_driver = {
	.scheme = "file",
	.ops = &dir_ops,
	.open = open_url,
	.url = dir_url,
	.real = dir_real,
	.place = dir_root,
	.whoami = dir_whoami,
};
