/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree -- what a hostile tenant makes of a directory, and who looks outside.
 *
 *	tree make SEED DIR OUTSIDE DB
 *		DIR, empty, becomes a tree that follows from SEED: copies of
 *		the database DB, links to what is in OUTSIDE, loops, pipes,
 *		sockets, devices, and names of all kinds; owned by user 1001
 *	tree swap SEED DIR OUTSIDE
 *		swap what is in DIR for links, directories and pipes, until killed
 *	tree watch DIR PROGRAM...
 *		run PROGRAM; fails if anything in DIR was opened, read, changed
 *		or made meanwhile, and prints what
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TENANT = 1001, ITEMS = 40, DEEP = 4000, MANY = 10000 };

static uint64_t drawn;

static _Noreturn void
die(const char *what)
{
	(void)fprintf(stderr, "tree: %s: %s\n", what, strerror(errno));
	exit(125);
}

static unsigned
draw(unsigned n)
{
	drawn = drawn * 6364136223846793005U + 1442695040888963407U;
	return (unsigned)(drawn >> 33) % n;
}

static const char *const hostile_names[] = {
	"a\nb.db",
	"\001\033[2J.db",
	"\xff\xfe\x80.db",
	"\xc3(.db",
	"s3:",
	"file:",
	"*",
	"**",
	"[a-z]*",
	"{a,b}.db",
	"?.db",
	"-r",
	"--force",
	"...",
	" ",
	"a.db ",
	"\\",
	"$(id)",
	"generations",
	"ltx",
	".lspp-tmp",
	"state.db",
	"lock",
	"owner-0.lz4",
	"%2e%2e",
	"a.db-wal",
	"a.db-shm",
	"a.db-journal",
	"a.db-follow",
	"\r.db",
	"'\".db",
};

static const char *const outside_names[] = { "secret.db", "plain", "dir",
	"dir/secret.db", "dir/in/secret.db", "pipe", ".", "secret.db-wal",
	"none" };

#define LENGTH(a) ((unsigned)(sizeof(a) / sizeof((a)[0])))

/* What a link says: something outside, a loop, or the way up. */
static void
link_text(char *text, size_t size, const char *outside)
{
	static const char *const others[] = { ".", "..", "../..", "/", "self",
		"loop", "a.db", "/proc/self/fd/0", "/dev/zero", "/dev/tty" };

	if (draw(3) > 0)
		(void)snprintf(text, size, "%s/%s", outside,
		    outside_names[draw(LENGTH(outside_names))]);
	else
		(void)snprintf(text, size, "%s", others[draw(LENGTH(others))]);
}

static void
give(int at, const char *name)
{
	(void)fchownat(at, name, TENANT, TENANT, AT_SYMLINK_NOFOLLOW);
}

static void
copy_db(int at, const char *name, const char *db)
{
	int from = open(db, O_RDONLY | O_CLOEXEC);
	int to = openat(at, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	char data[65536];
	ssize_t n;

	while (to != -1 && (n = read(from, data, sizeof(data))) > 0)
		if (write(to, data, (size_t)n) != n)
			die(name);
	if (to != -1)
		close(to);
	close(from);
}

/* A file of TB, which begins as a database does, or with nothing. */
static void
make_sparse(int at, const char *name)
{
	static const char begin[] =
	    "SQLite format 3\0\020\0\001\001\0\100\040\040";
	int fd = openat(at, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd == -1)
		return;
	if (draw(2) == 0 && write(fd, begin, sizeof(begin)) == -1)
		die(name);
	(void)ftruncate(fd, (off_t)1 << (40 + draw(3)));
	close(fd);
}

static void
make_name(char *name, size_t size)
{
	static const char *const beside[] = { "", "", "", "-wal", "-shm",
		"-journal" };

	if (draw(3) == 0)
		(void)snprintf(name, size, "%s",
		    hostile_names[draw(LENGTH(hostile_names))]);
	else
		(void)snprintf(name, size, "%c.db%s", 'a' + (int)draw(6),
		    beside[draw(LENGTH(beside))]);
}

/* One entry of a directory. */
static void
make_entry(int at, const char *name, const char *outside, const char *db)
{
	char text[PATH_MAX];

	switch (draw(12)) {
	case 0:
	case 1:
	case 2: copy_db(at, name, db); break;
	case 3:
	case 4:
	case 5:
	case 6:
		link_text(text, sizeof(text), outside);
		(void)symlinkat(text, at, name);
		break;
	case 7: (void)mknodat(at, name, S_IFIFO | 0600, 0); break;
	case 8: (void)mknodat(at, name, S_IFSOCK | 0600, 0); break;
	case 9: (void)mknodat(at, name, S_IFCHR | 0600, makedev(1, 5)); break;
	case 10: (void)mkdirat(at, name, draw(4) == 0 ? 0 : 0755); break;
	default: make_sparse(at, name); break;
	}
	give(at, name);
}

static void
make_deep(int at)
{
	int here = dup(at), next;

	for (int i = 0; i < DEEP; i++) {
		if (mkdirat(here, "d", 0755) == -1)
			break;
		give(here, "d");
		next = openat(here, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(here);
		if ((here = next) == -1)
			return;
	}
	close(here);
}

static void
make_many(int at, const char *outside)
{
	char name[32], text[PATH_MAX];

	(void)snprintf(text, sizeof(text), "%s/secret.db", outside);
	if (mkdirat(at, "many", 0755) == -1)
		return;
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "many/%d.db", i);
		if (i % 2 == 0)
			(void)symlinkat(text, at, name);
		else
			(void)mknodat(at, name, S_IFREG | 0600, 0);
		give(at, name);
	}
}

