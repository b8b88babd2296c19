/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "tests/unit/tap.h"

/* Every path below is relative to a new directory, 'top'. */
static struct buf top;

static void
put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (f == NULL || fputs(text, f) == EOF || fclose(f) == EOF) {
		perror(path);
		exit(1);
	}
}

static void
check_kind(const char *path, const char *msg)
{
	struct stat st;
	struct err e = { 0 };
	int fd = file_open(path, &st, &e);

	is_int(fd, -1, "%s does not open", path);
	is_int(e.class, ERR_CORRUPT, "%s is the wrong kind", path);
	is_str(e.msg, msg, "%s is called so", path);
}

static void
check_link(void)
{
	struct stat st;
	struct err e;
	int fd;

	ok(symlink("f", "to-f") == 0, "a link");
	fd = file_open("to-f", &st, &e);
	ok(fd != -1, "is followed");
	file_close(fd);
	is_int(file_open_here("to-f", &st, &e), -1, "or not");
	is_int(e.class, ERR_CORRUPT, "then it is the wrong kind");
	is_str(e.msg, "not a regular file (a symbolic link)", "says so");
	is_int(file_open_here("to-g", &st, &e), -1, "what is not there");
	is_int(e.class, ERR_MISSING, "is missing");
	fd = file_open_here("f", &st, &e);
	ok(fd != -1, "a file opens");
	file_close(fd);
}

static void
make_socket(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(a.sun_path, name, strlen(name) + 1);
	ok(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "a socket");
	close(fd);
}

static void
test_open(void)
{
	struct stat st;
	struct err e;
	int fd;

	put("f", "hello");
	fd = file_open("f", &st, &e);
	ok(fd >= 0, "a file opens");
	is_int(st.st_size, 5, "and is stat'ed");
	ok(fcntl(fd, F_GETFD) & FD_CLOEXEC, "it is close-on-exec");
	file_close(fd);
	file_close(-1);

	ok(mkdir("d", 0777) == 0 && mkfifo("p", 0666) == 0, "d and p");
	make_socket("s");
	check_kind("d", "not a regular file (a directory)");
	check_kind("p", "not a regular file (a FIFO)");
	check_kind("s", "not a regular file (a socket)");
	check_kind("/dev/null", "not a regular file (a device)");

	is_int(file_open("none", &st, &e), -1, "what is not there");
	is_int(e.class, ERR_MISSING, "is missing");
	is_str(e.msg, "cannot open: No such file or directory", "and says so");
	is_int(file_open("f/x", &st, &e), -1, "below a file");
	is_int(e.class, ERR_MISSING, "there is nothing");
	ok(symlink("loop", "loop") == 0, "a link to itself");
	is_int(file_open("loop", &st, &e), -1, "does not open");
	is_int(e.class, ERR_MISSING, "it leads nowhere");
	check_link();
}

static void
real_is(const char *path, const char *want)
{
	struct buf full = { 0 }, got = { 0 }, here = { 0 };
	struct err e;

	ok(path_absolute(path, &full, &e) == 0 &&
		path_absolute(".", &here, &e) == 0,
	    "%s", path);
	path_real(buf_str(&full), &got);
	is_str(path_below(buf_str(&here), buf_str(&got)), want, "%s is %s",
	    path, want);
	buf_release(&full);
	buf_release(&got);
	buf_release(&here);
}

static void
test_real(void)
{
	struct buf got = { 0 };

	ok(mkdir("real", 0777) == 0 && mkdir("real/d", 0777) == 0 &&
		symlink("real", "way") == 0 && symlink("d", "real/e") == 0 &&
		symlink("nowhere", "dangling") == 0,
	    "links");
	real_is("real/d", "real/d");
	real_is("way/e", "real/d");
	real_is("way/e/not/there", "real/d/not/there");
	real_is("way/not", "real/not");
	real_is("dangling/x", "dangling/x");
	path_real("/", &got);
	is_str(buf_str(&got), "/", "the root");
	path_real("/no-such-thing/x", &got);
	is_str(buf_str(&got), "/no-such-thing/x", "below the root");
	buf_release(&got);
}

