/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sys/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/sys/file.h"

/*
 * The first 'max' bytes are in mem, all others in the file, which begins at
 * spool offset mem.len: nothing is written twice.
 */

void
spool_init(struct spool *s, const char *dir, size_t max)
{
	*s = (struct spool){ .dir = dir, .max = max, .fd = -1 };
}

/* For a file system without O_TMPFILE: there is a name for a moment. */
static int
open_unlinked(const char *dir)
{
	char *path = xasprintf("%s/.lspp-XXXXXX", dir);
	int fd = mkostemp(path, O_CLOEXEC), errnum = errno;

	if (fd != -1)
		(void)unlink(path);
	free(path);
	errno = errnum;
	return fd;
}

int
spool_file(const char *dir, struct err *e)
{
	int fd = -1;

#ifdef O_TMPFILE
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd == -1 && (errno == EOPNOTSUPP || errno == EISDIR))
#endif
		fd = open_unlinked(dir);
	if (fd == -1)
		return err_sys(e, "cannot make a temporary file in %s", dir);
	return fd;
}

int
spool_write(struct spool *s, const void *p, size_t n, struct err *e)
{
	size_t room = 0;

	/* In memory only as long as all before it is there, too. */
	if (s->size == s->mem.len && s->mem.len < s->max)
		room = s->max - s->mem.len;
	if (room > n)
		room = n;
	buf_add(&s->mem, p, room);
	s->size += room;
	if (room == n)
		return 0;
	if (s->fd == -1 && (s->fd = spool_file(s->dir, e)) == -1)
		return -1;
	if (file_pwrite(s->fd, (const char *)p + room, n - room,
		s->size - s->mem.len, e) == -1)
		return err_in(e, "temporary file in %s", s->dir);
	s->size += n - room;
	return 0;
}

/* How many of n bytes from off are in memory; the others are in the file. */
static size_t
in_memory(const struct spool *s, uint64_t off, size_t n)
{
	if (off >= s->mem.len)
		return 0;
	return n < s->mem.len - off ? n : s->mem.len - (size_t)off;
}

int
spool_read(struct spool *s, uint64_t off, void *p, size_t n, struct err *e)
{
	size_t head = in_memory(s, off, n);
	ssize_t got;

	if (off > s->size || n > s->size - off)
		return err_set(e, ERR_BUG,
		    "read of %zu bytes at %llu of a spool of %llu", n,
		    (unsigned long long)off, (unsigned long long)s->size);
	if (head > 0)
		memcpy(p, s->mem.data + off, head);
	if (head == n)
		return 0;
	got = file_pread(
	    s->fd, (char *)p + head, n - head, off + head - s->mem.len, e);
	if (got == -1)
		return err_in(e, "temporary file in %s", s->dir);
	if ((size_t)got != n - head)
		return err_set(e, ERR_BUG,
		    "temporary file in %s is shorter than written", s->dir);
	return 0;
}

int
spool_patch(
    struct spool *s, uint64_t off, const void *p, size_t n, struct err *e)
{
	size_t head = in_memory(s, off, n);

	if (off > s->size || n > s->size - off)
		return err_set(e, ERR_BUG,
		    "%zu bytes in place of those at %llu of a spool of %llu", n,
		    (unsigned long long)off, (unsigned long long)s->size);
	if (head > 0)
		memcpy(s->mem.data + off, p, head);
	if (head == n)
		return 0;
	if (file_pwrite(s->fd, (const char *)p + head, n - head,
		off + head - s->mem.len, e) == -1)
		return err_in(e, "temporary file in %s", s->dir);
	return 0;
}

int
spool_reset(struct spool *s, struct err *e)
{
	if (s->fd != -1 && ftruncate(s->fd, 0) == -1)
		return err_sys(
		    e, "cannot empty a temporary file in %s", s->dir);
	buf_reset(&s->mem);
	s->size = 0;
	return 0;
}

void
spool_release(struct spool *s)
{
	file_close(s->fd);
	s->fd = -1;
	buf_release(&s->mem);
	s->size = 0;
}
