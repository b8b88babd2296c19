/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_impl -- what the files of state share; nobody else includes this.
 */
#ifndef LSPP_STATE_STATE_IMPL_H
#define LSPP_STATE_STATE_IMPL_H

#include <sqlite3.h>
#include <string.h> /* of NAME() */

#include "lib/base/buf.h"
#include "lib/state/state.h"
#include "lib/sys/stop.h"

enum {
	STATE_VERSION = 3,
	STATE_ID_SIZE = 16,
	SQL_KEPT = 128, /* statements */
};

struct state {
	struct stop_wait wait; /* for another's lock */
	sqlite3 *db;
	struct sql_kept {
		const char *text; /* its address alone counts */
		sqlite3_stmt *q;
	} kept[SQL_KEPT];
	uint8_t writer[STATE_ID_SIZE];
	/* See state_look.c */
	sqlite3_stmt *look;
	bool row; /* it stands at one */
	bool begun, standing, gap;
	struct buf last;        /* path that was looked at */
	struct file_sig own[3]; /* its files, which nobody else may close */
};

/* Fill e from the connection's last error; -1. */
int state_fail(struct state *st, struct err *e);

/* Statements without parameters, each prepared anew: those that make tables, and
 * a PRAGMA, of which SQLite prepares each run anew itself. */
int state_exec(struct state *st, const char *text, struct err *e);

/* A value of a statement's parameter. */
struct sql_value {
	enum { SQL_END, SQL_NUMBER, SQL_BYTES, SQL_TEXT } kind;
	int64_t number;
	const void *p; /* of a text NULL is null */
	size_t n;
};

#define NUMBER(x)   ((struct sql_value){ SQL_NUMBER, (int64_t)(x), NULL, 0 })
#define BYTES(x, n) ((struct sql_value){ SQL_BYTES, 0, x, n })
#define NAME(x)     BYTES(x, strlen(x)) /* a path or a key: bytes */
#define TEXT(x)     ((struct sql_value){ SQL_TEXT, 0, x, 0 })
#define WITH(...) \
	((const struct sql_value[]){ __VA_ARGS__, { .kind = SQL_END } })

/*
 * One statement.  text is a literal, prepared once and kept by its address;
 * v are the values of its parameters ?1, ?2, ... in order (WITH(), or NULL),
 * and what they point to is only read.
 *
 * sql_run	a statement without a result: 0, -1
 * sql_any	is there a row?  1, 0, -1
 * sql_number	1 with the first column of the first row, null being 0; 0:
 *		there is no row, and *out is as it was; -1
 * sql_or_zero	likewise, or 0 where there is no row: 0, -1
 * sql_each	row() for each row until it returns other than 0, which is then
 *		returned (-1 with e); 0
 */
typedef int sql_row(void *ctx, sqlite3_stmt *q, struct err *e);
int sql_run(struct state *st, struct err *e, const char *text,
    const struct sql_value *v);
int sql_any(struct state *st, struct err *e, const char *text,
    const struct sql_value *v);
int sql_number(struct state *st, struct err *e, int64_t *out, const char *text,
    const struct sql_value *v);
int sql_or_zero(struct state *st, struct err *e, int64_t *out, const char *text,
    const struct sql_value *v);
int sql_each(struct state *st, struct err *e, sql_row *row, void *ctx,
    const char *text, const struct sql_value *v);
void sql_end_all(struct state *st);

/* The bytes of a column, in place of what is in b. */
void sql_column(sqlite3_stmt *q, int at, struct buf *b);

/* each() for each path that is the first column; as sql_each(). */
int state_each_path(struct state *st, const char *text,
    const struct sql_value *v, state_each *each, void *ctx, struct err *e);

/* Exactly n bytes of a column in p; false if it has another length. */
bool state_column(sqlite3_stmt *q, int at, void *p, size_t n);
/* What is known of files, as state_bytes.c keeps it; false, and nothing in s, if it
 * has another length. */
enum { STATE_SIGNATURE = 80, STATE_SOURCE = 72 };
bool state_signature(sqlite3_stmt *q, int at, struct signature *s);
bool state_source(sqlite3_stmt *q, int at, struct source_pos *s);
void state_signature_put(uint8_t p[STATE_SIGNATURE], const struct signature *s);
void state_source_put(uint8_t p[STATE_SOURCE], const struct source_pos *s);
/* A number from 0 to max; false if it is none. */
bool state_natural(sqlite3_stmt *q, int at, uint64_t max, uint64_t *v);
/* A column as a string; the caller frees it. */
char *state_text(sqlite3_stmt *q, int at);

/* Those of a record in its table. */
#define STATE_COLUMNS                                                        \
	"id, root, key, path, format, line, at, chain, snapshot, page_size," \
	" pages, sum, source, sig, racy, checksum, snapshot_ns,"             \
	" snapshot_size, wal_bytes, segments, captured_ns"
enum { STATE_COLUMNS_N = 21 };
/* Them, first in a row, to r, which the caller releases.  False: it is damaged. */
bool state_read_record(sqlite3_stmt *q, struct record *r);

/* Of what a record says of the next object: of b, which it releases, and the
 * key. */
uint32_t state_checksum(const struct record *r);
uint32_t state_sum_of(struct buf *b, const struct record *r);

/* Within a transaction: the table of records, empty. */
int state_make_records(struct state *st, struct err *e);
/* A state of version 2 becomes one of this version; or somebody was faster. */
int state_migrate(struct state *st, struct err *e);

/* A state that nobody has written since there is such a table has none. */
bool state_has(struct state *st, const char *table);

/* As it is kept: masked, cut; the caller frees it. */
char *state_message(const char *text);

/* Fill st->writer. */
int state_load_writer(struct state *st, struct err *e);

/* Delete all page sums of the record id. */
int state_forget_sums(struct state *st, int64_t id, struct err *e);

#endif
