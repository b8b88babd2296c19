/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/source/source.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/source/source_impl.h"
#include "lib/sqlite/dbhdr.h"
#include "lib/sys/file.h"
#include "lib/sys/stop.h"

const char *const source_read_name[] = { "plain", "chain", "shared", "locked",
	"journal" };
const char *const source_hint_name[] = { "diff", "tail", "recovered" };

#define SECOND INT64_C(1000000000)
#define QUIET  (3 * SECOND) /* a writer at work is not, by any clock */

enum {
	TRIES = 12,    /* before a database counts as too busy */
	CERTAIN = 4,   /* by then a lock was taken where there is one */
	ELSEWHERE = 8, /* looks in a row: no connection that opens or closes */
	HOLDS = 4,     /* then checkpoints are in the way, too */
	CATCHES = 500, /* looks for a connection that is open, 1 ms apart */
	SETTLES = 3,   /* waits for the clock to leave the last change */
	TICK = 50000000, /* ns; longer waits are for a coarse clock */
	WINDOW = 256 * 1024,
};

static const struct source_why too_busy = {
	"written faster than it can be read",
	"keep a connection open in the application: then it can be read "
	"while it is written",
};
static const struct source_why bad_index = {
	"its wal-index makes no sense",
	"it is made anew when all connections to the database were closed and "
	"one is opened",
};
static const struct source_why no_wal = {
	"its wal-index knows of commits that its -wal does not have",
	"was the -wal deleted, cut or replaced? restart the application; what "
	"it committed meanwhile may be lost",
};
static const struct source_why broken_chain = {
	"its -wal has commits that only the application can read",
	"PRAGMA wal_checkpoint(TRUNCATE) in the application mends it; SQLite "
	"up to 3.40 leaves such with locking_mode=EXCLUSIVE",
};

static const struct source_why hot_journal = {
	"hot journal, and a -wal: a writer died",
	"SQLite rolls it back first: it is shipped once the application has "
	"opened "
	"the database",
};

/* -- beginning ------------------------------------------------------------- */

/* Which mode the header says: none if there is no header. */
static void
look_at_mode(struct source *s)
{
	uint8_t p[DBHDR_SIZE];
	struct dbhdr h;
	struct err why;
	bool known = file_pread(s->fd, p, sizeof(p), 0, &why) == sizeof(p) &&
	    dbhdr_parse(&h, p, &why) == 0;

	s->wal_mode = known && h.wal;
	s->rollback = known && !h.wal; /* only then a journal's lock holds it */
}

/*
 * Is there a connection in WAL mode whose WAL is not the one beside this name?
 * Each rests with a lock on the file, and opens the WAL before the wal-index
 * and closes it after.  A hard link's may be left by who died.
 */
static bool
wal_elsewhere(const struct source *s, bool connected)
{
	if (connected)
		return s->wal_fd == -1;
	if (!s->wal_mode)
		return false;
	if (s->links > 1 && !source_wal_has_frames(s))
		return true;
	return s->wal_fd == -1 ? source_file_in_use(s) : source_file_shared(s);
}

/* There are no frames: what holds the file? */
static int
choose_file(struct source *s, struct err *e)
{
	int journal = source_journal_in_use(s, e);
	bool locked = s->rollback && source_file_locked(s);

	if (journal == -1)
		return -1;
	s->st.read = SOURCE_PLAIN;
	s->rests =
	    s->tries <= 2 && locked && !journal && source_journal_rests(s);
	if (s->rests)
		return 0;
	if (journal || locked || (s->tries > 2 && s->rollback)) {
		s->st.read = SOURCE_JOURNAL;
		s->silent = locked && !journal &&
		    s->st.captured_ns - s->st.sig.db.ctime_ns > QUIET;
		s->unlocked_journal = s->tries == 1 && !s->silent;
	}
	return 0;
}

/*
 * Which way to read.  A connection that is in WAL mode, or was when it died,
 * has left a wal-index; whether one is alive, its lock tells.
 */
static int
choose_read(struct source *s, struct err *e)
{
	bool connected = source_index_in_use(s);
	bool frames = source_wal_has_frames(s);

	s->unlocked_journal = s->rests = s->silent = false;
	s->rollback = s->wal_mode = false;
	if (!frames || !connected)
		look_at_mode(s);
	s->elsewhere = wal_elsewhere(s, connected);
	if (!frames)
		return choose_file(s, e);
	if (!connected)
		s->st.read = SOURCE_CHAIN;
	else if (s->tries > 1 && !s->no_lock)
		s->st.read = SOURCE_LOCKED;
	else
		s->st.read = SOURCE_SHARED;
	return 0;
}

