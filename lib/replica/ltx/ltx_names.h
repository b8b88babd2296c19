/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx_names -- where the files of a database lie in a replica of Litestream
 * 0.5.
 *
 *	LTX_LEVELS_DIR	<db>/ltx/<level>/<min>-<max>.ltx
 *	LTX_LEVELS_FLAT	<db>/<level>/<min>-<max>.ltx
 *
 * The first is that of directories (and of the servers that are no S3), with a
 * level of one decimal digit, the second that of S3, with a level of 4
 * lower-case hex digits.  min and max are 16 lower-case hex digits each, the
 * TXIDs of the first and the last transaction that the file brings.  Level 0
 * has what a sync wrote, 1 to 8 what was made of it by compaction, 9 has
 * snapshots.  <db> may be empty: a replica root that is one database.
 *
 * Sources: github.com/superfly/ltx v0.5.2 (ParseFilename) and litestream
 * v0.5.18 (file/replica_client.go, s3/replica_client.go).
 *
 * Room replica/ltx: the bytes of a replica in the layout of Litestream 0.5:
 *     names of files, what is in one and whether all of it is right, which of
 *     them lead to a state, and writing one.
 * Used by: replica, scan, choose, restore, mirror, prune, ship, verify, bin.
 * Never: writes to a replica or to a file.
 *
 * Why it is so:
 *
 * The reader is stricter than Litestream's.  That compares neither the name of
 * a file with its header nor the page index with the pages, takes a page that
 * unpacks short for a whole one, and stops at a gap without a word where a time
 * is wanted.  Each of these makes a database that never was.  What is refused
 * here leaves no database at all.
 */
#ifndef LSPP_REPLICA_LTX_NAMES_H
#define LSPP_REPLICA_LTX_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

#define LTX_LEVELS    10
#define LTX_SNAPSHOTS 9 /* the level of these */

enum ltx_levels { LTX_LEVELS_DIR, LTX_LEVELS_FLAT };

struct ltx_name {
	unsigned level;
	uint64_t min, max; /* TXIDs */
};

/* Append "<db>/ltx/<level>/", or what is flat. */
void ltx_level_prefix(
    struct buf *b, const char *db, enum ltx_levels how, unsigned level);
/* Append the key of that file. */
void ltx_key(struct buf *b, const char *db, enum ltx_levels how,
    const struct ltx_name *n);

/* Is name, n bytes of it, that of a level? */
bool ltx_parse_level(
    const char *name, size_t n, enum ltx_levels how, unsigned *level);

/*
 * Parse "<min>-<max>.ltx".  False for anything else: no reader looks at such.
 * A name that parses may still be nonsense: ltx_name_makes_sense().
 */
bool ltx_parse(struct ltx_name *n, const char *name);
/* 0 is no TXID, and none comes before the first. */
bool ltx_name_makes_sense(const struct ltx_name *n);

/* Exactly 16 lower-case hex digits, and nothing behind them. */
bool ltx_parse_txid(uint64_t *txid, const char *s);

/*
 * Which database is the object called key of?  It is known by its end.  *db is
 * the length of its name.  False: it is no file of any.
 */
bool ltx_object(
    const char *key, size_t *db, enum ltx_levels *how, struct ltx_name *n);

#endif
