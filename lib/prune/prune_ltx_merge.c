/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merging files of level 0: the newest of each page.
 *
 * The state that they go on from is replayed, as sums of pages, from the files
 * that lead there.  The pages of the files that are merged go to a spool, each
 * in one place, whichever file brings it again.  What becomes of them is read
 * back onto the sums: it is put if it leads to the state that the last of the
 * files says.  So it is what a restore would have, read from its bytes.
 *
 * Memory is bounded: sums and places are in tables that go to files.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/prune/prune_impl.h"
#include "lib/prune/prune_ltx.h"
#include "lib/replica/ltx/ltx_mark.h"
#include "lib/replica/ltx/ltx_read.h"
#include "lib/replica/ltx/ltx_sum.h"
#include "lib/replica/ltx/ltx_write.h"
#include "lib/replica/replay.h"
#include "lib/replica/wal/provenance.h"
#include "lib/store/store.h"
#include "lib/sys/stop.h"

#define IN_MEMORY ((size_t)1 << 20)

enum {
	PIECE = 64 * 1024,
	LEFT = 1, /* it is better left as it is */
};

struct merging {
	struct prune_db *db;
	struct ltx_read *reader;
	struct ltx_write *writer;
	struct replay replay;  /* the state before what is merged */
	struct spool out;      /* what is merged */
	struct spool pages;    /* of that, in no order, */
	struct sumtable where; /* in hi the place of each, and one more */
	uint8_t *page;
	struct ltx_header h; /* of the file at hand */
	uint32_t was;        /* the pages of the state before it */
	uint32_t grown;      /* those that it adds */
	uint32_t highest;    /* page that has a place */
	bool first;          /* of those that are merged */
	bool other; /* it is not to be merged, though it may be sound */
};

/* -- one file -------------------------------------------------------------- */

static int
read_stored(struct merging *m, const struct ltx_name *n,
    const struct ltx_sink *sink, struct err *e)
{
	struct store *s = m->db->store;
	struct buf key = { 0 };
	uint64_t after;
	int rc;

	ltx_key(&key, m->db->key, m->db->how, n);
	m->grown = 0;
	ltx_read_begin(m->reader, n, sink, m);
	rc = s->ops->get(
	    s, buf_str(&key), 0, UINT64_MAX, ltx_read_feed, m->reader, e);
	if (rc == 0)
		rc = ltx_read_finish(m->reader, &after, e);
	if (rc == -1)
		err_in(e, "%s", buf_str(&key));
	buf_release(&key);
	return rc;
}

/* What it makes the database grow by it brings. */
static int
check_grown(const struct merging *m, const struct ltx_name *n, struct err *e)
{
	uint32_t lock = ltx_lock_page(m->h.page_size);
	uint32_t need = m->h.pages > m->was ? m->h.pages - m->was : 0;

	if (lock > m->was && lock <= m->h.pages)
		need--;
	if (m->grown == need)
		return 0;
	return err_set(e, ERR_CORRUPT,
	    "%016" PRIx64 "-%016" PRIx64 ".ltx of level %u makes the database "
	    "grow by %" PRIu32 " pages and has %" PRIu32 " of them",
	    n->min, n->max, n->level, need, m->grown);
}

/* -- onto the sums --------------------------------------------------------- */

static int
take_state(void *ctx, const struct ltx_header *h, struct err *e)
{
	struct merging *m = ctx;

	m->h = *h;
	/* As a restore does: check_grown() wants all of them then. */
	if (m->replay.page_size != h->page_size &&
	    replay_begin(&m->replay, true, true, e) == -1)
		return -1;
	m->replay.page_size = h->page_size;
	m->was = m->replay.pages;
	return 0;
}

static int
take_sum(void *ctx, uint32_t pgno, const uint8_t *page, struct err *e)
{
	struct merging *m = ctx;

	m->grown += pgno > m->was;
	if (stop_overdue(e) == -1)
		return -1;
	return replay_write(&m->replay, pgno, page, e);
}

static const struct ltx_sink onto_sums = { take_state, take_sum };

/* The file is whole: is its state the one that it says? */
static int
commit(struct merging *m, const struct ltx_name *n, struct err *e)
{
	if (check_grown(m, n, e) == -1 ||
	    replay_commit(&m->replay, m->h.pages, e) == -1)
		return -1;
	if (ltx_mark_has_sum(&m->h, m->replay.total.hi))
		return 0;
	return err_set(e, ERR_CORRUPT,
	    "what %016" PRIx64 "-%016" PRIx64 ".ltx of level %u leads to is "
	    "not what was shipped",
	    n->min, n->max, n->level);
}

