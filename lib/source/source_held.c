/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Was the source held still while it was read?  And the locks for that.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/err.h"
#include "lib/source/rodb.h"
#include "lib/source/source_impl.h"
#include "lib/sqlite/dbhdr.h"
#include "lib/sys/file.h"

#define SECOND INT64_C(1000000000)

enum {
	LOCK_WAIT = 2000, /* ms, for a writer that is committing */
	MOMENT = 100,     /* ms, for one that does nothing */
	MOVES = 3,        /* under a lock, before it counts as none */
	HOT_TRIES = 6,
	TICK = 50000000, /* ns; longer waits are for a coarse clock */
};

static bool
path_is(const char *path, int fd)
{
	struct stat a, b;

	return stat(path, &a) == 0 && fstat(fd, &b) == 0 &&
	    a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* Has the path the main file that it had then, unchanged by its times? */
static int
file_is(const struct source *s, const struct file_sig *then, struct err *e)
{
	struct file_sig now;
	struct stat st;

	if (stat(s->path, &st) == -1)
		return errno == ENOENT ? 0 : err_sys(e, "stat");
	file_sig_of(&now, &st);
	return memcmp(&now, then, sizeof(now)) == 0;
}

/* -- locks ----------------------------------------------------------------- */

static int
moved(struct source *s, struct err *e)
{
	if (++s->moved < MOVES)
		return 0;
	err_set(e, ERR_BUSY,
	    "it changed while locked: are the application's locks seen here?");
	return err_hint(e,
	    "not over NFS, SMB or a folder shared with a virtual machine, nor "
	    "with nolock=1: run lspp where the application runs");
}

/*
 * A hot journal is what a writer left who died; or of one alive whose locks do
 * not reach us.  The latter's is of now.
 */
static bool
journal_of_now(struct source *s)
{
	struct err why;

	if (source_journal_in_use(s, &why) == -1 || source_file_locked(s))
		return false;
	return s->tries < HOT_TRIES &&
	    (!s->journal_there || now_ns() - s->journal_mtime_ns < 2 * SECOND);
}

static int
cannot_lock(struct source *s, struct err *e)
{
	struct err why;

	if (e->class == ERR_DENIED && s->st.read == SOURCE_LOCKED) {
		/* The files may have gone with the last connection. */
		s->no_lock = s->held;
		s->want_hold = true;
		return 0;
	}
	if (e->class == ERR_BUSY && s->silent) {
		if (file_is(s, &s->st.sig.db, &why) != 1)
			return 0; /* a writer, after all */
		err_set(e, ERR_BUSY, "locked for good, without a journal");
		return err_hint(e,
		    "locking_mode=EXCLUSIVE with a journal in memory: nothing "
		    "says when it is whole; it is shipped once the application "
		    "lets go of it");
	}
	if (e->class != ERR_BUSY)
		return -1;
	if (e->hint[0] == '\0')
		return err_hint(e,
		    "it is shipped once the writer is done; with "
		    "locking_mode=EXCLUSIVE once the application lets go of "
		    "it, unless it keeps a journal file");
	return journal_of_now(s) ? 0 : -1;
}

/* 1; 0: look again; -1. */
int
source_take_lock(struct source *s, struct err *e)
{
	s->lock = rodb_begin(s->path, s->silent ? MOMENT : LOCK_WAIT, e);
	if (s->lock == NULL) {
		/* Read on: we can say better what is wrong with it. */
		if (s->st.read == SOURCE_JOURNAL && e->class == ERR_CORRUPT) {
			s->st.read = SOURCE_PLAIN;
			return 1;
		}
		return cannot_lock(s, e);
	}
	if (s->st.read == SOURCE_JOURNAL)
		s->hold_until = now_ns() + s->max_hold_ms * INT64_C(1000000);
	return 1;
}

/*
 * The file as it is under the lock, and may not change any more.  If its clock
 * is fine, it is waited for, so that a change would show.  In WAL mode commits
 * go on: of them says when it was opened, and so does the -wal's signature.
 */
int
source_look_under_lock(struct source *s, struct err *e)
{
	struct signature wal = { .wal = s->st.sig.wal };
	int64_t wait = 0, at = 0, to = 0;
	struct stat st;

	for (int i = 0; i < 2; i++) {
		source_sleep_ns(wait);
		at = now_ns();
		if (fstat(s->fd, &st) == -1)
			return err_sys(e, "stat");
		file_sig_of(&s->under, &st);
		to = now_ns();
		wait = file_sig_unsettled_ns(&s->under, at, to);
		if (wait == 0 || wait > TICK)
			break;
	}
	if (wait > 0 && wait <= TICK)
		return moved(s, e);
	s->st.sig.db = s->under;
	s->settled = wait == 0;
	s->st.racy = signature_racy(&s->st.sig, at, to) ||
	    signature_racy(&wal, s->st.captured_ns, s->looked_ns);
	if (!s->frozen)
		s->st.captured_ns = at;
	return 1;
}

/* -- by what a commit must change ------------------------------------------ */

static int
same_counter(const struct source *s)
{
	uint8_t p[DBHDR_SIZE];
	struct dbhdr h;
	struct err why;

	return file_pread(s->fd, p, sizeof(p), 0, &why) == sizeof(p) &&
	    dbhdr_parse(&h, p, &why) == 0 && h.change_counter == s->counter;
}

/*
 * A WAL grows, or appears: what was read lies before that.  Was it begun anew,
 * its header says so, before any frame is overwritten.
 */
static int
frames_stand(struct source *s, struct err *e)
{
	uint8_t hdr[WAL_HDR_SIZE] = { 0 }, last[WAL_FRAME_HDR_SIZE];
	int rc;

	if (!s->overlay_used)
		return 1;
	if (!path_is(s->wal_path, s->wal_fd))
		return 0;
	if ((rc = source_frame_header(s, s->st.pos.frames, last, e)) != 1)
		return rc;
	if (file_pread(s->wal_fd, hdr, sizeof(hdr), 0, e) == -1)
		return -1;
	return memcmp(hdr, s->hdr_bytes, sizeof(hdr)) == 0 &&
	    memcmp(last, s->last, sizeof(last)) == 0;
}

/*
 * A time that was yet to come when the file was opened, since the clock had been
 * set back: has the clock come by it meanwhile?  Then it settled nothing.
 */
static bool
came_by(const struct source *s)
{
	return file_sig_unsettled_ns(
		   &s->st.sig.db, s->st.captured_ns, now_ns()) != 0;
}

/*
 * The main file is the one that was opened, unchanged ever since: no commit in
 * rollback mode, no checkpoint.
 */
static int
held_by_signature(struct source *s, struct err *e)
{
	int rc, journal;

	if (!s->settled || came_by(s))
		return 0;
	if ((rc = file_is(s, &s->st.sig.db, e)) != 1 ||
	    (rc = frames_stand(s, e)) != 1)
		return rc;
	if (s->st.read != SOURCE_PLAIN)
		return 1;
	if ((journal = source_journal_in_use(s, e)) != 0)
		return journal == -1 ? -1 : 0;
	if (s->rests)
		return source_journal_rests(s);
	return !s->rollback || !source_file_locked(s);
}

/*
 * Under SQLite's lock no writer is in the middle of the file: if it is still
 * the one that was read, it was the committed one.
 */
static int
held_under_lock(struct source *s, struct err *e)
{
	int rc;

	if (!s->settled)
		return 0;
	if ((rc = source_take_lock(s, e)) != 1)
		return rc;
	return same_counter(s) ? held_by_signature(s, e) : 0;
}

/*
 * Nobody who minds the lock can have written.  Somebody did if time or change
 * counter moved; and is about to if there is a journal, and no lock of his.
 */
static int
held_locked(struct source *s, struct err *e)
{
	int rc = file_is(s, &s->under, e), journal = 0;

	if (rc == 1 && s->st.read == SOURCE_JOURNAL) {
		if ((journal = source_journal_in_use(s, e)) == -1)
			return -1;
		rc = same_counter(s) && (!journal || source_file_locked(s));
	}
	return rc == 0 ? moved(s, e) : rc;
}

/*
 * The WAL was not begun anew, and no checkpoint went past the frames that were
 * used.  None goes past what is published, nor past our lock.  If some was
 * published meanwhile, and there is no lock, the index cannot tell: an SQLite
 * before 3.10 says only afterwards that it ran.  Then the file has to.
 */
static int
held_by_index(struct source *s, struct err *e)
{
	const struct walindex *was = &s->index;
	struct walindex now;
	int rc;

	if (!path_is(s->wal_path, s->wal_fd) ||
	    !path_is(s->shm_path, s->shm_fd))
		return 0;
	if ((rc = frames_stand(s, e)) != 1 ||
	    (rc = source_read_index(s, &now, e)) != 1)
		return rc;
	if (!source_same_salts(now.salt, was->salt) || now.frames < was->frames)
		return 0;
	if (s->st.read == SOURCE_LOCKED)
		return now.backfill_attempted <= was->frames ||
			now.backfill_attempted == was->backfill_attempted
		    ? 1
		    : moved(s, e);
	return now.frames == was->frames;
}

static int
held(struct source *s, struct err *e)
{
	int rc;

	if (s->frames_moved || !path_is(s->path, s->fd))
		return 0;
	if (s->unlocked_journal)
		return held_under_lock(s, e);
	if (source_by_signature(s))
		return held_by_signature(s, e);
	if (s->st.read == SOURCE_JOURNAL || s->frozen)
		return held_locked(s, e);
	rc = held_by_index(s, e);
	return rc == 0 && s->st.read == SOURCE_SHARED ? held_by_signature(s, e)
						      : rc;
}

/* A file with impossible content may have changed during the read.  Only one
 * that did not change is at fault. */
int
source_sound(struct source *s, struct err *e)
{
	struct err why = { 0 };
	int rc;

	if (source_check_all(s, &why) == 0)
		return 1;
	if ((rc = held(s, e)) == 1) {
		*e = why;
		rc = -1;
	}
	return rc;
}

int
source_end(struct source *s, struct err *e)
{
	struct err why = { 0 };
	int sound = source_check_all(s, &why), rc = held(s, e);

	source_let_go(s);
	if (rc == 1 && sound == -1) {
		*e = why;
		rc = -1;
	}
	if (rc == 1)
		s->tries = s->moved = 0;
	return rc;
}
