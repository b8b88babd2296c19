/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page sums: 16 bytes a page in rows of 240, so that a row fits in one page of
 * the state and a changed page costs one row.  Behind them are 8 bytes that
 * prove them: a sum that is damaged would go into that of the database, and no
 * restore would have it.  A row without is of a program that wrote none.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/be.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/state/state_impl.h"

enum {
	CHUNK_PAGES = 240,
	CHUNK_SHIFT = 24, /* 2^32 pages are fewer than 2^24 chunks */
	CHECK_SIZE = 8,
	CHUNK_SIZE = CHUNK_PAGES * PAGESUM_SIZE + CHECK_SIZE,
	DAMAGED = -2, /* in place of a number of sums */
};

static int64_t
chunk_id(int64_t id, uint32_t chunk)
{
	return (int64_t)((uint64_t)id << CHUNK_SHIFT | chunk);
}

static uint64_t
check_of(int64_t id, uint32_t chunk, const uint8_t *sums, size_t n)
{
	struct pagesum s = pagesum_of(chunk, sums, (uint32_t)n);

	return s.hi ^ (uint64_t)id;
}

/* The number of sums that are in the n bytes of a chunk, or DAMAGED. */
static int
chunk_sums(int64_t id, uint32_t chunk, const uint8_t *buf, int n)
{
	size_t sums = (size_t)n / PAGESUM_SIZE * PAGESUM_SIZE;

	if (n % PAGESUM_SIZE == 0)
		return n / PAGESUM_SIZE;
	return n % PAGESUM_SIZE == CHECK_SIZE &&
		be64(buf + sums) == check_of(id, chunk, buf, sums)
	    ? n / PAGESUM_SIZE
	    : DAMAGED;
}

struct chunk {
	uint8_t *buf;
	int n; /* bytes */
};

static int
take_chunk(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct chunk *c = ctx;

	(void)e;
	c->n = sqlite3_column_bytes(q, 0);
	if (c->n > 0 && c->n <= CHUNK_SIZE)
		memcpy(c->buf, sqlite3_column_blob(q, 0), (size_t)c->n);
	return 1;
}

/* The number of sums in the chunk, 0 if it is not there; DAMAGED; or -1. */
static int
read_chunk(struct state *st, int64_t id, uint32_t chunk,
    uint8_t buf[CHUNK_SIZE], struct err *e)
{
	struct chunk c = { .buf = buf };
	int rc = sql_each(st, e, take_chunk, &c,
	    "SELECT sums FROM sums WHERE id = ?",
	    WITH(NUMBER(chunk_id(id, chunk))));

	if (rc != 1)
		return rc;
	return c.n <= CHUNK_SIZE ? chunk_sums(id, chunk, buf, c.n) : DAMAGED;
}

static int
write_chunk(struct state *st, int64_t id, uint32_t chunk,
    uint8_t buf[CHUNK_SIZE], uint32_t n, struct err *e)
{
	size_t size = (size_t)n * PAGESUM_SIZE;

	be64_put(buf + size, check_of(id, chunk, buf, size));
	return sql_run(st, e, "REPLACE INTO sums(id, sums) VALUES(?, ?)",
	    WITH(NUMBER(chunk_id(id, chunk)), BYTES(buf, size + CHECK_SIZE)));
}

static int
cut_chunks(struct state *st, int64_t id, uint32_t from, struct err *e)
{
	return sql_run(st, e, "DELETE FROM sums WHERE id BETWEEN ? AND ?",
	    WITH(NUMBER(chunk_id(id, from)),
		NUMBER(chunk_id(id, (1u << CHUNK_SHIFT) - 1))));
}

int
state_forget_sums(struct state *st, int64_t id, struct err *e)
{
	return cut_chunks(st, id, 0, e);
}

/*
 * A chunk that is being changed; chunk is its number + 1, 0: none.  One that is
 * damaged stays so: who needs it meets that, and begins anew.
 */
struct edit {
	uint32_t chunk, n;
	bool damaged;
	uint8_t buf[CHUNK_SIZE];
};

static int
edit_save(struct state *st, int64_t id, struct edit *ed, struct err *e)
{
	return ed->chunk == 0 || ed->damaged
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
		ed->damaged = n == DAMAGED;
		ed->n = ed->damaged ? 0 : (uint32_t)n;
	}
	if (ed->damaged)
		return 0;
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
	uint8_t buf[CHUNK_SIZE];
	uint32_t keep = pages % CHUNK_PAGES;
	int n;

	if (keep == 0)
		return 0;
	if ((n = read_chunk(st, id, pages / CHUNK_PAGES, buf, e)) == -1)
		return -1;
	return n > (int)keep
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
		s->n = n == DAMAGED ? 0 : (uint32_t)n;
	}
	if (at >= s->n)
		return 0;
	*out = pagesum_load(s->buf + (size_t)at * PAGESUM_SIZE);
	return 1;
}
