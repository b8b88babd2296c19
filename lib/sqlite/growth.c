/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sqlite/growth.h"

#include <inttypes.h>

#include "lib/base/err.h"

enum { COST = 2 }; /* bytes, of a page that is added */

void
growth_from(struct growth *g, uint32_t pages)
{
	g->pages = pages;
}

void
growth_read(struct growth *g, uint64_t n)
{
	g->bytes = n > UINT64_MAX - g->bytes ? UINT64_MAX : g->bytes + n;
}

int
growth_commit(struct growth *g, uint32_t pages, struct err *e)
{
	uint64_t cost = 0;

	if (pages > g->pages)
		cost = (uint64_t)(pages - g->pages) * COST;
	if (pages > GROWTH_PAGES_MAX || cost > g->bytes)
		return err_set(e, ERR_CORRUPT,
		    "a commit makes a database of %" PRIu32 " pages of one of "
		    "%" PRIu32 ", more than it can",
		    pages, g->pages);
	g->bytes -= cost;
	g->pages = pages;
	return 0;
}
