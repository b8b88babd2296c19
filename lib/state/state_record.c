/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records: a row for each database of each root.
 *
 * A row that is damaged must not lead to an object that nobody can restore, so
 * what decides where the next one goes, and what it says, has a checksum.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/be.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/format.h"
#include "lib/sqlite/growth.h"
#include "lib/state/state_impl.h"

enum {
	CHECKED = 112, /* bytes, before the key */
};

uint32_t
state_sum_of(struct buf *b, const struct record *r)
{
	uint32_t sum;

	buf_adds(b, r->key);
	sum = (uint32_t)pagesum_of(0, b->data, (uint32_t)b->len).lo;
	buf_release(b);
	return sum;
}

uint32_t
state_checksum(const struct record *r)
{
	struct buf b = { 0 };
	uint8_t *p = buf_room(&b, CHECKED);

	memset(p, 0, CHECKED);
	be64_put(p, (uint64_t)r->root);
	be32_put(p + 8, (uint32_t)r->format);
	memcpy(p + 12, r->pos.line, POS_LINE);
	be64_put(p + 32, r->pos.at);
	be64_put(p + 40, r->snapshot);
	be32_put(p + 48, r->chain.n);
	memcpy(p + 52, r->chain.bytes, r->chain.n);
	be32_put(p + 84, r->page_size);
	be32_put(p + 88, r->pages);
	pagesum_store(p + 92, r->sum);
	b.len = CHECKED;
	return state_sum_of(&b, r);
}

char *
state_text(sqlite3_stmt *q, int at)
{
	size_t n = (size_t)sqlite3_column_bytes(q, at);
	char *s = xmalloc(n + 1);

	if (n > 0)
		memcpy(s, sqlite3_column_blob(q, at), n);
	s[n] = '\0';
	return s;
}

/* Exactly n bytes, or the record is not to be trusted. */
bool
state_column(sqlite3_stmt *q, int at, void *p, size_t n)
{
	if ((size_t)sqlite3_column_bytes(q, at) != n)
		return false;
	if (n > 0)
		memcpy(p, sqlite3_column_blob(q, at), n);
	return true;
}

bool
state_natural(sqlite3_stmt *q, int at, uint64_t max, uint64_t *v)
{
	int64_t n = sqlite3_column_int64(q, at);

	*v = (uint64_t)n;
	return sqlite3_column_type(q, at) == SQLITE_INTEGER && n >= 0 &&
	    (uint64_t)n <= max;
}

static bool
number32(sqlite3_stmt *q, int at, uint32_t max, uint32_t *v)
{
	uint64_t n = 0;
	bool ok = state_natural(q, at, max, &n);

	*v = (uint32_t)n;
	return ok;
}

/* A time, with room to add and subtract. */
static bool
time_ns(sqlite3_stmt *q, int at, int64_t *v)
{
	const int64_t far = INT64_MAX / 2;

	*v = sqlite3_column_int64(q, at);
	return sqlite3_column_type(q, at) == SQLITE_INTEGER && *v > -far &&
	    *v < far;
}

static bool
read_blobs(sqlite3_stmt *q, struct record *r)
{
	uint8_t sum[PAGESUM_SIZE];
	char *line = state_text(q, 5);
	int chain = sqlite3_column_bytes(q, 7);
	bool ok = strlen(line) < POS_LINE && chain <= CHAIN_MAX &&
	    state_column(q, 7, r->chain.bytes, (size_t)chain) &&
	    state_column(q, 11, sum, sizeof(sum)) &&
	    state_source(q, 12, &r->source) && state_signature(q, 13, &r->sig);

	if (ok) {
		memcpy(r->pos.line, line, strlen(line));
		r->chain.n = (uint8_t)chain;
		r->sum = pagesum_load(sum);
	}
	free(line);
	return ok;
}

static bool
read_numbers(sqlite3_stmt *q, struct record *r)
{
	r->racy = (unsigned)sqlite3_column_int(q, 14);
	return state_natural(q, 6, INT64_MAX, &r->pos.at) &&
	    state_natural(q, 8, INT64_MAX, &r->snapshot) &&
	    number32(q, 9, 65536, &r->page_size) &&
	    number32(q, 10, GROWTH_PAGES_MAX, &r->pages) &&
	    time_ns(q, 16, &r->snapshot_ns) &&
	    state_natural(q, 17, INT64_MAX, &r->snapshot_size) &&
	    state_natural(q, 18, INT64_MAX, &r->wal_bytes) &&
	    number32(q, 19, UINT32_MAX, &r->segments) &&
	    time_ns(q, 20, &r->captured_ns);
}