/* The state of that TXID, as a restore finds it. */
static int
replay_until(struct merging *m, uint64_t txid, struct err *e)
{
	const struct ltx_list *l = &m->db->ltx;
	struct ltx_file *v = xcalloc(l->n, sizeof(*v));
	const struct ltx_wish w = { txid, INT64_MAX };
	struct ltx_plan p = { 0 };
	int rc = replay_begin(&m->replay, true, true, e);

	memcpy(v, l->v, l->n * sizeof(*v));
	if (rc == 0 && txid > 0)
		ltx_plan(&p, v, l->n, &w);
	if (rc == 0 && p.txid != txid)
		rc = err_set(
		    e, ERR_CORRUPT, "no files lead to TXID %016" PRIx64, txid);
	for (size_t i = 0; i < p.n && rc == 0; i++) {
		const struct ltx_name *n = &v[p.v[i]].name;

		rc = read_stored(m, n, &onto_sums, e);
		if (rc == 0)
			rc = commit(m, n, e);
	}
	ltx_plan_release(&p);
	free(v);
	return rc;
}

/* -- into one -------------------------------------------------------------- */

static int
take_step(void *ctx, const struct ltx_header *h, struct err *e)
{
	struct merging *m = ctx;
	struct provenance pv;

	m->other = !ltx_marked(h, &pv) ||
	    (!m->first && h->page_size != m->h.page_size);
	m->was = m->first ? m->replay.pages : m->h.pages;
	if (m->first && h->page_size != m->replay.page_size)
		m->was = 0;
	m->h = *h;
	(void)e;
	return 0;
}

static int
take_page(void *ctx, uint32_t pgno, const uint8_t *page, struct err *e)
{
	struct merging *m = ctx;
	struct pagesum at;

	m->grown += pgno > m->was;
	if (stop_overdue(e) == -1)
		return -1;
	if (m->other)
		return 0;
	if (sumtable_get(&m->where, pgno, &at, e) == -1)
		return -1;
	if (at.hi != 0)
		return spool_patch(
		    &m->pages, at.hi - 1, page, m->h.page_size, e);
	at.hi = m->pages.size + 1;
	if (pgno > m->highest)
		m->highest = pgno;
	if (sumtable_put(&m->where, pgno, at, e) == -1)
		return -1;
	return spool_write(&m->pages, page, m->h.page_size, e);
}

static const struct ltx_sink into_one = { take_step, take_page };

/* What is behind the end of the database there is no more. */
static int
drop_pages(struct merging *m, struct err *e)
{
	for (; m->highest > m->h.pages; m->highest--)
		if (sumtable_put(
			&m->where, m->highest, (struct pagesum){ 0 }, e) == -1)
			return -1;
	return 0;
}

static int
gather(struct merging *m, const struct ltx_name *into, struct err *e)
{
	const struct ltx_list *l = &m->db->ltx;
	uint64_t next = into->min;

	m->first = true;
	m->highest = 0;
	if (spool_reset(&m->pages, e) == -1 ||
	    sumtable_reset(&m->where, e) == -1)
		return -1;
	for (size_t i = 0; i < l->n && next <= into->max; i++) {
		const struct ltx_name *n = &l->v[i].name;

		if (n->level != 0 || n->min != next)
			continue;
		if (read_stored(m, n, &into_one, e) == -1)
			return -1;
		if (m->other)
			return LEFT;
		if (check_grown(m, n, e) == -1 || drop_pages(m, e) == -1)
			return -1;
		next = n->max + 1;
		m->first = false;
	}
	if (next == into->max + 1)
		return 0;
	return err_set(e, ERR_CORRUPT,
	    "level 0 has no file that brings TXID %016" PRIx64, next);
}

static int
write_one(struct merging *m, const struct prune_merge *it, struct err *e)
{
	const struct ltx_name *n = &it->name;
	struct ltx_header h = { .min = n->min,
		.max = n->max,
		.pages = m->h.pages,
		.captured_ns = m->h.captured_ns };
	uint32_t size = m->h.page_size;
	struct pagesum at;

	ltx_mark_merged(&h, &m->h, it->stored_ns);
	if (ltx_write_begin(m->writer, &m->out, size, false, e) == -1)
		return -1;
	for (uint32_t i = 1; i <= m->highest; i++) {
		if (sumtable_get(&m->where, i, &at, e) == -1 ||
		    stop_overdue(e) == -1)
			return -1;
		if (at.hi == 0)
			continue;
		if (spool_read(&m->pages, at.hi - 1, m->page, size, e) == -1 ||
		    ltx_write_page(m->writer, i, m->page, e) == -1)
			return -1;
	}
	return ltx_write_end(m->writer, &h, e);
}

