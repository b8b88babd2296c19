/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_kit -- what the tests of cli share: a small program that each check runs
 * in a child process, to look at what its caller would see: status, standard
 * output, standard error.
 */
#ifndef LSPP_TESTS_UNIT_CLI_KIT_H
#define LSPP_TESTS_UNIT_CLI_KIT_H

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cli/cli.h"
#include "lib/cli/lines.h"
#include "lib/sys/file.h"
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
static inline void
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

static inline void
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

static inline int
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
static inline void
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
static inline void
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

static inline void
expect(const char *args, int status, const char *out, const char *err)
{
	try(args);
	is_int(run.status, status, "status of: %s", args);
	is_str(buf_str(&run.out), out, "output of: %s", args);
	is_str(buf_str(&run.err), err, "messages of: %s", args);
}

/* What wrong use looks like: status 2, two lines, nothing on stdout. */
static inline void
expect_usage(const char *args, const char *msg)
{
	struct buf want = { 0 };

	buf_addf(&want,
	    "lspp-test: %s\nlspp-test: hint: see lspp-test --help\n", msg);
	expect(args, 2, "", buf_str(&want));
	buf_release(&want);
}

static inline void
clear_environment(void)
{
	static const char *const names[] = { "LSPP_REPLICA", "LSPP_BASE",
		"LSPP_STATE", "LSPP_STATE_DIR", "STATE_DIRECTORY",
		"XDG_STATE_HOME", "HOME", "POSIXLY_CORRECT" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	setenv("LSPP_STATE", "S", 1);
}

/* Not root, if there is a choice. */
static inline void
somebody(void)
{
	if (geteuid() != 0)
		return;
	if (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0)
		_exit(98);
}

static inline void
begin(void)
{
	if (mkdtemp(dir) == NULL || chdir(dir) == -1 ||
	    chmod(dir, 0755) == -1) {
		perror(dir);
		exit(1);
	}
	clear_environment();
}

static inline int
end(void)
{
	char *cmd = xasprintf("rm -rf %s", dir);

	buf_release(&run.out);
	buf_release(&run.err);
	is_int(system(cmd), 0, "cleaned up");
	free(cmd);
	return done();
}

#endif
