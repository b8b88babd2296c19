/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a ship does by the clock: when what it read was captured, and when a
 * snapshot is due.
 *
 * A clock may go back behind what was captured before.  Captures go on from
 * there, a nanosecond each, until real time has caught up; that may be years.
 * So from then on each object says what the clock said, for as long as this
 * state lives: a reader finds the first by a binary search (jump.h), which
 * needs that none behind it lacks it.
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/when.h"
#include "lib/replica/jump.h"
#include "lib/ship/ship_job.h"

enum {
	MAX_SEGMENTS = 256,  /* behind one snapshot */
	SMALL = 1024 * 1024, /* WAL below this needs no snapshot */
};

/* Records that one clock dated while it was ahead differ by so much. */
#define ONE_JUMP_NS (10 * JUMP_STEP_NS)

const char *
ship_snapshot_due(const struct ship_conf *c, const struct record *r,
    uint64_t more_bytes, uint32_t more_segments, int64_t now)
{
	uint64_t enough = r->snapshot_size > SMALL ? r->snapshot_size : SMALL;

	/* One that is yet to come was made by a clock that was ahead. */
	if (now - r->snapshot_ns >= c->snapshot_interval_ns ||
	    r->snapshot_ns - now > JUMP_STEP_NS)
		return "interval";
	if (r->wal_bytes + more_bytes > enough)
		return "wal size";
	if (r->segments + more_segments >= MAX_SEGMENTS)
		return "segments";
	return NULL;
}

/* -- a clock that went back ------------------------------------------------ */

bool
ship_went_back(struct ship_job *j, int64_t clock_ns)
{
	struct ship_run *r = j->ship->run;
	bool again;

	pthread_mutex_lock(&r->lock);
	again = r->back_to_ns != 0 &&
	    j->rec.captured_ns - clock_ns > JUMP_STEP_NS &&
	    j->rec.captured_ns - r->back_from_ns > ONE_JUMP_NS;
	pthread_mutex_unlock(&r->lock);
	return again;
}

static void
say(struct ship_job *j, int64_t from_ns, int64_t to_ns)
{
	char from[WHEN_SIZE], to[WHEN_SIZE];
	size_t said = strlen(j->notice);

	snprintf(j->notice + said, sizeof(j->notice) - said,
	    "%sthe clock went back from %s to %s: it was ahead, or is behind "
	    "now; of what was shipped between nobody knows when it was "
	    "captured",
	    said > 0 ? "; " : "", when_text(from_ns, from),
	    when_text(to_ns, to));
}

/* In the state before any object says it. */
static int
note(struct ship_worker *w, struct ship_job *j, int64_t from_ns, int64_t to_ns,
    struct err *e)
{
	struct ship_run *r = j->ship->run;
	bool news = from_ns - r->back_from_ns > ONE_JUMP_NS;

	if (from_ns <= r->back_from_ns)
		return 0;
	if (state_set_number(w->st, SHIP_BACK_FROM, from_ns, e) == -1 ||
	    (news && state_set_number(w->st, SHIP_BACK_TO, to_ns, e) == -1))
		return -1;
	r->back_from_ns = from_ns;
	if (!news)
		return 0;
	r->back_to_ns = to_ns;
	say(j, from_ns, to_ns);
	return 0;
}

int
ship_clock_met(struct ship_worker *w, struct ship_job *j,
    const struct provenance *pv, struct err *e)
{
	struct ship_run *r = j->ship->run;
	int rc = 0;

	if (pv->clock_ns == 0)
		return 0;
	pthread_mutex_lock(&r->lock);
	if (r->back_to_ns == 0) {
		r->back_from_ns = pv->captured_ns;
		r->back_to_ns = pv->clock_ns;
		rc =
		    state_set_number(w->st, SHIP_BACK_FROM, r->back_from_ns, e);
		if (rc == 0)
			rc = state_set_number(
			    w->st, SHIP_BACK_TO, r->back_to_ns, e);
	}
	pthread_mutex_unlock(&r->lock);
	return rc;
}

/* Times never go back, whatever the clock does: lspp-format(5) rule 7. */
static int64_t
not_before(int64_t ns, int64_t last, int64_t tick)
{
	if (ns <= last)
		ns = last + tick;
	return ns - ns % tick;
}

int
ship_clock(
    struct ship_worker *w, struct ship_job *j, int64_t clock_ns, struct err *e)
{
	struct ship_run *r = j->ship->run;
	int64_t tick = j->codec->traits.tick_ns;
	int64_t captured_ns =
	    not_before(clock_ns - clock_ns % tick, j->rec.captured_ns, tick);
	bool back;
	int rc = 0;

	captured_ns = not_before(captured_ns, j->fence.floor_ns, tick);
	back = captured_ns - clock_ns > JUMP_STEP_NS;
	j->next.captured_ns = captured_ns;
	pthread_mutex_lock(&r->lock);
	if (back && w->st != NULL && !j->ship->conf->dry_run)
		rc = note(w, j, captured_ns - 1, clock_ns, e);
	j->clock_ns = r->back_to_ns == 0 ? 0 : back ? clock_ns : captured_ns;
	pthread_mutex_unlock(&r->lock);
	return rc;
}
