/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is there anything new?  One listing, of one page, tells.
 *
 * A replica of a page is listed whole.  Of a larger one what comes behind the
 * object that the copy stands on is: what follows it is there, and behind that
 * other generations.  A generation of lspp's that ends says so there.  One of
 * Litestream's does not, so now and then the generations are listed in place of
 * it.  Likewise what is right below the database: its history may go over to LTX,
 * which is listed before generations.
 */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "lib/base/err.h"
#include "lib/mirror/mirror_impl.h"
#include "lib/replica/ltx/ltx_names.h"
#include "lib/replica/wal/codec.h"
#include "lib/store/store.h"

#define LINES_EVERY 8

void
tail_feed(struct tail *t, const uint8_t *p, size_t n)
{
	size_t keep = n < ANCHOR_TAIL ? ANCHOR_TAIL - n : 0;

	if (keep > t->n)
		keep = t->n;
	memmove(t->p, t->p + t->n - keep, keep);
	if (n > ANCHOR_TAIL - keep) {
		p += n - (ANCHOR_TAIL - keep);
		n = ANCHOR_TAIL - keep;
	}
	memcpy(t->p + keep, p, n);
	t->n = keep + n;
}

uint64_t
tail_anchor(const struct tail *t)
{
	return XXH3_64bits(t->p, t->n);
}

/* Append the key of the object that s stands on. */
static void
anchor_key(const struct mirror *m, const struct state *s, struct buf *key)
{
	const struct ltx_name file = { s->level, s->min, s->at };
	const struct layout_name name = {
		s->snapshot ? LAYOUT_SNAPSHOT : LAYOUT_SEGMENT, s->at
	};

	if (state_is_ltx(s))
		ltx_key(key, m->conf.key,
		    s->flat ? LTX_LEVELS_FLAT : LTX_LEVELS_DIR, &file);
	else
		wal_codec.key(key, m->conf.key, s->line, &name);
}

static int
take_tail(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	(void)e;
	tail_feed(ctx, p, n);
	return 0;
}

int
anchor_read(const struct mirror *m, const struct state *s, uint64_t *anchor,
    struct err *e)
{
	struct store *store = m->conf.store;
	struct buf key = { 0 };
	struct tail t = { .n = 0 };
	int rc;

	anchor_key(m, s, &key);
	rc = store->ops->get(
	    store, buf_str(&key), UINT64_MAX, ANCHOR_TAIL, take_tail, &t, e);
	*anchor = tail_anchor(&t);
	buf_release(&key);
	return rc;
}

int
rewound(struct err *e, const char *why)
{
	err_set(e, ERR_BUSY, "the replica was rewound or replaced: %s", why);
	return err_hint(e,
	    "nothing of it is applied; --follow --force begins the copy anew "
	    "from what is there");
}

int
anchor_holds(const struct mirror *m, struct err *e)
{
	struct buf why = { 0 };
	uint64_t anchor;
	int rc = 1;

	if (anchor_read(m, &m->is, &anchor, e) == -1)
		return e->class == ERR_MISSING ? 0 : -1;
	if (anchor != m->is.anchor) {
		anchor_key(m, &m->is, &why);
		buf_adds(&why, " is not what was applied");
		rc = rewound(e, buf_str(&why));
	}
	buf_release(&why);
	return rc;
}

static int
take_entry(void *ctx, const struct store_entry *en, struct err *e)
{
	uint64_t *h = ctx;
	const uint64_t v[] = { en->size, (uint64_t)en->mtime_ns };

	(void)e;
	*h = XXH3_64bits_withSeed(en->key, strlen(en->key), *h);
	if (!en->prefix)
		*h = XXH3_64bits_withSeed(v, sizeof(v), *h);
	return 0;
}

/* One page: *more, if there is another. */
static int
list_page(struct store *s, const char *prefix, const char *after,
    uint64_t *listed, bool *more, struct err *e)
{
	char *next = NULL;
	int rc = s->ops->list_page(
	    s, prefix, NULL, after, take_entry, listed, &next, e);

	*more = next != NULL;
	free(next);
	return rc;
}

/* From the object on that the copy stands on: its key less the last byte comes
 * right before it. */
static int
list_behind(
    struct mirror *m, const char *prefix, uint64_t *listed, struct err *e)
{
	struct state s = m->is;
	struct buf after = { 0 };
	bool more;
	int rc;

	if (state_is_ltx(&s)) {
		s.level = 0;
		s.min = s.at;
	}
	anchor_key(m, &s, &after);
	after.data[after.len - 1] = '\0';
	rc = list_page(
	    m->conf.store, prefix, (char *)after.data, listed, &more, e);
	buf_release(&after);
	return rc;
}

/* What is right below: is it as it was when that was listed last? */
static int
list_names(struct mirror *m, const char *prefix, uint64_t *was,
    uint64_t *listed, struct err *e)
{
	struct store *s = m->conf.store;
	int rc = s->ops->list(s, prefix, true, take_entry, listed, e);

	if (rc == 0 && *listed == *was)
		*listed = m->listed;
	else
		*was = *listed;
	return rc;
}

int
probe(struct mirror *m, uint64_t *listed, struct err *e)
{
	struct store *s = m->conf.store;
	struct buf prefix = { 0 }, lines = { 0 };
	int rc = 0;

	if (m->conf.key[0] != '\0')
		buf_addf(&prefix, "%s/", m->conf.key);
	*listed = m->large;
	if (!s->ops->traits.flat) {
		rc = s->ops->list(
		    s, buf_str(&prefix), false, take_entry, listed, e);
	} else if (!m->large) {
		rc = list_page(s, buf_str(&prefix), NULL, listed, &m->large, e);
	} else if (!state_is_ltx(&m->is) && ++m->probes % LINES_EVERY == 0) {
		wal_codec.prefix(&lines, m->conf.key, NULL);
		rc = list_names(m, buf_str(&lines), &m->lines, listed, e);
	} else if (!state_is_ltx(&m->is) &&
	    m->probes % LINES_EVERY == LINES_EVERY / 2) {
		rc = list_names(m, buf_str(&prefix), &m->roots, listed, e);
	} else {
		rc = list_behind(m, buf_str(&prefix), listed, e);
	}
	buf_release(&lines);
	buf_release(&prefix);
	return rc;
}
