/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects to the store: staged by a worker, published for a batch.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/ship/ship_job.h"
#include "lib/store/store.h"

enum {
	ROUNDS = 8,  /* of adopting or fencing, and trying again */
	OWNERS = 64, /* where they are only counted, not read */
};

/* -- staging, by a worker -------------------------------------------------- */

static int
stage(struct ship_job *j, int which, struct err *e)
{
	struct store *s = j->ship->store;
	struct buf after = { 0 }, unless = { 0 };
	bool row = j->codec->traits.one_row;
	struct store_stage st = { .key = j->keys[which],
		.bytes = j->bytes[which],
		.mtime_ns = j->next.captured_ns,
		.timed = row,
		.note = row && j->own[0] != '\0' ? j->own : NULL };
	bool ending = which == 0 && j->start == SHIP_ENDS;

	if (j->keys[which] == NULL)
		return 0;
	if (ending && !row)
		st.mtime_ns = j->rec.captured_ns;
	if (row && (ending || j->start == SHIP_GOES_ON)) {
		ship_key(j, &after, LAYOUT_SEGMENT, j->rec.pos.line,
		    j->rec.pos.at - 1);
		st.after = buf_str(&after);
	} else if (ending || j->start == SHIP_GOES_ON) {
		ship_key(j, &after, LAYOUT_SNAPSHOT, j->rec.pos.line,
		    j->rec.snapshot);
		ship_key(
		    j, &unless, LAYOUT_ALONE, j->rec.pos.line, j->rec.snapshot);
		st.after = buf_str(&after);
		st.unless = buf_str(&unless);
	}
	j->staged[which] = s->ops->stage(s, &st, e);
	buf_release(&after);
	buf_release(&unless);
	return j->staged[which] == NULL ? -1 : 0;
}

/* Does it end a generation, and begin another that an owner's object is to name? */
static bool
names_next(const struct ship_job *j)
{
	return j->start == SHIP_ENDS && j->keys[0] != NULL &&
	    j->keys[1] != NULL && !j->codec->traits.one_row;
}

int
ship_stage(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	const struct store_ops *ops = j->ship->store->ops;
	struct staged **st = j->staged;
	bool named = false;
	int rc;

	/* No owner's object for what cannot follow. */
	if (j->start == SHIP_CLAIMS && j->keys[1] != NULL &&
	    ops->can_name(j->ship->store, j->keys[1], e) == -1)
		return -1;
	rc = j->start == SHIP_ENDS && !j->codec->traits.one_row
	    ? ship_note_ending(w, j, j->rec.pos.line, e)
	    : ship_note_run(w, j, e);
	if (rc == -1)
		return -1;
	if (names_next(j) && (rc = ship_next_owner(j, &named, e)) != 0)
		return rc == 1 ? 0 : -1;
	if (ship_confirm(j, false, e) == -1 || stage(j, 0, e) == -1)
		return -1;
	/* Refused already: a snapshot is never there without it. */
	if (st[0] != NULL && st[0]->failed)
		return 0;
	if (ship_confirm(j, true, e) == -1 ||
	    (named && ship_put_owner(w, j, e) == -1))
		return -1;
	if (named && st[SHIP_NAMED]->failed)
		return 0;
	for (int i = 1; i < SHIP_OBJECTS; i++)
		if (st[i] == NULL && stage(j, i, e) == -1)
			return -1;
	if (j->start == SHIP_CLAIMS && st[1] != NULL)
		st[1]->behind = st[0];
	return 0;
}

/* -- publishing, a batch --------------------------------------------------- */

/*
 * An object with other bytes is there: the state is old, or not alone.  Or
 * somebody has begun before us, and if we have just looked, at this moment.
 */
static void
met_conflict(struct ship_job *j)
{
	bool owner = j->phase == SHIP_PREPARE && j->start == SHIP_CLAIMS;

	j->conflicts++;
	if (owner && j->fence.asked)
		err_in(&j->e, "another machine begins at the same moment");
	else if (j->conflicts < (owner ? OWNERS : ROUNDS))
		j->outcome = SHIP_CONFLICT;
}

static void
take_result(struct ship_job *j, const struct staged *st)
{
	if (ship_job_failed(j) || st == NULL || st->rc == 0)
		return;
	j->outcome = SHIP_FAILED;
	j->e = st->e;
	if (st->e.class == ERR_BUSY)
		met_conflict(j);
}

/* An owner's object has its snapshot behind it in one list: one sync.  Behind an
 * end it comes before the snapshot, too. */
static bool
in_round(const struct ship_job *j, int which, int round)
{
	bool claims = j->start == SHIP_CLAIMS && j->phase == SHIP_PREPARE;

	if (claims)
		return round == 1;
	if (names_next(j) && which > 0)
		return round == (which == SHIP_NAMED ? 1 : which + 1);
	return round == which;
}

static void
publish(struct ship *s, struct job **jobs, size_t n, int round)
{
	struct staged **list = xcalloc(n * SHIP_OBJECTS, sizeof(*list));
	size_t staged = 0;

	for (size_t i = 0; i < n; i++) {
		struct ship_job *j = (struct ship_job *)jobs[i];

		for (int o = 0; o < SHIP_OBJECTS && !ship_job_failed(j); o++)
			if (j->staged[o] != NULL && in_round(j, o, round))
				list[staged++] = j->staged[o];
	}
	if (staged > 0)
		s->store->ops->publish(s->store, list, staged);
	free(list);
	for (size_t i = 0; i < n; i++) {
		struct ship_job *j = (struct ship_job *)jobs[i];

		for (int o = 0; o < SHIP_OBJECTS; o++)
			if (in_round(j, o, round))
				take_result(j, j->staged[o]);
	}
}

/* Objects of several roots, for each what is its. */
void
ship_publish(struct job **jobs, size_t n)
{
	struct job **rest = xcalloc(n, sizeof(*rest)), *j;
	struct job **of_one = xcalloc(n, sizeof(*of_one));
	struct ship *s;
	size_t m, left;

	for (memcpy(rest, jobs, n * sizeof(*rest)); n > 0; n = left) {
		s = ((struct ship_job *)rest[0])->ship;
		m = left = 0;
		for (size_t i = 0; i < n; i++) {
			j = rest[i];
			if (((struct ship_job *)j)->ship == s)
				of_one[m++] = j;
			else
				rest[left++] = j;
		}
		for (int round = 0; round < SHIP_OBJECTS; round++)
			publish(s, of_one, m, round);
	}
	free(rest);
	free(of_one);
}