/* Is equality of the signature before and after what holds this state? */
bool
source_by_signature(const struct source *s)
{
	return s->st.read == SOURCE_PLAIN || s->st.read == SOURCE_CHAIN ||
	    s->unlocked_journal;
}

/*
 * Checkpoints run under our lock on the file; a read transaction keeps them
 * from going on, but there must be a connection to have one beside.  Where each
 * lives for a moment, wait for one.
 */
static int
catch_connection(struct source *s, struct err *e)
{
	s->want_hold = false;
	for (int i = 0; i < CATCHES; i++) {
		if (stop_overdue(e) == -1 || source_open_all(s, e) == -1 ||
		    choose_read(s, e) == -1)
			return -1;
		if (s->st.read == SOURCE_LOCKED)
			return 1;
		source_sleep_ns(1000000);
	}
	return 0;
}

static int
refuse_elsewhere(const struct source *s, struct err *e)
{
	if (s->links > 1) {
		err_set(e, ERR_BUSY,
		    "it has hard links, and its -wal may be beside another");
		return err_hint(e,
		    "give the name that the application uses, or remove the "
		    "other link");
	}
	err_set(e, ERR_BUSY, "in use, but its -wal is not beside this name");
	return err_hint(e,
	    "a file mounted alone into a container: mount its directory; a "
	    "-wal "
	    "deleted under the application: VACUUM INTO a copy there, before "
	    "it "
	    "ends");
}

/*
 * Open all and choose.  A connection that has just locked the file and is about
 * to make its -wal, or has just deleted it and is about to let go, looks for
 * that moment as one whose WAL is elsewhere.  How often the source was looked
 * at for other reasons says nothing of that: only looks in a row do.
 */
static int
open_and_choose(struct source *s, struct err *e)
{
	for (unsigned i = 0;; i++) {
		if (stop_overdue(e) == -1 || source_open_all(s, e) == -1 ||
		    choose_read(s, e) == -1)
			return -1;
		if (!s->elsewhere)
			return 0;
		if (i + 1 == ELSEWHERE)
			return refuse_elsewhere(s, e);
		source_sleep_ns(INT64_C(1000000) << i);
	}
}

int
source_by_name(const char *path, struct err *e)
{
	struct source *s = source_open(path, 0, e);
	int rc = s == NULL ? -1 : open_and_choose(s, e);

	source_close(s);
	return rc;
}

/*
 * 1; 0: look again; -1.  What is held by its signature must be still until the
 * clock has left its last change.  A writer in rollback mode can be locked out
 * instead; but with a coarse clock one wait is worth it, for then nobody needs
 * to be.
 */
static int
look(struct source *s, struct err *e)
{
	enum { WAIT_MAX = 10 }; /* seconds, in all tries */
	int64_t wait;
	int rc;

	if (s->want_hold && s->tries > HOLDS &&
	    (rc = catch_connection(s, e)) != 0)
		return rc;
	for (unsigned i = 0;; i++) {
		if (open_and_choose(s, e) == -1)
			return -1;
		if (!source_by_signature(s))
			return 1;
		wait = file_sig_unsettled_ns(
		    &s->st.sig.db, s->st.captured_ns, s->looked_ns);
		if (wait == 0)
			return 1;
		if (i == (wait > TICK ? 1 : SETTLES) ||
		    (s->waited_ns += wait) > WAIT_MAX * SECOND)
			break;
		source_sleep_ns(wait);
	}
	if (s->st.read == SOURCE_PLAIN && s->rollback && !s->rests) {
		s->st.read = SOURCE_JOURNAL;
		s->unlocked_journal = s->tries == 1;
	}
	return s->st.read == SOURCE_JOURNAL;
}

/* Does the WAL have the frames that its index names? */
static bool
frames_fit(const struct source *s)
{
	struct stat st;

	return fstat(s->wal_fd, &st) == 0 &&
	    wal_frame_offset(s->index.page_size,
		(uint64_t)s->index.frames + 1) <= (uint64_t)st.st_size;
}

