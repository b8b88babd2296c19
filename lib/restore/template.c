/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/restore/template.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/restore/restore.h"
#include "lib/source/source.h"
#include "lib/sys/file.h"
#include "lib/sys/kernel.h"
#include "lib/sys/stop.h"

enum {
	MAX_HOLD_MS = 150, /* of a writer in rollback mode */
	ROUNDS = 20,       /* of a template that is being written */
	PIECE = 65536,
	AT_ONCE = 64 << 20, /* by the kernel */
};

/* -- the image ------------------------------------------------------------- */

static int
nameless(const char *dir, struct err *e)
{
	int flags = O_TMPFILE | O_RDWR | O_CLOEXEC;
	int fd = open(dir, flags, 0600);

	if (fd == -1)
		fd = open("/tmp", flags, 0600);
	return fd == -1 ? err_sys(e, "cannot create a file in %s or /tmp", dir)
			: fd;
}

/* All pages of one try: 1 if they belong together, 0, -1. */
static int
read_image(struct source *src, int fd, struct err *e)
{
	const struct source_state *st = source_state(src);
	const uint8_t *page;
	uint32_t pgno;

	if (source_begin(src, NULL, 0, true, e) == -1)
		return -1;
	if (ftruncate(fd, 0) == -1)
		return err_sys(e, "cannot empty a file");
	while ((pgno = source_next(src)) != 0) {
		if ((page = source_page(src, pgno, e)) == NULL ||
		    file_pwrite(fd, page, st->page_size,
			(uint64_t)(pgno - 1) * st->page_size, e) == -1)
			return -1;
	}
	return source_end(src, e);
}

static int
take_image(struct db_template *t, struct source *src, struct err *e)
{
	const struct source_state *st = source_state(src);
	int rc = 0;

	for (int i = 0; i < ROUNDS && rc == 0; i++)
		rc = read_image(src, t->fd, e);
	if (rc == 0) {
		err_set(e, ERR_BUSY, "it is written while it is read");
		err_hint(e,
		    "take a copy that nobody writes to: sqlite3 FILE "
		    "\".backup COPY\"");
	}
	if (rc != 1)
		return -1;
	t->size = (uint64_t)st->pages * st->page_size;
	t->mode = st->mode & 0777;
	t->uid = st->uid;
	t->gid = st->gid;
	return 0;
}

int
template_open(
    struct db_template *t, const char *path, const char *dir, struct err *e)
{
	struct source *src = source_open(path, MAX_HOLD_MS, e);
	int rc = -1;

	*t = (struct db_template){ .fd = -1 };
	if (src == NULL)
		return -1;
	if ((t->fd = nameless(dir, e)) != -1)
		rc = take_image(t, src, e);
	source_close(src);
	if (rc == -1)
		template_close(t);
	return rc;
}

void
template_close(struct db_template *t)
{
	file_close(t->fd);
	t->fd = -1;
}

/* -- copies ---------------------------------------------------------------- */

/* By hand, from off on. */
static int
copy_rest(const struct db_template *t, int fd, uint64_t off, struct err *e)
{
	uint8_t piece[PIECE];
	ssize_t n;

	for (; off < t->size; off += (uint64_t)n) {
		if (stop_overdue(e) == -1)
			return -1;
		n = file_pread(t->fd, piece, sizeof(piece), off, e);
		if (n == 0)
			err_set(e, ERR_BUG, "the image has become shorter");
		if (n <= 0 || file_pwrite(fd, piece, (size_t)n, off, e) == -1)
			return -1;
	}
	return 0;
}

static int
fill(const struct db_template *t, int fd, struct err *e)
{
	uint64_t left;
	loff_t from = 0;
	ssize_t n;

	if (kernel_clone(fd, t->fd) == 0)
		return 0;
	while ((uint64_t)from < t->size) {
		if (stop_overdue(e) == -1)
			return -1;
		left = t->size - (uint64_t)from;
		n = copy_file_range(
		    t->fd, &from, fd, NULL, left < AT_ONCE ? left : AT_ONCE, 0);
		if (n <= 0)
			return copy_rest(t, fd, (uint64_t)from, e);
	}
	return 0;
}

/* Ours alone until the last moment; then the template's, as far as we may. */
static int
set_owner(const struct db_template *t, struct restored *r, struct err *e)
{
	mode_t mode = t->mode;
	struct stat sb;

	if (geteuid() == 0 && fchown(r->fd, t->uid, t->gid) == -1)
		return err_sys(e, "cannot set the owner");
	if (fstat(r->fd, &sb) == -1)
		return err_sys(e, "cannot stat it");
	if (!t->told && sb.st_gid != t->gid)
		mode &= ~(mode_t)070; /* that was for another group */
	if (fchmod(r->fd, mode) == -1)
		return err_sys(e, "cannot set the mode");
	return 0;
}

int
template_copy(const struct db_template *t, struct place *place,
    const char *target, struct restored **out, struct err *e)
{
	const char *name = place_open(place, target, strlen(target), e);
	struct restored *r;

	if (name == NULL ||
	    place_free_name(place->dir, name, target, false, e) == -1) {
		e->hint[0] = '\0'; /* there is no --force, and no -o */
		return -1;
	}
	r = xcalloc(1, sizeof(*r));
	r->dir = r->fd = -1;
	r->path = xstrdup(target);
	r->name = xstrdup(name);
	if (place_create(place, r, e) == -1 || fill(t, r->fd, e) == -1 ||
	    set_owner(t, r, e) == -1) {
		restored_drop(r);
		return -1;
	}
	*out = r;
	return 0;
}
