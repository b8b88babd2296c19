/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a source: opening them, letting go of them, and what stands at
 * their beginning.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/when.h"
#include "lib/source/rodb.h"
#include "lib/source/source_impl.h"
#include "lib/sqlite/dbhdr.h"
#include "lib/sys/file.h"
#include "lib/sys/guard.h"
#include "lib/sys/links.h"

enum {
	JOURNAL_MAGIC_SIZE = 8,
};

struct index_reader {
	int fd;
	struct err *e;
};

void
source_sleep_ns(int64_t ns)
{
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };

	nanosleep(&ts, NULL);
}

void
source_let_go(struct source *s)
{
	rodb_end(s->lock); /* before any descriptor of the same files */
	s->lock = NULL;
	s->hold_until = 0;
	file_close(s->shm_fd);
	file_close(s->wal_fd);
	if (s->fd != -1) {
		close(s->fd);
		guard_leave(s->st.sig.db.dev, s->st.sig.db.ino);
	}
	s->fd = s->wal_fd = s->shm_fd = -1;
}

/* None of what is going to be opened is ours.  What is not there is not, yet.
 */
static int
check_names(const struct source *s, struct err *e)
{
	const char *const name[] = { s->path, s->wal_path, s->shm_path,
		s->journal_path };
	struct stat st;

	for (int i = 0; i < 4; i++) {
		if (lstat(name[i], &st) == -1 ||
		    !guard_is_own((int64_t)st.st_dev, (int64_t)st.st_ino))
			continue;
		guard_refuse(e);
		return i == 0 ? -1 : err_in(e, "%s", path_base(name[i]));
	}
	return 0;
}

struct source *
source_open(const char *path, unsigned max_hold_ms, struct err *e)
{
	char *real = links_resolve(path, "open", e);
	struct source *s;

	if (real == NULL)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->path = real;
	s->wal_path = xasprintf("%s-wal", real);
	s->shm_path = xasprintf("%s-shm", real);
	s->journal_path = xasprintf("%s-journal", real);
	s->max_hold_ms = max_hold_ms;
	s->fd = s->wal_fd = s->shm_fd = -1;
	if (check_names(s, e) == -1) {
		source_close(s);
		return NULL;
	}
	return s;
}

void
source_close(struct source *s)
{
	if (s == NULL)
		return;
	source_let_go(s);
	overlay_release(&s->overlay);
	overlay_release(&s->old);
	free(s->pages);
	free(s->window);
	free(s->page);
	free(s->path);
	free(s->wal_path);
	free(s->shm_path);
	free(s->journal_path);
	free(s);
}

const struct source_state *
source_state(const struct source *s)
{
	return &s->st;
}

/* It became ours since the names were looked at: to close it would drop the
 * locks that we have on it.  SQLite does not follow links here, either. */
static int
open_other(const char *path, struct stat *st, struct err *e)
{
	int fd = file_open_here(path, st, e);

	if (fd != -1 && guard_is_own((int64_t)st->st_dev, (int64_t)st->st_ino))
		return guard_refuse(e);
	return fd;
}

/* The main file, by what the path names now; its signature in st.sig. */
static int
open_file(struct source *s, struct err *e)
{
	struct stat st;

	s->held = false;
	s->st.captured_ns = now_ns();
	if ((s->fd = open_other(s->path, &st, e)) == -1)
		return -1;
	guard_enter((int64_t)st.st_dev, (int64_t)st.st_ino);
	file_sig_of(&s->st.sig.db, &st);
	if (s->want_hold && !s->no_hold) {
		s->held = source_hold(s);
		s->no_hold = !s->held;
		s->st.captured_ns = now_ns();
		if (fstat(s->fd, &st) == -1)
			return err_sys(e, "stat");
		file_sig_of(&s->st.sig.db, &st);
	}
	s->links = st.st_nlink;
	s->st.mode = st.st_mode & 0777;
	s->st.uid = st.st_uid;
	s->st.gid = st.st_gid;
	return 0;
}

/* 0 also when there is no such file: then *fd is -1. */
static int
open_beside(int *fd, const char *path, struct stat *st, struct err *e)
{
	*fd = open_other(path, st, e);
	if (*fd == -1 && e->class != ERR_MISSING)
		return err_in(e, "%s", path_base(path));
	return 0;
}

/* Open all there is; the signature is what the descriptors say. */
int
source_open_all(struct source *s, struct err *e)
{
	struct stat st;

	source_let_go(s);
	if (open_file(s, e) == -1 ||
	    open_beside(&s->wal_fd, s->wal_path, &st, e) == -1)
		return -1;
	if (s->wal_fd != -1)
		file_sig_of(&s->st.sig.wal, &st);
	else
		memset(&s->st.sig.wal, 0, sizeof(s->st.sig.wal));
	s->looked_ns = now_ns();
	s->settled = file_sig_unsettled_ns(
			 &s->st.sig.db, s->st.captured_ns, s->looked_ns) == 0;
	s->st.racy =
	    signature_racy(&s->st.sig, s->st.captured_ns, s->looked_ns);
	return open_beside(&s->shm_fd, s->shm_path, &st, e);
}

