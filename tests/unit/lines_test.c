/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cli/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/sys/stop.h"
#include "tests/unit/tap.h"

static char *no_operands[] = { NULL };

/* Make fd the one and only standard input. */
static void
stdin_is(int fd)
{
	if (fd == -1 || dup2(fd, STDIN_FILENO) == -1 || close(fd) == -1) {
		perror("standard input");
		exit(1);
	}
}

static void
stdin_holds(const void *p, size_t n)
{
	FILE *f = tmpfile();
	int fd;

	if (f == NULL || fwrite(p, 1, n, f) != n || fflush(f) == EOF) {
		perror("temporary file");
		exit(1);
	}
	rewind(f);
	fd = dup(fileno(f));
	fclose(f);
	stdin_is(fd);
}

/* What lines_next() gives, each in brackets. */
static int
read_all(char **operands, int end, struct buf *got, struct err *e)
{
	struct lines in;
	const char *path;

	buf_reset(got);
	if (lines_open(&in, operands, end, e) == -1)
		return -1;
	while ((path = lines_next(&in)) != NULL)
		buf_addf(got, "[%s]", path);
	ok(lines_next(&in) == NULL, "the end is the end");
	return lines_close(&in, e);
}

static void
check(const char *text, size_t n, int end, const char *want)
{
	struct buf got = { 0 };
	struct err e;

	stdin_holds(text, n);
	is_int(read_all(no_operands, end, &got, &e), 0, "read");
	is_str(buf_str(&got), want, "%zu bytes are %s", n, want);
	buf_release(&got);
}

static void
test_records(void)
{
	check("", 0, '\n', "");
	check("\n\n", 2, '\n', "");
	check("a\nb\n", 4, '\n', "[a][b]");
	check("a\n\nb", 4, '\n', "[a][b]");
	check(" a \n~/*\t\r\n\xff\xfe\n", 12, '\n', "[ a ][~/*\t\r][\xff\xfe]");
	check("-\n", 2, '\n', "[-]");
	check("a\nb\0c\0\0 d", 9, '\0', "[a\nb][c][ d]");
	check("a\0", 2, '\0', "[a]");
}

static void
test_nul(void)
{
	struct buf got = { 0 };
	struct err e;

	stdin_holds("a\nb\0c\nd\n", 8);
	is_int(read_all(no_operands, '\n', &got, &e), -1, "a NUL in a line");
	is_int(e.class, ERR_USAGE, "is wrong use");
	ok(strstr(e.hint, "-0") != NULL, "whose remedy is named");
	is_str(buf_str(&got), "[a][d]", "the line is not cut to a path");
	buf_release(&got);
}

/* Lines longer than any buffer, and so many that buffers are reused. */
static void
test_size(void)
{
	struct buf text = { 0 };
	struct lines in;
	const char *path;
	struct err e;
	char want[32];
	unsigned i, bad = 0;

	for (i = 0; i < 300000; i++)
		buf_addf(&text, "x");
	buf_adds(&text, "\n");
	for (i = 0; i < 40000; i++)
		buf_addf(&text, "/srv/%u.db\n", i);
	stdin_holds(text.data, text.len);

	is_int(lines_open(&in, no_operands, '\n', &e), 0, "much input");
	path = lines_next(&in);
	ok(path != NULL && strlen(path) == 300000, "a line of 300000 bytes");
	for (i = 0; (path = lines_next(&in)) != NULL; i++) {
		(void)snprintf(want, sizeof(want), "/srv/%u.db", i);
		bad += strcmp(path, want) != 0;
	}
	is_int(i, 40000, "all lines behind it");
	is_int(bad, 0, "each as it was");
	is_int(lines_close(&in, &e), 0, "closed");
	buf_release(&text);
}

static void
test_operands(void)
{
	char a[] = "a", empty[] = "", b[] = "b c", minus[] = "-";
	char two[] = "b\nc";
	char *some[] = { a, empty, b, NULL };
	char *dash[] = { a, minus, b, NULL };
	char *newline[] = { a, two, NULL };
	struct buf got = { 0 };
	struct err e;

	stdin_holds("x\ny\n", 4);
	is_int(read_all(some, '\n', &got, &e), 0, "operands");
	is_str(buf_str(&got), "[a][][b c]", "win over standard input");
	is_int(read_all(dash, '\n', &got, &e), 0, "\"-\"");
	is_str(buf_str(&got), "[a][x][y][b c]", "is standard input");
	is_int(
	    read_all(newline, '\n', &got, &e), -1, "a newline in an operand");
	is_int(e.class, ERR_USAGE, "is wrong use");
	is_int(read_all(newline, '\0', &got, &e), 0, "but not with -0");
	is_str(buf_str(&got), "[a][b\nc]", "then it is a path");
	buf_release(&got);
}

