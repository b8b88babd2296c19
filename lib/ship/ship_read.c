/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a source into objects: one pass over the pages that may have moved,
 * dropping those that did not, encoding the others as they come.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/ltx/ltx_sum.h"
#include "lib/ship/ship_job.h"
#include "lib/sqlite/dbhdr.h"
#include "lib/sys/stop.h"

/* What a pass has found so far. */
struct pass {
	struct ship_worker *w;
	struct ship_job *j;
	const struct codec *codec;
	struct source *src;
	const struct source_state *st;
	struct ship_step *step;
	bool first;    /* a snapshot begins the generation: no segment */
	bool snapshot; /* encode all pages */
	bool broken;   /* the state lacks a sum */
	bool wal;      /* page 1 says so */
	enum ship_schema schema;
	uint32_t changed;     /* pages in the segment */
	struct pagesum sum;   /* of the database */
	struct pagesum known; /* of the sums that the state gave */
	struct stat dir;      /* the database's; st_mode 0: it cannot be told */
};

/* -- the whole image ------------------------------------------------------- */

/*
 * While a writer in rollback mode is at work, a lock may be held only for
 * moments.  So the image is copied first without one; under the lock, pages
 * are only summed again, and those that moved are kept aside.
 */
static int
keep_raw(struct pass *p, uint32_t pgno, const uint8_t *page, struct pagesum sum,
    struct err *e)
{
	struct ship_worker *w = p->w;
	struct pagesum was;

	if (w->raw_pages < pgno && w->patch.size == 0 &&
	    w->raw_pages == pgno - 1) {
		w->raw_pages = pgno;
		if (spool_write(&w->raw_sums, &sum, sizeof(sum), e) == -1)
			return -1;
		return spool_write(&w->raw, page, p->st->page_size, e);
	}
	if (pgno <= w->raw_pages) {
		if (spool_read(&w->raw_sums, (pgno - 1) * sizeof(was), &was,
			sizeof(was), e) == -1)
			return -1;
		if (pagesum_equal(was, sum))
			return 0;
	}
	if (spool_write(&w->patch, &pgno, sizeof(pgno), e) == -1)
		return -1;
	return spool_write(&w->patch, page, p->st->page_size, e);
}

static int
add_to_image(struct pass *p, uint32_t pgno, const uint8_t *page,
    struct pagesum sum, struct err *e)
{
	if (p->st->read == SOURCE_JOURNAL)
		return keep_raw(p, pgno, page, sum, e);
	return p->w->writer->page(p->w->snapshot, pgno, page, e);
}

/* The image from what was copied and what was kept aside since. */
static int
encode_raw(struct pass *p, struct err *e)
{
	struct ship_worker *w = p->w;
	uint32_t size = p->st->page_size, pgno, patched = 0;
	uint8_t *page = xmalloc(size);
	uint64_t at = 0;
	int rc = 0;

	for (pgno = 1; rc == 0 && pgno <= p->st->pages; pgno++) {
		rc = stop_overdue(e);
		if (rc == 0 && patched < pgno && at < w->patch.size) {
			rc = spool_read(
			    &w->patch, at, &patched, sizeof(patched), e);
			at += sizeof(patched) + size;
		}
		if (rc == 0 && patched == pgno)
			rc = spool_read(&w->patch, at - size, page, size, e);
		else if (rc == 0)
			rc = spool_read(&w->raw, (uint64_t)(pgno - 1) * size,
			    page, size, e);
		if (rc == 0)
			rc = p->w->writer->page(w->snapshot, pgno, page, e);
	}
	free(page);
	return rc;
}

/* -- one page -------------------------------------------------------------- */

static int
log_sum(struct pass *p, uint32_t pgno, struct pagesum sum, struct err *e)
{
	struct sum_entry en = { .pgno = pgno, .sum = sum };

	return spool_write(&p->step->log, &en, sizeof(en), e);
}

/* 1: the state has the sum of this page; 0: the page is new to it; -1. */
static int
old_sum(struct pass *p, uint32_t pgno, struct pagesum *old, struct err *e)
{
	int rc;

	if (p->first || pgno > p->j->rec.pages)
		return 0;
	if ((rc = sums_get(&p->w->sums, pgno, old, e)) == 1)
		pagesum_xor(&p->known, *old);
	else if (rc == 0)
		p->broken = true;
	return rc;
}

