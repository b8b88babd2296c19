/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source -- a live database, held still for reading and never written.
 *
 * Calling sequence, until the answer is 1:
 *
 *	source_begin()	finds a committed state and which pages to look at
 *	source_next(), source_page()
 *	source_end()	1: all that was read belongs to that one state
 *			0: it moved meanwhile; forget what was read, begin again
 *
 * How a state is held still, gentlest first.  Times alone prove nothing: they
 * count where the clock that they are of has left the last change behind
 * (signature.h), else something else must.
 *
 *	plain	no frames in a WAL: read the file.  It must be the same before
 *		and after, by its times; nobody may be writing, by the locks
 *		that the kernel knows of and the journal's header.  A WAL that
 *		appears meanwhile is later than what was read.
 *	chain	a -wal that nobody has a wal-index of: the file, and the WAL's
 *		frames to its last commit, as recovery would see it.  The main
 *		file must be the same, by its times, so must the WAL's header
 *		and the last frame that was used: a WAL that grows is no
 *		movement.
 *	shared	a WAL in use, without any lock, as its connections see it: by
 *		the wal-index.  Valid if the WAL was not begun anew, and nothing
 *		was published meanwhile, so that no checkpoint can have gone
 *		past the frames that were used; or as chain is.
 *	locked	a WAL in use, under a read transaction of SQLite's.
 *	journal	a rollback journal in use: under SQLite's SHARED lock, for a
 *		bounded time; before that once without, checked under the lock.
 *		Times and change counter must be the same all the same: else
 *		the application's locks do not reach us, and it is refused.
 *
 * A WAL database that is opened and closed for each write, whose last close
 * checkpoints each time, is read under a SHARED lock of ours on its file: then
 * nobody is the last to close, and no writer waits for it.
 *
 * Refused is a WAL database that is in use while its -wal is not beside this
 * name, or that has hard links and none with frames: what it committed cannot
 * be seen.
 *
 * Nothing is ever written or created beside a source: SQLite is given a VFS
 * that opens everything read-only, the wal-index included.
 *
 * The process must not hold other descriptors of the same files in SQLite
 * connections of its own: closing ours would drop their POSIX locks.  Two
 * sources on one file wait for each other.
 *
 * A source is for one thread at a time.
 *
 * Room source: a live database, held still for reading and never written
 *     (invariant 1): its files, SQLite over a VFS that only reads, the WAL's
 *     frames over the file, its signature, and what may have changed since a
 *     position.
 * Used by: state, restore (templates), hot, ship, verify.
 * Never: writes, creates or deletes anything; holds a lock for longer than it
 *     was told; knows of replicas.
 *
 * Why it is so:
 *
 * Lock-free first.  A WAL in use is read without any lock, as one reads under
 * a sequence lock: the wal-index header gives the committed end and nBackfill;
 * afterwards the salts must be the same, no checkpoint may have gone past that
 * end (nothing was published since, or the counts were equal and are the
 * same), and the paths must still name the same files.  Frames that are
 * appended meanwhile lie behind the end and do not matter.  Only when that
 * fails does SQLite take a read transaction.  So a quiet fleet is not touched
 * at all, not even the reader marks in its -shm files, and nothing more than
 * read permission is needed.
 *
 * Whether anybody is connected is asked of the kernel.  A -shm that nobody
 * holds a lock on is what a dead process left: its mxFrame may be behind or
 * ahead of the WAL (it is never synced).  Then the chain of frames decides, as
 * in SQLite's recovery.  Else the chain decides nothing: SQLite up to 3.40
 * leaves frames without salts inside of what it commits, and its connections
 * never look.  So the pages of frames come from the wal-index's own list.  And
 * recovered demands that all behind the old chain's end, to the last byte, is
 * of earlier WALs.  Where the index is in the heap of an application
 * (locking_mode=EXCLUSIVE) and commits stand behind the end of the chain, the
 * path is refused.
 *
 * Times prove what their clock can tell apart.  A time without fractions of a
 * second is of a file system that has none.  There a signature is racy for
 * three seconds, a read by signature waits for two, and a position in a WAL
 * says of the main file only what a later change could not have left as it was
 * (SOURCE_POS_SETTLED).  A busy writer with a rollback journal on such a file
 * system is read under the lock, and checked by its change counter.
 *
 * A database at rest is its file. While the file is what it was then, all that
 * was committed since is in the frames of the WAL that is there: what a WAL
 * before that one held, a checkpoint would have written into the file before it
 * went.  So a position may also say that no WAL had begun (SOURCE_POS_BARE).
 * Whether the file is that one still is asked once it is known which WAL is in
 * use: before, all of it might go into the file, and another one begin.
 *
 * A look at a file is an interval.  The clock is read before and after it, and
 * in between a process may stand still for any time.  So what was written in
 * it may be a moment old, or a second: it counts as both, unsettled and racy.
 *
 * A state has two times.  What was committed by the earlier one is in it: by
 * that, notes of what waits are taken back.  What is in it was committed by
 * the later one, which is taken when the last commit is known: it is the
 * object's, so that a restore as of a time brings nothing that was committed
 * after it.
 *
 * A moment is not a fault.  A connection that has locked the file and is about
 * to make its -wal, or has just deleted it, looks as one whose WAL is
 * elsewhere.  Refused is what looks so at each of eight looks in a row.
 *
 * What proves a read is what a commit must change.  Rollback mode: the main
 * file.  WAL mode: the main file only by a checkpoint, so while its times
 * stand still, the frames up to the one that was used do, too, if the WAL's
 * header does: it is rewritten before any frame is.  Therefore neither
 * locking_mode=EXCLUSIVE at any rate of commits nor an application that opens
 * the database for each write is in the way.  The latter's last close
 * checkpoints each time; a SHARED lock of ours keeps it from being the last.
 * That lock delays nobody (a connection in WAL mode rests with the same),
 * leaves the WAL there until the next close, and where checkpoints run by
 * themselves all the time, the next connection to come along is used for a
 * read transaction.
 *
 * A lock of ours proves nothing by itself.  Over NFS or SMB, from within a
 * virtual machine, with nolock=1, the writer does not mind it.  So the file is
 * proved unchanged under it all the same.  What cannot be told: such a writer
 * who keeps his journal in memory, and rests with a half of a transaction in
 * the file.
 */
