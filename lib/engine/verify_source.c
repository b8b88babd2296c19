/*
 * The newest state of a replica against the live database, and by way of
 * SQLite.
 */
#include "lib/engine/verify_look.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/engine/restore.h"
#include "lib/engine/source.h"

enum { MAX_HOLD_MS = 150 }; /* of a lock that keeps writers waiting */

#define SECOND INT64_C(1000000000)

/* Pages that are not what the replica has, in one committed state. */
static int
count_other(struct look *l, struct source *src, uint32_t *other, struct err *e)
{
	struct replay *r = &l->v->replay;
	const struct source_state *st;
	struct pagesum sum;
	const uint8_t *page;
	uint32_t pgno;
	int rc = 0;

	while (rc == 0) {
		if (source_begin(src, NULL, 0, true, e) == -1)
			return -1;
		st = source_state(src);
		*other = st->pages > r->pages ? st->pages - r->pages
					      : r->pages - st->pages;
		if (st->page_size != r->page_size)
			*other = st->pages;
		while ((pgno = source_next(src)) != 0 && pgno <= r->pages &&
		    st->page_size == r->page_size) {
			if ((page = source_page(src, pgno, e)) == NULL ||
			    replay_page(r, pgno, &sum, e) == -1)
				return -1;
			*other += !pagesum_equal(
			    sum, pagesum_of(pgno, page, st->page_size));
		}
		rc = source_end(src, e);
	}
	return rc == 1 ? 0 : -1;
}

/*
 * Nothing was written to it since it was shipped: it has the signature of the
 * record that the replica ends with.  Without a record the clock decides.
 */
static bool
untouched(const struct look *l, const struct source_state *st)
{
	if (!l->known)
		return l->has_last &&
		    signature_newest_ns(&st->sig) + SECOND <
		    l->last.captured_ns;
	return !l->rec.racy && signature_equal(&st->sig, &l->rec.sig) &&
	    l->has_last && l->last.captured_ns == l->rec.captured_ns;
}

int
look_source(struct look *l, struct err *e)
{
	const char *path = l->known ? l->rec.path : l->j->path;
	struct source *src = source_open(path, MAX_HOLD_MS, e);
	struct verified *out = l->out;
	int rc = -1;

	if (src == NULL || count_other(l, src, &out->newer, e) == -1) {
		out->unread = true;
		err_in(e, "source %s", path);
		goto out;
	}
	rc = 0;
	out->source = out->newer == 0 ? VERIFY_SAME : VERIFY_NEWER;
	if (out->newer > 0 && untouched(l, source_state(src))) {
		err_set(e, ERR_CORRUPT,
		    "source %s: %" PRIu32
		    " pages are not those in the replica, and nothing was "
		    "written to it since it was shipped",
		    path, out->newer);
		rc = look_fault(l, true, e);
	}
out:
	source_close(src);
	return rc;
}

int
look_sql(struct look *l, struct err *e)
{
	struct verifier *v = l->v;
	struct restore_want want = RESTORE_WANT;
	char *path = xasprintf("%s/.lspp-verify", v->dir);
	struct restore_target t = { .path = path,
		.trusted = strlen(path),
		.force = true,
		.force_open = true,
		.check = RESTORE_CHECK_FULL };
	struct restore_plan p = { 0 };
	struct restored *r = NULL;
	int rc;

	if (v->restorer == NULL)
		v->restorer = restorer_new(NULL);
	rc = restore_plan(l->j->store, l->j->db, &want, &p, e);
	if (rc == 0)
		rc = restore_stage(
		    v->restorer, l->j->store, l->j->db, &p, &t, &r, e);
	restored_drop(r);
	restore_plan_release(&p);
	free(path);
	if (rc == 0)
		return 0;
	/* It is what was shipped: beginning anew would change nothing. */
	if (e->class == ERR_CORRUPT)
		err_in(e, "it restores to what was shipped");
	return look_fault(l, false, e);
}
