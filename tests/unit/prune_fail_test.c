/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A prune of one database, of which each system call fails in turn: what is to be
 * kept restores, what a later prune is left to do it does, and where it says that
 * nothing failed, nothing is left.
 */
#include "tests/unit/fail_world.h"

#include <time.h>

#include "lib/prune/prune.h"

static int objects; /* that a prune leaves */

static int
count(const char *tree)
{
	DIR *in = opendir(tree);
	struct dirent *d;
	char at[512];
	int n = 0;

	if (in == NULL)
		return 1;
	while ((d = readdir(in)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		(void)snprintf(at, sizeof(at), "%s/%s", tree, d->d_name);
		n += count(at);
	}
	(void)closedir(in);
	return n;
}

static void
removed(void *ctx, const struct prune_db *db, const struct prune_item *it,
    const char *key, uint64_t size, int rc, const struct err *e)
{
	struct err *first = ctx;

	(void)db, (void)it, (void)key, (void)size;
	if (rc == -1 && first->class == ERR_NONE)
		*first = *e;
}

/* What was superseded for an hour goes, two days from now. */
static int
prune(struct err *e)
{
	const struct prune_policy p = {
		.now_ns = (time(NULL) + INT64_C(2 * 86400)) * S,
		.grace_ns = 3600 * S,
		.keep_for_ns = -1,
		.last = 1,
		.measure = true,
		.tmp = dir,
	};
	struct store *s = store_open(url, STORE_REMOVE, true, NULL, e);
	struct err failed = { 0 };
	struct prune_db *db;
	int rc;

	if (s == NULL)
		return -1;
	db = prune_db_new(s, "a.db");
	prune_db_load(db);
	if (db->rc == 0)
		prune_db_plan(db, &p);
	if (db->rc == 0)
		(void)prune_db_mark(db, &p);
	if ((rc = db->rc) == -1)
		*e = db->e;
	else
		prune_run(&db, 1, removed, &failed);
	if (failed.class != ERR_NONE) {
		*e = failed;
		rc = -1;
	}
	prune_db_free(db);
	store_close(s);
	return rc;
}

static bool
holds(int rc, const struct err *e)
{
	struct err again;

	if (!restores(&is) || (rc == 0 && count("replica") != objects))
		return false;
	if (rc == -1 && (e->class == ERR_BUG || e->class == ERR_CORRUPT))
		return false;
	return prune(&again) == 0 && count("replica") == objects &&
	    restores(&is);
}

static void
each_of(enum format f, const char *what)
{
	const struct fail_work work = { what, as_before, prune, holds, 3 };
	struct err e;

	format = f;
	fail_remove("before");
	fail_remove("replica");
	fail_remove("state");
	(void)unlink("a.db");
	fail_must(mkdir("before", 0700) == 0 && mkdir("replica", 0700) == 0,
	    "before");
	run_sql("a.db", "CREATE TABLE t(x)");
	for (int i = 0; i < 4; i++) {
		run_sql("a.db", "INSERT INTO t VALUES(randomblob(5000))");
		or_end(ship(&e) == 0, &e);
	}
	bytes_of("a.db", &is);
	fail_copy("replica", "before/replica");
	fail_copy("state", "before/state");
	objects = count("replica");
	or_end(prune(&e) == 0, &e);
	ok(count("replica") < objects, "%s: of %d objects %d are left", what,
	    objects, count("replica"));
	objects = count("replica");
	fail_each(&work);
}

int
main(void)
{
	world_begin();
	snapshot_interval_ns = 0;
	each_of(FORMAT_WAL, "a prune");
	each_of(FORMAT_LTX, "a prune of LTX");
	return world_done();
}
