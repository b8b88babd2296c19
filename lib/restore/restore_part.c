/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/restore/restore_part.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "lib/base/buf.h"
#include "lib/sys/file.h"

#define PREFIX ".lspp-"
#define SUFFIX ".part"
#define DIGITS 16
#define CHUNK  ((size_t)256 * 1024)

bool
part_is_name(const char *name)
{
	size_t n = sizeof(PREFIX) - 1;

	return strncmp(name, PREFIX, n) == 0 &&
	    strspn(name + n, "0123456789abcdef") == DIGITS &&
	    strcmp(name + n + DIGITS, SUFFIX) == 0;
}

static void
name_of(struct part *p, const char *url, const char *key)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s/%s", url, key);
	(void)snprintf(p->name, sizeof(p->name), PREFIX "%016" PRIx64 SUFFIX,
	    (uint64_t)XXH3_64bits(b.data, b.len));
	buf_release(&b);
}

/*
 * The name can be known beforehand, and so may have been put there for us, open
 * for others or a link to what is ours.  Such a file goes, and a new one is
 * made; -1: it cannot be.
 */
static int
open_own(int dir, const char *name, struct stat *st)
{
	int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd = openat(dir, name, flags, 0600);

	if (fd != -1 && fstat(fd, st) == 0 && S_ISREG(st->st_mode) &&
	    st->st_uid == geteuid() && (st->st_mode & 077) == 0 &&
	    st->st_nlink <= 1)
		return fd;
	file_close(fd);
	if (unlinkat(dir, name, 0) == -1 ||
	    (fd = openat(dir, name, flags | O_EXCL, 0600)) == -1)
		return -1;
	if (fstat(fd, st) == 0)
		return fd;
	file_close(fd);
	return -1;
}

bool
part_open(struct part *p, int dir, const char *url, const char *key)
{
	struct stat st;

	*p = (struct part){ .fd = -1 };
	name_of(p, url, key);
	if ((p->fd = open_own(dir, p->name, &st)) == -1)
		return false;
	/* Whoever removed it meanwhile has taken it for a leftover. */
	if ((flock(p->fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK) ||
	    fstat(p->fd, &st) == -1 || st.st_nlink != 1) {
		part_close(p);
		return false;
	}
	p->have = (uint64_t)st.st_size;
	p->continued = p->have > 0;
	return true;
}

void
part_close(struct part *p)
{
	file_close(p->fd);
	*p = (struct part){ .fd = -1 };
}

struct fetch {
	struct part *p;
	size_t skip;
};

static int
append(void *ctx, const uint8_t *bytes, size_t n, struct err *e)
{
	struct fetch *f = ctx;
	size_t skip = f->skip < n ? f->skip : n;

	f->skip -= skip;
	if (file_pwrite(f->p->fd, bytes + skip, n - skip, f->p->have, e) == -1)
		return err_in(e, "%s", f->p->name);
	f->p->have += n - skip;
	return 0;
}

/* With what is there: the last byte once more, for no range is empty then. */
static int
fetch(struct part *p, struct store *s, const char *key, struct err *e)
{
	struct fetch f = { .p = p, .skip = p->have > 0 };

	return s->ops->get(s, key, p->have - f.skip, UINT64_MAX, append, &f, e);
}

int
part_get(struct part *p, struct store *s, const char *key, store_sink *sink,
    void *ctx, struct err *e)
{
	uint64_t at = 0;
	uint8_t *buf;
	ssize_t n = -1;

	if (fetch(p, s, key, e) == -1)
		return -1;
	buf = xmalloc(CHUNK);
	while ((n = file_pread(p->fd, buf, CHUNK, at, e)) > 0) {
		if (sink(ctx, buf, (size_t)n, e) == -1) {
			n = -1;
			break;
		}
		at += (uint64_t)n;
	}
	free(buf);
	return n == -1 ? -1 : 0;
}
