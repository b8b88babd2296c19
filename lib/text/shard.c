/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text/shard.h"

#include <string.h>
#include <xxhash.h>

#include "lib/base/err.h"
#include "lib/sys/file.h"
#include "lib/text/opt.h"

int
shard_parse(const char *arg, struct shard *s, struct err *e)
{
	size_t at = strcspn(arg, "/");
	uint64_t k, n;

	if (arg[at] == '\0' ||
	    !opt_decimal(arg + at + 1, strlen(arg + at + 1), SHARD_MAX, &n) ||
	    !opt_decimal(arg, at, n, &k) || k == 0)
		return err_set(e, ERR_USAGE,
		    "--shard: \"%s\" is not K/N with K from 1 to N, and N at "
		    "most %d",
		    arg, SHARD_MAX);
	*s = (struct shard){ .k = (uint32_t)k, .n = (uint32_t)n };
	return 0;
}

uint32_t
shard_jump(uint64_t key, uint32_t n)
{
	int64_t at = -1, next = 0;

	while (next < n) {
		at = next;
		key = key * UINT64_C(2862933555777941757) + 1;
		/* The high bits are those that are random. */
		next = (int64_t)((double)(at + 1) * (double)(INT64_C(1) << 31) /
		    (double)((key >> 33) + 1));
	}
	return (uint32_t)at;
}

uint32_t
shard_of(const char *name, uint32_t n)
{
	name += strspn(name, "/");
	return shard_jump(XXH3_64bits(name, strlen(name)), n) + 1;
}

bool
shard_has(const struct shard *s, const char *name)
{
	return s->n == 0 || shard_of(name, s->n) == s->k;
}

bool
shard_has_path(const struct shard *s, const char *base, const char *path)
{
	const char *name = base != NULL ? path_below(base, path) : NULL;

	return shard_has(s, name != NULL ? name : path);
}
