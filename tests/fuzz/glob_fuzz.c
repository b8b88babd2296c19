/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern, a NUL, a path. */
#include "lib/text/glob.h"

#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "tests/fuzz/fuzz.h"

/* A walk that looks for path must not have been pruned on the way. */
static void
reachable(const char *pattern, const char *path)
{
	char *dir = xstrdup(path), *slash;

	for (slash = strchr(dir, '/'); slash != NULL && slash[1] != '\0';
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		must(glob_may_descend(pattern, dir));
		*slash = '/';
	}
	free(dir);
}

static void
try(const char *pattern, const char *path)
{
	size_t fixed = glob_fixed(pattern);
	struct err e;
	int m = glob_match(pattern, path, &e);

	must(fixed <= strlen(pattern));
	must(fixed == 0 || pattern[fixed - 1] == '/');
	must(m != -1 || (e.class == ERR_USAGE && e.msg[0] != '\0'));
	must(m != 0 || glob_check(pattern, &e) == 0);
	must(m != -1 || glob_check(pattern, &e) == -1);
	if (m != 1)
		return;
	reachable(pattern, path);
	/* The last slash is no part of what "dir/" "**" also matches. */
	must(fixed == 0 || strncmp(pattern, path, fixed - 1) == 0);
	if (!glob_is_pattern(pattern))
		must(strcmp(pattern, path) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf b = { 0 };
	const char *pattern;
	size_t n;

	buf_add(&b, data, size);
	buf_add(&b, "", 1); /* a path, be it empty */
	pattern = (const char *)b.data;
	n = strlen(pattern);
	try(pattern, n < size ? pattern + n + 1 : "");
	buf_release(&b);
	return 0;
}
