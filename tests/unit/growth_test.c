/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sqlite/growth.h"

#include "lib/base/err.h"
#include "tests/unit/tap.h"

int
main(void)
{
	struct growth g = { 0 };
	struct err e;

	growth_from(&g, 10);
	is_int(growth_commit(&g, 10, &e), 0, "it stays as it is");
	is_int(growth_commit(&g, 11, &e), -1, "for nothing it does not grow");
	is_int(e.class, ERR_CORRUPT, "the bytes are at fault");
	growth_read(&g, 200);
	is_int(growth_commit(&g, 111, &e), -1, "not by more than was paid for");
	is_int(growth_commit(&g, 110, &e), 0, "by that, it does");
	is_int(growth_commit(&g, 1, &e), 0, "it shrinks");
	is_int(growth_commit(&g, 2, &e), -1, "and growing again costs again");
	growth_read(&g, 2);
	is_int(growth_commit(&g, 2, &e), 0, "if only that");
	growth_read(&g, UINT64_MAX);
	growth_read(&g, UINT64_MAX);
	is_int(growth_commit(&g, UINT32_MAX, &e), -1, "SQLite's own bound");
	is_int(growth_commit(&g, UINT32_MAX - 1, &e), 0, "its last page");
	return done();
}
