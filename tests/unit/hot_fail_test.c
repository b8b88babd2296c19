/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pass over a fleet, of which each system call and each statement fails in turn:
 * what has to be shipped is never told as cold, what is there never as gone, and
 * where nothing is said to have failed, each is told as it is.
 */
#include "tests/unit/fail_kit.h"

#include "lib/hot/forget.h"
#include "lib/hot/tier.h"
#include "lib/hot/watch.h"
#include "tests/unit/hot_kit.h"

enum { COLD, CHANGED, NEW, EMPTY, COME, GONE = COME, LEFT, ALL };

static const char *const names[ALL] = { "cold.db", "changed.db", "new.db",
	"empty.db", "gone.db", "left.db" };
static char *paths[ALL];

/* What is told of each; as it is, of the last two at the end of a pass. */
enum told { NOTHING, IS_COLD, IS_DIRTY, IS_LOST, IS_GONE, FAILED };
static enum told told[ALL];
static bool any_failed;
static const enum told right[ALL] = { IS_COLD, IS_DIRTY, IS_DIRTY, IS_LOST,
	IS_GONE, IS_DIRTY };

static bool
has_reason(int rc, const struct err *e)
{
	return rc == 0 || (e->class != ERR_NONE && e->class != ERR_BUG);
}

static int
number_of(const char *path)
{
	for (int i = 0; i < ALL; i++)
		if (strcmp(path, paths[i]) == 0)
			return i;
	printf("# %s?\n", path);
	exit(1);
}

static void
as_it_was(void)
{
	fail_remove("state");
	fail_copy("before", "state");
	memset(told, 0, sizeof(told));
	any_failed = false;
}

/* -- a pass ---------------------------------------------------------------- */

static void
did_not_come(void *ctx, const struct missing *m)
{
	enum told *is = &told[number_of(m->path)];

	(void)ctx;
	*is = m->how == LOOK_GONE ? IS_GONE
	    : m->how == LOOK_LOST ? IS_LOST
	    : m->tier->dirty      ? IS_DIRTY
				  : IS_COLD;
}

/* As lspp-hot does it; -1: of the state. */
static int
look(struct tiers *t, int i, struct err *e)
{
	struct tier tier;
	struct err why;

	if (tier_look(t, paths[i], &tier, &why) == 0) {
		told[i] = tier.lost ? IS_LOST : tier.dirty ? IS_DIRTY : IS_COLD;
		return 0;
	}
	told[i] = FAILED;
	if (t->broken) {
		*e = why;
		return -1;
	}
	return tiers_failed(t, paths[i], &why, e) == -1 ? -1 : 0;
}

static struct tiers
tiers_of(struct state *st)
{
	return (struct tiers){
		.st = st, .root = 1, .keep = true, .missing = did_not_come
	};
}

static int
pass(struct err *e)
{
	struct state *st = state_open("state", true, e);
	struct tiers t = tiers_of(st);
	int64_t began = now_ns();
	int rc;

	if (st == NULL)
		return -1;
	rc = tiers_begin(&t, e);
	for (int i = 0; i < COME && rc == 0; i++)
		rc = look(&t, i, e);
	if (rc == 0)
		rc = tiers_flush(&t, e);
	if (rc == 0)
		rc = tiers_passed(&t, began, COME, true, e);
	tiers_release(&t);
	state_close(st);
	return rc;
}

static bool
no_false_word(bool all)
{
	for (int i = 0; i < ALL; i++) {
		/* What cannot be read or reached counts as lost. */
		bool may = told[i] == right[i] || told[i] == FAILED ||
		    told[i] == IS_LOST || (!all && told[i] == NOTHING);

		if (!may)
			return false;
	}
	return true;
}

static bool
as_it_is(int rc, const struct err *e)
{
	struct err again;

	if (!has_reason(rc, e) || !no_false_word(rc == 0))
		return false;
	return pass(&again) == 0 && memcmp(told, right, sizeof(told)) == 0;
}

/* -- watching -------------------------------------------------------------- */

static int
next(void *ctx, int ms, const char **path)
{
	int *n = ctx;

	(void)ms;
	if (*n == COME)
		return -1;
	*path = paths[(*n)++];
	return 1;
}

