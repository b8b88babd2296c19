/* SPDX-License-Identifier: Apache-2.0 */
/* The line that says how far it is. */
#include "lib/base/buf.h"
#include "lib/text/progress.h"
#include "tests/unit/tap.h"

static void
expect(struct progress p, const char *want)
{
	struct buf b = { 0 };

	if (p.verb == NULL)
		p.verb = "done";
	progress_text(&p, &b);
	is_str(buf_str(&b), want, "%s", want);
	buf_release(&b);
}

int
main(void)
{
	expect((struct progress){ 0 }, "0 done");
	expect((struct progress){ .verb = "found", .done = 7, .requests = 1 },
	    "7 found, 1 request");
	expect((struct progress){ .done = 3, .failed = 2, .requests = 20 },
	    "3 done, 2 failed, 20 requests");
	expect((struct progress){ .done = 3, .total = 10, .ms = 3000 },
	    "3 of 10 done, 7s left");
	expect(
	    (struct progress){
		.done = 2, .failed = 1, .total = 10, .ms = 30000 },
	    "2 of 10 done, 1 failed, 1m10s left");
	expect((struct progress){ .total = 10, .ms = 5000 }, "0 of 10 done");
	expect((struct progress){ .done = 10, .total = 10, .ms = 5000 },
	    "10 of 10 done");
	expect((struct progress){ .done = 11, .total = 10, .ms = 5000 },
	    "11 done");
	expect((struct progress){ .done = 1, .total = 5, .ms = 3600000 },
	    "1 of 5 done, 4h00m left");
	expect((struct progress){ .done = 1, .total = 101, .ms = 3600000 },
	    "1 of 101 done, 4d04h left");
	expect((struct progress){ .done = 1, .bytes = 1023, .ms = 1000 },
	    "1 done, 1023 B, 1023 B/s");
	expect((struct progress){ .done = 1, .bytes = 5 << 20, .ms = 2000 },
	    "1 done, 5.0 MiB, 2.5 MiB/s");
	expect((struct progress){ .done = 1, .bytes = (1 << 20) - 1, .ms = 0 },
	    "1 done, 1.0 MiB");
	expect((struct progress){ .bytes = UINT64_MAX, .ms = 1 },
	    "0 done, 16.0 EiB, 16000.0 EiB/s");
	return done();
}
