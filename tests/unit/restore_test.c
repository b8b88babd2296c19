/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to a target between the stage of a restore and its publish, and
 * to the replica between the plan and the stage.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/restore/restore.h"
#include "lib/store/open/store_open.h"
#include "lib/sys/file.h"
#include "tests/unit/tap.h"

#define SNAPSHOT                                             \
	"replica/%s/generations/0123456789abcdef/snapshots/" \
	"00000000.snapshot.lz4"

static struct store *store;
static struct restorer *restorer;
static const struct restore_want newest = RESTORE_WANT;

static void
must(bool done, const char *what)
{
	if (done)
		return;
	perror(what);
	exit(99);
}

static void
make_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	must(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0, path);
}

static bool
holds(const char *path, const char *text)
{
	struct buf b = { 0 };
	struct err e;
	bool same = file_slurp(path, 100, &b, &e) == 0 &&
	    strcmp(buf_str(&b), text) == 0;

	buf_release(&b);
	return same;
}

static bool
there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* Backups of one small database under the names k0 to k5. */
static void
make_replica(void)
{
	struct buf cmd = { 0 };
	sqlite3 *db = NULL;

	must(sqlite3_open("db", &db) == SQLITE_OK &&
		sqlite3_exec(db, "CREATE TABLE t(x)", NULL, NULL, NULL) ==
		    SQLITE_OK,
	    "sqlite");
	(void)sqlite3_close(db);
	for (char name[] = "k0"; name[1] < '6'; name[1]++) {
		buf_reset(&cmd);
		buf_adds(&cmd, "f=");
		buf_addf(&cmd, SNAPSHOT, name);
		buf_adds(&cmd, "; mkdir -p \"${f%/*}\" && lz4 -qc db >\"$f\"");
		must(system(buf_str(&cmd)) == 0, "lz4");
	}
	buf_release(&cmd);
}

static int
stage(const char *key, bool force, struct restored **r, struct err *e)
{
	char *path = xasprintf("out/%s", key);
	struct restore_target t = {
		.path = path, .trusted = 4, .force = force
	};
	struct restore_plan p;
	int rc = -1;

	if (restore_plan(store, key, &newest, &p, e) == 0)
		rc = restore_stage(restorer, store, key, &p, &t, r, e);
	restore_plan_release(&p);
	free(path);
	return rc;
}

/* How many files are in out/. */
static int
files(void)
{
	FILE *f = popen("ls -A out | wc -l", "r");
	char line[32], *end = line;
	long n = -1;

	must(f != NULL, "ls");
	if (fgets(line, sizeof(line), f) != NULL)
		n = strtol(line, &end, 10);
	must(end != line, "ls");
	(void)pclose(f);
	return (int)n;
}

static void
appears_meanwhile(void)
{
	static const char *const names[] = { "out/k0", "out/k0-wal",
		"out/k0-journal", "out/k0-shm" };
	struct restored *r;
	struct err e;

	for (size_t i = 0; i < 4; i++) {
		must(stage("k0", false, &r, &e) == 0, e.msg);
		make_file(names[i], "theirs");
		restore_publish(&r, 1);
		ok(r->rc == -1 && r->e.class == ERR_EXISTS,
		    "%s came meanwhile: refused", names[i]);
		restored_drop(r);
		ok(holds(names[i], "theirs"), "and is as it was");
		is_int(files(), 1, "and nothing is beside it");
		(void)unlink(names[i]);
	}
}

/* Enough for one sync of all; k2 has become somebody else's meanwhile. */
static void
batch(void)
{
	struct restored *r[6];
	struct err e;
	char key[] = "k0";

	for (int i = 0; i < 6; i++) {
		key[1] = (char)('0' + i);
		must(stage(key, i == 3, &r[i], &e) == 0, e.msg);
	}
	is_int(files(), 6, "six unfinished files");
	ok(!there("out/k0"), "none of which has its name");
	make_file("out/k2", "theirs");
	make_file("out/k3", "to be replaced");
	make_file("out/k3-wal", "to go");
	restore_publish(r, 6);
	for (int i = 0; i < 6; i++) {
		is_int(r[i]->rc, i == 2 ? -1 : 0, "result of k%d", i);
		restored_drop(r[i]);
	}
	ok(holds("out/k2", "theirs"), "k2 is as it was");
	ok(!holds("out/k3", "to be replaced"), "k3 is replaced");
	is_int(files(), 6, "six files, no log and nothing unfinished");
	/* A directory that goes away under the restorer is made once more. */
	must(system("rm -r out") == 0, "rm");
	must(stage("k0", false, &r[0], &e) == 0, e.msg);
	is_int(files(), 1, "out/ is there again");
	restored_drop(r[0]);
}

static void
goes_meanwhile(void)
{
	struct restore_target t = { .path = "out/k0", .trusted = 4 };
	struct restore_plan p;
	struct restored *r;
	char gone[128];
	struct err e;

	must(restore_plan(store, "k0", &newest, &p, &e) == 0, e.msg);
	(void)snprintf(gone, sizeof(gone), SNAPSHOT, "k0");
	must(unlink(gone) == 0, gone);
	ok(restore_stage(restorer, store, "k0", &p, &t, &r, &e) == -1 &&
		e.class == ERR_MISSING && strstr(e.msg, "snapshots/") != NULL,
	    "an object that went after the plan is missing: %s", e.msg);
	is_int(files(), 0, "nothing is left");
	restore_plan_release(&p);
	ok(restore_plan(store, "k0", &newest, &p, &e) == -1 &&
		e.class == ERR_MISSING,
	    "then there is no backup");
	restore_plan_release(&p);
}

int
main(void)
{
	char dir[] = "/tmp/restore_test.XXXXXX";
	char *rm;
	struct err e;

	must(mkdtemp(dir) != NULL && chdir(dir) == 0, dir);
	make_replica();
	store = store_open("replica", STORE_READ, true, NULL, &e);
	must(store != NULL, "store");
	restorer = restorer_new(NULL);
	appears_meanwhile();
	batch();
	goes_meanwhile();
	restorer_free(restorer);
	store_close(store);
	rm = xasprintf("rm -r %s", dir);
	must(system(rm) == 0, rm);
	free(rm);
	return done();
}
