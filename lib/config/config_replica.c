/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the settings of a replica mean: where its root is, and how to speak to
 * it; or why it cannot be used.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/config/config_impl.h"

/* A URL, apart; all may be "". */
struct url {
	char scheme[16];
	char *host, *path;
	const char *query;
};

/* Where a replica is: the same for file and s3. */
struct spot {
	bool s3;
	char *host; /* of s3: a bucket, with a provider's name or without */
	char *path; /* clean; may have variables */
	struct value endpoint, region, path_style, insecure, storage_class,
	    part_size;
};

static void
replace(char **p, char *s)
{
	free(*p);
	*p = s;
}

static void
spot_release(struct spot *s)
{
	free(s->host);
	free(s->path);
}

/* -- URLs ------------------------------------------------------------------ */

static int
from_hex(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = tolower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* n bytes of s with its "%41" decoded; NULL if one is none, or a NUL. */
static char *
decode(const char *s, size_t n)
{
	char *out = xmalloc(n + 1), *to = out;
	int hi, lo;

	for (; n > 0; s++, n--) {
		if (*s != '%') {
			*to++ = *s;
			continue;
		}
		hi = n > 2 ? from_hex(s[1]) : -1;
		lo = n > 2 ? from_hex(s[2]) : -1;
		if (hi == -1 || lo == -1 || hi + lo == 0) {
			free(out);
			return NULL;
		}
		*to++ = (char)(hi << 4 | lo);
		s += 2;
		n -= 2;
	}
	*to = '\0';
	return out;
}

/* As a value in the query of a URL. */
static void
encode(const char *s, struct buf *out)
{
	for (; *s != '\0'; s++)
		if (isalnum((unsigned char)*s) || strchr("-._~:/", *s) != NULL)
			buf_add(out, s, 1);
		else
			buf_addf(out, "%%%02X", (unsigned)(unsigned char)*s);
}

static int
split_url(struct parse *p, const struct value *v, struct url *u)
{
	const char *s = strstr(v->s, "://"), *end;
	size_t n = s == NULL ? 0 : (size_t)(s - v->s);

	if (n == 0 || n >= sizeof(u->scheme))
		return config_fail(p, v->line,
		    "url: \"%s\" is not a URL like s3://bucket/path", v->s);
	for (size_t i = 0; i < n; i++)
		u->scheme[i] = (char)tolower((unsigned char)v->s[i]);
	u->scheme[n] = '\0';
	s += 3;
	u->query = s + strcspn(s, "?");
	end = s + strcspn(s, "?");
	if (*u->query == '?')
		u->query++;
	if (strchr(s, '#') != NULL)
		return config_fail(
		    p, v->line, "url: \"#\" cuts off the rest of it");
	n = strcspn(s, "/?");
	u->host = xasprintf("%.*s", (int)n, s);
	u->path = decode(s + n, (size_t)(end - s) - n);
	if (u->path == NULL)
		return config_fail(
		    p, v->line, "url: a \"%%\" that encodes nothing");
	return 0;
}

/* A setting in a query counts where the key of it is not there. */
static int
take_parameter(struct parse *p, struct spot *s, const char *name, char *text,
    unsigned line)
{
	struct {
		const char *name, *other;
		struct value *v;
	} known[] = {
		{ "endpoint", "endpoint", &s->endpoint },
		{ "region", "region", &s->region },
		{ "forcePathStyle", "force-path-style", &s->path_style },
		{ "skipVerify", "skip-verify", &s->insecure },
		{ "storageClass", "storage-class", &s->storage_class },
		{ "partSize", "part-size", &s->part_size },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(name, known[i].name) != 0 &&
		    strcmp(name, known[i].other) != 0)
			continue;
		if (known[i].v->s == NULL && *text != '\0')
			*known[i].v = (struct value){ .s = text, .line = line };
		return 0;
	}
	config_warn(p, line, "url: \"%s\" in the query is ignored", name);
	return 0;
}