static int
take_page(struct pass *p, uint32_t pgno, struct err *e)
{
	static const uint8_t zeros[65536];
	const uint8_t *page = source_page(p->src, pgno, e);
	struct pagesum sum, old;
	int had;

	if (page == NULL)
		return -1;
	if (p->codec->traits.no_lock_page &&
	    pgno == ltx_lock_page(p->st->page_size))
		page = zeros; /* as it is restored */
	if (pgno == 1) {
		p->wal = page[DBHDR_READ_VERSION] == 2;
		p->schema = dbhdr_no_schema(page) ? SHIP_SCHEMA_EMPTY
						  : SHIP_SCHEMA_SOME;
	}
	sum = pagesum_of(pgno, page, p->st->page_size);
	if (p->snapshot && add_to_image(p, pgno, page, sum, e) == -1)
		return -1;
	if ((had = old_sum(p, pgno, &old, e)) == -1)
		return -1;
	if (had && pagesum_equal(old, sum))
		return 0;
	if (had)
		pagesum_xor(&p->sum, old);
	pagesum_xor(&p->sum, sum);
	p->changed++;
	if (!p->first && p->w->writer->page(p->w->segment, pgno, page, e) == -1)
		return -1;
	return log_sum(p, pgno, sum, e);
}

/* -- a pass ---------------------------------------------------------------- */

static int
begin_pass(struct pass *p, struct err *e)
{
	struct ship_worker *w = p->w;
	struct ship_job *j = p->j;

	ship_job_forget(j);
	p->changed = 0;
	p->schema = SHIP_SCHEMA_UNSEEN;
	p->broken = false;
	p->known = (struct pagesum){ 0 };
	p->sum = p->first ? (struct pagesum){ 0 } : j->rec.sum;
	p->step = ship_job_step(j, p->st->pages, p->first);
	w->sums.st = w->st;
	w->sums.id = j->rec.id;
	w->sums.chunk = 0;
	if (p->snapshot &&
	    (spool_reset(&w->patch, e) == -1 ||
		p->w->writer->snapshot(w->snapshot, &w->snapshot_bytes,
		    p->st->page_size, e) == -1))
		return -1;
	return p->first ? 0
			: p->w->writer->segment(w->segment, &w->segment_bytes,
			      &j->rec.pos, &j->rec.chain, p->st->page_size, e);
}

/* The pages that the database lost at its end leave the sum. */
static int
cut_off(struct pass *p, struct err *e)
{
	struct pagesum old;

	if (p->first)
		return 0;
	for (uint32_t n = p->st->pages + 1; n <= p->j->rec.pages; n++) {
		if (stop_overdue(e) == -1 || old_sum(p, n, &old, e) == -1)
			return -1;
		if (!p->broken)
			pagesum_xor(&p->sum, old);
	}
	return 0;
}

/*
 * A pass that saw every page saw every sum: do they add up to the record's?
 * If not, sums and record are of different moments and none can be trusted.
 */
static bool
sums_add_up(const struct pass *p)
{
	if (p->first)
		return true;
	if (p->broken)
		return false;
	return p->st->hint != SOURCE_DIFF ||
	    pagesum_equal(p->known, p->j->rec.sum);
}

/* All pages of one try.  source_end() says whether they belong together. */
static int
read_pages(struct pass *p, struct err *e)
{
	const uint8_t *page;
	uint32_t pgno;

	if (begin_pass(p, e) == -1)
		return -1;
	while ((pgno = source_next(p->src)) != 0)
		if (take_page(p, pgno, e) == -1)
			return -1;
	if (cut_off(p, e) == -1)
		return -1;
	if (p->first || p->changed > 0 || p->st->pages == p->j->rec.pages)
		return 0;
	/* Only the size shrank: a commit needs a frame to stand in. */
	p->changed = 1;
	if ((page = source_page(p->src, 1, e)) == NULL)
		return -1;
	return p->w->writer->page(p->w->segment, 1, page, e);
}

