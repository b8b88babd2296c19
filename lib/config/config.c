/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/config/config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/config/config_impl.h"
#include "lib/text/glob.h"

/* Why keys of a daemon have no effect on short runs from cron. */
#define CRON   "it is cron that decides how often lspp runs"
#define DAEMON "there is no daemon"
#define PRUNE  "lspp-ship deletes nothing"
#define SOURCE "lspp writes nothing to a database and checkpoints none"
#define OTHER  "it belongs to another kind of storage"
#define LTX    "it is about the files of Litestream 0.5"

#define AT(field) offsetof(struct settings, field)

const struct key settings_keys[] = {
	{ "access-key-id", KEY_TEXT, AT(key_id), NULL },
	{ "secret-access-key", KEY_TEXT, AT(secret), NULL },
	{ "region", KEY_TEXT, AT(region), NULL },
	{ "bucket", KEY_TEXT, AT(bucket), NULL },
	{ "endpoint", KEY_TEXT, AT(endpoint), NULL },
	{ "force-path-style", KEY_BOOL, AT(path_style), NULL },
	{ "skip-verify", KEY_BOOL, AT(insecure), NULL },
	{ "storage-class", KEY_TEXT, AT(storage_class), NULL },
	{ "part-size", KEY_SIZE, AT(part_size), NULL },
	{ "sse-customer-algorithm", KEY_FINE, 0, NULL },
	{ "sse-customer-key", KEY_TEXT, AT(sse_c_key), NULL },
	{ "sse-customer-key-path", KEY_TEXT, AT(sse_c_file), NULL },
	{ "sse-kms-key-id", KEY_TEXT, AT(sse_kms), NULL },
	{ "age", KEY_NODE, AT(age), NULL },
	{ "sync-interval", KEY_NOTED, 0, CRON },
	{ "validation-interval", KEY_NOTED, 0, CRON },
	{ "max-sync-ltx-files", KEY_LTX, 0, LTX },
	{ "auto-recover", KEY_LTX, 0, LTX },
	{ "concurrency", KEY_NOTED, 0, "-j is for that" },
	{ "sign-payload", KEY_NOTED, 0, "lspp always signs what it sends" },
	{ "sign-accept-encoding", KEY_NOTED, 0, "lspp sends no such header" },
	{ "require-content-md5", KEY_NOTED, 0, "lspp sends it as needed" },
	{ "put-object-content-md5", KEY_NOTED, 0, "lspp always sends it" },
	/* Keys that only refused types of replicas have. */
	{ "account-name", KEY_FINE, 0, NULL },
	{ "account-key", KEY_FINE, 0, NULL },
	{ "sas-token", KEY_FINE, 0, NULL },
	{ "host", KEY_FINE, 0, NULL },
	{ "user", KEY_FINE, 0, NULL },
	{ "password", KEY_FINE, 0, NULL },
	{ "key-path", KEY_FINE, 0, NULL },
	{ "host-key", KEY_FINE, 0, NULL },
	{ "concurrent-writes", KEY_NOTED, 0, OTHER },
	{ "webdav-url", KEY_FINE, 0, NULL },
	{ "webdav-username", KEY_FINE, 0, NULL },
	{ "webdav-password", KEY_FINE, 0, NULL },
	{ "jwt", KEY_FINE, 0, NULL },
	{ "seed", KEY_FINE, 0, NULL },
	{ "creds", KEY_FINE, 0, NULL },
	{ "nkey", KEY_FINE, 0, NULL },
	{ "username", KEY_FINE, 0, NULL },
	{ "token", KEY_FINE, 0, NULL },
	{ "tls", KEY_NOTED, 0, OTHER },
	{ "root-cas", KEY_NOTED, 0, OTHER },
	{ "client-cert", KEY_NOTED, 0, OTHER },
	{ "client-key", KEY_NOTED, 0, OTHER },
	{ "max-reconnects", KEY_NOTED, 0, OTHER },
	{ "reconnect-wait", KEY_NOTED, 0, OTHER },
	{ "timeout", KEY_NOTED, 0, OTHER },
	{ 0 },
};
#undef AT

