/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/aws/sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SHA256 32

/* -- text ------------------------------------------------------------------ */

void
sigv4_hex(char *out, const uint8_t *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (; n > 0; n--, p++) {
		*out++ = digits[*p >> 4];
		*out++ = digits[*p & 15];
	}
	*out = '\0';
}

void
sigv4_sha256(const void *p, size_t n, char out[SIGV4_HASH])
{
	uint8_t md[SHA256] = { 0 };

	(void)EVP_Digest(p, n, md, NULL, EVP_sha256(), NULL);
	sigv4_hex(out, md, sizeof(md));
}

void
sigv4_date(int64_t seconds, char out[SIGV4_DATE])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(out, SIGV4_DATE, "%Y%m%dT%H%M%SZ", &tm) == 0)
		memcpy(out, "19700101T000000Z", SIGV4_DATE);
}

static bool
unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	    c == '~';
}

void
sigv4_encode(struct buf *out, const char *s, size_t n, bool keep_slash)
{
	for (; n > 0; n--, s++) {
		if (unreserved(*s) || (keep_slash && *s == '/'))
			buf_add(out, s, 1);
		else
			buf_addf(out, "%%%02X", (unsigned char)*s);
	}
}

/* -- the canonical request ------------------------------------------------- */

/* Without the last component. */
static void
step_back(struct buf *path)
{
	while (path->len > 0 && path->data[--path->len] != '/')
		continue;
}

/*
 * The path without empty and "." components, and ".." taking one back.  It ends
 * in a slash if its last component was one of these.
 */
static void
normalize(struct buf *out, const char *path)
{
	bool slash = true;
	size_t n;

	for (; *path != '\0'; path += n) {
		path += strspn(path, "/");
		n = strcspn(path, "/");
		slash = true;
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			step_back(out);
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			buf_add(out, "/", 1);
			buf_add(out, path, n);
			slash = false;
		}
	}
	if (slash)
		buf_add(out, "/", 1);
}

static void
add_path(struct buf *out, const struct sigv4 *r)
{
	struct buf path = { 0 };

	if (r->normalize)
		normalize(&path, r->path);
	else
		buf_adds(&path, r->path);
	sigv4_encode(out, buf_str(&path), path.len, true);
	buf_release(&path);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Encoded text sorts as it has to: '=' and '%' are below all unreserved but
 * '-' and '.', so name and value are compared apart, joined by a low byte. */
void
sigv4_query(struct buf *out, const struct sigv4_param *params, size_t n)
{
	char **v = xcalloc(n + 1, sizeof(*v));
	struct buf one = { 0 };

	for (size_t i = 0; i < n; i++) {
		buf_reset(&one);
		sigv4_encode(
		    &one, params[i].name, strlen(params[i].name), false);
		buf_add(&one, "\001", 1);
		sigv4_encode(
		    &one, params[i].value, strlen(params[i].value), false);
		v[i] = xstrdup(buf_str(&one));
	}
	qsort(v, n, sizeof(*v), by_text);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add(out, "&", 1);
		*strchr(v[i], '\001') = '=';
		buf_adds(out, v[i]);
		free(v[i]);
	}
	free(v);
	buf_release(&one);
}

struct line {
	char *name;
	const char *value;
	size_t at; /* equal names keep their order */
};

static int
by_name(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int d = strcmp(x->name, y->name);

	return d != 0 ? d : (x->at > y->at) - (x->at < y->at);
}

/* Blanks at the ends go, runs of them become one. */
static void
add_value(struct buf *out, const char *s)
{
	static const char blank[] = " \t\r\n";
	size_t n;

	for (s += strspn(s, blank); *s != '\0'; s += strspn(s, blank)) {
		n = strcspn(s, blank);
		buf_add(out, s, n);
		s += n;
		if (s[strspn(s, blank)] != '\0')
			buf_add(out, " ", 1);
	}
}

static char *
lower(const char *s)
{
	char *copy = xstrdup(s);

	for (char *p = copy; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return copy;
}

/* The header lines to out, their names to names. */
static void
add_headers(struct buf *out, struct buf *names, const struct sigv4 *r)
{
	struct line *v = xcalloc(r->n_headers + 1, sizeof(*v));
	size_t n = r->n_headers;

	for (size_t i = 0; i < n; i++)
		v[i] = (struct line){ lower(r->headers[i].name),
			r->headers[i].value, i };
	qsort(v, n, sizeof(*v), by_name);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && strcmp(v[i].name, v[i - 1].name) == 0) {
			out->len--; /* the newline: one more value */
			buf_add(out, ",", 1);
		} else {
			buf_addf(names, "%s%s", i > 0 ? ";" : "", v[i].name);
			buf_addf(out, "%s:", v[i].name);
		}
		add_value(out, v[i].value);
		buf_add(out, "\n", 1);
	}
	for (size_t i = 0; i < n; i++)
		free(v[i].name);
	free(v);
}

static void
canonical_request(const struct sigv4 *r, struct buf *out, struct buf *names)
{
	buf_addf(out, "%s\n", r->method);
	add_path(out, r);
	buf_add(out, "\n", 1);
	sigv4_query(out, r->params, r->n_params);
	buf_add(out, "\n", 1);
	add_headers(out, names, r);
	buf_addf(out, "\n%s\n%s", buf_str(names), r->payload);
}

/* -- the signature --------------------------------------------------------- */

static void
hmac(uint8_t key[SHA256], const char *text, size_t n)
{
	uint8_t md[SHA256] = { 0 };

	(void)HMAC(
	    EVP_sha256(), key, SHA256, (const uint8_t *)text, n, md, NULL);
	memcpy(key, md, SHA256);
	OPENSSL_cleanse(md, sizeof(md));
}

/* "AWS4" + secret, then date, region, service and a constant. */
static void
signing_key(const struct sigv4 *r, uint8_t key[SHA256])
{
	char *secret = xasprintf("AWS4%s", r->secret);

	(void)HMAC(EVP_sha256(), secret, (int)strlen(secret),
	    (const uint8_t *)r->date, 8, key, NULL);
	str_wipe(secret);
	hmac(key, r->region, strlen(r->region));
	hmac(key, r->service, strlen(r->service));
	hmac(key, "aws4_request", 12);
}

void
sigv4_sign(const struct sigv4 *r, struct buf *out, struct sigv4_trace *trace)
{
	struct sigv4_trace own = { { 0 }, { 0 } };
	struct buf names = { 0 };
	uint8_t key[SHA256] = { 0 };
	char hash[SIGV4_HASH], *scope;

	if (trace == NULL)
		trace = &own;
	buf_reset(&trace->canonical);
	buf_reset(&trace->to_sign);
	canonical_request(r, &trace->canonical, &names);
	sigv4_sha256(trace->canonical.data, trace->canonical.len, hash);
	scope = xasprintf(
	    "%.8s/%s/%s/aws4_request", r->date, r->region, r->service);
	buf_addf(&trace->to_sign, "AWS4-HMAC-SHA256\n%s\n%s\n%s", r->date,
	    scope, hash);

	signing_key(r, key);
	hmac(key, buf_str(&trace->to_sign), trace->to_sign.len);
	sigv4_hex(hash, key, sizeof(key));
	OPENSSL_cleanse(key, sizeof(key));
	buf_reset(out);
	buf_addf(out,
	    "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, "
	    "Signature=%s",
	    r->key, scope, buf_str(&names), hash);
	free(scope);
	buf_release(&names);
	sigv4_trace_release(&own);
}

void
sigv4_trace_release(struct sigv4_trace *t)
{
	buf_release(&t->canonical);
	buf_release(&t->to_sign);
}
