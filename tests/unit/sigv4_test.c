/* SPDX-License-Identifier: Apache-2.0 */
/* AWS's published cases (tests/data/sigv4), and what S3 needs beyond them. */
#include <dirent.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/store/aws/sigv4.h"
#include "lib/sys/file.h"
#include "tests/unit/tap.h"

#define DATA  "tests/data/sigv4"
#define FIELD 16

struct request {
	struct buf text;
	struct sigv4 sig;
	struct sigv4_header headers[FIELD];
	struct sigv4_param params[FIELD];
	const char *body;
	char hash[SIGV4_HASH];
};

static void
slurp(const char *name, const char *file, struct buf *b)
{
	struct err e;
	char path[256];

	(void)snprintf(path, sizeof(path), DATA "/%s/%s", name, file);
	buf_reset(b);
	if (file_slurp(path, 1 << 16, b, &e) == -1)
		ok(false, "%s: %s", path, e.msg);
}

/* The string value of a member, on the heap; NULL if there is none. */
static char *
member(const struct buf *json, const char *name)
{
	char quoted[64], *p;

	(void)snprintf(quoted, sizeof(quoted), "\"%s\": \"", name);
	p = strstr(buf_str(json), quoted);
	if (p == NULL)
		return NULL;
	p += strlen(quoted);
	return strndup(p, strcspn(p, "\""));
}

static void
unescape(char *s)
{
	char *to = s, hex[3] = "";

	for (; *s != '\0'; s++)
		if (*s == '%') {
			memcpy(hex, s + 1, 2);
			*to++ = (char)strtol(hex, NULL, 16);
			s += 2;
		} else {
			*to++ = *s;
		}
	*to = '\0';
}

/* "METHOD path?query HTTP/1.1": cut into pieces where it stands. */
static char *
parse_target(struct request *r)
{
	char *p = (char *)r->text.data, *end = strstr(p, " HTTP/1.1"), *query;
	char *next = end + strcspn(end, "\n");

	*end = '\0';
	r->sig.method = p;
	p += strcspn(p, " ");
	*p++ = '\0';
	r->sig.path = p;
	query = strchr(p, '?');
	if (query == NULL)
		return next + 1;
	*query++ = '\0';
	for (; *query != '\0'; r->sig.n_params++) {
		struct sigv4_param *q = &r->params[r->sig.n_params];
		size_t n = strcspn(query, "&");
		bool last = query[n] == '\0';

		query[n] = '\0';
		p = query + strcspn(query, "=");
		q->value = *p == '\0' ? p : p + 1;
		*p = '\0';
		q->name = query;
		unescape((char *)q->name);
		unescape((char *)q->value);
		query += n + !last;
	}
	return next + 1;
}

static void
parse(struct request *r)
{
	char *p = parse_target(r), *eol;

	r->body = "";
	for (; *p != '\0' && *p != '\n'; p = eol + 1) {
		struct sigv4_header *h = &r->headers[r->sig.n_headers++];

		eol = p + strcspn(p, "\n");
		while (*eol != '\0' && eol[1] == ' ') /* goes on below */
			eol += 1 + strcspn(eol + 1, "\n");
		h->name = p;
		p += strcspn(p, ":");
		*p = '\0';
		h->value = p + 1;
		if (*eol == '\0')
			return;
		*eol = '\0';
	}
	if (*p == '\n')
		r->body = p + 1;
}

/* "2015-08-30T12:36:00Z" */
static void
squeeze(char *date)
{
	char *to = date;

	for (; *date != '\0'; date++)
		if (*date != '-' && *date != ':')
			*to++ = *date;
	*to = '\0';
}

static void
add(struct request *r, const char *name, const char *value)
{
	r->headers[r->sig.n_headers++] = (struct sigv4_header){ name, value };
}

