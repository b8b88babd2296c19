/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err -- what went wrong: a class for code to act on, a message for people.
 *
 * Every function that can fail takes a struct err last and returns -1 (or
 * NULL) after filling it.  Library code never prints and never exits; bin/
 * turns the record into a line on stderr and the class into an exit status.
 *
 * The message is one line, lower case, without a full stop, and names the
 * object or file only where the caller cannot know it.  A likely cause goes
 * into the hint.  What a URL in either should not show is masked
 * (lib/base/mask.h).
 *
 * Room base: what every file needs and what knows nothing of databases:
 *     errors, memory that does not fail, bits, time.
 * Used by: all rooms.
 * Never: prints, exits, waits, opens a file.
 */
#ifndef LSPP_BASE_ERR_H
#define LSPP_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>

/* The value of a class is the exit status it leads to (sysexits.h). */
enum err_class {
	ERR_NONE = 0,
	ERR_USAGE = 2,        /* wrong option, operand or pattern */
	ERR_EARLIER = 3,      /* done, but not as much as there once was */
	ERR_CORRUPT = 65,     /* a backup or a database is damaged */
	ERR_MISSING = 66,     /* no such path, no backup of that name */
	ERR_UNAVAILABLE = 69, /* the store cannot be reached */
	ERR_BUG = 70,         /* an invariant of ours does not hold */
	ERR_OS = 71,          /* out of descriptors, threads; no libcurl */
	ERR_EXISTS = 73,      /* the target exists or cannot be created */
	ERR_IO = 74,          /* read or write failed, disk full */
	ERR_BUSY = 75,        /* locked: run again; or a conflict */
	ERR_DENIED = 77,      /* permission */
	ERR_CONFIG = 78,      /* environment, option value, state file */
};

struct err {
	enum err_class class;
	char msg[1024];
	char hint[256]; /* "" if there is none */
};

/* Fill e and return -1, so that failing is one expression.  Clears the hint. */
int err_set(struct err *e, enum err_class class, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As err_set with the class of errno and ": strerror" added, and a hint where
 * errno alone tells what helps (a full disk). */
int err_sys(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Put "context: " before the message; keeps class and hint; returns -1. */
int err_in(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Set the hint; keeps class and message; returns -1. */
int err_hint(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The class of an errno value: ENOENT is ERR_MISSING, EACCES ERR_DENIED, ... */
enum err_class err_class_of(int errnum);

#endif
