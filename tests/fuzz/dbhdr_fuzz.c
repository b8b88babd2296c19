/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a database, and a first page. */
#include "lib/sqlite/dbhdr.h"

#include <string.h>

#include "lib/base/err.h"
#include "tests/fuzz/fuzz.h"

static const char magic[16] = "SQLite format 3";

static void
try(const uint8_t *page, uint32_t file_pages)
{
	struct dbhdr h;
	struct err e;

	if (dbhdr_parse(&h, page, &e) == -1) {
		must(e.class == ERR_CORRUPT);
		return;
	}
	must(dbhdr_magic(page, DBHDR_SIZE));
	must(h.page_size >= 512 && h.page_size <= 65536);
	must((h.page_size & (h.page_size - 1)) == 0);
	(void)dbhdr_pages(&h, (uint64_t)file_pages * h.page_size);
	(void)dbhdr_no_schema(page);
	if (dbhdr_check(page, h.page_size, file_pages, &e) == -1)
		must(e.class == ERR_CORRUPT);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t page[65536];
	uint32_t pages;

	if (size < sizeof(pages))
		return 0;
	memcpy(&pages, data, sizeof(pages));
	data += sizeof(pages);
	size -= sizeof(pages);
	memset(page, 0, sizeof(page));
	memcpy(page, data, size < sizeof(page) ? size : sizeof(page));
	try(page, pages);
	memcpy(page, magic, sizeof(magic));
	try(page, pages);
	return 0;
}
