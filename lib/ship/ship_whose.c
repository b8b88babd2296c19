/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who else ships a database, and what this state does about it.
 *
 *   met beyond the record            what this state does
 *   its own, of a run it knows       adopts it (ship_adopt.c): a run was killed
 *   its own, of a run unknown to it  adopts it once, and says so: an older copy
 *                                    of the state was put back.  A second time
 *                                    within a week a clone is at work: 75
 *   of another state, this machine   begins anew once, and says so: the state
 *                                    was lost, and is back.  A second time two
 *                                    states are in use: 75
 *   of another machine               75
 *
 * Who stops does not look again but at the object that stopped it.  And since
 * somebody else ships to the root, no database of it is safe that was not
 * written since: all are contended, so lspp-hot prints them, and a ship asks
 * for the one object that would stand behind the record.  --new-generation
 * takes what comes back, whatever is there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/ltx/ltx_names.h"
#include "lib/replica/peek.h"
#include "lib/ship/ship_job.h"

#define TOLD_NS INT64_C(604800000000000) /* 7 days */

static const char to_take_back[] =
    "end one of the two; to take the whole fleet back: lspp-scan ... | "
    "lspp-ship --new-generation ...";

/* Is it of a generation whose id says that lspp began it? */
static bool
is_of_lspp(const char *key)
{
	static const char generations[] = "generations/";
	char id[LAYOUT_GENERATION] = "";
	struct layout_name name;
	size_t n;

	if (!layout_object(key, &n, &name) || name.kind == LAYOUT_OWNER ||
	    name.kind == LAYOUT_ALONE)
		return false;
	key += n + (key[n] == '/') + sizeof(generations) - 1;
	memcpy(id, key, sizeof(id) - 1);
	return layout_is_own(id);
}

static bool
is_ltx(const char *key)
{
	enum ltx_levels how;
	struct ltx_name name;
	size_t n;

	return ltx_object(key, &n, &how, &name);
}

/* All of lspp's have a provenance: one that has none was cut, and may be
 * anybody's. */
int
ship_peek(struct ship *s, const char *key, struct provenance *pv, struct err *e)
{
	int has = peek_any(s->store, key, s->writer, pv, e);

	if (has == 0 && is_of_lspp(key))
		return err_set(e, ERR_CORRUPT,
		    "%s has no provenance, though lspp began its generation",
		    key);
	return has;
}

static int
stop(struct ship_job *j, const char *key, const char *who, struct err *e)
{
	char *copy = xstrdup(key); /* it may be j->whose.foreign itself */

	free(j->whose.foreign);
	j->whose.foreign = copy;
	err_set(e, ERR_BUSY, "%s was written by %s", copy, who);
	return err_hint(e, "%s", to_take_back);
}

int
ship_foreign(struct ship_job *j, const char *key, struct err *e)
{
	return stop(j, key,
	    "somebody else: another machine ships this database to the same "
	    "replica",
	    e);
}

int
ship_unmarked(struct ship_job *j, const char *key, struct err *e)
{
	if (!is_ltx(key))
		return ship_foreign(j, key, e);
	return stop(j, key,
	    "Litestream: its daemon ships this database to the same replica, "
	    "or did before",
	    e);
}

/* A copy that is put back is put back once; who is met again is at work. */
static bool
was_told(const struct ship_job *j)
{
	int64_t ago = now_ns() - j->whose.noted.taken_ns;

	return j->whose.noted.taken_ns != 0 && ago < TOLD_NS && ago > -TOLD_NS;
}

/* This state's writer, but did this state? */
static int
is_known(struct ship_worker *w, struct ship_job *j, const char *key,
    const struct provenance *pv, struct err *e)
{
	int known;

	/* Objects of the first versions do not say. */
	if (pv->run == 0 || pv->run == j->ship->run->token)
		return 1;
	if ((known = state_knows_run(w->st, pv->run, e)) != 0)
		return known;
	/* Of what is adopted in this try, the first object told. */
	if (was_told(j) && !j->whose.alien)
		return stop(j, key,
		    "somebody else: a clone of this machine, with its id and a "
		    "copy of its state, ships this database, too "
		    "(LSPP_MACHINE gives it an id of its own)",
		    e);
	if (!j->whose.alien)
		snprintf(j->notice, sizeof(j->notice),
		    "the replica is ahead of this state: an older copy of the "
		    "state was put back, or of the whole machine, or a clone "
		    "of it is at work; this goes on behind %s",
		    key);
	j->whose.alien = true;
	return 1;
}

/*
 * Was it written by this state, or is it to be gone on with all the same?  1,
 * or -1 with ERR_BUSY; then j->whose.other: to be begun anew without being asked.
 */
