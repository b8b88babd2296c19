/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state of version 2 becomes one of version 3, in one transaction: a program
 * that is killed leaves the one or the other, whole.
 *
 * Version 2 had a position in three columns, generation, idx and off, the chain
 * in little-endian words, the order of all machines that had it, and in the
 * upper half of snapshot_index a checksum, or 0.  Who has such a state open
 * meanwhile, a program of before, fails at its next record: then the objects
 * that it put are adopted.
 *
 * A record that is damaged stays so: it gets no checksum.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/be.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/le.h"
#include "lib/replica/wal/layout.h"
#include "lib/replica/wal/walpos.h"
#include "lib/sqlite/growth.h"
#include "lib/state/state_impl.h"

enum {
	FROM = 2,
	CHECK_SHIFT = 32,
	CHECKED = 80, /* bytes, before the key */
};

/* The checksum that version 2 has of a record. */
static uint32_t
check_of(const struct record *r)
{
	struct buf b = { 0 };
	uint8_t *p = buf_room(&b, CHECKED);
	uint32_t check;

	memset(p, 0, CHECKED);
	be64_put(p, (uint64_t)r->root);
	memcpy(p + 8, r->pos.line, POS_LINE);
	be64_put(p + 28, r->pos.at);
	memcpy(p + 36, r->chain.bytes, WALPOS_CHAIN);
	be32_put(p + 52, r->page_size);
	be32_put(p + 56, r->pages);
	pagesum_store(p + 60, r->sum);
	be32_put(p + 76, walpos_index(r->snapshot));
	b.len = CHECKED;
	check = state_sum_of(&b, r);
	return check == 0 ? 1 : check;
}

#define COLUMNS                                                          \
	"id, root, key, generation, idx, off, chain, page_size, pages, " \
	"sum, snapshot_index"

/* What a checksum is of; false: it is damaged. */
static bool
read_numbers(sqlite3_stmt *q, struct record *r, uint32_t *check)
{
	uint64_t index, offset, page_size, pages, snapshot;

	if (!state_natural(q, 4, LAYOUT_INDEX_MAX, &index) ||
	    !state_natural(q, 5, UINT32_MAX, &offset) ||
	    !state_natural(q, 7, 65536, &page_size) ||
	    !state_natural(q, 8, GROWTH_PAGES_MAX, &pages) ||
	    sqlite3_column_type(q, 10) != SQLITE_INTEGER)
		return false;
	snapshot = (uint64_t)sqlite3_column_int64(q, 10);
	*check = (uint32_t)(snapshot >> CHECK_SHIFT);
	r->pos.at = walpos((uint32_t)index, (uint32_t)offset);
	r->snapshot = walpos((uint32_t)snapshot, 0);
	r->page_size = (uint32_t)page_size;
	r->pages = (uint32_t)pages;
	return true;
}

static bool
read_record(sqlite3_stmt *q, struct record *r)
{
	uint8_t sum[PAGESUM_SIZE], words[WALPOS_CHAIN];
	uint32_t chain[4], check;
	char *generation = state_text(q, 3);
	bool ok = layout_is_generation(generation) &&
	    state_column(q, 6, words, sizeof(words)) &&
	    state_column(q, 9, sum, sizeof(sum)) && read_numbers(q, r, &check);

	if (ok) {
		for (size_t i = 0; i < 4; i++)
			chain[i] = le32(words + 4 * i);
		r->format = FORMAT_WAL;
		memcpy(r->pos.line, generation, POS_LINE);
		walpos_chain(&r->chain, chain, chain + 2);
		r->sum = pagesum_load(sum);
	}
	free(generation);
	return ok && (check == 0 || check == check_of(r));
}

/* -1 is no checksum. */
static int
take(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct state *st = ctx;
	struct record r = { .id = sqlite3_column_int64(q, 0),
		.root = sqlite3_column_int64(q, 1),
		.key = state_text(q, 2) };
	bool ok = read_record(q, &r);
	int rc = sql_run(st, e,
	    "INSERT INTO db SELECT id, root, key, path, ?2, generation, ?3, ?4,"
	    " ?5, page_size, pages, sum, source, sig, racy, ?6, snapshot_ns,"
	    " snapshot_size, wal_bytes, segments, captured_ns, gone_ns"
	    " FROM db2 WHERE id = ?1",
	    WITH(NUMBER(r.id), NUMBER(FORMAT_WAL), NUMBER(r.pos.at),
		BYTES(r.chain.bytes, r.chain.n), NUMBER(r.snapshot),
		NUMBER(ok ? (int64_t)state_checksum(&r) : -1)));

	record_release(&r);
	return rc;
}

static int
migrate(struct state *st, struct err *e)
{
	if (state_exec(st,
		"DROP INDEX IF EXISTS db_path; ALTER TABLE db RENAME TO db2",
		e) == -1 ||
	    state_make_records(st, e) == -1 ||
	    sql_each(st, e, take, st, "SELECT " COLUMNS " FROM db2", NULL) ==
		-1)
		return -1;
	if (state_exec(st, "DROP TABLE db2; PRAGMA user_version = 3", e) == -1)
		return -1;
	return state_complete(st, e);
}

static int
denied(struct err *e)
{
	err_set(e, ERR_CONFIG,
	    "state: it is of an earlier lspp, and cannot be written here");
	return err_hint(e,
	    "the next run of lspp-ship, or of another program by whom it "
	    "belongs to, makes it one of this lspp");
}

int
state_migrate(struct state *st, struct err *e)
{
	int64_t version;
	int rc;

	if (sqlite3_db_readonly(st->db, "main") == 1)
		return denied(e);
	if (state_exec(st, "BEGIN IMMEDIATE", e) == -1)
		return -1;
	rc = sql_number(st, e, &version, "PRAGMA user_version", NULL);
	if (rc == 1)
		rc = version == FROM ? migrate(st, e) : 0;
	if (rc == 0)
		return state_exec(st, "COMMIT", e);
	state_rollback(st);
	return -1;
}
