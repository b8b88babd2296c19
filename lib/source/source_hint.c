/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pages may have moved since a position, as far as a WAL tells.  A hint
 * need only be a superset: images come from the state that is held still, and
 * a page whose sum is unchanged is dropped by the caller.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/source/source_impl.h"
#include "lib/sys/file.h"
#include "lib/sys/stop.h"

int
source_frame_header(struct source *s, uint32_t frame,
    uint8_t p[WAL_FRAME_HDR_SIZE], struct err *e)
{
	ssize_t n = file_pread(s->wal_fd, p, WAL_FRAME_HDR_SIZE,
	    wal_frame_offset(s->st.page_size, frame), e);

	return n == -1 ? -1 : n == WAL_FRAME_HDR_SIZE;
}

/* Does the frame at pos still stand where it stood, as it stood? */
static int
frame_stands(struct source *s, const struct source_pos *pos, struct err *e)
{
	uint8_t p[WAL_FRAME_HDR_SIZE];
	struct wal_frame f;
	int rc;

	if ((rc = source_frame_header(s, pos->frames, p, e)) != 1)
		return rc;
	wal_frame_parse(&f, p);
	return source_same_salts(f.salt, pos->salt) &&
	    f.sum[0] == pos->sum[0] && f.sum[1] == pos->sum[1];
}

bool
source_same_salts(const uint32_t a[2], const uint32_t b[2])
{
	return a[0] == b[0] && a[1] == b[1];
}

/*
 * Is the file what it was at rest, now that it is known which WAL is in use?
 * Its times are of before that: a checkpoint, and a WAL begun anew behind it,
 * may lie in between.
 */
static bool
at_rest_since(const struct source *s, const struct source_pos *since)
{
	struct file_sig now;
	struct stat st;

	if (fstat(s->fd, &st) == -1)
		return false;
	file_sig_of(&now, &st);
	return memcmp(&now, &since->db, sizeof(now)) == 0;
}

/*
 * A WAL database changes its main file only by checkpoints.  Did it change for
 * another reason, its pages are anybody's guess.  That it looks as it did then
 * says nothing if it could have changed then and look the same.
 */
static bool
file_explained(const struct source *s, const struct source_pos *since)
{
	const struct file_sig *now = &s->st.sig.db;

	if (since->valid & SOURCE_POS_BARE)
		return at_rest_since(s, since);
	if (memcmp(now, &since->db, sizeof(*now)) == 0 &&
	    (since->valid & SOURCE_POS_SETTLED))
		return true;
	return now->dev == since->db.dev && now->ino == since->db.ino &&
	    s->has_index &&
	    (s->index.backfill != since->backfill ||
		!source_same_salts(s->index.salt, since->salt));
}

/*
 * The state's size and position; its last frame, which must still stand when
 * all is read.  Somebody who has the WAL open published it: it is a commit of
 * that size, of this WAL, or without salts (see overlay.h).
 */
static int
take_end(struct source *s, const struct overlay_end *end, struct err *e)
{
	static const uint32_t none[2] = { 0, 0 };
	struct wal_frame f;
	int rc;

	if (source_check_size(s, end->frame, end->pages, e) == -1)
		return -1;
	if ((rc = source_frame_header(s, end->frame, s->last, e)) != 1)
		return rc;
	wal_frame_parse(&f, s->last);
	if (f.commit != end->pages ||
	    (!source_same_salts(f.salt, s->hdr.salt) &&
		!source_same_salts(f.salt, none)))
		return 0;
	s->st.pages = end->pages;
	s->st.pos.frames = end->frame;
	s->st.pos.sum[0] = end->sum[0];
	s->st.pos.sum[1] = end->sum[1];
	return 1;
}

/* The frames behind 'from' that are published.  1, 0: look again, -1. */
static int
take_published(struct source *s, uint32_t from, struct err *e)
{
	const struct overlay_end end = { .frame = s->index.frames,
		.pages = s->index.pages,
		.sum = { s->index.sum[0], s->index.sum[1] } };
	int rc;

	overlay_reset(&s->overlay);
	rc = overlay_from_index(
	    &s->overlay, s->shm_fd, from, s->index.frames, e);
	return rc == 1 ? take_end(s, &end, e) : rc;
}