static int
begin_shared(struct source *s, const struct source_pos *since,
    uint32_t since_pages, struct err *e)
{
	int rc = source_read_index(s, &s->index, e);

	s->why = &bad_index;
	if (rc != 1)
		return rc;
	s->why = NULL;
	s->has_index = true;
	if ((rc = source_read_wal_hdr(s, e)) == -1)
		return -1;
	if (s->index.frames == 0)
		return source_begin_bare(s, since, since_pages, e);
	if (s->st.read == SOURCE_LOCKED && s->tries > 3 &&
	    s->index.backfill == s->index.frames) {
		/* All is in the file, and no checkpoint gets past our lock:
		 * the WAL may restart as often as it likes. */
		s->frozen = true;
		if ((rc = source_look_under_lock(s, e)) != 1)
			return rc;
		return source_begin_bare(s, NULL, 0, e);
	}
	if (rc == 0 || !source_same_salts(s->hdr.salt, s->index.salt) ||
	    s->hdr.page_size != s->index.page_size)
		return 0;
	s->why = &no_wal;
	return frames_fit(s) ? source_begin_wal(s, since, since_pages, e) : 0;
}

static int
begin_chain(struct source *s, const struct source_pos *since,
    uint32_t since_pages, struct err *e)
{
	int rc = source_journal_in_use(s, e);

	s->why = &hot_journal; /* or the WAL has gone since we looked */
	if (rc != 0)
		return rc == -1 ? -1 : 0;
	s->why = NULL;
	if ((rc = source_read_wal_hdr(s, e)) == -1)
		return -1;
	if (rc == 0 && wal_hdr_other_version(s->hdr_bytes))
		return err_set(
		    e, ERR_CORRUPT, "-wal: of a later SQLite's format");
	if (rc == 0) /* recovery would pass over it, too */
		return source_begin_bare(s, NULL, 0, e);
	if ((rc = source_begin_wal(s, since, since_pages, e)) != 1)
		return rc;
	s->why = &broken_chain;
	rc = source_chain_broken(s, e);
	return rc == -1 ? -1 : !rc;
}

/* A file without frames; a wal-index in use may still name a position. */
static int
begin_plain(struct source *s, const struct source_pos *since,
    uint32_t since_pages, struct err *e)
{
	int rc;

	if (s->st.read == SOURCE_PLAIN && source_index_in_use(s)) {
		if ((rc = source_read_index(s, &s->index, e)) == -1)
			return -1;
		s->why = &no_wal; /* or they were written since we looked */
		if (rc == 1 && s->index.frames > 0)
			return 0;
		s->has_index = rc == 1;
	}
	return source_begin_bare(s, since, since_pages, e);
}

static int
begin_locked(struct source *s, const struct source_pos *since,
    uint32_t since_pages, struct err *e)
{
	int rc;

	if ((rc = source_take_lock(s, e)) != 1)
		return rc;
	if (s->st.read == SOURCE_LOCKED)
		return begin_shared(s, since, since_pages, e);
	if (s->st.read == SOURCE_JOURNAL) {
		if ((rc = source_look_under_lock(s, e)) != 1)
			return rc;
		look_at_mode(s);
		if (!s->rollback)
			return 0;
	}
	return begin_plain(s, since, since_pages, e);
}

static int
begin_once(struct source *s, const struct source_pos *since,
    uint32_t since_pages, struct err *e)
{
	int rc;

	if ((rc = look(s, e)) != 1)
		return rc;
	switch (s->st.read) {
	case SOURCE_SHARED: return begin_shared(s, since, since_pages, e);
	case SOURCE_CHAIN: return begin_chain(s, since, since_pages, e);
	case SOURCE_LOCKED: return begin_locked(s, since, since_pages, e);
	case SOURCE_JOURNAL:
		if (!s->unlocked_journal)
			return begin_locked(s, since, since_pages, e);
		/* fall through */
	default: return begin_plain(s, since, since_pages, e);
	}
}

static void
forget(struct source *s)
{
	s->has_index = s->overlay_used = s->frozen = s->frames_moved = false;
	s->all = true;
	s->next = 1;
	s->at_page = 0;
	s->window_len = 0;
	s->walked = 0;
	s->why = NULL;
	s->st.hint = SOURCE_DIFF;
	s->before_overlay = 0;
	s->first_seen = false;
	s->first.class = ERR_NONE;
	memset(&s->hdr, 0, sizeof(s->hdr));
	memset(&s->st.pos, 0, sizeof(s->st.pos));
	overlay_reset(&s->overlay);
	overlay_reset(&s->old);
}

static int
give_up(const struct source_why *why, struct err *e)
{
	if (why == NULL)
		why = &too_busy;
	err_set(e, ERR_BUSY, "%s", why->msg);
	return err_hint(e, "%s", why->hint);
}