static void
compare(const char *name, struct request *r)
{
	struct sigv4_trace trace = { { 0 }, { 0 } };
	struct buf got = { 0 }, want = { 0 };
	const char *p;

	sigv4_sign(&r->sig, &got, &trace);
	slurp(name, "header-canonical-request.txt", &want);
	is_str(buf_str(&trace.canonical), buf_str(&want),
	    "%s: canonical request", name);
	slurp(name, "header-string-to-sign.txt", &want);
	is_str(buf_str(&trace.to_sign), buf_str(&want), "%s: string to sign",
	    name);
	slurp(name, "header-signature.txt", &want);
	p = strrchr(buf_str(&got), '=');
	is_str(p == NULL ? NULL : p + 1, buf_str(&want), "%s: signature", name);
	slurp(name, "header-signed-request.txt", &want);
	ok(strstr(buf_str(&want), buf_str(&got)) != NULL, "%s: header", name);
	buf_release(&got);
	buf_release(&want);
	sigv4_trace_release(&trace);
}

static void
check_case(const char *name)
{
	struct request r = { .sig = { 0 } };
	struct buf context = { 0 };
	char *v[6];

	slurp(name, "request.txt", &r.text);
	slurp(name, "context.json", &context);
	parse(&r);
	r.sig.headers = r.headers;
	r.sig.params = r.params;
	r.sig.key = v[0] = member(&context, "access_key_id");
	r.sig.secret = v[1] = member(&context, "secret_access_key");
	r.sig.region = v[2] = member(&context, "region");
	r.sig.service = v[3] = member(&context, "service");
	r.sig.date = v[4] = member(&context, "timestamp");
	squeeze(v[4]);
	r.sig.normalize =
	    strstr(buf_str(&context), "\"normalize\": true") != NULL;
	add(&r, "X-Amz-Date", r.sig.date);
	v[5] = member(&context, "token");
	if (v[5] != NULL &&
	    strstr(buf_str(&context), "\"omit_session_token\": true") == NULL)
		add(&r, "X-Amz-Security-Token", v[5]);
	sigv4_sha256(r.body, strlen(r.body), r.hash);
	r.sig.payload = r.hash;
	if (strstr(buf_str(&context), "\"sign_body\": true") != NULL)
		add(&r, "x-amz-content-sha256", r.hash);
	compare(name, &r);
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		free(v[i]);
	buf_release(&context);
	buf_release(&r.text);
}

static int
visible(const struct dirent *d)
{
	return d->d_name[0] != '.' && strcmp(d->d_name, "README") != 0;
}

static void
check_published(void)
{
	struct dirent **v = NULL;
	int n = scandir(DATA, &v, visible, alphasort);

	is_int(n, 38, "all published cases are there");
	for (int i = 0; i < n; i++) {
		check_case(v[i]->d_name);
		free(v[i]);
	}
	free(v);
}

/* A key in a bucket may hold anything; S3 signs the path as it is. */
static void
check_paths(void)
{
	struct buf b = { 0 };

	sigv4_encode(&b, "/b/a b+c%=\xc3\xa9~", 13, true);
	is_str(buf_str(&b), "/b/a%20b%2Bc%25%3D%C3%A9~", "a path is encoded");
	buf_reset(&b);
	sigv4_encode(&b, "a/b", 3, false);
	is_str(buf_str(&b), "a%2Fb", "a slash in a parameter is, too");
	buf_release(&b);
}

static void
check_query(void)
{
	static const struct sigv4_param p[] = { { "prefix", "a/b" },
		{ "list-type", "2" }, { "a-b", "" }, { "a", "2" },
		{ "a", "1" } };
	struct buf b = { 0 };

	sigv4_query(&b, p, 5);
	is_str(buf_str(&b), "a=1&a=2&a-b=&list-type=2&prefix=a%2Fb",
	    "parameters are sorted by name, then value");
	buf_release(&b);
}

static void
check_date(void)
{
	char date[SIGV4_DATE];

	sigv4_date(1440938160, date);
	is_str(date, "20150830T123600Z", "the date");
}

int
main(void)
{
	check_published();
	check_paths();
	check_query();
	check_date();
	return done();
}
