/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lspp-prune merges, of random histories: each merged file leads from every
 * state that it stands for to its end, page for page; and of a history with
 * damage nothing is put that does not.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/prune/prune_ltx.h"
#include "lib/replica/ltx/ltx_mark.h"
#include "lib/replica/ltx/ltx_read.h"
#include "lib/replica/wal/provenance.h"
#include "lib/sqlite/pagesum.h"
#include "lib/sys/spool.h"
#include "tests/unit/ltx_history.h"

/* -- a store that takes objects -------------------------------------------- */

static struct staged *
stage(struct store *s, const struct store_stage *st, struct err *e)
{
	struct staged *x = xcalloc(1, sizeof(*x));
	struct mem_object *o = mem_find(st->key);
	uint8_t *p = xmalloc((size_t)st->bytes->size);

	(void)s;
	if (spool_read(st->bytes, 0, p, (size_t)st->bytes->size, e) == -1)
		abort();
	if (o == NULL)
		mem_put(st->key, p, (size_t)st->bytes->size, st->mtime_ns);
	else if (o->data.len != st->bytes->size ||
	    memcmp(o->data.data, p, o->data.len) != 0)
		x->rc = err_set(&x->e, ERR_BUSY, "other bytes");
	free(p);
	return x;
}

static void
publish(struct store *s, struct staged **list, size_t n)
{
	(void)s;
	(void)list;
	(void)n;
}

static void
drop(struct store *s, struct staged *st)
{
	(void)s;
	free(st);
}

static int
note(struct store *s, const char *key, struct buf *b, struct err *e)
{
	(void)s;
	(void)key;
	(void)b;
	(void)e;
	return 0;
}

static struct store_ops ops;
static struct store store;

/* -- a history of lspp's --------------------------------------------------- */

static void
put_step(uint32_t t, unsigned level)
{
	uint64_t min = level == 0 ? t : 1;
	struct ltx_name n = { level, min, t };
	struct ltx_made m = { 0 };
	struct ltx_header h = { 0 };
	struct provenance pv = { .writer = { 1, 2, 3 } };
	struct buf key = { 0 };

	for (uint32_t i = 1; i <= pages[t]; i++)
		pagesum_xor(&pv.sum, pagesum_of(i, image[t][i], MEM_PAGE));
	ltx_mark(&h, level == 0 ? LTX_STEP : LTX_SNAPSHOT, &pv);
	ltx_make(&m, LTX_NO_SUMS, MEM_PAGE, pages[t], min, t,
	    T0 + 1000 * (int64_t)t);
	be64_put(m.out.data + 72, h.node);
	memcpy(m.out.data + 80, h.reserved, sizeof(h.reserved));
	for (uint32_t i = 1; i <= pages[t]; i++)
		if (min == 1 || wrote[t][i])
			ltx_page(&m, i, image[t][i]);
	ltx_end(&m, 0);
	ltx_key(&key, "a", LTX_LEVELS_DIR, &n);
	mem_put(buf_str(&key), m.out.data, m.out.len, (int64_t)t * S);
	buf_release(&key);
	ltx_made_release(&m);
}

/* From which TXID on there are files of level 0. */
static uint32_t
make_steps(void)
{
	uint32_t from;

	mem_clear();
	states = 3 + draw(STATES - 2);
	pages[0] = 0;
	for (uint32_t t = 1; t <= states; t++)
		make_state(t);
	from = 1 + draw(2) * (1 + draw(states - 2));
	for (uint32_t t = 1; t <= states; t++)
		if (t + 1 >= from)
			put_step(t, t >= from ? 0 : LTX_SNAPSHOTS);
	return from;
}

static void
choose(struct prune_merges *m, uint32_t from)
{
	uint64_t min = from;

	*m = (struct prune_merges){ .v = xcalloc(STATES + 1, sizeof(*m->v)) };
	for (uint32_t t = from; t < states; t++)
		if (draw(3) == 0) {
			m->v[m->n++] =
			    (struct prune_merge){ { 1, min, t }, t * S };
			min = t + 1;
		}
}

/* -- what was put ---------------------------------------------------------- */

static uint8_t copy[PAGES + 1][MEM_PAGE];
static uint32_t copy_pages;

static int
take_header(void *ctx, const struct ltx_header *h, struct err *e)
{
	struct provenance pv;

	(void)ctx;
	copy_pages = h->pages;
	if (!ltx_marked(h, &pv) || ltx_mark_stored(h) != (int64_t)h->max * S ||
	    h->captured_ns != (T0 + 1000 * (int64_t)h->max) * 1000000)
		return err_set(e, ERR_BUG, "its header");
	return 0;
}

