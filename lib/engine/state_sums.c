/*
 * Page sums: 16 bytes a page in rows of 240, so that a row fits in one page of
 * the state and a changed page costs one row.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/engine/state_impl.h"

enum {
	CHUNK_PAGES = 240,
	CHUNK_SHIFT = 24, /* 2^32 pages are fewer than 2^24 chunks */
};

static int64_t
chunk_id(int64_t id, uint32_t chunk)
{
	return (int64_t)((uint64_t)id << CHUNK_SHIFT | chunk);
}

/* The number of sums in the chunk, 0 if it is not there, or -1. */
static int
read_chunk(struct state *st, int64_t id, uint32_t chunk,
    uint8_t buf[CHUNK_PAGES * PAGESUM_SIZE], struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_SUMS_GET, e);
	int rc, n = 0;

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, chunk_id(id, chunk));
	if ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		n = sqlite3_column_bytes(q, 0);
		if (n > CHUNK_PAGES * PAGESUM_SIZE)
			n = 0;
		if (n > 0)
			memcpy(buf, sqlite3_column_blob(q, 0), (size_t)n);
	} else if (rc != SQLITE_DONE) {
		n = state_fail(st, e);
	}
	sqlite3_reset(q);
	return n == -1 ? -1 : n / PAGESUM_SIZE;
}

static int
write_chunk(struct state *st, int64_t id, uint32_t chunk, const uint8_t *buf,
    uint32_t n, struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_SUMS_PUT, e);

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, chunk_id(id, chunk));
	state_bind(q, 2, buf, (size_t)n * PAGESUM_SIZE);
	return state_run(st, q, e);
}

static int
cut_chunks(struct state *st, int64_t id, uint32_t from, struct err *e)
{
	sqlite3_stmt *q = state_query(st, Q_SUMS_CUT, e);

	if (q == NULL)
		return -1;
	sqlite3_bind_int64(q, 1, chunk_id(id, from));
	sqlite3_bind_int64(q, 2, chunk_id(id, (1u << CHUNK_SHIFT) - 1));
	return state_run(st, q, e);
}

int
state_forget_sums(struct state *st, int64_t id, struct err *e)
{
	return cut_chunks(st, id, 0, e);
}

/* A chunk that is being changed; chunk is its number + 1, 0: none. */
struct edit {
	uint32_t chunk, n;
	uint8_t buf[CHUNK_PAGES * PAGESUM_SIZE];
};

static int
edit_save(struct state *st, int64_t id, struct edit *ed, struct err *e)
{
	return ed->chunk == 0
	    ? 0
	    : write_chunk(st, id, ed->chunk - 1, ed->buf, ed->n, e);
}

static int
edit_set(struct state *st, int64_t id, struct edit *ed,
    const struct sum_entry *en, struct err *e)
{
	uint32_t chunk = (en->pgno - 1) / CHUNK_PAGES;
	uint32_t at = (en->pgno - 1) % CHUNK_PAGES;
	int n;

	if (ed->chunk != chunk + 1) {
		if (edit_save(st, id, ed, e) == -1 ||
		    (n = read_chunk(st, id, chunk, ed->buf, e)) == -1)
			return -1;
		ed->chunk = chunk + 1;
		ed->n = (uint32_t)n;
	}
	if (at > ed->n)
		return err_set(
		    e, ERR_BUG, "page sum %u has no predecessor", en->pgno);
	pagesum_store(ed->buf + (size_t)at * PAGESUM_SIZE, en->sum);
	if (at == ed->n)
		ed->n++;
	return 0;
}

/* Cut the chunk in which the database ends; the others are gone already. */
static int
trim_last(struct state *st, int64_t id, uint32_t pages, struct err *e)
{
	uint8_t buf[CHUNK_PAGES * PAGESUM_SIZE];
	uint32_t keep = pages % CHUNK_PAGES;
	int n;

	if (keep == 0)
		return 0;
	if ((n = read_chunk(st, id, pages / CHUNK_PAGES, buf, e)) == -1)
		return -1;
	return (uint32_t)n > keep
	    ? write_chunk(st, id, pages / CHUNK_PAGES, buf, keep, e)
	    : 0;
}

int
state_put_sums(struct state *st, int64_t id, struct spool *log, uint32_t pages,
    bool anew, struct err *e)
{
	uint32_t after = (pages + CHUNK_PAGES - 1) / CHUNK_PAGES;
	struct edit *ed = xcalloc(1, sizeof(*ed));
	struct sum_entry en;
	uint64_t at;
	int rc = -1;

	if (cut_chunks(st, id, anew ? 0 : after, e) == -1 ||
	    trim_last(st, id, pages, e) == -1)
		goto out;
	for (at = 0; at < log->size; at += sizeof(en))
		if (spool_read(log, at, &en, sizeof(en), e) == -1 ||
		    edit_set(st, id, ed, &en, e) == -1)
			goto out;
	rc = edit_save(st, id, ed, e);
out:
	free(ed);
	return rc;
}

int
sums_get(struct sums *s, uint32_t pgno, struct pagesum *out, struct err *e)
{
	uint32_t chunk = (pgno - 1) / CHUNK_PAGES;
	uint32_t at = (pgno - 1) % CHUNK_PAGES;
	int n;

	if (s->chunk != chunk + 1) {
		if ((n = read_chunk(s->st, s->id, chunk, s->buf, e)) == -1)
			return -1;
		s->chunk = chunk + 1;
		s->n = (uint32_t)n;
	}
	if (at >= s->n)
		return 0;
	*out = pagesum_load(s->buf + (size_t)at * PAGESUM_SIZE);
	return 1;
}
