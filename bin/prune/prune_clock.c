/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By which clock lspp-prune deletes.
 */
#include "bin/prune/prune.h"
#include "lib/base/buf.h"
#include "lib/base/when.h"

/* What two clocks may differ by. */
#define CLOCK_NS (INT64_C(120) * 1000000000)

/*
 * What goes is decided by the clock: one that is wrong by days deletes what is
 * to be kept.  Minutes do not matter, with a grace of days.
 */
static int
compare_clock(struct store *s, struct err *e)
{
	char here[WHEN_SIZE], there[WHEN_SIZE];
	int64_t theirs, ours;
	int rc = s->ops->now(s, &theirs, e);

	ours = when_now();
	if (rc != 0)
		return rc == 1 ? 0 : -1;
	if (theirs - ours <= CLOCK_NS && ours - theirs <= CLOCK_NS)
		return 0;
	err_set(e, ERR_BUSY,
	    "this machine's clock says %s, that of %s says %s: nothing is "
	    "deleted",
	    when_text(ours, here), s->url, when_text(theirs, there));
	return err_hint(e,
	    "set the one that is wrong; if it is the other, --own-clock goes "
	    "by this machine's");
}

int
prune_clock(struct run *run, struct store *s, struct err *e)
{
	struct clock *k = NULL;

	if (run->own_clock)
		return 0;
	for (size_t i = 0; i < run->clocks; i++)
		if (run->clock[i].store == s)
			k = &run->clock[i];
	if (k == NULL) {
		run->clock = xrealloc(
		    run->clock, (run->clocks + 1) * sizeof(*run->clock));
		k = &run->clock[run->clocks++];
		k->store = s;
		k->rc = compare_clock(s, &k->e);
	}
	if (k->rc == -1)
		*e = k->e;
	return k->rc;
}
