/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transaction on the copy, with a rollback journal as SQLite's file format
 * has it (sqlite.org/fileformat2.html section 3).
 *
 *	nobody else writes (copy_begin)
 *	the position is written, with the state before and the one behind
 *	the journal: what the pages that change hold; durable, with its name
 *	nobody reads
 *	the pages; durable
 *	the journal is removed, durably: that is the commit
 *
 * Whatever ends this leaves a journal that SQLite rolls back before anybody
 * reads, or none.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/be.h"
#include "lib/base/err.h"
#include "lib/mirror/mirror_impl.h"
#include "lib/replica/ltx/ltx_sum.h"
#include "lib/sys/file.h"
#include "lib/sys/rng.h"

enum {
	SECTOR = 512,
	HEADER = 28,
	FLUSH = 256 * 1024,
};

struct writing {
	struct copy *c;
	const struct state *from, *to;
	char *journal;  /* its path */
	int fd;         /* of the journal, or -1 */
	uint8_t *was;   /* a page: PAGE_MAX */
	uint8_t *own;   /* page 1 as the copy has it: PAGE_MAX */
	struct buf buf; /* of the journal, from 'at' on */
	uint64_t at;
	uint32_t records, nonce;
	bool first; /* page 1 was among the pages */
};

static uint32_t
lock_page(uint32_t page_size)
{
	return ltx_lock_page(page_size);
}

static int
fail(const char *what, int rc, struct err *e)
{
	return err_set(
	    e, ERR_IO, "the copy: cannot %s: %s", what, sqlite3_errstr(rc));
}

/* -- the journal ----------------------------------------------------------- */

static int
flush(struct writing *w, struct err *e)
{
	if (file_pwrite(w->fd, w->buf.data, w->buf.len, w->at, e) == -1)
		return err_in(e, "%s", w->journal);
	w->at += w->buf.len;
	buf_reset(&w->buf);
	return 0;
}

/* A page as it is: pagerCksum() of SQLite's pager.c. */
static int
add_record(struct writing *w, uint32_t pgno, struct err *e)
{
	uint32_t size = w->from->page_size, sum = w->nonce;
	uint8_t n[4];

	for (uint32_t i = size - 200; i < size && i > 0; i -= 200)
		sum += w->was[i];
	be32_put(n, pgno);
	buf_add(&w->buf, n, sizeof(n));
	buf_add(&w->buf, w->was, size);
	be32_put(n, sum);
	buf_add(&w->buf, n, sizeof(n));
	w->records++;
	return w->buf.len >= FLUSH ? flush(w, e) : 0;
}

static int
add_page(struct writing *w, uint32_t pgno, struct err *e)
{
	if (pgno == lock_page(w->from->page_size))
		return 0;
	if (copy_page(w->c, pgno, w->from->page_size, w->was, e) == -1)
		return -1;
	return add_record(w, pgno, e);
}

static bool
same_size(const struct writing *w)
{
	return w->from->page_size == w->to->page_size;
}

/* The page as the copy is to have it. */
static const uint8_t *
as_own(struct writing *w, uint32_t pgno, const uint8_t *page)
{
	if (pgno != 1)
		return page;
	w->first = true;
	memcpy(w->own, page, w->to->page_size);
	own_make(w->own, w->to->pages, w->to->counter);
	return w->own;
}

/* Has the copy that page already?  Else w->was is what it has. */
static int
differs(struct writing *w, uint32_t pgno, const uint8_t *page, struct err *e)
{
	uint32_t size = w->to->page_size;

	if (copy_page(w->c, pgno, size, w->was, e) == -1)
		return -1;
	return memcmp(w->was, page, size) != 0;
}

static int
note_page(void *arg, uint32_t pgno, const uint8_t *page, struct err *e)
{
	struct writing *w = arg;
	int rc;

	if (pgno > w->to->pages || pgno > w->from->pages ||
	    pgno == lock_page(w->from->page_size))
		return 0;
	rc = differs(w, pgno, as_own(w, pgno, page), e);
	return rc == 1 ? add_record(w, pgno, e) : rc;
}

static int
add_pages(struct writing *w, const struct pages *p, struct err *e)
{
	uint32_t from = 0;

	if (same_size(w)) {
		if (p->each(p->ctx, note_page, w, e) == -1)
			return -1;
		if (!w->first && add_page(w, 1, e) == -1)
			return -1;
		from = w->to->pages;
	}
	for (uint32_t i = from; i < w->from->pages; i++)
		if (add_page(w, i + 1, e) == -1)
			return -1;
	return flush(w, e);
}

/* SQLite plays back as many records as are said, which are on disk by then. */
static int
put_header(struct writing *w, uint32_t records, struct err *e)
{
	static const uint8_t magic[] = { 0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1,
		0x63, 0xd7 };
	uint8_t p[SECTOR] = { 0 };

	memcpy(p, magic, sizeof(magic));
	be32_put(p + 8, records);
	be32_put(p + 12, w->nonce);
	be32_put(p + 16, w->from->pages);
	be32_put(p + 20, SECTOR);
	be32_put(p + 24, w->from->page_size);
	if (file_pwrite(w->fd, p, sizeof(p), 0, e) == -1)
		return err_in(e, "%s", w->journal);
	if (fsync(w->fd) == -1)
		return err_sys(e, "cannot sync %s", w->journal);
	return 0;
}

