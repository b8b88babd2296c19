/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli -- what every program does the same way: options, messages, signals,
 * the report files and the exit status.  Only bin/ uses this.
 *
 * A main is: cli_begin, cli_option until -1, work, return cli_finish.
 *
 *	stdout	results only, one path a line, or with --json one object
 *	stderr	"lspp-ship: PATH: message", one write(2) a line
 *
 * Room cli: what all programs do alike: options, messages, reports, progress,
 *     reading paths, the exit status.
 * Used by: bin alone.
 * Never: knows of databases.
 *
 * Why it is so:
 *
 * What is told of many is said once (cli_same.c): what two messages have in
 * common is what is left without path, object, numbers and request
 * (err_kind.h), so no part of the library has to know who else fails.  Some
 * kinds are remembered, not paths, and what is counted is told again behind a
 * minute, for a run that never ends.
 */
#ifndef LSPP_CLI_CLI_H
#define LSPP_CLI_CLI_H

#include <getopt.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/text/opt.h"
#include "lib/text/shard.h"

#define CLI_MORE    2  /* further tables */
#define CLI_OPTIONS 80 /* shared ones and a program's own together */

struct cli_same;
struct metrics;
struct progress;

/* Fill in what cli does not know: bytes, requests.  On a thread of its own. */
typedef void cli_watch_fn(void *ctx, struct progress *p);

/* Add a program's series (lib/text/metrics.h), all of them every time. */
typedef void cli_measure(void *ctx, struct metrics *m);

/*
 * The options all programs share, with their values.  A program names those
 * it takes in 'shorts' (see cli_begin); any other is refused by name.
 */
struct cli {
	const char *program; /* "lspp-ship" */
	const char *replica; /* -r, else $LSPP_REPLICA, else NULL */
	const char *base;    /* -C, else $LSPP_BASE, else NULL */
	const char *state;   /* -s, else $LSPP_STATE, $LSPP_STATE_DIR,
				$STATE_DIRECTORY, $XDG_STATE_HOME/lspp, ... */
	const char *config;  /* -c, else NULL; then there is no -r and no -C */
	unsigned jobs;      /* -j; 8 but for who says else before the options */
	int end;            /* '\n', or '\0' with -0 */
	bool dry_run;       /* -n */
	bool quiet;         /* -q */
	bool verbose;       /* -v */
	bool json;          /* --json */
	struct shard shard; /* --shard; { 0 }: all */
	int errors_fd;      /* -e FILE, or -1 */
	int failed_fd;      /* --failed FILE, or -1 */
	/* counts for the exit status */
	atomic_ulong failed;
	atomic_ulong passed;
	enum err_class first; /* class of the first failure */
	bool mixed;           /* failures of more than one class */

	/* The rest is cli's own. */
	int argc;
	char **argv;
	const char *shared, *usage, *summary, *examples;
	const struct cli_opt *own, *more[CLI_MORE];
	unsigned n_more;
	const char *errors, *failures; /* -e, --failed */
	mode_t umask;                  /* the caller's */
	int report_errnum;             /* of the first failed report write */
	struct buf object;
	const char *metrics, *metrics_file; /* the latter once it is sound */
	cli_measure *measure;
	void *measure_ctx;
	int least; /* the exit status is at least this */
	bool measured;
	int64_t started_ms;
	bool progress; /* --progress */
	bool watching; /* the thread for it runs */
	enum cli_how { CLI_ASKED, CLI_LINES, CLI_DRAWN } how;
	cli_watch_fn *watch;
	void *watch_ctx;
	atomic_ullong total;
	struct cli_same *same; /* what was said; n_same of them */
	size_t n_same;
	bool hinted;                  /* where all failures are to be had */
	char help_more[CLI_MORE][16]; /* "help-s3" */
	char state_default[4096];
	char shorts[2 * CLI_OPTIONS + 2];
	struct option longs[CLI_OPTIONS + 1];
};

/*
 * Set up c: program name; descriptors 0 to 2 open, so that no database is ever
 * one of them; umask 077, because what we make are copies of private data (the
 * report files go by the caller's own umask); SIGPIPE as it was; handlers for
 * SIGINT, SIGTERM and SIGHUP (see lib/sys/stop.h).
 *
 * shared lists the short letters of the shared options that this program
 * takes, e.g. "rCsj0neqv" (-h and -V are always there, --failed goes with e).
 * own is an array ended by { 0 }; usage is the operand part of the synopsis;
 * both must outlive c.
 */
void cli_begin(struct cli *c, int argc, char **argv, const char *shared,
    const struct cli_opt *own, const char *usage, const char *summary);

