/* SPDX-License-Identifier: Apache-2.0 */
/* Running programs; what they print goes to files. */
#include "tests/differ/differ.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void
redirect(const char *path, int fd)
{
	int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (to == -1 || dup2(to, fd) == -1)
		_exit(126);
}

pid_t
child_start(struct round *r, const char *name, const char *const argv[])
{
	const char *out = in_work(r, "%s.out", name);
	const char *err = in_work(r, "%s.err", name);
	pid_t pid;

	if ((pid = fork()) == -1)
		die("fork: %s", strerror(errno));
	if (pid != 0)
		return pid;
	redirect(out, STDOUT_FILENO);
	redirect(err, STDERR_FILENO);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

int
child_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			die("wait: %s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
child_run(struct round *r, const char *name, const char *const argv[])
{
	return child_wait(child_start(r, name, argv));
}

const char *
first_line(struct round *r, const char *name)
{
	static char line[1024];
	FILE *f = fopen(in_work(r, "%s", name), "re");

	if (f == NULL || fgets(line, sizeof(line), f) == NULL)
		*line = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (f != NULL)
		(void)fclose(f);
	return line;
}

void
copy_tree(struct round *r, const char *from, const char *to)
{
	const char *argv[] = { "cp", "-a", from, to, NULL };

	if (child_run(r, "cp", argv) != 0)
		die("cp %s: %s", from, first_line(r, "cp.err"));
}

void
remove_tree(struct round *r, const char *path)
{
	const char *argv[] = { "rm", "-rf", path, NULL };

	if (child_run(r, "rm", argv) != 0)
		die("rm %s: %s", path, first_line(r, "rm.err"));
}
