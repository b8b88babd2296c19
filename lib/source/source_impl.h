/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_impl -- what the files of source share; nobody else includes this.
 *
 * Why it is so:
 *
 * Written is not published.  A commit stands in the WAL, is synced, perhaps
 * for seconds, and only then published, by a store that no file's time tells
 * of.  A signature from between says "unchanged" for ever.  The write lock
 * tells: source_lock.c has the order of looks, and why no interleaving escapes
 * it.  Then the signature counts as racy.  Frames without a commit are of a
 * transaction that goes on or was rolled back, perhaps for days; what it
 * commits, it writes later.
 */
#ifndef LSPP_SOURCE_SOURCE_IMPL_H
#define LSPP_SOURCE_SOURCE_IMPL_H

#include "lib/source/overlay.h"
#include "lib/source/source.h"
#include "lib/sqlite/walindex.h"

struct sqlite3;

/* Why it could not be read in the end. */
struct source_why {
	const char *msg, *hint;
};

struct source {
	char *path, *wal_path, *shm_path, *journal_path;
	unsigned max_hold_ms, tries;
	int fd, wal_fd, shm_fd; /* -1: closed */
	nlink_t links;
	struct sqlite3 *lock;          /* the read transaction, or NULL */
	bool no_lock;                  /* it cannot be had here */
	bool want_hold, held, no_hold; /* SHARED on the file, without SQLite */
	bool rollback, wal_mode;       /* by the header; only one of the two */
	bool unlocked_journal;         /* read without; checked under it */
	bool rests;     /* locked for good, and its journal says: at rest */
	bool silent;    /* locked, and nothing says what for */
	bool elsewhere; /* its connections' WAL is not beside it */
	bool journal_there;
	int64_t journal_mtime_ns;
	int64_t hold_until; /* a writer waits: let go by then; 0: no limit */
	int64_t waited_ns;  /* for times to settle, so far */
	unsigned moved;     /* how often it did under a lock */
	const struct source_why *why; /* of the last try; or NULL */

	struct source_state st;
	int64_t looked_ns; /* the signature was taken from captured to then */
	bool settled;      /* any change of the file makes st.sig.db another */
	struct file_sig under;        /* the file when it was locked */
	uint32_t counter;             /* the header's change counter */
	bool has_index, overlay_used; /* index is valid; frames are overlaid */
	bool frozen;                  /* under the lock the file is the state */
	bool frames_moved;            /* one was not what it should be */
	uint32_t walked; /* where the chain ends, if it was followed */
	uint8_t last[WAL_FRAME_HDR_SIZE]; /* of the last frame in use */
	struct walindex index;
	struct wal_hdr
	    hdr; /* of the WAL; zeros: none was read, or none holds */
	uint8_t hdr_bytes[WAL_HDR_SIZE];
	struct overlay overlay, old;
	uint32_t before_overlay; /* so many pages stand in frames before it, or
				    in the file: that was seen to */
	bool first_seen;
	struct err first; /* what is wrong with page 1 */

	/* which pages to look at */
	bool all;
	uint32_t *pages;
	size_t n_pages, at_page;
	uint32_t next;

	uint8_t *window; /* a run of the file's bytes */
	uint64_t window_at;
	size_t window_len, window_room;
	uint8_t *page;
};

/* source_files.c: an answer of 1 or 0 is yes or no, -1 an error. */
int source_open_all(struct source *s, struct err *e);
void source_let_go(struct source *s);
void source_sleep_ns(int64_t ns);
int source_journal_in_use(struct source *s, struct err *e);
/* After that: is there one, of a writer who has nothing under way? */
bool source_journal_rests(const struct source *s);
bool source_wal_has_frames(const struct source *s);
int source_read_index(struct source *s, struct walindex *x, struct err *e);
int source_read_wal_hdr(struct source *s, struct err *e);
int source_size_from_header(struct source *s, struct err *e);
int source_check_page_size(struct source *s, struct err *e);

/* source_lock.c: what other processes hold. */
/* Has any the wal-index open?  Each holds a lock on one byte. */
bool source_index_in_use(const struct source *s);
/* A lock on the file itself that goes with writing? */
bool source_file_locked(const struct source *s);
/* Any lock on it that a connection rests with; or only a reader's? */
bool source_file_in_use(const struct source *s);
bool source_file_shared(const struct source *s);
/*
 * 1: something stands, or may stand, in the WAL that its writer has not
 * published.  It will be, without any file's time changing again: then the
 * signature says nothing.  See source_lock.c for why 0 is safe.
 */
int source_unpublished(struct source *s, struct err *e);
/*
 * Take SHARED on the file, but for its first byte, waiting a moment; goes with
 * s->fd.  source_file_in_use() and _shared() do not see another lspp's.
 */
bool source_hold(const struct source *s);

/* source_check.c: can the files hold that?  0, or -1 with ERR_CORRUPT. */
int source_check_size(
    struct source *s, uint32_t frames, uint32_t pages, struct err *e);
void source_check_first(struct source *s, const uint8_t *page);
/* Is a page up to 'last' neither in the file nor in the overlay? */
bool source_lacks(struct source *s, uint32_t last);
int source_check_all(struct source *s, struct err *e);

/* source_hint.c: 1; 0: look again; -1. */
int source_begin_bare(struct source *s, const struct source_pos *since,
    uint32_t since_pages, struct err *e);
int source_begin_wal(struct source *s, const struct source_pos *since,
    uint32_t since_pages, struct err *e);
/* Does the chain end before commits that somebody alive knows of? */
int source_chain_broken(struct source *s, struct err *e);
bool source_same_salts(const uint32_t a[2], const uint32_t b[2]);
/* The 24 bytes before a page.  1; 0: the WAL ends before. */
int source_frame_header(struct source *s, uint32_t frame,
    uint8_t p[WAL_FRAME_HDR_SIZE], struct err *e);

/* source.c */
bool source_by_signature(const struct source *s);

/* source_held.c */
int source_take_lock(struct source *s, struct err *e);
int source_look_under_lock(struct source *s, struct err *e);
/* Before anything is read: 1; 0: look again; -1: what it says cannot be. */
int source_sound(struct source *s, struct err *e);

#endif
