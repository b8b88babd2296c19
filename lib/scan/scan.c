/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/scan/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/be.h"
#include "lib/base/err.h"
#include "lib/sqlite/beside.h"
#include "lib/sqlite/dbhdr.h"
#include "lib/sys/file.h"
#include "lib/sys/names.h"
#include "lib/sys/stop.h"
#include "lib/text/glob.h"

#define OWN            ".lspp-" /* how names of ours begin */
#define APPLICATION_ID 68       /* where it is in the header */
#define OPEN_LEVELS    32       /* directories kept open on the way down */

/* A directory on the way, with what is left of it. */
struct level {
	struct names names;
	size_t next;
	size_t len;            /* of the path up to here, with its slash */
	int fd;                /* -1: closed to save descriptors */
	const struct name *db; /* the last that was found to be a database */
	dev_t dev;             /* with the next, if the scan needs to know */
	ino_t ino;
};

struct walk {
	const struct scan *s;
	const char *pattern; /* NULL: all */
	bool hit;            /* visit_file() came to a database */
	struct buf path;
	struct level *stack;
	size_t depth, room; /* levels in use, ever used */
};

static void
failed(const struct walk *w, const struct err *e)
{
	w->s->failed(w->s->ctx, buf_str(&w->path), e);
}

/* A malformed pattern was refused before. */
static bool
matches(const char *pattern, const char *path)
{
	struct err e;

	return glob_match(pattern, path, &e) == 1;
}

static bool
is_excluded(const struct scan *s, const char *path)
{
	for (char **x = s->exclude; x != NULL && *x != NULL; x++)
		if (matches(*x, path) || matches(*x, path_base(path)))
			return true;
	return false;
}

/* Files */

/* 1: a database, 0: not one, or gone; -1 with errno. */
static int
probe(int at, const char *name, bool follow)
{
	int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	uint8_t p[DBHDR_SIZE];
	size_t got = 0;
	ssize_t n;
	int fd, errnum;

	fd = openat(at, name, flags | (follow ? 0 : O_NOFOLLOW));
	if (fd == -1)
		return errno == ENOENT || errno == ELOOP || errno == ENXIO ? 0
									   : -1;
	do {
		n = pread(fd, p + got, sizeof(p) - got, (off_t)got);
		got += n > 0 ? (size_t)n : 0;
	} while (n == -1 ? errno == EINTR : n > 0 && got < sizeof(p));
	errnum = errno;
	close(fd);
	errno = errnum;
	if (n == -1)
		/* a directory or a pipe that has come in its place */
		return errno == EISDIR || errno == ESPIPE ? 0 : -1;
	return got == sizeof(p) && dbhdr_magic(p, sizeof(p)) &&
	    be32(p + APPLICATION_ID) != DBHDR_APPLICATION_ID;
}

/* The file w->path, called name in the directory 'at'. */
static int
visit_file(struct walk *w, int at, const char *name, bool follow)
{
	struct err e;
	int is;

	if (is_excluded(w->s, buf_str(&w->path)) ||
	    (w->pattern != NULL && !matches(w->pattern, buf_str(&w->path))))
		return 0;
	is = w->s->known != NULL && w->s->known(w->s->ctx, buf_str(&w->path))
	    ? 1
	    : probe(at, name, follow);
	w->hit = is == 1;
	if (w->hit)
		return w->s->found(w->s->ctx, buf_str(&w->path));
	if (is == -1) {
		err_sys(&e, "cannot read");
		failed(w, &e);
	}
	return 0;
}

/*
 * Is n SQLite's own, beside a database?  What is so called beside something
 * else is looked at as any file.
 */
static bool
is_sidecar(const struct walk *w, const struct level *l, const struct name *n)
{
	size_t len = beside_of(n->s, n->len);
	char *name;
	int is;

	if (len == 0 || !names_has(&l->names, n->s, len))
		return false;
	if (l->db != NULL && l->db->len == len &&
	    memcmp(l->db->s, n->s, len) == 0)
		return true;
	name = xasprintf("%.*s", (int)len, n->s);
	is = probe(l->fd, name, w->s->follow);
	free(name);
	return is != 0;
}

/* Directories */

/* Room for one more level. */
static struct level *
push(struct walk *w)
{
	if (w->depth == w->room) {
		w->room = w->room * 2 + 8;
		w->stack = xrealloc(w->stack, w->room * sizeof(*w->stack));
		memset(w->stack + w->depth, 0,
		    (w->room - w->depth) * sizeof(*w->stack));
	}
	return &w->stack[w->depth];
}

/* May the directory open on l->fd be walked? */
static bool
admit(const struct walk *w, struct level *l)
{
	struct stat st;

	if (!w->s->follow && !w->s->one_fs)
		return true;
	if (fstat(l->fd, &st) == -1)
		return false;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	if (w->s->one_fs && w->depth > 0 && l->dev != w->stack[0].dev)
		return false;
	/* A link back to where we came from leads to nothing new. */
	for (size_t i = 0; i < w->depth; i++)
		if (w->stack[i].dev == l->dev && w->stack[i].ino == l->ino)
			return false;
	return true;
}

/*
 * Go down into the directory name of 'at'; w->path is its path, "" or with a
 * slash.  What cannot be read is reported and passed over.  0, or -1 with e.
 */
