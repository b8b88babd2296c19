/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/hot/tier.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/hot/tier_impl.h"
#include "lib/state/fleet/state_known.h"
#include "lib/state/state.h"
#include "lib/sys/file.h"

int
tiers_begin(struct tiers *t, struct err *e)
{
	struct err ignored;

	if (t->st == NULL)
		return 0;
	/* A state of an earlier program; without, less is known, not nothing.
	 */
	if (t->keep)
		(void)state_complete(t->st, &ignored);
	if (state_pass(t->st, t->root, &t->last_pass_ns, e) == -1)
		return -1;
	return rounds_load(&t->rounds, t->st, t->root, e);
}

static int64_t
min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* To be written by tiers_flush(): the time, then the path with its NUL. */
static void
note(struct tiers *t, const char *path, int64_t since_ns)
{
	buf_add(&t->notes, &since_ns, sizeof(since_ns));
	buf_add(&t->notes, path, strlen(path) + 1);
	t->n_notes++;
}

/* Since when it has been dirty.  A time that is yet to come is of a clock that
 * was ahead, and tells nothing. */
static int
since(struct tiers *t, const struct state_seen *seen, int64_t now,
    struct tier *out, struct err *e)
{
	int64_t captured = seen->captured_ns > now ? 0 : seen->captured_ns;
	int64_t noted = 0, from = rounds_seen_ns(&t->rounds);
	int rc = state_pending(t->st, t->root, buf_str(&t->abs), &noted, e);

	if (rc == -1)
		return -1;
	/* A note from before it was last read is done with; one of just then is
	 * not, since the ship would have taken it back.  0 says nothing. */
	if (rc == 1 && noted > 0 && noted >= captured && noted <= now) {
		out->since_ns = noted;
		return 0;
	}
	/* What came in no earlier pass is looked at in each (tier_pass.c). */
	if (from == 0 || from > now)
		from = t->last_pass_ns;
	from = min(from, out->written_ns);
	out->since_ns = from > captured ? from : captured;
	if (t->keep)
		note(t, buf_str(&t->abs), out->since_ns);
	if (t->n_notes >= TIER_AT_ONCE)
		return tiers_flush(t, e);
	return 0;
}

/* What the state says.  -1 with t->broken set: it cannot be asked. */
static int
ask(struct tiers *t, const char *path, struct tier *out,
    struct state_seen *seen, struct err *e)
{
	*seen = (struct state_seen){ .rounds = &t->rounds };
	rounds_path(&t->rounds);
	if (t->look != NULL)
		return t->look(t->ctx, path, &t->abs, &out->sig, seen, e);
	if (path_absolute(path, &t->abs, e) == -1)
		return -1;
	if (t->st == NULL || t->no_root)
		return 0;
	if (state_look(t->st, t->root, buf_str(&t->abs), &out->sig, seen, e) ==
	    -1) {
		t->broken = true;
		return -1;
	}
	return 0;
}

int
tier_judge(struct tiers *t, const struct state_seen *seen, struct tier *out,
    struct err *e)
{
	int64_t now = now_ns();

	out->written_ns = min(signature_newest_ns(&out->sig), now);
	out->why = !seen->known ? "new"
	    : seen->changed     ? "changed"
	    : seen->racy        ? "racy"
				: NULL;
	out->dirty = out->why != NULL;
	/* A time that is yet to come holds nothing back. */
	if (seen->known && seen->captured_ns <= now)
		out->shipped_ns = seen->captured_ns;
	out->hot = out->dirty || now - out->written_ns < t->hot_for_ns;
	if (out->dirty && t->st != NULL && since(t, seen, now, out, e) == -1) {
		t->broken = true;
		return -1;
	}
	return 0;
}

/* To be written by tiers_flush(). */
static void
note_lost(struct tiers *t)
{
	int class = (int)t->why.class;

	if (!t->keep)
		return;
	buf_add(&t->lost, &class, sizeof(class));
	buf_add(&t->lost, buf_str(&t->abs), t->abs.len + 1);
	buf_add(&t->lost, t->why.msg, strlen(t->why.msg) + 1);
}

int
tier_look(struct tiers *t, const char *path, struct tier *out, struct err *e)
{
	struct state_seen seen;

	*out = (struct tier){ 0 };
	if (signature_take(&out->sig, path, &out->racy, e) == -1)
		return -1;
	buf_reset(&t->abs);
	if (ask(t, path, out, &seen, e) == -1 ||
	    tier_judge(t, &seen, out, e) == -1)
		return -1;
	if (seen.known && seen.changed &&
	    look_into(path, &out->sig, &t->why) == -1) {
		out->lost = true;
		note_lost(t);
	}
	return 0;
}

bool
tier_is_held(const struct tier *t, int64_t every_ns)
{
	return t->shipped_ns > 0 && now_ns() - t->shipped_ns < every_ns;
}

static int
write_notes(struct tiers *t, struct err *e)
{
	const uint8_t *p = t->notes.data;
	int64_t since_ns;

	for (size_t i = 0; i < t->n_notes; i++) {
		memcpy(&since_ns, p, sizeof(since_ns));
		p += sizeof(since_ns);
		if (state_note(t->st, t->root, (const char *)p, since_ns, e) ==
		    -1)
			return -1;
		p += strlen((const char *)p) + 1;
	}
	return 0;
}

static int
write_lost(struct tiers *t, struct err *e)
{
	const char *p = buf_str(&t->lost), *end = p + t->lost.len, *path;
	struct err why;
	int class;

	while (p < end) {
		memcpy(&class, p, sizeof(class));
		path = p + sizeof(class);
		p = path + strlen(path) + 1;
		err_set(&why, (enum err_class) class, "%s", p);
		p += strlen(p) + 1;
		if (state_put_lost(t->st, path, now_ns(), &why, e) == -1)
			return -1;
	}
	return 0;
}

int
tiers_flush(struct tiers *t, struct err *e)
{
	int rc = 0;

	if (t->st == NULL)
		return 0;
	state_look_end(t->st);
	if (t->n_notes > 0 || t->lost.len > 0) {
		rc = state_begin(t->st, e);
		if (rc == 0 && (rc = write_notes(t, e)) == 0 &&
		    (rc = write_lost(t, e)) == 0)
			rc = state_commit(t->st, e);
		if (rc == -1)
			state_rollback(t->st);
	}
	buf_reset(&t->notes);
	buf_reset(&t->lost);
	t->n_notes = 0;
	return rc;
}

int
tiers_failed(
    struct tiers *t, const char *path, const struct err *why, struct err *e)
{
	const struct signature none = { 0 };
	struct state_seen seen = { .rounds = &t->rounds };

	if (t->st == NULL || t->no_root)
		return STATE_UNKNOWN;
	buf_reset(&t->abs);
	if (path_absolute(path, &t->abs, e) == -1)
		return -1;
	rounds_path(&t->rounds);
	if (state_look(t->st, t->root, buf_str(&t->abs), &none, &seen, e) == -1)
		return -1;
	if (!seen.known)
		return STATE_UNKNOWN;
	if (!look_is_gone(path)) {
		t->why = *why;
		note_lost(t);
		return STATE_THERE;
	}
	state_look_end(t->st);
	return !t->keep ? STATE_THERE
			: state_note_gone(t->st, buf_str(&t->abs), now_ns(), e);
}

void
tiers_release(struct tiers *t)
{
	rounds_release(&t->rounds);
	buf_release(&t->abs);
	buf_release(&t->notes);
	buf_release(&t->lost);
}