/* All frames of the WAL in use.  1, 0: look again, -1. */
static int
follow_all(struct source *s, struct err *e)
{
	struct overlay_end end;

	if (s->has_index)
		return take_published(s, 0, e);
	overlay_reset(&s->overlay);
	if (overlay_follow(&s->overlay, s->wal_fd, &s->hdr, 0, s->hdr.sum,
		UINT32_MAX, &end, e) == -1)
		return -1;
	s->walked = end.walked;
	if (end.frame == 0) {
		s->overlay_used = false; /* nothing was ever committed to it */
		return source_size_from_header(s, e) == -1 ? -1 : 1;
	}
	return take_end(s, &end, e);
}

/*
 * The frames behind since.  2: not a tail; else as follow_all().  The order of
 * bytes of a WAL that had not begun was not known then.
 */
static int
follow_tail(struct source *s, const struct source_pos *since,
    uint32_t since_pages, struct err *e)
{
	struct overlay_end end;
	int stands = 1;

	if (!source_same_salts(s->hdr.salt, since->salt) ||
	    (since->frames > 0 && s->hdr.big_endian != since->big_endian) ||
	    (s->has_index && since->frames > s->index.frames))
		return 2;
	if (since->frames > 0 && (stands = frame_stands(s, since, e)) == -1)
		return -1;
	if (!stands)
		return 2;
	if (s->has_index)
		return take_published(s, since->frames, e);
	overlay_reset(&s->overlay);
	if (overlay_follow(&s->overlay, s->wal_fd, &s->hdr, since->frames,
		since->frames > 0 ? since->sum : s->hdr.sum, UINT32_MAX, &end,
		e) == -1)
		return -1;
	s->walked = end.walked;
	if (end.frame == 0) { /* nothing new */
		end.frame = since->frames;
		end.pages = since_pages;
		end.sum[0] = since->sum[0];
		end.sum[1] = since->sum[1];
		if (since->frames == 0)
			return 2;
	}
	return take_end(s, &end, e);
}

/* -- what stands behind the end of a chain --------------------------------- */

/* Is a frame that does not continue the chain of a WAL what ends it? */
typedef bool behind(const struct wal_frame *f, const uint32_t salt[2]);

/*
 * No frame of that WAL, nor one that may be, being without salts: one of a WAL
 * before it.  A restart counts the first salt up.
 */
static bool
is_earlier(const struct wal_frame *f, const uint32_t salt[2])
{
	return (f->salt[0] != 0 || f->salt[1] != 0) &&
	    (int32_t)(salt[0] - f->salt[0]) > 0;
}

static bool
is_no_commit(const struct wal_frame *f, const uint32_t salt[2])
{
	static const uint32_t none[2] = { 0, 0 };

	return f->commit == 0 ||
	    (!source_same_salts(f->salt, salt) &&
		!source_same_salts(f->salt, none));
}

/* Are all whole frames behind 'from' like that? */
static int
all_behind(struct source *s, uint64_t from, behind *like,
    const uint32_t salt[2], struct err *e)
{
	enum { READ_AHEAD = 256 * 1024 };
	size_t step = WAL_FRAME_HDR_SIZE + s->st.page_size;
	size_t batch = READ_AHEAD / step, got = batch;
	uint8_t *buf = xmalloc(batch * step);
	struct wal_frame f;
	ssize_t n = 0;
	int rc = 1;

	while (rc == 1 && got == batch) {
		if ((n = stop_overdue(e)) == -1)
			break;
		n = file_pread(s->wal_fd, buf, batch * step,
		    wal_frame_offset(s->st.page_size, from + 1), e);
		got = n == -1 ? 0 : (size_t)n / step;
		for (size_t i = 0; i < got && rc == 1; i++) {
			wal_frame_parse(&f, buf + i * step);
			rc = like(&f, salt);
		}
		from += got;
	}
	free(buf);
	return n == -1 ? -1 : rc;
}

