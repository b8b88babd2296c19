/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text/human.h"

#include <inttypes.h>

#include "lib/base/buf.h"

void
human_bytes(struct buf *out, double n)
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

void
human_duration(struct buf *out, uint64_t s)
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
