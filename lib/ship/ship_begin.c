/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether to look at a replica before a generation begins in it.
 */
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/ship/ship_job.h"
#include "lib/store/store.h"

static int
is_any(void *ctx, const struct store_entry *en, struct err *e)
{
	(void)en;
	(void)e;
	*(bool *)ctx = true;
	return 1;
}

/* What cannot be named is refused when it is to be staged. */
static bool
can_begin(struct ship_job *j)
{
	static const char any[POS_LINE] = "0123456789abcdef";
	struct store *s = j->ship->store;
	struct buf key = { 0 };
	struct err e;
	bool can;

	ship_key(j, &key, LAYOUT_SNAPSHOT, any, 0);
	can = s->ops->can_name(s, buf_str(&key), &e) == 0;
	buf_release(&key);
	return can;
}

/*
 * One listing for a database that has no record, and so once: without it
 * nobody could tell later whether what Litestream wrote is older.  Where it is
 * not allowed, an owner's object that is refused has to do.
 */
int
ship_must_look(struct ship_job *j, struct err *e)
{
	struct store *s = j->ship->store;
	struct buf prefix = { 0 };
	bool any = false;
	int rc = 0;

	if (j->fence.asked || j->ship->conf->dry_run)
		return 0;
	if (j->known)
		return j->ship->conf->new_generation;
	/* The fence may not look, and only counts. */
	if (j->fence.owner > 0)
		return 0;
	if (atomic_load(&j->ship->unlisted) || !can_begin(j))
		return 0;
	j->ship->codec->prefix(&prefix, j->rec.key, NULL);
	rc = s->ops->list(s, buf_str(&prefix), true, is_any, &any, e);
	buf_release(&prefix);
	if (rc == -1 && e->class == ERR_DENIED && s->ops->traits.remote) {
		atomic_store(&j->ship->unlisted, true);
		return 0;
	}
	return rc == -1 ? -1 : any;
}
