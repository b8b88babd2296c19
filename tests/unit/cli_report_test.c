/* SPDX-License-Identifier: Apache-2.0 */
/* What a program tells: status, messages, report files; its end. */
#include "lib/sys/stop.h"
#include "tests/unit/cli_kit.h"

static void
test_status(void)
{
	expect("ok", 0, "ok\n", "");
	expect("fail66", 66, "", "lspp-test: fail66: it is bad\n");
	expect("fail75 fail75b", 75, "",
	    "lspp-test: fail75: it is bad\n"
	    "lspp-test: 1 more failed like fail75: fail75b\n");
	expect("fail75 ok fail75", 1, "ok\n",
	    "lspp-test: fail75: it is bad\n"
	    "lspp-test: 1 more failed like fail75: fail75\n");
	expect("fail75 fail66", 1, "",
	    "lspp-test: fail75: it is bad\nlspp-test: fail66: it is bad\n");
	expect("fail0", 70, "", "lspp-test: fail0: it is bad\n");
	expect("-r fatal", 78, "", "lspp-test: nothing goes\n");
}

static void
test_messages(void)
{
	struct buf args = { 0 };

	expect("warn", 0, "", "lspp-test: warn: it is odd\n");
	expect("-v warn", 0, "",
	    "lspp-test: warn: it is odd\nlspp-test: warn: it is noted\n");
	expect("-q warn fail65", 65, "", "lspp-test: fail65: it is bad\n");
	expect("fail65hint", 65, "",
	    "lspp-test: fail65hint: it is bad\n"
	    "lspp-test: hint: do better\n");
	is_int(run.writes, 1, "a line and its hint are one write");
	expect("-0 fail65\n\033[1m\x7f\xc3\xa9", 65, "",
	    "lspp-test: fail65??[1m?\xc3\xa9: it is bad\n");
	expect("fail66\r", 66, "",
	    "lspp-test: fail66?: it is bad\nlspp-test: hint: the path ends "
	    "in a carriage return: a list with DOS line ends?\n");

	buf_adds(&args, "fail65hint/");
	for (unsigned i = 0; i < 20000; i++)
		buf_adds(&args, "x");
	buf_adds(&args, "/end.db");
	try(buf_str(&args));
	is_int(run.writes, 1, "a message with an endless path");
	ok(run.longest > PIPE_BUF / 2 && run.longest <= PIPE_BUF,
	    "fits a pipe's atomic write");
	ok(strstr(buf_str(&run.err), "...") != NULL, "the path is cut");
	ok(strstr(buf_str(&run.err),
	       "/end.db: it is bad\nlspp-test: hint: do better\n") != NULL,
	    "but not its end, nor message and hint");
	buf_release(&args);
}

/* Of one cause one line, one hint and a count. */
static void
test_same(void)
{
	struct buf args = { 0 };
	char want[200];

	expect("fail69hint/a ok fail74/b fail69hint/c", 1, "ok\n",
	    "lspp-test: fail69hint/a: it is bad\n"
	    "lspp-test: hint: do better\n"
	    "lspp-test: fail74/b: it is bad\n"
	    "lspp-test: 1 more failed like fail69hint/a: fail69hint/c\n");
	expect("fail66hint/a fail66hint/b", 66, "",
	    "lspp-test: fail66hint/a: it is bad\n"
	    "lspp-test: hint: do better\n"
	    "lspp-test: fail66hint/b: it is bad\n");
	expect("-v fail69hint/a fail69hint/b", 69, "",
	    "lspp-test: fail69hint/a: it is bad\n"
	    "lspp-test: hint: do better\n"
	    "lspp-test: fail69hint/b: it is bad\n"
	    "lspp-test: hint: do better\n");
	expect("warn/a warn/b ok", 0, "ok\n",
	    "lspp-test: warn/a: it is odd\n"
	    "lspp-test: 1 more like warn/a: warn/b\n");
	for (unsigned i = 0; i < 25; i++)
		buf_addf(&args, " fail77/%u", i);
	try(buf_str(&args) + 1);
	is_str(buf_str(&run.err),
	    "lspp-test: fail77/0: it is bad\n"
	    "lspp-test: 24 more failed like fail77/0: fail77/1, fail77/2, "
	    "fail77/3, fail77/4, fail77/5, ...\n"
	    "lspp-test: hint: --failed FILE, or -v, names all of them\n",
	    "many are three lines");
	buf_reset(&args);
	for (unsigned i = 0; i < 25; i++)
		buf_addf(&args, " fail66/%u", i);
	buf_adds(&args, " --failed most");
	try(buf_str(&args) + 1);
	(void)snprintf(want, sizeof(want),
	    "lspp-test: fail66/15: it is bad\n"
	    "lspp-test: 9 more failed like fail66/15: fail66/16, fail66/17, "
	    "fail66/18, fail66/19, fail66/20, ...\n");
	ok(strstr(buf_str(&run.err), want) != NULL,
	    "what is missing is named, some of it");
	buf_release(&args);
}

#define expect_file(path, text) expect_bytes(path, text, sizeof(text) - 1)

