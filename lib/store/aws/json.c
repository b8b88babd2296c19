/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/aws/json.h"

#include <sqlite3.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

int
json_members(const char *text, struct json_member *m, size_t n, struct err *e)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	char *path;
	int rc = -1;

	for (size_t i = 0; i < n; i++)
		m[i].value = NULL;
	if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, "SELECT json_extract(?1, ?2)", -1, &st,
		NULL) != SQLITE_OK) {
		err_set(e, ERR_OS, "SQLite: %s", sqlite3_errmsg(db));
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		path = xasprintf("$.%s", m[i].name);
		sqlite3_reset(st);
		sqlite3_bind_text(st, 1, text, -1, SQLITE_STATIC);
		sqlite3_bind_text(st, 2, path, -1, SQLITE_TRANSIENT);
		free(path);
		if (sqlite3_step(st) != SQLITE_ROW) {
			err_set(e, ERR_CONFIG, "it is not JSON");
			goto out;
		}
		if (sqlite3_column_type(st, 0) == SQLITE_TEXT)
			m[i].value =
			    xstrdup((const char *)sqlite3_column_text(st, 0));
	}
	rc = 0;
out:
	sqlite3_finalize(st);
	sqlite3_close(db);
	return rc;
}