/* A journal that SQLite would look at: one with a header. */
int
source_journal_in_use(struct source *s, struct err *e)
{
	static const uint8_t magic[JOURNAL_MAGIC_SIZE] = { 0xd9, 0xd5, 0x05,
		0xf9, 0x20, 0xa1, 0x63, 0xd7 };
	uint8_t head[JOURNAL_MAGIC_SIZE];
	struct stat st;
	ssize_t n;
	int fd;

	if (open_beside(&fd, s->journal_path, &st, e) == -1)
		return -1;
	s->journal_there = fd != -1;
	if (fd == -1)
		return 0;
	s->journal_mtime_ns = when_ns(&st.st_mtim);
	n = file_pread(fd, head, sizeof(head), 0, e);
	close(fd);
	if (n == -1)
		return -1;
	return n == sizeof(head) && memcmp(head, magic, sizeof(head)) == 0;
}

/*
 * A writer that keeps its journal (locking_mode=EXCLUSIVE, or journal_mode
 * PERSIST or TRUNCATE) gives it a header before it writes to the file, and
 * takes that away after.  So the journal is the younger of the two, unless it
 * was left by somebody else, and who writes now does so without.  A coarse
 * clock gives both one time, whoever came last: then it does not tell.  Nor does
 * a time that is yet to come: the clock was set back since.
 */
bool
source_journal_rests(const struct source *s)
{
	int64_t after = s->journal_mtime_ns - s->st.sig.db.mtime_ns;

	if (!s->journal_there || after < 0 || s->journal_mtime_ns > now_ns())
		return false;
	return after > 0 || !file_sig_is_coarse(&s->st.sig.db);
}

bool
source_wal_has_frames(const struct source *s)
{
	return s->st.sig.wal.size > WAL_HDR_SIZE;
}

static int
get_index(void *ctx, uint64_t at, void *p, size_t n)
{
	struct index_reader *r = ctx;
	ssize_t got = file_pread(r->fd, p, n, at, r->e);

	return got == -1 ? -1 : (size_t)got == n;
}

int
source_read_index(struct source *s, struct walindex *x, struct err *e)
{
	enum { TRIES = 5 }; /* a change of the header takes no time */
	struct index_reader r = { s->shm_fd, e };
	int rc = 0;

	for (int i = 0; i < TRIES && rc == 0; i++)
		rc = walindex_read(x, get_index, &r);
	return rc;
}

/* Read the WAL's header.  1: valid; 0: not a WAL (recovery ignores it). */
int
source_read_wal_hdr(struct source *s, struct err *e)
{
	struct err why;
	ssize_t n;

	memset(s->hdr_bytes, 0, sizeof(s->hdr_bytes));
	n = file_pread(s->wal_fd, s->hdr_bytes, sizeof(s->hdr_bytes), 0, e);
	if (n == -1)
		return -1;
	return n == WAL_HDR_SIZE &&
	    wal_hdr_parse(&s->hdr, s->hdr_bytes, &why) == 0;
}

static int
parse_header(struct dbhdr *h, const uint8_t *p, size_t n, struct err *e)
{
	if (n == 0)
		return err_set(e, ERR_CORRUPT, "empty file");
	if (n < DBHDR_SIZE || !dbhdr_magic(p, n))
		return err_set(e, ERR_CORRUPT, "not a database");
	if (dbhdr_parse(h, p, e) == -1)
		return -1;
	if (h->application_id == DBHDR_APPLICATION_ID)
		return err_set(e, ERR_CORRUPT, "this is the state of lspp");
	return 0;
}

/* The sizes as the main file has them: there is no frame over it. */
int
source_size_from_header(struct source *s, struct err *e)
{
	uint8_t p[DBHDR_SIZE];
	struct dbhdr h = { 0 };
	struct stat now; /* it may have grown since it was opened */
	ssize_t n = file_pread(s->fd, p, sizeof(p), 0, e);

	if (n == -1)
		return -1;
	if (fstat(s->fd, &now) == -1)
		return err_sys(e, "stat");
	if (parse_header(&h, p, (size_t)n, e) == -1)
		return -1;
	s->counter = h.change_counter;
	s->st.page_size = h.page_size;
	s->st.pages = dbhdr_pages(&h, (uint64_t)now.st_size);
	if ((uint64_t)s->st.pages * h.page_size > (uint64_t)now.st_size)
		return err_set(e, ERR_CORRUPT,
		    "truncated: %u pages of %u bytes in %lld bytes",
		    s->st.pages, h.page_size, (long long)now.st_size);
	if (s->st.pages == 0)
		return err_set(e, ERR_CORRUPT, "no pages");
	return source_refuse_holes(s->fd, now.st_size, e);
}

/* The header says another page size than the WAL: not its WAL. */
int
source_check_page_size(struct source *s, struct err *e)
{
	uint8_t p[DBHDR_SIZE];
	struct dbhdr h = { 0 };
	ssize_t n = file_pread(s->fd, p, sizeof(p), 0, e);

	if (n == -1)
		return -1;
	/*
	 * All of it is still in the WAL of a live connection.  Else SQLite
	 * deletes the WAL (pager.c, pagerOpenWalIfPresent()).
	 */
	if (n == 0 && s->st.read != SOURCE_CHAIN)
		return 0;
	if (parse_header(&h, p, (size_t)n, e) == -1)
		return -1;
	if (h.page_size != s->hdr.page_size)
		return err_set(e, ERR_CORRUPT,
		    "page size %u, but %u in its -wal: not its own",
		    h.page_size, s->hdr.page_size);
	return 0;
}
