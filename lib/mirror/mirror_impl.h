/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mirror_impl -- what the files of the room share; nobody else includes this.
 */
#ifndef LSPP_MIRROR_MIRROR_IMPL_H
#define LSPP_MIRROR_MIRROR_IMPL_H

#include <sqlite3.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/live/live_db.h"
#include "lib/mirror/mirror.h"
#include "lib/replica/codec/pos.h"
#include "lib/replica/sumtable.h"
#include "lib/replica/wal/walread.h"
#include "lib/sqlite/dbhdr.h"
#include "lib/sqlite/growth.h"
#include "lib/sqlite/pagesum.h"
#include "lib/sys/spool.h"
#include "lib/sys/stop.h"

#define PAGE_MAX 65536

/* -- where a copy stands (mirror_pos.c) ------------------------------------ */

/*
 * The bytes of page 1 that a copy has of its own: the two versions (18), which
 * say that it is in rollback mode, the change counter (24), which tells readers
 * that it changed, and for which counter the size is valid (92).  As the state
 * has them:
 */
struct own {
	uint16_t versions;
	uint32_t counter, valid_for;
};
void own_of(struct own *o, const uint8_t *page);
void own_put(const struct own *o, uint8_t *page);
/* As a copy of so many pages has them. */
void own_make(uint8_t *page, uint32_t pages, uint32_t counter);

/* The object that was applied last is known by a hash of so many of its last
 * bytes, which are checksums for the most part. */
#define ANCHOR_TAIL 64

struct state {
	char line[POS_LINE];
	/*
	 * Where the object stands that was applied last, a snapshot or a
	 * segment, and what comes next goes on from.  With LTX at is the TXID,
	 * and level and min are of the name of that file.
	 */
	uint64_t at, end;
	bool snapshot;
	bool plain; /* Litestream 0.3's, which has no provenance */
	struct chain chain;
	unsigned level;
	uint64_t min;
	bool flat; /* as in ltx_names.h */
	uint64_t anchor;
	int64_t as_of_ns;
	uint32_t page_size, pages;
	struct pagesum sum; /* of the state's pages */
	struct own own;
	uint32_t counter; /* the copy's */
};

static inline bool
state_is_ltx(const struct state *s)
{
	return s->line[0] == 'l';
}

/* What is in the file beside a copy: it holds the one or the other. */
struct position {
	uint64_t replica; /* a hash of the root and the key */
	struct state was, is;
};

uint64_t position_replica(const char *root, const char *key);
/* Of the copy called so in a directory.  1; 0: there is none; -1. */
int position_read(int dir, const char *copy, struct position *p, struct err *e);
/* Durable, but for its name: the caller syncs the directory. */
int position_write(
    int dir, const char *copy, const struct position *p, struct err *e);

/* The copy does not go on: -1, with the command that begins it anew. */
int mirror_refuse(struct err *e);

/* -- the copy, with a lock against writers (mirror_copy.c) ----------------- */

/* All beside it is done in the directory, wherever a path leads by then. */
struct copy {
	int dir;
	const char *name; /* borrowed, like dir */
	int64_t dev, ino;
	sqlite3 *db;
	sqlite3_file *file;
	struct stop_wait wait;
};

/* What a killed writer left is rolled back. */
int copy_begin(
    struct copy *c, int dir, const char *name, int wait_ms, struct err *e);
void copy_end(struct copy *c);

/* Page pgno, of that size; zeros behind the end of the file. */
int copy_page(const struct copy *c, uint32_t pgno, uint32_t size, uint8_t *page,
    struct err *e);

/* Does page 1 begin as a copy in that state has it? */
bool copy_has_own(const uint8_t *page, const struct state *s);
/* Is it, page for page, what s says?  1, 0 or -1. */
int copy_is(
    const struct copy *c, const struct state *s, uint8_t *page, struct err *e);

/* What stat says of a file that nobody has written to. */
struct seen {
	dev_t dev;
	ino_t ino;
	off_t size;
	int64_t mtime_ns;
};
int seen_look(struct seen *s, int dir, const char *path, struct err *e);
bool seen_equal(const struct seen *a, const struct seen *b);

/* -- pages that wait (mirror_stage.c) -------------------------------------- */

/*
 * The pages of some objects, in order, and the sum of the state that each of
 * these leads to.  What is kept when an object turns out to be damaged is what
 * was there at the last mark.
 */
struct stage {
	struct spool spool; /* of struct entry, each with a page */
	struct sumtable sums;
	struct growth growth;
	const struct copy *copy; /* what it goes on from, with its own bytes */
	const struct state *from;
	uint32_t page_size, pages;
	uint32_t low;     /* the fewest pages there were on the way */
	uint32_t highest; /* of all pages that came */
	struct pagesum total;
	uint8_t head[DBHDR_SIZE]; /* of page 1, as the state has it */
	uint64_t marked;          /* bytes of the spool */
	bool any;
	uint8_t page[PAGE_MAX], zeros[PAGE_MAX];
};