static bool
makes_sense(const struct record *r)
{
	const struct codec *codec = format_codec(r->format, false);
	uint32_t size = r->page_size;

	return size >= 512 && (size & (size - 1)) == 0 && r->pages > 0 &&
	    r->path[0] == '/' &&
	    (codec == NULL ||
		codec->is_sound(
		    &r->pos, &r->chain, r->snapshot, r->segments, size));
}

bool
state_read_record(sqlite3_stmt *q, struct record *r)
{
	uint32_t format, sum;

	*r = (struct record){ .id = sqlite3_column_int64(q, 0) };
	r->root = sqlite3_column_int64(q, 1);
	r->key = state_text(q, 2);
	r->path = state_text(q, 3);
	if (!number32(q, 4, INT32_MAX, &format) || !read_blobs(q, r) ||
	    !read_numbers(q, r) || !number32(q, 15, UINT32_MAX, &sum))
		return false;
	r->format = format;
	return sum == state_checksum(r) && makes_sense(r);
}

void
record_release(struct record *r)
{
	free(r->key);
	free(r->path);
	r->key = r->path = NULL;
}

#define VALUES                \
	"VALUES(nullif(?, 0)" \
	", ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

static int
take_record(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct record *r = ctx;
	bool ok = state_read_record(q, r);

	if (ok && format_codec(r->format, false) != NULL)
		return 1;
	record_release(r);
	if (!ok)
		return err_set(e, ERR_CONFIG, "state: the record is damaged");
	r->id = 0;
	return err_set(e, ERR_CONFIG,
	    "state: it was shipped in format %u, which is not known to this "
	    "program",
	    r->format);
}

int
state_find(struct state *st, int64_t root, const char *key, struct record *r,
    struct err *e)
{
	r->id = 0;
	return sql_each(st, e, take_record, r,
	    "SELECT " STATE_COLUMNS " FROM db WHERE root = ? AND key = ?",
	    WITH(NUMBER(root), NAME(key)));
}

static int
take_name(void *ctx, sqlite3_stmt *q, struct err *e)
{
	(void)e;
	*(char **)ctx = state_text(q, 0);
	return 1;
}

int
state_other_name(struct state *st, int64_t root, const char *path,
    const char *key, char **other, struct err *e)
{
	return sql_each(st, e, take_name, other,
	    "SELECT key FROM db WHERE path = ? AND root = ? AND key <> ?"
	    " LIMIT 1",
	    WITH(NAME(path), NUMBER(root), NAME(key)));
}

int
state_put(struct state *st, struct record *r, struct err *e)
{
	uint8_t sum[PAGESUM_SIZE], source[STATE_SOURCE], sig[STATE_SIGNATURE];

	pagesum_store(sum, r->sum);
	state_source_put(source, &r->source);
	state_signature_put(sig, &r->sig);
	if (sql_run(st, e,
		r->id != 0 ? "REPLACE INTO db(" STATE_COLUMNS ") " VALUES
			   : "INSERT INTO db(" STATE_COLUMNS ") " VALUES,
		WITH(NUMBER(r->id), NUMBER(r->root), NAME(r->key),
		    NAME(r->path), NUMBER(r->format), TEXT(r->pos.line),
		    NUMBER(r->pos.at), BYTES(r->chain.bytes, r->chain.n),
		    NUMBER(r->snapshot), NUMBER(r->page_size), NUMBER(r->pages),
		    BYTES(sum, sizeof(sum)), BYTES(source, sizeof(source)),
		    BYTES(sig, sizeof(sig)), NUMBER(r->racy),
		    NUMBER(state_checksum(r)), NUMBER(r->snapshot_ns),
		    NUMBER(r->snapshot_size), NUMBER(r->wal_bytes),
		    NUMBER(r->segments), NUMBER(r->captured_ns))) == -1)
		return -1;
	if (r->id == 0)
		r->id = sqlite3_last_insert_rowid(st->db);
	return 0;
}
