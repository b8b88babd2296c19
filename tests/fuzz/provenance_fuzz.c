/* SPDX-License-Identifier: Apache-2.0 */
/* The last bytes of an object. */
#include "lib/replica/wal/provenance.h"

#include <string.h>
#include <zlib.h>

#include "lib/base/be.h"
#include "lib/base/err.h"
#include "tests/fuzz/fuzz.h"

enum { TAG = 8, CRC = PROVENANCE_SIZE - 4 };

static void
try(const uint8_t p[PROVENANCE_SIZE])
{
	struct provenance pv, got;
	uint8_t again[PROVENANCE_SIZE];
	struct err e;
	int rc;

	memset(&pv, 0, sizeof(pv));
	rc = provenance_parse(&pv, p, PROVENANCE_SIZE, &e);
	must(rc != -1 || e.class == ERR_CORRUPT);
	if (rc != 1)
		return;
	must(layout_is_generation(pv.generation));
	provenance_write(&pv, again);
	must(provenance_parse(&got, again, sizeof(again), &e) == 1);
	must(provenance_is(&got, pv.generation, &pv.name));
	must(pagesum_equal(got.sum, pv.sum) && got.length == pv.length);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t p[PROVENANCE_SIZE];

	if (size < sizeof(p))
		return 0;
	memcpy(p, data + size - sizeof(p), sizeof(p));
	try(p);
	/* Once more with a checksum that holds, which chance does not find. */
	be32_put(p + TAG, 0x6c737070);
	be32_put(p + CRC, (uint32_t)crc32(0, p + TAG, CRC - TAG));
	try(p);
	return 0;
}
