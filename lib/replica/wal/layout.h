/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout -- where the objects of a database lie in a replica.
 *
 * Litestream 0.3:  <db>/generations/<gen>/snapshots/<index>.snapshot.lz4
 *                  <db>/generations/<gen>/wal/<index>_<offset>.wal.lz4
 * gen is 16, index and offset are 8 lower-case hex digits; index is the number
 * of one WAL file, offset the position in it, uncompressed, of the object's
 * first byte.  <db> may be empty: a replica root that is one database.
 *
 * Two kinds are lspp's own, and unknown to Litestream: an owner's object, and
 * beside a snapshot one that says that it stands alone, since lspp-prune has
 * taken the segments behind it:
 *                  <db>/generations/owner-<number>.lz4
 *                  <db>/generations/<gen>/snapshots/<index>.alone.lz4
 *
 * Room replica/wal: the bytes of a replica in the layout of Litestream 0.3:
 *     names of objects, the LZ4 frames, the provenance at their end, the
 *     virtual WAL in segments.  lspp-format(5) is its manual.
 * Used by: replica, state, scan, choose, restore, mirror, prune, ship, verify, bin.
 * Never: reads or writes a store or a file.
 */
#ifndef LSPP_REPLICA_WAL_LAYOUT_H
#define LSPP_REPLICA_WAL_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/replica/wal/walpos.h"

#define LAYOUT_GENERATION POS_LINE /* 16 hex digits and NUL */
/* What an owner's object names that closes the layout: the history goes on in
 * LTX. */
#define LAYOUT_CLOSED    "0000000000000000"
#define LAYOUT_INDEX_MAX 0x7fffffffu

/*
 * Append the key of an object to b, where at is as walpos.h says, and of an
 * owner its number (lspp-format(5)):
 *	<db>/generations/<gen>/snapshots/<index>.snapshot.lz4
 *	<db>/generations/<gen>/snapshots/<index>.alone.lz4
 *	<db>/generations/<gen>/wal/<index>_<offset>.wal.lz4
 *	<db>/generations/owner-<number>.lz4
 */
void layout_key(struct buf *b, const char *db, const char *gen,
    const struct layout_name *name);
/* Append "<db>/generations/<gen>/" (gen NULL: "<db>/generations/"). */
void layout_generation_prefix(struct buf *b, const char *db, const char *gen);

/* Is name (no slashes) a generation id? */
bool layout_is_generation(const char *name);

/*
 * The id of a new generation, of five random bytes: their ten digits, and six
 * of the crc32 (zlib) of those ten behind "lspp".  So a listing tells whose a
 * generation is.  That of another's has such an end once in 16 million.
 */
void layout_new_generation(char id[LAYOUT_GENERATION], const uint8_t random[5]);
/* Was it made so?  Those of the first lspp were not. */
bool layout_is_own(const char *id);

/*
 * Parse "snapshots/<name>" or "wal/<name>", the part of a key behind
 * "generations/<gen>/".  False for anything that the layout does not know:
 * such objects are ignored by every reader.
 */
bool layout_parse(struct layout_name *n, const char *rest);

/* Likewise the part of a key behind "generations/"; of an owner's line is "". */
bool layout_parse_below(
    const char *rest, char line[POS_LINE], struct layout_name *n);

/*
 * Which database is the object called key of?  It is known by its end, so a
 * database, and a folder on the way to it, may have any name, "generations"
 * too.  *db is the length of its name, and n its place in it.  False: it is no
 * object of any.
 */
bool layout_object(const char *key, size_t *db, struct layout_name *n);

#endif
