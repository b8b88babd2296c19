/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/aws/creds_fetch.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/store/aws/aws_files.h"
#include "lib/store/aws/json.h"
#include "lib/store/aws/s3_xml.h"
#include "lib/store/aws/sigv4.h"
#include "lib/sys/file.h"

#define IMDS      "http://169.254.169.254"
#define IMDS_ROLE "/latest/meta-data/iam/security-credentials/"
#define CONTAINER "http://169.254.170.2"

enum { SMALL = CREDS_SMALL };

/* "2015-08-30T12:36:00Z", with or without a fraction; 0 if it is none. */
static int64_t
creds_time(const char *s)
{
	struct tm tm = { 0 };

	if (s == NULL || strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) == NULL)
		return 0;
	return (int64_t)timegm(&tm);
}

/* -- one exchange ---------------------------------------------------------- */

struct ask {
	const char *method, *url;
	const char *headers[8];
	size_t n_headers;
	const char *body; /* NULL: none */
	bool direct;      /* an address of this machine or link: no proxy */
	long timeout_ms;
};

static int
read_body(void *ctx, uint64_t off, void *p, size_t n, struct err *e)
{
	(void)e;
	memcpy(p, (const char *)ctx + off, n);
	return 0;
}

/* The body of the answer in *body; anything but 200 fails. */
static int
exchange(const struct creds_conf *conf, const struct ask *a, struct buf *body,
    struct err *e)
{
	struct http_conf hc = conf->http;
	struct http_response r = { 0 };
	struct s3_error x;
	struct http *h;
	struct http_request q = { .method = a->method,
		.url = a->url,
		.headers = a->headers,
		.n_headers = a->n_headers,
		.timeout_ms = a->timeout_ms };
	int rc = -1;

	hc.direct = hc.direct || a->direct;
	if (a->direct)
		hc.connect_ms = 1000;
	if (a->body != NULL) {
		q.read = read_body;
		q.read_ctx = (void *)a->body;
		q.size = strlen(a->body);
	}
	if ((h = http_new(&hc, e)) == NULL)
		return -1;
	if (http_do(h, &q, &r, e) == 0) {
		if (r.status == 200)
			rc = 0;
		else if (s3_xml_error(&r.body, &x))
			err_set(e, ERR_DENIED, "HTTP %d, %s: %s", r.status,
			    x.code, x.message);
		else
			err_set(e,
			    r.status >= 500 ? ERR_UNAVAILABLE : ERR_DENIED,
			    "HTTP %d", r.status);
	}
	http_free(h);
	if (rc == 0) {
		buf_reset(body);
		buf_add(body, r.body.data, r.body.len);
	}
	buf_wipe(&r.body);
	http_response_release(&r);
	return rc == -1 ? err_in(e, "%s", a->url) : 0;
}

/* Two tries: the first after a boot may find nobody at home yet. */
static int
exchange_twice(const struct creds_conf *conf, const struct ask *a,
    struct buf *body, struct err *e)
{
	if (exchange(conf, a, body, e) == 0)
		return 0;
	if (e->class != ERR_UNAVAILABLE)
		return -1;
	return exchange(conf, a, body, e);
}

int
creds_parse(
    struct buf *text, const char *token_name, struct creds *out, struct err *e)
{
	struct json_member m[] = { { "AccessKeyId", NULL },
		{ "SecretAccessKey", NULL }, { token_name, NULL },
		{ "Expiration", NULL } };
	int rc = json_members(buf_str(text), m, 4, e);

	buf_wipe(text);
	if (rc == 0 && (m[0].value == NULL || m[1].value == NULL))
		rc = err_set(e, ERR_CONFIG, "there are no keys in the answer");
	if (rc == 0) {
		out->key = m[0].value;
		out->secret = m[1].value;
		out->token = m[2].value;
		out->expires = creds_time(m[3].value);
		m[0].value = m[1].value = m[2].value = NULL;
	}
	for (size_t i = 0; i < 4; i++)
		str_wipe(m[i].value);
	return rc;
}

/* -- containers ------------------------------------------------------------ */

bool
creds_has_container(void)
{
	return aws_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != NULL ||
	    aws_env("AWS_CONTAINER_CREDENTIALS_FULL_URI") != NULL;
}

/* Over plain HTTP, secrets do not leave the machine or its link. */
static bool
local_url(const char *url)
{
	static const char *const hosts[] = { "localhost", "127.",
		"169.254.170.2", "169.254.170.23", "[::1]", "[fd00:ec2::23]" };
	size_t n;

	if (strncasecmp(url, "https://", 8) == 0)
		return true;
	if (strncasecmp(url, "http://", 7) != 0)
		return false;
	url += 7;
	/* The part before an "@" is no host, whatever it looks like. */
	if (memchr(url, '@', strcspn(url, "/?#")) != NULL)
		return false;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		n = strlen(hosts[i]);
		if (strncasecmp(url, hosts[i], n) != 0)
			continue;
		if (hosts[i][n - 1] == '.') /* 127.x.y.z, and nothing more */
			n = strspn(url, "0123456789.");
		if (url[n] == '\0' || url[n] == ':' || url[n] == '/')
			return true;
	}
	return false;
}