#define AT(field) offsetof(struct replica_values, field)
static const struct key replica_keys[] = {
	{ "type", KEY_TEXT, AT(type), NULL },
	{ "path", KEY_TEXT, AT(path), NULL },
	{ "url", KEY_TEXT, AT(url), NULL },
	{ "name", KEY_FINE, 0, NULL },
	{ "snapshot-interval", KEY_TIME, AT(snapshot), NULL },
	{ "retention", KEY_NOTED, 0, PRUNE },
	{ "retention-check-interval", KEY_NOTED, 0, PRUNE },
	{ 0 },
};
#undef AT

struct top_values {
	struct settings s;
	struct value dbs, multi, snapshot;
};

#define AT(field) offsetof(struct top_values, field)
static const struct key top_keys[] = {
	{ "dbs", KEY_NODE, AT(dbs), NULL },
	{ "multi-db", KEY_NODE, AT(multi), NULL },
	{ "snapshot", KEY_NODE, AT(snapshot), NULL },
	{ "addr", KEY_NOTED, 0, DAEMON },
	{ "mcp-addr", KEY_NOTED, 0, DAEMON },
	{ "socket", KEY_NOTED, 0, DAEMON },
	{ "exec", KEY_NOTED, 0, "lspp starts no program" },
	{ "logging", KEY_NOTED, 0, "lspp tells what is wrong on stderr" },
	{ "levels", KEY_LTX, 0, LTX },
	{ "l0-retention", KEY_LTX, 0, LTX },
	{ "l0-retention-check-interval", KEY_LTX, 0, LTX },
	{ "verify-compaction", KEY_LTX, 0, LTX },
	{ "validation", KEY_LTX, 0, LTX },
	{ "retention", KEY_NOTED, 0, PRUNE },
	{ "heartbeat-url", KEY_NOTED, 0, "lspp calls nobody" },
	{ "heartbeat-interval", KEY_NOTED, 0, "lspp calls nobody" },
	{ "shutdown-timeout", KEY_NOTED, 0, DAEMON },
	{ "shutdown-sync-timeout", KEY_NOTED, 0, DAEMON },
	{ "shutdown-sync-interval", KEY_NOTED, 0, DAEMON },
	{ 0 },
};
#undef AT

struct db_values {
	struct value path, dir, pattern, recursive, snapshot, replica, replicas;
};

#define AT(field) offsetof(struct db_values, field)
static const struct key db_keys[] = {
	{ "path", KEY_TEXT, AT(path), NULL },
	{ "dir", KEY_TEXT, AT(dir), NULL },
	{ "pattern", KEY_TEXT, AT(pattern), NULL },
	{ "recursive", KEY_BOOL, AT(recursive), NULL },
	{ "snapshot", KEY_NODE, AT(snapshot), NULL },
	{ "replica", KEY_NODE, AT(replica), NULL },
	{ "replicas", KEY_NODE, AT(replicas), NULL },
	{ "watch", KEY_FINE, 0, NULL }, /* every run looks anew */
	{ "meta-path", KEY_NOTED, 0, "the state directory is -s" },
	{ "meta-dir", KEY_NOTED, 0, "the state directory is -s" },
	{ "monitor-interval", KEY_NOTED, 0, CRON },
	{ "checkpoint-interval", KEY_NOTED, 0, SOURCE },
	{ "busy-timeout", KEY_NOTED, 0, "--max-hold is for that" },
	{ "min-checkpoint-page-count", KEY_NOTED, 0, SOURCE },
	{ "max-checkpoint-page-count", KEY_NOTED, 0, SOURCE },
	{ "truncate-page-n", KEY_NOTED, 0, SOURCE },
	{ "max-sync-wal-bytes", KEY_NOTED, 0, "a ship sends all there is" },
	{ "restore-if-db-not-exists", KEY_NOTED, 0,
	    "lspp-restore --if-not-exists does that" },
	{ 0 },
};
#undef AT