void stage_init(struct stage *s, const char *tmp);
void stage_release(struct stage *s);
int stage_begin(struct stage *s, const struct copy *c, const struct state *from,
    struct err *e);
int stage_page(
    struct stage *s, uint32_t pgno, const uint8_t *page, struct err *e);
/* A transaction ends with so many pages.  missing: pages that the database has
 * grown by and that did not come; they are zeros from now on. */
int stage_commit(
    struct stage *s, uint32_t pages, uint32_t *missing, struct err *e);
/* What there is so far is sound, and leads to *to, whose pages are filled in.
 * ERR_CORRUPT: not what SQLite would read. */
int stage_mark(struct stage *s, struct state *to, struct err *e);

/* -- writing (mirror_write.c) ---------------------------------------------- */

typedef int page_take(
    void *arg, uint32_t pgno, const uint8_t *page, struct err *e);

/* The pages of a state, or those that are new, in order: the last one counts. */
struct pages {
	int (*each)(void *ctx, page_take *take, void *arg, struct err *e);
	void *ctx;
};
int stage_each(void *stage, page_take *take, void *arg, struct err *e);

/*
 * The copy, which holds from, is to hold *to: one transaction.  Sets the
 * counter of *to.  page is PAGE_MAX bytes.
 */
int copy_write(struct copy *c, const struct state *from, struct state *to,
    uint64_t replica, const struct pages *p, uint8_t *page, struct err *e);

/* -- the replica ----------------------------------------------------------- */

struct object_dec;
struct ltx_read;

/* The last bytes of an object, as they come by. */
struct tail {
	uint8_t p[ANCHOR_TAIL];
	size_t n;
};
void tail_feed(struct tail *t, const uint8_t *p, size_t n);
uint64_t tail_anchor(const struct tail *t);

struct mirror_tools {
	struct restorer *restorer;
	struct crew *crew;
	struct stage stage;
	struct walread wal;
	struct object_dec *dec;
	struct ltx_read *ltx;
	struct tail tail; /* of the object that is read */
	uint8_t page[PAGE_MAX];
};

struct mirror {
	struct mirror_conf conf;
	uint64_t replica;
	struct state is;
	bool begun;
	struct seen seen;    /* the copy */
	struct seen odd;     /* what was in its place and is refused, */
	struct err *refused; /* so; or NULL */
	/* During a step: the directory of the copy, or -1, and its name there. */
	int dir;
	const char *name;
	/* What the listing was when nothing was left to do, or it failed. */
	uint64_t listed;
	bool large;     /* it has more than a page */
	uint64_t lines; /* then: what the generations were */
	uint64_t roots; /* and what was right below the database */
	unsigned probes, tries;
	struct err *why; /* the last step failed so; or NULL */
};

/* What the replica has as of now, as one number: one request (mirror_probe.c). */
int probe(struct mirror *m, uint64_t *listed, struct err *e);

/* Of the object that s stands on, as it is in the store.  ERR_MISSING: it is gone. */
int anchor_read(const struct mirror *m, const struct state *s, uint64_t *anchor,
    struct err *e);

/* Is it the one that was applied?  1; 0: it is gone; -1, ERR_BUSY where it is
 * another. */
int anchor_holds(const struct mirror *m, struct err *e);

/* Another history, or less of this one: -1. */
int rewound(struct err *e, const char *why);

/*
 * Stage what follows m's state, as plan p of the newest state has it, on top of
 * what t->stage begins with; if stage.any, *to is where that leads.  1: it goes
 * on, or all is there; 0: only a whole restore leads on; -1: an object is not
 * sound, or cannot be had.
 */
int follow_ltx(struct mirror *m, struct mirror_tools *t,
    const struct restore_plan *p, struct state *to, struct err *e);
int follow_wal(struct mirror *m, struct mirror_tools *t,
    const struct restore_plan *p, struct state *to, struct err *e);

/* So much is written at a time. */
#define STAGE_MAX ((uint64_t)64 << 20)

/*
 * The newest state, restored and proved, as an unfinished file beside the copy;
 * *to is what it is.  Drop *out with restored_drop().
 */
int mirror_restore(struct mirror *m, struct mirror_tools *t,
    const struct restore_target *target, struct restored **out,
    struct state *to, struct err *e);

/* struct pages of it; page is PAGE_MAX bytes. */
struct restored_pages {
	int fd;
	const struct state *state;
	uint8_t *page;
};
int restored_each(void *ctx, page_take *take, void *arg, struct err *e);

#endif
