/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/s3/s3.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/store/aws/aws_files.h"
#include "lib/store/s3/s3_impl.h"
#include "lib/sys/file.h"
#include "lib/sys/spool.h"

/* -- keys ------------------------------------------------------------------ */

/* The code point at p, of n bytes; 0xffff, which none is, where there is none.
 */
static uint32_t
code_point(const uint8_t *p, size_t *n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c;

	*n = *p < 0x80            ? 1
	    : (*p & 0xe0) == 0xc0 ? 2
	    : (*p & 0xf0) == 0xe0 ? 3
	    : (*p & 0xf8) == 0xf0 ? 4
				  : 0;
	if (*n == 0)
		return 0xffff;
	c = *n == 1 ? *p : *p & (0x7fU >> *n);
	for (size_t i = 1; i < *n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0xffff;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c < least[*n] || c > 0x10ffff ? 0xffff : c;
}

/*
 * Can a listing, which is XML, name it?  Some servers put other characters in
 * place of those that it cannot: what was shipped would not be found again.
 */
static bool
is_listable(const char *s)
{
	const uint8_t *p = (const uint8_t *)s;
	uint32_t c;

	for (size_t n; *p != '\0'; p += n) {
		c = code_point(p, &n);
		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') ||
		    (c >= 0xd800 && c < 0xe000) || c == 0xfffe || c == 0xffff)
			return false;
	}
	return true;
}

static bool
bad_component(const char *s, size_t n)
{
	return n == 0 || (n == 1 && s[0] == '.') ||
	    (n == 2 && s[0] == '.' && s[1] == '.');
}

int
s3_full_key(struct s3 *s, const char *key, struct buf *out, struct err *e)
{
	const char *p = key;
	size_t n;

	/* Litestream's path may begin with a slash, and then keys do. */
	if (*key == '/' && *s->place.prefix == '\0')
		p++;
	for (;; p += n + 1) {
		n = strcspn(p, "/");
		if (bad_component(p, n))
			return err_set(e, ERR_USAGE, "%s cannot be a key", key);
		if (p[n] == '\0')
			break;
	}
	if (!is_listable(key))
		return err_set(e, ERR_USAGE,
		    "its name is not UTF-8, or has a control character: "
		    "no key of S3");
	buf_reset(out);
	if (*s->place.prefix != '\0')
		buf_addf(out, "%s/", s->place.prefix);
	buf_adds(out, key);
	if (out->len > S3_KEY_MAX)
		return err_set(e, ERR_USAGE,
		    "its key has %zu bytes, S3 allows %d", out->len,
		    S3_KEY_MAX);
	return 0;
}

static int
s3_can_name(struct store *store, const char *key, struct err *e)
{
	struct buf out = { 0 };
	int rc = s3_full_key((struct s3 *)store, key, &out, e);

	buf_release(&out);
	return rc;
}

/* -- headers of objects ---------------------------------------------------- */

void
s3_sse_c_headers(struct s3 *s, struct s3_call *c)
{
#define SSE_C "x-amz-server-side-encryption-customer-"
	if (s->sse_c[0] == NULL)
		return;
	s3_amz(c, SSE_C "algorithm", "AES256");
	s3_amz(c, SSE_C "key", s->sse_c[0]);
	s3_amz(c, SSE_C "key-MD5", s->sse_c[1]);
}

void
s3_object_headers(struct s3 *s, struct s3_call *c)
{
	const struct store_conf *conf = s->conf;

	s3_sse_c_headers(s, c);
	if (conf->sse != NULL)
		s3_amz(c, "x-amz-server-side-encryption", conf->sse);
	if (conf->sse_kms_key != NULL)
		s3_amz(c, "x-amz-server-side-encryption-aws-kms-key-id",
		    conf->sse_kms_key);
	if (conf->storage_class != NULL)
		s3_amz(c, "x-amz-storage-class", conf->storage_class);
	for (size_t i = 0; i < s->n_own; i++)
		s3_amz(c, s->own[i].name, s->own[i].value);
}

void
s3_with_headers(
    const struct store_stage *o, char text[WHEN_SIZE], struct s3_call *c)
{
	if (o != NULL && o->timed)
		s3_amz(c, "x-amz-meta-litestream-timestamp",
		    when_text(o->mtime_ns, text));
	if (o != NULL && o->note != NULL)
		s3_amz(c, S3_NOTE, o->note);
}

/* -- opening --------------------------------------------------------------- */

/* "x-amz-...: value", apart. */
static void
split_headers(struct s3 *s)
{
	const struct store_conf *conf = s->conf;

	for (; s->n_own < conf->n_headers; s->n_own++) {
		const char *line = conf->headers[s->n_own];
		size_t n = strcspn(line, ":");

		s->own[s->n_own].name = xasprintf("%.*s", (int)n, line);
		line += n + 1;
		s->own[s->n_own].value = line + strspn(line, " \t");
	}
}

