/*
 * A plan that is made: less of it, and freed.
 */
#include "lib/replica/restore_plan.h"

#include <stdlib.h>
#include <string.h>

void
restore_plan_cut(struct restore_plan *p, size_t n)
{
	while (p->segments > n)
		p->bytes -= p->segment[--p->segments].bytes;
	p->until_ns = n > 0 ? p->segment[n - 1].ns : p->snapshot_ns;
	p->earlier = true;
}

void
restore_plan_release(struct restore_plan *p)
{
	free(p->segment);
	memset(p, 0, sizeof(*p));
}
