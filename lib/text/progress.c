/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text/progress.h"

#include <inttypes.h>
#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/text/human.h"

void
progress_text(const struct progress *p, struct buf *out)
{
	uint64_t over = p->done + p->failed;
	bool known = p->total > 0 && over <= p->total;

	buf_addf(out, "%" PRIu64, p->done);
	if (known)
		buf_addf(out, " of %" PRIu64, p->total);
	buf_addf(out, " %s", p->verb);
	if (p->failed > 0)
		buf_addf(out, ", %" PRIu64 " failed", p->failed);
	if (p->requests > 0)
		buf_addf(out, ", %" PRIu64 " request%s", p->requests,
		    p->requests == 1 ? "" : "s");
	if (p->bytes > 0) {
		buf_adds(out, ", ");
		human_bytes(out, (double)p->bytes);
	}
	if (p->bytes > 0 && p->ms > 0) {
		buf_adds(out, ", ");
		human_bytes(out, (double)p->bytes * 1000 / (double)p->ms);
		buf_adds(out, "/s");
	}
	if (known && over > 0 && over < p->total) {
		buf_adds(out, ", ");
		human_duration(out,
		    (uint64_t)((double)p->ms / 1000 / (double)over *
			    (double)(p->total - over) +
			0.5));
		buf_adds(out, " left");
	}
}
