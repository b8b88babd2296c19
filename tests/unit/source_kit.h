/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_kit -- what is read of the databases of applications, against what
 * SQLite sees.
 */
#ifndef LSPP_TESTS_UNIT_SOURCE_KIT_H
#define LSPP_TESTS_UNIT_SOURCE_KIT_H

#include <fcntl.h>

#include "lib/base/err.h"
#include "lib/source/source.h"
#include "tests/unit/app_kit.h"

/* -- what was read --------------------------------------------------------- */

struct image {
	struct buf bytes;
	struct source_state st;
	uint32_t looked_at;
	/* What happens in the middle of each reading, behind that page. */
	void (*meanwhile)(void *);
	void *ctx;
	uint32_t behind;
};

/* Put the pages that source offers over what img has. */
KIT int
read_into(struct image *img, const char *path, struct source_pos *since,
    struct err *e)
{
	struct source *s = source_open(path, 2000, e);
	uint32_t known = 0, pgno;
	size_t size;
	int rc = 0;

	if (s == NULL)
		return -1;
	if (since != NULL)
		known = img->st.pages;
	while (rc == 0) {
		if (source_begin(s, since, known, false, e) == -1) {
			rc = -1;
			break;
		}
		img->st = *source_state(s);
		img->looked_at = 0;
		size = (size_t)img->st.pages * img->st.page_size;
		buf_room(&img->bytes, size);
		img->bytes.len = size;
		while ((pgno = source_next(s)) != 0) {
			const uint8_t *p = source_page(s, pgno, e);

			if (p == NULL) {
				source_close(s);
				return -1;
			}
			memcpy(img->bytes.data +
				(size_t)(pgno - 1) * img->st.page_size,
			    p, img->st.page_size);
			img->looked_at++;
			if (img->meanwhile != NULL && pgno == img->behind)
				img->meanwhile(img->ctx);
		}
		rc = source_end(s, e);
	}
	source_close(s);
	return rc == 1 ? 0 : -1;
}

KIT bool
is_committed(const struct image *img, const char *path)
{
	return sees(path, &img->bytes);
}

KIT void
check(const char *what, struct image *img, const char *path,
    struct source_pos *since, enum source_read read, enum source_hint hint)
{
	struct source_pos pos;
	struct err e = { 0 };
	int rc;

	if (since != NULL) {
		pos = *since;
		since = &pos;
	}
	rc = read_into(img, path, since, &e);
	ok(rc == 0, "%s: can be read%s", what, rc == 0 ? "" : e.msg);
	if (rc == -1)
		return;
	is_str(source_read_name[img->st.read], source_read_name[read], what);
	is_str(source_hint_name[img->st.hint], source_hint_name[hint], what);
	ok(is_committed(img, path), "%s: is what SQLite sees", what);
}

KIT void
settle(void)
{
	usleep(50000);
}

enum {
	WAL_SALT = 16,
	FRAME_SALT = 8,
	SHM_BACKFILL = 96,
	SHM_WRITE = 120,
	SHM_ATTEMPTED = 128
};

KIT void
shell(const char *fmt, const char *path)
{
	char *cmd = xasprintf(fmt, path, path, path, path);

	if (system(cmd) != 0)
		abort();
	free(cmd);
}

KIT void
patch(const char *path, const char *suffix, off_t at, const void *p, size_t n)
{
	char *name = xasprintf("%s%s", path, suffix);
	int fd = open(name, O_RDWR | O_CLOEXEC);

	if (fd == -1 || pwrite(fd, p, n, at) != (ssize_t)n)
		abort();
	close(fd);
	free(name);
}

/* Until the newest time of its files is older than that. */
KIT void
wait_older(const char *path, int64_t ns)
{
	struct signature sig;
	struct err e;
	bool racy;

	while (signature_take(&sig, path, &racy, &e) == 0 &&
	    now_ns() - signature_newest_ns(&sig) <= ns)
		usleep(50000);
}

/* Until nothing of it is racy for its times alone. */
KIT void
wait_old(const char *path)
{
	wait_older(path, INT64_C(1100000000));
}

KIT void
must_refuse(const char *what, const char *path, const char *why)
{
	struct image img = { 0 };
	struct err e = { 0 };

	is_int(read_into(&img, path, NULL, &e), -1, what);
	is_int(e.class, ERR_BUSY, what);
	ok(strstr(e.msg, why) != NULL, "%s: %s", what, e.msg);
	ok(e.hint[0] != '\0', "%s: %s", what, e.hint);
	buf_release(&img.bytes);
}

/* -- the WAL in use -------------------------------------------------------- */

struct mover {
	const char *path, *sql;
	struct app *app; /* or NULL: one for each time */
	int times;
};

/* The state before is kept beside: FILE.was. */
KIT void
move(void *ctx)
{
	struct mover *m = ctx;
	struct app one;

	m->times++;
	shell("rm -f %s.was*; cp %s %s.was", m->path);
	shell("! [ -e %s-wal ] || cp %s-wal %s.was-wal", m->path);
	if (m->app != NULL) {
		app_do(m->app, m->sql);
		return;
	}
	one = app_start(m->path);
	app_do(&one, m->sql);
	app_end(&one, 0);
}

KIT void
moving(const char *what, struct mover *m, struct image *img)
{
	char *was = xasprintf("%s.was", m->path);
	struct err e = { 0 };
	int rc;

	img->meanwhile = move;
	img->ctx = m;
	img->behind = 1;
	rc = read_into(img, m->path, NULL, &e);
	ok(rc == 0, "%s: can be read %s", what, rc == 0 ? "" : e.msg);
	if (rc == 0)
		ok(is_committed(img, was), "%s: as it was at first", what);
	free(was);
}

#endif
