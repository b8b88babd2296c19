/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of paths, into the state.
 */
#include "lib/base/err.h"
#include "lib/ship/ship_job.h"
#include "lib/state/state_compared.h"
#include "lib/state/state_verdict.h"

static void
fail_job(struct ship_job *j, const struct err *e)
{
	j->outcome = SHIP_FAILED;
	j->e = *e;
}

/* Has this try shown that nobody else goes on with the record? */
static bool
shows_own(const struct ship_job *j)
{
	return j->keys[0] != NULL || j->whose.own || j->phase != SHIP_PREPARE;
}

/* What was found broken, or contended, meanwhile stays dirty. */
static int
put_record(struct ship *s, struct ship_job *j, struct err *e)
{
	struct record *n = &j->next;
	struct err ignored;
	int broken;

	(void)state_untrouble(s->st, j->ship->root, j->abs, &ignored);
	if (ship_put_whose(s, j, e) == -1)
		return -1;
	if (j->reread) /* what may wait now is younger than that */
		return state_renote(
		    s->st, j->ship->root, j->abs, j->read_ns, e);
	if (!j->dirty)
		return 0;
	if (!shows_own(j) && n->id != 0 &&
	    state_contended(s->st, n->id, e) == 1)
		n->racy |= CONTENDED;
	broken = state_broken(s->st, n->root, n->key, n->pos.line, e);
	n->racy |= broken == 1 ? RACY : 0;
	if (broken == -1 || state_put(s->st, n, e) == -1 ||
	    state_begun(s->st, n->root, n->key, n->pos.line, e) == -1)
		return -1;
	if (j->healed > 0 &&
	    state_put_healed(s->st, n->root, n->key, j->read_ns, e) == -1)
		return -1;
	if (j->put_shrunk &&
	    state_put_shrunk(s->st, n->root, n->key, &j->shrunk, e) == -1)
		return -1;
	for (size_t i = 0; i < j->n_steps; i++)
		if (state_put_sums(s->st, j->next.id, &j->steps[i].log,
			j->steps[i].pages, j->steps[i].anew, e) == -1)
			return -1;
	return state_settled(s->st, j->ship->root, j->abs, j->read_ns, e);
}

/* A record that cannot be put costs its job; -1: the transaction is lost. */
static int
record_job(struct ship *s, struct ship_job *j, struct err *e)
{
	struct err why;
	int rc;

	if (state_step_begin(s->st, e) == -1)
		return -1;
	rc = ship_job_failed(j) ? ship_put_whose(s, j, &why)
				: put_record(s, j, &why);
	if (rc == -1 && !ship_job_failed(j) && j->dirty)
		fail_job(j, &why);
	return state_step_end(s->st, rc == 0, e);
}

/* A new record, or all is well that was not, or who it failed for. */
static bool
to_record(const struct ship_job *j)
{
	if (ship_job_failed(j))
		return j->whose.foreign != NULL && j->outcome == SHIP_FAILED;
	return j->dirty || j->reread || j->whose.noted.object != NULL ||
	    (j->troubled && j->phase == SHIP_PREPARE &&
		j->outcome == SHIP_DONE);
}

/* One transaction for all: it is durable, or none of it happened. */
void
ship_record(struct ship *s, struct job **jobs, size_t n)
{
	struct err e;
	size_t dirty = 0;
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		struct ship_job *j = (struct ship_job *)jobs[i];

		if (!to_record(j))
			continue;
		if (dirty++ == 0)
			rc = state_begin(s->st, &e);
		if (rc == 0)
			rc = record_job(s, j, &e);
	}
	if (dirty > 0 && rc == 0)
		rc = state_commit(s->st, &e);
	if (rc == 0)
		return;
	state_rollback(s->st);
	for (size_t i = 0; i < n; i++) {
		struct ship_job *j = (struct ship_job *)jobs[i];

		if (!ship_job_failed(j) && j->dirty)
			fail_job(j, &e);
	}
}
