/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pos -- a place in the history of a database, in whichever layout a replica
 * has; and what stands there.
 *
 * A history is made of lines, and of two places of one line the one with the
 * lower number comes first.  An object stands where it begins; the next step
 * begins where the last object ends.  What the number is made of only the room
 * of the layout knows.
 *
 *	replica/wal	line: the generation; at: the index, times 2^32, and the
 *			offset
 *	replica/ltx	line: the TXID that it began with; at: the TXID
 *
 * Room replica/codec: what the layouts of a replica have in common.
 * Used by: all that know of replicas.
 * Never: knows any of them.
 */
#ifndef LSPP_REPLICA_CODEC_POS_H
#define LSPP_REPLICA_CODEC_POS_H

#include <stdint.h>

#define POS_LINE 17 /* 16 characters and NUL */

struct pos {
	char line[POS_LINE];
	uint64_t at;
};

/* An object of a line. */
enum layout_kind {
	LAYOUT_SNAPSHOT,
	LAYOUT_SEGMENT,
	LAYOUT_OWNER,
	LAYOUT_ALONE, /* says that the snapshot at that place stands alone */
};

struct layout_name {
	enum layout_kind kind;
	uint64_t at; /* where it begins; of an owner's, which one it is */
};

/* What a step needs of the one before, beside its place: so many bytes. */
#define CHAIN_MAX 32

struct chain {
	uint8_t n;
	uint8_t bytes[CHAIN_MAX];
};

/* The layout of a replica, as the state has it. */
enum format {
	FORMAT_WAL = 1, /* of Litestream 0.3: replica/wal */
	FORMAT_LTX = 2, /* of Litestream 0.5: replica/ltx */
};

#endif
