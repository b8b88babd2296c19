/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_replica -- what the programs that work with replicas do alike: where
 * these are is said by -r URL or by -c FILE.
 */
#ifndef LSPP_CLI_CLI_REPLICA_H
#define LSPP_CLI_CLI_REPLICA_H

#include "lib/choose/choose_config.h"
#include "lib/cli/cli.h"
#include "lib/cli/lines.h"
#include "lib/config/config_file.h"
#include "lib/store/conf.h"
#include "lib/store/store.h"
#include "lib/sys/file.h"
#include "lib/text/progress.h"

/*
 * --whoami: prints who we are for the server, of each root, instead of all
 * work.  Closes f, which is open with -c, and returns the exit status.
 */
int cli_whoami(
    struct cli *c, struct config_file *f, const struct store_conf *conf);

/* Of a program that speaks to no server: refuse it. */
void cli_no_whoami(struct cli *c, const struct store_conf *conf);

/*
 * Behind the options, of a program that has -r, -c and --whoami: what the store
 * says is told by c, *f is open with -c, *base is what keys are below.  With
 * --whoami that is printed, and the program ends.
 */
int cli_prepare(struct cli *c, struct config_file *f, struct store_conf *conf,
    struct buf *base, struct err *e);

/* Choose what each operand means, until one says that this is enough: by_file is
 * NULL without -c. */
void cli_choose(
    struct lines *in, struct config_chooser *by_file, struct chooser *h);

/* file_fit() for c->jobs workers and *jobs jobs, with what the roots of -c hold
 * added to n. */
int cli_fit(struct cli *c, const struct config_file *f, struct file_needs n,
    size_t *jobs, struct err *e);

/* The requests until now, to *x: of the roots of by_file, or where it is NULL of
 * store; none if that is, too. */
void cli_requests(
    struct config_chooser *by_file, struct store *store, struct store_stats *x);

/* The same for a line of progress. */
void cli_requests_progress(
    struct config_chooser *by_file, struct store *store, struct progress *p);

#endif
