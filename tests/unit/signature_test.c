/* SPDX-License-Identifier: Apache-2.0 */
/* How fine a clock is, by the times it gives. */
#include "lib/source/signature.h"

#include "tests/unit/tap.h"

#define S  INT64_C(1000000000)
#define MS INT64_C(1000000)

static int64_t
unsettled(int64_t ctime_ns, int64_t at_ns)
{
	struct file_sig f = { .ctime_ns = ctime_ns };

	return file_sig_unsettled_ns(&f, at_ns, at_ns);
}

static bool
racy(int64_t ctime_ns, int64_t at_ns)
{
	struct signature s = { .db.ctime_ns = ctime_ns };

	return signature_racy(&s, at_ns, at_ns);
}

/* Taken at some moment of a whole hour. */
static void
stood_still(void)
{
	const int64_t t = 1700000000 * S + 123456789, h = 3600 * S;
	struct file_sig f = { .ctime_ns = t + h / 2 };
	struct signature s = { .wal = f };

	ok(file_sig_unsettled_ns(&f, t, t + h) > 0, "changed meanwhile");
	ok(file_sig_unsettled_ns(&f, t + h, t) > 0, "a clock that is set back");
	ok(signature_racy(&s, t, t + h), "racy as well");
	f.ctime_ns = s.wal.ctime_ns = t - S;
	is_int(file_sig_unsettled_ns(&f, t, t + h), 0, "changed before");
	ok(!signature_racy(&s, t, t + h), "nor racy");
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
	ok(racy(t + 3600 * S, t), "a coarse time that is yet to come");
	ok(!racy(fine + 3600 * S, fine), "a fine one does not come again");
	stood_still();
	return done();
}
