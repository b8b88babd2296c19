#include "lib/engine/tier.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* Since when it has been dirty.  A time that is yet to come is of a clock that
 * was ahead, and tells nothing. */
static int
since(struct tiers *t, const struct state_seen *seen, int64_t now,
    struct tier *out, struct err *e)
{
	int64_t captured = seen->captured_ns > now ? 0 : seen->captured_ns;
	int64_t noted = 0, from;
	int rc = state_pending(t->st, t->root, buf_str(&t->abs), &noted, e);

	if (rc == -1)
		return -1;
	/* A note from before it was last read is done with. */
	if (rc == 1 && noted > captured && noted <= now) {
		out->since_ns = noted;
		return 0;
	}
	from = min(t->last_pass_ns, out->written_ns);
	out->since_ns = from > captured ? from : captured;
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
	if (out->dirty && t->st != NULL && since(t, &seen, now, out, e) == -1) {
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

/* -- notes that nobody takes back ------------------------------------------ */

struct stale {
	struct tiers *t;
	struct buf last;  /* path that was looked at */
	struct buf paths; /* whose note is wrong, each with its NUL */
	size_t n;
	int64_t before_ns;
	bool gone; /* the note is that it is gone */
};

/* Nothing of it waits: it is gone, or all of it is shipped. */
static bool
is_over(struct tiers *t, const char *path)
{
	bool keep = t->keep;
	struct tier now;
	struct err e;
	int rc;

	t->keep = false; /* only look */
	rc = tier_look(t, path, &now, &e);
	t->keep = keep;
	return rc == -1 ? e.class == ERR_MISSING : !now.dirty;
}

static bool
is_there(const char *path)
{
	struct stat sb;

	return stat(path, &sb) == 0;
}

static int
sort_out(void *ctx, const char *path, struct err *e)
{
	struct stale *s = ctx;

	(void)e;
	buf_reset(&s->last);
	buf_adds(&s->last, path);
	if (s->gone ? !is_there(path) : !is_over(s->t, path))
		return 0;
	buf_add(&s->paths, path, strlen(path) + 1);
	return ++s->n >= NOTES;
}

static int
take_back_one(struct stale *s, const char *path, struct err *e)
{
	struct state *st = s->t->st;

	if (s->gone)
		return state_note_back(st, path, e);
	if (!is_there(path) && state_note_gone(st, path, now_ns(), e) == -1)
		return -1;
	return state_unnote(st, s->t->root, s->before_ns, path, e);
}

/* What sort_out() has found, in one transaction. */
static int
take_back(struct stale *s, struct err *e)
{
	const char *p = buf_str(&s->paths);
	struct state *st = s->t->st;
	int rc;

	if (s->n == 0)
		return 0;
	rc = state_begin(st, e);
	for (size_t i = 0; i < s->n && rc == 0; i++, p += strlen(p) + 1)
		rc = take_back_one(s, p, e);
	if (rc == 0)
		rc = state_commit(st, e);
	if (rc == -1)
		state_rollback(st);
	return rc;
}

/* As many as there are, some at a time. */
static int
take_back_notes(struct tiers *t, bool gone, int64_t before_ns, struct err *e)
{
	struct stale s = { .t = t, .gone = gone, .before_ns = before_ns };
	const char *after;
	int rc;

	do {
		s.n = 0;
		buf_reset(&s.paths);
		after = xstrdup(buf_str(&s.last));
		rc = gone ? state_gone_paths(t->st, after, sort_out, &s, e)
			  : state_noted(t->st, t->root, before_ns, after,
				sort_out, &s, e);
		free((char *)after);
		state_look_end(t->st);
		if (rc != -1 && take_back(&s, e) == -1)
			rc = -1;
	} while (rc == 1);
	buf_release(&s.last);
	buf_release(&s.paths);
	return rc;
}

int
tiers_passed(
    struct tiers *t, int64_t began_ns, uint64_t seen, bool write, struct err *e)
{
	int64_t before = t->last_pass_ns;

	t->last_pass_ns = began_ns;
	if (t->st == NULL || !t->keep || !write)
		return 0;
	state_look_end(t->st);
	if (state_put_pass(t->st, t->root, began_ns, seen, e) == -1)
		return -1;
	/*
	 * What is younger than the pass before was just looked at.  An empty
	 * pass is a volume that is not mounted, as like as not.
	 */
	if (seen == 0)
		return 0;
	if (take_back_notes(t, false, before, e) == -1)
		return -1;
	return take_back_notes(t, true, before, e);
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