int
source_begin(struct source *s, const struct source_pos *since,
    uint32_t since_pages, bool full, struct err *e)
{
	const struct source_why *why;
	int rc;

	if (full || (since != NULL && !since->valid))
		since = NULL;
	do {
		why = s->why;
		if (s->tries++ == TRIES)
			return give_up(why, e);
		if (stop_overdue(e) == -1)
			return -1;
		if (s->tries > 3)
			source_sleep_ns(INT64_C(1000000) << (s->tries - 3));
		s->want_hold |= s->tries > 2 && s->wal_mode;
		forget(s);
		rc = begin_once(s, since, since_pages, e);
		if (rc == 1) {
			s->st.state_ns = now_ns();
			if (s->st.state_ns < s->st.captured_ns)
				s->st.state_ns = s->st.captured_ns;
			free(s->page);
			s->page = xmalloc(WAL_FRAME_HDR_SIZE + s->st.page_size);
			rc = source_sound(s, e);
		}
		/* A file that looks damaged may be in the middle of a change.
		 */
		if (rc == -1 && e->class == ERR_CORRUPT && s->tries < CERTAIN)
			rc = 0;
	} while (rc == 0);
	if (rc == 1 && (rc = source_unpublished(s, e)) == 1)
		s->st.racy = true;
	if (rc == -1) {
		source_let_go(s);
		return -1;
	}
	s->why = NULL;
	return 0;
}

/* -- reading --------------------------------------------------------------- */

uint32_t
source_next(struct source *s)
{
	uint32_t pgno, last = s->next - 1;

	if (s->all)
		return s->next <= s->st.pages ? s->next++ : 0;
	while (s->at_page < s->n_pages) {
		pgno = s->pages[s->at_page++];
		if (pgno > s->st.pages)
			break; /* cut off since */
		if (pgno != last) {
			s->next = pgno + 1;
			return pgno;
		}
	}
	return 0;
}

/*
 * With the frame's header: it says which page it is.  If that is not so, or the
 * WAL ends before, it was changed under us, and is not held.
 */
static const uint8_t *
page_from_wal(struct source *s, uint32_t pgno, uint32_t frame, struct err *e)
{
	size_t want = WAL_FRAME_HDR_SIZE + s->st.page_size;
	ssize_t n = file_pread(s->wal_fd, s->page, want,
	    wal_frame_offset(s->st.page_size, frame), e);
	struct wal_frame f;

	if (n == -1)
		return NULL;
	memset(s->page + n, 0, want - (size_t)n);
	wal_frame_parse(&f, s->page);
	s->frames_moved |= f.pgno != pgno;
	return s->page + WAL_FRAME_HDR_SIZE;
}

/* Read a run of the file from page pgno on, as much as is worth it. */
static int
fill_window(struct source *s, uint32_t pgno, struct err *e)
{
	uint64_t rest = (uint64_t)(s->st.pages - pgno + 1) * s->st.page_size;
	size_t want = s->st.page_size;
	ssize_t n;

	if (s->all)
		want = rest < WINDOW ? (size_t)rest : WINDOW;
	if (s->window_room < want) {
		s->window = xrealloc(s->window, want);
		s->window_room = want;
	}
	s->window_at = (uint64_t)(pgno - 1) * s->st.page_size;
	s->window_len = 0;
	if ((n = file_pread(s->fd, s->window, want, s->window_at, e)) == -1)
		return -1;
	/* Behind the end of the file there is nothing yet: zeros. */
	memset(s->window + n, 0, want - (size_t)n);
	s->window_len = want;
	return 0;
}

static const uint8_t *
page_from_file(struct source *s, uint32_t pgno, struct err *e)
{
	uint64_t at = (uint64_t)(pgno - 1) * s->st.page_size;

	if (s->window_len == 0 || at < s->window_at ||
	    at + s->st.page_size > s->window_at + s->window_len)
		if (fill_window(s, pgno, e) == -1)
			return NULL;
	return s->window + (at - s->window_at);
}

const uint8_t *
source_page(struct source *s, uint32_t pgno, struct err *e)
{
	const uint8_t *page;
	uint32_t frame = 0;

	if (s->hold_until != 0 && now_ns() > s->hold_until) {
		err_set(e, ERR_BUSY,
		    "too large to read within %u ms while it is written",
		    s->max_hold_ms);
		err_hint(e,
		    "it is shipped when no writer is at work, or with "
		    "a longer --max-hold, or in WAL mode");
		return NULL;
	}
	if (stop_overdue(e) == -1)
		return NULL;
	if (s->overlay_used)
		frame = overlay_find(&s->overlay, pgno);
	page = frame != 0 ? page_from_wal(s, pgno, frame, e)
			  : page_from_file(s, pgno, e);
	if (pgno == 1 && page != NULL)
		source_check_first(s, page);
	return page;
}
