/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bucket -- a server of one bucket in memory, which has the faults that it is
 * told to have.  It looks at no signature.
 *
 *	bucket LOG [WORD...]
 *
 * Prints its port.  LOG gets "METHOD TARGET STATUS" for each request.  Words:
 *	put=HOW		what If-None-Match does on a PUT: hold (412), ignore,
 *			501 or 400 (refused), race (it holds, but not for two
 *			at the same moment), goog (ignored; but
 *			x-goog-if-generation-match holds)
 *	parts=HOW	the same when an upload in parts is completed
 *	deny=FILE	while it exists, no object may be read
 *	undeleted	none may be deleted
 *	delimiter=HOW	what one of more than a byte does: refuse (400), first
 *			(prefixes end at the first "/"), cut (they end before
 *			it), ignore
 *	root=NAME	of answers about uploads in parts
 *	uploads=STATUS	of a listing of uploads
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/store/aws/s3_xml.h"
#include "lib/sys/file.h"
#include "tests/tools/loopback.h"

struct object {
	char *key; /* of a part: "ID/NUMBER" */
	uint8_t *data;
	size_t n;
	char etag[36];
};

struct objects {
	struct object *v;
	size_t n, room;
};

static struct {
	const char *put, *parts, *delimiter, *root, *uploads, *deny;
	bool undeleted;
} how = { "hold", "hold", "", NULL, NULL, NULL, false };

static const char *log_file;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct objects objects, parts;
static unsigned last_upload;

struct request {
	struct buf all;
	size_t body;
	char method[8];
	char *target, *path, *query; /* path: the key, decoded */
};

struct answer {
	int status;
	struct buf headers, body;
};

/* -- objects --------------------------------------------------------------- */

