#include "lib/engine/tier.h"

#include <string.h>

#include "lib/base/err.h"
#include "lib/base/file.h"
#include "lib/engine/state.h"

enum { NOTES = 1000 }; /* in one transaction */

int
tiers_begin(struct tiers *t, struct err *e)
{
	return t->st == NULL ? 0
			     : state_pass(t->st, t->root, &t->last_pass_ns, e);
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

/* Since when it has been dirty. */
static int
since(struct tiers *t, const struct state_seen *seen, struct tier *out,
    struct err *e)
{
	int64_t noted = 0, from;
	int rc = state_pending(t->st, t->root, buf_str(&t->abs), &noted, e);

	if (rc == -1)
		return -1;
	/* A note from before it was last read is done with. */
	if (rc == 1 && noted > seen->captured_ns) {
		out->since_ns = noted;
		return 0;
	}
	from = min(t->last_pass_ns, out->written_ns);
	out->since_ns = from > seen->captured_ns ? from : seen->captured_ns;
	if (t->keep)
		note(t, buf_str(&t->abs), out->since_ns);
	if (t->n_notes >= NOTES)
		return tiers_flush(t, e);
	return 0;
}

/* What the state says.  -1 with t->broken set: it cannot be asked. */
static int
ask(struct tiers *t, const char *path, struct tier *out,
    struct state_seen *seen, struct err *e)
{
	*seen = (struct state_seen){ 0 };
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
tier_look(struct tiers *t, const char *path, struct tier *out, struct err *e)
{
	struct state_seen seen;
	int64_t now;

	*out = (struct tier){ 0 };
	if (signature_take(&out->sig, path, &out->racy, e) == -1)
		return -1;
	now = now_ns();
	out->written_ns = min(signature_newest_ns(&out->sig), now);
	buf_reset(&t->abs);
	if (ask(t, path, out, &seen, e) == -1)
		return -1;
	out->why = !seen.known ? "new"
	    : seen.changed     ? "changed"
	    : seen.racy        ? "racy"
			       : NULL;
	out->dirty = out->why != NULL;
	out->hot = out->dirty || now - out->written_ns < t->hot_for_ns;
	if (out->dirty && t->st != NULL && since(t, &seen, out, e) == -1) {
		t->broken = true;
		return -1;
	}
	return 0;
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

int
tiers_flush(struct tiers *t, struct err *e)
{
	int rc = 0;

	if (t->st == NULL)
		return 0;
	state_look_end(t->st);
	if (t->n_notes > 0) {
		rc = state_begin(t->st, e);
		if (rc == 0 && (rc = write_notes(t, e)) == 0)
			rc = state_commit(t->st, e);
		if (rc == -1)
			state_rollback(t->st);
	}
	buf_reset(&t->notes);
	t->n_notes = 0;
	return rc;
}

int
tiers_passed(struct tiers *t, int64_t began_ns, bool write, struct err *e)
{
	t->last_pass_ns = began_ns;
	if (t->st == NULL || !t->keep || !write)
		return 0;
	state_look_end(t->st);
	return state_put_pass(t->st, t->root, began_ns, e);
}

int
tiers_gone(struct tiers *t, const char *path, struct err *e)
{
	if (t->st == NULL || !t->keep)
		return STATE_UNKNOWN;
	buf_reset(&t->abs);
	if (path_absolute(path, &t->abs, e) == -1)
		return -1;
	state_look_end(t->st);
	return state_note_gone(t->st, buf_str(&t->abs), now_ns(), e);
}

void
tiers_release(struct tiers *t)
{
	buf_release(&t->abs);
	buf_release(&t->notes);
}
