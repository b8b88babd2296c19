/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sys/names.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/sys/file.h"
#include "tests/unit/tap.h"

static char dir[] = "/tmp/names_test.XXXXXX";

static void
touch(const char *name)
{
	file_close(open(name, O_WRONLY | O_CREAT, 0600));
}

/* "name:type ..." */
static const char *
shown(const struct names *ns, struct buf *b)
{
	buf_reset(b);
	for (size_t i = 0; i < ns->n; i++)
		buf_addf(b, "%s:%d ", ns->v[i].s, ns->v[i].type);
	return buf_str(b);
}

static void
test_order(int fd, struct names *ns, struct buf *b)
{
	struct err e;

	is_int(names_read(ns, fd, false, &e), 0, "an empty directory");
	is_int(ns->n, 0, "has no entries");
	ok(!names_has(ns, "x", 1), "and nothing is among them");

	(void)mkdir("a", 0700);
	touch("a-b");
	touch("a0");
	touch("\xff");
	touch("...");
	(void)symlink("a", "to-dir");
	(void)symlink("a0", "to-file");
	(void)symlink("nowhere", "to-nothing");
	(void)lseek(fd, 0, SEEK_SET);
	is_int(names_read(ns, fd, false, &e), 0, "read again");
	is_str(shown(ns, b),
	    "...:8 a-b:8 a/:4 a0:8 to-dir:10 to-file:10 to-nothing:10 "
	    "\xff:8 ",
	    "in the order of whole paths, bytes unsigned");
	ok(names_has(ns, "a0", 2) && names_has(ns, "a/", 2) &&
		names_has(ns, "...", 3) && names_has(ns, "\xff", 1),
	    "all are found");
	ok(!names_has(ns, "a", 1) && !names_has(ns, "", 0) &&
		!names_has(ns, "a00", 3) && !names_has(ns, "zz", 2),
	    "others are not");
}

static void
test_follow(int fd, struct names *ns, struct buf *b)
{
	struct err e;

	(void)lseek(fd, 0, SEEK_SET);
	is_int(names_read(ns, fd, true, &e), 0, "following links");
	is_str(shown(ns, b),
	    "...:8 a-b:8 a/:4 a0:8 to-dir/:4 to-file:8 to-nothing:10 "
	    "\xff:8 ",
	    "they are what they lead to");
}

static void
test_many(struct names *ns)
{
	char name[200];
	struct err e;
	bool sorted = true;
	int fd;

	(void)mkdir("many", 0700);
	for (unsigned i = 0; i < 3000; i++) {
		(void)snprintf(
		    name, sizeof(name), "many/%0150u", i * 7919 % 3000);
		touch(name);
	}
	fd = open("many", O_RDONLY | O_DIRECTORY);
	is_int(names_read(ns, fd, false, &e), 0, "more than one block");
	is_int(ns->n, 3000, "all are there");
	for (size_t i = 1; i < ns->n; i++)
		sorted = sorted && strcmp(ns->v[i - 1].s, ns->v[i].s) < 0;
	ok(sorted, "and sorted");
	file_close(fd);
}

int
main(void)
{
	struct names ns = { 0 };
	struct buf b = { 0 };
	struct err e;
	char *command;
	int fd;

	if (mkdtemp(dir) == NULL || chdir(dir) == -1)
		return 1;
	fd = open(".", O_RDONLY | O_DIRECTORY);
	test_order(fd, &ns, &b);
	test_follow(fd, &ns, &b);
	test_many(&ns);
	file_close(fd);

	fd = open("a0", O_RDONLY);
	is_int(names_read(&ns, fd, false, &e), -1, "not a directory");
	is_int(ns.n, 0, "leaves none");
	file_close(fd);
	names_release(&ns);
	names_release(&ns);
	buf_release(&b);
	(void)chdir("/");
	command = xasprintf("rm -rf %s", dir);
	ok(system(command) == 0, "cleaned up");
	free(command);
	return done();
}
