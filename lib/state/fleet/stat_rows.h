/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat_rows -- all that the state holds, database by database.
 *
 * Its tables are read side by side in the order of paths, within one read
 * transaction: memory is that of one database, and what is read belongs
 * together.  Nothing but the state is looked at.
 */
#ifndef LSPP_STATE_FLEET_STAT_ROWS_H
#define LSPP_STATE_FLEET_STAT_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct state;
struct stat_rows;

/* A record: what was shipped to one root. */
struct stat_replica {
	int64_t id; /* the record's number: rounds.h */
	int64_t root;
	uint64_t size; /* of the database */
	uint64_t wal_bytes, snapshot_size;
	uint32_t segments;
	int64_t snapshot_ns, captured_ns;
	int64_t written_ns; /* by the times of the files, when it was read */
	bool racy, gone;
	int64_t gone_ns; /* since then */
	/* lspp-verify's; at 0: never */
	int64_t verified_ns;
	enum err_class verdict; /* ERR_NONE: it is sound */
	struct buf verdict_msg;
};

struct stat_note {    /* it may hold what is not shipped there */
	int64_t root; /* 0: anywhere */
	int64_t since_ns;
};

struct stat_trouble {            /* the last failure to ship it */
	int64_t root;            /* 0: before it was known where */
	int64_t wait_ns;         /* it may have been waiting since then */
	int64_t since_ns, at_ns; /* the first failure in a row, the last */
	enum err_class class;
	unsigned attempts;
	struct buf msg;
};

/* Against the live database, where that was not equal, or behind, at last
 * (state_compared.h). */
struct stat_compared {
	int64_t root;
	int64_t at_ns; /* when it told that; 0: never */
	enum err_class class;
	struct buf msg;
	int64_t healed_ns; /* after at_ns: not settled yet */
};

struct stat_shrunk { /* there was much less of it at a ship */
	int64_t root, at_ns;
	uint64_t was, now; /* bytes */
	bool no_tables;
};

struct stat_lost {        /* there, or not to be reached, and no database */
	int64_t since_ns; /* 0: it is not lost */
	enum err_class class;
	struct buf msg;
};

struct stat_row {
	const char *path;
	struct stat_lost lost;
	struct stat_replica *replica;
	size_t n_replicas;
	struct stat_note *note;
	size_t n_notes;
	struct stat_compared *compared;
	size_t n_compared;
	struct stat_shrunk *shrunk;
	size_t n_shrunk;
	struct stat_trouble *trouble;
	size_t n_troubles;
};

struct stat_rows *stat_rows_open(struct state *st, struct err *e);
/* 1: *row is valid until the next call; 0: there is no more; -1. */
int stat_rows_next(
    struct stat_rows *r, const struct stat_row **row, struct err *e);
void stat_rows_close(struct stat_rows *r); /* takes NULL */

/* A replica root, and the signs of life about it; 0: none. */
struct stat_root {
	int64_t id; /* 0: what is noted of no root or of all */
	char *url;
	int64_t pass_ns;     /* lspp-hot has looked at the fleet since then */
	int64_t ran_ns;      /* lspp-ship has shipped what it was piped */
	uint64_t seen;       /* by that pass */
	uint64_t n_replicas; /* that are in the state */
};

/* All of them, that of id 0 first.  Free with stat_roots_free(). */
int stat_roots(
    struct state *st, struct stat_root **out, size_t *n, struct err *e);
void stat_roots_free(struct stat_root *r, size_t n);

#endif