/* "Authorization: ..." in *line, or nothing. */
static int
container_token(char **line, struct err *e)
{
	const char *file = aws_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = aws_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	struct buf b = { 0 };

	*line = NULL;
	if (file != NULL) {
		if (file_slurp(file, SMALL, &b, e) == -1)
			return err_in(e, "%s", file);
		token = buf_str(&b);
	}
	if (token != NULL)
		*line = xasprintf(
		    "Authorization: %.*s", (int)strcspn(token, "\r\n"), token);
	buf_release(&b);
	return 0;
}

int
creds_from_container(
    const struct creds_conf *conf, struct creds *out, struct err *e)
{
	const char *uri = aws_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = aws_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	struct ask a = { .method = "GET", .direct = true, .timeout_ms = 5000 };
	struct buf body = { 0 };
	char *url, *token = NULL;
	int rc = -1;

	if (uri == NULL && full == NULL)
		return err_set(e, ERR_CONFIG, "this is not in a container");
	url = uri != NULL ? xasprintf(CONTAINER "%s", uri) : xstrdup(full);
	if (uri == NULL && !local_url(url)) {
		err_set(e, ERR_CONFIG,
		    "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor "
		    "on this machine");
		goto out;
	}
	if (container_token(&token, e) == -1)
		goto out;
	a.url = url;
	if (token != NULL)
		a.headers[a.n_headers++] = token;
	if (exchange_twice(conf, &a, &body, e) == -1)
		goto out;
	rc = creds_parse(&body, "Token", out, e);
	if (rc == 0)
		out->source = xstrdup("container");
	else
		err_in(e, "%s", url);
out:
	str_wipe(token);
	free(url);
	buf_release(&body);
	return rc;
}

/* -- instances ------------------------------------------------------------- */

static const char *
imds_base(void)
{
	const char *v = aws_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = aws_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");

	if (v != NULL)
		return v;
	return mode != NULL && strcasecmp(mode, "IPv6") == 0
	    ? "http://[fd00:ec2::254]"
	    : IMDS;
}

static int
imds_get(const struct creds_conf *conf, const char *path, const char *token,
    struct buf *body, struct err *e)
{
	const char *base = imds_base();
	size_t n = strlen(base);
	struct ask a = { .method = "GET", .direct = true, .timeout_ms = 2000 };
	char *url = xasprintf("%.*s%s",
	    (int)(n > 0 && base[n - 1] == '/' ? n - 1 : n), base, path);
	int rc;

	a.url = url;
	a.headers[a.n_headers++] = token;
	if (strcmp(path, "/latest/api/token") == 0) {
		a.method = "PUT";
		a.body = "";
	}
	rc = exchange_twice(conf, &a, body, e);
	free(url);
	return rc;
}

int
creds_from_imds(const struct creds_conf *conf, struct creds *out, struct err *e)
{
	struct buf body = { 0 };
	char *token = NULL, *path = NULL;
	int rc = -1;

	if (imds_get(conf, "/latest/api/token",
		"X-aws-ec2-metadata-token-ttl-seconds: 21600", &body, e) == -1)
		goto out;
	token = xasprintf("X-aws-ec2-metadata-token: %s", buf_str(&body));
	if (imds_get(conf, IMDS_ROLE, token, &body, e) == -1)
		goto out;
	path = xasprintf(IMDS_ROLE "%.*s", (int)strcspn(buf_str(&body), "\r\n"),
	    buf_str(&body));
	if (imds_get(conf, path, token, &body, e) == -1)
		goto out;
	rc = creds_parse(&body, "Token", out, e);
	if (rc == 0)
		out->source = xasprintf(
		    "instance metadata, role %s", path + strlen(IMDS_ROLE));
out:
	free(token);
	free(path);
	buf_release(&body);
	return rc == -1 ? err_in(e, "instance metadata") : 0;
}

/* -- roles (STS) ----------------------------------------------------------- */