#ifndef LSPP_SOURCE_SOURCE_H
#define LSPP_SOURCE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/source/signature.h"

struct err;
struct source;

enum source_read {
	SOURCE_PLAIN,
	SOURCE_CHAIN,
	SOURCE_SHARED,
	SOURCE_LOCKED,
	SOURCE_JOURNAL,
};

/* How it was known which pages may have moved. */
enum source_hint {
	SOURCE_DIFF,      /* all pages */
	SOURCE_TAIL,      /* frames appended since to the same WAL, or all of
			     the first one since */
	SOURCE_RECOVERED, /* and one restart since: old frames still there */
};

extern const char *const source_read_name[];
extern const char *const source_hint_name[];

/*
 * A position in the source's own WAL: everything up to there has been read.
 * No padding beyond the fields; stored as bytes by the state.
 */
enum {
	SOURCE_POS_VALID = 1,
	/* Any change of the file since makes db another.  Positions of before
	 * this bit are without. */
	SOURCE_POS_SETTLED = 2,
	/* The file alone was the state: no WAL had a frame that counts. */
	SOURCE_POS_BARE = 4,
};

struct source_pos {
	uint32_t valid;      /* bits */
	uint32_t big_endian; /* the WAL's checksums, if frames is not 0; 0, as
				what follows to backfill, if BARE */
	uint32_t salt[2];
	uint32_t frames; /* 0: the WAL with these salts has not begun */
	uint32_t sum[2]; /* at that frame */
	uint32_t backfill;
	struct file_sig db; /* the file then */
};

/* The result of source_begin(). */
struct source_state {
	struct signature sig; /* as it was before anything was read */
	bool racy;
	int64_t captured_ns; /* what was committed by then is in it */
	int64_t state_ns;    /* what is in it was committed by then */
	uint32_t page_size, pages;
	struct source_pos pos;
	enum source_read read;
	enum source_hint hint;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

/*
 * path may be a symbolic link.  max_hold_ms bounds how long a writer in
 * rollback mode may be kept waiting.  Never blocks on what path is: anything
 * but a regular file is an error.
 */
struct source *source_open(
    const char *path, unsigned max_hold_ms, struct err *e);
void source_close(struct source *s); /* takes NULL */

/*
 * ERR_CORRUPT: of the file that fd is open on, whose size is that, all but a
 * little is holes, and it is so large that reading them takes hours.
 */
int source_refuse_holes(int fd, off_t size, struct err *e);

/*
 * Does who opens path see what those see who have it open, and they what he
 * does?  ERR_BUSY: no, as above.  For who is to write there.
 */
int source_by_name(const char *path, struct err *e);

/*
 * since is the position up to which pages are known, with that many pages in
 * the database then, or NULL: look at all.  full: look at all, whatever moved.
 * ERR_BUSY when the database is written faster than it can be read, or has a
 * hot journal.
 */
int source_begin(struct source *s, const struct source_pos *since,
    uint32_t since_pages, bool full, struct err *e);

/* Valid from source_begin() to the next one. */
const struct source_state *source_state(const struct source *s);

/* The next page to look at, ascending; 0: no more. */
uint32_t source_next(struct source *s);

/* The image of a page; valid until the next call.  NULL with e filled. */
const uint8_t *source_page(struct source *s, uint32_t pgno, struct err *e);

/* 1, 0 or -1 as above.  Lets go of every lock. */
int source_end(struct source *s, struct err *e);

#endif
