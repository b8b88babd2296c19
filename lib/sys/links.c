/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sys/links.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/sys/file.h"

enum { LINKS_MAX = 40 }; /* the kernel's own limit */

struct way {
	struct buf
	    at;     /* how far it is: absolute, without links; "": the root */
	char *rest; /* where it goes from there */
	size_t links, open;
	struct {
		size_t left; /* of rest, when all of the link is used up */
		uid_t uid;
	} link[LINKS_MAX]; /* the first 'open' are not used up */
};

/* No part of it is empty, "." or "..". */
static bool
is_normal(const char *path)
{
	size_t n;

	if (*path != '/')
		return false;
	do {
		path++;
		n = strcspn(path, "/");
		if (n == 0 || (n <= 2 && strncmp(path, "..", n) == 0))
			return false;
		path += n;
	} while (*path != '\0');
	return true;
}

static const char *
here(const struct way *w)
{
	return w->at.len > 0 ? buf_str(&w->at) : "/";
}

/* Links that are used up have led here: whose is it? */
static int
check_arrived(struct way *w, const char *what, struct err *e)
{
	struct stat st;
	uid_t uid;

	while (w->open > 0 && strlen(w->rest) <= w->link[w->open - 1].left) {
		uid = w->link[--w->open].uid;
		if (uid == 0 || uid == geteuid())
			continue;
		if (lstat(here(w), &st) == -1)
			return err_sys(e, "%s", what);
		if (st.st_uid == uid)
			continue;
		err_set(e, ERR_DENIED,
		    "%s: a symbolic link leads to %s, which its owner does not "
		    "own",
		    what, here(w));
		return err_hint(e,
		    "links are followed that belong to root, to who runs this, "
		    "or to the owner of what they lead to");
	}
	return 0;
}

static void
up(struct way *w)
{
	const char *slash = strrchr(here(w), '/');

	w->at.len = (size_t)(slash - here(w));
}

/* w->at is a link, open as fd: go on with what it says. */
static int
take_link(struct way *w, int fd, uid_t uid, const char *what, struct err *e)
{
	char text[PATH_MAX];
	char *rest;
	ssize_t n = readlinkat(fd, "", text, sizeof(text) - 1);

	if (n == -1)
		return err_sys(e, "%s", what);
	text[n] = '\0';
	if (w->links++ == LINKS_MAX) {
		errno = ELOOP;
		return err_sys(e, "%s", what);
	}
	w->link[w->open].uid = uid;
	w->link[w->open++].left = strlen(w->rest);
	if (text[0] == '/')
		w->at.len = 0;
	else
		up(w);
	rest = xasprintf("%s%s", text, w->rest);
	free(w->rest);
	w->rest = rest;
	return 0;
}

/* One part of w->rest, of n bytes, which is a name. */
static int
take_name(struct way *w, const char *name, const char *what, struct err *e)
{
	struct stat st;
	int fd, rc = 0;

	buf_addf(&w->at, "/%s", name);
	fd = open(here(w), O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1)
		rc = err_sys(e, "%s", what);
	else if (S_ISLNK(st.st_mode))
		rc = take_link(w, fd, st.st_uid, what, e);
	file_close(fd);
	return rc;
}

/* 1: there was a part, and it is behind us. */
static int
take_part(struct way *w, const char *what, struct err *e)
{
	size_t skip = strspn(w->rest, "/"), n = strcspn(w->rest + skip, "/");
	char *name = xasprintf("%.*s", (int)n, w->rest + skip);
	int rc = 0;

	memmove(w->rest, w->rest + skip + n, strlen(w->rest + skip + n) + 1);
	if (strcmp(name, "..") == 0) {
		if (w->at.len > 0)
			up(w);
	} else if (n > 0 && strcmp(name, ".") != 0)
		rc = take_name(w, name, what, e);
	free(name);
	if (rc == 0)
		rc = check_arrived(w, what, e);
	return rc == -1 ? -1 : n > 0;
}

static char *
walk(const char *path, const char *what, struct err *e)
{
	struct way w = { .rest = xstrdup(path) };
	char *cwd, *real = NULL;
	int rc;

	if (*path == '\0') {
		errno = ENOENT;
		err_sys(e, "%s", what);
		goto out;
	}
	if (*path != '/') {
		if ((cwd = getcwd(NULL, 0)) == NULL) {
			err_sys(e, "%s", what);
			goto out;
		}
		if (strcmp(cwd, "/") != 0)
			buf_adds(&w.at, cwd);
		free(cwd);
	}
	while ((rc = take_part(&w, what, e)) == 1)
		;
	if (rc == 0)
		real = xstrdup(here(&w));
out:
	buf_release(&w.at);
	free(w.rest);
	return real;
}

char *
links_resolve(const char *path, const char *what, struct err *e)
{
	int fd = -1;

	/* To close it drops no lock of the process: O_PATH opens no file. */
	if (is_normal(path))
		fd = file_openat_strict(AT_FDCWD, path, O_PATH | O_CLOEXEC);
	if (fd == -1)
		return walk(path, what, e);
	close(fd);
	return xstrdup(path);
}

int
links_open_dir(const char *path, const char *what, struct err *e)
{
	char *real = links_resolve(path, what, e);
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, fd;

	if (real == NULL)
		return -1;
	if ((fd = file_open_strict(real, flags)) == -1)
		err_sys(e, "%s", what);
	free(real);
	return fd;
}
