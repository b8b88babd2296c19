/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_impl -- what the files of config share: config.c, the structure;
 * config_node.c, YAML to values; config_replica.c, what a replica means;
 * config_name.c, paths and names.  Nobody else includes this.
 */
#ifndef LSPP_CONFIG_CONFIG_IMPL_H
#define LSPP_CONFIG_CONFIG_IMPL_H

#include <yaml.h>

#include "lib/base/err.h"
#include "lib/config/config.h"

/* The value of a key.  { 0 }: none, or null. */
struct value {
	const char *s; /* of a scalar */
	yaml_node_t *node;
	unsigned line;
};

enum key_kind {
	KEY_TEXT,
	KEY_BOOL,
	KEY_TIME, /* a duration of Go's */
	KEY_SIZE,
	KEY_NODE,  /* a mapping or a sequence, for the caller */
	KEY_FINE,  /* what it asks is so anyway */
	KEY_NOTED, /* has no effect here: a warning with note */
	KEY_LTX,   /* likewise, but that it is of a file of Litestream 0.5 */
};

/* A table of them ends with { 0 }.  at: of a struct value in what is filled. */
struct key {
	const char *name;
	enum key_kind kind;
	size_t at;
	const char *note;
};

/* The keys that a replica may have, and the file for all replicas. */
struct settings {
	struct value key_id, secret, region, bucket, endpoint, path_style,
	    insecure, storage_class, part_size, sse_c_key, sse_c_file, sse_kms,
	    age;
};

struct replica_values {
	struct settings s;
	struct value type, path, url, snapshot;
};

struct parse {
	struct config *c;
	const struct config_env *env;
	yaml_document_t doc;
	struct settings all;   /* of the top level */
	struct value snapshot; /* snapshot.interval of the top level */
	unsigned pairs;        /* that were looked at */
	char **kept;           /* texts that values refer to */
	size_t n_kept;
	struct err *e;
};

extern const struct key settings_keys[];

/* -1 with "line N: ...". */
int config_fail(struct parse *p, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* One for each text. */
void config_warn(struct parse *p, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

unsigned node_line(const yaml_node_t *n);
/*
 * Read the mapping node into the values of base, as the tables say (either may
 * be NULL).  what: of what, for messages.
 */
int node_fill(struct parse *p, yaml_node_t *node, const char *what,
    const struct key *keys, const struct key *more, void *base);

/* For values whose kind node_fill() has checked. */
bool value_true(const struct value *v);
int64_t value_seconds(const struct value *v);
uint64_t value_size(const struct value *v);

/* A replica of the database d, from its values; snapshot: of the database. */
int config_replica(struct parse *p, const struct config_db *d,
    struct replica_values *v, const struct value *snapshot,
    struct config_replica *out);

void config_root_release(struct config_root *r);

/* As Go's path.Clean, "" for ".". */
char *config_clean(const char *path);

/* A path as Litestream takes it: "~", relative, "sqlite://"; made absolute. */
char *config_expand(struct parse *p, const struct value *v);

/*
 * Append what filepath.Match() of Go means by pattern as a pattern of ours.
 * false: malformed.
 */
bool config_go_pattern(const char *pattern, struct buf *out);

/* Are all variables of a template known?  NULL, or the first that is not. */
const char *config_unknown_variable(const char *template);

#endif
