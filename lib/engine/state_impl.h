/*
 * state_impl -- what the files of state share; nobody else includes this.
 */
#ifndef LSPP_ENGINE_STATE_IMPL_H
#define LSPP_ENGINE_STATE_IMPL_H

#include <sqlite3.h>

#include "lib/base/buf.h"
#include "lib/engine/state.h"

enum { STATE_ID_SIZE = 16 };

enum state_query {
	Q_FIND,
	Q_LOOK,
	Q_PENDING,
	Q_NOTE,
	Q_SETTLE,
	Q_RENOTE,
	Q_GONE,
	Q_NOTE_GONE,
	Q_PASS_GET,
	Q_PASS_PUT,
	Q_RAN_PUT,
	Q_LIFE,
	Q_TROUBLE,
	Q_TROUBLED,
	Q_ANY_TROUBLE,
	Q_UNTROUBLE,
	Q_NOT_GONE,
	Q_FORGET,
	Q_INSERT,
	Q_UPDATE,
	Q_SUMS_GET,
	Q_SUMS_PUT,
	Q_SUMS_CUT,
	Q_BEGIN,
	Q_COMMIT,
	Q_STEP_BEGIN,
	Q_STEP_UNDO,
	Q_STEP_END,
	Q_VERDICT_PUT,
	Q_TRIED,
	Q_MARK_RACY,
	Q_BROKEN,
	Q_BEGUN,
	Q_VERIFIED,
	Q_RUN_PUT,
	Q_RUN_END,
	Q_RUN_KNOWN,
	Q_WHOSE,
	Q_WHOSE_PUT,
	Q_WHOSE_DROP,
	Q_CONTEND,
	Q_CONTENDED,
	Q_COMPARED_PUT,
	Q_UNCOMPARED_PUT,
	Q_HEALED_PUT,
	Q_COMPARED,
	QUERIES,
};

struct state {
	unsigned waited_ms; /* for another's lock */
	sqlite3 *db;
	sqlite3_stmt *q[QUERIES];
	uint8_t writer[STATE_ID_SIZE];
	/* Of Q_LOOK, see state_look.c */
	bool row; /* it stands at one */
	bool begun, standing, gap;
	struct buf last;        /* path that was looked at */
	struct file_sig own[3]; /* its files, which nobody else may close */
};

/* Fill e from the connection's last error; -1. */
int state_fail(struct state *st, struct err *e);

/* The prepared statement, or NULL. */
sqlite3_stmt *state_query(struct state *st, enum state_query n, struct err *e);

/* Step once and reset: for statements without a result. */
int state_run(struct state *st, sqlite3_stmt *q, struct err *e);

/* Exactly n bytes of a column in p; false if it has another length. */
bool state_column(sqlite3_stmt *q, int at, void *p, size_t n);

/* A state that nobody has written since there is such a table has none. */
bool state_has(struct state *st, const char *table);

/* As it is kept: masked, cut; the caller frees it. */
char *state_message(const char *text);

/* Fill st->writer. */
int state_load_writer(struct state *st, struct err *e);

/* Delete all page sums of the record id. */
int state_forget_sums(struct state *st, int64_t id, struct err *e);

void state_bind(sqlite3_stmt *q, int at, const void *p, size_t n);

#endif
