/* SPDX-License-Identifier: Apache-2.0 */
/* hot_kit -- a database that is written to, and one that was shipped. */
#ifndef LSPP_TESTS_UNIT_HOT_KIT_H
#define LSPP_TESTS_UNIT_HOT_KIT_H

#include "lib/base/buf.h"
#include "lib/source/signature.h"
#include "lib/state/state.h"
#include "tests/unit/app_kit.h"

/* A write that shows in the signature: not in the tick of the one before. */
KIT void
write_to(const char *name)
{
	struct signature was, is;
	char *path = db_path(name);
	struct err e;
	bool racy;

	or_end(signature_take(&was, path, &racy, &e) == 0, &e);
	do {
		run_sql(name, "INSERT INTO t VALUES(2)");
		or_end(signature_take(&is, path, &racy, &e) == 0, &e);
	} while (signature_equal(&was, &is));
	free(path);
}

/* A record as lspp-ship leaves it: of the file as it is, and not racy. */
KIT void
shipped(struct state *st, const char *name)
{
	struct record r = {
		.root = 1, .format = FORMAT_WAL, .page_size = 4096, .pages = 2
	};
	struct err e;
	bool racy;

	if (state_find(st, 1, name, &r, &e) != 1) {
		r.key = xstrdup(name);
		r.path = db_path(name);
	}
	r.captured_ns = now_ns();
	memcpy(r.pos.line, "0123456789abcdef", sizeof(r.pos.line));
	or_end(signature_take(&r.sig, r.path, &racy, &e) == 0, &e);
	or_end(state_begin(st, &e) == 0 && state_put(st, &r, &e) == 0 &&
		state_settled(st, 1, r.path, r.captured_ns, &e) == 0 &&
		state_commit(st, &e) == 0,
	    &e);
	record_release(&r);
}

#endif