/*
 * Recovery would end where the chain does, and so does who is dead.  Somebody
 * alive who keeps the wal-index to himself knows better.  What he rolled back
 * may stand there, too, and has no commit.
 */
int
source_chain_broken(struct source *s, struct err *e)
{
	int rc;

	if (!source_file_locked(s))
		return 0;
	rc = all_behind(s, s->walked, is_no_commit, s->hdr.salt, e);
	return rc == -1 ? -1 : !rc;
}

/*
 * The old frames behind since, when the WAL was restarted exactly once: they
 * stand until new frames reach them.  As frames are written in order, the one
 * at since standing before and after the walk means that none behind it was
 * overwritten.  But a restart may have cut the file (journal_size_limit): only
 * a frame that is there and does not continue the chain is its end.  And then
 * only if that one and all behind it are of earlier WALs: SQLite itself breaks
 * the chain inside of what it commits.
 * 1: in s->old; 0: not so; -1.
 */
static int
follow_old(struct source *s, const struct source_pos *since, struct err *e)
{
	struct wal_hdr h = { .big_endian = since->big_endian,
		.page_size = s->st.page_size,
		.salt = { since->salt[0], since->salt[1] } };
	struct overlay_end end;
	int rc;

	if (since->frames == 0 || !s->has_index ||
	    s->index.salt[0] != since->salt[0] + 1)
		return 0;
	if ((rc = frame_stands(s, since, e)) != 1)
		return rc;
	overlay_reset(&s->old);
	if (overlay_follow(&s->old, s->wal_fd, &h, since->frames, since->sum,
		UINT32_MAX, &end, e) == -1)
		return -1;
	if (end.cut)
		return 0;
	rc = all_behind(s, end.walked, is_earlier, since->salt, e);
	return rc == 1 ? frame_stands(s, since, e) : rc;
}

static void
add_page(struct source *s, uint32_t pgno, size_t *cap)
{
	if (s->n_pages == *cap) {
		*cap = *cap ? *cap * 2 : 256;
		s->pages = xrealloc(s->pages, *cap * sizeof(*s->pages));
	}
	s->pages[s->n_pages++] = pgno;
}

static int
by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * The pages to look at: those of the overlay and of the old frames, and those
 * the database grew by, whether or not a frame holds them.
 */
static void
collect_pages(struct source *s, uint32_t since_pages)
{
	size_t cap = 0;

	free(s->pages);
	s->pages = NULL;
	s->n_pages = 0;
	for (size_t i = 0; i < s->overlay.n; i++)
		add_page(s, s->overlay.v[i].pgno, &cap);
	for (size_t i = 0; i < s->old.n; i++)
		add_page(s, s->old.v[i].pgno, &cap);
	for (uint32_t p = since_pages; p < s->st.pages; p++)
		add_page(s, p + 1, &cap);
	if (s->n_pages > 1)
		qsort(s->pages, s->n_pages, sizeof(*s->pages), by_number);
	s->all = false;
}

static void
take_tail(struct source *s, uint32_t since_pages)
{
	collect_pages(s, since_pages);
	s->st.hint = SOURCE_TAIL;
}

/*
 * Are all pages that are asked for whatever the tail holds among its frames:
 * those the database grew by, and the first one if it shrank?
 */
static bool
growth_in_tail(const struct source *s, uint32_t since_pages)
{
	for (uint32_t p = since_pages; p < s->st.pages; p++)
		if (overlay_find(&s->overlay, p + 1) == 0)
			return false;
	return s->st.pages >= since_pages || overlay_find(&s->overlay, 1) != 0;
}

/* Salts of 0,0 are those of an index that has seen no WAL: no position. */
static void
set_pos(struct source *s)
{
	const uint32_t *salt = s->has_index ? s->index.salt : s->hdr.salt;
	struct source_pos *pos = &s->st.pos;

	if (salt[0] == 0 && salt[1] == 0)
		return;
	pos->valid = SOURCE_POS_VALID | (s->settled ? SOURCE_POS_SETTLED : 0);
	pos->big_endian = s->hdr.big_endian;
	memcpy(pos->salt, salt, sizeof(pos->salt));
	if (s->has_index) {
		pos->backfill = s->index.backfill;
		pos->frames = s->index.frames;
		memcpy(pos->sum, s->index.sum, sizeof(pos->sum));
	}
	pos->db = s->st.sig.db;
}