static void
expect_bytes(const char *path, const char *want, size_t len)
{
	struct buf got = { 0 };
	struct err e;

	is_int(file_slurp(path, 10000, &got, &e), 0, "%s is there", path);
	ok(got.len == len && memcmp(got.data, want, len) == 0,
	    "%s holds what it should", path);
	if (got.len != len)
		printf("#   got \"%s\"\n", buf_str(&got));
	buf_release(&got);
}

static void
umask_022(void)
{
	umask(022);
}

static void
umask_0277(void)
{
	umask(0277);
}

static void
test_reports(void)
{
	struct stat st;

	run.before = umask_022;
	try("-e errors --failed failed ok fail66/a fail75/b_c");
	is_int(run.status, 1, "with reports");
	expect_file("errors", "66\t3\tfail66/a\n75\t3\tfail75/b c\n");
	expect_file("failed", "fail66/a\nfail75/b c\n");
	ok(stat("errors", &st) == 0 && (st.st_mode & 0777) == 0644,
	    "by the caller's umask");
	expect("-e errors umask", 0, "77\n", "");
	run.before = umask_0277;
	expect("-e errors umask", 0, "277\n", "");
	run.before = NULL;
	try("--failed failed ok fail66");
	expect_file("failed", "fail66/a\nfail75/b c\nfail66\n");
	try("-0 -e e0 --failed f0 fail66\n/a fail66/b");
	expect_file("e0",
	    "66\t3\tfail66\n/a\0"
	    "66\t3\tfail66/b\0");
	expect_file("f0", "fail66\n/a\0fail66/b\0");

	expect("-e none/such ok", 74, "",
	    "lspp-test: none/such: cannot open report: No such file or "
	    "directory\n");
	expect("--failed . ok", 74, "",
	    "lspp-test: .: cannot open report: Is a directory\n");
	ok(mkdir("closed", 0) == 0, "a closed directory");
	run.before = somebody;
	expect("-e closed/x ok", 77, "",
	    "lspp-test: closed/x: cannot open report: Permission denied\n");
	run.before = NULL;
	expect("-e /dev/full fail66 ok", 74, "ok\n",
	    "lspp-test: fail66: it is bad\n"
	    "lspp-test: cannot write the report of failures: No space left on "
	    "device\n");
}

static void
full(void)
{
	dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO);
}

static void
no_stdout(void)
{
	close(STDOUT_FILENO);
}

static void
no_stdin(void)
{
	close(STDIN_FILENO);
}

static void
no_stderr(void)
{
	close(STDERR_FILENO);
}

/* A pipe that nobody reads. */
static void
no_reader(void)
{
	int p[2];

	if (pipe(p) == -1)
		_exit(97);
	dup2(p[1], STDOUT_FILENO);
	close(p[0]);
	close(p[1]);
}

static void
test_streams(void)
{
	run.before = full;
	expect("ok", 74, "",
	    "lspp-test: cannot write to standard output: No space left on "
	    "device\n");
	expect("ok fail66", 74, "",
	    "lspp-test: fail66: it is bad\nlspp-test: cannot write to standard "
	    "output: No space left on device\n");
	expect("--version", 74, "",
	    "lspp-test: cannot write to standard output: No space left on "
	    "device\n");
	expect("warn", 0, "", "lspp-test: warn: it is odd\n");
	run.before = no_stdout;
	expect("ok", 74, "",
	    "lspp-test: cannot write to standard output: Bad file "
	    "descriptor\n");
	expect("-q warn", 0, "", "");
	run.before = no_stdin;
	expect("", 74, "",
	    "lspp-test: cannot read standard input: Bad file descriptor\n");
	expect("ok", 0, "ok\n", "");
	run.before = no_stderr;
	expect("-e errors2 fail66 ok", 1, "ok\n", "");
	expect_file("errors2", "66\t3\tfail66\n");
	run.before = no_reader;
	expect("ok", -SIGPIPE, "", "");
	run.before = NULL;
}

static void
ignoring(void)
{
	(void)signal(SIGTERM, SIG_IGN);
}

static void
test_signals(void)
{
	expect("a term b", -SIGTERM, "a\n", "");
	expect("-e errors3 fail66 term b", -SIGTERM, "",
	    "lspp-test: fail66: it is bad\n");
	expect_file("errors3", "66\t3\tfail66\n");
	run.before = ignoring;
	expect("a term b", 0, "a\nb\n", "");
	run.before = NULL;
}

/* One that never looks: the second signal ends it. */
static void
test_second_signal(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		stop_on_signals();
		(void)raise(SIGINT);
		if (!stop_requested() || stop_signal() != SIGINT)
			_exit(1);
		(void)raise(SIGTERM);
		_exit(2);
	}
	is_int(waitpid(pid, &status, 0), pid, "two signals");
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM,
	    "the second ends the process");
}

int
main(void)
{
	begin();
	test_status();
	test_messages();
	test_same();
	test_reports();
	test_streams();
	test_signals();
	test_second_signal();
	return end();
}
