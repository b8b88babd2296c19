/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sqlite/beside.h"

#include <string.h>

const char *const beside_suffix[BESIDE_N] = { "-wal", "-shm", "-journal" };

size_t
beside_of(const char *name, size_t len)
{
	size_t n;

	for (int i = 0; i < BESIDE_N; i++) {
		n = strlen(beside_suffix[i]);
		if (len > n && name[len - n - 1] != '/' &&
		    memcmp(name + len - n, beside_suffix[i], n) == 0)
			return len - n;
	}
	return 0;
}