static void
make_dir(const char *dir, const char *outside, const char *db, int levels)
{
	char name[NAME_MAX], path[PATH_MAX];
	int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (at == -1)
		die(dir);
	(void)symlinkat("self", at, "self");
	(void)symlinkat("loop", at, "loop2");
	(void)symlinkat("loop2", at, "loop");
	for (int i = 0; i < ITEMS; i++) {
		make_name(name, sizeof(name));
		make_entry(at, name, outside, db);
	}
	if (draw(20) == 0)
		make_deep(at);
	if (draw(20) == 0)
		make_many(at, outside);
	for (unsigned i = draw(3); levels > 0 && i > 0; i--) {
		(void)snprintf(path, sizeof(path), "%s/s%u", dir, i);
		if (mkdir(path, 0755) == 0)
			make_dir(path, outside, db, levels - 1);
		give(AT_FDCWD, path);
	}
	close(at);
	give(AT_FDCWD, dir);
}

/* Something else takes the place of an entry; or an entry that of another. */
static void
swap_one(int at, const char *outside)
{
	char name[NAME_MAX], other[NAME_MAX], text[PATH_MAX];

	make_name(name, sizeof(name));
	make_name(other, sizeof(other));
	switch (draw(6)) {
	case 0:
	case 1:
	case 2:
		link_text(text, sizeof(text), outside);
		(void)unlinkat(at, "new", 0);
		(void)symlinkat(text, at, "new");
		break;
	case 3:
		(void)unlinkat(at, "new", 0);
		(void)mknodat(at, "new", S_IFIFO | 0600, 0);
		break;
	case 4: (void)renameat2(at, name, at, other, RENAME_EXCHANGE); return;
	default: (void)renameat2(at, "s1", at, other, RENAME_EXCHANGE); return;
	}
	give(at, "new");
	(void)renameat2(
	    at, "new", at, draw(5) == 0 ? "s2" : name, RENAME_EXCHANGE);
}

static _Noreturn void
swap(const char *dir, const char *outside)
{
	int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* A link of root's would rightly be followed: make none, even briefly. */
	if (at == -1 || setgid(TENANT) == -1 || setuid(TENANT) == -1)
		die(dir);
	for (;;) {
		swap_one(at, outside);
		usleep(draw(300));
	}
}

/* dir and what is in it, which is neither a link nor deep. */
static void
watch_dir(int ino, const char *dir)
{
	uint32_t what = IN_OPEN | IN_ACCESS | IN_MODIFY | IN_ATTRIB |
	    IN_CREATE | IN_DELETE | IN_MOVE | IN_DONT_FOLLOW;
	char path[PATH_MAX];

	/* A directory tells of all that is in it. */
	if (inotify_add_watch(ino, dir, what) == -1)
		die(dir);
	for (unsigned i = 0; i < LENGTH(outside_names); i++) {
		struct stat st;

		if (strcmp(outside_names[i], ".") == 0)
			continue;
		(void)snprintf(
		    path, sizeof(path), "%s/%s", dir, outside_names[i]);
		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
		    inotify_add_watch(ino, path, what) == -1)
			die(path);
		(void)snprintf(path, sizeof(path), "%s/dir/in", dir);
		if (lstat(path, &st) == 0)
			(void)inotify_add_watch(ino, path, what);
	}
}

/* How many things happened, each printed. */
static int
told(int ino)
{
	union {
		struct inotify_event first;
		char data[65536];
	} u;
	ssize_t n;
	int all = 0;

	while ((n = read(ino, u.data, sizeof(u.data))) > 0)
		for (char *p = u.data; p < u.data + n;) {
			struct inotify_event *e = (void *)p;

			printf("outside: %#x %s\n", e->mask,
			    e->len > 0 ? e->name : ".");
			all++;
			p += sizeof(*e) + e->len;
		}
	return all;
}

static int
watch(const char *dir, char *argv[])
{
	int ino = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), status;
	pid_t pid;

	if (ino == -1)
		die("inotify");
	watch_dir(ino, dir);
	if ((pid = fork()) == 0) {
		execvp(argv[0], argv);
		die(argv[0]);
	}
	if (pid == -1 || waitpid(pid, &status, 0) == -1)
		die(argv[0]);
	if (told(ino) > 0)
		return 99;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
main(int argc, char *argv[])
{
	if (argc > 3 && strcmp(argv[1], "watch") == 0)
		return watch(argv[2], argv + 3);
	if (argc > 4)
		drawn = strtoull(argv[2], NULL, 10) * 2654435761U + 1;
	if (argc == 6 && strcmp(argv[1], "make") == 0) {
		make_dir(argv[3], argv[4], argv[5], 2);
		return 0;
	}
	if (argc == 5 && strcmp(argv[1], "swap") == 0)
		swap(argv[3], argv[4]);
	(void)fprintf(stderr, "usage: tree make|swap|watch ...\n");
	return 2;
}
