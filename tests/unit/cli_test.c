/* SPDX-License-Identifier: Apache-2.0 */
/* What a program is told: options, their defaults, how it begins. */
#include "tests/unit/cli_kit.h"

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
	expect_usage("-c f", "-c/--config is no option of lspp-test");
	expect_usage("-p", "unknown option -p");
	expect_usage("--bsae x", "unknown option --bsae: did you mean --base?");
	expect_usage("--replicas=x",
	    "unknown option --replicas: did you mean --replica?");
	expect_usage("--xyz", "unknown option --xyz");
	expect_usage(
	    "-progress", "unknown option -p: did you mean --progress?");
	expect_usage("--metrics", "--metrics needs an argument");

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
	ok(lines >= 19 && lines <= 23, "it has room for more in 24 lines");
	is_int(wide, 0, "of 79 columns");
	p = buf_str(&run.out);
	ok(strncmp(p, "usage: lspp-test [option ...] [path ...]\nTest it.\n",
	       50) == 0,
	    "it begins with the synopsis");
	ok(strstr(p, "\n  -o, --output DIR       restore below DIR\n") != NULL,
	    "an option of the program's own");
	ok(strstr(p, "\n      --failed FILE ") != NULL, "a long option");
	ok(strchr(p, '%') == NULL && strstr(p, "config") == NULL, "no more");

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

int
main(void)
{
	begin();
	test_options();
	test_usage();
	test_not_taken();
	test_help();
	test_environment();
	test_descriptors();
	return end();
}
