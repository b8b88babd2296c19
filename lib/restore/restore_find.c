/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be had of a damaged replica.
 *
 * The states of a plan are numbered by their segments: 0 is the snapshot, n the
 * newest.  Of one plan a good state is looked for; when there is none, of the
 * plan from the snapshot before, which may well reach the newest state; and
 * when there is no snapshot left, of what was before that generation.
 */
#include <stdio.h>
#include <string.h>

#include "lib/replica/restore_ltx.h"
#include "lib/restore/restore.h"

struct find {
	struct restorer *r;
	struct store *s;
	const char *db;
	struct restore_want w;
	struct restore_plan *p;
	struct restore_target t;
	/* What the first plan led to: its time, and its last segment. */
	int64_t wanted_ns;
	char generation[17];
	uint64_t at;
	bool segment;         /* it had one */
	struct restored *out; /* the newest good state so far */
	size_t good;          /* its segments */
	struct err bad;       /* why the last state was none */
	struct err first;     /* and the first */
};

/*
 * Make state n of the plan.  1: it is good, and kept as f->out; 0: it is bad;
 * -1: it cannot be told, with e.
 */
static int
try(struct find *f, size_t n, struct err *e)
{
	struct restore_plan p = *f->p;
	struct restored *out;

	p.segments = n;
	if (restore_stage(f->r, f->s, f->db, &p, &f->t, &out, &f->bad) == 0) {
		if (f->out != NULL)
			restored_drop(f->out);
		f->out = out;
		f->good = n;
		return 1;
	}
	if (f->bad.class != ERR_CORRUPT) {
		*e = f->bad;
		return -1;
	}
	if (f->first.class == ERR_NONE)
		f->first = f->bad;
	return 0;
}

/* State n is good, bad is not: halve what is between. */
static int
halve(struct find *f, size_t bad, struct err *e)
{
	int rc;

	while (f->good + 1 < bad) {
		size_t mid = f->good + (bad - f->good) / 2;

		if ((rc = try(f, mid, e)) == -1)
			return -1;
		if (rc == 0)
			bad = mid;
	}
	return 1;
}

/* What of the plan's states is good?  As try(). */
static int
search(struct find *f, struct err *e)
{
	size_t n = f->p->segments, bad = n + 1, sound, step = 1;
	int rc;

	while ((rc = try(f, n, e)) == 0) {
		bad = n;
		sound = restorer_sound(f->r);
		if (n == 0 || sound == 0)
			return 0;
		/* A damaged object: all states from there on need it. */
		if (sound <= n) {
			bad = sound;
			n = sound - 1;
			continue;
		}
		n = n > step ? n - step : 0;
		step *= 2;
	}
	return rc == -1 ? -1 : halve(f, bad, e);
}

/*
 * No state of the plan is good: the next one, from an older snapshot.  It ends,
 * since a generation whose first snapshot is too new is not chosen again.
 */
static int
step_back(struct find *f, const char *only, char id[17], struct err *e)
{
	int64_t before = f->p->snapshot_ns;
	struct restore_want w = f->w;

	memcpy(id, f->p->generation, 17);
	w.generation = id;
	w.below = f->p->snapshot;
	restore_plan_release(f->p);
	if (restore_plan(f->s, f->db, &w, f->p, e) == 0) {
		f->w = w;
		return 0;
	}
	if (e->class != ERR_MISSING || only != NULL || w.before != UINT64_MAX)
		return -1;
	/* What was there before this generation began. */
	f->w.generation = NULL;
	f->w.below = UINT64_MAX;
	f->w.at_ns = (before < f->w.at_ns ? before : f->w.at_ns) - 1;
	restore_plan_release(f->p);
	return restore_plan(f->s, f->db, &f->w, f->p, e);
}

static void
note_wanted(struct find *f)
{
	const struct restore_plan *p = f->p;
	size_t n = p->segments;

	f->wanted_ns = p->unsure ? INT64_MAX : p->until_ns;
	memcpy(f->generation, p->generation, sizeof(f->generation));
	f->segment = n > 0;
	if (n > 0)
		f->at = p->segment[n - 1].at;
}

/*
 * Is what was made older than what was wanted?  A snapshot that is damaged does
 * not say when it was captured; then, without a segment, it may be.
 */
static bool
is_earlier(const struct find *f)
{
	const struct restore_plan *p = f->p;
	size_t n = p->segments;

	if (f->segment && n > 0 && strcmp(f->generation, p->generation) == 0)
		return f->at != p->segment[n - 1].at;
	/* Of two generations the times may be of two clocks. */
	return strcmp(f->generation, p->generation) != 0 ||
	    f->out->as_of_ns < f->wanted_ns;
}

static void
tell(struct find *f)
{
	struct restore_plan *p = f->p;
	if (f->good < p->segments)
		restore_plan_cut(p, f->good);
	if (is_earlier(f))
		p->earlier = true;
	p->until_ns = f->out->as_of_ns;
	if (p->why[0] == '\0')
		(void)snprintf(p->why, sizeof(p->why), "%.*s",
		    (int)sizeof(p->why) - 1, f->first.msg);
}

/*
 * From LTX: a chain that goes around each file that turns out to be damaged, to
 * the same state if there is one, or else to one before it.  Where all files
 * are whole and what they lead to is not, it is the last one's.
 */
static int
find_ltx(struct restorer *r, struct store *s, const char *db,
    const struct restore_want *w, struct restore_plan *p,
    const struct restore_target *t, struct restored **out, struct err *e)
{
	size_t sound;

	while (restore_stage(r, s, db, p, t, out, e) == -1) {
		if (e->class != ERR_CORRUPT || w->good == RESTORE_EXACT)
			return -1;
		sound = restorer_sound(r);
		if (sound > p->segments)
			sound = p->segments;
		if (restore_ltx_without(s, db, w, p, sound, e) == -1)
			return -1;
	}
	if (w->at_ns == INT64_MAX)
		p->until_ns = (*out)->as_of_ns;
	return 0;
}

int
restore_find(struct restorer *r, struct store *s, const char *db,
    const struct restore_want *w, struct restore_plan *p,
    const struct restore_target *t, struct restored **out, struct err *e)
{
	struct find f = { r, s, db, *w, p, *t, .bad = { 0 } };
	char id[17];
	int rc;

	if (restore_plan(s, db, w, p, e) == -1)
		return -1;
	if (p->ltx != NULL)
		return find_ltx(r, s, db, w, p, t, out, e);
	note_wanted(&f);
	if (w->good == RESTORE_EXACT) {
		if (restore_stage(r, s, db, p, t, out, e) == -1)
			return -1;
		p->until_ns = (*out)->as_of_ns;
		return 0;
	}
	if (w->good == RESTORE_BISECT)
		f.t.check = RESTORE_CHECK_FULL;
	while ((rc = search(&f, e)) == 0)
		if ((rc = step_back(&f, w->generation, id, e)) == -1)
			break;
	if (rc == 1) {
		tell(&f);
		*out = f.out;
		return 0;
	}
	if (f.out != NULL)
		restored_drop(f.out);
	/* Nothing older is left: what was wrong with the newest? */
	if ((e->class == ERR_MISSING || e->class == ERR_CORRUPT) &&
	    f.first.class != ERR_NONE)
		*e = f.first;
	return -1;
}
