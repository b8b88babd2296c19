/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan -- find databases: in directories, by pattern, and in replicas.
 *
 * A database is known by its first 16 bytes, not by its name, unless the caller
 * knows it already.  Files of SQLite's own (-wal, -shm, -journal beside a
 * database, lib/sqlite/beside.h) and of ours (the state, known by its
 * application id; unfinished restores, named .lspp-*) are never reported.  What
 * one operand gives comes in byte order of the whole paths (as LC_ALL=C sort has
 * it), but for links to directories.  Symbolic links are followed when they are
 * named, not when they are met on the way, unless asked.
 *
 * A scan ends early, without an error, once a stop is requested.
 *
 * Room scan: which databases there are: below directories, by pattern, in
 *     replicas, by a litestream.yml.
 * Used by: choose, prune, bin.
 * Never: reads more of a file than its first bytes; asks the state.
 */
#ifndef LSPP_SCAN_SCAN_H
#define LSPP_SCAN_SCAN_H

#include <stdbool.h>

struct err;
struct listed;
struct store;

struct scan {
	/* path is valid during the call.  -1 ends the scan. */
	int (*found)(void *ctx, const char *path);
	/* One path could not be looked at; the scan goes on. */
	void (*failed)(void *ctx, const char *path, const struct err *e);
	/* One directory is done: a good moment to flush.  May be NULL. */
	void (*pause)(void *ctx);
	void *ctx;
	/*
	 * A regular file is at path: is it known to be a database?  Then it is
	 * not opened.  May be NULL: none is known.
	 */
	bool (*known)(void *ctx, const char *path);
	/*
	 * Of a replica: should listed() get all that is below the database key,
	 * right before found()?  It takes over what l holds.  It is called only
	 * where that costs the scan hardly more: of a directory, and few objects
	 * in the layout of 0.3 alone.  Both may be NULL.
	 */
	bool (*lists)(void *ctx, const char *key);
	void (*listed)(void *ctx, struct listed *l);
	bool follow; /* follow symbolic links to files and directories */
	bool one_fs; /* do not cross into another file system */
	/*
	 * Patterns, NULL-terminated, or NULL, each for the path as it would be
	 * reported and for its last component.  A directory that matches is
	 * not entered, unless it is the operand itself.
	 */
	char **exclude;
	unsigned jobs; /* requests at a time, of S3; 0 is 1 */
};

/*
 * Look at one operand: a file, a directory (walked), or a pattern (its fixed
 * part is walked).  What exists by that name is no pattern.  Paths are reported
 * as the operand spells them: a relative operand gives relative paths.  A
 * failure of the operand itself is reported under its own name.  0, or -1 if
 * found() said so.
 */
int scan_local(const struct scan *s, const char *operand);

/*
 * The same for a pattern, also where something exists by that name.
 */
int scan_pattern(const struct scan *s, const char *pattern);

/*
 * The databases in a replica: every key below which a generation with at least
 * one object lies, or a level of LTX with at least one file, that matches pattern (relative to the root; NULL: all).
 * Reported as the root's URL with the key behind it, of a directory in byte
 * order of the keys, of S3 as scan_rolled.h says.  0, or -1 if found() said so.
 */
int scan_replica(const struct scan *s, struct store *st, const char *pattern);

#endif
