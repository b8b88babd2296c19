/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/hot/watch.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/hot/tier.h"
#include "lib/sys/stop.h"

enum {
	SECOND = 1000000000,
	ASK_AT_ONCE = 4096,
	LOOK_AT_ONCE = 64, /* before the clock is looked at */
};

#define NOTE_NS INT64_C(60000000000) /* between signs of life */
#define LAST_NS INT64_C(1000000000)  /* for a last look behind a signal */

struct entry {
	uint64_t seen; /* hash of the signature at the last look; 0: none */
	size_t path;   /* in the paths */
	int64_t told_ns, written_ns;
	int64_t held_ns; /* it is not to be told before then */
	bool hot, racy, failed;
	bool waits; /* for that: it has changed */
};

struct watch {
	const struct watch_conf *conf;
	struct buf paths;
	struct entry *v;
	size_t n, cap;
	uint32_t *slots;        /* of a hash table by path: entry + 1, or 0 */
	size_t n_slots;         /* a power of 2, at least twice n */
	bool ended;             /* no more paths will come */
	bool said;              /* something is to be flushed */
	size_t next;            /* of the cold ones, to be looked at */
	size_t scanned;         /* of all, looked at since the last sweep */
	int64_t swept_ns;       /* when the state was last asked */
	int64_t sweep_began_ns; /* time of day */
	int64_t noted_ns;       /* when a pass was last noted */
	int64_t last_ns;        /* behind a signal: when all ends */
};

int64_t
watch_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * SECOND + ts.tv_nsec;
}

struct watch *
watch_new(const struct watch_conf *conf)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	w->conf = conf;
	w->swept_ns = w->noted_ns = watch_clock_ns();
	w->sweep_began_ns = now_ns();
	return w;
}

void
watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	buf_release(&w->paths);
	free(w->slots);
	free(w->v);
	free(w);
}

size_t
watch_size(const struct watch *w)
{
	return w->n;
}

static const char *
path_of(const struct watch *w, const struct entry *en)
{
	return (const char *)w->paths.data + en->path;
}

/* Never 0, which no signature has. */
static uint64_t
hash(const struct signature *s)
{
	return XXH3_64bits(s, sizeof(*s)) | 1;
}

/* It cannot be looked at: said once. */
static void
fail(struct watch *w, struct entry *en, const struct err *e)
{
	if (!en->failed)
		w->conf->failed(w->conf->ctx, path_of(w, en), e);
	en->failed = true;
	en->seen = 0;
	en->hot = en->waits = false;
}

static void
tell(struct watch *w, struct entry *en, const char *why)
{
	en->hot = true;
	en->waits = false;
	en->told_ns = watch_clock_ns();
	en->held_ns = en->told_ns + w->conf->every_ns;
	w->conf->dirty(w->conf->ctx, path_of(w, en), why);
}

/* It has changed: now, or when it may be told again.  Behind a signal there may
 * be no later. */
static void
tell_or_hold(struct watch *w, struct entry *en)
{
	en->hot = en->waits = true;
	if (stop_requested() || watch_clock_ns() >= en->held_ns)
		tell(w, en, "changed");
}

/* A look without the state: has it changed since the last? */
static void
look(struct watch *w, struct entry *en)
{
	struct signature sig;
	uint64_t now_seen;
	struct err e;
	bool racy;

	if (signature_take(&sig, path_of(w, en), &racy, &e) == -1) {
		fail(w, en, &e);
		return;
	}
	en->failed = false;
	now_seen = hash(&sig);
	if (now_seen == en->seen && (!en->racy || racy)) {
		if (en->waits)
			tell_or_hold(w, en);
		return;
	}
	en->seen = now_seen;
	en->racy = racy;
	en->written_ns = signature_newest_ns(&sig);
	tell_or_hold(w, en);
}

/*
 * With the state: is what was told shipped?  Told again if it was not, for so
 * long; and cold, if it was and has had its time.
 */
