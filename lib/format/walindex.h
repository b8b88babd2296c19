/*
 * walindex -- the header of SQLite's wal-index (the -shm file) as bytes.
 *
 * Source: sqlite.org/walformat.html section 2.1 ("The WAL-Index Header").
 * Integers are in the byte order of the machine, but for the salts, which are
 * copied from the WAL header as they are.  A writer changes the two copies of
 * the header one after the other: a reader that finds them equal, with the
 * right checksum, has seen one moment.
 */
#ifndef LSPP_FORMAT_WALINDEX_H
#define LSPP_FORMAT_WALINDEX_H

#include <stdbool.h>
#include <stdint.h>

#define WALINDEX_SIZE 136 /* both copies and the checkpoint information */
/* The byte every connection holds a shared lock on while it is open. */
#define WALINDEX_DMS_BYTE 128

struct walindex {
	uint32_t page_size;
	uint32_t frames; /* mxFrame: last frame of the last commit */
	uint32_t pages;  /* database size after it */
	uint32_t sum[2]; /* running checksum at that frame */
	uint32_t salt[2];
	uint32_t backfill, backfill_attempted; /* frames checkpointed */
};

/* False: not initialized, or caught in the middle of a change; look again. */
bool walindex_parse(struct walindex *x, const uint8_t p[WALINDEX_SIZE]);

#endif
