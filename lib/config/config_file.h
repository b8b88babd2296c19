/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_file -- a litestream.yml on disk, and what its roots mean to a store.
 *
 * A program opens it once; all threads may look things up.  The keys in it
 * reach the stores of their own roots, and nothing else: no message, no state.
 *
 * Why it is so:
 *
 * config.c makes databases, roots and names of the text, and touches nothing.
 * This file adds the file, the environment and a store_conf for each root.  In
 * Litestream the path of a replica is one database.  Here many databases share
 * a root, so the path is split: its parent is the root, the rest is the name.
 * So a file with a thousand entries in one bucket opens one store, and the
 * state, whose records are by root and name, needs to know nothing of it.  To
 * ship to several roots there is one struct ship for each; they share state,
 * locks and workers (ship_join).  What is only about a root (the probe of
 * conditions on PUT) is put inside the path of the first database, since
 * rights may end there.
 */
#ifndef LSPP_CONFIG_CONFIG_FILE_H
#define LSPP_CONFIG_CONFIG_FILE_H

#include "lib/config/config.h"
#include "lib/store/conf.h"

struct err;

struct config_file {
	const char *name;
	struct config c;
	struct store_conf *store; /* of each root of c */
	/* private: the places of entries with a path, in order */
	struct config_named *named;
	size_t n_named;
};

/*
 * Read the file called name (borrowed).  base: what the options say of all
 * stores, which a root's own settings go before (borrowed texts); its warn()
 * gets the warnings, if they are to be told: in a pipe whose first program has
 * told them they are not.  ERR_CONFIG, with the line.
 */
int config_file_open(struct config_file *f, const char *name,
    const struct store_conf *base, bool warns, struct err *e);
void config_file_close(struct config_file *f); /* takes { 0 } */

/* How many descriptors the stores of all its roots hold at most (file_fit()),
 * but for what a worker has in use. */
size_t config_file_descriptors(const struct config_file *f);

/* As store_whoami(), of every root.  Appended to out. */
int config_file_whoami(
    const struct config_file *f, struct buf *out, struct err *e);

/*
 * The entry of a database by any path of it; abs gets the absolute one.
 * NULL: ERR_CONFIG, no entry has it.
 */
const struct config_db *config_file_find(const struct config_file *f,
    const char *path, struct buf *abs, struct err *e);

/* The name of the database abs of d in its replica i, in place of what name
 * held.  ERR_CONFIG also if that replica is refused. */
int config_file_name(const struct config_file *f, const struct config_db *d,
    size_t i, const char *abs, struct buf *name, struct err *e);
/* The same for who reads what is there: ERR_CONFIG also if the file gives that
 * place to another database, too; what is there may be either's. */
int config_file_own_name(const struct config_file *f, const struct config_db *d,
    size_t i, const char *abs, struct buf *name, struct err *e);

/* The first entry that gives that place to its one path; NULL: none. */
const struct config_db *config_file_named(
    const struct config_file *f, size_t root, const char *name);

#endif
