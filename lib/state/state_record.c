/*
 * Records: a row for each database of each root.
 *
 * A row that is damaged must not lead to an object that nobody can restore, so
 * what decides where the next one goes, and what it says, has a checksum.  It
 * is in the upper half of snapshot_index, of which no more than 31 bits are
 * used; 0 is of a program that did not write one.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/be.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/sqlite/growth.h"
#include "lib/sqlite/wal.h"
#include "lib/state/state_impl.h"

enum {
	CHECK_SHIFT = 32,
	CHECKED = 80, /* bytes, before the key */
};

static uint32_t
check_of(const struct record *r)
{
	struct buf b = { 0 };
	uint8_t *p = buf_room(&b, CHECKED);
	uint32_t check;

	memset(p, 0, CHECKED);
	be64_put(p, (uint64_t)r->root);
	memcpy(p + 8, r->pos.generation, LAYOUT_GENERATION);
	be32_put(p + 28, r->pos.index);
	be32_put(p + 32, r->pos.offset);
	for (size_t i = 0; i < 2; i++) {
		be32_put(p + 36 + 4 * i, r->pos.salt[i]);
		be32_put(p + 44 + 4 * i, r->pos.sum[i]);
	}
	be32_put(p + 52, r->page_size);
	be32_put(p + 56, r->pages);
	pagesum_store(p + 60, r->sum);
	be32_put(p + 76, r->snapshot_index);
	b.len = CHECKED;
	buf_adds(&b, r->key);
	check = (uint32_t)pagesum_of(0, b.data, (uint32_t)b.len).lo;
	buf_release(&b);
	return check == 0 ? 1 : check;
}

static char *
column_text(sqlite3_stmt *q, int at)
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
	memcpy(p, sqlite3_column_blob(q, at), n);
	return true;
}

/* A number from 0 to max. */
static bool
number(sqlite3_stmt *q, int at, uint64_t max, uint64_t *v)
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
	bool ok = number(q, at, max, &n);

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
	uint32_t chain[4];
	char *generation = column_text(q, 4);
	bool ok = layout_is_generation(generation) &&
	    state_column(q, 7, chain, sizeof(chain)) &&
	    state_column(q, 10, sum, sizeof(sum)) &&
	    state_column(q, 11, &r->source, sizeof(r->source)) &&
	    state_column(q, 12, &r->sig, sizeof(r->sig));

	if (ok) {
		memcpy(r->pos.generation, generation, LAYOUT_GENERATION);
		memcpy(r->pos.salt, chain, sizeof(r->pos.salt));
		memcpy(r->pos.sum, chain + 2, sizeof(r->pos.sum));
		r->sum = pagesum_load(sum);
	}
	free(generation);
	return ok;
}

static bool
read_numbers(sqlite3_stmt *q, struct record *r)
{
	r->racy = (unsigned)sqlite3_column_int(q, 13);
	return number32(q, 5, LAYOUT_INDEX_MAX, &r->pos.index) &&
	    number32(q, 6, UINT32_MAX, &r->pos.offset) &&
	    number32(q, 8, 65536, &r->page_size) &&
	    number32(q, 9, GROWTH_PAGES_MAX, &r->pages) &&
	    time_ns(q, 15, &r->snapshot_ns) &&
	    number(q, 16, INT64_MAX, &r->snapshot_size) &&
	    number(q, 17, INT64_MAX, &r->wal_bytes) &&
	    number32(q, 18, UINT32_MAX, &r->segments) &&
	    time_ns(q, 19, &r->captured_ns);
}

/*
 * A position is behind whole frames; each index since that of the snapshot was
 * left behind a segment.
 */
static bool
makes_sense(const struct record *r)
{
	uint32_t size = r->page_size, offset = r->pos.offset;

	return size >= 512 && (size & (size - 1)) == 0 && r->pages > 0 &&
	    r->path[0] == '/' &&
	    (offset == 0 ||
		(offset >= WAL_HDR_SIZE &&
		    (offset - WAL_HDR_SIZE) % (WAL_FRAME_HDR_SIZE + size) ==
			0)) &&
	    r->snapshot_index <= r->pos.index &&
	    r->pos.index - r->snapshot_index <= r->segments;
}

/* False: it is damaged. */
static bool
read_record(sqlite3_stmt *q, struct record *r)
{
	uint64_t snapshot = (uint64_t)sqlite3_column_int64(q, 14);
	uint32_t check = (uint32_t)(snapshot >> CHECK_SHIFT);

	*r = (struct record){ .id = sqlite3_column_int64(q, 0) };
	r->root = sqlite3_column_int64(q, 1);
	r->key = column_text(q, 2);
	r->path = column_text(q, 3);
	r->snapshot_index = (uint32_t)snapshot;
	return read_blobs(q, r) && read_numbers(q, r) && makes_sense(r) &&
	    (check == 0 || check == check_of(r));
}

void
record_release(struct record *r)
{
	free(r->key);
	free(r->path);
	r->key = r->path = NULL;
}

#define COLUMNS                                                                \
	"id, root, key, path, generation, idx, off, chain, page_size, pages,"  \
	" sum, source, sig, racy, snapshot_index, snapshot_ns, snapshot_size," \
	" wal_bytes, segments, captured_ns"
#define VALUES                \
	"VALUES(nullif(?, 0)" \
	", ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

static int
take_record(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct record *r = ctx;

	if (read_record(q, r))
		return 1;
	record_release(r);
	return err_set(e, ERR_CONFIG, "state: the record is damaged");
}

int
state_find(struct state *st, int64_t root, const char *key, struct record *r,
    struct err *e)
{
	r->id = 0;
	return sql_each(st, e, take_record, r,
	    "SELECT " COLUMNS " FROM db WHERE root = ? AND key = ?",
	    WITH(NUMBER(root), NAME(key)));
}

int
state_put(struct state *st, struct record *r, struct err *e)
{
	uint8_t sum[PAGESUM_SIZE];
	uint32_t chain[4];
	uint64_t checked =
	    (uint64_t)check_of(r) << CHECK_SHIFT | r->snapshot_index;

	memcpy(chain, r->pos.salt, sizeof(r->pos.salt));
	memcpy(chain + 2, r->pos.sum, sizeof(r->pos.sum));
	pagesum_store(sum, r->sum);
	if (sql_run(st, e,
		r->id != 0 ? "REPLACE INTO db(" COLUMNS ") " VALUES
			   : "INSERT INTO db(" COLUMNS ") " VALUES,
		WITH(NUMBER(r->id), NUMBER(r->root), NAME(r->key),
		    NAME(r->path), TEXT(r->pos.generation),
		    NUMBER(r->pos.index), NUMBER(r->pos.offset),
		    BYTES(chain, sizeof(chain)), NUMBER(r->page_size),
		    NUMBER(r->pages), BYTES(sum, sizeof(sum)),
		    BYTES(&r->source, sizeof(r->source)),
		    BYTES(&r->sig, sizeof(r->sig)), NUMBER(r->racy),
		    NUMBER(checked), NUMBER(r->snapshot_ns),
		    NUMBER(r->snapshot_size), NUMBER(r->wal_bytes),
		    NUMBER(r->segments), NUMBER(r->captured_ns))) == -1)
		return -1;
	if (r->id == 0)
		r->id = sqlite3_last_insert_rowid(st->db);
	return 0;
}
