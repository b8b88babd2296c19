/* SPDX-License-Identifier: Apache-2.0 */
/* Run the files named through a fuzz target: fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/buf.h"

static int
run(const char *path)
{
	FILE *f = fopen(path, "re");
	struct buf b = { 0 };
	size_t n;
	int rc = -1;

	if (f == NULL)
		goto out;
	while ((n = fread(buf_room(&b, 65536), 1, 65536, f)) > 0)
		b.len += n;
	if (ferror(f))
		goto out;
	LLVMFuzzerTestOneInput(b.data, b.len);
	rc = 0;
out:
	if (rc == -1)
		perror(path);
	if (f != NULL)
		fclose(f);
	buf_release(&b);
	return rc;
}

int
main(int argc, char *argv[])
{
	int i, rc = argc > 1 ? 0 : 2;

	for (i = 1; i < argc; i++)
		if (run(argv[i]) == -1)
			rc = 1;
	return rc;
}
