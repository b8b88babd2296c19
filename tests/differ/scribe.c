/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scribe -- an application with one connection, told what to do by a line
 * each, of which it says in a line how it went: "ok TEXT" or "err TEXT".
 *
 *	open URI	close
 *	exec SQL	one statement; TEXT is the first value that it gave
 *	sum		TEXT is the content, in a number
 *	version		of its SQLite
 *
 * scribe.py is the same for SQLites that come with Python.
 */
#include "tests/differ/differ.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void
say(const char *word, const char *text)
{
	char line[400];

	(void)snprintf(line, sizeof(line), "%s", text == NULL ? "" : text);
	for (char *p = line; *p != '\0'; p++)
		if (*p == '\n')
			*p = ' ';
	(void)printf("%s %s\n", word, line);
	(void)fflush(stdout);
}

static void
do_exec(sqlite3 *db, const char *sql)
{
	char text[100] = "";
	sqlite3_stmt *q;
	int rc = sqlite3_prepare_v2(db, sql, -1, &q, NULL);

	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		if (rc == SQLITE_ROW && *text == '\0')
			(void)snprintf(text, sizeof(text), "%s",
			    sqlite3_column_text(q, 0) == NULL
				? (const unsigned char *)""
				: sqlite3_column_text(q, 0));
		rc = sqlite3_step(q);
	}
	if (rc == SQLITE_DONE)
		rc = sqlite3_finalize(q);
	else if (q != NULL)
		sqlite3_finalize(q);
	say(rc == SQLITE_OK ? "ok" : "err",
	    rc == SQLITE_OK ? text : sqlite3_errmsg(db));
}

static void
do_sum(sqlite3 *db)
{
	uint64_t sum;
	char text[32];

	if (sum_content(db, &sum) == -1) {
		say("err", sqlite3_errmsg(db));
		return;
	}
	(void)snprintf(text, sizeof(text), "%" PRIx64, sum);
	say("ok", text);
}

static void
do_open(sqlite3 **db, const char *uri)
{
	if (sqlite3_open_v2(uri, db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI,
		NULL) == SQLITE_OK) {
		say("ok", "");
		return;
	}
	say("err", sqlite3_errmsg(*db));
	sqlite3_close(*db);
	*db = NULL;
}

static void
do_close(sqlite3 **db)
{
	int rc = sqlite3_close(*db);

	if (rc == SQLITE_OK)
		*db = NULL;
	say(rc == SQLITE_OK ? "ok" : "err", "");
}

int
scribe_main(void)
{
	sqlite3 *db = NULL;
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	while ((n = getline(&line, &room, stdin)) > 0) {
		char *rest = strchr(line, ' ');

		line[n - 1] = '\0';
		rest = rest == NULL ? line + n - 1 : rest + 1;
		if (strcmp(line, "version") == 0)
			say("ok", sqlite3_libversion());
		else if (strncmp(line, "open ", 5) == 0 && db == NULL)
			do_open(&db, rest);
		else if (db == NULL)
			say("err", "nothing is open");
		else if (strcmp(line, "close") == 0)
			do_close(&db);
		else if (strcmp(line, "sum") == 0)
			do_sum(db);
		else
			do_exec(db, rest);
	}
	free(line);
	sqlite3_close(db);
	return 0;
}
