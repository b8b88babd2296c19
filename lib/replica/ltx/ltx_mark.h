/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx_mark -- what lspp says of a file in the bytes of its header that are free.
 *
 *	72	8	node: the machine's half of the writer's id (provenance.h)
 *	80	3	"lsp"
 *	83	1	1: a step; 2: all pages, where a line begins; 3: a
 *			snapshot; 4: some of these, merged by lspp-prune
 *	84	4	the first bytes of the state's half of the writer's id
 *	88	4	the run that wrote it; of what was merged, when the last
 *			of these files was stored, s since 1970
 *	92	8	the first bytes of the pagesum of the database after this
 *			file, with zeros in the page of the lock
 *
 * Litestream writes zeros there and looks at none of it; its checksum of the
 * file covers them.  What it compacts has lost them.  What lspp-prune merges
 * has those of its last file, which leads to the same state.
 */
#ifndef LSPP_REPLICA_LTX_LTX_MARK_H
#define LSPP_REPLICA_LTX_LTX_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/replica/ltx/ltx_header.h"

struct err;
struct provenance;
struct store;

#define LTX_MARK_WRITER 12 /* bytes of a writer's id that it has */

enum ltx_mark_kind { LTX_STEP = 1, LTX_BEGINNING, LTX_SNAPSHOT, LTX_MERGED };

/* Of pv: writer, run and sum. */
void ltx_mark(
    struct ltx_header *h, enum ltx_mark_kind kind, const struct provenance *pv);

/* What the last of the files that are merged says, which has a mark; and when it
 * was stored. */
void ltx_mark_merged(
    struct ltx_header *h, const struct ltx_header *last, int64_t stored_ns);
/* When that was, in whole seconds; -1: this was not merged by lspp. */
int64_t ltx_mark_stored(const struct ltx_header *h);

/*
 * What a header says, as a provenance: of that what a mark has no room for is 0
 * or not known, name.at is its last TXID, and name.kind LAYOUT_SEGMENT for a
 * step alone.  False: it has no mark.
 */
bool ltx_marked(const struct ltx_header *h, struct provenance *pv);

/* Is that the sum in the mark of a header? */
bool ltx_mark_has_sum(const struct ltx_header *h, uint64_t first);

/*
 * That of the file called key.  1: *pv is filled; 0: it is not of lspp, and of
 * *pv times and pages are; -1: ERR_CORRUPT, or what the store says.
 */
int ltx_mark_peek(
    struct store *s, const char *key, struct provenance *pv, struct err *e);

#endif
