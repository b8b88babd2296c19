/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows a state in LTX: files of levels 0 to 8, as Litestream's own
 * followers have it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/err.h"
#include "lib/mirror/mirror_impl.h"
#include "lib/replica/ltx/ltx_mark.h"
#include "lib/replica/ltx/ltx_plan.h"
#include "lib/replica/ltx/ltx_read.h"
#include "lib/replica/ltx/ltx_sum.h"
#include "lib/replica/restore_ltx.h"
#include "lib/replica/wal/provenance.h"
#include "lib/store/store.h"

/* A file that is read. */
struct reading {
	struct mirror_tools *t;
	struct ltx_header h;
	uint32_t grown; /* pages that it adds */
	bool other;     /* it cannot be applied, though it may be sound */
};

static int
take_header(void *ctx, const struct ltx_header *h, struct err *e)
{
	struct reading *x = ctx;

	x->h = *h;
	x->other = h->summed || h->page_size != x->t->stage.page_size;
	return x->other ? err_set(e, ERR_CONFIG, "another kind of file") : 0;
}

static int
take_page(void *ctx, uint32_t pgno, const uint8_t *page, struct err *e)
{
	struct reading *x = ctx;

	x->grown += pgno > x->t->stage.pages;
	return stage_page(&x->t->stage, pgno, page, e);
}

static int
feed(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	struct reading *x = ctx;

	tail_feed(&x->t->tail, p, n);
	return ltx_read_feed(x->t->ltx, p, n, e);
}

/* What a file makes the database grow by it brings: counted before it is
 * believed. */
static int
commit(struct stage *s, uint32_t grown, uint32_t pages, struct err *e)
{
	uint32_t need = pages > s->pages ? pages - s->pages : 0, missing;
	uint32_t lock = ltx_lock_page(s->page_size);

	if (lock > s->pages && lock <= pages)
		need--;
	if (grown != need)
		return err_set(e, ERR_CORRUPT,
		    "makes the database grow by %" PRIu32 " pages and has "
		    "%" PRIu32 " of them",
		    need, grown);
	return stage_commit(s, pages, &missing, e);
}

/* Is the state that a file of lspp's says it leads to what is staged?  What does
 * not say it follows only what is known. */
static bool
leads_there(const struct stage *s, const struct ltx_header *h, bool known)
{
	struct provenance pv;

	return ltx_marked(h, &pv) ? ltx_mark_has_sum(h, s->total.hi) : known;
}

/*
 * 1; 0: only a whole restore leads on: it is of another kind, or not known to
 * follow; -1.
 */
static int
read_file(struct mirror *m, struct mirror_tools *t, const char *key,
    const struct ltx_name *name, bool known, struct state *to, struct err *e)
{
	static const struct ltx_sink sink = { take_header, take_page };
	struct store *s = m->conf.store;
	struct reading x = { .t = t };
	struct state next = *to;
	uint64_t after;

	t->tail.n = 0;
	ltx_read_begin(t->ltx, name, &sink, &x);
	if (s->ops->get(s, key, 0, UINT64_MAX, feed, &x, e) == -1 ||
	    ltx_read_finish(t->ltx, &after, e) == -1)
		return x.other ? 0 : -1;
	next.at = name->max;
	next.level = name->level;
	next.min = name->min;
	next.as_of_ns = x.h.captured_ns;
	next.anchor = tail_anchor(&t->tail);
	if (commit(&t->stage, x.grown, x.h.pages, e) == -1)
		return -1;
	if (!leads_there(&t->stage, &x.h, known))
		return 0;
	if (stage_mark(&t->stage, &next, e) == -1)
		return -1;
	*to = next;
	return 1;
}

static int
read_files(struct mirror *m, struct mirror_tools *t,
    const struct restore_ltx *l, const struct ltx_plan *p, bool known,
    struct state *to, struct err *e)
{
	struct buf key = { 0 };
	int rc = 1;

	for (size_t i = 0; i < p->n && rc == 1; i++) {
		const struct ltx_name *n = &l->files.v[p->v[i]].name;

		if (t->stage.spool.size > STAGE_MAX)
			break;
		buf_reset(&key);
		ltx_key(&key, m->conf.key, l->how, n);
		rc = read_file(m, t, buf_str(&key), n, known || i > 0, to, e);
		if (rc == -1)
			err_in(e, "%s", buf_str(&key));
	}
	buf_release(&key);
	return rc;
}

/* What is damaged, the files that a whole restore begins with may pass over. */
static bool
is_passed_over(const struct mirror *m, const struct mirror_tools *t,
    const struct restore_ltx *l)
{
	return !t->stage.any && l->files.v[l->plan.v[0]].name.max > m->is.at;
}

int
follow_ltx(struct mirror *m, struct mirror_tools *t,
    const struct restore_plan *p, struct state *to, struct err *e)
{
	struct restore_ltx *l = p->ltx;
	struct ltx_plan from;
	char why[128];
	int rc;

	if (l->plan.txid < m->is.at) {
		(void)snprintf(why, sizeof(why),
		    "its newest state is of TXID %016" PRIx64
		    ", the copy's of %016" PRIx64,
		    l->plan.txid, m->is.at);
		return rewound(e, why);
	}
	if ((rc = anchor_holds(m, e)) == -1)
		return -1;
	if (l->plan.txid == m->is.at)
		return 1;
	ltx_plan_from(&from, l->files.v, l->files.n, m->is.at);
	*to = m->is;
	rc = from.n > 0 ? read_files(m, t, l, &from, rc == 1, to, e) : 0;
	ltx_plan_release(&from);
	if (rc == -1 && e->class == ERR_CORRUPT && is_passed_over(m, t, l))
		rc = 0;
	return rc;
}
