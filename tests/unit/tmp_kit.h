/* SPDX-License-Identifier: Apache-2.0 */
/* tmp_kit -- a directory of the test's own, which ends with it. */
#ifndef LSPP_TESTS_UNIT_TMP_KIT_H
#define LSPP_TESTS_UNIT_TMP_KIT_H

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/err.h"
#include "tests/unit/tap.h"

static char dir[] = "/tmp/lspp-unit-XXXXXX";

static inline void
dir_begin(void)
{
	if (mkdtemp(dir) == NULL) {
		perror(dir);
		exit(1);
	}
}

/* Without it there is nothing to test. */
static inline void
or_end(bool it, const struct err *e)
{
	if (it)
		return;
	printf("not ok - %s\n", e->msg);
	exit(1);
}

/* What main() returns. */
static inline int
dir_done(void)
{
	char cmd[64];

	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ok(system(cmd) == 0, "cleaned up");
	return done();
}

#endif
