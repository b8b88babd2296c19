/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel knows of the locks of others, and the one lock that is taken
 * without SQLite.  F_GETLK tells of other processes only, never of ourselves.
 */
#include <fcntl.h>

#include "lib/base/err.h"
#include "lib/source/source_impl.h"
#include "lib/sys/file.h"

/* The bytes of a database file (sqlite.org/src, os.h). */
enum {
	PENDING_BYTE = 0x40000000,
	SHARED_FIRST = PENDING_BYTE + 2,
	SHARED_SIZE = 510,
	ALL_SIZE = 2 + SHARED_SIZE,
};

/*
 * The lock that keeps us from taking this one: F_UNLCK if there is none.  What
 * cannot be asked counts as locked.
 */
static short
in_the_way(int fd, short type, off_t start, off_t len)
{
	struct flock fl = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = start,
		.l_len = len,
	};

	return fcntl(fd, F_GETLK, &fl) == -1 ? F_WRLCK : fl.l_type;
}

bool
source_index_in_use(const struct source *s)
{
	return s->shm_fd != -1 &&
	    in_the_way(s->shm_fd, F_WRLCK, WALINDEX_DMS_BYTE, 1) != F_UNLCK;
}

/*
 * A writer without a journal file (journal_mode MEMORY or OFF) shows by its
 * locks alone: PENDING_BYTE and what follows (sqlite.org/lockingv3.html).
 */
bool
source_file_locked(const struct source *s)
{
	return in_the_way(s->fd, F_RDLCK, PENDING_BYTE, ALL_SIZE) != F_UNLCK;
}

/* A connection's lock is on all bytes of SHARED; ours leaves out the first. */
bool
source_file_in_use(const struct source *s)
{
	return in_the_way(s->fd, F_WRLCK, SHARED_FIRST, 1) != F_UNLCK;
}

bool
source_file_shared(const struct source *s)
{
	return in_the_way(s->fd, F_WRLCK, SHARED_FIRST, 1) == F_RDLCK;
}

/*
 * -- what was written and is not published -----------------------------------
 *
 * A commit is writes to the WAL, then a sync that may take seconds, then a
 * store into the wal-index, which no file's time tells of.  All under the write
 * lock.  The order here is: (1) the signature is taken, (2) the index is read,
 * (3) is the write lock held?, (4) the index is read again.
 *
 * Nobody holds it at (3), and (2) and (4) are the same: whoever wrote before
 * (1) had let go of the lock by (3), so had published by then, or given up;
 * what was published is in (4), so in (2).  Whoever took the lock after (3)
 * writes after (1): the signature changes, or is racy already.
 *
 * Somebody holds it at (3): what he wrote before (1) begins in the frame behind
 * the published ones, and stands there.  If no commit stands there that can be
 * his, he writes that after (1).
 *
 * A first transaction that was killed leaves frames that nobody will publish;
 * and no lock.
 */

/*
 * Of the write lock a connection in exclusive mode makes no use: it has the
 * file's, as long as it lives.
 */
static bool
writer_at_work(const struct source *s)
{
	return in_the_way(s->shm_fd, F_WRLCK, WALINDEX_WRITE_BYTE, 1) !=
	    F_UNLCK ||
	    source_file_locked(s);
}

static bool
same_header(const struct walindex *a, const struct walindex *b)
{
	return source_same_salts(a->salt, b->salt) && a->frames == b->frames &&
	    a->pages == b->pages && a->sum[0] == b->sum[0] &&
	    a->sum[1] == b->sum[1];
}

/*
 * May a frame behind the published ones be of the same WAL, or of one that has
 * begun and is in the file alone (a writer makes up the salts of the first one,
 * and publishes them with its commit)?  Without salts, too: so SQLite writes
 * what it means to sum up later.
 */
static bool
is_of_writer(const struct source *s, const struct wal_frame *f,
    const struct wal_frame *hdr)
{
	static const uint32_t none[2] = { 0, 0 };

	return source_same_salts(f->salt, s->index.salt) ||
	    source_same_salts(f->salt, none) ||
	    (s->index.frames == 0 && source_same_salts(f->salt, hdr->salt));
}

/*
 * Does a commit stand there?  Frames without one are of a transaction that goes
 * on, or was rolled back, and be it for days: its commit is yet to be written.
 */
static int
commit_behind(const struct source *s, struct err *e)
{
	uint8_t p[WAL_FRAME_HDR_SIZE], hdr[WAL_HDR_SIZE] = { 0 };
	struct wal_frame f, h;
	uint64_t frame = s->index.frames;
	ssize_t n;

	if (file_pread(s->wal_fd, hdr, sizeof(hdr), 0, e) == -1)
		return -1;
	wal_frame_parse(&h, hdr + 8); /* its salts are at 16 */
	do {
		n = file_pread(s->wal_fd, p, sizeof(p),
		    wal_frame_offset(s->index.page_size, ++frame), e);
		if (n < WAL_FRAME_HDR_SIZE)
			return n == -1 ? -1 : 0;
		wal_frame_parse(&f, p);
		if (!is_of_writer(s, &f, &h))
			return 0;
	} while (f.commit == 0);
	return 1;
}

int
source_unpublished(struct source *s, struct err *e)
{
	struct walindex now;
	bool writer;
	int rc;

	if (!s->has_index || !source_wal_has_frames(s))
		return 0;
	writer = writer_at_work(s);
	if ((rc = source_read_index(s, &now, e)) == -1)
		return -1;
	if (rc == 0 || !same_header(&now, &s->index))
		return 1;
	return writer ? commit_behind(s, e) : 0;
}

/* -- a lock of ours -------------------------------------------------------- */

static bool
set(const struct source *s, short type, off_t start, off_t len)
{
	struct flock fl = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = start,
		.l_len = len,
	};

	return fcntl(s->fd, F_SETLK, &fl) == 0;
}

/*
 * As unixLock() takes SHARED: never beside a writer that waits for it.  Without
 * the first byte it keeps everybody from EXCLUSIVE all the same; and another
 * lspp takes us for no connection, whose WAL it would look for.
 */
static bool
try_shared(const struct source *s)
{
	bool got = set(s, F_RDLCK, PENDING_BYTE, 1) &&
	    set(s, F_RDLCK, SHARED_FIRST + 1, SHARED_SIZE - 1);

	set(s, F_UNLCK, PENDING_BYTE, 1);
	return got;
}

bool
source_hold(const struct source *s)
{
	enum {
		TRIES = 250,
		STEP = 1000000, /* ns */
	};

	for (int i = 0; i < TRIES; i++) {
		if (try_shared(s))
			return true;
		source_sleep_ns(STEP);
	}
	return false;
}
