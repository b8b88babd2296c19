/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sys/rng.h"

#include <unistd.h>

#include "lib/base/err.h"

int
rng_bytes(void *p, size_t n, struct err *e)
{
	unsigned char *at = p;

	while (n > 0) {
		size_t step = n < 256 ? n : 256; /* getentropy's limit */

		if (getentropy(at, step) == -1)
			return err_sys(e, "getentropy");
		at += step;
		n -= step;
	}
	return 0;
}
