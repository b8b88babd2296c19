/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/source/signature.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/base/err.h"
#include "lib/base/when.h"

#define SECOND INT64_C(1000000000)

enum {
	TENTH = 100000000,
	TICK = 20000000, /* the kernel's timer is at 10 ms at the slowest */
};

int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return when_ns(&ts);
}

void
file_sig_of(struct file_sig *f, const struct stat *st)
{
	f->dev = (int64_t)st->st_dev;
	f->ino = (int64_t)st->st_ino;
	f->size = st->st_size;
	f->mtime_ns = when_ns(&st->st_mtim);
	f->ctime_ns = when_ns(&st->st_ctim);
}

int64_t
signature_newest_ns(const struct signature *s)
{
	return s->db.ctime_ns > s->wal.ctime_ns ? s->db.ctime_ns
						: s->wal.ctime_ns;
}

/*
 * Is t, a time of a file, near some moment between these two?  The clock may
 * have been set back meanwhile.
 */
static bool
near(int64_t t, int64_t from, int64_t to, int64_t span)
{
	int64_t first = from < to ? from : to, last = from < to ? to : from;

	return t > first - span && t < last + span;
}

static int
take_real(struct signature *s, const char *path, struct err *e)
{
	char wal[PATH_MAX];
	size_t n = strlen(path);
	struct stat st;

	if (n + sizeof("-wal") > sizeof(wal)) {
		errno = ENAMETOOLONG;
		return err_sys(e, "stat");
	}
	memcpy(wal, path, n);
	memcpy(wal + n, "-wal", sizeof("-wal"));
	if (stat(wal, &st) == 0)
		file_sig_of(&s->wal, &st);
	else if (errno == ENOENT)
		memset(&s->wal, 0, sizeof(s->wal));
	else
		return err_sys(e, "-wal");
	return 0;
}

int
signature_take(struct signature *s, const char *path, bool *racy, struct err *e)
{
	int64_t before = now_ns();
	char *real = NULL;
	struct stat st;
	int rc;

	if (lstat(path, &st) == -1)
		return err_sys(e, "stat");
	if (S_ISLNK(st.st_mode)) {
		if ((real = realpath(path, NULL)) == NULL ||
		    stat(real, &st) == -1) {
			err_sys(e, "symbolic link");
			free(real);
			return -1;
		}
		path = real;
	}
	file_sig_of(&s->db, &st);
	rc = take_real(s, path, e);
	free(real);
	*racy = signature_racy(s, before, now_ns());
	return rc;
}

/* How far apart are the times of the clock that this one is of? */
static int64_t
granule(int64_t ctime_ns)
{
	if (ctime_ns % SECOND == 0)
		return 2 * SECOND;
	return ctime_ns % TENTH == 0 ? TENTH : TICK;
}

bool
file_sig_is_coarse(const struct file_sig *f)
{
	return granule(f->ctime_ns) > TICK;
}

int64_t
file_sig_unsettled_ns(const struct file_sig *f, int64_t from_ns, int64_t to_ns)
{
	int64_t span = granule(f->ctime_ns), wait = f->ctime_ns + span - to_ns;

	if (!near(f->ctime_ns, from_ns, to_ns, span))
		return 0;
	return wait > 0 ? wait : 1;
}

static bool
file_racy(const struct file_sig *f, int64_t from_ns, int64_t to_ns)
{
	int64_t span = granule(f->ctime_ns);

	if (span <= TICK)
		return near(f->ctime_ns, from_ns, to_ns, SECOND);
	return f->ctime_ns > to_ns ||
	    near(f->ctime_ns, from_ns, to_ns, span + SECOND);
}

bool
signature_racy(const struct signature *s, int64_t from_ns, int64_t to_ns)
{
	return file_racy(&s->db, from_ns, to_ns) ||
	    file_racy(&s->wal, from_ns, to_ns);
}

bool
signature_equal(const struct signature *a, const struct signature *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}
