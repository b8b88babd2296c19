/* SPDX-License-Identifier: Apache-2.0 */
/* Paths with links in them: as realpath(3) says, but for links of others. */
#include "lib/sys/links.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/sys/file.h"
#include "tests/unit/tap.h"
#include "tests/unit/tmp_kit.h"

static const char *const paths[] = { "real/d", "way/d", "way/e", "way",
	"real/./d", "real//d", "real/d/", "real/d/../d", "way/../real",
	"real/up", "far", "far/d", "chain", "chain/e/../x", "dangling",
	"not/there", "real/d/not", "real/x/not", "loop", "loop/x", ".", "..",
	"/", "/..", "" };

/* Does the path come to what realpath() says? */
static void
as_realpath(const char *path)
{
	struct err e = { 0 };
	char *want = realpath(path, NULL);
	enum err_class class = want == NULL ? err_class_of(errno) : ERR_NONE;
	char *got = links_resolve(path, "open", &e);

	if (want == NULL)
		ok(got == NULL && e.class == class, "%s is nothing", path);
	else
		is_str(got, want, "%s is %s", path, want);
	free(want);
	free(got);
}

static void
test_paths(void)
{
	ok(mkdir("real", 0777) == 0 && mkdir("real/d", 0777) == 0 &&
		symlink("real", "way") == 0 && symlink("d", "real/e") == 0 &&
		symlink("../real/d", "real/up") == 0 &&
		symlink("nowhere", "dangling") == 0 &&
		symlink("loop", "loop") == 0 && symlink("way/", "chain") == 0 &&
		close(open("real/x", O_CREAT | O_WRONLY, 0666)) == 0,
	    "links");
	char *far = xasprintf("%s/chain", dir);
	ok(symlink(far, "far") == 0, "an absolute one");
	free(far);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		char *full = xasprintf("%s/%s", dir, paths[i]);

		as_realpath(paths[i]);
		as_realpath(full);
		free(full);
	}
}

static void
test_strict(void)
{
	struct stat st;
	struct err e = { 0 };
	int fd = links_open_dir("way/e", "open", &e);
	bool old; /* a kernel that knows no such call, or qemu's */

	ok(fd != -1, "a directory by its links");
	file_close(fd);
	fd = file_openat_strict(AT_FDCWD, "way/x", O_RDONLY);
	old = fd == -1 && errno == ENOSYS;
	ok(old || (fd == -1 && errno == ELOOP), "a link is not followed%s",
	    old ? " # skip no openat2" : "");
	fd = file_open_here("real/x", &st, &e);
	ok(fd != -1, "a file without one");
	file_close(fd);
	fd = file_open_here("way/x", &st, &e);
	ok(old || (fd == -1 && e.class == ERR_BUSY),
	    "nor one that came on the way%s%s",
	    old ? " # skip no openat2" : ": ", e.msg);
	file_close(fd);
	ok(file_open_here("dangling", &st, &e) == -1 && e.class == ERR_CORRUPT,
	    "nor one in its place: %s", e.msg);
}

static void
owned(const char *link, const char *path, bool follow)
{
	struct err e = { 0 };
	char *got = links_resolve(path, "open", &e);

	ok(follow ? got != NULL : got == NULL && e.class == ERR_DENIED,
	    "%s: %s: %s", link, path, got != NULL ? got : e.msg);
	free(got);
}

/* Links of root, of 1 and of 2, to what 1 owns, and below it. */
static void
test_owners(void)
{
	if (geteuid() != 0) {
		ok(true, "links of others # SKIP not root");
		return;
	}
	ok(lchown("real", 1, 1) == 0 && lchown("real/d", 2, 2) == 0, "owners");
	owned("root's", "way", true);
	owned("root's", "way/e", true);
	ok(lchown("way", 1, 1) == 0, "1 owns the link to its directory");
	owned("its own", "way", true);
	owned("its own", "way/d", true);
	owned("its own", "chain/e", true);
	ok(lchown("real/e", 1, 1) == 0, "1 has a link to what 2 owns");
	owned("another's", "real/e", false);
	owned("another's", "real/e/", false);
	owned("another's", "far/e", false);
	owned("another's", "real/e/../x", false);
	owned("none", "real/d", true);
	ok(lchown("far", 2, 2) == 0, "2 has one that leads to 1 by two more");
	owned("another's", "far", false);
	ok(lchown("way", 2, 2) == 0, "2 has one on the way");
	owned("another's", "way/d", false);
}

int
main(void)
{
	dir_begin();
	if (chdir(dir) == -1)
		return 1;
	test_paths();
	test_strict();
	test_owners();
	return dir_done();
}
