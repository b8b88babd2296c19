#include "lib/base/progress.h"

#include <inttypes.h>
#include <stdbool.h>

#include "lib/base/buf.h"

static void
add_bytes(struct buf *out, double n)
{
	static const char units[] = "KMGTPE";
	unsigned u = 0;

	if (n < 1024) {
		buf_addf(out, "%.0f B", n);
		return;
	}
	for (n /= 1024; n >= 999.95 && u < sizeof(units) - 2; u++)
		n /= 1024;
	buf_addf(out, "%.1f %ciB", n, units[u]);
}

static void
add_duration(struct buf *out, uint64_t s)
{
	if (s >= 86400)
		buf_addf(out, "%" PRIu64 "d%02uh", s / 86400,
		    (unsigned)(s % 86400 / 3600));
	else if (s >= 3600)
		buf_addf(out, "%uh%02um", (unsigned)(s / 3600),
		    (unsigned)(s % 3600 / 60));
	else if (s >= 60)
		buf_addf(
		    out, "%um%02us", (unsigned)(s / 60), (unsigned)(s % 60));
	else
		buf_addf(out, "%us", (unsigned)s);
}

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
		add_bytes(out, (double)p->bytes);
	}
	if (p->bytes > 0 && p->ms > 0) {
		buf_adds(out, ", ");
		add_bytes(out, (double)p->bytes * 1000 / (double)p->ms);
		buf_adds(out, "/s");
	}
	if (known && over > 0 && over < p->total) {
		buf_adds(out, ", ");
		add_duration(out,
		    (uint64_t)((double)p->ms / 1000 / (double)over *
			    (double)(p->total - over) +
			0.5));
		buf_adds(out, " left");
	}
}