struct multi_values {
	struct value enabled, patterns, template;
};

#define AT(field) offsetof(struct multi_values, field)
static const struct key multi_keys[] = {
	{ "enabled", KEY_BOOL, AT(enabled), NULL },
	{ "patterns", KEY_NODE, AT(patterns), NULL },
	{ "replica-template", KEY_NODE, AT(template), NULL },
	{ "max-hot-databases", KEY_NOTED, 0, DAEMON },
	{ "scan-interval", KEY_NOTED, 0, CRON },
	{ "cold-sync-interval", KEY_NOTED, 0, CRON },
	{ "cold-sync-mode", KEY_NOTED, 0, "cold and hot are shipped alike" },
	{ "hot-promotion", KEY_NOTED, 0, "lspp-hot looks at what changed" },
	{ 0 },
};
#undef AT

static const struct key snapshot_keys[] = {
	{ "interval", KEY_TIME, 0, NULL },
	{ "retention", KEY_NOTED, 0, PRUNE },
	{ 0 },
};

static int
take_snapshot(struct parse *p, const struct value *v, struct value *interval)
{
	if (v->node == NULL)
		return 0;
	return node_fill(p, v->node, "snapshot", snapshot_keys, NULL, interval);
}

/* -- entries --------------------------------------------------------------- */

static struct config_db *
add_db(struct config *c, enum config_kind kind, unsigned line)
{
	if ((c->n & (c->n + 1)) == 0)
		c->db = xrealloc(c->db, (2 * c->n + 2) * sizeof(*c->db));
	c->db[c->n] = (struct config_db){ .kind = kind, .line = line };
	return &c->db[c->n++];
}

static int
add_replica(struct parse *p, struct config_db *d, yaml_node_t *node,
    const struct value *snapshot)
{
	struct replica_values v = { 0 };

	d->replica = xrealloc(d->replica, (d->n + 1) * sizeof(*d->replica));
	d->replica[d->n++] = (struct config_replica){ 0 };
	if (node_fill(p, node, "a replica", settings_keys, replica_keys, &v) ==
	    -1)
		return -1;
	if (v.type.line == 0)
		v.type.line = node_line(node);
	return config_replica(p, d, &v, snapshot, &d->replica[d->n - 1]);
}

static int
add_replicas(struct parse *p, struct config_db *d, const struct db_values *v,
    const struct value *snapshot)
{
	yaml_node_t *node = v->replicas.node;
	yaml_node_item_t *item;

	if (v->replica.node != NULL && node != NULL)
		return config_fail(p, v->replicas.line,
		    "a database has a replica or replicas, not both");
	/* Litestream 0.3 knows replicas alone. */
	p->c->ltx |= v->replica.node != NULL;
	if (v->replica.node != NULL)
		return add_replica(p, d, v->replica.node, snapshot);
	if (node != NULL && node->type != YAML_SEQUENCE_NODE)
		return config_fail(
		    p, v->replicas.line, "replicas: a list is expected");
	for (item = node == NULL ? NULL : node->data.sequence.items.start;
	     item != NULL && item < node->data.sequence.items.top; item++)
		if (add_replica(p, d, yaml_document_get_node(&p->doc, *item),
			snapshot) == -1)
			return -1;
	if (d->n == 0)
		return config_fail(p, d->line, "a database without a replica");
	return 0;
}