static void
test_read_write(void)
{
	int fd = open("rw", O_RDWR | O_CREAT | O_CLOEXEC, 0600), ro;
	char got[16] = "";
	struct err e;

	is_int(file_write(fd, "hello", 5, &e), 0, "file_write");
	is_int(file_write(fd, " there", 6, &e), 0, "goes on");
	is_int(file_pwrite(fd, "J", 1, 0, &e), 0, "file_pwrite");
	is_int(file_pread(fd, got, 5, 0, &e), 5, "file_pread");
	is_str(got, "Jello", "reads what was written");
	is_int(file_pread(fd, got, 16, 6, &e), 5, "short at the end");
	is_int(file_pread(fd, got, 16, 600, &e), 0, "nothing behind it");

	ro = open("rw", O_RDONLY | O_CLOEXEC);
	is_int(file_pwrite(ro, "x", 1, 0, &e), -1, "a write may fail");
	ok(strncmp(e.msg, "cannot write at byte 0: ", 24) == 0, "and say why");
	is_int(file_write(ro, "x", 1, &e), -1, "at the file position, too");
	file_close(ro);
	ro = open(".", O_RDONLY | O_CLOEXEC);
	is_int(file_pread(ro, got, 1, 0, &e), -1, "so may a read");
	file_close(ro);
	file_close(fd);

	fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	is_int(file_write(fd, "x", 1, &e), -1, "a full disk");
	is_int(e.class, ERR_IO, "is an I/O error");
	file_close(fd);
}

static void
test_dirs(void)
{
	struct stat st;
	struct err e;
	mode_t old = umask(027);

	is_int(file_mkdirs("m/n//o/", &e), 0, "three at once");
	ok(stat("m/n/o", &st) == 0 && S_ISDIR(st.st_mode), "they are there");
	is_int(st.st_mode & 0777, 0750, "with the umask's mode");
	umask(old);
	is_int(file_mkdirs("m/n/o", &e), 0, "already there");
	is_int(file_mkdirs("m", &e), 0, "a part of it");
	is_int(file_mkdirs("/", &e), 0, "the root");
	is_int(file_mkdirs(".", &e), 0, "here");
	ok(symlink("m", "link") == 0, "a link to a directory");
	is_int(file_mkdirs("link/q", &e), 0, "is one");
	ok(stat("m/q", &st) == 0, "and leads there");
	put("m/file", "");
	is_int(file_mkdirs("m/file", &e), -1, "a file is in the way");
	is_int(e.class, ERR_EXISTS, "it exists");
	is_int(file_mkdirs("m/file/x", &e), -1, "also further up");
	is_int(e.class, ERR_EXISTS, "it exists there");
	is_str(e.msg, "m/file is there, but is no directory", "and is named");
	is_int(file_sync_dir("m", &e), 0, "a directory syncs");
	is_int(file_sync_dir("none", &e), -1, "one that is not, not");
	is_int(e.class, ERR_MISSING, "it is missing");
}

static void
test_slurp(void)
{
	struct buf b = { 0 };
	struct err e;
	char *big = xmalloc(10001);

	memset(big, 'a', 10000);
	big[10000] = '\0';
	put("big", big);
	buf_adds(&b, "old");
	is_int(file_slurp("big", 10000, &b, &e), 0, "as large as allowed");
	is_str(buf_str(&b), big, "all of it and only it");
	is_int(file_slurp("big", 9999, &b, &e), -1, "one byte too large");
	is_int(e.class, ERR_CORRUPT, "is refused");
	put("empty", "");
	is_int(file_slurp("empty", 0, &b, &e), 0, "an empty file");
	is_int(b.len, 0, "is empty");
	is_int(file_slurp("none", 10, &b, &e), -1, "no file");
	is_int(e.class, ERR_MISSING, "is missing");
	is_int(file_slurp("/proc/self/status", 100000, &b, &e), 0,
	    "a file whose size is told as 0");
	ok(b.len > 100, "has contents");
	free(big);
	buf_release(&b);
}

