/*
 * walwrite -- the objects of a history, written one at a time, each into a spool
 * of the caller's, which is emptied first and must outlive its end.
 *
 *	walwrite_segment, walwrite_page ..., walwrite_end
 *	walwrite_snapshot, walwrite_page ..., walwrite_end
 *	walwrite_note
 *
 * A segment has pages that changed, ascending; a snapshot all.
 */
#ifndef LSPP_REPLICA_WAL_WALWRITE_H
#define LSPP_REPLICA_WAL_WALWRITE_H

#include <stdint.h>

#include "lib/replica/wal/provenance.h"

struct buf;
struct err;
struct spool;
struct walwrite;

struct walwrite *walwrite_new(void);
void walwrite_free(struct walwrite *w); /* takes NULL */

/* Begin a segment at a position, on from what the chain says of it. */
int walwrite_segment(struct walwrite *w, struct spool *out,
    const struct pos *pos, const struct chain *c, uint32_t page_size,
    struct err *e);
int walwrite_snapshot(
    struct walwrite *w, struct spool *out, uint32_t page_size, struct err *e);

int walwrite_page(
    struct walwrite *w, uint32_t pgno, const uint8_t *page, struct err *e);

/* How much it holds so far, uncompressed; for a segment the last page is not
 * counted. */
uint64_t walwrite_raw(const struct walwrite *w);

/*
 * The object is whole.  pv says what it is; its length is filled in.  Of a
 * segment *c is what the next one goes on from, and of a snapshot as it was.
 */
int walwrite_end(
    struct walwrite *w, struct provenance *pv, struct chain *c, struct err *e);

/* An object of little data, or none (NULL), at once. */
int walwrite_note(struct walwrite *w, struct spool *out, const struct buf *data,
    struct provenance *pv, struct err *e);

#endif