/* The pattern for names in the directory, or in all directories below it. */
static int
make_glob(struct parse *p, struct config_db *d, const struct db_values *v)
{
	struct buf b = { 0 };
	int rc = 0;

	if (v->pattern.s == NULL)
		return config_fail(p, d->line, "dir needs a pattern");
	if (strchr(v->pattern.s, '/') != NULL)
		return config_fail(p, v->pattern.line,
		    "pattern: it is for names of files and has no slash");
	glob_literal(strcmp(d->path, "/") == 0 ? "" : d->path, &b);
	buf_adds(&b, value_true(&v->recursive) ? "/**/" : "/");
	if (config_go_pattern(v->pattern.s, &b))
		d->glob = xstrdup(buf_str(&b));
	else
		rc = config_fail(p, v->pattern.line,
		    "pattern: \"%s\" is malformed", v->pattern.s);
	buf_release(&b);
	return rc;
}

static int
take_db(struct parse *p, yaml_node_t *node)
{
	struct value interval = { 0 };
	struct db_values v = { 0 };
	struct config_db *d;
	bool dir;

	if (node_fill(p, node, "dbs", db_keys, NULL, &v) == -1)
		return -1;
	dir = v.dir.s != NULL;
	if (dir == (v.path.s != NULL))
		return config_fail(p, node_line(node),
		    dir ? "a database has a path or a dir, not both"
			: "a database needs a path, or a dir");
	d = add_db(p->c, dir ? CONFIG_DIR : CONFIG_PATH,
	    dir ? v.dir.line : v.path.line);
	if ((d->path = config_expand(p, dir ? &v.dir : &v.path)) == NULL ||
	    (dir && make_glob(p, d, &v) == -1) ||
	    take_snapshot(p, &v.snapshot, &interval) == -1)
		return -1;
	return add_replicas(p, d, &v, &interval);
}

static int
take_dbs(struct parse *p, yaml_node_t *node)
{
	yaml_node_item_t *item;

	if (node == NULL)
		return 0;
	if (node->type != YAML_SEQUENCE_NODE)
		return config_fail(
		    p, node_line(node), "dbs: a list is expected");
	for (item = node->data.sequence.items.start;
	     item < node->data.sequence.items.top; item++)
		if (take_db(p, yaml_document_get_node(&p->doc, *item)) == -1)
			return -1;
	return 0;
}

static int
take_pattern(struct parse *p, yaml_node_t *node, yaml_node_t *template)
{
	const struct value none = { 0 };
	struct value v = { .line = node_line(node) };
	struct buf b = { 0 };
	struct config_db *d;
	int rc = -1;

	if (node->type != YAML_SCALAR_NODE || node->data.scalar.length == 0 ||
	    strlen((char *)node->data.scalar.value) != node->data.scalar.length)
		return config_fail(p, v.line, "patterns: a text is expected");
	v.s = (const char *)node->data.scalar.value;
	d = add_db(p->c, CONFIG_MULTI, v.line);
	if ((d->path = config_expand(p, &v)) == NULL)
		goto out;
	if (!config_go_pattern(d->path, &b)) {
		config_fail(p, v.line, "patterns: \"%s\" is malformed", v.s);
		goto out;
	}
	d->glob = xstrdup(buf_str(&b));
	rc = add_replica(p, d, template, &none);
out:
	buf_release(&b);
	return rc;
}

static int
take_multi(struct parse *p, const struct value *multi)
{
	struct multi_values v = { 0 };
	yaml_node_item_t *item;

	if (multi->node == NULL)
		return 0;
	if (node_fill(p, multi->node, "multi-db", multi_keys, NULL, &v) == -1)
		return -1;
	if (!value_true(&v.enabled)) {
		config_warn(p, multi->line,
		    "multi-db is not enabled: its databases are left out");
		return 0;
	}
	if (v.patterns.node == NULL || v.template.node == NULL ||
	    v.patterns.node->type != YAML_SEQUENCE_NODE)
		return config_fail(p, multi->line,
		    "multi-db needs a list of patterns and a replica-template");
	for (item = v.patterns.node->data.sequence.items.start;
	     item < v.patterns.node->data.sequence.items.top; item++)
		if (take_pattern(p, yaml_document_get_node(&p->doc, *item),
			v.template.node) == -1)
			return -1;
	return 0;
}

