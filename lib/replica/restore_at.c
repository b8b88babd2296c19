/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of a state whose place is known, without a listing.
 *
 * In the layout of Litestream 0.3 the chain is followed from the snapshot on: an
 * object says how long it is, so the next one has one of two names, behind it or
 * at the beginning of the next log.  That is one small read each.  In LTX all
 * names are known: the snapshot's, and a TXID a step.  One small read is of the
 * last one.  Where a step is not under its name, since lspp-prune merged it, the
 * database is listed, once.
 *
 * The last object says which state it leads to, which has to be the one that is
 * wanted; so a chain of another history is not taken for it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/format.h"
#include "lib/replica/ltx/ltx_list.h"
#include "lib/replica/ltx/ltx_mark.h"
#include "lib/replica/peek.h"
#include "lib/replica/restore_ltx.h"
#include "lib/replica/restore_plan.h"
#include "lib/store/store.h"

struct following {
	struct store *s;
	const char *db;
	const struct restore_at *at;
	const struct codec *codec;
	struct buf key;       /* of what was looked at last */
	struct provenance pv; /* that says this */
};

/* What n bytes become at most when they are packed into one object: its size
 * is known only to a listing. */
static uint64_t
packed(uint64_t n)
{
	return n + n / 255 + 4096;
}

/* 1: it is there; 0: it is not; -1. */
static int
look(struct following *f, enum layout_kind kind, uint64_t at, struct err *e)
{
	const struct layout_name name = { kind, at };
	int rc;

	buf_reset(&f->key);
	f->codec->key(&f->key, f->db, f->at->pos.line, &name);
	rc = peek(f->s, buf_str(&f->key), &f->pv, e);
	if (rc == -1 && e->class == ERR_MISSING)
		return 0;
	if (rc == 0)
		rc = err_set(e, ERR_CORRUPT, "does not say what it is");
	else if (rc == 1 &&
	    provenance_check(&f->pv, f->at->pos.line, &name, e) == -1)
		rc = -1;
	return rc == -1 ? err_in(e, "%s", buf_str(&f->key)) : rc;
}

static int
gone(const struct following *f, struct err *e)
{
	return err_set(e, ERR_MISSING,
	    "%s is not there: what led to this state was pruned, or is lost",
	    buf_str(&f->key));
}

static int
other(const struct following *f, struct err *e)
{
	return err_set(e, ERR_CORRUPT,
	    "%s does not lead to the state that is wanted", buf_str(&f->key));
}

static void
add_segment(struct restore_plan *p, uint64_t at, const struct provenance *pv)
{
	size_t n = p->segments++;

	if ((n & (n - 1)) == 0)
		p->segment = xrealloc(
		    p->segment, (n == 0 ? 1 : 2 * n) * sizeof(*p->segment));
	p->segment[n] =
	    (struct plan_segment){ at, pv->captured_ns, packed(pv->length) };
	p->bytes += p->segment[n].bytes;
}

/* The segments, from the snapshot to the place; *at becomes where they end.  One
 * that says it has no length, or so much that it wraps, would lead to itself or
 * back. */
static int
follow(struct following *f, struct restore_plan *p, uint64_t *at, struct err *e)
{
	const struct codec *c = f->codec;
	uint64_t to;
	int rc;

	for (uint32_t n = 0; n < f->at->segments; n++) {
		if (*at > f->at->pos.at)
			return other(f, e);
		rc = look(f, LAYOUT_SEGMENT, *at, e);
		if (rc == 0 && !c->begins_log(*at)) {
			*at = c->next_log(*at);
			rc = look(f, LAYOUT_SEGMENT, *at, e);
		}
		if (rc != 1)
			return rc == 0 ? gone(f, e) : -1;
		to = c->behind(*at, f->pv.length, (uint64_t)UINT32_MAX + 1);
		if (to <= *at)
			return other(f, e);
		add_segment(p, *at, &f->pv);
		*at = to;
	}
	return 0;
}

