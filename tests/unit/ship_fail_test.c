/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ship of one database, of which each system call fails in turn: what was
 * acknowledged restores, byte for byte, and what was not can be shipped by the
 * next one.
 */
#include "tests/unit/fail_world.h"

static bool
holds(int rc, const struct err *e)
{
	struct err again;

	if (rc == 0 ? !restores(&is)
		    : was.len > 0 && !restores(&was) && !restores(&is))
		return false;
	if (rc == -1 && (e->class == ERR_NONE || e->class == ERR_BUG))
		return false;
	new_generation = false;
	if (ship(&again) == -1) {
		printf("# the next one: %s\n", again.msg);
		return false;
	}
	return restores(&is) && !earlier;
}

static void
asked_for(void)
{
	as_before();
	new_generation = true;
}

/* Of what is shipped, and does not change: the next run has nothing to ship, unless
 * what has ended is to be followed by something. */
static void
each_anew(const char *what)
{
	const struct fail_work anew = { what, asked_for, ship, holds, 0 };
	struct err e;

	as_before();
	or_end(ship(&e) == 0, &e);
	fail_remove("before");
	fail_must(mkdir("before", 0700) == 0, "before");
	fail_copy("replica", "before/replica");
	fail_copy("state", "before/state");
	bytes_of("a.db", &was);
	fail_each(&anew);
	new_generation = false;
}

static void
each_of(enum format f, const char *first, const char *then, const char *anew)
{
	const struct fail_work begin = { first, as_before, ship, holds, 0 };
	const struct fail_work go_on = { then, as_before, ship, holds, 0 };
	struct err e;

	format = f;
	fail_remove("before");
	(void)unlink("a.db");
	fail_must(
	    mkdir("before", 0700) == 0 && mkdir("before/replica", 0700) == 0,
	    "before");
	run_sql(
	    "a.db", "CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(9000))");
	buf_reset(&was);
	bytes_of("a.db", &is);
	fail_each(&begin);

	as_before();
	or_end(ship(&e) == 0, &e);
	fail_copy("replica", "before/replica");
	fail_copy("state", "before/state");
	bytes_of("a.db", &was);
	run_sql("a.db", "UPDATE t SET x = randomblob(9000)");
	bytes_of("a.db", &is);
	fail_each(&go_on);
	each_anew(anew);
}

/* Of a database that a writer has open, in WAL mode. */
static void
each_in_use(enum format f, const char *what)
{
	const struct fail_work go_on = { what, as_before, ship, holds, 0 };
	struct app writer;
	struct err e;

	format = f;
	fail_remove("before");
	fail_remove("replica");
	fail_remove("state");
	(void)unlink("a.db");
	fail_must(mkdir("before", 0700) == 0 && mkdir("replica", 0700) == 0,
	    "before");
	writer = wal_app(path);
	or_end(ship(&e) == 0, &e);
	fail_copy("replica", "before/replica");
	fail_copy("state", "before/state");
	(void)restores(&was);
	bytes_of("back", &was);
	app_do(&writer, "UPDATE t SET b = randomblob(300) WHERE a % 9 = 0;");
	or_end(ship(&e) == 0, &e);
	(void)restores(&is);
	bytes_of("back", &is);
	ok(sees(path, &is), "%s: it is what SQLite sees", what);
	fail_each(&go_on);
	app_end(&writer, 0);
}

int
main(void)
{
	world_begin();
	each_of(FORMAT_WAL, "a first ship", "a change", "a new generation");
	each_of(FORMAT_LTX, "a first ship as LTX", "a change as LTX",
	    "a new line of LTX");
	each_in_use(FORMAT_WAL, "a change of one in use");
	each_in_use(FORMAT_LTX, "a change of one in use, as LTX");
	return world_done();
}