/* The texts are kept with the document: they are needed for a while. */
static int
take_query(struct parse *p, struct spot *s, const char *query, unsigned line)
{
	size_t n, eq;
	char *name, *text;
	int rc = 0;

	for (; *query != '\0' && rc == 0; query += n + (query[n] == '&')) {
		n = strcspn(query, "&");
		eq = strcspn(query, "=&");
		name = decode(query, eq);
		text =
		    eq < n ? decode(query + eq + 1, n - eq - 1) : xstrdup("");
		if (name == NULL || text == NULL)
			rc = config_fail(
			    p, line, "url: a \"%%\" that encodes nothing");
		else
			rc = take_parameter(p, s, name, text, line);
		free(name);
		p->kept = xrealloc(p->kept, (p->n_kept + 1) * sizeof(*p->kept));
		p->kept[p->n_kept++] = text;
	}
	return rc;
}

/* -- where it is ----------------------------------------------------------- */

static int
find_file(struct parse *p, const struct replica_values *v, struct url *u,
    struct spot *s)
{
	const struct value path = { .s = u->path, .line = v->url.line };

	if (v->url.s == NULL && v->path.s == NULL)
		return config_fail(
		    p, v->type.line, "a replica needs a path or a url");
	if (v->url.s != NULL &&
	    (*u->host != '\0' || *u->path != '/' || strchr(v->url.s, '%')))
		return config_fail(p, v->url.line,
		    "url: \"%s\": a file URL is file:///DIR, without \"%%\"; "
		    "use path",
		    v->url.s);
	s->path = config_expand(p, v->url.s != NULL ? &path : &v->path);
	return s->path == NULL ? -1 : 0;
}

static int
find_s3(struct parse *p, const struct replica_values *v, struct url *u,
    struct spot *s)
{
	const char *bucket = v->s.bucket.s;

	s->s3 = true;
	if (v->url.s != NULL) {
		s->host = xstrdup(u->host);
		replace(&s->path, config_clean(u->path));
		/* The slash before the path of a URL is not part of the path.
		 */
		memmove(s->path, s->path + (*s->path == '/'),
		    strlen(s->path) + (*s->path != '/'));
		if (take_query(p, s, u->query, v->url.line) == -1)
			return -1;
	} else {
		s->host = xstrdup(bucket == NULL ? "" : bucket);
		s->path = config_clean(v->path.s == NULL ? "" : v->path.s);
		if (strcmp(s->path, "/") == 0)
			*s->path = '\0';
	}
	if (*s->host == '\0')
		return config_fail(
		    p, v->type.line, "an s3 replica needs a bucket or a url");
	if (strpbrk(s->host, "/?#{ ") != NULL)
		return config_fail(p, v->s.bucket.line,
		    "\"%s\" cannot be a bucket's name", s->host);
	if (strncmp(s->path, "../", 3) == 0 || strcmp(s->path, "..") == 0)
		return config_fail(p, v->path.line, "path: it begins with ..");
	return 0;
}

/* The kind of storage; NULL: it is refused, as out says. */
static const char *
type_of(const struct replica_values *v, const struct url *u,
    struct config_replica *out)
{
	const char *type = v->url.s != NULL ? u->scheme : v->type.s;
	unsigned line = v->url.s != NULL ? v->url.line : v->type.line;

	if (type == NULL)
		return "file";
	if (strcmp(type, "file") == 0 || strcmp(type, "s3") == 0)
		return type;
	out->refused = xasprintf("line %u: %s: replicas of type %s are not "
				 "supported: file and s3 are",
	    line, v->url.s != NULL ? "url" : "type", type);
	return NULL;
}

static bool
is_empty(const yaml_node_t *n)
{
	return n == NULL ||
	    (n->type == YAML_SEQUENCE_NODE &&
		n->data.sequence.items.top == n->data.sequence.items.start);
}

static bool
has_elements(struct parse *p, const struct value *v)
{
	struct {
		struct value identities, recipients;
	} age = { 0 };
	static const struct key keys[] = {
		{ "identities", KEY_NODE, 0, NULL },
		{ "recipients", KEY_NODE, sizeof(struct value), NULL },
		{ 0 },
	};

	if (v->node == NULL)
		return false;
	/* A key that is not understood may ask for encryption. */
	if (v->node->type != YAML_MAPPING_NODE ||
	    node_fill(p, v->node, "age", keys, NULL, &age) == -1)
		return true;
	return !is_empty(age.identities.node) || !is_empty(age.recipients.node);
}

