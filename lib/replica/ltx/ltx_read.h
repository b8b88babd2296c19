/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx_read -- one LTX file, a stream of bytes, to the pages that it brings.
 *
 * Behind the header (ltx_header.h) come the pages, ascending, each as
 *	u32	page number, never that of the lock
 *	u16	1: the length and a block follow, as 0.5.18 writes it
 *	u32	length of the block
 *		an LZ4 block: exactly one page
 * or, as it was once written,
 *	u32	page number
 *	u16	0
 *		an LZ4 frame: exactly one page
 * then
 *	6	zeros, the end of the pages
 *		the page index: for each page its number, where it begins in
 *		the file, and its length there, as varints (protobuf's); 0
 *	u64	length of the index
 *	u64	rolling checksum of the state that it leads to, or 0
 *	u64	file checksum: of all before it, but of the pages as they are
 *		when unpacked (ltx_sum.h)
 * and nothing else.  Source: superfly/ltx v0.5.2, encoder.go and decoder.go,
 * and for what must be as it is, v0.5.3.
 *
 *	ltx_read_begin
 *	ltx_read_feed ...	however it is cut into pieces
 *	ltx_read_finish
 *
 * Pages are handed out before the end of the file has proved them.  So nothing
 * of a file counts before ltx_read_finish().  Then it holds that the header is
 * that of the name, the pages ascend, none is behind the end of the database or
 * is that of the lock, each unpacks to exactly its size, a snapshot has all of
 * them, the index is that of the pages, the file checksum is right, and so is
 * the rolling checksum of a snapshot that has one.  That of another file is the
 * caller's to check, who has the state before it.
 *
 * Memory is bounded, whatever the bytes: some 200 KiB, and with pages in frames
 * what such a frame asks of LZ4, at most 8 MiB; the index is compared by a
 * CRC.  Time follows the bytes.  One thread at a time.
 */
#ifndef LSPP_REPLICA_LTX_READ_H
#define LSPP_REPLICA_LTX_READ_H

#include <stddef.h>
#include <stdint.h>

#include "lib/replica/ltx/ltx_header.h"

struct err;
struct ltx_name;

/* What comes out, in order.  -1 ends the reading with that error. */
struct ltx_sink {
	int (*header)(void *ctx, const struct ltx_header *h, struct err *e);
	int (*page)(
	    void *ctx, uint32_t pgno, const uint8_t *page, struct err *e);
};

struct ltx_read;
struct ltx_read *ltx_read_new(void);
void ltx_read_free(struct ltx_read *r); /* takes NULL */

/* name (borrowed, like sink): what the file is called; NULL: anything. */
void ltx_read_begin(struct ltx_read *r, const struct ltx_name *name,
    const struct ltx_sink *sink, void *ctx);

/* reader is a struct ltx_read, so that this is a store_sink (store.h).
 * Everything but what the sink says is ERR_CORRUPT. */
int ltx_read_feed(void *reader, const uint8_t *p, size_t n, struct err *e);

/* All bytes were fed.  *after: the rolling checksum, or 0. */
int ltx_read_finish(struct ltx_read *r, uint64_t *after, struct err *e);

#endif
