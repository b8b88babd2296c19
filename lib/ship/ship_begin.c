/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether to look at a replica before a generation begins in it.
 */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/format.h"
#include "lib/replica/ltx/ltx_list.h"
#include "lib/ship/ship_job.h"
#include "lib/store/listed.h"
#include "lib/store/store.h"

enum { ALONE = 3 }; /* looks of a run, before pages serve */

/* A page of a listing is not relied on for longer. */
#define PAGE_NS INT64_C(60000000000)

void
ship_looks_begin(struct ship *s)
{
	s->pager =
	    (struct pager){ .s = s->store, .for_ns = PAGE_NS, .left = ALONE };
}

void
ship_looks_end(struct ship *s)
{
	pager_release(&s->pager);
	pthread_mutex_destroy(&s->looking);
}

/*
 * What is right below j's database?  One listing; but where many are new, a page
 * serves those that it has all of.  It may have missed what others put since it
 * was asked for.  Of lspp that is an owner's object, so that ours is refused,
 * and the fence looks again.  In LTX nothing would be, so it looks for itself.
 */
static int
look_below(struct ship_job *j, struct ltx_where *there, struct err *e)
{
	struct ship *ship = j->ship;
	struct listed from = LISTED_NOT(ship->store);
	struct listed_page *page = NULL;
	int rc;

	if (ship->store->ops->traits.flat && !j->codec->traits.one_row &&
	    j->rec.key[0] != '\0') {
		pthread_mutex_lock(&ship->looking);
		(void)pager_look(&ship->pager, j->rec.key, &from, &page);
		pthread_mutex_unlock(&ship->looking);
	}
	rc = ltx_look(&from, j->rec.key, there, e);
	if (page != NULL)
		listed_release(&from);
	listed_page_drop(page);
	return rc;
}

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

	ship_key(j, &key, LAYOUT_SNAPSHOT, any, 2);
	can = s->ops->can_name(s, buf_str(&key), &e) == 0;
	buf_release(&key);
	return can;
}

/* Is there an object in the layout of Litestream 0.3?  1, 0, -1. */
static int
has_generations(struct ship_job *j, struct err *e)
{
	struct store *s = j->ship->store;
	struct buf prefix = { 0 };
	bool any = false;
	int rc;

	layout_generation_prefix(&prefix, j->rec.key, NULL);
	rc = s->ops->list(s, buf_str(&prefix), false, is_any, &any, e);
	buf_release(&prefix);
	return rc == -1 ? -1 : any;
}

/*
 * What is there in the layout that j's replica is not to have?  What is in that
 * of Litestream 0.3 is to be closed first, if it is not: the fence looks.
 */
static int
check_other(struct ship_job *j, const struct ltx_where *there, struct err *e)
{
	const struct listed from = LISTED_NOT(j->ship->store);
	bool ltx = j->codec->format == FORMAT_LTX;
	int rc = 0;

	if (ltx && there->generations)
		rc = has_generations(j, e);
	else if (!ltx && (there->dir || there->flat))
		rc = ltx_is_there(&from, j->rec.key, e);
	if (rc == 1 && ltx) {
		j->changes = true;
		j->codec = format_codec(FORMAT_WAL, false);
	}
	if (rc != 1 || ltx)
		return rc == -1 ? -1 : 0;
	err_set(e, ERR_CONFIG,
	    "its replica is in LTX, as Litestream 0.5 writes it (%s)",
	    j->ship->store->url);
	return err_hint(e,
	    "--format ltx goes on in that layout; for that of Litestream 0.3 "
	    "take another root (-r)");
}

/*
 * One look at a database that has no record, and so once: without it
 * nobody could tell later whether what Litestream wrote is older.  Where it is
 * not allowed, an owner's object that is refused has to do; in one row there is
 * none, so it must be allowed.
 */
