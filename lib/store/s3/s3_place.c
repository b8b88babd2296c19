/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/s3/s3_place.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/err.h"
#include "lib/store/aws/aws_files.h"
#include "lib/store/aws/sigv4.h"

/* The parts of a URL, before options and environment. */
struct spoken {
	char *bucket, *prefix;
	char *endpoint, *region;
	enum store_addressing addressing;
	bool aws; /* its host is AWS's own */
};

/* Names of providers' hosts; "*" is the region. */
static const struct {
	const char *pattern, *region, *scheme;
} hosts[] = {
	{ "s3.*.amazonaws.com", NULL, NULL },
	{ "s3.amazonaws.com", "us-east-1", NULL },
	{ "s3.*.backblazeb2.com", NULL, "https" },
	{ "s3.filebase.com", "us-east-1", "https" },
	{ "*.digitaloceanspaces.com", NULL, "https" },
	{ "s3.*.scw.cloud", NULL, "https" },
	{ "*.linodeobjects.com", NULL, "https" },
	{ "*.r2.cloudflarestorage.com", "auto", "https" },
	{ "localhost", "us-east-1", "http" },
};

/* -- small things ---------------------------------------------------------- */

static char *
text(const char *s, size_t n)
{
	return xasprintf("%.*s", (int)n, s);
}

static void
replace(char **s, char *with)
{
	free(*s);
	*s = with;
}

