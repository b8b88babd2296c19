/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing objects of a directory store, and what killed writers left.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/when.h"
#include "lib/store/dir/dir_impl.h"
#include "lib/sys/file.h"
#include "lib/sys/names.h"

static int
check_mode(const struct dir *d, struct err *e)
{
	if (d->mode != STORE_READ)
		return 0;
	return err_set(e, ERR_BUG, "the replica was opened for reading");
}

/* Remove the name: 0 also if there is none. */
static int
unlink_object(struct dir *d, const char *key, struct err *e)
{
	if (dir_check_key(key, e) == -1)
		return -1;
	if (dir_unlink(d, key) == 0)
		return 0;
	if (errno != ENOENT)
		return err_sys(e, "cannot remove object %s", key);
	e->class = ERR_NONE;
	dir_blame_root(d, e);
	return e->class == ERR_NONE ? 0 : -1;
}

int
dir_remove(struct store *s, const char *key, struct err *e)
{
	struct dir *d = (struct dir *)s;

	if (check_mode(d, e) == -1 || unlink_object(d, key, e) == -1)
		return -1;
	dir_prune(d, key, UINT_MAX);
	return 0;
}

/* -- many ------------------------------------------------------------------ */

/* Make it last that the n keys are gone; what has no directory is. */
static int
sync_removed(struct dir *d, const char *const *keys, size_t n, struct err *e)
{
	size_t len, done = 0;
	const char *last = NULL;
	char *name;
	int fd, rc = 0;

	if (d->sys.syncfs != NULL && n >= DIR_SYNCFS)
		return d->sys.syncfs(d->root) == -1
		    ? err_sys(e, "cannot sync the replica")
		    : 0;
	for (size_t i = 0; i < n && rc == 0; i++) {
		len = (size_t)(path_base(keys[i]) - keys[i]);
		if (last != NULL && len == done &&
		    strncmp(last, keys[i], len) == 0)
			continue;
		last = keys[i];
		done = len;
		name = xasprintf("%.*s.", (int)len, keys[i]);
		fd = openat(d->root, name, DIR_FLAGS);
		if (fd == -1 ? errno != ENOENT && errno != ENOTDIR
			     : d->sys.fsync(fd) == -1)
			rc = err_sys(e, "cannot sync the replica");
		file_close(fd);
		free(name);
	}
	return rc;
}

int
dir_remove_many(struct store *s, const char *const *keys, size_t n,
    store_removed *removed, void *ctx, struct err *e)
{
	struct dir *d = (struct dir *)s;
	bool *failed = xcalloc(n + 1, sizeof(*failed));
	struct err one, lost;
	int rc = check_mode(d, e), sync;

	for (size_t i = 0; i < n; i++) {
		if (rc == -1 && e->class == ERR_BUG) {
			failed[i] = true;
			removed(ctx, i, -1, e);
		} else if (unlink_object(d, keys[i], &one) == -1) {
			failed[i] = true;
			removed(ctx, i, -1, &one);
			if (rc == 0)
				*e = one;
			rc = -1;
		}
	}
	if ((sync = sync_removed(d, keys, n, &lost)) == -1) {
		if (rc == 0)
			*e = lost;
		rc = -1;
	}
	for (size_t i = 0; i < n; i++) {
		if (failed[i])
			continue;
		removed(ctx, i, sync, &lost);
		dir_prune(d, keys[i], UINT_MAX);
	}
	free(failed);
	return rc;
}

/* -- what is unfinished ---------------------------------------------------- */

/* A file in DIR_TMP that nobody has locked: 1 and *st, or 0. */
static int
is_left(int at, const char *name, struct stat *st)
{
	int fd = openat(at, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int is = fd != -1 && fstat(fd, st) == 0 && S_ISREG(st->st_mode) &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0;

	file_close(fd);
	return is;
}

int
dir_uploads(struct store *s, const char *prefix, store_upload_each *each,
    void *ctx, struct err *e)
{
	struct dir *d = (struct dir *)s;
	struct names ns = { 0 };
	struct store_upload u = { .id = "" };
	struct stat st;
	char *key;
	int at, rc = 0;

	(void)prefix;
	at = openat(d->root, DIR_TMP, DIR_FLAGS | O_NOFOLLOW);
	if (at == -1)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
		    ? 0
		    : err_sys(e, "cannot list %s in the replica", DIR_TMP);
	rc = names_read(&ns, at, false, e);
	for (size_t i = 0; i < ns.n && rc == 0; i++) {
		if (ns.v[i].type != DT_REG || !is_left(at, ns.v[i].s, &st))
			continue;
		key = xasprintf(DIR_TMP "/%s", ns.v[i].s);
		u.key = key;
		u.size = (uint64_t)st.st_size;
		/* Its mtime is the object's; it was last changed at ... */
		u.begun_ns = when_ns(&st.st_ctim);
		rc = each(ctx, &u, e);
		free(key);
	}
	names_release(&ns);
	close(at);
	return rc == -1 ? -1 : 0;
}

int
dir_abort(struct store *s, const struct store_upload *u, struct err *e)
{
	struct dir *d = (struct dir *)s;
	const char *name = path_base(u->key);
	struct stat st;
	int at, rc = 0;

	if (check_mode(d, e) == -1)
		return -1;
	if ((at = openat(d->root, DIR_TMP, DIR_FLAGS | O_NOFOLLOW)) == -1)
		return errno == ENOENT
		    ? 0
		    : err_sys(e, "cannot open %s of the replica", DIR_TMP);
	if (is_left(at, name, &st) && unlinkat(at, name, 0) == -1 &&
	    errno != ENOENT)
		rc = err_sys(e, "cannot remove %s of the replica", u->key);
	close(at);
	return rc;
}