/* Why j's history cannot go on with this source; NULL: it can. */
static const char *
history_ends(struct ship_job *j, const struct source_state *st)
{
	const struct record *r = &j->rec;

	if (r->page_size != st->page_size)
		return "its page size changed";
	if (j->codec->is_last(r->pos.at))
		return "its indexes are used up";
	if (!j->codec->traits.one_row && ship_went_back(j, st->captured_ns))
		return "the clock went back again";
	return NULL;
}

/*
 * Read at one committed state: 0, or -1.  Tries as long as the source asks
 * for it.
 */
static int
read_state(struct pass *p, struct err *e)
{
	struct ship_job *j = p->j;
	const char *why;
	int rc = 0;

	while (rc == 0) {
		p->first = j->start != SHIP_GOES_ON;
		p->snapshot |= p->first;
		if (source_begin(p->src, p->snapshot ? NULL : &j->rec.source,
			j->rec.pages, p->snapshot, e) == -1)
			return -1;
		if (!p->first && (why = history_ends(j, p->st)) != NULL) {
			ship_anew(j, why);
			continue;
		}
		if (read_pages(p, e) == -1)
			return -1;
		rc = source_end(p->src, e);
	}
	return rc == 1 ? 0 : -1;
}

/* -- the record behind it -------------------------------------------------- */

static void
provenance_of(struct pass *p, enum layout_kind kind, struct provenance *pv)
{
	const struct record *n = &p->j->next;

	*pv = (struct provenance){ .captured_ns = n->captured_ns,
		.page_size = p->st->page_size,
		.pages = p->st->pages,
		.sum = p->sum,
		.mode = p->st->mode,
		.uid = p->st->uid,
		.gid = p->st->gid,
		.name = { kind, n->pos.at } };
	memcpy(pv->writer, p->w->ship->writer, sizeof(pv->writer));
	memcpy(pv->generation, n->pos.line, sizeof(pv->generation));
	pv->run = p->w->ship->run->token;
	pv->clock_ns = p->j->clock_ns;
	pv->has_dir = p->dir.st_mode != 0;
	pv->dir_mode = p->dir.st_mode & 0777;
	pv->dir_uid = p->dir.st_uid;
	pv->dir_gid = p->dir.st_gid;
	ltx_own_write(pv, p->j->own);
}

/* Takes the key, which is empty then. */
static void
put_key(struct pass *p, int which, struct buf *key, struct spool *bytes)
{
	p->j->keys[which] = xstrdup(buf_str(key));
	p->j->bytes[which] = bytes;
	buf_release(key);
}

/* What comes next stands behind a snapshot. */
static void
note_snapshot(struct pass *p)
{
	struct record *n = &p->j->next;

	n->snapshot = n->pos.at;
	n->snapshot_ns = p->st->state_ns;
	n->snapshot_size = (uint64_t)p->st->pages * p->st->page_size;
	n->wal_bytes = 0;
	n->segments = 0;
}

static int
end_segment(struct pass *p, struct err *e)
{
	struct record *n = &p->j->next;
	struct provenance pv;
	struct buf key = { 0 };

	provenance_of(p, LAYOUT_SEGMENT, &pv);
	if (p->w->writer->end(p->w->segment, &pv, &n->chain, e) == -1)
		return -1;
	ship_key(p->j, &key, LAYOUT_SEGMENT, n->pos.line, n->pos.at);
	put_key(p, 0, &key, &p->w->segment_bytes);
	n->wal_bytes += pv.length;
	n->segments++;
	n->pos.at =
	    p->codec->behind(n->pos.at, pv.length, p->w->ship->conf->roll_at);
	return 0;
}

static int
end_snapshot(struct pass *p, struct err *e)
{
	struct record *n = &p->j->next;
	struct provenance pv;
	struct buf key = { 0 };

	if (p->st->read == SOURCE_JOURNAL && encode_raw(p, e) == -1)
		return -1;
	if (p->first) {
		n->format = p->codec->format;
		if (p->codec->begin(&n->pos, e) == -1)
			return -1;
	}
	n->pos.at = p->codec->snapshot(n->pos.at);
	provenance_of(p, LAYOUT_SNAPSHOT, &pv);
	if (p->w->writer->end(p->w->snapshot, &pv, &n->chain, e) == -1)
		return -1;
	ship_key(p->j, &key, LAYOUT_SNAPSHOT, n->pos.line, n->pos.at);
	put_key(p, 1, &key, &p->w->snapshot_bytes);
	note_snapshot(p);
	return 0;
}