static int
sync_dir(const struct writing *w, struct err *e)
{
	if (fsync(w->c->dir) == -1)
		return err_sys(e, "cannot sync the directory");
	return 0;
}

/* Whoever may read the copy may have to roll it back. */
static int
open_journal(struct writing *w, struct err *e)
{
	struct stat st;

	w->fd = openat(w->c->dir, w->journal,
	    O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (w->fd == -1)
		return err_sys(e, "cannot create %s", w->journal);
	if (fstatat(w->c->dir, w->c->name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return err_sys(e, "the copy");
	if (fchown(w->fd, st.st_uid, st.st_gid) == -1 && errno != EPERM)
		return err_sys(e, "cannot set the owner of %s", w->journal);
	if (fchmod(w->fd, st.st_mode & 0777) == -1)
		return err_sys(e, "cannot set the mode of %s", w->journal);
	return rng_bytes(&w->nonce, sizeof(w->nonce), e);
}

static int
make_journal(struct writing *w, const struct pages *p, struct err *e)
{
	w->at = SECTOR;
	if (open_journal(w, e) == -1 || add_pages(w, p, e) == -1 ||
	    put_header(w, 0, e) == -1 || put_header(w, w->records, e) == -1)
		return -1;
	return sync_dir(w, e);
}

/* -- the pages ------------------------------------------------------------- */

/* Once a lock against new readers is had, those that read come to an end. */
static int
lock_out_readers(struct writing *w, struct err *e)
{
	int rc;

	for (int n = 0;; n++) {
		rc = w->c->file->pMethods->xLock(
		    w->c->file, SQLITE_LOCK_EXCLUSIVE);
		if (rc == SQLITE_OK)
			return 0;
		if (rc != SQLITE_BUSY || !stop_wait(&w->c->wait, n))
			return live_fail(w->c->db, rc, &w->c->wait, e);
	}
}

static int
put_page(struct writing *w, uint32_t pgno, const uint8_t *page, struct err *e)
{
	uint32_t size = w->to->page_size;
	int rc = w->c->file->pMethods->xWrite(
	    w->c->file, page, (int)size, (sqlite3_int64)(pgno - 1) * size);

	return rc == SQLITE_OK ? 0 : fail("write", rc, e);
}

static int
take_page(void *arg, uint32_t pgno, const uint8_t *page, struct err *e)
{
	struct writing *w = arg;
	int rc;

	if (pgno > w->to->pages)
		return 0;
	page = as_own(w, pgno, page);
	rc = differs(w, pgno, page, e);
	return rc == 1 ? put_page(w, pgno, page, e) : rc;
}

static int
put_pages(struct writing *w, const struct pages *p, struct err *e)
{
	uint64_t size = (uint64_t)w->to->pages * w->to->page_size;
	int rc;

	w->first = false;
	if (p->each(p->ctx, take_page, w, e) == -1)
		return -1;
	if (!w->first) {
		if (copy_page(w->c, 1, w->to->page_size, w->was, e) == -1)
			return -1;
		own_put(&w->from->own, w->was);
		if (put_page(w, 1, as_own(w, 1, w->was), e) == -1)
			return -1;
	}
	rc = w->c->file->pMethods->xTruncate(w->c->file, (sqlite3_int64)size);
	if (rc == SQLITE_OK)
		rc = w->c->file->pMethods->xSync(w->c->file, SQLITE_SYNC_FULL);
	return rc == SQLITE_OK ? 0 : fail("make it durable", rc, e);
}

static int
commit(struct writing *w, struct err *e)
{
	if (unlinkat(w->c->dir, w->journal, 0) == -1)
		return err_sys(e, "cannot remove %s", w->journal);
	return sync_dir(w, e);
}

int
copy_write(struct copy *c, const struct state *from, struct state *to,
    uint64_t replica, const struct pages *p, uint8_t *page, struct err *e)
{
	struct position position = { .replica = replica, .was = *from };
	struct writing w = { .c = c,
		.from = from,
		.to = to,
		.fd = -1,
		.was = page,
		.own = xmalloc(PAGE_MAX) };
	bool begun = false;
	int rc;

	w.journal = xasprintf("%s-journal", c->name);
	to->counter = from->counter + 1;
	position.is = *to;
	rc = position_write(c->dir, c->name, &position, e);
	if (rc == 0)
		rc = make_journal(&w, p, e);
	if (rc == 0)
		rc = lock_out_readers(&w, e);
	if (rc == 0) {
		begun = true;
		rc = put_pages(&w, p, e);
	}
	if (rc == 0)
		rc = commit(&w, e);
	else if (!begun && w.fd != -1)
		(void)unlinkat(c->dir, w.journal, 0);
	file_close(w.fd);
	buf_release(&w.buf);
	free(w.own);
	free(w.journal);
	return rc;
}
