/* SPDX-License-Identifier: Apache-2.0 */
/*
 * app_kit -- applications in processes of their own: POSIX locks do not show
 * within one.
 */
#ifndef LSPP_TESTS_UNIT_APP_KIT_H
#define LSPP_TESTS_UNIT_APP_KIT_H

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "tests/unit/tmp_kit.h"

#define KIT __attribute__((unused)) static

KIT char *
db_path(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

KIT sqlite3 *
must_open(const char *path)
{
	sqlite3 *db;

	if (sqlite3_open(path, &db) != SQLITE_OK)
		abort();
	sqlite3_busy_timeout(db, 60000);
	return db;
}

KIT void
must(sqlite3 *db, const char *sql)
{
	char *why = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) {
		fprintf(stderr, "%s: %s\n", sql, why);
		abort();
	}
}

/* In a connection of its own. */
KIT void
run_sql(const char *name, const char *sql)
{
	char *path = db_path(name);
	sqlite3 *db = must_open(path);

	must(db, sql);
	sqlite3_close(db);
	free(path);
}

KIT const char table[] = "CREATE TABLE t(a INTEGER PRIMARY KEY, b)";
KIT const char fill[] =
    "INSERT INTO t SELECT NULL, randomblob(300) FROM (WITH RECURSIVE c(x) AS "
    "(SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 200) SELECT x FROM c);";

/* -- an application in a process of its own -------------------------------- */

struct app {
	pid_t pid;
	int to, from; /* SQL, a line each; an empty answer for each */
};

KIT void
app_main(const char *path, int in, int out)
{
	sqlite3 *db = must_open(path);
	FILE *f = fdopen(in, "r");
	char line[4096];

	while (fgets(line, sizeof(line), f) != NULL) {
		must(db, line);
		if (write(out, "\n", 1) != 1)
			_exit(1);
	}
	sqlite3_close(db);
	_exit(0);
}

KIT struct app
app_start(const char *path)
{
	int down[2], up[2];
	struct app a;

	if (pipe(down) == -1 || pipe(up) == -1 || (a.pid = fork()) == -1)
		abort();
	if (a.pid == 0) {
		close(down[1]);
		close(up[0]);
		app_main(path, down[0], up[1]);
	}
	close(down[0]);
	close(up[1]);
	a.to = down[1];
	a.from = up[0];
	return a;
}

KIT void
app_do(struct app *a, const char *sql)
{
	char answer;

	if (dprintf(a->to, "%s\n", sql) < 0 || read(a->from, &answer, 1) != 1)
		abort();
}

KIT void
app_end(struct app *a, int sig)
{
	if (sig != 0)
		kill(a->pid, sig);
	close(a->to);
	waitpid(a->pid, NULL, 0);
	close(a->from);
}

KIT struct app
wal_app(const char *path)
{
	struct app a = app_start(path);

	app_do(&a, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;");
	app_do(&a, table);
	app_do(&a, fill);
	return a;
}

/* Is the database just these bytes to SQLite?  From a process of its own:
 * closing drops no lock. */
KIT bool
sees(const char *path, const struct buf *bytes)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		sqlite3 *db = must_open(path);
		sqlite3_int64 n = 0;
		unsigned char *p;

		sqlite3_db_config(
		    db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		must(db, "BEGIN; SELECT * FROM sqlite_schema");
		p = sqlite3_serialize(db, "main", &n, 0);
		_exit(p == NULL || bytes->data == NULL ||
		    (size_t)n != bytes->len ||
		    memcmp(p, bytes->data, (size_t)n) != 0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#endif
