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
		p->bytes -= p->segment_bytes[--p->segments];
	p->until_ns = n > 0 ? p->segment_ns[n - 1] : p->snapshot_ns;
	p->earlier = true;
}

void
restore_plan_release(struct restore_plan *p)
{
	free(p->segment_index);
	free(p->segment_offset);
	free(p->segment_ns);
	free(p->segment_bytes);
	memset(p, 0, sizeof(*p));
}
