/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiers: what makes a database hot, what cold, since when it waits, and what
 * the end of a pass says of those that did not come.
 */
#include "lib/hot/tier.h"

#include <unistd.h>

#include "lib/base/buf.h"
#include "tests/unit/hot_kit.h"

#define S INT64_C(1000000000)

static struct tier
look(struct tiers *t, const char *name)
{
	char *path = db_path(name);
	struct tier tier;
	struct err e;

	or_end(tier_look(t, path, &tier, &e) == 0, &e);
	free(path);
	return tier;
}

static void
begin(struct tiers *t, struct state *st)
{
	struct err e;

	*t = (struct tiers){ .st = st, .root = 1, .keep = true };
	or_end(tiers_begin(t, &e) == 0, &e);
}

static void
end(struct tiers *t)
{
	struct err e;

	or_end(tiers_flush(t, &e) == 0, &e);
	tiers_release(t);
}

static void
one(struct state *st)
{
	struct tier tier;
	struct tiers t;
	int64_t since, before;

	run_sql("a.db", "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
	begin(&t, st);
	tier = look(&t, "a.db");
	ok(tier.dirty && tier.hot, "one that was never shipped is hot");
	is_str(tier.why, "new", "since it is new");
	shipped(st, "a.db");
	tier = look(&t, "a.db");
	ok(!tier.dirty && !tier.hot, "shipped is cold");
	t.hot_for_ns = 3600 * S;
	tier = look(&t, "a.db");
	ok(!tier.dirty && tier.hot, "or hot for a while");
	t.hot_for_ns = 0;
	before = now_ns();
	write_to("a.db");
	tier = look(&t, "a.db");
	ok(tier.dirty && tier.hot, "a write makes it hot");
	is_str(tier.why, "changed", "since it changed");
	end(&t);
	begin(&t, st);
	since = look(&t, "a.db").since_ns;
	ok(since != 0 && since <= now_ns(), "since when is kept");
	write_to("a.db");
	is_int(look(&t, "a.db").since_ns, since, "it is of the first write");
	ok(since >= before - 3600 * S, "and of today");
	shipped(st, "a.db");
	end(&t);
	begin(&t, st);
	ok(!look(&t, "a.db").dirty, "a ship takes it back");
	end(&t);
}

/* What did not come. */
struct seen {
	enum look how[8];
	char name[8][16];
	size_t n;
	bool news, dirty;
};

static void
missing(void *ctx, const struct missing *m)
{
	struct seen *s = ctx;
	const char *slash = strrchr(m->path, '/');

	(void)snprintf(s->name[s->n], sizeof(s->name[0]), "%s", slash + 1);
	s->how[s->n++] = m->how;
	s->news = m->news;
	s->dirty = m->tier != NULL && m->tier->dirty;
}

/* A pass in which a.db alone comes. */
static struct seen
pass(struct state *st)
{
	struct seen s = { .n = 0 };
	int64_t began = now_ns();
	struct tiers t;
	struct err e;

	begin(&t, st);
	t.missing = missing;
	t.missing_ctx = &s;
	(void)look(&t, "a.db");
	or_end(tiers_passed(&t, began, 1, true, &e) == 0, &e);
	end(&t);
	return s;
}

static void
what_did_not_come(struct state *st)
{
	char *b = db_path("b.db");
	struct seen s;
	FILE *f;

	run_sql("b.db", "CREATE TABLE t(x)");
	shipped(st, "b.db");
	s = pass(st);
	is_int(s.n, 1, "one did not come");
	is_str(s.name[0], "b.db", "its name");
	is_int(s.how[0], LOOK_WELL, "it is there and well");
	ok(!s.dirty, "and shipped");
	write_to("b.db");
	ok(pass(st).dirty, "what is written to it waits");
	if ((f = fopen(b, "w")) == NULL || fclose(f) != 0)
		abort();
	s = pass(st);
	is_int(s.how[0], LOOK_LOST, "an empty file is lost");
	ok(s.news, "which is news");
	ok(!pass(st).news, "once");
	(void)unlink(b);
	is_int(pass(st).how[0], LOOK_GONE, "no file is gone");
	free(b);
}

int
main(void)
{
	struct state *st;
	struct err e;

	dir_begin();
	or_end(setenv("LSPP_MACHINE", "one", 1) == 0, &e);
	or_end((st = state_open(dir, true, &e)) != NULL, &e);
	one(st);
	what_did_not_come(st);
	state_close(st);
	return dir_done();
}
