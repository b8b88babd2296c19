/*
 * Each check runs a small program of its own in a child process and looks at
 * what its caller would see: status, standard output, standard error.
 */
#include "lib/base/cli.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/lines.h"
#include "lib/base/stop.h"
#include "tests/unit/tap.h"

static char dir[] = "/tmp/cli_test.XXXXXX";

enum { OPT_OUT = 256, OPT_FORCE, OPT_KEEP, OPT_AGE };

static const struct cli_opt own[] = {
	{ "output", 'o', "DIR", "restore below DIR", OPT_OUT },
	{ "force", 0, NULL, "replace what is there", OPT_FORCE },
	{ "keep", 0, "N", "keep N", OPT_KEEP },
	{ "age", 0, "TIME", "at most that old", OPT_AGE },
	{ 0 },
};

/* What is done with an operand: "ok...", "fail<class>...", "warn...", ... */
static void
operand(struct cli *c, const char *path)
{
	struct err e;

	if (strncmp(path, "fail", 4) == 0) {
		err_set(&e, (enum err_class)strtol(path + 4, NULL, 10),
		    "it is %s", "bad");
		if (strstr(path, "hint") != NULL)
			err_hint(&e, "do better");
		cli_fail(c, path, &e, 3);
	} else if (strncmp(path, "warn", 4) == 0) {
		cli_warn(c, path, "it is %s", "odd");
		cli_note(c, path, "it is noted");
	} else if (strncmp(path, "term", 4) == 0) {
		(void)raise(SIGTERM);
	} else if (strcmp(path, "umask") == 0) {
		mode_t mask = umask(077);
		char octal[16];

		(void)snprintf(octal, sizeof(octal), "%o", (unsigned)mask);
		lines_put('\n', octal);
	} else {
		cli_pass(c);
		lines_put(c->end, path);
	}
}

static void
show(const struct cli *c)
{
	struct buf b = { 0 };

	buf_addf(&b, "r=%s C=%s s=%s j=%u 0=%d n=%d q=%d v=%d",
	    c->replica ? c->replica : "-", c->base ? c->base : "-",
	    c->state ? c->state : "-", c->jobs, c->end == '\0', c->dry_run,
	    c->quiet, c->verbose);
	lines_put('\n', buf_str(&b));
	buf_release(&b);
}

static int
program(int argc, char **argv, const char *shared)
{
	struct cli c;
	struct lines in;
	const char *arg, *path;
	struct err e;
	int o;

	cli_begin(&c, argc, argv, shared, own, "[path ...]", "Test it.");
	while ((o = cli_option(&c, &arg)) != -1)
		switch (o) {
		case OPT_OUT: lines_put('\n', arg); break;
		case OPT_FORCE:
			lines_put('\n', arg == NULL ? "force" : arg);
			break;
		case OPT_KEEP:
			o = (int)cli_number(&c, "--keep", arg, 1, 65536);
			cli_note(&c, NULL, "keep %d", o);
			break;
		case OPT_AGE:
			cli_note(&c, NULL, "age %llu",
			    (unsigned long long)cli_duration(&c, "--age", arg));
			break;
		default: return 99;
		}
	if (c.replica != NULL && strcmp(c.replica, "show") == 0)
		show(&c);
	if (c.replica != NULL && strcmp(c.replica, "fatal") == 0) {
		err_set(&e, ERR_CONFIG, "nothing goes");
		return cli_fatal(&c, &e);
	}
	if (lines_open(&in, argv + optind, c.end, &e) == -1)
		return cli_fatal(&c, &e);
	while ((path = lines_next(&in)) != NULL)
		operand(&c, path);
	if (lines_close(&in, &e) == -1)
		cli_fail(&c, NULL, &e, 1);
	return cli_finish(&c);
}

/* What a run gave. */
static struct {
	int status; /* exit status, or minus a signal */
	struct buf out, err;
	unsigned writes;      /* on stderr */
	size_t longest;       /* of them */
	void (*before)(void); /* in the child, at its start */
	const char *shared;
} run = { .shared = "rCsj0neqv" };

