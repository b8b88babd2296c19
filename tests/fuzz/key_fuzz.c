/* SPDX-License-Identifier: Apache-2.0 */
/* The key of an object, in either layout.  One that is read is written so. */
#include "lib/replica/ltx/ltx_names.h"
#include "lib/replica/wal/layout.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

static void
wal_key(const char *key)
{
	const char *below, *slash;
	char line[POS_LINE] = "";
	struct layout_name n, got;
	struct buf again = { 0 };
	size_t len;
	char *db;

	if (!layout_object(key, &len, &n))
		return;
	must(len <= strlen(key));
	db = xasprintf("%.*s", (int)len, key);
	below = key + len + (len > 0) + strlen("generations/");
	must(layout_parse_below(below, line, &got));
	must(got.kind == n.kind);
	slash = strchr(below, '/');
	must((slash == NULL) == (*line == '\0'));
	layout_key(&again, db, line, &n);
	must(strcmp(buf_str(&again), key) == 0);
	buf_release(&again);
	free(db);
}

static void
ltx_file(const char *key)
{
	struct buf again = { 0 };
	enum ltx_levels how;
	struct ltx_name n;
	size_t len;
	char *db;

	if (!ltx_object(key, &len, &how, &n))
		return;
	must(len <= strlen(key) && n.level < LTX_LEVELS);
	db = xasprintf("%.*s", (int)len, key);
	ltx_key(&again, db, how, &n);
	must(strcmp(buf_str(&again), key) == 0);
	buf_release(&again);
	free(db);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf key = { 0 };

	buf_add(&key, data, size);
	wal_key(buf_str(&key));
	ltx_file(buf_str(&key));
	buf_release(&key);
	return 0;
}
