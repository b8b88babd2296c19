/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unmoved -- of pages that differ, those that did not change since a position.
 *
 * That is the hint which lspp-ship goes by (source.h), asked the other way
 * round.  It offers all pages that may have changed since a position: one that
 * it does not offer, and that yet is not what it was then, had changed before,
 * and nobody noticed.
 *
 * Why it is so:
 *
 * What a hint has missed.  The tail of a WAL tells which pages changed since
 * the record.  Asked the other way round it finds faults of this program: a
 * page that is not the record's, and that nothing was written to, had changed
 * before.  A comparison is so of use also for a database that is never at
 * rest; and a ship that looks at all pages, for a snapshot, ships such a page
 * as it would have anyway, but says so and notes it, because the replica was
 * wrong since.  With a rollback journal each commit counts up in page 1; not
 * so if a connection keeps its lock, so the file's time must be the same, too.
 * A note stays until a comparison is well: nobody else can tell that it is
 * over.
 */
#ifndef LSPP_SOURCE_UNMOVED_H
#define LSPP_SOURCE_UNMOVED_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct source_pos;
struct spool;

struct unmoved {
	uint32_t pages, first;
};

/*
 * Of the database at path, which had since_pages at the position since, and
 * was read after that and before now.  pages holds entries of 'size' bytes,
 * each beginning with the number of a page, ascending.  1: *out is filled; 0:
 * it cannot be told; -1: pages cannot be read.
 */
int unmoved_find(const char *path, const struct source_pos *since,
    uint32_t since_pages, struct spool *pages, size_t size, struct unmoved *out,
    struct err *e);

#endif