static void
refuse(struct parse *p, const struct settings *s, struct config_replica *out)
{
	if (out->refused == NULL && has_elements(p, &s->age))
		out->refused = xasprintf(
		    "line %u: age: encryption is not supported, and without it "
		    "the data would be open",
		    s->age.line);
	if (out->refused == NULL && s->sse_c_key.s != NULL)
		out->refused = xasprintf(
		    "line %u: sse-customer-key: a key in this file is not "
		    "supported: use sse-customer-key-path",
		    s->sse_c_key.line);
}

/* -- the root -------------------------------------------------------------- */

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_root(const struct config_root *a, const struct config_root *b)
{
	return same(a->url, b->url) && same(a->key_id, b->key_id) &&
	    same(a->secret, b->secret) &&
	    same(a->storage_class, b->storage_class) &&
	    same(a->sse_kms_key, b->sse_kms_key) &&
	    same(a->sse_c_file, b->sse_c_file) && a->insecure == b->insecure &&
	    a->part_size == b->part_size && a->snapshot_s == b->snapshot_s;
}

void
config_root_release(struct config_root *r)
{
	free(r->url);
	str_wipe(r->key_id);
	str_wipe(r->secret);
	free(r->storage_class);
	free(r->sse_kms_key);
	free(r->sse_c_file);
	free(r->first);
}

/* The index of the root that is like r, which is taken over. */
static size_t
add_root(struct config *c, struct config_root *r)
{
	/* Neighbours are alike. */
	for (size_t i = c->n_roots; i-- > 0;)
		if (same_root(&c->root[i], r)) {
			config_root_release(r);
			return i;
		}
	c->root = xrealloc(c->root, (c->n_roots + 1) * sizeof(*c->root));
	c->root[c->n_roots] = *r;
	return c->n_roots++;
}

/*
 * Which part of the path is the root's?  All of it with dir; else up to the
 * last slash, which is before the first variable.
 */
static size_t
split(const struct spot *s, enum config_kind kind, size_t *name)
{
	const char *end = s->path + strlen(s->path), *slash;

	if (kind == CONFIG_DIR && !(s->s3 && *s->path == '/')) {
		*name = strlen(s->path);
		return *name;
	}
	if (kind == CONFIG_MULTI && (end = strstr(s->path, "{{")) == NULL)
		end = s->path + strlen(s->path);
	slash = memrchr(s->path, '/', (size_t)(end - s->path));
	/* No root has a slash to begin with; "/" is none either. */
	if (slash == NULL || (s->s3 && *s->path == '/'))
		return *name = 0;
	*name = (size_t)(slash - s->path) + 1;
	if (!s->s3 && slash == s->path && kind != CONFIG_MULTI) {
		*name = strlen(s->path);
		return *name;
	}
	return (size_t)(slash - s->path);
}

static char *
root_url(const struct spot *s, size_t n)
{
	struct buf b = { 0 };
	char *url, mark = '?';

	if (!s->s3)
		return xasprintf("file://%.*s", (int)n, s->path);
	buf_addf(
	    &b, "s3://%s%s%.*s", s->host, n > 0 ? "/" : "", (int)n, s->path);
	if (s->endpoint.s != NULL) {
		buf_addf(&b, "%cendpoint=", mark);
		encode(s->endpoint.s, &b);
		mark = '&';
	}
	if (s->region.s != NULL) {
		buf_addf(&b, "%cregion=", mark);
		encode(s->region.s, &b);
		mark = '&';
	}
	if (s->path_style.s != NULL)
		buf_addf(&b, "%cpath-style=%s", mark,
		    value_true(&s->path_style) ? "true" : "false");
	url = xstrdup(buf_str(&b));
	buf_release(&b);
	return url;
}

static char *
copy(const struct value *v)
{
	return v->s == NULL ? NULL : xstrdup(v->s);
}

static void
make_root(struct parse *p, const struct config_db *d,
    const struct replica_values *v, const struct value *snapshot,
    const struct spot *s, struct config_replica *out)
{
	struct config_root r = { 0 };
	size_t name, n = split(s, d->kind, &name);

	out->name = xasprintf("%s%s", s->path + name,
	    d->kind == CONFIG_DIR && s->path[name] != '\0' ? "/" : "");
	r.url = root_url(s, n);
	if (s->s3) {
		r.key_id = copy(&v->s.key_id);
		r.secret = copy(&v->s.secret);
		r.storage_class = copy(&s->storage_class);
		r.sse_kms_key = copy(&v->s.sse_kms);
		r.sse_c_file = copy(&v->s.sse_c_file);
		r.insecure = value_true(&s->insecure);
		r.part_size = value_size(&s->part_size);
		if (d->kind == CONFIG_PATH)
			r.first = xstrdup(out->name);
	}
	r.snapshot_s = value_seconds(v->snapshot.s != NULL ? &v->snapshot
		: snapshot->s != NULL                      ? snapshot
							   : &p->snapshot);
	out->root = add_root(p->c, &r);
}

