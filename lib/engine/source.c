#include "lib/engine/source.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/file.h"
#include "lib/engine/rodb.h"
#include "lib/engine/source_impl.h"
#include "lib/format/dbhdr.h"

const char *const source_read_name[] = { "plain", "chain", "shared", "locked",
	"journal" };
const char *const source_hint_name[] = { "diff", "tail", "recovered" };

enum {
	TRIES = 12,       /* before a database counts as too busy */
	CERTAIN = 4,      /* by then a lock was taken where there is one */
	SETTLES = 3,      /* waits for the clock to leave the last change */
	LOCK_WAIT = 2000, /* ms, for a writer that is committing */
	WINDOW = 256 * 1024,
};

/* -- beginning ------------------------------------------------------------- */

/* Does the header say rollback mode?  Only then a journal's lock holds it. */
static bool
rollback_mode(const struct source *s)
{
	uint8_t p[DBHDR_SIZE];
	struct dbhdr h;
	struct err why;

	return file_pread(s->fd, p, sizeof(p), 0, &why) == sizeof(p) &&
	    dbhdr_parse(&h, p, &why) == 0 && !h.wal;
}

/*
 * Which way to read.  A connection that is in WAL mode, or was when it died,
 * has left a wal-index; whether one is alive, its lock tells.
 */
static int
choose_read(struct source *s, struct err *e)
{
	bool locked;
	int journal;

	s->unlocked_journal = s->rollback = false;
	if (source_wal_has_frames(s)) {
		if (!source_index_in_use(s))
			s->st.read = SOURCE_CHAIN;
		else if (s->tries > 1 && !s->no_lock)
			s->st.read = SOURCE_LOCKED;
		else
			s->st.read = SOURCE_SHARED;
		return 0;
	}
	if ((journal = source_journal_in_use(s, e)) == -1)
		return -1;
	s->rollback = rollback_mode(s);
	locked = s->rollback && source_file_locked(s);
	s->st.read = SOURCE_PLAIN;
	if (journal || locked || (s->tries > 2 && s->rollback)) {
		s->st.read = SOURCE_JOURNAL;
		s->unlocked_journal = s->tries == 1;
	}
	return 0;
}

/* Is equality of the signature before and after all that holds this state? */
bool
source_by_signature(const struct source *s)
{
	return s->st.read == SOURCE_PLAIN || s->st.read == SOURCE_CHAIN ||
	    s->unlocked_journal;
}

/* 1; 0: it is never still for long enough to be sure of its signature. */
static int
look(struct source *s, struct err *e)
{
	int64_t wait;

	for (unsigned i = 0; i <= SETTLES; i++) {
		if (source_open_all(s, e) == -1 || choose_read(s, e) == -1)
			return -1;
		if (!source_by_signature(s) ||
		    (wait = signature_settle_ns(&s->st.sig)) == 0)
			return 1;
		source_sleep_ns(wait);
	}
	return 0;
}

static int
begin_shared(struct source *s, const struct source_pos *since,
    uint32_t since_pages, struct err *e)
{
	int rc = source_read_index(s, &s->index, e);

	if (rc != 1)
		return rc;
	s->has_index = true;
	/* A checkpoint that is under way, or died, may have written pages. */
	if (s->st.read == SOURCE_SHARED &&
	    s->index.backfill != s->index.backfill_attempted)
		return 0;
	if ((rc = source_read_wal_hdr(s, e)) == -1)
		return -1;
	if (s->index.frames == 0)
		return source_begin_bare(s, since, since_pages, e);
	if (s->st.read == SOURCE_LOCKED && s->tries > 3 &&
	    s->index.backfill == s->index.frames) {
		/* All is in the file, and no checkpoint gets past our lock:
		 * the WAL may restart as often as it likes. */
		s->frozen = true;
		return source_begin_bare(s, NULL, 0, e);
	}
	if (rc == 0 || !source_same_salts(s->hdr.salt, s->index.salt) ||
	    s->hdr.page_size != s->index.page_size)
		return 0;
	return source_begin_wal(s, since, since_pages, e);
}

