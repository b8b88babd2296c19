/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cli/cli_impl.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cli/lines.h"
#include "lib/sys/file.h"
#include "lib/sys/stop.h"

enum { JOBS_DEFAULT = 8, JOBS_MAX = 1024 };

/* In the order of the help.  Without help: a name kept for later. */
const struct cli_opt cli_shared_options[] = {
	{ "replica", 'r', "URL",
	    "replica root, s3://BUCKET/..., file:///DIR or DIR", 'r' },
	{ "base", 'C', "DIR", "a path below DIR is its name in the replica",
	    'C' },
	{ "shard", 0, "K/N", "part K of N, by name, and no other", CLI_SHARD },
	{ "state", 's', "DIR", "state directory", 's' },
	{ "config", 'c', "FILE", "databases and replicas by a litestream.yml",
	    'c' },
	{ "jobs", 'j', "N", "workers at a time", 'j' },
	{ "null", '0', NULL, "paths end in NUL, in and out", '0' },
	{ "dry-run", 'n', NULL, "say what would be done, change nothing", 'n' },
	{ "errors", 'e', "FILE", "append status, attempts, path of failures",
	    'e' },
	{ "failed", 0, "FILE", "append the paths of failures", CLI_FAILED },
	{ "json", 0, NULL, "print objects, not paths", CLI_JSON },
	{ "metrics", 0, "FILE", "write FILE for Prometheus", CLI_METRICS },
	{ "progress", 0, NULL, "tell how far it is", CLI_PROGRESS },
	{ "quiet", 'q', NULL, "no warnings, errors only", 'q' },
	{ "verbose", 'v', NULL, "say more", 'v' },
	{ "help", 'h', NULL, "print this", 'h' },
	{ "version", 'V', NULL, "print the version", 'V' },
	{ 0 },
};

/* Options */

/* The option with that letter or value; a program's own come first. */
static const struct cli_opt *
find(const struct cli *c, int o)
{
	const struct cli_opt *t;

	for (t = c->own; t->name != NULL; t++)
		if ((t->letter != 0 && t->letter == o) || t->value == o)
			return t;
	for (unsigned i = 0; i < c->n_more; i++)
		for (t = c->more[i]; t->name != NULL; t++)
			if ((t->letter != 0 && t->letter == o) || t->value == o)
				return t;
	for (t = cli_shared_options; t->name != NULL; t++)
		if (t->value == o)
			return t;
	return NULL;
}

static bool
is_own(const struct cli *c, const struct cli_opt *t)
{
	return t->value > UCHAR_MAX && find(c, t->value) == t;
}

static void
add_option(struct cli *c, const struct cli_opt *t, unsigned *n)
{
	size_t len = strlen(c->shorts);

	assert(*n < CLI_OPTIONS);
	c->longs[(*n)++] = (struct option){
		.name = t->name,
		/* An option for later is refused before its argument counts. */
		.has_arg = t->help == NULL ? optional_argument
		    : t->arg != NULL       ? required_argument
					   : no_argument,
		.val = t->value,
	};
	if (t->letter == 0)
		return;
	c->shorts[len++] = (char)t->letter;
	if (t->arg != NULL)
		c->shorts[len++] = ':';
	c->shorts[len] = '\0';
}

static void
add_options(struct cli *c)
{
	const struct cli_opt *t;
	unsigned n = 0;

	c->shorts[0] = ':'; /* tell a missing argument from a wrong option */
	for (t = c->own; t->name != NULL; t++)
		add_option(c, t, &n);
	for (t = cli_shared_options; t->name != NULL; t++)
		if (!cli_hidden(c, t))
			add_option(c, t, &n);
}

void
cli_more(struct cli *c, const struct cli_opt *more, const char *title)
{
	unsigned n = 0, i = c->n_more++;

	assert(i < CLI_MORE);
	while (c->longs[n].name != NULL)
		n++;
	c->more[i] = more;
	for (const struct cli_opt *t = more; t->name != NULL; t++)
		add_option(c, t, &n);
	(void)snprintf(
	    c->help_more[i], sizeof(c->help_more[i]), "help-%s", title);
	assert(n < CLI_OPTIONS);
	c->longs[n] = (struct option){ .name = c->help_more[i],
		.val = CLI_HELP_MORE + (int)i };
}

void
cli_examples(struct cli *c, const char *lines)
{
	c->examples = lines;
}

/*
 * A database opened as descriptor 1 would have our results written into it.
 * What takes the place of a closed one fails as the closed one would.
 */
static void
open_standard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) != -1)
			continue;
		if (open("/dev/null",
			fd == STDOUT_FILENO ? O_RDONLY : O_WRONLY) != fd)
			_exit(ERR_OS);
	}
}

