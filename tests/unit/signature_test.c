/* How fine a clock is, by the times it gives. */
#include "lib/engine/signature.h"

#include "tests/unit/tap.h"

#define S  INT64_C(1000000000)
#define MS INT64_C(1000000)

static int64_t
unsettled(int64_t ctime_ns, int64_t at_ns)
{
	struct file_sig f = { .ctime_ns = ctime_ns };

	return file_sig_unsettled_ns(&f, at_ns);
}

static bool
racy(int64_t ctime_ns, int64_t at_ns)
{
	struct signature s = { .db.ctime_ns = ctime_ns };

	return signature_racy(&s, at_ns);
}

int
main(void)
{
	const int64_t t = 1700000000 * S, fine = t + 123456789;

	is_int(unsettled(fine, fine + MS), 19 * MS, "a fine clock: 20 ms");
	is_int(unsettled(fine, fine + 20 * MS), 0, "and no longer");
	is_int(unsettled(fine, fine - 20 * MS), 0, "nor before");
	is_int(unsettled(t, t + S), S, "no fractions: two seconds");
	is_int(unsettled(t, t + 2 * S), 0, "and no longer");
	is_int(unsettled(t + 300 * MS, t + 350 * MS), 50 * MS, "tenths");
	is_int(unsettled(0, t), 0, "no such file");
	ok(racy(fine, fine + 999 * MS), "within a second");
	ok(!racy(fine, fine + S), "a second later");
	ok(racy(t, t + 2999 * MS), "a coarse clock: its tick and a second");
	ok(!racy(t, t + 3 * S), "and no longer");
	return done();
}