int
ship_must_look(struct ship_job *j, struct err *e)
{
	struct store *s = j->ship->store;
	struct ltx_where there = { 0 };
	bool row = j->codec->traits.one_row;
	int rc;

	if (j->fence.asked || j->ship->conf->dry_run)
		return 0;
	if (j->known)
		return j->ship->conf->new_generation || j->changes;
	/* The fence may not look, and only counts. */
	if (j->fence.owner > 0)
		return 0;
	if ((atomic_load(&j->ship->unlisted) && !row) || !can_begin(j))
		return 0;
	rc = look_below(j, &there, e);
	if (rc == -1 && e->class == ERR_DENIED && s->ops->traits.remote &&
	    !row) {
		atomic_store(&j->ship->unlisted, true);
		return 0;
	}
	if (rc == -1 && e->class == ERR_DENIED && s->ops->traits.remote)
		return err_hint(e, "to ship as LTX, s3:ListBucket is needed");
	if (rc == -1 || check_other(j, &there, e) == -1)
		return -1;
	return row ? there.dir || there.flat || j->changes : there.generations;
}

/* -- a record that ends its generation ------------------------------------- */

struct owners {
	const struct codec *codec;
	size_t prefix; /* length of "<db>/generations/" */
	bool any;
	uint64_t newest;
};

static int
take_owner(void *ctx, const struct store_entry *en, struct err *e)
{
	struct owners *o = ctx;
	struct layout_name name;
	char line[POS_LINE];

	(void)e;
	if (!o->codec->parse(en->key + o->prefix, line, &name) ||
	    name.kind != LAYOUT_OWNER)
		return 0;
	o->any = true;
	o->newest = name.at;
	return 0;
}

/* Does the newest one close the layout?  1, 0, -1. */
static int
is_closed(struct ship_job *j, uint64_t newest, struct err *e)
{
	struct provenance pv;
	struct buf key = { 0 };
	int rc;

	ship_key(j, &key, LAYOUT_OWNER, NULL, newest);
	rc = ship_peek(j->ship, buf_str(&key), &pv, e);
	buf_release(&key);
	if (rc == -1)
		return e->class == ERR_CORRUPT || e->class == ERR_MISSING ||
			e->class == ERR_DENIED
		    ? 0
		    : -1;
	return rc == 1 && ship_is_closed(&pv);
}

/*
 * Between the end and the snapshot somebody else may take over, who knows nothing
 * of the generation that is to begin.  So an owner's object names it, as where
 * there is no record: of the two one puts the next one.  Its number is found before
 * the end is put.  Who took over before that had ended the generation.
 */
int
ship_next_owner(struct ship_job *j, bool *named, struct err *e)
{
	struct store *s = j->ship->store;
	struct owners o = { .codec = j->codec };
	struct buf prefix = { 0 };
	int rc;

	j->codec->prefix(&prefix, j->rec.key, NULL);
	o.prefix = prefix.len;
	buf_adds(&prefix, "owner-");
	rc = s->ops->list(s, buf_str(&prefix), true, take_owner, &o, e);
	buf_release(&prefix);
	*named = rc == 0;
	if (rc == -1)
		return e->class == ERR_DENIED ? 0 : -1;
	j->fence.owner = o.any ? o.newest + 1 : 0;
	if (!o.any || j->fence.asked || (rc = is_closed(j, o.newest, e)) == 0)
		return 0;
	j->outcome = SHIP_UNSURE;
	return rc;
}

int
ship_put_owner(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	const struct record *n = &j->next;
	struct provenance pv = { .captured_ns = n->captured_ns,
		.clock_ns = j->clock_ns,
		.page_size = n->page_size,
		.pages = n->pages,
		.sum = n->sum,
		.name = { LAYOUT_OWNER, j->fence.owner } };

	memcpy(pv.generation, n->pos.line, sizeof(pv.generation));
	return ship_note(w, j, SHIP_NAMED, &pv, NULL, NULL, e);
}

/*
 * Looking is not allowed.  With a record it is as if there was no fence; one
 * without can only count.
 */
int
ship_blind(struct ship_job *j, struct err *e)
{
	struct buf key = { 0 };
	int rc = 0;

	if (j->known) {
		j->fence.asked = true;
		return 0;
	}
	ship_key(j, &key, LAYOUT_OWNER, NULL, j->fence.owner);
	if (j->ship->conf->new_generation) {
		ship_anew(j,
		    "asked for; looking whether another machine ships it, too, "
		    "is not allowed");
		j->fence.owner++;
	} else {
		rc = err_set(e, ERR_BUSY,
		    "%s is there: another machine ships this database, or the "
		    "state was lost; looking which is not allowed",
		    buf_str(&key));
		err_hint(e,
		    "s3:ListBucket and s3:GetObject would let it be told; or "
		    "go on with --new-generation");
	}
	buf_release(&key);
	return rc;
}