static int
begin_chain(struct source *s, const struct source_pos *since,
    uint32_t since_pages, struct err *e)
{
	int rc = source_read_wal_hdr(s, e);

	if (rc == -1)
		return -1;
	if (rc == 0 && wal_hdr_other_version(s->hdr_bytes))
		return err_set(
		    e, ERR_CORRUPT, "-wal: of a later SQLite's format");
	if (rc == 0) /* recovery would pass over it, too */
		return source_begin_bare(s, NULL, 0, e);
	return source_begin_wal(s, since, since_pages, e);
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
		s->has_index = rc == 1 && s->index.frames == 0;
	}
	return source_begin_bare(s, since, since_pages, e);
}

/* 1, or 0 when SQLite cannot lock it here without writing. */
int
source_take_lock(struct source *s, struct err *e)
{
	s->lock = rodb_begin(s->path, LOCK_WAIT, e);
	if (s->lock == NULL) {
		if (s->st.read == SOURCE_LOCKED && e->class == ERR_DENIED) {
			s->no_lock = true;
			return 0;
		}
		/* Read on: we can say better what is wrong with it. */
		if (s->st.read == SOURCE_JOURNAL && e->class == ERR_CORRUPT) {
			s->st.read = SOURCE_PLAIN;
			return 1;
		}
		return -1;
	}
	if (s->st.read == SOURCE_JOURNAL)
		s->hold_until = now_ns() + s->max_hold_ms * INT64_C(1000000);
	return 1;
}

static int
begin_once(struct source *s, const struct source_pos *since,
    uint32_t since_pages, struct err *e)
{
	bool lock;
	int rc;

	if ((rc = look(s, e)) != 1)
		return rc;
	lock = s->st.read == SOURCE_LOCKED ||
	    (s->st.read == SOURCE_JOURNAL && !s->unlocked_journal);
	if (lock && (rc = source_take_lock(s, e)) != 1)
		return rc;
	switch (s->st.read) {
	case SOURCE_SHARED:
	case SOURCE_LOCKED: return begin_shared(s, since, since_pages, e);
	case SOURCE_CHAIN: return begin_chain(s, since, since_pages, e);
	default: return begin_plain(s, since, since_pages, e);
	}
}

static void
forget(struct source *s)
{
	s->has_index = s->overlay_used = s->frozen = false;
	s->all = true;
	s->next = 1;
	s->at_page = 0;
	s->window_len = 0;
	s->st.hint = SOURCE_DIFF;
	s->before_overlay = 0;
	s->first.class = ERR_NONE;
	memset(&s->hdr, 0, sizeof(s->hdr));
	memset(&s->st.pos, 0, sizeof(s->st.pos));
	overlay_reset(&s->overlay);
	overlay_reset(&s->old);
}

static int
too_busy(struct err *e)
{
	err_set(e, ERR_BUSY, "written faster than it can be read");
	return err_hint(e, "run again; nothing of it was shipped this time");
}

int
source_begin(struct source *s, const struct source_pos *since,
    uint32_t since_pages, bool full, struct err *e)
{
	int rc;

	if (full || (since != NULL && !since->valid))
		since = NULL;
	do {
		if (s->tries++ == TRIES)
			return too_busy(e);
		if (s->tries > 3)
			source_sleep_ns(INT64_C(1000000) << (s->tries - 3));
		forget(s);
		rc = begin_once(s, since, since_pages, e);
		/* What looks damaged may be in the middle of a change. */
		if (rc == -1 && e->class == ERR_CORRUPT && s->tries < CERTAIN)
			rc = 0;
	} while (rc == 0);
	if (rc == 1 && (rc = source_unpublished(s, e)) == 1)
		s->st.racy = true;
	if (rc == -1) {
		source_let_go(s);
		return -1;
	}
	free(s->page);
	s->page = xmalloc(s->st.page_size);
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

static const uint8_t *
page_from_wal(struct source *s, uint32_t frame, struct err *e)
{
	ssize_t n = file_pread(s->wal_fd, s->page, s->st.page_size,
	    wal_frame_offset(s->st.page_size, frame) + WAL_FRAME_HDR_SIZE, e);

	if (n == -1)
		return NULL;
	if ((size_t)n < s->st.page_size) /* truncated under us: not held */
		memset(s->page + n, 0, s->st.page_size - (size_t)n);
	return s->page;
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
		    "a longer --max-hold");
		return NULL;
	}
	if (s->overlay_used)
		frame = overlay_find(&s->overlay, pgno);
	page = frame != 0 ? page_from_wal(s, frame, e)
			  : page_from_file(s, pgno, e);
	if (pgno == 1 && page != NULL)
		source_check_first(s, page);
	return page;
}
