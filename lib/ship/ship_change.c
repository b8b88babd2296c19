/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the layout of Litestream 0.3 to LTX: the history begins anew in the other
 * layout, and the old one is closed, so that nobody goes on with it.
 *
 *	ends	of every generation, as whoever takes over puts them (ship_fence.c):
 *		a run with a record of the old layout meets one
 *	owner	the next owner's object, which names no generation.  Who would begin
 *		one computes the same name, so of the two one creates it.  It is
 *		the newest for ever: whoever looks goes on in LTX
 *	file	all pages, at the TXID behind the last: its name is computed by all
 *		alike, too (ship_row.c)
 *
 * A run that is killed between these leaves what the next one goes on from:
 * behind some ends nothing is closed, so either layout may begin; behind the
 * owner's object LTX alone may, in whatever state; a file that is in no record is
 * gone on behind.  Until the file is there, the old layout has the newest state.
 * What is in LTX then is captured later than all of that, and than the owner's
 * object: that is how readers know which layout is the newer one (follow.h).
 *
 * There is no way back.  Nothing that is put into a row of LTX closes it: a
 * daemon of Litestream goes on behind the last file, whatever it says, and its
 * compaction drops what lspp wrote into it.  A ship in the old layout looks at
 * nothing but its own position, and so would never notice.
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/when.h"
#include "lib/replica/format.h"
#include "lib/replica/jump.h"
#include "lib/replica/ltx/ltx_list.h"
#include "lib/ship/ship_job.h"
#include "lib/store/listed.h"
#include "lib/store/open/store_open.h"
#include "lib/store/store.h"

void
ship_say_change(struct ship_job *j)
{
	snprintf(j->notice, sizeof(j->notice),
	    "a new history begins, in LTX: what was shipped in the layout of "
	    "Litestream 0.3 stays, and is restored with --timestamp");
}

bool
ship_is_closed(const struct provenance *owner)
{
	return strcmp(owner->generation, LAYOUT_CLOSED) == 0;
}

int
ship_note(struct ship_worker *w, struct ship_job *j, int which,
    const struct provenance *of, const char *line, const struct buf *data,
    struct err *e)
{
	struct store *s = j->ship->store;
	struct spool *bytes =
	    which == 1 ? &w->snapshot_bytes : &w->segment_bytes;
	struct store_stage st = { .bytes = bytes, .mtime_ns = of->captured_ns };
	struct provenance pv = *of;
	struct buf key = { 0 };
	int64_t now = when_now();

	if (now > pv.captured_ns)
		pv.captured_ns = now;
	if (pv.captured_ns - now > JUMP_STEP_NS)
		pv.clock_ns = now;
	else if (pv.clock_ns != 0)
		pv.clock_ns = pv.captured_ns;
	memcpy(pv.writer, j->ship->writer, sizeof(pv.writer));
	pv.run = j->ship->run->token;
	j->codec->key(&key, j->rec.key, line, &pv.name);
	j->keys[which] = xstrdup(buf_str(&key));
	buf_release(&key);
	st.key = j->keys[which];
	if (w->writer->note(w->segment, bytes, data, &pv, e) == -1)
		return -1;
	j->staged[which] = s->ops->stage(s, &st, e);
	return j->staged[which] == NULL ? -1 : 0;
}

int
ship_put_closed(struct ship_worker *w, struct ship_job *j,
    const struct provenance *last, uint64_t owner, struct err *e)
{
	struct provenance pv = *last;

	pv.captured_ns = j->fence.floor_ns + 1;
	pv.name = (struct layout_name){ LAYOUT_OWNER, owner };
	memcpy(pv.generation, LAYOUT_CLOSED, sizeof(pv.generation));
	j->outcome = SHIP_MORE;
	if (ship_note_run(w, j, e) == -1)
		return -1;
	return ship_note(w, j, 0, &pv, NULL, &j->fence.follows, e);
}

static bool
asks_for_wal(const struct ship_job *j)
{
	return j->ship->conf->format_asked &&
	    j->ship->conf->format != FORMAT_LTX;
}

static int
is_in_ltx(struct ship_job *j, struct err *e)
{
	const struct listed from = LISTED_NOT(j->ship->store);

	return ltx_is_there(&from, j->rec.key, e);
}

int
ship_may_change(struct ship_job *j, bool lost, struct err *e)
{
	const struct ship_conf *c = j->ship->conf;
	int is;

	/* What is damaged may have closed it. */
	if (lost && !j->changes) {
		if ((is = is_in_ltx(j, e)) == -1)
			return -1;
		j->changes = is == 1;
	}
	if (!j->changes)
		return 0;
	if (asks_for_wal(j)) {
		err_set(e, ERR_CONFIG,
		    "its replica is in both layouts, and whether it was "
		    "changed to LTX cannot be told");
		return err_hint(e, "--format ltx goes on in that layout");
	}
	if (c->format_asked || lost)
		return 0;
	err_set(e, ERR_CONFIG,
	    "its replica is in the layout of Litestream 0.3 (%s), not LTX",
	    j->ship->store->url);
	return err_hint(e,
	    "--format wal goes on in that layout; --format ltx begins a new "
	    "history in LTX");
}

void
ship_turn(struct ship_worker *w, struct ship_job *j)
{
	const struct record was = j->rec;

	j->rec = (struct record){ .id = was.id,
		.root = was.root,
		.key = was.key,
		.path = was.path,
		.racy = was.racy,
		.captured_ns = was.captured_ns };
	if (!j->changes)
		ship_say_change(j);
	j->known = j->changes = false;
	j->turned = true;
	j->start = SHIP_CLAIMS;
	j->codec =
	    format_codec(FORMAT_LTX, store_traits(j->ship->conf->url)->flat);
	ship_writes(w, j->codec);
}

/* Nothing is in LTX yet: who closed the layout is to begin. */
static int
check_owner(struct ship_worker *w, struct ship_job *j,
    const struct provenance *owner, uint64_t number, struct err *e)
{
	struct buf key = { 0 };
	bool ours = memcmp(owner->writer, j->ship->writer,
			sizeof(owner->writer)) == 0 ||
	    state_same_machine(owner->writer, j->ship->writer);

	if (ours && !j->known && !j->ship->conf->new_generation)
		ship_unrecorded(w, j, owner);
	if (ours || j->ship->conf->new_generation)
		return 0;
	ship_key(j, &key, LAYOUT_OWNER, NULL, number);
	ship_foreign(j, buf_str(&key), e);
	buf_release(&key);
	return -1;
}

int
ship_go_over(struct ship_worker *w, struct ship_job *j,
    const struct provenance *owner, uint64_t number, struct err *e)
{
	int is;

	if (asks_for_wal(j)) {
		err_set(e, ERR_CONFIG,
		    "its history goes on in LTX, and not in the layout of "
		    "Litestream 0.3");
		return err_hint(e,
		    "--format ltx goes on in that layout; for that of "
		    "Litestream 0.3 take another root (-r)");
	}
	if ((is = is_in_ltx(j, e)) == -1 ||
	    (is == 0 && check_owner(w, j, owner, number, e) == -1))
		return -1;
	if (owner->captured_ns > j->fence.floor_ns)
		j->fence.floor_ns = owner->captured_ns;
	ship_turn(w, j);
	return ship_row_fence(w, j, e);
}