/*
 * In one row: all pages where the record's line goes on, or behind all that is
 * there, so that who would go on with that meets it; and a snapshot of them, if
 * there is anything before.
 */
static int
begin_in_row(struct pass *p, struct err *e)
{
	struct ship_job *j = p->j;
	struct record *n = &j->next;
	struct ship_worker *w = p->w;
	struct provenance pv;
	struct buf key = { 0 };

	if (p->st->read == SOURCE_JOURNAL && encode_raw(p, e) == -1)
		return -1;
	n->format = p->codec->format;
	if (j->start != SHIP_ENDS)
		n->pos.at = j->fence.next != 0 ? j->fence.next : 1;
	if (p->codec->begin(&n->pos, e) == -1)
		return -1;
	provenance_of(p, LAYOUT_SEGMENT, &pv);
	if (w->writer->end(w->snapshot, &pv, &n->chain, e) == -1)
		return -1;
	ship_key(j, &key, LAYOUT_SEGMENT, n->pos.line, n->pos.at);
	put_key(p, 0, &key, &w->snapshot_bytes);
	n->pos.at =
	    p->codec->behind(n->pos.at, pv.length, w->ship->conf->roll_at);
	note_snapshot(p);
	if (pv.name.at == 1)
		return 0;
	provenance_of(p, LAYOUT_SNAPSHOT, &pv);
	if (w->writer->again(w->snapshot, &w->segment_bytes, &pv, e) == -1)
		return -1;
	ship_key(j, &key, LAYOUT_SNAPSHOT, n->pos.line, n->pos.at);
	put_key(p, 1, &key, &w->segment_bytes);
	return ship_row_close(j, p->st->page_size, &w->segment_bytes, e);
}

/*
 * End the generation that the record is in: an empty segment at its position.
 * It changes nothing for a reader, but a run that still has the record, and
 * would go on behind it, meets an object.
 */
static int
end_old_generation(struct pass *p, struct err *e)
{
	const struct record *r = &p->j->rec;
	/* Until now it was as the record says: see history.h. */
	struct provenance pv = { .captured_ns = p->j->next.captured_ns - 1,
		.page_size = r->page_size,
		.pages = r->pages,
		.sum = r->sum,
		.mode = p->st->mode,
		.uid = p->st->uid,
		.gid = p->st->gid,
		.name = { LAYOUT_SEGMENT, r->pos.at } };
	struct buf key = { 0 };

	pv.run = p->w->ship->run->token;
	pv.clock_ns = p->j->clock_ns;
	memcpy(pv.writer, p->w->ship->writer, sizeof(pv.writer));
	memcpy(pv.generation, r->pos.line, sizeof(pv.generation));
	if (p->w->writer->note(
		p->w->segment, &p->w->segment_bytes, NULL, &pv, e) == -1)
		return -1;
	ship_key(p->j, &key, LAYOUT_SEGMENT, r->pos.line, r->pos.at);
	put_key(p, 0, &key, &p->w->segment_bytes);
	return 0;
}

/* The object that says who began the generation, before it begins. */
static int
claim(struct pass *p, struct err *e)
{
	struct ship_job *j = p->j;
	struct provenance pv;
	struct buf key = { 0 };

	provenance_of(p, LAYOUT_OWNER, &pv);
	pv.name = (struct layout_name){ LAYOUT_OWNER, j->fence.owner };
	if (p->w->writer->note(p->w->segment, &p->w->segment_bytes,
		&j->fence.follows, &pv, e) == -1)
		return -1;
	ship_key(j, &key, LAYOUT_OWNER, NULL, j->fence.owner);
	put_key(p, 0, &key, &p->w->segment_bytes);
	return 0;
}

