/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config -- a litestream.yml: which databases there are, and where each one's
 * replica is.  Bytes in, a struct out; nothing is opened or looked at.
 *
 * Understood are the keys of Litestream 0.3 and 0.5 and litestreampp's
 * multi-db.  What a file says of a daemon (intervals, addresses, logging) and
 * what nobody knows is named in a warning; what cannot be ignored without loss
 * or disclosure (age, another kind of storage) makes a replica refused: using
 * it is an error, and the others go on.
 *
 * As in Litestream variables are replaced in the text before it is parsed, so
 * a value may be any YAML; a merge ("<<") counts from where it stands; the last
 * of two equal keys wins; further documents are not read.
 *
 * In Litestream the path of a replica is where the generations of one database
 * lie.  Here that is a root, which many databases share, and a name below it:
 *
 *	path: P		root is P without its last component, which is the name
 *	dir: D		root is P; the name is the path of the database below D
 *	multi-db	root is P up to the last slash before the first "{{";
 *			the name is the rest, its variables filled in
 *
 * The name may be empty, where P is a bucket or just below "/".
 *
 * Room config: a litestream.yml: which databases there are, and where each
 *     one's replica is.
 * Used by: scan, choose, hot, ship.
 * Never: opens a database or a store.
 */
#ifndef LSPP_CONFIG_CONFIG_H
#define LSPP_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct err;

/* A place that replicas lie in.  Texts are NULL where nothing is said. */
struct config_root {
	char *url; /* "file:///DIR", "s3://BUCKET/PREFIX?endpoint=..." */
	char *key_id, *secret; /* both or none */
	char *storage_class, *sse_kms_key, *sse_c_file;
	bool insecure;      /* trust any certificate */
	uint64_t part_size; /* bytes; 0: not said */
	int64_t snapshot_s; /* seconds between snapshots; 0: not said */
	/* "NAME" of a database in this root whose "NAME/" may be written to:
	   rights may end there.  NULL: the root itself. */
	char *first;
};

struct config_replica {
	size_t root; /* index of it; of no meaning if refused */
	char *name;  /* path: all of it; dir: "" or what comes before the path,
			with its slash; multi-db: with its variables */
	char *refused; /* why it cannot be used, with the line; NULL: it can */
};

enum config_kind { CONFIG_PATH, CONFIG_DIR, CONFIG_MULTI };

/* An entry of dbs, or one of the patterns of multi-db. */
struct config_db {
	enum config_kind kind;
	char *path; /* of the database, of dir, or the pattern; absolute */
	char *glob; /* for lib/text/glob.h: what matches; NULL with path */
	struct config_replica *replica;
	size_t n; /* of replicas, at least 1 */
	unsigned line;
};

struct config_warning {
	unsigned line;
	char *text;
};

struct config {
	struct config_db *db;
	size_t n;
	struct config_root *root;
	size_t n_roots;
	struct config_warning *warning;
	size_t n_warnings;
	bool ltx; /* it is Litestream 0.5's, by what it says of LTX files or by
		     the key replica */
	/* private: entries with a path, by it */
	const struct config_db **by_path;
	size_t n_paths;
};

/* Where variables in the text come from.  get may return NULL. */
struct config_env {
	const char *(*get)(void *ctx, const char *name);
	void *ctx;
	const char *cwd, *home; /* absolute; home NULL: there is none */
};

/*
 * Parse text.  Fails with ERR_CONFIG, and the line in the message; then there
 * is nothing to release.  The result holds secrets: config_release() wipes.
 */
int config_parse(struct config *c, const char *text, size_t len,
    const struct config_env *env, struct err *e);
void config_release(struct config *c); /* takes { 0 } */

/*
 * The entry that a database belongs to, by its absolute and normal path: one
 * that names just it, else the first that matches.  NULL: none.
 */
const struct config_db *config_find(const struct config *c, const char *path);

/*
 * The name below its root of the database at path, which belongs to d, in
 * replica i: appended to name.  ERR_CONFIG if a variable has no value.
 */
int config_name(const struct config_db *d, size_t i, const char *path,
    struct buf *name, struct err *e);

/*
 * The other way: whose name is that?  Its path is appended to path.  False if
 * no database of d has it, or it cannot be told.
 */
bool config_path(
    const struct config_db *d, size_t i, const char *name, struct buf *path);

#endif
