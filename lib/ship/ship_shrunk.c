/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is there much less of it than when it was last shipped?
 *
 * It is shipped all the same: a VACUUM may be meant, and what the replica holds
 * of before stays. But an application that begins anew over its own database,
 * or a DELETE without its WHERE, is worth a word while that is so.
 */
#include <stdio.h>
#include <string.h>

#include "lib/ship/ship_job.h"
#include "lib/text/human.h"

#define SINCE " since it was last shipped"

static void
say(struct ship_job *j, bool shrank, bool emptied)
{
	struct buf was = { 0 }, now = { 0 };
	size_t said = strlen(j->notice);

	human_bytes(&was, (double)j->shrunk.was);
	human_bytes(&now, (double)j->shrunk.now);
	snprintf(j->notice + said, sizeof(j->notice) - said,
	    "%sit %s%s%s%s%s%s" SINCE "; the replica still has what it was",
	    said > 0 ? "; " : "", emptied ? "lost all of its tables" : "",
	    emptied && shrank ? " and " : "", shrank ? "shrank from " : "",
	    shrank ? buf_str(&was) : "", shrank ? " to " : "",
	    shrank ? buf_str(&now) : "");
	buf_release(&was);
	buf_release(&now);
}

int
ship_shrunk(struct ship_worker *w, struct ship_job *j,
    const struct source_state *st, enum ship_schema schema, struct err *e)
{
	uint64_t was = (uint64_t)j->rec.pages * j->rec.page_size;
	uint64_t now = (uint64_t)st->pages * st->page_size;
	struct shrunk *s = &j->shrunk;
	bool none = schema == SHIP_SCHEMA_EMPTY, shrank, emptied;

	j->put_shrunk = false;
	if (w->st == NULL ||
	    state_shrunk(w->st, j->ship->root, j->rec.key, s, e) == -1)
		return w->st == NULL ? 0 : -1;
	/* A table has a page of its own: of a single page there was none. */
	shrank = j->known && now * 2 < was;
	emptied = j->known && none && !s->no_tables && j->rec.pages > 1;
	if (!shrank && !emptied && s->at_ns == 0 && s->no_tables == none)
		return 0;
	j->put_shrunk = true;
	if (schema != SHIP_SCHEMA_UNSEEN)
		s->no_tables = none;
	if (shrank || emptied) {
		s->was = s->at_ns != 0 && s->was > was ? s->was : was;
		s->at_ns = st->captured_ns;
	}
	s->now = now;
	if ((shrank || emptied) && strstr(j->notice, SINCE) == NULL)
		say(j, shrank, emptied);
	else if (!s->no_tables && now * 2 >= s->was)
		s->at_ns = 0; /* it is what it was */
	return 0;
}
