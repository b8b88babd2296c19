/* SPDX-License-Identifier: Apache-2.0 */
/*
 * provenance -- what lspp writes behind the data of every object.
 *
 * An LZ4 skippable frame (LZ4 Frame Format 1.6.x, "Skippable Frames") at the
 * very end of the object: magic 0x184D2A5C, little-endian size, then
 *
 *	0   4  "lspp"
 *	4   4  format version, 2
 *	8   8  capture time, ns since 1970 UTC: the state the object brings a
 *	       restore to was the committed state at that time
 *	16 16  writer id: the machine's, then that of the state on it, 8 each
 *	32  4  page size
 *	36  4  page count after this object
 *	40 16  pagesum of the database after this object
 *	56  4  the source file's mode (permission bits only)
 *	60  4  its owner
 *	64  4  its group
 *	68  8  the length of the object's data, uncompressed
 *	76  8  the generation it belongs to
 *	84  4  its index
 *	88  4  its offset; 0 for all but a segment
 *	92  4  1 for a snapshot, 2 for a segment, 3 for an owner
 *	96  8  the run that wrote it: a random number that its state knew
 *	       before anything was written; 0: not told
 *	104 4  mode of the directory that the source file is in (permission
 *	       bits only), or 2^32 - 1: not known
 *	108 4  its owner
 *	112 4  its group
 *	116 8  what the writer's clock said at the capture, ns since 1970 UTC;
 *	       0: the capture time.  Told from the first object of a generation
 *	       on at which the clock was behind what was captured before
 *	124 4  crc32 (zlib) of bytes 0..123
 *
 * all big-endian: PROVENANCE_SIZE bytes with the frame's own 8.  Both
 * litestream 0.3.13 and 0.5.18 pass over a skippable frame after the data.
 * Being last and of a size that its version tells, it can be read alone from
 * the object's end.
 *
 * Version 1, which lspp wrote first, ends behind the kind: its crc32 is at 96,
 * of bytes 0..95.  It is read; what it lacks is not known.
 */
#ifndef LSPP_REPLICA_WAL_PROVENANCE_H
#define LSPP_REPLICA_WAL_PROVENANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/replica/wal/layout.h"
#include "lib/sqlite/pagesum.h"

#define PROVENANCE_SIZE (8 + 128)
#define PROVENANCE_V1   (8 + 100) /* of version 1 */

struct provenance {
	int64_t captured_ns;
	uint8_t writer[16];
	uint32_t page_size, pages;
	struct pagesum sum;
	uint32_t mode, uid, gid;
	uint64_t length;
	/* Where it belongs: an object under another name is not what it says.
	 */
	char generation[LAYOUT_GENERATION];
	struct layout_name name;
	uint64_t run;
	bool has_dir; /* the next three are known, of the source's directory */
	uint32_t dir_mode, dir_uid, dir_gid;
	/* 0, or what the clock said that captured_ns had to be later than. */
	int64_t clock_ns;
};

void provenance_write(const struct provenance *pv, uint8_t p[PROVENANCE_SIZE]);

/* Was it written as that object of that generation? */
bool provenance_is(const struct provenance *pv, const char *generation,
    const struct layout_name *name);
/* Likewise: 0, or -1 with what it was written as. */
struct err;
int provenance_check(const struct provenance *pv, const char *generation,
    const struct layout_name *name, struct err *e);

/*
 * Parse the end of an object: its last PROVENANCE_SIZE bytes, or all n of them
 * if it has fewer.  1: there is one; 0: there is none (an object of
 * litestream's); -1 ERR_CORRUPT: it is one of ours and damaged, or of a version
 * we do not know.
 */
int provenance_parse(
    struct provenance *pv, const uint8_t *end, size_t n, struct err *e);

#endif
