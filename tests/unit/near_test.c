/* SPDX-License-Identifier: Apache-2.0 */
/* Slips between words. */
#include "lib/text/near.h"

#include "tests/unit/tap.h"

static void
slips(const char *a, const char *b, unsigned want)
{
	is_int(near_distance(a, b), want, "%s, %s", a, b);
	is_int(near_distance(b, a), want, "%s, %s", b, a);
}

int
main(void)
{
	slips("", "", 0);
	slips("", "abc", 3);
	slips("watch", "watch", 0);
	slips("wacth", "watch", 1);
	slips("wach", "watch", 1);
	slips("wattch", "watch", 1);
	slips("wotch", "watch", 1);
	slips("base", "bsea", 2);
	slips("keep-dialy", "keep-daily", 1);
	slips("a-word-that-is-longer-than-31-bytes", "a", 99);
	ok(near_is("wacth", 1) && !near_is("wacth", 2), "one in five letters");
	ok(near_is("snapshot-intreval", 2), "two in many");
	ok(!near_is("x", 1), "of one letter nothing is left");
	return done();
}