static int
read_sse_c(struct s3 *s, struct err *e)
{
	const char *file = s->conf->sse_c_file;
	uint8_t md[EVP_MAX_MD_SIZE];
	struct buf key = { 0 };
	int rc = -1;

	if (file == NULL)
		return 0;
	if (file_slurp(file, 4096, &key, e) == -1) {
		err_in(e, "--sse-c %s", file);
	} else if (key.len != 32) {
		err_set(e, ERR_CONFIG,
		    "--sse-c %s: a key has 32 bytes, this file %zu", file,
		    key.len);
	} else if (strcmp(s->place.scheme, "https") != 0) {
		err_set(e, ERR_CONFIG,
		    "--sse-c would send the key over plain HTTP");
	} else if (EVP_Digest(key.data, 32, md, NULL, EVP_md5(), NULL) != 1) {
		err_set(e, ERR_CONFIG, "--sse-c needs MD5, which is not there");
	} else {
		s->sse_c[0] = xcalloc(1, 48);
		s->sse_c[1] = xcalloc(1, 48);
		s3_base64(s->sse_c[0], key.data, 32);
		s3_base64(s->sse_c[1], md, 16);
		rc = 0;
	}
	buf_wipe(&key);
	return rc;
}

static const char *
profile_of(const struct store_conf *conf)
{
	const char *v = conf->profile;

	if (v == NULL && (v = aws_env("AWS_PROFILE")) == NULL)
		v = aws_env("AWS_DEFAULT_PROFILE");
	return v != NULL ? v : "default";
}

/* Reads a variable of AWS's tools about CRC32: when_supported or not. */
static bool
wants_crc(const char *name, bool otherwise)
{
	const char *v = aws_env(name);

	return v == NULL ? otherwise : strcasecmp(v, "when_supported") == 0;
}

/* As AWS's tools count: the first try is one of them. */
static uint64_t
retries_of(const struct store_conf *conf)
{
	const char *v = aws_env("AWS_MAX_ATTEMPTS");
	struct err e;
	uint64_t n;

	if (conf->retries == UINT64_MAX && v != NULL &&
	    opt_number("AWS_MAX_ATTEMPTS", v, 1, 1000000, &n, &e) == 0)
		return n - 1;
	return conf->retries;
}

static int
configure(struct s3 *s, const char *url, struct err *e)
{
	const struct store_conf *conf = s->conf;
	struct pace_conf pc = { .rate = conf->rate,
		.max_requests = conf->max_requests,
		.deadline_s = conf->deadline_s };
	struct creds_conf cc = { .key_id = conf->key_id,
		.secret = conf->secret,
		.profile = conf->profile,
		.timeout_s = conf->timeout_s };

	if ((s->files = aws_files_open(e)) == NULL ||
	    s3_place_find(
		&s->place, url, conf, s->files, profile_of(conf), e) == -1)
		return -1;
	s->http = (struct http_conf){ .ca_file = conf->ca_file,
		.insecure = conf->insecure,
		.connect_ms = (long)conf->connect_s * 1000,
		.stall_s = (long)conf->stall_s };
	if (s->http.ca_file == NULL && aws_env("AWS_CA_BUNDLE") == NULL)
		s->http.ca_file =
		    aws_profile_get(s->files, profile_of(conf), "ca_bundle");
	s->region = xstrdup(s->place.region);
	cc.region = s->region;
	cc.files = s->files;
	cc.http = s->http;
	s->creds = creds_open(&cc);
	s->pace = pace_new(&pc);
	s->retries_max = retries_of(conf);
	/* Beside SHA-256 and MD5: AWS takes it, some others trip over it. */
	s->checksums =
	    wants_crc("AWS_REQUEST_CHECKSUM_CALCULATION", !s->place.custom);
	s->validates =
	    wants_crc("AWS_RESPONSE_CHECKSUM_VALIDATION", s->checksums);
	split_headers(s);
	return read_sse_c(s, e);
}

static void
s3_close(struct store *st)
{
	struct s3 *s = (struct s3 *)st;
	struct s3_handle *h;

	while ((h = s->idle) != NULL) {
		s->idle = h->next;
		http_free(h->http);
		free(h);
	}
	for (size_t i = 0; i < s->n_own; i++)
		free(s->own[i].name);
	str_wipe(s->sse_c[0]);
	str_wipe(s->sse_c[1]);
	pace_free(s->pace);
	creds_close(s->creds);
	s3_place_release(&s->place);
	aws_files_close(s->files);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->probing);
	free(s->region);
	free(s);
}

/* -- staging --------------------------------------------------------------- */

static struct staged *
s3_stage(struct store *st, const struct store_stage *o, struct err *e)
{
	struct s3 *s = (struct s3 *)st;
	struct staged *staged;
	struct err failed;
	int rc;

	if (o->bytes->size <= s->conf->part_size)
		rc = s3_put(s, o, &failed);
	else
		rc = s3_put_parts(s, o, &failed);
	if (rc == -1 && failed.class != ERR_BUSY) {
		*e = failed;
		return NULL;
	}
	staged = xcalloc(1, sizeof(*staged));
	staged->rc = rc;
	staged->failed = rc == -1;
	if (rc == -1)
		staged->e = failed;
	return staged;
}

/* Its upload was done, or failed, when it was staged. */
static void
s3_publish(struct store *st, struct staged **list, size_t n)
{
	(void)st;
	(void)list;
	(void)n;
}