static void
test_bad_input(void)
{
	struct buf got = { 0 };
	struct err e;
	int pty;

	stdin_is(open(".", O_RDONLY | O_CLOEXEC));
	is_int(read_all(no_operands, '\n', &got, &e), -1, "a directory");
	is_int(e.class, ERR_IO, "cannot be read");
	ok(strncmp(e.msg, "cannot read standard input: ", 28) == 0, "%s",
	    e.msg);

	pty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (pty == -1 || grantpt(pty) == -1 || unlockpt(pty) == -1) {
		ok(true, "# SKIP no terminal to be had");
	} else {
		stdin_is(open(ptsname(pty), O_RDWR | O_NOCTTY | O_CLOEXEC));
		is_int(read_all(no_operands, '\n', &got, &e), -1, "a terminal");
		is_int(e.class, ERR_USAGE, "is not waited for");
		close(pty);
	}
	buf_release(&got);
}

/* Of who does not want to wait. */
static void
test_await(void)
{
	struct lines in;
	const char *path;
	struct err e;
	int p[2];

	if (pipe(p) == -1) {
		perror("pipe");
		exit(1);
	}
	stdin_is(p[0]);
	is_int(lines_open(&in, no_operands, '\n', &e), 0, "a pipe");
	is_int(lines_await(&in, 0, &path), 0, "with nothing in it");
	is_int(lines_await(&in, 20, &path), 0, "nor in a moment");
	is_int(write(p[1], "\n\n", 2), 2, "empty lines");
	is_int(lines_await(&in, 0, &path), 0, "are none");
	is_int(write(p[1], "a\nb", 3), 3, "a line and a half");
	is_int(lines_await(&in, 0, &path), 1, "the line");
	is_str(path, "a", "as it was");
	is_int(lines_await(&in, 0, &path), 0, "not the half");
	is_int(write(p[1], "c", 1), 1, "nor with more of it");
	is_int(lines_await(&in, 0, &path), 0, "before its end");
	close(p[1]);
	is_int(lines_await(&in, 0, &path), 1, "which is the input's");
	is_str(path, "bc", "then it is a path");
	is_int(lines_await(&in, 0, &path), -1, "and that is all");
	is_int(lines_close(&in, &e), 0, "closed");
}

static void *
take_signals(void *arg)
{
	sigset_t none;

	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	for (;;)
		pause();
	return arg;
}

/* The signal is to find a thread that reads nothing: no EINTR helps. */
static void
signals_elsewhere(void)
{
	sigset_t all;
	pthread_t t;

	sigfillset(&all);
	sigdelset(&all, SIGALRM);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	if (pthread_create(&t, NULL, take_signals, NULL) != 0)
		_exit(7);
}

/* One that is stopped while it waits, without the end of its last line. */
static _Noreturn void
reader(int from, int to)
{
	struct lines in;
	const char *path;
	struct err e;

	alarm(30); /* a test that hangs fails */
	stdin_is(from);
	stop_on_signals();
	signals_elsewhere();
	if (lines_open(&in, no_operands, '\n', &e) == -1)
		_exit(2);
	if ((path = lines_next(&in)) == NULL || strcmp(path, "a") != 0)
		_exit(3);
	if (write(to, "!", 1) != 1)
		_exit(4);
	if (lines_next(&in) != NULL)
		_exit(5);
	if (lines_close(&in, &e) == -1 || stop_signal() != SIGTERM)
		_exit(6);
	_exit(0);
}

static void
test_stop(void)
{
	int in[2], out[2], status = -1;
	char c;
	pid_t pid;

	if (pipe(in) == -1 || pipe(out) == -1 || (pid = fork()) == -1) {
		perror("pipe or fork");
		exit(1);
	}
	if (pid == 0) {
		close(in[1]);
		reader(in[0], out[1]);
	}
	close(out[1]);
	is_int(write(in[1], "a\nhalf a pa", 11), 11, "a line and a half");
	is_int(read(out[0], &c, 1), 1, "the line is there at once");
	is_int(kill(pid, SIGTERM), 0, "a signal");
	is_int(waitpid(pid, &status, 0), pid, "ends the wait");
	ok(WIFEXITED(status), "but not the process");
	is_int(WEXITSTATUS(status), 0, "and half a path is none");
	close(in[0]);
	close(in[1]);
	close(out[0]);
}

/* In another process, whose standard output is not that of the test. */
static void
test_put(void)
{
	int out[2], status = -1;
	char got[64] = "";
	pid_t pid;

	if (pipe(out) == -1 || (pid = fork()) == -1) {
		perror("pipe or fork");
		exit(1);
	}
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		lines_put('\n', "a b");
		lines_put('\0', "c\nd");
		lines_flush();
		if (lines_errno() != 0)
			_exit(2);
		dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO);
		lines_put('\n', "x");
		if (lines_errno() != 0)
			_exit(3);
		lines_flush();
		lines_flush();
		_exit(lines_errno() == ENOSPC ? 0 : 4);
	}
	close(out[1]);
	is_int(waitpid(pid, &status, 0), pid, "a writer");
	is_int(status, 0, "that knows of a full disk");
	is_int(read(out[0], got, sizeof(got)), 8, "its output");
	ok(memcmp(got, "a b\nc\nd\0", 8) == 0, "with the ends asked for");
	close(out[0]);
}

int
main(void)
{
	test_records();
	test_nul();
	test_size();
	test_operands();
	test_bad_input();
	test_await();
	test_stop();
	test_put();
	return done();
}
