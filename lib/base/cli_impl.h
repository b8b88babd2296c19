/*
 * cli_impl -- what the two halves of cli share: cli.c, the options and the
 * reports, and cli_say.c, the messages.  Nobody else includes this.
 */
#ifndef LSPP_BASE_CLI_IMPL_H
#define LSPP_BASE_CLI_IMPL_H

#include "lib/base/cli.h"

/*
 * "program: path: msg" on stderr, without the path if that is NULL, and a line
 * with the hint if that is not "".  One write of at most PIPE_BUF bytes, so
 * that processes side by side do not tear each other's lines, nor a hint from
 * its line.
 */
void cli_say(
    const struct cli *c, const char *path, const char *msg, const char *hint);

/* The exit status for a class. */
int cli_status_of(enum err_class class);

#endif
