/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/source/unmoved.h"

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/source/source.h"
#include "lib/sys/spool.h"

enum { MAX_HOLD_MS = 150 }; /* there is nothing to read under a lock */

/* Both ascend. */
static int
compare(struct source *src, uint32_t since_pages, struct spool *pages,
    size_t size, struct unmoved *out, struct err *e)
{
	uint32_t pgno, next = source_next(src);

	*out = (struct unmoved){ 0 };
	for (uint64_t at = 0; at < pages->size; at += size) {
		if (spool_read(pages, at, &pgno, sizeof(pgno), e) == -1)
			return -1;
		while (next != 0 && next < pgno)
			next = source_next(src);
		if (next == pgno || pgno > since_pages)
			continue;
		if (out->pages++ == 0)
			out->first = pgno;
	}
	return 0;
}

int
unmoved_find(const char *path, const struct source_pos *since,
    uint32_t since_pages, struct spool *pages, size_t size, struct unmoved *out,
    struct err *e)
{
	struct source *src = NULL;
	struct err ignored;
	int rc = 0;

	*out = (struct unmoved){ 0 };
	if (since->valid != 0)
		src = source_open(path, MAX_HOLD_MS, &ignored);
	if (src == NULL)
		return 0;
	while (rc == 0) {
		if (source_begin(src, since, since_pages, false, &ignored) ==
			-1 ||
		    source_state(src)->hint == SOURCE_DIFF)
			break;
		if ((rc = compare(src, since_pages, pages, size, out, e)) == 0)
			rc = source_end(src, &ignored);
		else
			break;
		if (rc == -1) /* of the source: it cannot be told */
			rc = 2;
	}
	source_close(src);
	return rc == 2 ? 0 : rc;
}
