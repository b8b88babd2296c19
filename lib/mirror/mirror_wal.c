/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows a state in the layout of Litestream 0.3: segments of its
 * generation.
 */
#include <inttypes.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/mirror/mirror_impl.h"
#include "lib/replica/history.h"
#include "lib/replica/wal/object.h"
#include "lib/store/store.h"

/* The segments, and the one that is read. */
struct reading {
	struct mirror *m;
	struct mirror_tools *t;
	struct history h;
	struct buf key;
	bool open;  /* a transaction is: its commit has not come */
	bool ended; /* the generation is, by an object that says so */
};

/* A page is in no transaction unless what was read so far pays for it. */
static int
take_frame(
    void *ctx, const struct wal_frame *f, const uint8_t *page, struct err *e)
{
	struct reading *x = ctx;
	struct stage *s = &x->t->stage;
	uint32_t missing;

	if (f->pgno == 0 || f->pgno > s->pages + s->growth.bytes)
		return err_set(e, ERR_CORRUPT,
		    "a frame is for page %" PRIu32 " of %" PRIu32, f->pgno,
		    s->pages);
	x->open = f->commit == 0;
	if (stage_page(s, f->pgno, page, e) == -1)
		return -1;
	return x->open ? 0 : stage_commit(s, f->commit, &missing, e);
}

static int
take_bytes(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	struct reading *x = ctx;

	return walread_feed(&x->t->wal, p, n, take_frame, x, e);
}

static int
feed(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	struct reading *x = ctx;

	tail_feed(&x->t->tail, p, n);
	return object_dec_feed(x->t->dec, p, n, e);
}

/* What an object says of itself, where it does. */
static int
check(const struct reading *x, const struct layout_name *name,
    const struct provenance *pv, struct err *e)
{
	uint64_t raw = object_dec_raw(x->t->dec);

	if (provenance_check(pv, x->m->is.line, name, e) == -1)
		return -1;
	if (pv->length != raw)
		return err_set(e, ERR_CORRUPT,
		    "holds %" PRIu64 " bytes instead of %" PRIu64, raw,
		    pv->length);
	return 0;
}

static bool
leads_there(const struct stage *s, const struct provenance *pv)
{
	return pv->page_size == s->page_size && pv->pages == s->pages &&
	    pagesum_equal(pv->sum, s->total);
}

/* The object, whose key is in x->key: 1; 0: it ends the generation; -1. */
static int
read_object(struct reading *x, const struct history_object *o,
    struct provenance *pv, bool *has, struct err *e)
{
	const struct layout_name name = { LAYOUT_SEGMENT, o->at };
	struct store *s = x->m->conf.store;
	struct mirror_tools *t = x->t;

	t->tail.n = 0;
	growth_read(&t->stage.growth, o->size);
	object_dec_begin(t->dec, take_bytes, x, OBJECT_SEGMENT_MAX);
	if (s->ops->get(s, buf_str(&x->key), 0, UINT64_MAX, feed, x, e) == -1 ||
	    object_dec_finish(t->dec, pv, has, e) == -1)
		return -1;
	if (*has && check(x, &name, pv, e) == -1)
		return -1;
	if (!*has && !x->m->is.plain)
		return err_set(e, ERR_CORRUPT,
		    "has no provenance, as those before it have");
	return object_dec_raw(t->dec) > 0;
}

/*
 * One segment more.  1; 0: nothing follows it that is known to do so; -1.
 * known: what comes before it is what is in the copy.
 */
static int
read_segment(struct reading *x, const struct history_object *o, bool known,
    struct state *to, struct err *e)
{
	struct mirror_tools *t = x->t;
	struct state next = *to;
	struct provenance pv;
	bool has;
	int rc = read_object(x, o, &pv, &has, e);

	x->ended = rc == 0;
	if (rc != 1)
		return rc;
	if (x->open || walread_is_cut(&t->wal))
		return 1; /* the next one has the rest */
	if (has ? !leads_there(&t->stage, &pv) : !known)
		return 0;
	next.at = o->at;
	next.end = walread_at(&t->wal);
	next.snapshot = false;
	walread_chain(&t->wal, &next.chain);
	next.as_of_ns = has ? pv.captured_ns : o->mtime_ns;
	next.anchor = tail_anchor(&t->tail);
	if (stage_mark(&t->stage, &next, e) == -1)
		return -1;
	*to = next;
	return 1;
}

/* Those of the list that come behind the copy's. */
static size_t
first_behind(const struct history_list *l, const struct state *s)
{
	return history_below(l, s->snapshot ? s->at : s->at + 1);
}

static int
read_segments(struct reading *x, const struct history_generation *g, bool known,
    struct state *to, struct err *e)
{
	const struct codec *codec = x->h.codec;
	struct walread *wal = &x->t->wal;
	int rc = 1;

	walread_go_on(wal, to->end, &to->chain, to->page_size);
	for (size_t i = first_behind(&g->segments, to);
	     i < g->segments.n && rc == 1; i++) {
		const struct history_object *o = &g->segments.v[i];
		uint64_t end = walread_at(wal);

		if (x->t->stage.spool.size > STAGE_MAX && x->t->stage.any)
			break;
		if (o->at != end) {
			if (x->open || walread_is_cut(wal) ||
			    o->at != codec->next_log(end))
				return 0;
			walread_start(wal, o->at, to->page_size);
		} else if (!codec->begins_log(o->at)) {
			known = true; /* by the chain */
		}
		history_key(&x->h, g, LAYOUT_SEGMENT, o, &x->key);
		rc = read_segment(x, o, known, to, e);
		if (rc == -1)
			err_in(e, "%s", buf_str(&x->key));
	}
	return x->ended ? 1 : rc;
}

/* Where the newest state is that p leads to. */
static uint64_t
newest(const struct restore_plan *p)
{
	return p->segments > 0 ? p->segment[p->segments - 1].at : p->snapshot;
}

int
follow_wal(struct mirror *m, struct mirror_tools *t,
    const struct restore_plan *p, struct state *to, struct err *e)
{
	struct reading x = { .m = m, .t = t };
	int rc;

	*to = m->is;
	if (strcmp(p->generation, m->is.line) != 0)
		return 0;
	if (newest(p) < m->is.at ||
	    (newest(p) == m->is.at && p->segments == 0 && !m->is.snapshot))
		return rewound(e, "what was applied last is not in it");
	rc = anchor_holds(m, e);
	if (rc == -1 || m->is.end == UINT64_MAX)
		return rc == -1 ? -1 : 0;
	t->wal.growth = &t->stage.growth;
	if (history_read(
		&x.h, m->conf.store, m->conf.key, m->is.line, true, e) == -1) {
		history_release(&x.h);
		return -1;
	}
	if (x.h.n == 1)
		rc = read_segments(&x, &x.h.v[0], rc == 1, to, e);
	/* A snapshot where the copy stands is what the copy is. */
	if (rc == 1 && !t->stage.any &&
	    newest(p) > p->codec->snapshot(m->is.end))
		rc = 0;
	/* What is damaged, a snapshot behind it may pass over. */
	if (rc == -1 && e->class == ERR_CORRUPT && !t->stage.any &&
	    p->snapshot > m->is.at)
		rc = 0;
	history_release(&x.h);
	buf_release(&x.key);
	return rc;
}