static int
take_page(void *ctx, uint32_t pgno, const uint8_t *page, struct err *e)
{
	(void)ctx;
	(void)e;
	memcpy(copy[pgno], page, MEM_PAGE);
	return 0;
}

/* Does it lead from that state to its end? */
static bool
leads(struct ltx_read *r, const struct mem_object *o, const struct ltx_name *n,
    uint64_t from)
{
	static const struct ltx_sink sink = { take_header, take_page };
	uint64_t after;
	struct err e;

	memset(copy, 0xee, sizeof(copy));
	for (uint32_t i = 1; i <= pages[from]; i++)
		memcpy(copy[i], image[from][i], MEM_PAGE);
	ltx_read_begin(r, n, &sink, NULL);
	if (ltx_read_feed(r, o->data.data, o->data.len, &e) == -1 ||
	    ltx_read_finish(r, &after, &e) == -1 || copy_pages != pages[n->max])
		return false;
	for (uint32_t i = 1; i <= copy_pages; i++)
		if (memcmp(copy[i], image[n->max][i], MEM_PAGE) != 0)
			return false;
	return true;
}

/* How many are there?  -1: one is wrong. */
static int
check(const struct prune_merges *m)
{
	struct ltx_read *r = ltx_read_new();
	struct buf key = { 0 };
	int there = 0;

	for (size_t i = 0; i < m->n && there != -1; i++) {
		const struct ltx_name *n = &m->v[i].name;
		const struct mem_object *o;

		buf_reset(&key);
		ltx_key(&key, "a", LTX_LEVELS_DIR, n);
		if ((o = mem_find(buf_str(&key))) == NULL)
			continue;
		there++;
		for (uint64_t t = n->min - 1; t < n->max && there != -1; t++)
			if (!leads(r, o, n, t))
				there = -1;
	}
	buf_release(&key);
	ltx_read_free(r);
	return there;
}

static int
merge(const struct prune_merges *m, struct err *e)
{
	struct prune_db *db = prune_db_new(&store, "a");
	int rc;

	prune_db_load(db);
	rc = db->rc;
	*e = db->e;
	ltx_sort(db->ltx.v, db->ltx.n);
	if (rc == 0)
		rc = prune_ltx_merge(db, m, "/tmp", e);
	prune_db_free(db);
	return rc;
}

static unsigned long merged, refused;

static const char *
one_history(void)
{
	struct prune_merges m;
	const char *bad = NULL;
	struct err e = { 0 };
	bool bent = draw(2);
	int rc, there;

	choose(&m, make_steps());
	if (m.n == 0) {
		prune_merges_release(&m);
		return NULL;
	}
	if (bent)
		damage();
	rc = merge(&m, &e);
	there = check(&m);
	merged += there > 0 ? (unsigned long)there : 0;
	refused += rc == -1;
	if (there == -1)
		bad = "what is put leads to what was shipped";
	else if (!bent && (rc == -1 || (size_t)there != m.n))
		bad = "what is sound is merged";
	else if (rc == -1 && e.class != ERR_CORRUPT && e.class != ERR_MISSING)
		bad = "damage is told";
	else if (!bent && (merge(&m, &e) == -1 || check(&m) != there))
		bad = "once more is as once";
	prune_merges_release(&m);
	return bad;
}

int
main(void)
{
	const char *soak = getenv("LSPP_SOAK"), *given = getenv("LSPP_SEED");
	unsigned long rounds = soak != NULL ? 20000 : 500, i;
	unsigned long long first = given != NULL
	    ? strtoull(given, NULL, 10)
	    : (unsigned long long)time(NULL);
	const char *bad = NULL;

	ops = mem_ops;
	ops.stage = stage;
	ops.publish = publish;
	ops.drop = drop;
	ops.note = note;
	ops.traits.times = true;
	store = mem_store;
	store.ops = &ops;
	printf("# LSPP_SEED=%llu\n", first);
	for (i = 0; i < rounds && bad == NULL; i++) {
		seed = first + i;
		(void)draw(2);
		bad = one_history();
	}
	ok(bad == NULL, "what is merged is what was shipped");
	if (bad != NULL)
		printf("# LSPP_SEED=%llu: %s\n", first + i - 1, bad);
	printf("# %lu merged, %lu refused\n", merged, refused);
	ok(merged > rounds / 2 && refused > rounds / 20,
	    "there was some of each");
	mem_clear();
	return done();
}