/* What the state is to say once the objects are durable. */
static int
end_pass(struct pass *p, struct err *e)
{
	struct ship_job *j = p->j;
	struct record *n = &j->next;
	bool moved = p->first || p->changed > 0;

	*n = j->rec;
	j->read_ns = p->st->captured_ns;
	n->source = p->st->pos;
	n->sig = p->st->sig;
	n->racy = p->st->racy ? RACY : 0;
	j->dirty = moved || j->moved || j->rec.racy != n->racy ||
	    memcmp(&n->source, &j->rec.source, sizeof(n->source)) != 0 ||
	    !signature_equal(&n->sig, &j->rec.sig);
	j->reread = !j->dirty && n->racy != 0;
	if (!moved)
		return 0;
	if (ship_shrunk(p->w, j, p->st, p->schema, e) == -1)
		return -1;
	n->page_size = p->st->page_size;
	n->pages = p->st->pages;
	n->sum = p->sum;
	if (ship_clock(p->w, j, p->st->state_ns, e) == -1)
		return -1;
	if (p->first && p->codec->traits.one_row)
		return begin_in_row(p, e);
	if (j->start == SHIP_ENDS && end_old_generation(p, e) == -1)
		return -1;
	if (!p->first && end_segment(p, e) == -1)
		return -1;
	if (p->snapshot && end_snapshot(p, e) == -1)
		return -1;
	return j->start == SHIP_CLAIMS ? claim(p, e) : 0;
}

static void
fill_report(struct pass *p)
{
	struct ship_report *r = &p->j->report;
	bool row = p->codec->traits.one_row;
	bool segment = p->j->keys[0] != NULL && (!p->first || row);
	bool snap = p->j->keys[1] != NULL;

	r->what = segment ? (snap ? SHIP_BOTH : SHIP_SEGMENT)
			  : (snap ? SHIP_SNAPSHOT : SHIP_UNCHANGED);
	r->pages = p->changed;
	r->hint = source_hint_name[p->st->hint];
	r->read = source_read_name[p->st->read];
	r->bytes = (segment ? p->j->bytes[0]->size : 0) +
	    (snap ? p->j->bytes[1]->size : 0);
	if (row && p->first && segment && !snap)
		r->what = SHIP_SNAPSHOT; /* it is one by itself */
}

static int
read_source(struct pass *p, struct err *e)
{
	const struct ship_conf *c = p->w->ship->conf;
	struct ship_job *j = p->j;
	const char *due = NULL;

	if (j->start == SHIP_GOES_ON)
		due = ship_snapshot_due(c, &j->rec, 0, 0, now_ns());
	p->snapshot = due != NULL;
	if (read_state(p, e) == -1)
		return -1;
	if (!p->snapshot && p->changed > 0 &&
	    (due = ship_snapshot_due(c, &j->rec,
		 p->w->writer->raw(p->w->segment), 1, now_ns())) != NULL) {
		p->snapshot = true;
		if (read_state(p, e) == -1)
			return -1;
	}
	if (!sums_add_up(p)) {
		ship_anew(j, "the state disagrees with itself");
		p->snapshot = true;
		if (read_state(p, e) == -1)
			return -1;
	}
	j->report.reason = p->first ? "first" : due;
	if (!p->first && p->st->hint == SOURCE_DIFF && p->changed > 0 &&
	    ship_heal(j, p->st, p->wal, &p->step->log, e) == -1)
		return -1;
	return end_pass(p, e);
}

/* What a restore that makes the directory anew is to give it. */
static void
look_at_dir(struct pass *p)
{
	char *dir = xstrdup(p->j->abs), *slash = strrchr(dir, '/');

	if (slash != NULL)
		slash[slash == dir] = '\0';
	if (slash == NULL || stat(dir, &p->dir) == -1)
		p->dir.st_mode = 0;
	free(dir);
}

int
ship_read(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	struct pass p = { .w = w, .j = j, .codec = j->codec };
	int rc = -1;

	w->raw_pages = 0;
	p.src = source_open(j->abs, w->ship->conf->max_hold_ms, e);
	if (p.src == NULL)
		return -1;
	p.st = source_state(p.src);
	j->healed = 0;
	look_at_dir(&p);
	if (spool_reset(&w->raw, e) == 0 && spool_reset(&w->raw_sums, e) == 0)
		rc = read_source(&p, e);
	if (rc == 0)
		fill_report(&p);
	source_close(p.src);
	return rc;
}
