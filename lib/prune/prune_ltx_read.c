/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has to be read of files in LTX before anything goes.
 */
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/prune/prune_ltx.h"
#include "lib/replica/ltx/ltx_mark.h"
#include "lib/replica/ltx/ltx_read.h"
#include "lib/replica/wal/provenance.h"
#include "lib/store/store.h"
#include "lib/sys/stop.h"

uint64_t
prune_ltx_key(const struct prune_db *db, size_t at, struct buf *b)
{
	buf_reset(b);
	ltx_key(b, db->key, db->how, &db->ltx.v[at].name);
	return db->ltx.v[at].size;
}

size_t
prune_ltx_last(const struct prune_db *db)
{
	const struct ltx_file *v = db->ltx.v;
	size_t last = SIZE_MAX;

	for (size_t i = 0; i < db->ltx.n; i++)
		if (v[i].name.level == 0 &&
		    (last == SIZE_MAX || v[i].name.max > v[last].name.max))
			last = i;
	return last;
}

int
prune_ltx_is_own(const struct prune_db *db, struct err *e)
{
	size_t last = prune_ltx_last(db);
	struct provenance pv;
	struct buf key = { 0 };
	int rc;

	if (last == SIZE_MAX)
		return 0;
	(void)prune_ltx_key(db, last, &key);
	rc = ltx_mark_peek(db->store, buf_str(&key), &pv, e);
	buf_release(&key);
	return rc;
}

static int
no_header(void *ctx, const struct ltx_header *h, struct err *e)
{
	(void)ctx;
	(void)h;
	(void)e;
	return 0;
}

static int
no_page(void *ctx, uint32_t pgno, const uint8_t *page, struct err *e)
{
	(void)ctx;
	(void)pgno;
	(void)page;
	return stop_overdue(e);
}

static int
read_one(const struct prune_db *db, struct ltx_read *r, size_t at,
    const char *key, struct err *e)
{
	static const struct ltx_sink sink = { no_header, no_page };
	struct store *s = db->store;
	uint64_t after;

	ltx_read_begin(r, &db->ltx.v[at].name, &sink, NULL);
	if (s->ops->get(s, key, 0, UINT64_MAX, ltx_read_feed, r, e) == -1)
		return -1;
	return ltx_read_finish(r, &after, e);
}

int
prune_ltx_prove(
    const struct prune_db *db, const struct prune_plan *plan, struct err *e)
{
	struct ltx_read *r = plan->proofs > 0 ? ltx_read_new() : NULL;
	struct buf key = { 0 };
	int rc = 0;

	for (size_t i = 0; i < plan->proofs && rc == 0; i++) {
		(void)prune_ltx_key(db, plan->prove[i], &key);
		rc = read_one(db, r, plan->prove[i], buf_str(&key), e);
		/* Two looks have to agree. */
		if (rc == -1 && e->class == ERR_CORRUPT)
			rc = read_one(db, r, plan->prove[i], buf_str(&key), e);
		if (rc == -1 && e->class == ERR_CORRUPT) {
			err_in(e, "%s", buf_str(&key));
			err_hint(e,
			    "nothing is pruned: other files lead to the same "
			    "state, and would have gone");
		}
	}
	ltx_read_free(r);
	buf_release(&key);
	return rc;
}
