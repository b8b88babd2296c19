/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plain -- the least work that a task takes, for the bench to compare with.
 *
 *	plain stat <paths	two stats a path: the file and its -wal
 *	plain copy DIR <paths	each to DIR by write, fsync and rename
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"

static _Noreturn void
die(const char *path)
{
	fprintf(stderr, "plain: %s: %s\n", path, strerror(errno));
	exit(1);
}

static void
stat_two(const char *path)
{
	char *wal = xasprintf("%s-wal", path);
	struct stat st;

	if (stat(path, &st) == -1)
		die(path);
	if (stat(wal, &st) == -1 && errno != ENOENT)
		die(wal);
	free(wal);
}

static void
copy(const char *path, const char *dir, unsigned long i)
{
	static char block[1 << 16];
	char *tmp = xasprintf("%s/.%lu", dir, i);
	char *to = xasprintf("%s/%lu", dir, i);
	int in = open(path, O_RDONLY | O_CLOEXEC);
	int out = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t n;

	if (in == -1 || out == -1)
		die(path);
	while ((n = read(in, block, sizeof block)) > 0)
		if (write(out, block, (size_t)n) != n)
			die(tmp);
	if (n == -1 || fsync(out) == -1 || rename(tmp, to) == -1)
		die(tmp);
	close(in);
	close(out);
	free(tmp);
	free(to);
}

int
main(int argc, char *argv[])
{
	const char *dir = argc == 3 ? argv[2] : NULL;
	unsigned long i = 0;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	if (argc < 2 || strcmp(argv[1], dir != NULL ? "copy" : "stat") != 0) {
		fprintf(stderr, "usage: plain stat | copy DIR <paths\n");
		return 2;
	}
	for (; (n = getline(&line, &cap, stdin)) > 0; i++) {
		line[n - (line[n - 1] == '\n')] = '\0';
		if (dir != NULL)
			copy(line, dir, i);
		else
			stat_two(line);
	}
	free(line);
	return 0;
}
