/* SPDX-License-Identifier: Apache-2.0 */
/* What a drill proved: the same bytes whatever finished first. */
#include "lib/verify/evidence.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/sys/file.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmp_kit.h"

#define S INT64_C(1000000000)

static const struct evidence_row rows[] = {
	{ "file:///r", "b.db", "0123456789abcdef", EVIDENCE_CHECKSUM,
	    VERIFY_EQUAL, false, NULL, 100 * S, 160 * S, 2 * S, 4096 },
	{ "file:///r", "a.db", "0123456789abcdef", EVIDENCE_CHECKSUM,
	    VERIFY_BEHIND, true, NULL, 150 * S, 160 * S, S / 2, 1024 },
	{ "file:///r", "\x1b[2J\xff.db", NULL, EVIDENCE_NONE,
	    VERIFY_NOT_COMPARED, false, "the\nsum is wrong", 0, 160 * S, S, 1 },
	{ "file:///q", "b.db", "0123456789abcdef", EVIDENCE_FRAMES,
	    VERIFY_NOT_COMPARED, false, NULL, 159 * S, 160 * S, S, 512 },
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static const struct evidence_drill drill = {
	.version = "1.2.3",
	.host = "h",
	.chosen = "a sample of 4%",
	.of = 100,
	.want = { .deep = true, .source = true },
	.jobs = 8,
	.began_ns = 160 * S,
	.ended_ns = 164 * S,
	.complete = true,
	.mode = 0644,
};

/* The rows from one on, round. */
static void
write_from(size_t first, const char *file)
{
	struct err e;
	struct evidence *v = evidence_new(&e);

	ok(v != NULL, "a new one");
	for (size_t i = 0; i < ROWS; i++)
		is_int(evidence_add(v, &rows[(first + i) % ROWS], &e), 0,
		    "row %zu", i);
	is_int(evidence_write(v, &drill, file, NULL, &e), 0, "%s: %s", file,
	    e.msg);
	evidence_free(v);
}

static char *
content(const char *file)
{
	struct buf b = { 0 };
	struct err e;

	is_int(file_slurp(file, 1 << 20, &b, &e), 0, "%s", file);
	return b.data != NULL ? (char *)b.data : xstrdup("");
}

static void
has(const char *text, const char *what)
{
	ok(strstr(text, what) != NULL, "says: %s", what);
}

static void
test_order(void)
{
	char *first, *again, *name;

	write_from(0, "f0");
	first = content("f0");
	for (size_t i = 1; i < ROWS; i++) {
		name = xasprintf("f%zu", i);
		write_from(i, name);
		again = content(name);
		is_str(again, first, "from row %zu on: the same", i);
		free(again);
		free(name);
	}
	has(first, "\"looked_at\":4,\"sound\":2,\"earlier\":1,\"failed\":1");
	has(first, "\"names\":0,\"frames\":1,\"checksum\":2,\"sqlite\":0");
	has(first, "\"longest_ms\":2000,\"longest\":\"b.db\"");
	has(first, "\"median_ms\":10000");
	has(first, "\"longest_ms\":60000,\"oldest\":\"b.db\"");
	has(first, "\"behind_ms\":10000");
	has(first, "\"of\":100");
	ok(strstr(first, "file:///q") < strstr(first, "a.db"), "in order");
	free(first);
}

static void
test_page(void)
{
	char *page = content("f0.txt");

	has(page, "4 databases: a sample of 4% of 100");
	has(page, "3 sound, 1 failed; of 1 older states may be lost");
	has(page, "\\x1b[2J\\xff.db");
	has(page, "the\\x0asum is wrong");
	has(page, "All 100 at this pace, an estimate: 1m40s");
	ok(strchr(page, '\x1b') == NULL, "no control character");
	free(page);
}

/* Nothing was looked at, or nothing is sound. */
static void
test_nothing(void)
{
	struct err e;
	struct evidence *v = evidence_new(&e);
	char *page;

	is_int(evidence_write(v, &drill, "none", NULL, &e), 0, "no row");
	page = content("none.txt");
	has(page, "0 databases");
	has(page, "Not measured");
	free(page);
	is_int(evidence_add(v, &rows[2], &e), 0, "one that failed");
	is_int(evidence_write(v, &drill, "none", NULL, &e), 0, "again");
	page = content("none.txt");
	has(page, "0 sound, 1 failed");
	has(page, "None is sound");
	free(page);
	evidence_free(v);
}

/* What cannot be written is told before; an old signature goes. */
static void
test_files(void)
{
	struct err e;

	is_int(evidence_check("no/f", NULL, &e), -1, "no such folder");
	is_int(e.class, ERR_MISSING, "%s", e.msg);
	is_int(evidence_check("f", NULL, &e), 0, "one that is there");
	ok(access("f", F_OK) == -1, "nothing was made");
	is_int(evidence_check("f", "f0", &e), -1, "no key");
	is_int(e.class, ERR_CONFIG, "%s", e.msg);
	is_int(file_replace("f0.sig", "x", 1, 0644, &e), 0, "a signature");
	write_from(0, "f0");
	ok(access("f0.sig", F_OK) == -1, "is none of the new file");
}

int
main(void)
{
	dir_begin();
	if (chdir(dir) == -1)
		return 1;
	test_order();
	test_page();
	test_nothing();
	test_files();
	return dir_done();
}