/* Of what is no escape, or one of a byte of zeros, nothing changes. */
static char *
unescape(const char *s, size_t n)
{
	char *out = text(s, n), *to = out;

	for (s = out; *s != '\0'; s++) {
		char hex[3] = { *s == '%' ? s[1] : '\0', '\0', '\0' };
		char *end = hex;
		long byte = 0;

		if (isxdigit((unsigned char)hex[0])) {
			hex[1] = s[2];
			byte = strtol(hex, &end, 16);
		}
		if (end == hex + 2 && byte > 0) {
			*to++ = (char)byte;
			s += 2;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
	return out;
}

/*
 * Does host end in what pattern says?  Then the length of what comes before
 * it, without the dot (0 if nothing does), and what "*" stood for.
 */
static bool
matches(const char *host, size_t len, const char *pattern, size_t *before,
    char **star)
{
	const char *p = strchr(pattern, '*'),
		   *tail = p == NULL ? pattern : p + 1;
	size_t head = p == NULL ? 0 : (size_t)(p - pattern);
	size_t n = strlen(tail), at, end;

	*star = NULL;
	if (len < n || strncasecmp(host + len - n, tail, n) != 0)
		return false;
	at = end = len - n;
	if (p != NULL) {
		while (at > 0 && host[at - 1] != '.')
			at--;
		if (at == end || at < head ||
		    strncasecmp(host + at - head, pattern, head) != 0)
			return false;
		*star = text(host + at, end - at);
		at -= head;
	}
	if (at > 0 && host[at - 1] != '.') {
		replace(star, NULL);
		return false;
	}
	*before = at > 0 ? at - 1 : 0;
	return true;
}

/* -- the URL --------------------------------------------------------------- */

/* The bucket is what comes before a host that is known, or all. */
static void
split_authority(struct spoken *u, const char *s, size_t n)
{
	const char *dot = memchr(s, '.', n), *colon = memchr(s, ':', n);
	size_t before;
	char *star;

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		size_t end = colon != NULL ? (size_t)(colon - s) : n;

		if (!matches(s, end, hosts[i].pattern, &before, &star))
			continue;
		if (before == 0) {
			free(star);
			continue;
		}
		u->bucket = text(s, before);
		if (hosts[i].region != NULL)
			replace(&star, xstrdup(hosts[i].region));
		if (u->region == NULL)
			u->region = star;
		else
			free(star);
		if (hosts[i].scheme == NULL)
			u->aws = true;
		else
			u->endpoint = xasprintf("%s://%.*s", hosts[i].scheme,
			    (int)(n - before - 1), s + before + 1);
		return;
	}
	if (colon != NULL && dot != NULL && dot < colon) {
		u->bucket = text(s, (size_t)(dot - s));
		u->endpoint =
		    xasprintf("http://%.*s", (int)(s + n - dot - 1), dot + 1);
		return;
	}
	u->bucket = text(s, n);
}

static int
check_bucket(const char *b, struct err *e)
{
	size_t n = strlen(b);

	for (size_t i = 0; i < n; i++)
		if (strchr(
			"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			"0123456789._-",
			b[i]) == NULL)
			n = 0;
	if (n > 0 && n <= 255)
		return 0;
	/* The message does not quote it: it may be a secret. */
	err_set(e, ERR_CONFIG, "what follows s3:// is no bucket's name");
	return err_hint(e, "keys do not belong in a URL: see lspp-s3(7)");
}

/* Empty components are left out. */
static int
normal_prefix(const char *s, size_t len, char **out, struct err *e)
{
	const char *end = s + len;
	struct buf b = { 0 };
	size_t n;

	for (; s < end; s += n) {
		if (*s == '/') {
			n = 1;
			continue;
		}
		for (n = 0; s + n < end && s[n] != '/'; n++)
			continue;
		if ((n == 1 && s[0] == '.') ||
		    (n == 2 && s[0] == '.' && s[1] == '.')) {
			buf_release(&b);
			return err_set(e, ERR_CONFIG,
			    "\"%.*s\" in the prefix of a URL", (int)n, s);
		}
		if (b.len > 0)
			buf_add(&b, "/", 1);
		buf_add(&b, s, n);
	}
	*out = xstrdup(buf_str(&b));
	buf_release(&b);
	return 0;
}

static int
take_param(struct spoken *u, const char *p, size_t n, struct err *e)
{
	const char *eq = memchr(p, '=', n);
	size_t name = eq == NULL ? n : (size_t)(eq - p);
	char *value = eq == NULL ? xstrdup("") : unescape(eq + 1, n - name - 1);

	if (name == 8 && strncmp(p, "endpoint", name) == 0) {
		replace(&u->endpoint, value);
		return 0;
	}
	if (name == 6 && strncmp(p, "region", name) == 0) {
		replace(&u->region, value);
		return 0;
	}
	if (name == 10 && strncmp(p, "path-style", name) == 0 &&
	    (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)) {
		u->addressing = *value == 't' ? STORE_PATH : STORE_VIRTUAL;
		free(value);
		return 0;
	}
	free(value);
	err_set(e, ERR_CONFIG, "\"%.*s\" in the query of the URL is not known",
	    (int)name, p);
	return err_hint(e,
	    "known are endpoint=URL, region=NAME and path-style=true or "
	    "false; a prefix cannot hold \"?\"");
}

static int
parse_url(struct spoken *u, const char *url, bool has_query, struct err *e)
{
	const char *s = url + strlen("s3://"), *query;
	size_t n = strcspn(s, has_query ? "/?" : "/"), param;
	size_t prefix = strcspn(s + n, has_query ? "?" : "");
	int rc = 0;

	for (query = s + n + prefix; rc == 0 && *query != '\0';
	     query += param) {
		query++;
		param = strcspn(query, "&");
		rc = take_param(u, query, param, e);
	}
	/* Beside an endpoint all of it is the bucket, whatever it looks like. */
	if (u->endpoint == NULL)
		split_authority(u, s, n);
	else
		u->bucket = text(s, n);
	if (check_bucket(u->bucket, e) == -1)
		return -1;
	return rc == -1 ? -1 : normal_prefix(s + n, prefix, &u->prefix, e);
}

static void
spoken_release(struct spoken *u)
{
	free(u->bucket);
	free(u->prefix);
	free(u->endpoint);
	free(u->region);
}

int
s3_place_split(
    const char *url, bool query, char **bucket, char **prefix, struct err *e)
{
	struct spoken u = { .aws = false };
	int rc = parse_url(&u, url, query, e);

	if (rc == 0) {
		*bucket = u.bucket;
		*prefix = u.prefix;
		u.bucket = u.prefix = NULL;
	}
	spoken_release(&u);
	return rc == -1 ? err_in(e, "%s", url) : 0;
}

/* -- the endpoint ---------------------------------------------------------- */

static const char *
configured_endpoint(const struct aws_files *f, const char *profile)
{
	static const char *const names[] = { "AWS_ENDPOINT_URL_S3",
		"AWS_ENDPOINT_URL", "AWS_ENDPOINT" };
	const char *v;

	if (aws_env_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"))
		return NULL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((v = aws_env(names[i])) != NULL)
			return v;
	return aws_profile_endpoint(f, profile, "s3");
}

/*
 * Without a scheme: plain HTTP stays on this machine or in this house.  Only an
 * address says that; a name that begins like one may be anybody's.
 */
static bool
nearby(const char *host)
{
	char name[64];
	size_t n = strcspn(host, ":/");
	struct in_addr a;
	uint32_t v;

	if (strncasecmp(host, "[::1]", 5) == 0 ||
	    (n == 9 && strncasecmp(host, "localhost", n) == 0))
		return true;
	if (n >= sizeof(name))
		return false;
	memcpy(name, host, n);
	name[n] = '\0';
	if (inet_pton(AF_INET, name, &a) != 1)
		return false;
	v = ntohl(a.s_addr);
	return v >> 24 == 127 || v >> 24 == 10 || v >> 20 == 0xac1 ||
	    v >> 16 == 0xc0a8;
}

/* NAME, ADDRESS or [ADDRESS], and a port. */
static bool
is_host(const char *s)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	bool bracket = *s == '[';
	const char *end = s + bracket;
	size_t digits;

	while (*end != '\0' &&
	    (strchr(letters, *end) != NULL ||
		strchr(bracket ? ":." : "-._", *end) != NULL))
		end++;
	if (end == s + bracket || (bracket && *end++ != ']'))
		return false;
	if (*end == '\0')
		return true;
	digits = strspn(end + 1, "0123456789");
	return *end == ':' && digits > 0 && digits <= 5 &&
	    end[1 + digits] == '\0';
}

/* Without what may be a secret, also where there is no "://" to go by. */
static int
bad_endpoint(const char *url, struct err *e)
{
	const char *at = strrchr(url, '@');
	const char *from = at != NULL ? at : url;

	return err_set(e, ERR_CONFIG,
	    "the endpoint \"%s%.*s\" is not http[s]://HOST[:PORT]",
	    at != NULL ? "***" : "", (int)strcspn(from, "?#"), from);
}

static int
set_endpoint(struct s3_place *p, const char *url, struct err *e)
{
	const char *sep = strstr(url, "://"), *host, *path;

	host = sep == NULL ? url : sep + 3;
	if (sep == NULL)
		p->scheme = xstrdup(nearby(host) ? "http" : "https");
	else
		p->scheme = text(url, (size_t)(sep - url));
	path = host + strcspn(host, "/");
	if ((strcmp(p->scheme, "http") != 0 &&
		strcmp(p->scheme, "https") != 0) ||
	    strpbrk(host, "?#@ ") != NULL)
		return bad_endpoint(url, e);
	p->host = text(host, (size_t)(path - host));
	if (!is_host(p->host))
		return bad_endpoint(url, e);
	if (normal_prefix(path, strlen(path), &p->path, e) == -1)
		return -1;
	if (*p->path != '\0')
		replace(&p->path, xasprintf("/%s", p->path));
	p->custom = true;
	return 0;
}

bool
s3_place_is_region(const char *s)
{
	size_t n = strspn(s,
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	    "-_.");

	return n > 0 && n < 64 && s[n] == '\0';
}

static void
set_aws_host(struct s3_place *p)
{
	const char *cn = strncmp(p->region, "cn-", 3) == 0 ? ".cn" : "";
	const char *old = aws_env("AWS_S3_US_EAST_1_REGIONAL_ENDPOINT");

	if (old != NULL && strcasecmp(old, "legacy") == 0 && !p->fips &&
	    !p->dualstack && strcmp(p->region, "us-east-1") == 0) {
		replace(&p->host, xstrdup("s3.amazonaws.com"));
		return;
	}
	replace(&p->host,
	    xasprintf("s3%s%s.%s.amazonaws.com%s", p->fips ? "-fips" : "",
		p->dualstack ? ".dualstack" : "", p->region, cn));
}

static char *
region_of_host(const char *host)
{
	size_t before, n = strcspn(host, ":");
	char *star;

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		if (matches(host, n, hosts[i].pattern, &before, &star)) {
			if (hosts[i].region == NULL)
				return star;
			free(star);
			return xstrdup(hosts[i].region);
		}
	return NULL;
}

static void
find_region(struct s3_place *p, struct spoken *u, const struct store_conf *conf,
    const struct aws_files *f, const char *profile)
{
	const char *v = u->region != NULL ? u->region : conf->region;

	p->region_asked = v != NULL;
	if (v == NULL && (v = aws_env("AWS_REGION")) == NULL &&
	    (v = aws_env("AWS_DEFAULT_REGION")) == NULL)
		v = aws_profile_get(f, profile, "region");
	if (v != NULL)
		p->region = xstrdup(v);
	else if (p->custom)
		p->region = region_of_host(p->host);
	if (p->region == NULL)
		p->region = xstrdup("us-east-1");
}

/* A name that a certificate for *.s3... covers. */
static bool
is_label(const char *bucket)
{
	return strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") ==
	    strlen(bucket) &&
	    strlen(bucket) <= 63;
}

static int
settle(struct s3_place *p, struct spoken *u, const struct store_conf *conf,
    const struct aws_files *f, const char *profile, struct err *e)
{
	const char *endpoint = u->endpoint;
	enum store_addressing how = u->addressing;

	if (endpoint == NULL)
		endpoint = conf->endpoint;
	if (endpoint == NULL && !u->aws)
		endpoint = configured_endpoint(f, profile);
	if (endpoint != NULL && set_endpoint(p, endpoint, e) == -1)
		return -1;
	find_region(p, u, conf, f, profile);
	if (!s3_place_is_region(p->region))
		return err_set(e, ERR_CONFIG,
		    "the region is no name of letters, digits, \"-\", \"_\" "
		    "and \".\"");
	p->fips = aws_env_true("AWS_USE_FIPS_ENDPOINT");
	p->dualstack = aws_env_true("AWS_USE_DUALSTACK_ENDPOINT");
	if (p->custom && (p->fips || p->dualstack))
		return err_set(e, ERR_CONFIG,
		    "AWS_USE_%s_ENDPOINT does not go with the endpoint %s",
		    p->fips ? "FIPS" : "DUALSTACK", endpoint);
	if (!p->custom) {
		p->scheme = xstrdup("https");
		p->path = xstrdup("");
		set_aws_host(p);
	}
	if (how == STORE_ADDRESS_AUTO)
		how = conf->addressing;
	p->virtual_host = how == STORE_VIRTUAL ||
	    (how == STORE_ADDRESS_AUTO && !p->custom && is_label(u->bucket));
	p->bucket = u->bucket;
	p->prefix = u->prefix;
	u->bucket = u->prefix = NULL;
	return 0;
}

int
s3_place_find(struct s3_place *p, const char *url,
    const struct store_conf *conf, const struct aws_files *files,
    const char *profile, struct err *e)
{
	struct spoken u = { .aws = false };
	int rc;

	*p = (struct s3_place){ 0 };
	rc = parse_url(&u, url, true, e);
	if (rc == 0)
		rc = settle(p, &u, conf, files, profile, e);
	spoken_release(&u);
	if (rc == -1) {
		s3_place_release(p);
		return err_in(e, "%s", url);
	}
	return 0;
}

void
s3_place_release(struct s3_place *p)
{
	free(p->bucket);
	free(p->prefix);
	free(p->scheme);
	free(p->host);
	free(p->path);
	free(p->region);
	*p = (struct s3_place){ 0 };
}

void
s3_place_region(struct s3_place *p, const char *region)
{
	replace(&p->region, xstrdup(region));
	if (!p->custom)
		set_aws_host(p);
}

/* -- what comes of it ------------------------------------------------------ */

void
s3_place_url(const struct s3_place *p, struct buf *out)
{
	buf_addf(out, "s3://%s%s%s", p->bucket, *p->prefix != '\0' ? "/" : "",
	    p->prefix);
	if (!p->custom)
		return;
	buf_addf(out, "?endpoint=%s://%s", p->scheme, p->host);
	/* What would be an escape, or end the value. */
	for (const char *s = p->path; *s != '\0'; s++)
		if (*s == '%' || *s == '&')
			buf_addf(out, "%%%02X", (unsigned)*s);
		else
			buf_add(out, s, 1);
}

void
s3_place_target(const struct s3_place *p, const char *key, struct buf *host,
    struct buf *path)
{
	buf_reset(host);
	buf_reset(path);
	if (p->virtual_host)
		buf_addf(host, "%s.", p->bucket);
	buf_adds(host, p->host);
	buf_adds(path, p->path);
	if (!p->virtual_host)
		buf_addf(path, "/%s", p->bucket);
	/* AWS and others take "/bucket" for the bucket, all take "/bucket/". */
	buf_addf(path, "/%s", key);
}
