/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sys/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "tests/unit/tap.h"

static char dir[] = "/tmp/spool_test.XXXXXX";

static uint8_t
byte_at(uint64_t off, unsigned seed)
{
	return (uint8_t)(off * 31 + (off >> 8) + seed);
}

static int
fill(struct spool *s, size_t n, size_t step, unsigned seed)
{
	uint8_t chunk[1000];
	struct err e;

	for (size_t k; n > 0; n -= k) {
		k = n < step ? n : step;
		for (size_t i = 0; i < k; i++)
			chunk[i] = byte_at(s->size + i, seed);
		if (spool_write(s, chunk, k, &e) == -1)
			return -1;
	}
	return 0;
}

static bool
holds(struct spool *s, uint64_t off, size_t n, unsigned seed)
{
	uint8_t *got = xmalloc(n);
	struct err e;
	bool good = spool_read(s, off, got, n, &e) == 0;

	for (size_t i = 0; good && i < n; i++)
		good = got[i] == byte_at(off + i, seed);
	free(got);
	return good;
}

static unsigned
files_in(const char *path)
{
	DIR *d = opendir(path);
	unsigned n = 0;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		closedir(d);
	return n - 2; /* . and .. */
}

static void
test_memory(void)
{
	struct spool s;
	struct err e;

	spool_init(&s, dir, 10000);
	is_int(fill(&s, 10000, 999, 1), 0, "to the bound");
	is_int(s.fd, -1, "no file is needed");
	is_int(s.size, 10000, "its size");
	ok(holds(&s, 0, 10000, 1), "reads back");
	ok(holds(&s, 9999, 1, 1), "at the last byte");
	ok(holds(&s, 10000, 0, 1), "nothing at the end");
	is_int(spool_read(&s, 9999, &s, 2, &e), -1, "beyond the end");
	is_int(e.class, ERR_BUG, "is a bug");
	is_int(spool_read(&s, UINT64_MAX, &s, 2, &e), -1, "far beyond");
	spool_release(&s);
	spool_release(&s);
	is_int(s.size, 0, "released twice");
}

static void
test_file(void)
{
	struct spool s;
	struct err e;
	struct stat st;

	spool_init(&s, dir, 1500);
	is_int(fill(&s, 100000, 1000, 2), 0, "beyond the bound");
	ok(s.fd != -1, "there is a file");
	ok(fcntl(s.fd, F_GETFD) & FD_CLOEXEC, "close-on-exec");
	ok(fstat(s.fd, &st) == 0 && (st.st_mode & 077) == 0, "private");
	is_int(st.st_nlink, 0, "without a name");
	is_int(files_in(dir), 0, "nothing is seen of it");
	is_int(s.mem.len, 1500, "memory holds the bound");
	is_int(s.size, 100000, "its size");
	ok(holds(&s, 0, 100000, 2), "reads back in one");
	ok(holds(&s, 1499, 2, 2), "across the bound");
	ok(holds(&s, 99999, 1, 2), "at the last byte");
	is_int(spool_read(&s, 99999, &st, 2, &e), -1, "not beyond it");
	is_int(e.class, ERR_BUG, "that is a bug");

	is_int(spool_reset(&s, &e), 0, "reset");
	is_int(s.size, 0, "is empty");
	ok(fstat(s.fd, &st) == 0 && st.st_size == 0, "so is the file");
	is_int(fill(&s, 3000, 700, 3), 0, "used again");
	ok(holds(&s, 0, 3000, 3), "reads back what is new");

	is_int(ftruncate(s.fd, 10), 0, "the file lost its end");
	is_int(spool_read(&s, 0, dir, 0, &e), 0, "reading nothing is well");
	ok(!holds(&s, 0, 3000, 3), "reading it is not");
	spool_release(&s);
	is_int(s.fd, -1, "released");
}

static void
test_patch(void)
{
	struct spool s;
	struct err e;
	uint8_t want[3000], got[3000], other[8] = "another";

	spool_init(&s, dir, 1500);
	is_int(fill(&s, 3000, 700, 3), 0, "some of it in a file");
	is_int(spool_read(&s, 0, want, 3000, &e), 0, "as it is");
	for (uint64_t at = 0; at + 8 <= 3000; at += at == 1492 ? 4 : 1496) {
		is_int(spool_patch(&s, at, other, 8, &e), 0, "others at %d",
		    (int)at);
		memcpy(want + at, other, 8);
	}
	is_int(spool_read(&s, 0, got, 3000, &e), 0, "and now");
	ok(memcmp(got, want, 3000) == 0, "they are there, and the rest is");
	is_int(s.size, 3000, "it is as long as before");
	is_int(spool_patch(&s, 2993, other, 8, &e), -1, "not beyond the end");
	is_int(e.class, ERR_BUG, "that is a bug");
	spool_release(&s);
}

static void
test_no_memory(void)
{
	struct spool s;

	spool_init(&s, dir, 0);
	is_int(fill(&s, 5000, 333, 4), 0, "a bound of 0");
	is_int(s.mem.len, 0, "keeps nothing in memory");
	ok(holds(&s, 0, 5000, 4), "reads back");
	spool_release(&s);
}

static void
test_no_dir(void)
{
	struct spool s;
	struct err e;

	spool_init(&s, "/tmp/no/such/dir", 4);
	is_int(spool_write(&s, "1234", 4, &e), 0, "not needed yet");
	is_int(spool_write(&s, "5", 1, &e), -1, "no directory for the file");
	is_int(e.class, ERR_MISSING, "it is missing");
	ok(strstr(e.msg, "/tmp/no/such/dir") != NULL, "it is named");
	spool_release(&s);
}

int
main(void)
{
	if (mkdtemp(dir) == NULL) {
		perror(dir);
		return 1;
	}
	test_memory();
	test_file();
	test_patch();
	test_no_memory();
	test_no_dir();
	is_int(rmdir(dir), 0, "nothing is left behind");
	return done();
}
