/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object -- one object of a replica: a single LZ4 frame, then (if lspp wrote
 * it) the provenance frame.
 *
 * The LZ4 frame is as litestream 0.3 writes it except for the block size:
 * independent blocks, a content checksum, no block checksums (0.3.13 rejects
 * them), one frame only (0.3.13 reads no second one).  Blocks are 256 KiB, so
 * that an encoder and a decoder need about 1 MiB at most.  Litestream's are
 * 4 MiB: a decoder that meets as much data in one takes some 8 MiB and keeps
 * them until it is freed.
 *
 * Streams in both directions; bounded memory; one thread at a time each.
 */
#ifndef LSPP_REPLICA_WAL_OBJECT_H
#define LSPP_REPLICA_WAL_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/replica/wal/provenance.h"
#include "lib/sqlite/growth.h"
#include "lib/sys/spool.h"

struct err;

/* An encoder writes to a spool of the caller's. */
struct object_enc;
struct object_enc *object_enc_new(void);
/* Start an object in out, which must be empty and outlive finish(). */
int object_enc_begin(struct object_enc *o, struct spool *out, struct err *e);
int object_enc_add(
    struct object_enc *o, const void *p, size_t n, struct err *e);
/* End the LZ4 frame and append pv's frame; NULL: none, it is of no database. */
int object_enc_finish(
    struct object_enc *o, const struct provenance *pv, struct err *e);
uint64_t object_enc_raw(const struct object_enc *o); /* bytes added so far */
void object_enc_free(struct object_enc *o);

/*
 * What an object can hold of a database, and of a log, whose offsets have 8 hex
 * digits; beyond it is a bomb.
 */
#define OBJECT_SNAPSHOT_MAX ((uint64_t)GROWTH_PAGES_MAX * 65536)
#define OBJECT_SEGMENT_MAX  ((uint64_t)1 << 32)

/*
 * A decoder is fed the object's bytes as they come and hands out the data.
 * 'sink' is called with pieces of the uncompressed data in order; -1 from it
 * ends the decoding with that error.
 */
typedef int object_sink(void *ctx, const uint8_t *p, size_t n, struct err *e);
struct object_dec;
struct object_dec *object_dec_new(void);
/*
 * max bounds the uncompressed size: beyond it is ERR_CORRUPT (a bomb).
 */
void object_dec_begin(
    struct object_dec *d, object_sink *sink, void *ctx, uint64_t max);
/*
 * After begin(): the data is put where room(the sink's ctx, &n) says, n bytes
 * of it at most, before sink gets it from there.
 */
typedef uint8_t *object_room(void *ctx, size_t *n);
void object_dec_into(struct object_dec *d, object_room *room);
/* dec is a struct object_dec, so that this is a store_sink (store.h).  After -1
 * only begin() and free() may follow. */
int object_dec_feed(void *dec, const uint8_t *p, size_t n, struct err *e);
/*
 * All bytes were fed.  Checks that the frame is complete (its content checksum
 * was checked on the way, if it has one) and that what follows is nothing, or
 * skippable frames.  Fills *pv and sets *has when the last of them is ours;
 * a second data frame or trailing garbage is ERR_CORRUPT.
 */
int object_dec_finish(
    struct object_dec *d, struct provenance *pv, bool *has, struct err *e);
uint64_t object_dec_raw(const struct object_dec *d); /* bytes handed out */
/* Was the data's end reached, whatever stands behind it?  After feed(), also
 * after one that failed. */
bool object_dec_whole(const struct object_dec *d);
void object_dec_free(struct object_dec *d);

#endif
