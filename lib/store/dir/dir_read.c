/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a directory store: objects and listings.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/when.h"
#include "lib/store/dir/dir_impl.h"
#include "lib/sys/file.h"
#include "lib/sys/names.h"
#include "lib/sys/stop.h"

/* Objects */

static int
open_object(struct dir *d, const char *key, struct stat *st, struct err *e)
{
	int fd, is;

	if (dir_check_key(key, e) == -1)
		return -1;
	fd = openat(d->root, key, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	is = fd == -1 ? -1 : fstat(fd, st);
	if (is == 0 && S_ISREG(st->st_mode))
		return fd;
	if (is == 0 || errno == ENOENT || errno == ENOTDIR || errno == ENXIO)
		err_set(e, ERR_MISSING, "no object %s in the replica", key);
	else
		err_sys(e, "cannot open object %s", key);
	dir_blame_root(d, e);
	file_close(fd);
	return -1;
}

static int
send(struct dir *d, int fd, const char *key, uint64_t off, uint64_t n,
    store_sink *sink, void *ctx, struct err *e)
{
	size_t room = n < DIR_PIECE ? (size_t)n : DIR_PIECE, want;
	uint8_t *piece = xmalloc(room + 1);
	ssize_t got;
	int rc = -1;

	for (; n > 0; off += want, n -= want) {
		want = n < room ? (size_t)n : room;
		if (stop_overdue(e) == -1)
			goto out;
		got = file_pread(fd, piece, want, off, e);
		if (got != -1 && (size_t)got != want)
			err_set(e, ERR_IO, "it became shorter meanwhile");
		if (got != (ssize_t)want) {
			err_in(e, "object %s", key);
			goto out;
		}
		atomic_fetch_add(&d->received, want);
		if (sink(ctx, piece, want, e) == -1)
			goto out;
	}
	rc = 0;
out:
	free(piece);
	return rc;
}

int
dir_note(struct store *s, const char *key, struct buf *b, struct err *e)
{
	enum { ROOM = 1024 };
	struct stat st;
	ssize_t n;
	int fd;

	if ((fd = open_object((struct dir *)s, key, &st, e)) == -1)
		return -1;
	buf_reset(b);
	n = fgetxattr(fd, DIR_NOTE, buf_room(b, ROOM), ROOM);
	close(fd);
	if (n <= 0)
		return 0;
	b->len = (size_t)n;
	return 1;
}

int
dir_get(struct store *s, const char *key, uint64_t off, uint64_t n,
    store_sink *sink, void *ctx, struct err *e)
{
	struct stat st;
	uint64_t size;
	int fd, rc;

	if ((fd = open_object((struct dir *)s, key, &st, e)) == -1)
		return -1;
	size = (uint64_t)st.st_size;
	if (off == UINT64_MAX)
		off = n < size ? size - n : 0;
	if (off > size)
		off = size;
	if (n > size - off)
		n = size - off;
	rc = send((struct dir *)s, fd, key, off, n, sink, ctx, e);
	close(fd);
	return rc;
}

/* Listings */

/* The rest of one directory on the way. */
struct level {
	struct names names;
	size_t next;
	size_t len; /* of the key up to here, with its slash */
};

struct walk {
	struct dir *d;
	struct buf key;
	struct level *stack;
	size_t depth, room; /* levels in use, ever used */
	bool delimited;
	store_each *each;
	void *ctx;
};

/* Gone since it was seen, or never there: no entries. */
static int
nothing(struct walk *w, struct err *e)
{
	e->class = ERR_NONE;
	dir_blame_root(w->d, e);
	return e->class == ERR_NONE ? 0 : -1;
}

/* Read the directory w->key ("" or ending in '/') as a new level. */
static int
descend(struct walk *w, struct err *e)
{
	const char *path = w->key.len == 0 ? "." : buf_str(&w->key);
	struct level *l;
	int fd, rc;

	fd = openat(w->d->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 && (errno == ENOENT || errno == ENOTDIR))
		return nothing(w, e);
	if (fd == -1)
		return err_sys(e, "cannot list %s in the replica", path);
	if (w->depth == w->room) {
		w->room = w->room * 2 + 8;
		w->stack = xrealloc(w->stack, w->room * sizeof(*w->stack));
		memset(w->stack + w->depth, 0,
		    (w->room - w->depth) * sizeof(*w->stack));
	}
	l = &w->stack[w->depth];
	rc = names_read(&l->names, fd, false, e);
	close(fd);
	if (rc == -1 && e->class == ERR_MISSING)
		return nothing(w, e);
	if (rc == -1)
		return err_in(e, "%s in the replica", path);
	l->next = 0;
	l->len = w->key.len;
	w->depth++;
	return 0;
}

/* w->key is a file. */
static int
report_file(struct walk *w, struct err *e)
{
	struct store_entry en = { .key = buf_str(&w->key) };
	struct stat st;

	if (fstatat(w->d->root, en.key, &st, AT_SYMLINK_NOFOLLOW) == -1) {
		if (errno == ENOENT || errno == ENOTDIR)
			return nothing(w, e);
		return err_sys(e, "cannot stat object %s", en.key);
	}
	en.size = (uint64_t)st.st_size;
	en.mtime_ns = when_ns(&st.st_mtim);
	en.put_ns = when_ns(&st.st_ctim);
	return w->each(w->ctx, &en, e);
}

/* w->key is neither a file nor a directory. */
static int
report_odd(struct walk *w, unsigned char type, struct err *e)
{
	struct store_entry en = { .key = buf_str(&w->key),
		.odd = type == DT_LNK ? "a symbolic link"
				      : "neither a file nor a directory" };
	int rc = w->each(w->ctx, &en, e);

	if (rc == STORE_PASS)
		return 0;
	return rc == 0 ? store_refuse_odd(&en, e) : rc;
}

static int
visit(struct walk *w, const struct name *n, struct err *e)
{
	struct store_entry en = { .prefix = true };

	buf_add(&w->key, n->s, n->len);
	if (n->type == DT_REG)
		return report_file(w, e);
	if (n->type != DT_DIR)
		return report_odd(w, n->type, e);
	if (!w->delimited)
		return descend(w, e);
	en.key = buf_str(&w->key);
	return w->each(w->ctx, &en, e);
}

/* start: how the names of the first level must begin. */
static int
walk(struct walk *w, const char *start, struct err *e)
{
	const struct name *n;
	struct level *l;
	int rc;

	if (descend(w, e) == -1)
		return -1;
	while (w->depth > 0) {
		l = &w->stack[w->depth - 1];
		if (l->next == l->names.n) {
			w->depth--;
			continue;
		}
		n = &l->names.v[l->next++];
		if (strncmp(n->s, DIR_OWN, strlen(DIR_OWN)) == 0 ||
		    (w->depth == 1 && strncmp(n->s, start, strlen(start)) != 0))
			continue;
		w->key.len = l->len;
		if ((rc = visit(w, n, e)) != 0)
			return rc == 1 ? 0 : -1;
	}
	return 0;
}

int
dir_list(struct store *s, const char *prefix, bool delimited, store_each *each,
    void *ctx, struct err *e)
{
	struct walk w = {
		.d = (struct dir *)s,
		.delimited = delimited,
		.each = each,
		.ctx = ctx,
	};
	const char *slash = strrchr(prefix, '/');
	int rc = 0;

	if (slash != NULL) {
		buf_add(&w.key, prefix, (size_t)(slash - prefix));
		rc = dir_check_key(buf_str(&w.key), e);
		buf_add(&w.key, "/", 1);
	}
	if (rc == 0)
		rc = walk(&w, slash == NULL ? prefix : slash + 1, e);
	for (size_t i = 0; i < w.room; i++)
		names_release(&w.stack[i].names);
	free(w.stack);
	buf_release(&w.key);
	return rc;
}