/* -- a replica ------------------------------------------------------------- */

/* The keys of the top level that are about all replicas. */
static void
inherit(struct settings *s, const struct settings *from)
{
	const struct key *k;
	struct value *to;

	for (k = settings_keys; k->name != NULL; k++) {
		if (k->kind == KEY_FINE || k->kind == KEY_NOTED)
			continue;
		to = (struct value *)((char *)s + k->at);
		if (to->s == NULL && to->node == NULL)
			*to =
			    *(const struct value *)((const char *)from + k->at);
	}
}

static int
check(struct parse *p, const struct replica_values *v, bool s3)
{
	const struct settings *s = &v->s;
	const struct value *half =
	    s->key_id.s == NULL ? &s->secret : &s->key_id;

	if (s3 && (s->key_id.s == NULL) != (s->secret.s == NULL))
		return config_fail(p, half->line,
		    "access-key-id and secret-access-key go together: one of "
		    "them is missing");
	if (v->url.s != NULL && v->path.s != NULL)
		return config_fail(
		    p, v->path.line, "a replica has a path or a url, not both");
	if (v->path.s != NULL && strstr(v->path.s, "://") != NULL)
		return config_fail(
		    p, v->path.line, "path: a URL goes into url");
	return 0;
}

/* Variables belong to multi-db alone: elsewhere they are text. */
static int
check_name(struct parse *p, const struct config_db *d,
    const struct replica_values *v, const struct spot *s)
{
	unsigned line = v->url.s != NULL ? v->url.line : v->path.line;
	const char *bad;

	if (d->kind == CONFIG_MULTI) {
		if ((bad = config_unknown_variable(s->path)) != NULL)
			return config_fail(p, line,
			    "\"%.*s\" is no variable of a path",
			    (int)strcspn(bad + 2, "}") + 4, bad);
		if (strstr(s->path, "{{") == NULL)
			return config_fail(p, line,
			    "the path of replica-template is the same for all "
			    "databases: it has no variable");
	}
	if (!s->s3 && d->kind == CONFIG_MULTI &&
	    strncmp(s->path, "/{{", 3) == 0)
		return config_fail(
		    p, line, "path: / cannot be the root of replicas");
	if (s->s3 && strchr(s->path, '?') != NULL)
		return config_fail(p, line,
		    "path: \"?\" in the name of a replica is not supported");
	return 0;
}

int
config_replica(struct parse *p, const struct config_db *d,
    struct replica_values *v, const struct value *snapshot,
    struct config_replica *out)
{
	struct url u = { 0 };
	struct spot s = { 0 };
	const char *type;
	int rc = -1;

	if (v->url.s != NULL && v->s.bucket.s != NULL) {
		rc = config_fail(p, v->s.bucket.line,
		    "a replica has a bucket or a url, not both");
		goto out;
	}
	inherit(&v->s, &p->all);
	if (v->url.s != NULL && split_url(p, &v->url, &u) == -1)
		goto out;
	type = type_of(v, &u, out);
	if (check(p, v, type != NULL && strcmp(type, "s3") == 0) == -1)
		goto out;
	refuse(p, &v->s, out);
	if (out->refused != NULL) {
		rc = p->e->class == ERR_NONE ? 0 : -1;
		goto out;
	}
	s.endpoint = v->s.endpoint;
	s.region = v->s.region;
	s.path_style = v->s.path_style;
	s.insecure = v->s.insecure;
	s.storage_class = v->s.storage_class;
	s.part_size = v->s.part_size;
	rc = strcmp(type, "s3") == 0 ? find_s3(p, v, &u, &s)
				     : find_file(p, v, &u, &s);
	if (rc == 0)
		rc = check_name(p, d, v, &s);
	if (rc == 0)
		make_root(p, d, v, snapshot, &s, out);
out:
	free(u.host);
	free(u.path);
	spot_release(&s);
	return rc;
}