static int
ask(struct watch *w, struct entry *en, bool first, struct err *e)
{
	struct tiers *t = w->conf->tiers;
	struct tier tier;
	uint64_t now_seen;

	if (tier_look(t, path_of(w, en), &tier, e) == -1) {
		if (t->broken)
			return -1;
		fail(w, en, e);
		return 0;
	}
	now_seen = hash(&tier.sig);
	en->failed = false;
	en->written_ns = tier.written_ns;
	en->waits = tier.dirty && !stop_requested() &&
	    tier_is_held(&tier, w->conf->every_ns);
	if (tier.shipped_ns > 0)
		en->held_ns = watch_clock_ns() + tier.shipped_ns +
		    w->conf->every_ns - now_ns();
	if (!en->waits && tier.dirty &&
	    (first || now_seen != en->seen ||
		watch_clock_ns() - en->told_ns >= t->hot_for_ns))
		tell(w, en, tier.why);
	en->seen = now_seen;
	en->racy = tier.racy;
	/* What is too fresh to show a further change is looked at again. */
	en->hot = tier.hot || tier.racy;
	return 0;
}

/* -- taking up ------------------------------------------------------------- */

/* Where path is in the table, or would be. */
static uint32_t *
slot_of(const struct watch *w, const char *path)
{
	size_t i = XXH3_64bits(path, strlen(path)) & (w->n_slots - 1);

	while (w->slots[i] != 0 &&
	    strcmp(path_of(w, &w->v[w->slots[i] - 1]), path) != 0)
		i = (i + 1) & (w->n_slots - 1);
	return &w->slots[i];
}

static void
grow(struct watch *w)
{
	if (w->n < w->cap)
		return;
	w->cap = w->cap > 0 ? 2 * w->cap : 1024;
	w->v = xrealloc(w->v, w->cap * sizeof(*w->v));
	w->n_slots = 2 * w->cap;
	free(w->slots);
	w->slots = xcalloc(w->n_slots, sizeof(*w->slots));
	for (size_t i = 0; i < w->n; i++)
		*slot_of(w, path_of(w, &w->v[i])) = (uint32_t)(i + 1);
}

/* One that is there already gets a look out of turn. */
static int
add(struct watch *w, const char *path, struct err *e)
{
	struct entry *en;
	uint32_t *slot;

	grow(w);
	w->said = true;
	slot = slot_of(w, path);
	if (*slot != 0) {
		look(w, &w->v[*slot - 1]);
		return 0;
	}
	en = &w->v[w->n++];
	*slot = (uint32_t)w->n;
	*en = (struct entry){ .path = w->paths.len };
	buf_add(&w->paths, path, strlen(path) + 1);
	if (ask(w, en, true, e) == -1)
		return -1;
	return w->n % ASK_AT_ONCE == 0 ? tiers_flush(w->conf->tiers, e) : 0;
}

static int
flush(struct watch *w, struct err *e)
{
	w->said = false;
	w->conf->flush(w->conf->ctx);
	return tiers_flush(w->conf->tiers, e);
}

/* Sleep until then; a signal ends it. */
static void
wait_until(int64_t then_ns)
{
	struct pollfd fd = { .fd = stop_fd(), .events = POLLIN };
	int64_t left;

	while (!stop_requested() && (left = then_ns - watch_clock_ns()) > 0)
		(void)poll(&fd, 1, (int)(left / 1000000) + 1);
}

/* Until then, or the last path: take up what comes. */
static int
take_up(struct watch *w, int64_t then_ns, struct err *e)
{
	const struct watch_conf *c = w->conf;
	const char *path;
	int64_t left;
	int rc;

	while (!w->ended && !stop_requested() &&
	    (left = then_ns - watch_clock_ns()) > 0) {
		/* What was found is passed on before there is a wait. */
		left = w->said ? 0 : left / 1000000 + 1;
		rc = c->next(
		    c->ctx, left > INT32_MAX ? INT32_MAX : (int)left, &path);
		w->ended = rc == -1 && !stop_requested();
		if (rc == 1 && add(w, path, e) == -1)
			return -1;
		if (rc != 1 && w->said && flush(w, e) == -1)
			return -1;
		if (w->ended)
			w->scanned = w->n; /* since watch_new() */
	}
	return 0;
}

/* -- looking --------------------------------------------------------------- */

