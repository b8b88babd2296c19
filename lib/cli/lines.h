/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines -- one path a record: from the operands if there are any, else from
 * stdin; and back to stdout.
 *
 * Records end in '\n', or in NUL with -0.  Paths are bytes: nothing is
 * trimmed, expanded or re-coded.  Empty records are skipped; a last record
 * without its end is read.  An operand "-" means stdin.
 *
 * What would come out as another path than went in is refused: without -0 an
 * operand that holds a newline, or a record that holds a NUL.
 *
 * lines_next() may be called on one thread and lines_put() on another.
 */
#ifndef LSPP_CLI_LINES_H
#define LSPP_CLI_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"

struct err;

struct lines {
	char **operand; /* the next one */
	int end;        /* '\n' or '\0' */
	bool reading;   /* stdin, at present */
	struct buf buf; /* what was read of stdin: */
	size_t at;      /* up to here it is used, */
	size_t seen;    /* up to here it holds no end */
	int errnum;     /* of read(2), or 0 */
	bool nul;       /* a record held a NUL: it was skipped */
	bool empty;     /* stdin ended without a record */
	bool came;      /* there was one */
};

/*
 * operands is argv + optind; it must outlive in.  With no operands and a
 * terminal on stdin, fails with ERR_USAGE: never a silent wait.  After a
 * failure there is nothing to close.
 */
int lines_open(struct lines *in, char **operands, int end, struct err *e);

/*
 * The next path, valid until the next call; NULL at the end, and after a
 * signal (see lib/sys/stop.h).  A read error is reported by lines_close.
 */
const char *lines_next(struct lines *in);

/*
 * The same for who has more to do than read: 1 with the next path; 0 if none
 * came within about ms milliseconds (0: at once; -1: however long it takes), or
 * if what came is not a whole one yet; -1 where lines_next() returns NULL.
 */
int lines_await(struct lines *in, int ms, const char **path);

/*
 * May lines_next() have to wait for input?  Then a filter flushes first, so
 * that the next program in the pipe has all there is.
 */
bool lines_waits(const struct lines *in);

/* Is what lines_close() will say known to be -1? */
bool lines_failed(const struct lines *in);

/* 0, or -1 if reading stdin failed or a record was refused. */
int lines_close(struct lines *in, struct err *e);

/*
 * Of what restores, proves or deletes: that nothing came on standard input is a scan that
 * failed, as like as not.  Fills e, ERR_MISSING, and returns -1 if so.
 */
int lines_expect(const struct lines *in, struct err *e);

/*
 * Write path and the end byte to stdout; on a terminal, unless the end is NUL,
 * with a '?' for each control character but tab and newline.  Buffered: call lines_flush() after
 * each batch.  Errors are kept for cli_finish() to report: lines_errno() is
 * the errno of the first, or 0.
 */
void lines_put(int end, const char *path);
void lines_flush(void);
int lines_errno(void);

/* Call these around each write to stdout from now on. */
void lines_hold(void (*hold)(void), void (*release)(void));

/*
 * How many paths there are, as far as that can be told before they are read:
 * operands, or the lines of a file on stdin.  0: who knows.
 */
uint64_t lines_total(const struct lines *in);

#endif
