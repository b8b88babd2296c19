/* SPDX-License-Identifier: Apache-2.0 */
/* What arguments of options mean. */
#include "lib/base/err.h"
#include "lib/text/opt.h"
#include "tests/unit/tap.h"

static void
test_number(void)
{
	struct err e;
	uint64_t v;

	is_int(opt_number("n", "12", 1, 12, &v, &e), 0, "a number");
	is_int(v, 12, "is itself");
	is_int(opt_number("n", "13", 1, 12, &v, &e), -1, "too large");
	is_str(e.msg, "--n: \"13\" is not a number from 1 to 12", "and said");
	is_int(e.class, ERR_USAGE, "as wrong use");
	is_int(opt_number("n", "0", 1, 12, &v, &e), -1, "too small");
	is_int(opt_number("n", "", 0, 12, &v, &e), -1, "nothing");
	is_int(opt_number("n", "1x", 0, 12, &v, &e), -1, "more than a number");
	is_int(opt_number("n", "-1", 0, 12, &v, &e), -1, "a sign");
	is_int(opt_number("n", "18446744073709551616", 0, UINT64_MAX, &v, &e),
	    -1, "more than there are");
}

static void
test_duration(void)
{
	struct err e;
	uint64_t v;

	is_int(opt_duration("t", "90s", &v, &e), 0, "90s");
	is_int(v, 90, "is 90");
	is_int(opt_duration("t", "7d", &v, &e), 0, "7d");
	is_int(v, 604800, "is a week");
	is_int(opt_duration("t", "5", &v, &e), -1, "no unit");
	is_int(opt_duration("t", "", &v, &e), -1, "nothing");
	is_int(opt_duration("t", "m", &v, &e), -1, "a unit alone");
	is_int(opt_duration("t", "99999999999999999d", &v, &e), -1, "ages");
}

static void
test_size(void)
{
	struct err e;
	uint64_t v;

	is_int(opt_size("s", "8M", 1, 1 << 30, &v, &e), 0, "8M");
	is_int(v, 8 << 20, "is 2^23");
	is_int(opt_size("s", "4096", 1, 1 << 30, &v, &e), 0, "bytes");
	is_int(opt_size("s", "2G", 1, 1 << 30, &v, &e), -1, "too much");
	is_int(opt_size("s", "1K", 4096, 1 << 30, &v, &e), -1, "too little");
	is_int(opt_size("s", "1KB", 1, 1 << 30, &v, &e), -1, "another unit");
	is_int(opt_size("s", "", 0, 1 << 30, &v, &e), -1, "nothing");
}

int
main(void)
{
	test_number();
	test_duration();
	test_size();
	return done();
}
