/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_impl -- what the parts of cli share: cli.c, the options; cli_say.c, the
 * messages, and cli_same.c, those that are said once; cli_end.c, the reports
 * and the exit status; and others.  Nobody else includes this.
 */
#ifndef LSPP_CLI_CLI_IMPL_H
#define LSPP_CLI_CLI_IMPL_H

#include "lib/cli/cli.h"

/*
 * "program: path: msg" on stderr, without the path if that is NULL, and a line
 * with the hint if that is not "".  One write of at most PIPE_BUF bytes, so
 * that processes side by side do not tear each other's lines, nor a hint from
 * its line.
 */
void cli_say(
    const struct cli *c, const char *path, const char *msg, const char *hint);

/* Is this to be said? */
enum cli_told {
	CLI_NEW,     /* with the hint */
	CLI_HINTED,  /* without it: it was said */
	CLI_COUNTED, /* no: it will be counted */
};
enum cli_told cli_told(struct cli *c, const char *path, enum err_class class,
    const char *msg, const char *hint);

/* The counts.  May be repeated. */
void cli_tell_rest(struct cli *c);

/* Milliseconds of a clock that only goes on. */
int64_t cli_now_ms(void);

/*
 * Is --metrics something that can be written?  Wrong use or a directory that
 * cannot be written ends the program.
 */
void cli_check_metrics(struct cli *c);

/*
 * Write the file of --metrics, once: a run with that exit status is over.
 * Returns status, or if that is 0 or 1 and the file cannot be written, 74.
 */
int cli_write_metrics(struct cli *c, int status);

/* Write it; and where a signal ended the run, end by that signal. */
int cli_end(struct cli *c, int status);

/* All of standard error: a line of progress is taken away first. */
void cli_write(const char *text, size_t len);

/* Before there is another thread: SIGUSR1 waits until somebody takes it. */
void cli_progress_block(void);
/* With the options known; and before the end.  The latter may be repeated. */
void cli_progress_begin(struct cli *c);
void cli_progress_end(struct cli *c);

/* Values of shared options without a letter; the further helps follow. */
enum {
	CLI_FAILED = 1,
	CLI_JSON,
	CLI_METRICS,
	CLI_PROGRESS,
	CLI_HELP_MORE,   /* and more */
	CLI_SHARD = '/', /* among the letters that a program takes */
};

/* In the order of the help. */
extern const struct cli_opt cli_shared_options[];

/* Has the program an option of its own where this shared one would be? */
bool cli_hidden(const struct cli *c, const struct cli_opt *t);
/* Does it take this shared one? */
bool cli_takes(const struct cli *c, const struct cli_opt *t);

_Noreturn void cli_help(struct cli *c);
_Noreturn void cli_help_more(struct cli *c, const struct cli_opt *more);

/* The long option that word, which is none, is like, or with exact, is but for
 * the dashes; NULL: none is. */
const char *cli_near(const struct cli *c, const char *word, bool exact);

/* The exit status for a class. */
int cli_status_of(enum err_class class);

#endif