static void
s3_drop(struct store *st, struct staged *staged)
{
	(void)st;
	free(staged);
}

static char *
root_of(const char *url, bool query, struct err *e)
{
	char *bucket, *prefix, *out;

	if (s3_place_split(url, query, &bucket, &prefix, e) == -1)
		return NULL;
	out = xasprintf(
	    "s3://%s%s%s", bucket, *prefix != '\0' ? "/" : "", prefix);
	free(bucket);
	free(prefix);
	return out;
}

/* "s3://BUCKET/PREFIX" of any S3 URL, without its query. */
static char *
s3_root(const char *url, struct err *e)
{
	return root_of(url, true, e);
}

static const struct store_ops s3_ops = {
	.traits = { .remote = true, .flat = true, .guarded = true },
	.stage = s3_stage,
	.publish = s3_publish,
	.drop = s3_drop,
	.get = s3_get,
	.list = s3_list,
	.remove = s3_remove,
	.remove_many = s3_remove_many,
	.uploads = s3_uploads,
	.abort = s3_abort,
	.close = s3_close,
	.note = s3_note,
	.now = s3_now,
	.list_page = s3_list_page,
	.can_name = s3_can_name,
	.probe = s3_probe,
	.assume = s3_assume,
	.guard = s3_guard,
	.stats = s3_stats,
};

static struct store *
open_url(const char *url, enum store_mode mode, bool must_exist,
    const struct store_conf *conf, struct err *e)
{
	struct s3 *s = xcalloc(1, sizeof(*s));
	struct buf name = { 0 };

	(void)mode;
	(void)must_exist;
	s->store.ops = &s3_ops;
	s->conf = conf;
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->probing, NULL);
	atomic_store(&s->probe_at, INT64_MAX);
	atomic_store(&s->served, pace_now());
	if (configure(s, url, e) == -1 ||
	    (s->store.root = s3_root(url, e)) == NULL) {
		store_close(&s->store);
		return NULL;
	}
	if (conf->insecure)
		s3_warn(s, "--insecure: any certificate is trusted");
	s3_place_url(&s->place, &name);
	s->store.url = xstrdup(buf_str(&name));
	buf_release(&name);
	return &s->store;
}

/* The normal form of url; the caller frees it.  NULL with ERR_CONFIG. */
static char *
s3_url(const char *url, const struct store_conf *conf, struct err *e)
{
	struct aws_files *f = aws_files_open(e);
	struct buf name = { 0 };
	struct s3_place p;
	char *out = NULL;

	if (f == NULL)
		return NULL;
	if (s3_place_find(&p, url, conf, f, profile_of(conf), e) == 0) {
		s3_place_url(&p, &name);
		out = xstrdup(buf_str(&name));
		s3_place_release(&p);
	}
	buf_release(&name);
	aws_files_close(f);
	return out;
}

/* Likewise of what has none: a "?" is one of the name. */
static char *
s3_place_in(const char *url, struct err *e)
{
	return root_of(url, false, e);
}

/* -- telling --------------------------------------------------------------- */

void
s3_stats(struct store *st, struct store_stats *out)
{
	struct s3 *s = (struct s3 *)st;

	*out = (struct store_stats){ .counted = true,
		.retries = atomic_load(&s->retries),
		.slow_downs = atomic_load(&s->slow_downs),
		.sent = atomic_load(&s->sent),
		.received = atomic_load(&s->received) };
	for (int i = 0; i < STORE_REQUESTS; i++)
		out->requests[i] = atomic_load(&s->requests[i]);
}

int
s3_whoami(struct store *st, struct buf *out, struct err *e)
{
	struct s3 *s = (struct s3 *)st;
	char when[32] = "never";
	struct creds c = { 0 };
	time_t t;
	struct tm tm;
	size_t n;

	if (creds_get(s->creds, 0, &c, e) == -1)
		return -1;
	t = (time_t)c.expires;
	if (t != 0 && gmtime_r(&t, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	n = strlen(c.key);
	buf_addf(out, "credentials: %s\naccess key: ...%s\nexpires: %s\n",
	    c.source, n > 4 ? c.key + n - 4 : "", when);
	buf_addf(out, "endpoint: %s://%s%s\nregion: %s\naddressing: %s\n",
	    s->place.scheme, s->place.host, s->place.path, s->place.region,
	    s->place.virtual_host ? "virtual host" : "path");
	creds_release(&c);
	return 0;
}

static int
whoami(const char *url, const struct store_conf *conf, struct buf *out,
    struct err *e)
{
	struct store *s = open_url(url, STORE_READ, false, conf, e);
	int rc;

	if (s == NULL)
		return -1;
	rc = s3_whoami(s, out, e);
	store_close(s);
	return rc;
}

static const char *const parameters[] = { "endpoint", "region", "path-style",
	NULL };

const struct store_driver s3_driver = {
	.scheme = "s3",
	.ops = &s3_ops,
	.open = open_url,
	.url = s3_url,
	.real = s3_root,
	.place = s3_place_in,
	.parameters = parameters,
	.whoami = whoami,
};
