/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pass -- the object that says what a replica root held when a run of lspp-ship
 * had ended: for each database which state, and what failed.
 *
 * lspp-format(5) has its text.  It is one LZ4 frame with a checksum, ends in a
 * count, and is proved as a whole before anything of it is used.  Neither
 * writer nor reader keeps more than a line in memory: the object, and its text,
 * are in spools.
 *
 *	PASS_PREFIX NAME ".pass.lz4"
 *
 * No layout has such a key, so nobody takes it for an object of a database.
 *
 * Room pass: the object of a pass, written and read.
 * Used by: prune, ship, bin.
 * Never: asks the state or a database; restores.
 *
 * Why it is so:
 *
 * A listing of a root, or a time, tells what there is of a database, and not
 * which of its states goes with which of another.  What lspp-ship recorded by
 * the end of a run does, as well as runs can: each database as of its own moment
 * in that run or before.  It has what a plan needs, so that a restore lists
 * nothing (replica/restore_at.c).
 */
#ifndef LSPP_PASS_PASS_H
#define LSPP_PASS_PASS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/restore_plan.h"
#include "lib/sys/spool.h"

struct store;

#define PASS_PREFIX "lspp-passes/"

enum {
	PASS_NAME_MAX = 100,
	PASS_LINE_MAX = 1 << 16,
};

/* -- names ----------------------------------------------------------------- */

/* ERR_USAGE: it cannot be that of a pass; "latest" is none. */
int pass_check_name(const char *name, struct err *e);
/* Append the key of its object. */
void pass_key(struct buf *b, const char *name);
/* Is it that of some pass?  Then name is its own. */
bool pass_is_key(const char *key, char name[PASS_NAME_MAX + 1]);

/* -- lines ----------------------------------------------------------------- */

/* How a database stood when the pass ended. */
enum pass_stands {
	PASS_OK,
	PASS_FAILED, /* it could not be shipped when that was tried last */
	PASS_LOST,   /* there is something there, and no database */
	PASS_GONE,   /* it is not there any more */
};

struct pass_line {
	bool shipped; /* else there is no state, and at is of no use */
	struct buf key;
	struct restore_at at;
	enum pass_stands stands;
	/* Since when, and why; not of PASS_OK. */
	int64_t since_ns;
	enum err_class class;
	struct buf why;
};
void pass_line_release(struct pass_line *l);

/* Append it, with its newline. */
void pass_line_put(struct buf *b, const struct pass_line *l);
/* The first line, of a pass that began and ended then; and the last one. */
void pass_head_put(
    struct buf *b, const char *name, int64_t began_ns, int64_t ended_ns);
void pass_end_put(struct buf *b, uint64_t lines);

/*
 * The whole text, as it comes: 'each', which may be NULL, gets every line; what
 * that returns but 0 ends it.  ERR_CORRUPT: it is none; ERR_CONFIG: it is of a
 * later lspp.  { 0 } with each and ctx is ready to be fed.
 */
typedef int pass_each(void *ctx, const struct pass_line *l, struct err *e);
struct pass_text {
	pass_each *each;
	void *ctx;
	/* Of the first line. */
	char name[PASS_NAME_MAX + 1];
	int64_t began_ns, ended_ns;
	uint64_t lines; /* so far; at the end: databases */
	/* private */
	bool begun, ended;
	struct buf rest;
	struct buf last; /* key of a state; no data: none was there */
	struct pass_line line;
};
int pass_text_feed(
    struct pass_text *t, const uint8_t *p, size_t n, struct err *e);
int pass_text_end(struct pass_text *t, struct err *e);
void pass_text_release(struct pass_text *t);

/* -- writing --------------------------------------------------------------- */

struct pass_writer;

/* Into out, which is empty and outlives the writer. */
struct pass_writer *pass_writer_new(struct spool *out, const char *name,
    int64_t began_ns, int64_t ended_ns, struct err *e);
int pass_writer_add(
    struct pass_writer *w, const struct pass_line *l, struct err *e);
int pass_writer_end(struct pass_writer *w, struct err *e);
void pass_writer_free(struct pass_writer *w); /* takes NULL */

/* The object to the store, durably.  ERR_EXISTS: there is a pass of that name. */
int pass_put(struct store *s, const char *name, struct spool *object,
    int64_t ended_ns, struct err *e);

/* -- reading --------------------------------------------------------------- */

/* Text that was proved to be a whole pass. */
struct pass {
	struct spool text;
	char name[PASS_NAME_MAX + 1];
	int64_t began_ns, ended_ns;
	uint64_t lines;
};

/*
 * Get it and prove it; its text goes to a file in dir, which is borrowed.  The
 * name may be "latest": the highest of those that begin with a digit, which
 * costs a listing of the passes.  ERR_MISSING: there is none of that name.
 * Release it also after -1.
 */
int pass_get(struct pass *p, struct store *s, const char *name, const char *dir,
    struct err *e);
/* Its lines in order.  What each returns but 0 ends it, and comes back. */
int pass_lines(struct pass *p, pass_each *each, void *ctx, struct err *e);
void pass_release(struct pass *p);

#endif
