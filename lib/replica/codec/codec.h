/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec -- a layout of replicas, for those who do not care which.
 *
 * The room of a layout fills one of these.  What reads, plans, prunes, verifies
 * and ships asks it for names, for the order of what has them, and for objects;
 * at a position it only looks to compare it with another of the same line.
 *
 * A snapshot stands where the segments behind it begin.  Segments that share a
 * log are one stream; where there is none to share, each is a log.
 */
#ifndef LSPP_REPLICA_CODEC_CODEC_H
#define LSPP_REPLICA_CODEC_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/replica/codec/pos.h"

struct buf;
struct err;
struct provenance;
struct spool;
struct writer;

#define CODEC_LABEL 20 /* characters, and NUL */

/*
 * Objects, written one at a time, each into a spool of the caller's, which is
 * emptied first and must outlive its end:
 *
 *	segment, page ..., end		the pages that changed, ascending
 *	snapshot, page ..., end		all pages
 *	note
 */
struct codec_writer {
	struct writer *(*make)(void);
	void (*free)(struct writer *w); /* takes NULL */

	/* Begin a segment at a position, on from what the chain says of it. */
	int (*segment)(struct writer *w, struct spool *out,
	    const struct pos *pos, const struct chain *c, uint32_t page_size,
	    struct err *e);
	int (*snapshot)(struct writer *w, struct spool *out, uint32_t page_size,
	    struct err *e);
	int (*page)(struct writer *w, uint32_t pgno, const uint8_t *page,
	    struct err *e);

	/* How much it holds so far, uncompressed; of a segment the last page
	 * may not be counted. */
	uint64_t (*raw)(const struct writer *w);

	/*
	 * The object is whole.  pv says what it is; its length is filled in.
	 * Of a segment *c is what the next one goes on from; of a snapshot it
	 * stays.
	 */
	int (*end)(struct writer *w, struct provenance *pv, struct chain *c,
	    struct err *e);

	/* An object of little data, or none (NULL), at once: an owner's, or
	 * the segment that ends a line. */
	int (*note)(struct writer *w, struct spool *out, const struct buf *data,
	    struct provenance *pv, struct err *e);

	/* The pages of the object that was just ended, once more, as what pv
	 * says. */
	int (*again)(struct writer *w, struct spool *out, struct provenance *pv,
	    struct err *e);
};

/*
 * What is true of a layout.
 *
 * In one with a single row of positions a new line goes on where the old one
 * ends.  It begins with a segment of all pages: whoever would go on with the old
 * one meets that, so there is nothing to end, and no owner's object.  It has no
 * notes, and the others cannot have their objects written again.
 */
struct codec_traits {
	bool one_row;
	bool no_lock_page; /* no object has the page of SQLite's locks */
	int64_t tick_ns;   /* of the times that it keeps */
};

struct codec {
	enum format format;
	struct codec_traits traits;
	const struct codec_writer *writer;

	/* Append where all objects of db are, those of a line, or those of all
	 * (NULL). */
	void (*prefix)(struct buf *b, const char *db, const char *line);
	/* Append the key of an object; of an owner's the line is not used. */
	void (*key)(struct buf *b, const char *db, const char *line,
	    const struct layout_name *name);
	/* The part of a key behind the prefix of all.  Of an owner's the line is
	 * "".  False: no reader looks at such. */
	bool (*parse)(
	    const char *rest, char line[POS_LINE], struct layout_name *name);
	/* Did lspp begin it?  The first lspp did not say so. */
	bool (*is_own)(const char *line);
	/* What a snapshot that stands there is called, for people. */
	void (*label)(char text[CODEC_LABEL], uint64_t at);

	/* Order. */
	bool (*same_log)(uint64_t a, uint64_t b);
	uint64_t (*next_log)(uint64_t at); /* where the next one begins */
	bool (*begins_log)(uint64_t at);

	/* Positions: a new line at its beginning (in one row: at pos->at); where the next snapshot
	 * stands; behind a segment of so many bytes, if a log is left for the
	 * next from roll_at bytes on; is there none behind it? */
	int (*begin)(struct pos *pos, struct err *e);
	uint64_t (*snapshot)(uint64_t at);
	uint64_t (*behind)(uint64_t at, uint64_t bytes, uint64_t roll_at);
	bool (*is_last)(uint64_t at);
	/* Can somebody have come there, who put a snapshot at 'snapshot' of the
	 * line and so many segments since? */
	bool (*is_sound)(const struct pos *pos, const struct chain *c,
	    uint64_t snapshot, uint32_t segments, uint32_t page_size);
};

#endif
