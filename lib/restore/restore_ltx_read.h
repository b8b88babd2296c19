/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_ltx_read -- the files of a plan in LTX onto a file.  Private to
 * restore.
 *
 * Each file's pages are written as they come, over those of the files before
 * it.  A file that says so is held to the rolling checksums of the state before
 * it and of the one that it leads to: the first such one costs a reading of
 * what is there by then.  What a file makes the database grow by it has to
 * bring, page by page.
 */
#ifndef LSPP_RESTORE_RESTORE_LTX_READ_H
#define LSPP_RESTORE_RESTORE_LTX_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/sqlite/pagesum.h"

struct ahead;
struct apply;
struct err;
struct restore_plan;
struct store;

/* What the file has to hold, once all is read. */
struct ltx_state {
	uint32_t page_size, pages;
	struct pagesum sum;
	int64_t captured_ns; /* of the last file */
	bool summed;         /* by its rolling checksum, too, or its mark */
	bool marked;         /* the last file is of lspp */
	size_t sound;        /* files that were read without a fault */
};

/* ahead: of the plan's segments. */
struct ltx_read;
int restore_ltx_read(struct ltx_read *r, struct apply *a, struct ahead *ahead,
    struct store *s, const char *db, const struct restore_plan *p,
    struct ltx_state *out, struct err *e);

#endif
