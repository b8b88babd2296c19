/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image -- the committed image of a database, as SQLite sees it.
 *
 *	image DB OUT
 *
 * Reads DB in one read transaction, its WAL included, and writes the file that
 * a full checkpoint would leave.  A database without a -wal is opened as
 * immutable, so that looking at it leaves nothing beside it.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int
fail(const char *what, const char *why)
{
	(void)fprintf(stderr, "image: %s: %s\n", what, why);
	return 1;
}

static int
has_wal(const char *path)
{
	char *wal = sqlite3_mprintf("%s-wal", path);
	struct stat st;
	int rc = stat(wal, &st) == 0;

	sqlite3_free(wal);
	return rc;
}

static sqlite3 *
open_db(const char *path)
{
	char *uri = sqlite3_mprintf(
	    "file:%s%s", path, has_wal(path) ? "" : "?immutable=1");
	sqlite3 *db = NULL;
	int rc;

	rc = sqlite3_open_v2(
	    uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
	sqlite3_free(uri);
	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(db, 10000);
		sqlite3_db_config(
		    db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		return db;
	}
	sqlite3_close(db);
	return NULL;
}

static int
write_image(sqlite3 *db, const char *path)
{
	sqlite3_int64 n = 0;
	unsigned char *p;
	FILE *f;
	int rc = 1;

	if ((p = sqlite3_serialize(db, "main", &n, 0)) == NULL)
		return fail("serialize", sqlite3_errmsg(db));
	if ((f = fopen(path, "wbe")) != NULL &&
	    fwrite(p, 1, (size_t)n, f) == (size_t)n)
		rc = 0;
	if (f == NULL || fclose(f) == EOF)
		rc = 1;
	sqlite3_free(p);
	return rc == 0 ? 0 : fail(path, "cannot write");
}

int
main(int argc, char *argv[])
{
	sqlite3 *db;
	int rc;

	if (argc != 3) {
		(void)fprintf(stderr, "usage: image DB OUT\n");
		return 2;
	}
	if ((db = open_db(argv[1])) == NULL)
		return fail(argv[1], "cannot open");
	if (sqlite3_exec(db, "BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1", NULL,
		NULL, NULL) != SQLITE_OK)
		rc = fail(argv[1], sqlite3_errmsg(db));
	else
		rc = write_image(db, argv[2]);
	sqlite3_close(db);
	return rc;
}
