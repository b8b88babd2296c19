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
	SOURCE_TAIL,      /* frames appended since to the same WAL */
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
};

struct source_pos {
	uint32_t valid;      /* bits */
	uint32_t big_endian; /* the WAL's checksums */
	uint32_t salt[2];
	uint32_t frames; /* 0: the WAL with these salts has not begun */
	uint32_t sum[2]; /* at that frame */
	uint32_t backfill;
	struct file_sig db; /* the file then */
};

/* What source_begin() found. */
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