static char *
sts_url(const struct creds_conf *conf)
{
	const char *v = aws_env("AWS_ENDPOINT_URL_STS");
	const char *mode = aws_env("AWS_STS_REGIONAL_ENDPOINTS");
	size_t n;

	if (aws_env_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"))
		v = NULL;
	if (v != NULL) {
		n = strlen(v);
		return xasprintf(
		    "%.*s/", (int)(n > 0 && v[n - 1] == '/' ? n - 1 : n), v);
	}
	if (mode != NULL && strcasecmp(mode, "legacy") == 0)
		return xstrdup("https://sts.amazonaws.com/");
	return xasprintf("https://sts.%s.amazonaws.com%s/", conf->region,
	    strncmp(conf->region, "cn-", 3) == 0 ? ".cn" : "");
}

static void
add_field(struct buf *body, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_addf(body, "%s%s=", body->len > 0 ? "&" : "", name);
	sigv4_encode(body, value, strlen(value), false);
}

/* Read again each time: whoever issues tokens replaces the file. */
static int
add_token(struct buf *body, const char *file, struct err *e)
{
	struct buf b = { 0 };

	if (file_slurp(file, SMALL, &b, e) == -1)
		return err_in(e, "%s", file);
	while (b.len > 0 && strchr(" \r\n", b.data[b.len - 1]) != NULL)
		b.data[--b.len] = '\0';
	add_field(body, "WebIdentityToken", buf_str(&b));
	buf_wipe(&b);
	return 0;
}

static void
sign_sts(const struct creds_conf *conf, const struct creds *by, struct ask *a,
    const char *host, char *lines[3])
{
	char date[SIGV4_DATE], hash[SIGV4_HASH];
	struct buf auth = { 0 };
	struct sigv4_header h[] = { { "host", host }, { "x-amz-date", date },
		{ "x-amz-security-token", by->token } };
	struct sigv4 s = { .key = by->key,
		.secret = by->secret,
		.region = conf->region,
		.service = "sts",
		.date = date,
		.method = "POST",
		.path = "/",
		.headers = h,
		.n_headers = by->token == NULL ? 2 : 3,
		.payload = hash };

	sigv4_date((int64_t)time(NULL), date);
	sigv4_sha256(a->body, strlen(a->body), hash);
	sigv4_sign(&s, &auth, NULL);
	lines[0] = xasprintf("Authorization: %s", buf_str(&auth));
	lines[1] = xasprintf("x-amz-date: %s", date);
	lines[2] = by->token == NULL
	    ? NULL
	    : xasprintf("x-amz-security-token: %s", by->token);
	for (int i = 0; i < 3 && lines[i] != NULL; i++)
		a->headers[a->n_headers++] = lines[i];
	buf_release(&auth);
}

static void
take_element(void *ctx, const char *path, const char *text)
{
	const char *name = strstr(path, "Result/Credentials/");
	struct creds *c = ctx;

	if (name == NULL)
		return;
	name += strlen("Result/Credentials/");
	if (strcmp(name, "AccessKeyId") == 0 && c->key == NULL)
		c->key = xstrdup(text);
	else if (strcmp(name, "SecretAccessKey") == 0 && c->secret == NULL)
		c->secret = xstrdup(text);
	else if (strcmp(name, "SessionToken") == 0 && c->token == NULL)
		c->token = xstrdup(text);
	else if (strcmp(name, "Expiration") == 0)
		c->expires = creds_time(text);
}

static int
ask_sts(const struct creds_conf *conf, const struct creds_role *role,
    const char *body, struct buf *answer, struct err *e)
{
	char *url = sts_url(conf), *lines[3] = { NULL, NULL, NULL }, *host;
	struct ask a = { .method = "POST",
		.url = url,
		.headers = { "Content-Type: "
			     "application/x-www-form-urlencoded" },
		.n_headers = 1,
		.body = body,
		.timeout_ms = 20000 };
	const char *p = strstr(url, "://");
	int rc;

	p = p == NULL ? url : p + 3;
	host = xasprintf("%.*s", (int)strcspn(p, "/"), p);
	if (role->token_file == NULL)
		sign_sts(conf, role->by, &a, host, lines);
	rc = exchange_twice(conf, &a, answer, e);
	for (int i = 0; i < 3; i++)
		free(lines[i]);
	free(host);
	free(url);
	return rc;
}

int
creds_from_role(const struct creds_conf *conf, const struct creds_role *role,
    struct creds *out, struct err *e)
{
	bool web = role->token_file != NULL;
	struct buf body = { 0 }, answer = { 0 };
	int rc = -1;

	add_field(
	    &body, "Action", web ? "AssumeRoleWithWebIdentity" : "AssumeRole");
	add_field(&body, "Version", "2011-06-15");
	add_field(&body, "RoleArn", role->arn);
	add_field(&body, "RoleSessionName",
	    role->session != NULL ? role->session : "lspp");
	add_field(&body, "ExternalId", role->external_id);
	if (web && add_token(&body, role->token_file, e) == -1)
		goto out;
	if (ask_sts(conf, role, buf_str(&body), &answer, e) == -1)
		goto out;
	rc = s3_xml_parse(answer.data, answer.len, take_element, out, e);
	if (rc == 0 && (out->key == NULL || out->secret == NULL))
		rc = err_set(e, ERR_DENIED, "STS answered without keys");
	if (rc == 0)
		out->source = xasprintf("%s%s (STS)",
		    web ? "web identity, role " : "role ", role->arn);
out:
	buf_wipe(&body);
	buf_wipe(&answer);
	return rc == -1 ? err_in(e, "role %s", role->arn) : 0;
}
