/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of evidence.h share.
 */
#ifndef LSPP_VERIFY_EVIDENCE_IMPL_H
#define LSPP_VERIFY_EVIDENCE_IMPL_H

#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/verify/evidence.h"

#define EVIDENCE_DIGEST 65 /* SHA-256 in hex, and NUL */

/* What the rows come to. */
struct evidence_sum {
	uint64_t rows, sound, earlier, failed, bytes;
	uint64_t proof[EVIDENCE_PROOFS], source[VERIFY_AHEAD + 1];
	/* Of those that are sound: how old their newest states were. */
	int64_t age_median_ns, age_most_ns, age_longest_ns;
	struct buf oldest; /* the name of the last of these */
	int64_t behind_ns; /* the longest of those that are behind */
	int64_t longest_ns;
	struct buf longest; /* the name of the one that took so long */
};

/* What failed, in order, until each() returns other than 0. */
int evidence_failed(struct evidence *v,
    int (*each)(void *ctx, const char *name, const char *why), void *ctx,
    struct err *e);

/* Was each database restored, or decoded as for a restore?  What to call it, or
 * NULL. */
const char *evidence_restored(const struct evidence_drill *d);

/* The page, appended to b; file is the name of what has that digest. */
int evidence_page(struct evidence *v, const struct evidence_drill *d,
    const struct evidence_sum *sum, const char *file,
    const char digest[EVIDENCE_DIGEST], struct buf *b, struct err *e);

/* -- files ----------------------------------------------------------------- */

/* One that gets its name when it is whole.  { .fd = -1 } is none. */
struct evidence_file {
	int fd;
	struct buf path, tmp;
	struct buf b; /* what is not written yet: append to it */
};

int evidence_create(struct evidence_file *f, const char *path,
    const char *suffix, mode_t mode, struct err *e);
int evidence_flush(struct evidence_file *f, struct err *e);
/* Sync it, and give it its name. */
int evidence_publish(struct evidence_file *f, struct err *e);
void evidence_close(struct evidence_file *f); /* gone, if it has no name yet */

/* It may be missing. */
int evidence_remove(const char *path, struct err *e);

/* Of what was flushed. */
int evidence_digest(
    struct evidence_file *f, char digest[EVIDENCE_DIGEST], struct err *e);
/* Append to sig. */
int evidence_sign(
    struct evidence_file *f, const char *key, struct buf *sig, struct err *e);

#endif
