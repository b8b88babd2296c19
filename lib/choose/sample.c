/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/choose/sample.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/choose/choose.h"

struct sample {
	sqlite3 *db;
	sqlite3_stmt *add;
};

int
sample_parse(const char *arg, struct sample_size *size, struct err *e)
{
	size_t n = strspn(arg, "0123456789.");
	char *end;

	*size = (struct sample_size){ 0 };
	if (n > 0 && strcmp(arg + n, "%") == 0) {
		size->percent = strtod(arg, &end);
		if (end == arg + n && size->percent > 0 && size->percent <= 100)
			return 0;
	} else if (n > 0 && n < 16 && arg[n] == '\0' &&
	    strchr(arg, '.') == NULL) {
		size->n = strtoull(arg, NULL, 10);
		if (size->n > 0)
			return 0;
	}
	return err_set(e, ERR_USAGE,
	    "--sample: \"%s\" is neither a number nor a part, like 2%%", arg);
}

static int
failed(struct sample *s, struct err *e)
{
	return err_set(e, ERR_IO, "temporary database: %s",
	    s->db != NULL ? sqlite3_errmsg(s->db) : "no memory");
}

struct sample *
sample_new(struct err *e)
{
	struct sample *s = xcalloc(1, sizeof(*s));

	/* Without a name: a file of SQLite's that goes when it is closed. */
	if (sqlite3_open_v2("", &s->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
		    SQLITE_OPEN_NOMUTEX,
		NULL) == SQLITE_OK &&
	    sqlite3_exec(s->db,
		"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
		"PRAGMA cache_size = -1024;"
		"CREATE TABLE choice(verified_ns INTEGER, store BLOB,"
		" name BLOB, key BLOB, path BLOB); BEGIN",
		NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(s->db,
		"INSERT INTO choice VALUES(?, ?, ?, ?, ?)", -1, &s->add,
		NULL) == SQLITE_OK)
		return s;
	failed(s, e);
	sample_free(s);
	return NULL;
}

void
sample_free(struct sample *s)
{
	if (s == NULL)
		return;
	sqlite3_finalize(s->add);
	sqlite3_close(s->db);
	free(s);
}

int
sample_add(
    struct sample *s, struct choice *c, int64_t verified_ns, struct err *e)
{
	int rc;

	sqlite3_bind_int64(s->add, 1, verified_ns);
	sqlite3_bind_blob(
	    s->add, 2, &c->store, sizeof(struct store *), SQLITE_STATIC);
	sqlite3_bind_blob(
	    s->add, 3, c->name, (int)strlen(c->name) + 1, SQLITE_STATIC);
	sqlite3_bind_blob(
	    s->add, 4, buf_str(&c->key), (int)c->key.len, SQLITE_STATIC);
	sqlite3_bind_blob(
	    s->add, 5, buf_str(&c->path), (int)c->path.len, SQLITE_STATIC);
	rc = sqlite3_step(s->add);
	sqlite3_reset(s->add);
	choice_release(c);
	return rc == SQLITE_DONE ? 0 : failed(s, e);
}

int
sample_count(struct sample *s, const struct sample_size *size, uint64_t *n,
    struct err *e)
{
	sqlite3_stmt *q = NULL;
	double part;
	int rc = -1;

	if (sqlite3_prepare_v2(s->db, "SELECT count(*) FROM choice", -1, &q,
		NULL) == SQLITE_OK &&
	    sqlite3_step(q) == SQLITE_ROW) {
		*n = (uint64_t)sqlite3_column_int64(q, 0);
		part = (double)*n * size->percent / 100;
		if (size->n == 0)
			*n = (uint64_t)part + (part > (double)(uint64_t)part);
		else if (size->n < *n)
			*n = size->n;
		rc = 0;
	} else {
		failed(s, e);
	}
	sqlite3_finalize(q);
	return rc;
}

static void
take_column(sqlite3_stmt *q, int at, struct buf *b)
{
	buf_add(
	    b, sqlite3_column_blob(q, at), (size_t)sqlite3_column_bytes(q, at));
}

int
sample_draw(struct sample *s, uint64_t n,
    int (*each)(void *ctx, struct choice *c), void *ctx, struct err *e)
{
	sqlite3_stmt *q = NULL;
	struct choice c;
	int rc;

	if (sqlite3_prepare_v2(s->db,
		"SELECT store, name, key, path FROM choice"
		" ORDER BY verified_ns, random() LIMIT ?",
		-1, &q, NULL) != SQLITE_OK)
		return failed(s, e);
	sqlite3_bind_int64(q, 1, (int64_t)n);
	while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		c = (struct choice){ 0 };
		c.name = xstrdup(sqlite3_column_blob(q, 1));
		memcpy(&c.store, sqlite3_column_blob(q, 0),
		    sizeof(struct store *));
		take_column(q, 2, &c.key);
		take_column(q, 3, &c.path);
		if (each(ctx, &c) == -1)
			break;
	}
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		failed(s, e);
	sqlite3_finalize(q);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}