static int
descend(struct walk *w, int at, const char *name, bool follow, struct err *e)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	struct level *l = push(w);

	l->fd = openat(at, name, flags | (follow ? 0 : O_NOFOLLOW));
	if (l->fd == -1)
		return err_sys(e, "cannot open directory");
	if (!admit(w, l)) {
		close(l->fd);
		return 0;
	}
	if (names_read(&l->names, l->fd, w->s->follow, e) == -1) {
		close(l->fd);
		return -1;
	}
	l->next = 0;
	l->db = NULL;
	l->len = w->path.len;
	if (w->depth >= OPEN_LEVELS) {
		close(w->stack[w->depth - 1].fd);
		w->stack[w->depth - 1].fd = -1;
	}
	w->depth++;
	return 0;
}

/* The directory w->path, which ends in a slash, in the directory 'at'. */
static int
visit_dir(struct walk *w, int at)
{
	char *slash = (char *)w->path.data + w->path.len - 1;
	const char *path = buf_str(&w->path);
	struct err e;
	int rc = 0;

	*slash = '\0'; /* with it, open would follow a link */
	if (!is_excluded(w->s, path) &&
	    (w->pattern == NULL || glob_may_descend(w->pattern, path)))
		rc = descend(w, at, path_base(path), w->s->follow, &e);
	if (rc == -1 && e.class != ERR_MISSING) /* else it has just gone */
		failed(w, &e);
	*slash = '/';
	return 0;
}

static void
cut(struct buf *b, size_t len)
{
	b->len = len;
	if (b->data != NULL)
		b->data[len] = '\0';
}

static const char *
path_or_dot(const struct walk *w)
{
	return w->path.len == 0 ? "." : buf_str(&w->path);
}

/* Open again what descend() closed; w->path is its path. */
static bool
reopen(struct walk *w, struct level *l)
{
	struct err e;

	if (l->fd != -1)
		return true;
	l->fd = open(path_or_dot(w), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->fd != -1)
		return true;
	err_sys(&e, "cannot open directory again");
	failed(w, &e);
	return false;
}

static int
visit(struct walk *w, struct level *l, const struct name *n)
{
	int rc;

	if (strncmp(n->s, OWN, strlen(OWN)) == 0)
		return 0;
	if (n->type != DT_REG && n->type != DT_DIR)
		return 0;
	if (n->type == DT_REG && is_sidecar(w, l, n))
		return 0;
	buf_add(&w->path, n->s, n->len);
	if (n->type == DT_DIR)
		return visit_dir(w, l->fd);
	w->hit = false;
	rc = visit_file(w, l->fd, n->s, w->s->follow);
	if (w->hit)
		l->db = n;
	return rc;
}

static void
leave(struct walk *w)
{
	struct level *l = &w->stack[--w->depth];

	file_close(l->fd);
	l->fd = -1;
	if (w->s->pause != NULL)
		w->s->pause(w->s->ctx);
}

/* Walk the directory w->path. */
static int
walk(struct walk *w, struct err *e)
{
	struct level *l;
	int rc = 0;

	if (descend(w, AT_FDCWD, path_or_dot(w), true, e) == -1)
		return -1;
	while (w->depth > 0 && rc == 0 && !stop_requested()) {
		l = &w->stack[w->depth - 1];
		cut(&w->path, l->len);
		if (l->next < l->names.n && reopen(w, l))
			rc = visit(w, l, &l->names.v[l->next++]);
		else
			leave(w);
	}
	while (w->depth > 0)
		leave(w);
	if (rc == -1)
		e->class = ERR_NONE;
	return rc;
}

/* Operands */

/* Walk path, of which the first len bytes name a directory. */
static int
walk_dir(struct walk *w, const char *path, size_t len, struct err *e)
{
	while (len > 1 && path[len - 1] == '/' && path[len - 2] == '/')
		len--;
	buf_add(&w->path, path, len);
	if (len > 0 && path[len - 1] != '/')
		buf_add(&w->path, "/", 1);
	return walk(w, e);
}

static int
walk_pattern(struct walk *w, const char *pattern, struct err *e)
{
	size_t fixed;

	if (glob_check(pattern, e) == -1)
		return -1;
	fixed = glob_fixed(pattern);
	w->pattern = pattern;
	if (walk_dir(w, pattern, fixed, e) == 0)
		return 0;
	if (e->class != ERR_NONE && fixed > 0)
		err_in(e, "%.*s", (int)fixed, pattern);
	return -1;
}

static int
look(struct walk *w, const char *operand, struct err *e)
{
	struct stat st;
	int rc;

	if (stat(operand, &st) == -1) {
		if (errno == ENOENT && glob_is_pattern(operand))
			return walk_pattern(w, operand, e);
		return err_sys(e, "cannot look at it");
	}
	if (S_ISDIR(st.st_mode))
		return walk_dir(w, operand, strlen(operand), e);
	if (!S_ISREG(st.st_mode))
		return err_set(
		    e, ERR_CORRUPT, "neither a file nor a directory");
	buf_adds(&w->path, operand);
	if ((rc = visit_file(w, AT_FDCWD, operand, true)) == -1)
		e->class = ERR_NONE;
	return rc;
}

static int
scan(const struct scan *s, const char *operand,
    int (*how)(struct walk *w, const char *operand, struct err *e))
{
	struct walk w = { .s = s };
	struct err e = { .class = ERR_NONE };
	int rc = 0;

	/* Without a class, it was found() that wanted no more. */
	if (how(&w, operand, &e) == -1) {
		if (e.class == ERR_NONE)
			rc = -1;
		else
			s->failed(s->ctx, operand, &e);
	}
	for (size_t i = 0; i < w.room; i++)
		names_release(&w.stack[i].names);
	free(w.stack);
	buf_release(&w.path);
	return rc;
}

int
scan_local(const struct scan *s, const char *operand)
{
	return scan(s, operand, look);
}

int
scan_pattern(const struct scan *s, const char *pattern)
{
	return scan(s, pattern, walk_pattern);
}
