/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may have been pruned behind a record.
 *
 * A run with an old copy of the state meets an object at the record's position
 * (ship.h).  lspp-prune takes such objects.  So that nobody puts another in
 * their place, which no restore would use:
 *
 *  - it takes whole runs: a snapshot and all segments up to the next snapshot,
 *    the snapshot first; or all segments behind a snapshot, and before the
 *    first of them puts an object that says so.  What follows a record is in
 *    the run of the record's snapshot, for a snapshot is only ever put behind a
 *    segment of its step.  So while the snapshot is there, and does not stand
 *    alone, so is the object at the position;
 *  - it takes nothing that was superseded less than PRUNE_GRACE_MIN_NS ago
 *    (of a directory, where looking is free, less than it is told to).
 *
 * So a record that is younger than PRUNE_TRUST_NS is relied on; of an older one
 * both are asked for, before the object is put and, since lspp-prune may be at
 * work, once more before it is acknowledged.  A directory does that for
 * every object ('after' in store.h).
 *
 * Following the tail from an old record may lead to the end of a run whose
 * next ones are pruned.  So at the end it is asked whether it is the end.
 */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/when.h"
#include "lib/prune/prune.h"
#include "lib/ship/ship_job.h"
#include "lib/store/store.h"

/* A clock that was wrong then, or is now, says nothing. */
bool
ship_may_be_pruned(int64_t captured_ns)
{
	int64_t age = when_now() - captured_ns;

	return age > PRUNE_TRUST_NS || age < -PRUNE_TRUST_NS;
}

/* What is behind its record is not looked for, and that is not to be relied
 * on. */
static bool
is_old(const struct ship_job *j)
{
	return j->start == SHIP_GOES_ON && !j->ship->store->ops->traits.looks &&
	    ship_may_be_pruned(j->rec.captured_ns);
}

/* 1: it is there, if damaged; 0; -1. */
static int
is_there(struct ship_job *j, const struct buf *key, struct err *e)
{
	struct provenance pv;
	int rc = ship_peek(j->ship, buf_str(key), &pv, e);

	if (rc == -1 && e->class == ERR_MISSING)
		return 0;
	return rc == -1 && e->class != ERR_CORRUPT ? -1 : 1;
}

int
ship_confirm(struct ship_job *j, bool behind, struct err *e)
{
	const struct record *r = &j->rec;
	struct buf key = { 0 }, alone = { 0 };
	int rc;

	if (j->codec->traits.one_row)
		return ship_row_confirm(j, behind, e);
	if (!is_old(j) || j->keys[0] == NULL)
		return 0;
	ship_key(j, &key, LAYOUT_SNAPSHOT, r->pos.line, r->snapshot);
	ship_key(j, &alone, LAYOUT_ALONE, r->pos.line, r->snapshot);
	rc = is_there(j, &key, e);
	if (rc == 0)
		rc = err_set(
		    e, ERR_MISSING, "%s: gone from the replica", buf_str(&key));
	else if (rc == 1 && (rc = is_there(j, &alone, e)) == 1)
		rc = err_set(e, ERR_MISSING,
		    "%s: what came behind it was pruned", buf_str(&alone));
	buf_release(&key);
	buf_release(&alone);
	j->fence.blind = rc == -1 && e->class == ERR_DENIED;
	return rc;
}

/* -- the end of a history -------------------------------------------------- */

struct look {
	const struct codec *codec;
	const struct record *r;
	size_t prefix;       /* length of "<db>/generations/" */
	int64_t ours, other; /* times of the newest object, ours and others' */
	bool behind;         /* there is an object behind the record */
};

static int
note(void *ctx, const struct store_entry *en, struct err *e)
{
	struct look *l = ctx;
	const struct pos *pos = &l->r->pos;
	struct layout_name name;
	char line[POS_LINE];

	(void)e;
	if (!l->codec->parse(en->key + l->prefix, line, &name) ||
	    name.kind == LAYOUT_OWNER || name.kind == LAYOUT_ALONE)
		return 0;
	if (strcmp(line, pos->line) != 0) {
		if (en->mtime_ns > l->other)
			l->other = en->mtime_ns;
		return 0;
	}
	if (en->mtime_ns > l->ours)
		l->ours = en->mtime_ns;
	if (name.at > pos->at ||
	    (name.kind == LAYOUT_SEGMENT && name.at == pos->at))
		l->behind = true;
	return 0;
}

int
ship_is_end(struct ship_job *j, struct err *e)
{
	struct store *s = j->ship->store;
	struct look l = { .codec = j->codec,
		.r = &j->next,
		.ours = INT64_MIN,
		.other = INT64_MIN };
	struct buf prefix = { 0 };
	int rc;

	if (!j->ship->store->ops->traits.looks &&
	    !ship_may_be_pruned(j->next.captured_ns))
		return 0;
	j->codec->prefix(&prefix, j->next.key, NULL);
	l.prefix = prefix.len;
	rc = s->ops->list(s, buf_str(&prefix), false, note, &l, e);
	buf_release(&prefix);
	if (rc == -1)
		return -1;
	if (l.behind || l.other > l.ours)
		return err_set(e, ERR_CORRUPT,
		    "what followed the state that was found has been pruned");
	return 0;
}