static int
is_own(struct ship_worker *w, struct ship_job *j, const char *key,
    const struct provenance *pv, struct err *e)
{
	const uint8_t *self = j->ship->writer;

	if (memcmp(pv->writer, self, sizeof(pv->writer)) == 0)
		return is_known(w, j, key, pv, e);
	if (!state_same_machine(pv->writer, self))
		return ship_foreign(j, key, e);
	if (was_told(j))
		return stop(j, key,
		    "somebody else: another state (-s) on this machine ships "
		    "this database, too",
		    e);
	j->whose.other = true;
	return err_set(e, ERR_BUSY, "%s is of another state", key);
}

void
ship_unrecorded(
    struct ship_worker *w, struct ship_job *j, const struct provenance *owner)
{
	struct err e;

	/* The state was lost: told once, for all. */
	j->report.lost = j->ship->fresh &&
	    memcmp(owner->writer, j->ship->writer, sizeof(owner->writer)) != 0;
	if (j->ship->fresh || owner->run == 0 ||
	    owner->run == j->ship->run->token ||
	    state_knows_run(w->st, owner->run, &e) != 0)
		return;
	ship_anew(j,
	    "this machine has shipped it, but not with this state as it is: it "
	    "was forgotten, the replica had another URL, an older copy of the "
	    "state was put back, or another state or a clone of the machine is "
	    "at work");
}

int
ship_ask(struct ship_worker *w, struct ship_job *j, const char *key,
    struct provenance *pv, struct err *e)
{
	int rc = ship_peek(j->ship, key, pv, e);

	if (rc == -1)
		return e->class == ERR_MISSING ? 0 : -1;
	return rc == 0 ? ship_unmarked(j, key, e) : is_own(w, j, key, pv, e);
}

/* What stopped the last try: does it still? */
static int
still_stopped(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	struct provenance pv;
	int rc = ship_ask(w, j, j->whose.noted.object, &pv, e);

	if (rc == -1 && j->whose.foreign != NULL)
		return -1;
	/* Whatever else it is: what follows finds out. */
	j->whose.other = j->whose.alien = false;
	j->notice[0] = '\0';
	return 0;
}

int
ship_still_own(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	const struct pos *pos = &j->rec.pos;
	struct provenance pv;
	struct buf key = { 0 };
	int rc;

	if (j->ship->conf->dry_run || j->fence.asked || j->whose.own)
		return 0;
	if (j->whose.noted.object != NULL && !j->ship->conf->new_generation)
		return still_stopped(w, j, e);
	if (j->start != SHIP_GOES_ON || (j->rec.racy & CONTENDED) == 0)
		return 0;
	ship_key(j, &key, LAYOUT_SEGMENT, pos->line, pos->at);
	rc = ship_ask(w, j, buf_str(&key), &pv, e);
	buf_release(&key);
	j->whose.own = rc == 0;
	/* Adopting meets the same object, and judges; also what is damaged. */
	j->whose.alien = false;
	return rc == -1 && (j->whose.other || e->class == ERR_CORRUPT) ? 1 : rc;
}

int
ship_note_run(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	struct ship_run *r = j->ship->run;
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	if (!r->noted && (rc = state_put_run(w->st, r->token, e)) == 0)
		r->noted = true;
	if (!j->written) {
		j->written = true;
		r->open++;
	}
	pthread_mutex_unlock(&r->lock);
	return rc;
}

int
ship_note_ending(
    struct ship_worker *w, struct ship_job *j, const char *line, struct err *e)
{
	if (ship_note_run(w, j, e) == -1)
		return -1;
	return j->known && strcmp(line, j->rec.pos.line) == 0
	    ? state_put_going(w->st, j->ship->root, j->rec.key, e)
	    : 0;
}

void
ship_note_end(struct ship_job *j)
{
	struct ship_run *r = j->ship->run;

	pthread_mutex_lock(&r->lock);
	if (j->written && !ship_job_failed(j))
		r->open--;
	pthread_mutex_unlock(&r->lock);
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* News of others: what is contended already is no news. */
static bool
is_news(const struct ship_job *j)
{
	if (j->rec.racy & CONTENDED)
		return false;
	if (ship_job_failed(j))
		return !same(j->whose.foreign, j->whose.noted.object);
	return (j->whose.alien || j->whose.other) && !was_told(j);
}

int
ship_put_whose(struct ship *s, struct ship_job *j, struct err *e)
{
	bool failed = ship_job_failed(j);
	struct whose w = { .object = failed ? j->whose.foreign : NULL,
		.taken_ns = j->whose.noted.taken_ns };

	if (is_news(j) && state_contend(s->st, j->ship->root, e) == -1)
		return -1;
	if (!failed && j->ship->conf->new_generation)
		w.taken_ns = 0;
	else if (!failed && (j->whose.alien || j->whose.other) && !was_told(j))
		w.taken_ns = now_ns();
	if (w.taken_ns == j->whose.noted.taken_ns &&
	    same(w.object, j->whose.noted.object))
		return 0;
	if (state_put_whose(s->st, j->ship->root, j->rec.key, &w, e) == -1)
		return -1;
	free(j->whose.noted.object);
	j->whose.noted = w;
	j->whose.noted.object = w.object != NULL ? xstrdup(w.object) : NULL;
	return 0;
}