/* -- the whole ------------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
	const struct config_db *x = *(const struct config_db *const *)a;
	const struct config_db *y = *(const struct config_db *const *)b;
	int rc = strcmp(x->path, y->path);

	return rc != 0 ? rc : (x->line > y->line) - (x->line < y->line);
}

/* Sort those with a path; none may be there twice. */
static int
sort_paths(struct parse *p)
{
	struct config *c = p->c;
	const struct config_db **v;

	c->by_path = v = xcalloc(c->n + 1, sizeof(*v));
	for (size_t i = 0; i < c->n; i++)
		if (c->db[i].kind == CONFIG_PATH)
			v[c->n_paths++] = &c->db[i];
	qsort(v, c->n_paths, sizeof(*v), compare);
	for (size_t i = 1; i < c->n_paths; i++)
		if (strcmp(v[i]->path, v[i - 1]->path) == 0)
			return config_fail(p, v[i]->line,
			    "path: %s is there already, in line %u", v[i]->path,
			    v[i - 1]->line);
	return 0;
}

static int
take_document(struct parse *p)
{
	yaml_node_t *root = yaml_document_get_root_node(&p->doc);
	struct top_values v = { 0 };

	if (root == NULL) /* an empty file */
		return config_fail(p, 1, "no databases");
	if (node_fill(p, root, "the file", settings_keys, top_keys, &v) == -1)
		return -1;
	p->all = v.s;
	/* Of the whole file, only Litestream 0.5 has it; litestreampp, too. */
	p->c->ltx |= v.snapshot.node != NULL && v.multi.node == NULL;
	if (take_snapshot(p, &v.snapshot, &p->snapshot) == -1 ||
	    take_dbs(p, v.dbs.node) == -1 || take_multi(p, &v.multi) == -1)
		return -1;
	if (p->c->n == 0)
		return config_fail(p, node_line(root), "no databases");
	return sort_paths(p);
}

static int
load(struct parse *p, const struct buf *text)
{
	yaml_parser_t y;
	int rc = -1;

	if (!yaml_parser_initialize(&y))
		return err_set(p->e, ERR_OS, "out of memory");
	yaml_parser_set_input_string(
	    &y, (const unsigned char *)buf_str(text), text->len);
	if (yaml_parser_load(&y, &p->doc)) {
		rc = take_document(p);
		yaml_document_delete(&p->doc);
	} else {
		config_fail(p, (unsigned)y.problem_mark.line + 1, "%s%s%s",
		    y.context != NULL ? y.context : "",
		    y.context != NULL ? ": " : "",
		    y.problem != NULL ? y.problem : "no YAML");
	}
	yaml_parser_delete(&y);
	return rc;
}

/* -- variables of the environment ------------------------------------------ */

/* The length of the name at s, as a shell has it, behind '$'; *skip: with its
 * braces. */
static const char *
variable(const char *s, size_t *len, size_t *skip)
{
	const char *end;
	size_t n = 0;

	*len = 0;
	if (*s == '{') {
		end = strchr(s, '}');
		*skip = end == NULL ? 1 : (size_t)(end - s) + 1;
		*len = end == NULL ? 0 : *skip - 2;
		return s + 1;
	}
	if (strchr("*#$@!?-0123456789", *s) != NULL && *s != '\0') {
		n = 1;
	} else {
		while (s[n] == '_' || (s[n] >= '0' && s[n] <= '9') ||
		    ((s[n] | 32) >= 'a' && (s[n] | 32) <= 'z'))
			n++;
	}
	*len = *skip = n;
	return s;
}

/* Does a comment begin before s, which is in the line that begins at line? */
static bool
is_comment(const char *line, const char *s)
{
	for (const char *p = line; p < s; p++)
		if (*p == '#' && (p == line || p[-1] == ' ' || p[-1] == '\t'))
			return true;
	return false;
}

/*
 * Of which secret is what stands at s, in the line that begins at line?  NULL:
 * of none.  A "$" in it may be no variable at all, but a part of it.  What has
 * no key in its line goes on from the line before, of whatever key.
 */
