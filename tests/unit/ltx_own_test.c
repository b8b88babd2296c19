/* SPDX-License-Identifier: Apache-2.0 */
/* Modes and owners as a line, and back. */
#include "lib/replica/ltx/ltx_own.h"

#include "lib/replica/wal/provenance.h"
#include "tests/unit/tap.h"

static void
test_lines(void)
{
	struct provenance pv = { .mode = 0640, .uid = 1000, .gid = 4294967295 };
	struct provenance got = { .pages = 7 };
	char text[LTX_OWN_SIZE];

	ltx_own_write(&pv, text);
	is_str(text, "mode=640 uid=1000 gid=4294967295", "a line");
	ok(ltx_own_parse(&got, text) && got.mode == 0640 && got.uid == 1000 &&
		got.gid == 4294967295 && !got.has_dir && got.pages == 7,
	    "and back");
	pv.has_dir = true;
	pv.dir_mode = 0755;
	pv.dir_uid = 1;
	pv.dir_gid = 2;
	ltx_own_write(&pv, text);
	is_str(text,
	    "mode=640 uid=1000 gid=4294967295 dir-mode=755 dir-uid=1 dir-gid=2",
	    "with a directory");
	ok(ltx_own_parse(&got, text) && got.has_dir && got.dir_mode == 0755 &&
		got.dir_uid == 1 && got.dir_gid == 2,
	    "and back");
}

static void
test_others(void)
{
	static const char *const bad[] = { "", "mode=640", "mode=640 uid=1",
		"mode=640 uid=1 gid=", "mode=648 uid=1 gid=2",
		"mode=1777 uid=1 gid=2", "mode=640 uid=-1 gid=2",
		"mode=640 uid=1 gid=4294967296", "mode=640  uid=1 gid=2",
		"uid=1 gid=2 mode=640", "mode=640 uid=1 gid=2 dir-mode=755",
		"mode=640 uid=1 gid=2 colour=3",
		"mode=640 uid=1 gid=2 dir-mode=755 dir-uid=1 dir-gid=2 more" };
	struct provenance pv = { .mode = 1, .uid = 2, .has_dir = true };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!ltx_own_parse(&pv, bad[i]) && pv.mode == 1 && pv.uid == 2 &&
			pv.has_dir,
		    "not \"%s\"", bad[i]);
}

int
main(void)
{
	test_lines();
	test_others();
	return done();
}