void
cli_begin(struct cli *c, int argc, char **argv, const char *shared,
    const struct cli_opt *own, const char *usage, const char *summary)
{
	*c = (struct cli){
		.program = argc > 0 ? path_base(argv[0]) : "lspp",
		.jobs = JOBS_DEFAULT,
		.end = '\n',
		.started_ms = cli_now_ms(),
		.errors_fd = -1,
		.failed_fd = -1,
		.argc = argc,
		.argv = argv,
		.shared = shared,
		.own = own,
		.usage = usage,
		.summary = summary,
	};
	open_standard();
	c->umask = umask(077);
	umask(c->umask | 077);
	add_options(c);
	stop_on_signals();
	/* A file that may not grow further (ulimit -f) is one path's failure.
	 */
	(void)signal(SIGXFSZ, SIG_IGN);
	cli_progress_block();
	opterr = 0;
}

/* "-r/--replica" */
static const char *
name_of(const struct cli_opt *t, char *out, size_t size)
{
	if (t->letter != 0)
		(void)snprintf(out, size, "-%c/--%s", t->letter, t->name);
	else
		(void)snprintf(out, size, "--%s", t->name);
	return out;
}

static _Noreturn void
refuse(struct cli *c, int o)
{
	const struct cli_opt *t = optopt == 0 ? NULL : find(c, optopt);
	const char *word = c->argv[optind - 1], *near;
	char name[64];

	if (t != NULL && t->help == NULL)
		cli_usage(c, "%s is not supported yet by %s",
		    name_of(t, name, sizeof(name)), c->program);
	if (t != NULL && !is_own(c, t) && !cli_takes(c, t))
		cli_usage(c, "%s is no option of %s",
		    name_of(t, name, sizeof(name)), c->program);
	if (t != NULL && o == ':')
		cli_usage(
		    c, "%s needs an argument", name_of(t, name, sizeof(name)));
	if (t != NULL)
		cli_usage(
		    c, "%s takes no argument", name_of(t, name, sizeof(name)));
	/* A wrong letter is in optopt; of a wrong word there is only itself. */
	if (optopt != 0) {
		(void)snprintf(name, sizeof(name), "-%c", optopt);
		word = c->argv[optind] != NULL ? c->argv[optind] : word;
	} else
		(void)snprintf(
		    name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
	near = cli_near(c, word, optopt != 0);
	cli_usage(c, "unknown option %s%s%s%s", name,
	    near != NULL ? ": did you mean --" : "", near != NULL ? near : "",
	    near != NULL ? "?" : "");
}

/* An argument that is empty is a variable that was not set. */
static const char *
argument(struct cli *c, const struct cli_opt *t)
{
	char name[64];

	if (optarg[0] == '\0')
		cli_usage(c, "%s has an empty argument",
		    name_of(t, name, sizeof(name)));
	return optarg;
}

static void
take_shard(struct cli *c)
{
	struct err e;

	if (shard_parse(optarg, &c->shard, &e) == -1)
		cli_usage(c, "%s", e.msg);
}

static void
take(struct cli *c, const struct cli_opt *t)
{
	switch (t->value) {
	case 'r': c->replica = argument(c, t); break;
	case 'C': c->base = argument(c, t); break;
	case 's': c->state = argument(c, t); break;
	case 'c': c->config = argument(c, t); break;
	case 'j':
		c->jobs =
		    (unsigned)cli_number(c, "-j/--jobs", optarg, 1, JOBS_MAX);
		break;
	case '0': c->end = '\0'; break;
	case 'n': c->dry_run = true; break;
	case 'e': c->errors = argument(c, t); break;
	case CLI_SHARD: take_shard(c); break;
	case CLI_JSON: c->json = true; break;
	case CLI_PROGRESS: c->progress = true; break;
	case CLI_METRICS: c->metrics = argument(c, t); break;
	case CLI_FAILED: c->failures = argument(c, t); break;
	case 'q': c->quiet = true; break;
	case 'v': c->verbose = true; break;
	case 'h': cli_help(c);
	case 'V':
		(void)printf("%s %s\n", c->program, LSPP_VERSION);
		exit(cli_finish(c));
	default: assert(!"an option in the table that is not taken");
	}
}

static const char *
variable(const char *name)
{
	const char *v = getenv(name);

	return v != NULL && *v != '\0' ? v : NULL;
}

/* Where the state is when nobody says; NULL if that cannot be told. */
static const char *
state_default(struct cli *c)
{
	const char *v;
	int n;

	if ((v = variable("LSPP_STATE")) != NULL ||
	    (v = variable("LSPP_STATE_DIR")) != NULL)
		return v;
	/* systemd: several directories are parted by colons. */
	if ((v = variable("STATE_DIRECTORY")) != NULL)
		n = snprintf(c->state_default, sizeof(c->state_default), "%.*s",
		    (int)strcspn(v, ":"), v);
	else if (geteuid() == 0)
		return "/var/lib/lspp";
	else if ((v = variable("XDG_STATE_HOME")) != NULL && v[0] == '/')
		n = snprintf(
		    c->state_default, sizeof(c->state_default), "%s/lspp", v);
	else if ((v = variable("HOME")) != NULL)
		n = snprintf(c->state_default, sizeof(c->state_default),
		    "%s/.local/state/lspp", v);
	else
		return NULL;
	return n > 0 && (size_t)n < sizeof(c->state_default) ? c->state_default
							     : NULL;
}

static int
open_report(struct cli *c, const char *file)
{
	struct err e;
	int fd;

	if (file == NULL)
		return -1;
	umask(c->umask);
	fd = open(
	    file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
	umask(c->umask | 077);
	if (fd == -1) {
		err_sys(&e, "cannot open report");
		cli_say(c, file, e.msg, "");
		exit(cli_write_metrics(
		    c, e.class == ERR_DENIED ? ERR_DENIED : ERR_IO));
	}
	return fd;
}

static void
settle(struct cli *c)
{
	struct err e;

	cli_check_metrics(c);
	if (c->config != NULL && (c->replica != NULL || c->base != NULL))
		cli_usage(c, "-c says where each database goes: no %s with it",
		    c->replica != NULL ? "-r" : "-C");
	if (c->replica == NULL && c->config == NULL &&
	    strchr(c->shared, 'r') != NULL)
		c->replica = variable("LSPP_REPLICA");
	if (c->base == NULL && c->config == NULL &&
	    strchr(c->shared, 'C') != NULL)
		c->base = variable("LSPP_BASE");
	if (c->state == NULL && strchr(c->shared, 's') != NULL &&
	    (c->state = state_default(c)) == NULL) {
		err_set(&e, ERR_CONFIG, "no state directory: no HOME is set");
		err_hint(&e, "use -s DIR or LSPP_STATE");
		exit(cli_fatal(c, &e));
	}
	if (c->errors_fd == -1)
		c->errors_fd = open_report(c, c->errors);
	if (c->failed_fd == -1)
		c->failed_fd = open_report(c, c->failures);
	cli_progress_begin(c);
}

int
cli_option(struct cli *c, const char **arg)
{
	const struct cli_opt *t;
	int o;

	for (;;) {
		o = getopt_long(c->argc, c->argv, c->shorts, c->longs, NULL);
		if (o == -1) {
			settle(c);
			return -1;
		}
		if (o >= CLI_HELP_MORE && o < CLI_HELP_MORE + (int)c->n_more)
			cli_help_more(c, c->more[o - CLI_HELP_MORE]);
		if (o == '?' || o == ':' || (t = find(c, o)) == NULL)
			refuse(c, o);
		if (is_own(c, t)) {
			*arg = optarg;
			return t->value;
		}
		optopt = o;
		if (!cli_takes(c, t))
			refuse(c, o);
		take(c, t);
	}
}

/* Some have a letter, too, and their dashes. */
static const char *
dashes(const char *opt)
{
	return *opt == '-' ? "" : "--";
}

uint64_t
cli_number(
    struct cli *c, const char *opt, const char *arg, uint64_t min, uint64_t max)
{
	uint64_t v;

	if (!opt_decimal(arg, strlen(arg), max, &v) || v < min)
		cli_usage(c, "%s%s: \"%s\" is not a number from %llu to %llu",
		    dashes(opt), opt, arg, (unsigned long long)min,
		    (unsigned long long)max);
	return v;
}

uint64_t
cli_duration(struct cli *c, const char *opt, const char *arg)
{
	static const char letters[] = "smhd";
	static const uint64_t seconds[] = { 1, 60, 3600, 86400 };
	size_t len = strlen(arg);
	const char *unit = len > 0 ? strchr(letters, arg[len - 1]) : NULL;
	uint64_t v;

	if (unit == NULL ||
	    !opt_decimal(arg, len - 1, INT64_MAX / seconds[unit - letters], &v))
		cli_usage(c,
		    "%s%s: \"%s\" is not a duration like 90s, 5m, 24h or 7d",
		    dashes(opt), opt, arg);
	return v * seconds[unit - letters];
}

int64_t
cli_duration_ns(struct cli *c, const char *opt, const char *arg)
{
	uint64_t s = cli_duration(c, opt, arg);

	if (s > INT32_MAX)
		cli_usage(c, "--%s: \"%s\" is too long", opt, arg);
	return (int64_t)s * 1000000000;
}