/* Its bytes, as a restore would read them. */
static int
prove(struct merging *m, const struct ltx_name *n, struct err *e)
{
	uint64_t at = 0, after;
	size_t k;

	m->grown = 0;
	ltx_read_begin(m->reader, n, &onto_sums, m);
	for (; at < m->out.size; at += k) {
		k = m->out.size - at < PIECE ? (size_t)(m->out.size - at)
					     : PIECE;
		if (spool_read(&m->out, at, m->page, k, e) == -1 ||
		    ltx_read_feed(m->reader, m->page, k, e) == -1)
			return -1;
	}
	if (ltx_read_finish(m->reader, &after, e) == -1)
		return -1;
	return commit(m, n, e);
}

/* -- to the replica -------------------------------------------------------- */

/* Modes and owners, which go with the last of those that are merged. */
static int
read_note(struct merging *m, const struct ltx_name *into, struct buf *note,
    struct err *e)
{
	struct ltx_name last = { 0, into->max, into->max };
	struct store *s = m->db->store;
	struct buf key = { 0 };
	int rc;

	ltx_key(&key, m->db->key, m->db->how, &last);
	rc = s->ops->note(s, buf_str(&key), note, e);
	buf_release(&key);
	return rc;
}

static int
put(struct merging *m, const struct prune_merge *it, struct err *e)
{
	struct buf key = { 0 }, note = { 0 };
	struct store_stage st = { .bytes = &m->out, .timed = true };
	int rc = read_note(m, &it->name, &note, e);

	ltx_key(&key, m->db->key, m->db->how, &it->name);
	st.key = buf_str(&key);
	st.mtime_ns =
	    m->db->store->ops->traits.times ? it->stored_ns : m->h.captured_ns;
	st.note = rc == 1 ? buf_str(&note) : NULL;
	if (rc != -1)
		rc = prune_put(m->db, &st, e);
	buf_release(&key);
	buf_release(&note);
	if (rc == -1 && e->class == ERR_DENIED)
		m->db->unmerged = true;
	/* Another has merged them, too. */
	return rc == -1 && (e->class == ERR_DENIED || e->class == ERR_BUSY) &&
		!stop_requested()
	    ? LEFT
	    : rc;
}

/* Is the first one lspp's?  Asked before all that leads there is read. */
static int
is_own(struct merging *m, uint64_t min, struct err *e)
{
	struct ltx_name first = { 0, min, min };
	struct provenance pv;
	struct buf key = { 0 };
	int rc;

	ltx_key(&key, m->db->key, m->db->how, &first);
	rc = ltx_mark_peek(m->db->store, buf_str(&key), &pv, e);
	buf_release(&key);
	return rc;
}

static int
merge_all(struct merging *m, const struct prune_merges *all, struct err *e)
{
	uint64_t min = all->v[0].name.min;
	int rc = is_own(m, min, e);

	if (rc != 1)
		return rc == 0 ? LEFT : -1;
	rc = replay_until(m, min - 1, e);
	for (size_t i = 0; i < all->n && rc == 0; i++) {
		const struct ltx_name *n = &all->v[i].name;

		if ((rc = gather(m, n, e)) == 0)
			rc = write_one(m, &all->v[i], e);
		if (rc == 0)
			rc = prove(m, n, e);
		if (rc == 0)
			rc = put(m, &all->v[i], e);
		if (rc == 0) {
			m->db->into++;
			m->db->merged += n->max - n->min + 1;
		}
	}
	return rc;
}

static void
begin(struct merging *m, struct prune_db *db, const char *tmp)
{
	m->db = db;
	m->reader = ltx_read_new();
	m->writer = ltx_write_new();
	m->page = xmalloc(PIECE);
	replay_init(&m->replay, tmp);
	spool_init(&m->out, tmp, IN_MEMORY);
	spool_init(&m->pages, tmp, IN_MEMORY);
	sumtable_init(&m->where, tmp);
}

static void
end(struct merging *m)
{
	ltx_read_free(m->reader);
	ltx_write_free(m->writer);
	free(m->page);
	replay_release(&m->replay);
	spool_release(&m->out);
	spool_release(&m->pages);
	sumtable_release(&m->where);
}

int
prune_ltx_merge(struct prune_db *db, const struct prune_merges *all,
    const char *tmp, struct err *e)
{
	struct merging m = { 0 };
	int rc;

	begin(&m, db, tmp);
	rc = merge_all(&m, all, e);
	/* Two looks have to agree. */
	if (rc == -1 && e->class == ERR_CORRUPT)
		rc = merge_all(&m, all, e);
	end(&m);
	if (rc == -1 && e->class == ERR_CORRUPT)
		err_hint(e, "nothing is merged or pruned: see lspp-verify(1)");
	return rc == -1 ? -1 : 0;
}