static int
plan_wal(struct following *f, struct restore_plan *p, struct err *e)
{
	const struct restore_at *a = f->at;
	uint64_t at = a->snapshot;
	int rc;

	p->codec = f->codec;
	memcpy(p->generation, a->pos.line, sizeof(p->generation));
	p->snapshot = a->snapshot;
	p->snapshot_ns = a->captured_ns;
	p->bytes = p->snapshot_bytes =
	    packed((uint64_t)a->pages * a->page_size);
	if (a->segments == 0 && (rc = look(f, LAYOUT_SNAPSHOT, at, e)) != 1)
		return rc == 0 ? gone(f, e) : -1;
	if (follow(f, p, &at, e) == -1)
		return -1;
	if (at != a->pos.at && f->codec->next_log(at) != a->pos.at)
		return other(f, e);
	if (!pagesum_equal(f->pv.sum, a->sum) || f->pv.pages != a->pages)
		return other(f, e);
	p->until_ns = f->pv.captured_ns;
	return 0;
}

/* -- LTX ------------------------------------------------------------------- */

/* Does the last file of the plan lead to that state, as far as it says? */
static int
check_last(struct following *f, struct restore_plan *p, struct err *e)
{
	const struct restore_ltx *x = p->ltx;
	size_t last = x->plan.n - 1;
	struct ltx_header h;

	restore_ltx_key(x, f->db, last, &f->key);
	if (ltx_peek(f->s, f->db, x->how, &x->files.v[x->plan.v[last]].name, &h,
		e) == -1)
		return -1;
	if (!ltx_mark_has_sum(&h, f->at->sum.hi) || h.pages != f->at->pages)
		return other(f, e);
	p->until_ns = h.captured_ns;
	return 0;
}

/* The snapshot and all steps behind it, under their own names.  TXID 1 needs no
 * snapshot. */
static void
name_all(struct following *f, struct restore_plan *p)
{
	const struct restore_at *a = f->at;
	uint64_t most = packed((uint64_t)a->pages * a->page_size), txid;
	size_t n = (size_t)a->segments + 1;
	struct restore_ltx *x = xcalloc(1, sizeof(*x));

	p->ltx = x;
	memcpy(p->generation, "ltx", sizeof("ltx"));
	x->how = f->s->ops->traits.flat ? LTX_LEVELS_FLAT : LTX_LEVELS_DIR;
	x->files.v = xcalloc(n, sizeof(*x->files.v));
	x->files.n = x->files.cap = n;
	x->plan.v = xcalloc(n, sizeof(*x->plan.v));
	x->plan.n = n;
	x->plan.txid = x->plan.wanted = x->wanted = a->pos.at - 1;
	x->wish = (struct ltx_wish){ x->wanted, INT64_MAX };
	p->segments = n - 1;
	p->segment = xcalloc(n, sizeof(*p->segment));
	p->bytes = p->snapshot_bytes = most;
	for (size_t i = 0; i < n; i++) {
		txid = a->snapshot - 1 + i;
		x->files.v[i].name = i == 0 && txid > 1
		    ? (struct ltx_name){ LTX_SNAPSHOTS, 1, txid }
		    : (struct ltx_name){ 0, txid, txid };
		x->plan.v[i] = i;
		if (i > 0)
			p->bytes += p->segment[i - 1].bytes = most;
	}
}

static int
list(struct following *f, const struct restore_want *w, struct restore_plan *p,
    struct err *e)
{
	struct restore_want by_txid = RESTORE_WANT;

	restore_plan_release(p);
	by_txid.txid = f->at->pos.at - 1;
	by_txid.format = RESTORE_LTX;
	by_txid.crew = w->crew;
	if (restore_plan(f->s, f->db, &by_txid, p, e) == -1)
		return -1;
	return check_last(f, p, e);
}

/* Beyond that a chain is not believed before it is listed. */
enum { STEPS_MAX = 1 << 16 };

static int
plan_ltx(struct following *f, const struct restore_want *w,
    struct restore_plan *p, struct err *e)
{
	if (f->at->look || f->at->segments > STEPS_MAX)
		return list(f, w, p, e);
	name_all(f, p);
	p->unlisted = true;
	if (check_last(f, p, e) == 0)
		return 0;
	return e->class == ERR_MISSING ? list(f, w, p, e) : -1;
}

int
restore_plan_at(struct store *s, const char *db, const struct restore_want *w,
    struct restore_plan *p, struct err *e)
{
	struct following f = {
		.s = s,
		.db = db,
		.at = w->exact,
		.codec = format_codec(w->exact->format, s->ops->traits.flat),
	};
	int rc;

	memset(p, 0, sizeof(*p));
	if (f.at->format == FORMAT_LTX) {
		rc = plan_ltx(&f, w, p, e);
	} else {
		p->unlisted = true;
		rc = plan_wal(&f, p, e);
	}
	buf_release(&f.key);
	return rc;
}
