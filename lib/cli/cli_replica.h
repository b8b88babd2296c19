/*
 * cli_replica -- what the programs that work with replicas do alike: where
 * these are is said by -r URL or by -c FILE.
 */
#ifndef LSPP_CLI_CLI_REPLICA_H
#define LSPP_CLI_CLI_REPLICA_H

#include "lib/cli/cli.h"
#include "lib/config/config_file.h"
#include "lib/store/conf.h"
#include "lib/sys/file.h"

/*
 * --whoami: prints who we are for the server, of each root, instead of all
 * work.  Closes f, which is open with -c, and returns the exit status.
 */
int cli_whoami(
    struct cli *c, struct config_file *f, const struct store_conf *conf);

/* file_fit() for c->jobs workers and *jobs jobs, with what the roots of -c hold
 * added to n. */
int cli_fit(struct cli *c, const struct config_file *f, struct file_needs n,
    size_t *jobs, struct err *e);

#endif
