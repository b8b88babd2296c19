/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge -- is this a state that the writer committed?
 *
 *	judge DB [MIN [MAX]]
 *
 * DB is a database that nobody writes to, without a -wal.  Checks what `writer`
 * keeps true in every transaction: integrity_check, the sum over all accounts,
 * the number of the last transaction in two places, a fingerprint in each
 * row of a table of large rows, and a checksum over all rows.  Prints that number, which has to be in [MIN,
 * MAX], and exits with 0 if all is well; else says on stderr what is not.
 */
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tools/rows.h"

static const struct {
	const char *what, *sql, *expect;
} checks[] = {
	{ "integrity", "PRAGMA integrity_check", "ok" },
	{ "sum of balances",
	    "SELECT CASE (SELECT total FROM meta) WHEN SUM(balance) THEN 'ok' "
	    "ELSE SUM(balance) END FROM account",
	    "ok" },
	{ "last of the log",
	    "SELECT CASE (SELECT n FROM meta) WHEN MAX(n) THEN 'ok' "
	    "ELSE MAX(n) END FROM log",
	    "ok" },
	{ "fingerprints",
	    "SELECT COUNT(*) FROM ballast WHERE print IS NOT "
	    "substr(x, 1, 8) || substr(x, -8)",
	    "0" },
	{ "checksum of all rows",
	    "SELECT CASE sum WHEN " ROWS_SUM
	    " THEN 'ok' ELSE sum END FROM meta",
	    "ok" },
};

/* The first value of a query, or what went wrong, as text. */
static char *
ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *q = NULL;
	char *text = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK &&
	    sqlite3_step(q) == SQLITE_ROW)
		text = sqlite3_mprintf("%s", sqlite3_column_text(q, 0));
	if (text == NULL)
		text = sqlite3_mprintf("%s", sqlite3_errmsg(db));
	sqlite3_finalize(q);
	return text;
}

static int
check_all(sqlite3 *db, const char *path)
{
	char *got;
	int bad = 0;

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		got = ask(db, checks[i].sql);
		if (strcmp(got, checks[i].expect) != 0) {
			(void)fprintf(stderr, "judge: %s: %s: %s\n", path,
			    checks[i].what, got);
			bad = 1;
		}
		sqlite3_free(got);
	}
	return bad;
}

static int
check_number(sqlite3 *db, const char *path, long long min, long long max)
{
	char *got = ask(db, "SELECT n FROM meta"), *end;
	long long n = strtoll(got, &end, 10);
	int bad = *end != '\0' || n < min || n > max;

	(void)printf("%s\n", got);
	if (bad)
		(void)fprintf(stderr,
		    "judge: %s: transaction %s, not in [%lld, %lld]\n", path,
		    got, min, max);
	sqlite3_free(got);
	return bad;
}

int
main(int argc, char *argv[])
{
	long long min = 0, max = INT64_MAX;
	sqlite3 *db = NULL;
	char *uri;
	int bad;

	if (argc < 2 || argc > 4) {
		(void)fprintf(stderr, "usage: judge DB [MIN [MAX]]\n");
		return 2;
	}
	if (argc > 2)
		min = strtoll(argv[2], NULL, 10);
	if (argc > 3)
		max = strtoll(argv[3], NULL, 10);
	uri = sqlite3_mprintf("file:%s?immutable=1", argv[1]);
	if (sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
		NULL) != SQLITE_OK) {
		(void)fprintf(stderr, "judge: %s: cannot open\n", argv[1]);
		return 1;
	}
	sqlite3_free(uri);
	(void)rows_register(db);
	bad = check_all(db, argv[1]);
	bad |= check_number(db, argv[1], min, max);
	sqlite3_close(db);
	return bad;
}
