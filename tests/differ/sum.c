/* SPDX-License-Identifier: Apache-2.0 */
/* What is in a database, in a number: the schema, each row, what users set. */
#include "tests/differ/differ.h"

#include <string.h>
#include <zlib.h>

struct sum {
	uLong crc;
	uint32_t bytes;
};

static void
add(struct sum *s, const void *p, size_t n)
{
	s->crc = crc32(s->crc, p, (uInt)n);
	s->bytes += (uint32_t)n;
}

/* scribe.py says the same. */
static void
add_value(struct sum *s, sqlite3_stmt *q, int col)
{
	char head[32];
	int type = sqlite3_column_type(q, col);

	if (type == SQLITE_NULL) {
		add(s, "n", 1);
	} else if (type == SQLITE_INTEGER) {
		(void)snprintf(head, sizeof(head), "i%lld",
		    (long long)sqlite3_column_int64(q, col));
		add(s, head, strlen(head));
	} else {
		const void *p = sqlite3_column_blob(q, col);
		int n = sqlite3_column_bytes(q, col);

		(void)snprintf(head, sizeof(head),
		    "%c%d:", type == SQLITE_BLOB ? 'b' : 't', n);
		add(s, head, strlen(head));
		if (n > 0)
			add(s, p, (size_t)n);
	}
}

static int
add_rows(sqlite3 *db, struct sum *s, const char *sql)
{
	sqlite3_stmt *q;
	int rc;

	if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK)
		return -1;
	while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(q); i++)
			add_value(s, q, i);
		add(s, "\n", 1);
	}
	sqlite3_finalize(q);
	return rc == SQLITE_DONE ? 0 : -1;
}

static int
add_tables(sqlite3 *db, struct sum *s)
{
	sqlite3_stmt *q;
	int rc, bad = 0;

	if (sqlite3_prepare_v2(db,
		"SELECT 'SELECT * FROM ' || name || ' ORDER BY 1' FROM "
		"sqlite_master WHERE type = 'table' ORDER BY name",
		-1, &q, NULL) != SQLITE_OK)
		return -1;
	while ((rc = sqlite3_step(q)) == SQLITE_ROW && bad == 0)
		bad = add_rows(db, s, (const char *)sqlite3_column_text(q, 0));
	sqlite3_finalize(q);
	return bad == 0 && rc == SQLITE_DONE ? 0 : -1;
}

int
sum_content(sqlite3 *db, uint64_t *sum)
{
	struct sum s = { crc32(0, NULL, 0), 0 };
	int rc = -1;

	if (sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		return -1;
	if (add_rows(db, &s,
		"SELECT type, name, sql FROM sqlite_master ORDER BY name") ==
		0 &&
	    add_rows(db, &s, "PRAGMA user_version") == 0 &&
	    add_tables(db, &s) == 0)
		rc = 0;
	if (rc == 0)
		return sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK
		    ? (*sum = (uint64_t)s.crc << 32 | s.bytes, 0)
		    : -1;
	if (!sqlite3_get_autocommit(db))
		(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}

static int
first_text(void *into, int n, char **text, char **names)
{
	char *into_text = into;

	(void)names;
	if (n > 0 && text[0] != NULL && *into_text == '\0')
		(void)snprintf(into_text, 200, "%s", text[0]);
	return 0;
}

const char *
sum_file(const char *path, uint64_t *sum)
{
	static char why[200];
	sqlite3 *db = NULL;

	*why = '\0';
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) !=
		SQLITE_OK ||
	    sqlite3_exec(db, "PRAGMA integrity_check", first_text, why, NULL) !=
		SQLITE_OK ||
	    sum_content(db, sum) == -1)
		(void)snprintf(why, sizeof(why), "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
	return strcmp(why, "ok") == 0 ? NULL : why;
}
