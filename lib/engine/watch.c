#include "lib/engine/watch.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/stop.h"
#include "lib/engine/tier.h"

enum { SECOND = 1000000000, ASK_AT_ONCE = 4096 };

#define NOTE_NS INT64_C(60000000000) /* between signs of life */

struct entry {
	uint64_t seen; /* hash of the signature at the last look; 0: none */
	size_t path;   /* in the paths */
	int64_t told_ns, written_ns;
	bool hot, racy, failed;
};

struct watch {
	const struct watch_conf *conf;
	struct buf paths;
	struct entry *v;
	size_t n, cap;
	size_t next;            /* of the cold ones, to be looked at */
	int64_t swept_ns;       /* when the state was last asked */
	int64_t sweep_began_ns; /* time of day */
	int64_t noted_ns;       /* when a pass was last noted */
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
	free(w->v);
	free(w);
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
	en->hot = false;
}

static void
tell(struct watch *w, struct entry *en, const char *why)
{
	en->hot = true;
	en->told_ns = watch_clock_ns();
	w->conf->dirty(w->conf->ctx, path_of(w, en), why);
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
	if (now_seen == en->seen && (!en->racy || racy))
		return;
	en->seen = now_seen;
	en->racy = racy;
	en->written_ns = signature_newest_ns(&sig);
	tell(w, en, "changed");
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
	if (tier.dirty &&
	    (first || now_seen != en->seen ||
		watch_clock_ns() - en->told_ns >= t->hot_for_ns))
		tell(w, en, tier.why);
	en->seen = now_seen;
	en->racy = tier.racy;
	/* What is too fresh to show a further change is looked at again. */
	en->hot = tier.hot || tier.racy;
	return 0;
}

int
watch_add(struct watch *w, const char *path, struct err *e)
{
	struct entry *en;

	if (w->n == w->cap) {
		w->cap = w->cap > 0 ? 2 * w->cap : 1024;
		w->v = xrealloc(w->v, w->cap * sizeof(*w->v));
	}
	en = &w->v[w->n++];
	*en = (struct entry){ .path = w->paths.len };
	buf_add(&w->paths, path, strlen(path) + 1);
	return ask(w, en, true, e);
}

/* What is hot, with the state; then the notes are written. */
static int
sweep(struct watch *w, bool last, struct err *e)
{
	int64_t began = now_ns();
	size_t asked = 0;
	bool note;

	for (size_t i = 0; i < w->n; i++) {
		if (!w->v[i].hot)
			continue;
		if (ask(w, &w->v[i], false, e) == -1)
			return -1;
		if (++asked % ASK_AT_ONCE == 0 &&
		    tiers_flush(w->conf->tiers, e) == -1)
			return -1;
	}
	w->swept_ns = watch_clock_ns();
	if (tiers_flush(w->conf->tiers, e) == -1)
		return -1;
	/* Nothing hot: little is written, so that disks may sleep. */
	note = asked > 0 || last || w->swept_ns - w->noted_ns >= NOTE_NS;
	if (note)
		w->noted_ns = w->swept_ns;
	if (tiers_passed(w->conf->tiers, w->sweep_began_ns, w->n, note, e) ==
	    -1)
		return -1;
	w->sweep_began_ns = began;
	return 0;
}

/* Hot ones, and as many of the others as are due. */
static void
tick(struct watch *w)
{
	const struct watch_conf *c = w->conf;
	size_t due = (size_t)((double)w->n * (double)c->interval_ns /
			 (double)c->scan_interval_ns) +
	    1;
	size_t n = due > c->at_least ? due : c->at_least;

	if (n > w->n)
		n = w->n;
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].hot)
			look(w, &w->v[i]);
	for (size_t i = 0; i < n; i++) {
		if (w->next >= w->n)
			w->next = 0;
		if (!w->v[w->next].hot)
			look(w, &w->v[w->next]);
		w->next++;
	}
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

int
watch_run(struct watch *w, int64_t end_ns, struct err *e)
{
	const struct watch_conf *c = w->conf;
	int64_t next = watch_clock_ns(), now;

	if (tiers_flush(c->tiers, e) == -1)
		return -1;
	c->flush(c->ctx);
	for (;;) {
		next += c->interval_ns;
		if ((now = watch_clock_ns()) > next)
			next = now; /* late: no looks to catch up with */
		wait_until(next < end_ns ? next : end_ns);
		now = watch_clock_ns();
		if (stop_requested() || now >= end_ns)
			break;
		tick(w);
		if (now - w->swept_ns >= c->scan_interval_ns &&
		    sweep(w, false, e) == -1)
			return -1;
		c->flush(c->ctx);
	}
	for (size_t i = 0; i < w->n; i++)
		look(w, &w->v[i]);
	if (sweep(w, true, e) == -1)
		return -1;
	c->flush(c->ctx);
	return 0;
}