static void
check_absolute(const char *path, const char *below)
{
	struct buf out = { 0 }, want = { 0 };
	struct err e;

	buf_addf(&want, "%s%s", buf_str(&top), below);
	is_int(path_absolute(path, &out, &e), 0, "\"%s\" has one", path);
	is_str(buf_str(&out), buf_str(&want), "\"%s\" made absolute", path);
	buf_release(&want);
	buf_release(&out);
}

static void
test_absolute(void)
{
	struct buf out = { 0 };
	struct err e;

	check_absolute("x", "/x");
	check_absolute("./x//y/.", "/x/y");
	check_absolute(".", "");
	check_absolute(" sp ace\n", "/ sp ace\n");
	check_absolute("...", "/...");
	check_absolute("..x/y..", "/..x/y..");

	ok(file_mkdirs("real/deep", &e) == 0 && symlink("real/deep", "ln") == 0,
	    "ln leads to real/deep");
	check_absolute("ln/x", "/ln/x");
	check_absolute("ln/../x", "/real/x");
	check_absolute("real/deep/../../y", "/y");
	check_absolute("real/..", "");

	is_int(path_absolute("none/../x", &out, &e), -1, "\"..\" of nothing");
	is_int(e.class, ERR_MISSING, "is missing");
	is_int(path_absolute("", &out, &e), -1, "an empty path");
	is_int(e.class, ERR_MISSING, "is missing");
	is_int(path_absolute("//a///b/", &out, &e), 0, "many slashes");
	is_str(buf_str(&out), "/a/b", "are one");
	is_int(path_absolute("/", &out, &e), 0, "the root");
	is_str(buf_str(&out), "/", "is a slash");
	is_int(path_absolute("/../..", &out, &e), 0, "above the root");
	is_str(buf_str(&out), "/", "is the root");
	buf_release(&out);
}

static void
test_parts(void)
{
	struct buf b = { 0 };

	is_str(path_below("/a", "/a/b/c"), "b/c", "below");
	is_str(path_below("/", "/a/b"), "a/b", "below the root");
	is_str(path_below("/a", "/ab"), NULL, "a longer name is not below");
	is_str(path_below("/a", "/a"), NULL, "nor is itself");
	is_str(path_below("/", "/"), NULL, "nor the root");
	is_str(path_below("/a/b", "/a"), NULL, "nor what is above");

	is_str(path_base("/a/b"), "b", "base");
	is_str(path_base("b"), "b", "base of a name");
	is_str(path_base("/"), "", "base of the root");

	path_dir("/a/b", &b);
	buf_adds(&b, " ");
	path_dir("/a", &b);
	buf_adds(&b, " ");
	path_dir("a", &b);
	buf_adds(&b, " ");
	path_dir("a//b", &b);
	is_str(buf_str(&b), "/a / . a", "directories, appended");
	buf_release(&b);
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");
	char *cmd, *made = xasprintf("%s/file_test.XXXXXX", tmp ? tmp : "/tmp");
	struct err e;
	int rc;

	if (mkdtemp(made) == NULL || chdir(made) == -1) {
		perror(made);
		return 1;
	}
	if (path_absolute(".", &top, &e) == -1)
		return 1;
	test_open();
	test_real();
	test_read_write();
	test_dirs();
	test_slurp();
	test_absolute();
	test_parts();
	cmd = xasprintf("rm -rf '%s'", made);
	is_int(system(cmd), 0, "cleaned up");
	rc = done();
	free(cmd);
	free(made);
	buf_release(&top);
	return rc;
}