/* A file that was proved by its signature, and is all there is. */
static void
set_bare(struct source *s)
{
	struct source_pos *pos = &s->st.pos;

	if (s->st.read != SOURCE_PLAIN || !s->wal_mode || !s->settled)
		return;
	pos->valid = SOURCE_POS_VALID | SOURCE_POS_SETTLED | SOURCE_POS_BARE;
	pos->db = s->st.sig.db;
}

/*
 * No frame counts: the WAL was reset, or there is none.  What the file says is
 * the state.  If a wal-index names the salts of the WAL to come, that is a
 * position: everything after it will be in that WAL.  If not, the first WAL
 * there is, is what comes after it.
 */
int
source_begin_bare(struct source *s, const struct source_pos *since,
    uint32_t since_pages, struct err *e)
{
	int old;

	s->overlay_used = false;
	if (source_size_from_header(s, e) == -1)
		return -1;
	if (s->has_index)
		set_pos(s);
	if (!s->st.pos.valid)
		set_bare(s);
	if (since != NULL && (since->valid & SOURCE_POS_BARE)) {
		if (file_explained(s, since))
			take_tail(s, since_pages); /* none has begun */
		return 1;
	}
	if (since == NULL || s->wal_fd == -1 || !file_explained(s, since))
		return 1;
	if (s->has_index && since->frames == 0 &&
	    source_same_salts(s->index.salt, since->salt)) {
		take_tail(s, since_pages); /* that WAL has not begun */
		return 1;
	}
	if ((old = follow_old(s, since, e)) != 1)
		return old == -1 ? -1 : 1;
	overlay_seal(&s->old);
	collect_pages(s, since_pages);
	s->st.hint = SOURCE_RECOVERED;
	return 1;
}

static int
begin_tail(struct source *s, const struct source_pos *since,
    uint32_t since_pages, struct err *e)
{
	int rc = follow_tail(s, since, since_pages, e);

	if (rc != 1)
		return rc;
	overlay_seal(&s->overlay);
	if (source_lacks(s, (uint32_t)(since->db.size / s->st.page_size)))
		return 2; /* the file lost pages: are they in older frames? */
	if (growth_in_tail(s, since_pages)) {
		take_tail(s, since_pages);
		s->before_overlay = since_pages;
		return 1;
	}
	/* Pages that no new frame holds: older ones may. */
	take_tail(s, since_pages);
	if ((rc = follow_all(s, e)) != 1)
		return rc;
	overlay_seal(&s->overlay);
	return 1;
}

/* All of the WAL came since. */
static int
begin_first(struct source *s, uint32_t since_pages, struct err *e)
{
	int rc = follow_all(s, e);

	if (rc != 1)
		return rc;
	overlay_seal(&s->overlay);
	if (s->overlay_used)
		take_tail(s, since_pages);
	return 1;
}

/* Frames count: overlay them.  1, 0: look again, -1. */
int
source_begin_wal(struct source *s, const struct source_pos *since,
    uint32_t since_pages, struct err *e)
{
	int rc, old = 0;

	s->overlay_used = true;
	s->st.page_size = s->hdr.page_size;
	if (source_check_page_size(s, e) == -1)
		return -1;
	set_pos(s);
	if (since != NULL && !file_explained(s, since))
		since = NULL;
	if (since != NULL && (since->valid & SOURCE_POS_BARE))
		return begin_first(s, since_pages, e);
	if (since != NULL && (rc = begin_tail(s, since, since_pages, e)) != 2)
		return rc;
	if (since != NULL && (old = follow_old(s, since, e)) == -1)
		return -1;
	if ((rc = follow_all(s, e)) != 1)
		return rc;
	overlay_seal(&s->overlay);
	if (old == 1 && s->overlay_used) {
		overlay_seal(&s->old);
		collect_pages(s, since_pages);
		s->st.hint = SOURCE_RECOVERED;
	}
	return 1;
}