/* To be left?  A signal leaves a moment for the last look. */
static bool
is_over(struct watch *w, bool last)
{
	if (!stop_requested())
		return false;
	if (w->last_ns == 0)
		w->last_ns = watch_clock_ns() + LAST_NS;
	return !last || watch_clock_ns() > w->last_ns;
}

/*
 * All were looked at since the last sweep, or the first: a pass.  Nothing hot:
 * little is written, so that disks may sleep.
 */
static int
note_pass(struct watch *w, int64_t began, bool write, struct err *e)
{
	if (!w->conf->fleet || !w->ended || w->scanned < w->n)
		return 0;
	write = write || w->swept_ns - w->noted_ns >= NOTE_NS;
	if (write)
		w->noted_ns = w->swept_ns;
	if (tiers_passed(w->conf->tiers, w->sweep_began_ns, w->n, write, e) ==
	    -1)
		return -1;
	w->sweep_began_ns = began;
	w->scanned = 0;
	return 0;
}

/* What is hot, with the state; then the notes are written. */
static int
sweep(struct watch *w, bool last, struct err *e)
{
	int64_t began = now_ns();
	size_t asked = 0;

	for (size_t i = 0; i < w->n; i++) {
		if (!w->v[i].hot)
			continue;
		if (ask(w, &w->v[i], false, e) == -1)
			return -1;
		if (++asked % ASK_AT_ONCE == 0 &&
		    tiers_flush(w->conf->tiers, e) == -1)
			return -1;
		if (asked % LOOK_AT_ONCE == 0 && is_over(w, last))
			return tiers_flush(w->conf->tiers, e);
	}
	w->swept_ns = watch_clock_ns();
	if (tiers_flush(w->conf->tiers, e) == -1)
		return -1;
	return note_pass(w, began, asked > 0 || last, e);
}

/*
 * Hot ones, and then so many of the others as can be in that time: on a slow
 * disk the hot ones are not to wait for them.
 */
static void
look_round(struct watch *w, size_t others, int64_t time_ns, bool last)
{
	int64_t began;

	for (size_t i = 0; i < w->n; i++) {
		if (i % LOOK_AT_ONCE == 0 && is_over(w, last))
			return;
		if (w->v[i].hot)
			look(w, &w->v[i]);
	}
	began = watch_clock_ns();
	for (size_t i = 0; i < others; i++) {
		if (i % LOOK_AT_ONCE == 0 &&
		    (is_over(w, last) || watch_clock_ns() - began > time_ns))
			return;
		if (w->next >= w->n)
			w->next = 0;
		if (!w->v[w->next].hot)
			look(w, &w->v[w->next]);
		w->next++;
		w->scanned++;
	}
}

static int
tick(struct watch *w, int64_t now, struct err *e)
{
	const struct watch_conf *c = w->conf;
	size_t due = (size_t)((double)w->n * (double)c->interval_ns /
			 (double)c->scan_interval_ns) +
	    1;
	size_t others = due > c->at_least ? due : c->at_least;

	look_round(w, others < w->n ? others : w->n, c->interval_ns, false);
	if (now - w->swept_ns >= c->scan_interval_ns && !stop_requested() &&
	    sweep(w, false, e) == -1)
		return -1;
	return flush(w, e);
}

int
watch_run(struct watch *w, int64_t end_ns, struct err *e)
{
	int64_t next = watch_clock_ns() + w->conf->interval_ns, now, then;

	for (;;) {
		if (take_up(w, next, e) == -1)
			return -1;
		if (w->ended)
			wait_until(next < end_ns ? next : end_ns);
		now = watch_clock_ns();
		if (stop_requested() || (w->ended && now >= end_ns))
			break;
		if (tick(w, now, e) == -1)
			return -1;
		/* Late: no looks to catch up with, and while paths come they
		 * get as much time as the looks. */
		then = watch_clock_ns();
		next += w->conf->interval_ns;
		if (next < (w->ended ? then : 2 * then - now))
			next = w->ended ? then : 2 * then - now;
	}
	look_round(w, w->n, INT64_MAX, true);
	if (sweep(w, true, e) == -1)
		return -1;
	return flush(w, e);
}