static const char *
secret_of(const char *line, const char *s)
{
	static const char *const secrets[] = { "secret-access-key",
		"sse-customer-key", "account-key", "client-key", "password",
		"token", "jwt", "seed", "creds", "nkey", "identities" };
	const char *end = s + strcspn(s, "\n"), *rest;
	size_t n;

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		n = strlen(secrets[i]);
		for (const char *p = line; p + n < s; p++)
			if (strncmp(p, secrets[i], n) == 0 &&
			    strchr(":=", p[n + strspn(p + n, "\"' ")]) != NULL)
				return secrets[i];
	}
	rest = memchr(s, '@', (size_t)(end - s));
	if (rest != NULL && memmem(line, (size_t)(s - line), ":/", 2) != NULL)
		return "a URL";
	rest = line + strspn(line, " \t");
	return *rest == '-' || memchr(line, ':', (size_t)(s - line)) != NULL
	    ? NULL
	    : "a value of several lines";
}

/* The variable called name, at s, is not set. */
static void
warn_unset(struct parse *p, unsigned number, const char *line, const char *s,
    const char *name)
{
	const char *secret = secret_of(line, s);

	if (is_comment(line, s))
		return;
	if (secret == NULL)
		config_warn(p, number,
		    "the variable %s is not set: it stands for nothing", name);
	else
		config_warn(p, number,
		    "%s: a variable in it is not set: it stands for nothing",
		    secret);
}

/* As os.ExpandEnv() of Go. */
static void
expand(struct parse *p, const char *s, struct buf *out)
{
	const char *line = s, *name, *text;
	unsigned number = 1;
	size_t len, skip;
	char *key;

	for (; *s != '\0'; s++) {
		if (*s == '\n') {
			number++;
			line = s + 1;
		}
		if (*s != '$' || s[1] == '\0') {
			buf_add(out, s, 1);
			continue;
		}
		name = variable(s + 1, &len, &skip);
		if (skip == 0) {
			buf_add(out, s, 1);
			continue;
		}
		key = xasprintf("%.*s", (int)len, name);
		text = len == 0 ? "" : p->env->get(p->env->ctx, key);
		if (text == NULL)
			warn_unset(p, number, line, s, key);
		buf_adds(out, text == NULL ? "" : text);
		free(key);
		s += skip;
	}
}

int
config_parse(struct config *c, const char *text, size_t len,
    const struct config_env *env, struct err *e)
{
	struct parse p = { .c = c, .env = env, .e = e };
	struct buf raw = { 0 }, expanded = { 0 };
	int rc;

	*c = (struct config){ 0 };
	*e = (struct err){ 0 };
	if (memchr(text, '\0', len) != NULL) {
		rc = err_set(e, ERR_CONFIG, "line 1: a NUL byte: no YAML");
	} else {
		buf_add(&raw, text, len);
		expand(&p, buf_str(&raw), &expanded);
		rc = load(&p, &expanded);
	}
	for (size_t i = 0; i < p.n_kept; i++)
		free(p.kept[i]);
	free(p.kept);
	buf_wipe(&raw);
	buf_wipe(&expanded);
	if (rc == -1)
		config_release(c);
	return rc;
}

void
config_release(struct config *c)
{
	for (size_t i = 0; i < c->n; i++) {
		for (size_t k = 0; k < c->db[i].n; k++) {
			free(c->db[i].replica[k].name);
			free(c->db[i].replica[k].refused);
		}
		free(c->db[i].replica);
		free(c->db[i].path);
		free(c->db[i].glob);
	}
	for (size_t i = 0; i < c->n_roots; i++)
		config_root_release(&c->root[i]);
	for (size_t i = 0; i < c->n_warnings; i++)
		free(c->warning[i].text);
	free(c->db);
	free(c->root);
	free(c->warning);
	free(c->by_path);
	*c = (struct config){ 0 };
}