static size_t
place_of(const struct objects *o, const char *key)
{
	size_t from = 0, to = o->n, mid;

	while (from < to) {
		mid = from + (to - from) / 2;
		if (strcmp(o->v[mid].key, key) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static struct object *
find(const struct objects *o, const char *key)
{
	size_t i = place_of(o, key);

	return i < o->n && strcmp(o->v[i].key, key) == 0 ? &o->v[i] : NULL;
}

static struct object *
set(struct objects *o, const char *key, const void *p, size_t n)
{
	struct object *x = find(o, key);
	uint8_t md[EVP_MAX_MD_SIZE];
	size_t i = place_of(o, key);

	if (x == NULL) {
		if (o->n == o->room) {
			o->room = o->room * 2 + 64;
			o->v = xrealloc(o->v, o->room * sizeof(*o->v));
		}
		x = &o->v[i];
		memmove(x + 1, x, (o->n++ - i) * sizeof(*x));
		*x = (struct object){ .key = xstrdup(key) };
	}
	free(x->data);
	x->data = xmalloc(n + 1);
	memcpy(x->data, p, n);
	x->n = n;
	(void)EVP_Digest(p, n, md, NULL, EVP_md5(), NULL);
	x->etag[0] = '"';
	for (size_t k = 0; k < 16; k++)
		(void)snprintf(x->etag + 1 + 2 * k, 4, "%02x\"", md[k]);
	return x;
}

static void
unset(struct objects *o, const char *key)
{
	struct object *x = find(o, key);

	if (x == NULL)
		return;
	free(x->key);
	free(x->data);
	memmove(x, x + 1, (size_t)(o->v + --o->n - x) * sizeof(*x));
}

/* A copy of the value, or NULL. */
static char *
header(const struct request *q, const char *name)
{
	const char *p = (const char *)q->all.data, *end = p + q->body;
	size_t n = strlen(name);

	for (; p != NULL && p < end; p = memchr(p, '\n', (size_t)(end - p))) {
		p += *p == '\n';
		if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
			p += n + 1 + strspn(p + n + 1, " ");
			return xasprintf("%.*s", (int)strcspn(p, "\r\n"), p);
		}
	}
	return NULL;
}

static char *
parameter(const struct request *q, const char *name)
{
	size_t n = strlen(name);
	char *value;

	for (const char *p = q->query; *p != '\0'; p += *p == '&') {
		if (strncmp(p, name, n) == 0 && strchr("=&", p[n]) != NULL) {
			p += n + (p[n] == '=');
			value = xasprintf("%.*s", (int)strcspn(p, "&"), p);
			s3_xml_decode(value);
			return value;
		}
		p += strcspn(p, "&");
	}
	return NULL;
}

static bool
has(const struct request *q, const char *name)
{
	return strstr(q->query, name) != NULL;
}

static bool
read_request(int fd, struct request *q)
{
	struct buf *b = &q->all;
	size_t want = 0;
	char *length;
	const char *end;
	ssize_t n;

	do {
		if ((n = recv(fd, buf_room(b, 65536), 65536, 0)) <= 0)
			return false;
		b->len += (size_t)n;
		buf_add(b, "", 0);
		if (q->body != 0 ||
		    (end = memmem(b->data, b->len, "\r\n\r\n", 4)) == NULL)
			continue;
		q->body = (size_t)(end - (const char *)b->data) + 4;
		length = header(q, "Content-Length");
		want = length == NULL ? 0 : strtoul(length, NULL, 10);
		free(length);
		length = header(q, "Expect");
		if (length != NULL && strcmp(length, "100-continue") == 0)
			(void)send(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25,
			    MSG_NOSIGNAL);
		free(length);
	} while (q->body == 0 || b->len < q->body + want);
	return true;
}

static void
parse(struct request *q)
{
	const char *p = (const char *)q->all.data;
	size_t n;

	(void)sscanf(p, "%7s", q->method);
	p += strlen(q->method) + 1;
	q->target = xasprintf("%.*s", (int)strcspn(p, " "), p);
	n = strcspn(q->target, "?");
	q->query = q->target + n + (q->target[n] == '?');
	/* the bucket is the first component */
	p = q->target + 1 + strcspn(q->target + 1, "/?");
	p += *p == '/';
	q->path = xasprintf(
	    "%.*s", p > q->target + n ? 0 : (int)(q->target + n - p), p);
	s3_xml_decode(q->path);
}

static void
refuse(struct answer *a, int status, const char *code)
{
	a->status = status;
	buf_reset(&a->body);
	buf_addf(&a->body,
	    "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>made"
	    "</Message></Error>",
	    code);
}

/* False: it was refused, with an answer. */
static bool
allowed(const struct request *q, const char *mode, bool there, struct answer *a)
{
	char *none = header(q, "If-None-Match");
	char *goog = header(q, "x-goog-if-generation-match");
	bool plain = strcmp(mode, "hold") == 0 || strcmp(mode, "race") == 0;

	a->status = 200;
	if (none != NULL && strcmp(mode, "501") == 0)
		refuse(a, 501, "NotImplemented");
	else if (none != NULL && strcmp(mode, "400") == 0)
		refuse(a, 400, "InvalidArgument");
	else if (there &&
	    ((plain && none != NULL) ||
		(goog != NULL && strcmp(mode, "goog") == 0)))
		refuse(a, 412, "PreconditionFailed");
	free(none);
	free(goog);
	return a->status == 200;
}

static void
put_object(const struct request *q, struct answer *a)
{
	static const struct timespec moment = { 0, 20000000 };
	struct object *x;

	if (!allowed(q, how.put, find(&objects, q->path) != NULL, a))
		return;
	if (strcmp(how.put, "race") == 0) {
		pthread_mutex_unlock(&lock);
		(void)nanosleep(&moment, NULL);
		pthread_mutex_lock(&lock);
	}
	x = set(&objects, q->path, q->all.data + q->body, q->all.len - q->body);
	buf_addf(&a->headers, "ETag: %s\r\n", x->etag);
}

static void
put_part(const struct request *q, struct answer *a)
{
	char *id = parameter(q, "uploadId"), *n = parameter(q, "partNumber");
	char *key = xasprintf("%s/%05ld", id, strtol(n, NULL, 10));
	struct object *x =
	    set(&parts, key, q->all.data + q->body, q->all.len - q->body);

	a->status = 200;
	buf_addf(&a->headers, "ETag: %s\r\n", x->etag);
	free(key);
	free(id);
	free(n);
}

static void
begin_upload(struct answer *a)
{
	const char *root =
	    how.root ? how.root : "InitiateMultipartUploadResult";

	a->status = 200;
	buf_addf(&a->body, "<%s><UploadId>%u</UploadId></%s>", root,
	    ++last_upload, root);
}

static void
take_parts(const char *id, struct buf *all)
{
	char *prefix = xasprintf("%s/", id);
	size_t i = place_of(&parts, prefix), n = strlen(prefix);

	while (i < parts.n && strncmp(parts.v[i].key, prefix, n) == 0) {
		if (all != NULL)
			buf_add(all, parts.v[i].data, parts.v[i].n);
		unset(&parts, parts.v[i].key);
	}
	free(prefix);
}

static void
complete_upload(const struct request *q, struct answer *a)
{
	const char *root =
	    how.root ? how.root : "CompleteMultipartUploadResult";
	char *id = parameter(q, "uploadId");
	struct buf all = { 0 };

	if (allowed(q, how.parts, find(&objects, q->path) != NULL, a)) {
		take_parts(id, &all);
		(void)set(&objects, q->path, buf_str(&all), all.len);
		buf_addf(&a->body, "<%s><ETag>\"x-1\"</ETag></%s>", root, root);
	}
	buf_release(&all);
	free(id);
}

static void
get_object(const struct request *q, struct answer *a)
{
	const struct object *x = find(&objects, q->path);
	char *range = header(q, "Range"), *p;
	size_t from = 0, to;

	a->status = 200;
	if (how.deny != NULL && access(how.deny, F_OK) == 0)
		refuse(a, 403, "AccessDenied");
	else if (x == NULL)
		refuse(a, 404, "NoSuchKey");
	if (x == NULL || a->status != 200)
		goto out;
	to = x->n;
	if (range != NULL && strncmp(range, "bytes=", 6) == 0) {
		from = strtoul(range + 6, &p, 10);
		if (range[6] == '-') {
			from = strtoul(range + 7, NULL, 10);
			from = from < x->n ? x->n - from : 0;
		} else if (p[1] != '\0' && strtoul(p + 1, NULL, 10) < to) {
			to = strtoul(p + 1, NULL, 10) + 1;
		}
		if (from >= x->n) {
			refuse(a, 416, "InvalidRange");
			goto out;
		}
		a->status = 206;
		buf_addf(&a->headers, "Content-Range: bytes %zu-%zu/%zu\r\n",
		    from, to - 1, x->n);
	}
	buf_addf(&a->headers, "ETag: %s\r\n", x->etag);
	buf_add(&a->body, x->data + from, to - from);
out:
	free(range);
}

/* -- listings -------------------------------------------------------------- */

static char *
rolled(const char *key, const char *prefix, const char *delimiter)
{
	size_t skip = strlen(prefix), n = strlen(delimiter);
	const char *end = n == 0 ? NULL : strstr(key + skip, delimiter);

	if (n > 1 && strcmp(how.delimiter, "first") == 0)
		end = strchr(key + skip, '/'), n = 1;
	if (end == NULL)
		return NULL;
	if (n > 1 && strcmp(how.delimiter, "cut") == 0)
		n = 0;
	return xasprintf("%.*s", (int)(end - key + (ptrdiff_t)n), key);
}

static void
put_entry(struct buf *b, const char *key, const struct object *x)
{
	buf_adds(b, x == NULL ? "<CommonPrefixes><Prefix>" : "<Contents><Key>");
	s3_xml_escape(b, key);
	if (x == NULL)
		buf_adds(b, "</Prefix></CommonPrefixes>");
	else
		buf_addf(b,
		    "</Key><Size>%zu</Size><LastModified>2026-01-01T00:00:00Z"
		    "</LastModified></Contents>",
		    x->n);
}

static void
list(const struct request *q, struct answer *a)
{
	char *prefix = parameter(q, "prefix"), *up, *last = NULL;
	char *delimiter = parameter(q, "delimiter");
	char *after = parameter(q, "start-after"), *token;
	const char *d = delimiter == NULL ? "" : delimiter;
	size_t n = 0, i;

	if ((token = parameter(q, "continuation-token")) != NULL) {
		free(after);
		after = token;
	}
	a->status = 200;
	if (d[0] != '\0' && d[1] != '\0' &&
	    strcmp(how.delimiter, "refuse") == 0) {
		refuse(a, 400, "InvalidArgument");
		goto out;
	}
	if (d[0] != '\0' && d[1] != '\0' &&
	    strcmp(how.delimiter, "ignore") == 0)
		d = "";
	buf_adds(&a->body, "<ListBucketResult>");
	for (i = place_of(&objects, prefix); i < objects.n && n < 1000; i++) {
		const struct object *x = &objects.v[i];

		if (strncmp(x->key, prefix, strlen(prefix)) != 0)
			break;
		up = rolled(x->key, prefix, d);
		if ((after != NULL && strcmp(up ? up : x->key, after) <= 0) ||
		    (up != NULL && last != NULL && strcmp(up, last) == 0)) {
			free(up);
			continue;
		}
		put_entry(&a->body, up ? up : x->key, up ? NULL : x);
		free(last);
		last = up != NULL ? up : xstrdup(x->key);
		n++;
	}
	if (n == 1000 && i < objects.n)
		buf_addf(&a->body,
		    "<IsTruncated>true</IsTruncated><NextContinuationToken>%s"
		    "</NextContinuationToken>",
		    last);
	else
		buf_adds(&a->body, "<IsTruncated>false</IsTruncated>");
	buf_adds(&a->body, "</ListBucketResult>");
out:
	free(last);
	free(prefix);
	free(delimiter);
	free(after);
}

/* -- serving --------------------------------------------------------------- */

static void delete (const struct request *q, struct answer *a)
{
	char *id = parameter(q, "uploadId");

	a->status = 204;
	if (id != NULL)
		take_parts(id, NULL);
	else if (how.undeleted)
		refuse(a, 403, "AccessDenied");
	else
		unset(&objects, q->path);
	free(id);
}

static void
carry_out(const struct request *q, struct answer *a)
{
	const char *m = q->method;

	pthread_mutex_lock(&lock);
	if (strcmp(m, "PUT") == 0 && has(q, "uploadId"))
		put_part(q, a);
	else if (strcmp(m, "PUT") == 0)
		put_object(q, a);
	else if (strcmp(m, "POST") == 0 && has(q, "uploads"))
		begin_upload(a);
	else if (strcmp(m, "POST") == 0 && has(q, "uploadId"))
		complete_upload(q, a);
	else if (strcmp(m, "DELETE") == 0)
		delete (q, a);
	else if (strcmp(m, "GET") == 0 && has(q, "uploads"))
		refuse(a,
		    how.uploads ? (int)strtol(how.uploads, NULL, 10) : 501,
		    "NotImplemented");
	else if (strcmp(m, "GET") == 0 && has(q, "list-type"))
		list(q, a);
	else if (strcmp(m, "GET") == 0 || strcmp(m, "HEAD") == 0)
		get_object(q, a);
	else
		refuse(a, 501, "NotImplemented");
	pthread_mutex_unlock(&lock);
}

static void
note(const struct request *q, int status)
{
	char *line = xasprintf("%s %s %d\n", q->method, q->target, status);
	int fd =
	    open(log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	if (fd == -1 || write(fd, line, strlen(line)) == -1)
		perror(log_file);
	file_close(fd);
	free(line);
}

static void *
serve(void *ctx)
{
	int fd = *(int *)ctx;
	bool more = true;

	while (more) {
		struct request q = { .body = 0 };
		struct answer a = { .status = 500 };
		struct buf out = { 0 };

		if ((more = read_request(fd, &q))) {
			parse(&q);
			carry_out(&q, &a);
			note(&q, a.status);
			buf_addf(&out,
			    "HTTP/1.1 %d Made\r\n%sContent-Length: %zu\r\n\r\n",
			    a.status, buf_str(&a.headers), a.body.len);
			if (strcmp(q.method, "HEAD") != 0)
				buf_add(&out, buf_str(&a.body), a.body.len);
			more = send(fd, out.data, out.len, MSG_NOSIGNAL) ==
				(ssize_t)out.len &&
			    strstr((char *)q.all.data, "Connection: close") ==
				NULL;
		}
		buf_release(&out);
		buf_release(&a.headers);
		buf_release(&a.body);
		buf_release(&q.all);
		free(q.target);
		free(q.path);
	}
	file_close(fd);
	free(ctx);
	return NULL;
}

static void
take_word(const char *word)
{
	static const struct {
		const char *name, **to;
	} t[] = { { "put=", &how.put }, { "parts=", &how.parts },
		{ "delimiter=", &how.delimiter }, { "root=", &how.root },
		{ "uploads=", &how.uploads }, { "deny=", &how.deny } };

	how.undeleted |= strcmp(word, "undeleted") == 0;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (strncmp(word, t[i].name, strlen(t[i].name)) == 0)
			*t[i].to = word + strlen(t[i].name);
}

int
main(int argc, char **argv)
{
	log_file = argc < 2 ? "/dev/null" : argv[1];
	for (int i = 2; i < argc; i++)
		take_word(argv[i]);
	return loopback("bucket", serve);
}