/*
 * Between cli_begin and cli_option, up to CLI_MORE times: a further table of
 * options, for what the program uses.  They have a help of their own, --help-s3
 * if title is "s3".
 */
void cli_more(struct cli *c, const struct cli_opt *more, const char *title);

/*
 * Before cli_option: lines at the end of --help, two spaces and a command each,
 * as the manual has them (tests/manual.bats looks).
 */
void cli_examples(struct cli *c, const char *lines);

/*
 * Before cli_option: what goes to the file of --metrics beside what cli knows.
 * Called once, at the end, however early that is; not after a usage error.
 */
void cli_measured(struct cli *c, cli_measure *fn, void *ctx);

/* Leave the file of --metrics alone: this is no run of the usual kind. */
void cli_unmeasured(struct cli *c);

/*
 * fn tells about progress (lib/text/progress.h) from now on, until it is
 * replaced or NULL: what it looks at must live so long.
 */
void cli_watch(struct cli *c, cli_watch_fn *fn, void *ctx);

/*
 * Put question to the operator, on standard error, and read standard input: was
 * the answer yes?  No line of progress is drawn meanwhile.
 */
bool cli_ask(struct cli *c, const char *question);

/* How many paths there will be; 0: not known. */
void cli_total(struct cli *c, uint64_t n);

/*
 * Handle shared options; return the value of an own option with *arg set to
 * its argument (or NULL), or -1 at the end, when optind is the first operand,
 * the defaults are filled in and the report files are open.  Wrong use ends the
 * program with status 2, --help and --version with 0, a report file that does
 * not open with 74 or 77.
 */
int cli_option(struct cli *c, const char **arg);

/* A number within limits from an option's argument, or exit 2. */
uint64_t cli_number(struct cli *c, const char *opt, const char *arg,
    uint64_t min, uint64_t max);
/* A duration in seconds ("90s", "5m", "24h", "7d"; a unit is needed). */
uint64_t cli_duration(struct cli *c, const char *opt, const char *arg);
/* Likewise of a long option, in nanoseconds; at most 68 years. */
int64_t cli_duration_ns(struct cli *c, const char *opt, const char *arg);

/* Two lines on stderr, exit 2. */
void cli_usage(struct cli *c, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

/* Likewise with the hint of e, which is of class ERR_USAGE. */
void cli_misused(struct cli *c, const struct err *e) __attribute__((noreturn));

/* The run cannot go on (no state, no replica): print, write the metrics, return
 * the status for main to return. */
int cli_fatal(struct cli *c, const struct err *e);

/* All paths may be well, and yet the run is not: print; the exit status will
 * not be 0. */
void cli_complain(struct cli *c, const struct err *e);

/*
 * path failed: one line on stderr, a record in the report files, counted.
 * attempts is how often it was tried; path is NULL for a failure that belongs
 * to none.  Like all below, for one thread only.
 *
 * What says the same of another path as was said before (lib/text/err_kind.h)
 * is counted instead, and its hint is not repeated: a server that dies is one
 * line and a count.  With -v all are said.
 */
void cli_fail(
    struct cli *c, const char *path, const struct err *e, unsigned attempts);
/* As cli_fail() without the line; which cli_tell() is, of a path or, with NULL,
 * of many of one cause. */
void cli_fail_silently(
    struct cli *c, const char *path, const struct err *e, unsigned attempts);
void cli_tell(const struct cli *c, const char *path, const struct err *e);
/* Not a failure: a line on stderr unless -q. */
void cli_warn(struct cli *c, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* With -v only. */
void cli_note(struct cli *c, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void cli_pass(struct cli *c); /* one path is done */
/*
 * One is done, but less came of it than once was there; why, also with -q, and
 * as a record with status 3, which the run ends with if nothing failed.
 */
void cli_earlier(struct cli *c, const char *path, const char *why);

/*
 * A result on stdout, buffered (see lib/cli/lines.h): the path, or with --json
 * an object with the path alone.  A program that has more to tell asks c->json,
 * adds its members to what cli_object() returns, the same ones every time, and
 * calls cli_put_object().
 */
void cli_put(struct cli *c, const char *path);
struct buf *cli_object(struct cli *c, const char *path);
void cli_put_object(struct cli *c);

/* For a library part that wants to tell something; cli is a struct cli.  One
 * write each, so any thread may call them. */
void cli_on_warn(void *cli, const char *text);
void cli_on_debug(void *cli, const char *text);

/*
 * Flush and close stdout (a failure there is a failure of the run, 74), then
 * the exit status: 0 all done; 3 some to less than there once was; the class
 * all failures share if nothing passed; else 1.  After a signal: restores the
 * default action and raises it, so that the caller sees the truth.  Return it
 * from main.
 */
int cli_finish(struct cli *c);

#endif