/* stderr is a socket that keeps writes apart. */
static void
collect(int fd)
{
	char packet[2 * PIPE_BUF];
	ssize_t n;

	buf_reset(&run.err);
	run.writes = 0;
	run.longest = 0;
	while ((n = recv(fd, packet, sizeof(packet), 0)) > 0) {
		buf_add(&run.err, packet, (size_t)n);
		run.writes++;
		if ((size_t)n > run.longest)
			run.longest = (size_t)n;
	}
	close(fd);
}

static _Noreturn void
child(char **argv, int err)
{
	int argc = 0, in = open("/dev/null", O_RDONLY);
	int out = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	while (argv[argc] != NULL)
		argc++;
	alarm(60);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(in);
	close(out);
	close(err);
	if (run.before != NULL)
		run.before();
	exit(program(argc, argv, run.shared));
}

/* Run the program with the words of args; '_' stands for a space. */
static void
try(const char *args)
{
	char *argv[32], *text = xasprintf("/usr/bin/lspp-test %s", args);
	int err[2], status = 0, argc = 0;
	char *p = text, *q;
	struct err e;
	pid_t pid;

	for (; p != NULL && argc < 31; p = q) {
		if ((q = strchr(p, ' ')) != NULL)
			*q++ = '\0';
		if (*p != '\0')
			argv[argc++] = p;
		for (; *p != '\0'; p++)
			if (*p == '_')
				*p = ' ';
	}
	argv[argc] = NULL;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, err) == -1 ||
	    (pid = fork()) == -1) {
		perror("socketpair or fork");
		exit(1);
	}
	if (pid == 0) {
		close(err[0]);
		child(argv, err[1]);
	}
	close(err[1]);
	collect(err[0]);
	if (waitpid(pid, &status, 0) == pid)
		run.status = WIFSIGNALED(status) ? -WTERMSIG(status)
						 : WEXITSTATUS(status);
	if (file_slurp("out", 1 << 20, &run.out, &e) == -1)
		buf_adds(&run.out, e.msg);
	free(text);
}

static void
expect(const char *args, int status, const char *out, const char *err)
{
	try(args);
	is_int(run.status, status, "status of: %s", args);
	is_str(buf_str(&run.out), out, "output of: %s", args);
	is_str(buf_str(&run.err), err, "messages of: %s", args);
}

/* What wrong use looks like: status 2, two lines, nothing on stdout. */
static void
expect_usage(const char *args, const char *msg)
{
	struct buf want = { 0 };

	buf_addf(&want,
	    "lspp-test: %s\nlspp-test: hint: see lspp-test --help\n", msg);
	expect(args, 2, "", buf_str(&want));
	buf_release(&want);
}

