/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of a source say of themselves, against what they can hold.
 * SQLite meets a damaged page when it uses it; here it would be taken along,
 * and be what every restore brings back.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/be.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/source/source_impl.h"
#include "lib/sqlite/dbhdr.h"
#include "lib/sqlite/growth.h"

enum {
	/* of page 1: the first trunk page of the list of free pages */
	AT_FREE = 32,
	/* of a trunk page: the next one, the number of leaves, the leaves */
	AT_NEXT = 0,
	AT_LEAVES = 4,
	AT_LEAF = 8,
	LOCK_BYTE = 0x40000000,
};

/*
 * A large file that is all but empty takes its owner nothing to make, and a pass
 * hours to read.  SQLite writes each page but one, so that is no database; a
 * compressing file system counts what it has compressed as data.
 */
int
source_refuse_holes(int fd, off_t size, struct err *e)
{
	const off_t large = (off_t)64 << 30, enough = size / 256;
	off_t from, to = 0, data = 0;

	if (size < large)
		return 0;
	while (data < enough) {
		if ((from = lseek(fd, to, SEEK_DATA)) == -1) {
			if (errno != ENXIO)
				return 0; /* it cannot be told here */
			return err_set(e, ERR_CORRUPT,
			    "nearly all holes: %lld bytes of %lld",
			    (long long)data, (long long)size);
		}
		if ((to = lseek(fd, from, SEEK_HOLE)) == -1)
			return 0;
		data += to - from;
	}
	return 0;
}

/* Whole pages in the file, as it is now. */
static int
file_pages(const struct source *s, uint32_t *pages, struct err *e)
{
	struct stat now;
	uint64_t n;

	if (fstat(s->fd, &now) == -1)
		return err_sys(e, "stat");
	n = (uint64_t)now.st_size / s->st.page_size;
	*pages = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
	return 0;
}

int
source_check_size(
    struct source *s, uint32_t frames, uint32_t pages, struct err *e)
{
	struct growth g = { 0 };
	uint32_t in_file = 0;

	if (file_pages(s, &in_file, e) == -1 ||
	    source_refuse_holes(s->fd, (off_t)in_file * s->st.page_size, e) ==
		-1)
		return -1;
	growth_from(&g, in_file);
	growth_read(
	    &g, wal_frame_offset(s->st.page_size, (uint64_t)frames + 1));
	return growth_commit(&g, pages, e) == -1 ? err_in(e, "-wal") : 0;
}

void
source_check_first(struct source *s, const uint8_t *page)
{
	s->first_seen = true;
	if (dbhdr_check(page, s->st.page_size, s->st.pages, &s->first) == 0)
		s->first.class = ERR_NONE;
}

/* -- pages that stand nowhere ---------------------------------------------- */

/* SQLite never writes the page of its locks (fileformat2 1.2). */
static bool
stands(const struct source *s, uint32_t pgno)
{
	return overlay_find(&s->overlay, pgno) != 0 ||
	    pgno == LOCK_BYTE / s->st.page_size + 1;
}

bool
source_lacks(struct source *s, uint32_t last)
{
	struct err why;
	uint32_t pgno = 0;

	if (last > s->st.pages)
		last = s->st.pages;
	if (file_pages(s, &pgno, &why) == -1)
		return true;
	while (pgno < last)
		if (!stands(s, ++pgno))
			return true;
	return false;
}

/* Pages behind the end of the file, a bit each for those that stand nowhere. */
struct lacking {
	uint32_t from, n; /* the first one; how many stand nowhere */
	uint8_t *bits;
};

static void
find_lacking(const struct source *s, struct lacking *l, uint32_t in_file)
{
	uint32_t pgno = in_file;

	if (pgno < s->before_overlay)
		pgno = s->before_overlay;
	l->from = pgno + 1;
	if (pgno < s->st.pages)
		l->bits = xcalloc(1, (s->st.pages - pgno + 7) / 8);
	while (pgno < s->st.pages)
		if (!stands(s, ++pgno)) {
			uint32_t at = pgno - l->from;

			l->bits[at / 8] |= (uint8_t)(1 << at % 8);
			l->n++;
		}
}

/* The page is free. */
static void
strike(struct lacking *l, uint32_t pgno, uint32_t pages)
{
	uint32_t at = pgno - l->from;
	uint8_t bit = (uint8_t)(1 << at % 8);

	if (pgno < l->from || pgno > pages || (l->bits[at / 8] & bit) == 0)
		return;
	l->bits[at / 8] &= (uint8_t)~bit;
	l->n--;
}

/*
 * What a transaction adds and frees again is never written: it is not read
 * either, before it is written.  That is not missing; all else is.  Each page is
 * in the list once: one that names more is damaged, and may go round.
 */
static int
strike_free(struct source *s, struct lacking *l, struct err *e)
{
	const uint32_t most = s->st.page_size / 4 - 2;
	uint32_t left = s->st.pages, trunk, n;
	const uint8_t *p = source_page(s, 1, e);

	trunk = p == NULL ? 0 : be32(p + AT_FREE);
	while (l->n > 0 && p != NULL && trunk > 0 && trunk <= s->st.pages) {
		if ((p = source_page(s, trunk, e)) == NULL)
			break;
		trunk = be32(p + AT_NEXT);
		if ((n = be32(p + AT_LEAVES)) > most || n >= left)
			break;
		left -= n + 1;
		for (p += AT_LEAF; n > 0; n--, p += 4)
			strike(l, be32(p), s->st.pages);
	}
	return p == NULL ? -1 : 0;
}

int
source_check_all(struct source *s, struct err *e)
{
	struct lacking l = { 0 };
	uint32_t in_file = 0;
	int rc = 0;

	/* It says a size, too; if frames are left out it was looked at. */
	if (!s->first_seen && s->before_overlay == 0 &&
	    source_page(s, 1, e) == NULL)
		return -1;
	if (s->first.class != ERR_NONE) {
		*e = s->first;
		return -1;
	}
	if (file_pages(s, &in_file, e) == -1)
		return -1;
	if (in_file >= s->st.pages)
		return 0;
	if (s->overlay_used)
		find_lacking(s, &l, in_file);
	if (l.n > 0)
		rc = strike_free(s, &l, e);
	if (rc == 0 && (l.n > 0 || !s->overlay_used))
		rc = err_set(e, ERR_CORRUPT,
		    "truncated: of %u pages %u are in the file, and the others "
		    "not all in its -wal",
		    s->st.pages, in_file);
	free(l.bits);
	return rc;
}