static void
is_dirty(void *ctx, const char *path, const char *why)
{
	(void)ctx;
	(void)why;
	told[number_of(path)] = IS_DIRTY;
}

static void
has_failed(void *ctx, const char *path, const struct err *e)
{
	(void)ctx;
	(void)e;
	any_failed = true;
	if (told[number_of(path)] == NOTHING)
		told[number_of(path)] = FAILED;
}

static void
flush(void *ctx)
{
	(void)ctx;
}

/* All are looked at, and once more at the end. */
static int
look_on(struct err *e)
{
	int n = 0;
	struct state *st = state_open("state", true, e);
	struct tiers t = tiers_of(st);
	const struct watch_conf c = { .tiers = &t,
		.fleet = true,
		.next = next,
		.interval_ns = 1000000,
		.scan_interval_ns = 1000000,
		.at_least = 8,
		.dirty = is_dirty,
		.failed = has_failed,
		.flush = flush,
		.ctx = &n };
	struct watch *w = watch_new(&c);
	int rc = -1;

	if (st != NULL && (rc = tiers_begin(&t, e)) == 0)
		rc = watch_run(w, 0, e);
	watch_free(w);
	tiers_release(&t);
	state_close(st);
	return rc;
}

/* One that could not be looked at is told when it can be, for it may have
 * changed. */
static bool
none_is_missed(int rc, const struct err *e)
{
	if (!has_reason(rc, e) || (told[COLD] == IS_DIRTY && !any_failed))
		return false;
	for (int i = CHANGED; i < ALL && rc == 0; i++)
		if (told[i] == NOTHING)
			return false;
	return true;
}

/* -- forgetting ------------------------------------------------------------ */

static int
forget(struct err *e)
{
	struct state *st = state_open("state", true, e);
	struct tiers t = tiers_of(st);
	const char *why = "";
	struct forget *f;
	int rc = -1;

	if (st != NULL && tiers_begin(&t, e) == 0 &&
	    (f = forget_open(&t, "state", e)) != NULL) {
		rc = forget_path(f, paths[GONE], false, &why, e);
		if (rc == 0 && strcmp(why, "gone") != 0 &&
		    strcmp(why, "lost") != 0) /* not reached */
			rc = err_set(e, ERR_BUG, "it is %s", why);
		forget_close(f);
	}
	tiers_release(&t);
	state_close(st);
	return rc;
}

/* It is forgotten by then, this time or before. */
static bool
once(int rc, const struct err *e)
{
	struct err again;
	int then = forget(&again);

	if (!has_reason(rc, e) || (then == -1 && again.class != ERR_MISSING) ||
	    (then == 0 && rc == 0))
		return false;
	return pass(&again) == 0 && told[GONE] == NOTHING;
}

/* -------------------------------------------------------------------------- */

static void
begin(void)
{
	struct state *st;
	struct err e;

	or_end((st = state_open("state", true, &e)) != NULL, &e);
	for (int i = 0; i < ALL; i++) {
		paths[i] = db_path(names[i]);
		run_sql(names[i], "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
		if (i != NEW)
			shipped(st, names[i]);
	}
	state_close(st);
	write_to("changed.db");
	write_to("left.db");
	fail_must(truncate(paths[EMPTY], 0) == 0, paths[EMPTY]);
	fail_must(unlink(paths[GONE]) == 0, paths[GONE]);
	for (int i = 0; i < 2; i++) {
		memset(told, 0, sizeof(told));
		or_end(pass(&e) == 0, &e);
		ok(memcmp(told, right, sizeof(told)) == 0,
		    "pass %d tells each as it is", i + 1);
	}
	fail_copy("state", "before");
}

int
main(void)
{
	const struct fail_work work[] = {
		{ "a pass", as_it_was, pass, as_it_is, 0 },
		{ "a watch", as_it_was, look_on, none_is_missed, 0 },
		{ "forgetting one", as_it_was, forget, once, 0 },
	};

	dir_begin();
	fail_must(chdir(dir) == 0, dir);
	fail_must(setenv("LSPP_MACHINE", "one", 1) == 0, "setenv");
	seed = tap_seed();
	begin();
	for (size_t i = 0; i < sizeof(work) / sizeof(work[0]); i++)
		fail_each(&work[i]);
	for (int i = 0; i < ALL; i++)
		free(paths[i]);
	return dir_done();
}