static void
clear_environment(void)
{
	static const char *const names[] = { "LSPP_REPLICA", "LSPP_BASE",
		"LSPP_STATE", "LSPP_STATE_DIR", "STATE_DIRECTORY",
		"XDG_STATE_HOME", "HOME", "POSIXLY_CORRECT" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	setenv("LSPP_STATE", "S", 1);
}

static void
test_options(void)
{
	expect("", 0, "", "");
	expect("-r show", 0, "r=show C=- s=S j=8 0=0 n=0 q=0 v=0\n", "");
	expect("-rshow -Cb -ss -j5 -nqv x", 0,
	    "r=show C=b s=s j=5 0=0 n=1 q=1 v=1\nx\n", "");
	expect("--replica=show --base b --state=s --jobs 1024 --dry-run "
	       "--quiet --verbose",
	    0, "r=show C=b s=s j=1024 0=0 n=1 q=1 v=1\n", "");
	expect("a -r show b -n", 0,
	    "r=show C=- s=S j=8 0=0 n=1 q=0 v=0\na\nb\n", "");
	expect(
	    "-r show -- -n", 0, "r=show C=- s=S j=8 0=0 n=0 q=0 v=0\n-n\n", "");
	expect("-o d --force --output=e", 0, "d\nforce\ne\n", "");
	expect("-v --keep 7 --age 5m --age 90s --age 24h --age 7d --age 0s", 0,
	    "",
	    "lspp-test: keep 7\nlspp-test: age 300\nlspp-test: age 90\n"
	    "lspp-test: age 86400\nlspp-test: age 604800\n"
	    "lspp-test: age 0\n");

	try("-0 a b");
	is_int(run.out.len, 4, "-0 writes");
	ok(memcmp(run.out.data, "a\0b", 4) == 0, "paths that end in NUL");
}

static void
test_usage(void)
{
	expect_usage("-x", "unknown option -x");
	expect_usage("-n -xn", "unknown option -x");
	expect_usage("--none=3", "unknown option --none");
	expect_usage("-r", "-r/--replica needs an argument");
	expect_usage("--replica", "-r/--replica needs an argument");
	expect_usage("--keep", "--keep needs an argument");
	expect_usage("--null=3", "-0/--null takes no argument");
	expect_usage("--force=3", "--force takes no argument");
	expect_usage("--replica=", "-r/--replica has an empty argument");
	expect_usage("-j 0", "-j/--jobs: \"0\" is not a number from 1 to 1024");
	expect_usage(
	    "-j 1025", "-j/--jobs: \"1025\" is not a number from 1 to 1024");
	expect_usage(
	    "-j 8x", "-j/--jobs: \"8x\" is not a number from 1 to 1024");
	expect_usage(
	    "-j +8", "-j/--jobs: \"+8\" is not a number from 1 to 1024");
	expect_usage("--keep 18446744073709551617",
	    "--keep: \"18446744073709551617\" is not a number from 1 to "
	    "65536");
	expect_usage("--age 90",
	    "--age: \"90\" is not a duration like 90s, 5m, 24h or 7d");
	expect_usage("--age s",
	    "--age: \"s\" is not a duration like 90s, 5m, 24h or 7d");
	expect_usage("--age 106751991167301d",
	    "--age: \"106751991167301d\" is not a duration like 90s, 5m, 24h "
	    "or 7d");
}

static void
test_not_taken(void)
{
	expect_usage("-c f", "-c/--config is not supported yet by lspp-test");
	expect_usage(
	    "--config", "-c/--config is not supported yet by lspp-test");
	expect_usage("-p", "-p/--progress is not supported yet by lspp-test");
	expect_usage(
	    "--metrics=f", "--metrics is not supported yet by lspp-test");
	expect_usage(
	    "--metrics", "--metrics is not supported yet by lspp-test");
	expect_usage("--json", "--json is not supported yet by lspp-test");

	run.shared = "s0qv";
	expect_usage("-r x", "-r/--replica is no option of lspp-test");
	expect_usage("-r", "-r/--replica is no option of lspp-test");
	expect_usage("--dry-run", "-n/--dry-run is no option of lspp-test");
	expect_usage("--failed=f", "--failed is no option of lspp-test");
	try("--help");
	ok(strstr(buf_str(&run.out), "replica") == NULL,
	    "the help does not name what is not taken");
	run.shared = "rCsj0neqv";
}

static void
test_help(void)
{
	const char *p, *end;
	unsigned lines = 0, wide = 0;

	try("x --help");
	is_int(run.status, 0, "--help is no failure");
	is_str(buf_str(&run.err), "", "nor an error");
	for (p = buf_str(&run.out); (end = strchr(p, '\n')) != NULL;
	     p = end + 1, lines++)
		wide += end - p > 79;
	/* Four options are the test's own. */
	ok(lines >= 18 && lines <= 20, "it has room for more in 24 lines");
	is_int(wide, 0, "of 79 columns");
	p = buf_str(&run.out);
	ok(strncmp(p, "usage: lspp-test [option ...] [path ...]\nTest it.\n",
	       50) == 0,
	    "it begins with the synopsis");
	ok(strstr(p, "\n  -o, --output DIR       restore below DIR\n") != NULL,
	    "an option of the program's own");
	ok(strstr(p, "\n      --failed FILE ") != NULL, "a long option");
	ok(strchr(p, '%') == NULL && strstr(p, "json") == NULL, "no more");

	expect("-V", 0, "lspp-test " LSPP_VERSION "\n", "");
	expect("--version -x", 0, "lspp-test " LSPP_VERSION "\n", "");
}

static void
more_environment(void)
{
	setenv("LSPP_REPLICA", "show", 1);
	setenv("LSPP_BASE", "B", 1);
}

static void
empty_environment(void)
{
	setenv("LSPP_REPLICA", "", 1);
	setenv("LSPP_BASE", "", 1);
	setenv("LSPP_STATE", "", 1);
	setenv("LSPP_STATE_DIR", "D", 1);
}

static void
systemd_environment(void)
{
	unsetenv("LSPP_STATE");
	setenv("STATE_DIRECTORY", "/var/lib/a:/var/lib/b", 1);
	setenv("HOME", "/home/u", 1);
}

/* Not root, if there is a choice. */
static void
somebody(void)
{
	if (geteuid() != 0)
		return;
	if (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0)
		_exit(98);
}

static void
xdg_environment(void)
{
	somebody();
	unsetenv("LSPP_STATE");
	setenv("XDG_STATE_HOME", "/x", 1);
	setenv("HOME", "/home/u", 1);
}

static void
home_environment(void)
{
	xdg_environment();
	setenv("XDG_STATE_HOME", "relative", 1);
}

static void
homeless(void)
{
	somebody();
	unsetenv("LSPP_STATE");
}

static void
root_environment(void)
{
	unsetenv("LSPP_STATE");
	setenv("XDG_STATE_HOME", "/x", 1);
}

static void
test_environment(void)
{
	run.before = more_environment;
	expect("", 0, "r=show C=B s=S j=8 0=0 n=0 q=0 v=0\n", "");
	expect("-r x -C y", 0, "", "");
	run.before = empty_environment;
	expect("-r show", 0, "r=show C=- s=D j=8 0=0 n=0 q=0 v=0\n", "");
	run.before = systemd_environment;
	expect(
	    "-r show", 0, "r=show C=- s=/var/lib/a j=8 0=0 n=0 q=0 v=0\n", "");
	run.before = xdg_environment;
	expect("-r show", 0, "r=show C=- s=/x/lspp j=8 0=0 n=0 q=0 v=0\n", "");
	run.before = home_environment;
	expect("-r show", 0,
	    "r=show C=- s=/home/u/.local/state/lspp j=8 0=0 n=0 q=0 v=0\n", "");
	if (geteuid() == 0) {
		run.before = root_environment;
		expect("-r show", 0,
		    "r=show C=- s=/var/lib/lspp j=8 0=0 n=0 q=0 v=0\n", "");
	}
	run.before = homeless;
	expect("x", 78, "",
	    "lspp-test: no state directory: no HOME is set\n"
	    "lspp-test: hint: use -s DIR or LSPP_STATE\n");
	expect("-s x y", 0, "y\n", "");
	run.shared = "r0";
	expect("-r show", 0, "r=show C=- s=- j=8 0=0 n=0 q=0 v=0\n", "");
	run.shared = "rCsj0neqv";
	run.before = NULL;
}

static void
test_status(void)
{
	expect("ok", 0, "ok\n", "");
	expect("fail66", 66, "", "lspp-test: fail66: it is bad\n");
	expect("fail75 fail75b", 75, "",
	    "lspp-test: fail75: it is bad\nlspp-test: fail75b: it is bad\n");
	expect("fail75 ok fail75", 1, "ok\n",
	    "lspp-test: fail75: it is bad\nlspp-test: fail75: it is bad\n");
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

static void
test_descriptors(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		char name[] = "x", *argv[] = { name, NULL };
		struct cli c;
		int fd;

		umask(002);
		for (fd = 0; fd < 3; fd++)
			close(fd);
		cli_begin(&c, 1, argv, "", own, "", "");
		fd = open("out", O_RDONLY);
		if (fd < 3)
			_exit(1);
		if (umask(0) != 077)
			_exit(2);
		_exit(0);
	}
	is_int(waitpid(pid, &status, 0), pid, "a program without descriptors");
	is_int(status, 0, "opens no file as one of the standard ones; 077");
}

static void
remove_all(void)
{
	char *cmd = xasprintf("rm -rf %s", dir);

	is_int(system(cmd), 0, "cleaned up");
	free(cmd);
}

int
main(void)
{
	if (mkdtemp(dir) == NULL || chdir(dir) == -1 ||
	    chmod(dir, 0755) == -1) {
		perror(dir);
		return 1;
	}
	clear_environment();
	test_options();
	test_usage();
	test_not_taken();
	test_help();
	test_environment();
	test_status();
	test_messages();
	test_reports();
	test_streams();
	test_signals();
	test_second_signal();
	test_descriptors();
	buf_release(&run.out);
	buf_release(&run.err);
	remove_all();
	return done();
}
