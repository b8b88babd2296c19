/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job: its parts, and the table of ship_job.h.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/format.h"
#include "lib/ship/ship_job.h"
#include "lib/store/open/store_open.h"

enum {
	LOG_IN_MEMORY = 16 * 1024, /* of a job's page sums */
};

struct job *
ship_job_new(struct ship *s, const char *path, const char *key)
{
	struct ship_job *j = xcalloc(1, sizeof(*j));

	j->ship = s;
	j->path = xstrdup(path);
	if (key != NULL)
		j->rec.key = xstrdup(key);
	return &j->job;
}

void
ship_job_refuse(struct job *job, const struct err *e)
{
	struct ship_job *j = (struct ship_job *)job;

	j->phase = SHIP_OVER;
	j->outcome = SHIP_FAILED;
	j->e = *e;
	j->attempts = 1;
}

void
ship_job_then(struct job *job, struct job *next)
{
	((struct ship_job *)job)->then = (struct ship_job *)next;
}

struct ship_step *
ship_job_step(struct ship_job *j, uint32_t pages, bool anew)
{
	struct ship_step *step;

	j->steps = xrealloc(j->steps, (j->n_steps + 1) * sizeof(*j->steps));
	step = &j->steps[j->n_steps++];
	*step = (struct ship_step){ .pages = pages, .anew = anew };
	spool_init(&step->log, j->ship->conf->state_dir, LOG_IN_MEMORY);
	return step;
}

void
ship_job_forget(struct ship_job *j)
{
	for (size_t i = 0; i < j->n_steps; i++)
		spool_release(&j->steps[i].log);
	free(j->steps);
	j->steps = NULL;
	j->n_steps = 0;
	for (int i = 0; i < SHIP_OBJECTS; i++) {
		if (j->staged[i] != NULL)
			j->ship->store->ops->drop(j->ship->store, j->staged[i]);
		j->staged[i] = NULL;
		free(j->keys[i]);
		j->keys[i] = NULL;
		j->bytes[i] = NULL;
	}
	j->dirty = j->reread = j->put_shrunk = false;
}

void
ship_job_free(struct ship_job *j)
{
	ship_job_forget(j);
	record_release(&j->rec);
	whose_release(&j->whose.noted);
	free(j->whose.foreign);
	buf_release(&j->fence.follows);
	free(j->fence.ended_key);
	free(j->path);
	free(j->abs);
	free(j);
}

bool
ship_job_failed(const struct ship_job *j)
{
	return j->outcome == SHIP_FAILED || j->outcome == SHIP_CONFLICT;
}

/* What comes behind a round that is done. */
static enum ship_phase
behind(const struct ship_job *j)
{
	if (j->phase == SHIP_PREPARE)
		return SHIP_OVER;
	if (j->phase == SHIP_ADOPT && j->start == SHIP_ENDED && !j->fence.asked)
		return SHIP_FENCE;
	return SHIP_PREPARE;
}

enum ship_phase
ship_job_next(const struct ship_job *j)
{
	bool prepare = j->phase == SHIP_PREPARE;

	switch (j->outcome) {
	case SHIP_DONE: return behind(j);
	case SHIP_MORE: assert(!prepare); return j->phase;
	case SHIP_WAITS: assert(prepare); return SHIP_PREPARE;
	case SHIP_AHEAD: assert(prepare); return SHIP_ADOPT;
	case SHIP_UNSURE: assert(prepare); return SHIP_FENCE;
	case SHIP_CONFLICT:
		assert(j->phase != SHIP_ADOPT);
		return prepare && j->start != SHIP_CLAIMS ? SHIP_ADOPT
							  : SHIP_FENCE;
	case SHIP_FAILED: break;
	}
	return SHIP_OVER;
}

int
ship_choose_codec(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	const struct ship_conf *c = j->ship->conf;
	enum format format = c->format != 0 ? c->format : FORMAT_WAL;
	bool other = j->known && c->format_asked && j->rec.format != format;

	if (j->turned)
		return 0;
	if (other && format == FORMAT_WAL) {
		err_set(e, ERR_CONFIG,
		    "it is shipped there in the layout of Litestream 0.5, LTX, "
		    "and not in that of 0.3");
		return err_hint(e,
		    "what went over to LTX does not come back; without "
		    "--format it is gone on with; for the other layout take "
		    "another root (-r)");
	}
	if (j->known)
		format = j->rec.format;
	j->codec = format_codec(format, store_traits(c->url)->flat);
	if (!other)
		return 0;
	ship_anew(j, "asked for");
	ship_say_change(j);
	j->changes = true;
	if (c->dry_run)
		ship_turn(w, j);
	return 0;
}

void
ship_key(const struct ship_job *j, struct buf *b, enum layout_kind kind,
    const char *line, uint64_t at)
{
	struct layout_name name = { kind, at };

	j->codec->key(b, j->rec.key, line, &name);
}

void
ship_anew(struct ship_job *j, const char *why)
{
	if (j->start == SHIP_GOES_ON)
		j->start = SHIP_ENDS;
	snprintf(
	    j->notice, sizeof(j->notice), "a new generation begins: %s", why);
}
