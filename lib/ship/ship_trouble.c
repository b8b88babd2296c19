/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What failed, noted in the state for lspp-stat.
 *
 * Some at a time, in transactions of their own: notes need not be durable the
 * moment a path fails, and a store that is down fails all of a fleet.  A state
 * that cannot be written is no further failure.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/err.h"
#include "lib/ship/ship_job.h"
#include "lib/source/signature.h"
#include "lib/sys/file.h"

#define SOON_NS INT64_C(1000000000)
#define KEPT_NS INT64_C(172800000000000) /* 2 days without a new failure */

enum { AT_ONCE = 1000 };

/* In the list, with the path behind it and the message, each with its NUL. */
struct head {
	struct trouble t;
	bool gone; /* there is no such file: that is all */
};

static void
add(struct ship *s, const struct head *h, const char *path, const char *msg)
{
	struct troubles *t = s->troubles;

	buf_add(&t->list, h, sizeof(*h));
	buf_add(&t->list, path, strlen(path) + 1);
	buf_add(&t->list, msg, strlen(msg) + 1);
	if (++t->n >= AT_ONCE)
		ship_trouble_flush(s);
}

/* Not there, rather than not to be had. */
static bool
is_gone(const struct ship_job *j, const char *path)
{
	struct stat sb;

	return j->e.class == ERR_MISSING && stat(path, &sb) == -1 &&
	    errno == ENOENT;
}

/* Since when it may have been waiting: what is later than now is of a clock
 * that was ahead. */
static int64_t
waits_since(const struct ship_job *j, int64_t now)
{
	int64_t life = j->ship->life_ns, read = 0, since;

	if (j->known && j->rec.captured_ns <= now)
		read = j->rec.captured_ns;
	since = life > read && life <= now ? life : read;
	return since == 0 ? now : since;
}

void
ship_trouble(struct ship_job *j)
{
	struct ship *s = j->ship;
	int64_t now = now_ns();
	struct head h = { .t = { .root = s->root,
			      .wait_ns = waits_since(j, now),
			      .at_ns = now,
			      .class = j->e.class,
			      .attempts = j->attempts } };
	struct buf abs = { 0 };
	struct err e;

	if (s->conf->dry_run || !(j->known || s->conf->fleet))
		return;
	if (path_absolute(j->path, &abs, &e) == 0) {
		h.gone = is_gone(j, buf_str(&abs));
		add(s, &h, buf_str(&abs), j->e.msg);
	}
	buf_release(&abs);
}

static int
put_one(struct state *st, const struct head *h, const char *path,
    const char *msg, struct err *e)
{
	if (!h->gone && state_note_back(st, path, e) == -1)
		return -1;
	if (!h->gone)
		return state_trouble(st, &h->t, path, msg, e);
	if (state_note_gone(st, path, h->t.at_ns, e) == -1)
		return -1;
	return state_unnote(st, 0, h->t.at_ns, path, e);
}

static int
put_all(struct state *st, const struct troubles *t, struct err *e)
{
	const uint8_t *p = t->list.data;
	const char *path, *msg;
	struct head h;

	for (size_t i = 0; i < t->n; i++) {
		memcpy(&h, p, sizeof(h));
		path = (const char *)p + sizeof(h);
		msg = path + strlen(path) + 1;
		p = (const uint8_t *)msg + strlen(msg) + 1;
		if (put_one(st, &h, path, msg, e) == -1)
			return -1;
	}
	return 0;
}

void
ship_trouble_flush(struct ship *s)
{
	struct troubles *t = s->troubles;
	struct err ignored;

	if (t->n == 0)
		return;
	if (state_begin(s->st, &ignored) == -1 ||
	    put_all(s->st, t, &ignored) == -1 ||
	    state_commit(s->st, &ignored) == -1) {
		state_rollback(s->st);
		t->unnoted = true;
	}
	buf_reset(&t->list);
	t->n = 0;
	t->flushed_ns = now_ns();
}

void
ship_trouble_soon(struct ship *s)
{
	if (now_ns() - s->troubles->flushed_ns >= SOON_NS)
		ship_trouble_flush(s);
}

void
ship_trouble_run(struct ship *s, const struct err *why)
{
	struct head h = { .t = { .root = s->root,
			      .wait_ns = s->life_ns,
			      .at_ns = now_ns(),
			      .attempts = 1 } };
	struct err ignored;

	if (s->conf->dry_run)
		return;
	if (why != NULL) {
		h.t.class = why->class;
		add(s, &h, "", why->msg);
		ship_trouble_flush(s);
	} else if (s->troubles->some &&
	    state_troubled(s->st, s->root, "", &ignored) == 1) {
		(void)state_untrouble(s->st, s->root, "", &ignored);
	}
}

void
ship_ran(struct ship *s, int64_t began_ns, bool any)
{
	struct err ignored;

	if (s->conf->dry_run)
		return;
	ship_trouble_flush(s);
	if (state_begin(s->st, &ignored) == -1 ||
	    (any && state_put_ran(s->st, s->root, began_ns, &ignored) == -1) ||
	    state_forget_trouble(s->st, now_ns() - KEPT_NS, &ignored) == -1 ||
	    state_commit(s->st, &ignored) == -1)
		state_rollback(s->st);
}
