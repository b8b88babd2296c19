/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading objects, going on where a connection broke.
 *
 * What is wrong with an answer is not what is wrong with the object: a proxy's
 * page, a body that was cut or compressed on the way, an error with status 200.
 * So an answer is looked at before it is believed, and asked for again.
 */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "lib/base/be.h"
#include "lib/store/s3/s3_impl.h"
#include "lib/sys/relay.h"

enum {
	LARGE = 4 << 20, /* an object that is worth a thread */
};

/* -- objects --------------------------------------------------------------- */

/* One get, over all its tries. */
struct fetch {
	store_sink *sink;
	void *ctx;
	const struct http_response *r;
	uint64_t off, n; /* as asked for */
	uint64_t at;     /* the next byte of the object that is wanted */
	uint64_t pass;   /* bytes of this answer that are before it */
	uint64_t left;   /* bytes that are wanted yet */
	bool known;      /* at is: of a tail not before the first answer */
	bool begun;      /* of this answer a byte was seen */
	bool whole;      /* it is all of the object, from its first byte */
	bool summed;     /* whole, and the server has its CRC32 */
	uLong crc;
	struct relay *relay; /* of a large one: to the sink, or NULL */
	char range[80], match[160];

	struct s3 *s;
	const char *full; /* its key in the bucket */
	bool ended;       /* the sink wants no more, for: */
	bool bad;         /* this answer is not believed, for: */
	struct err why;
	bool held;       /* this answer is kept until it is believed: */
	struct buf body; /* all of a small object */
	uint64_t total;  /* length of the object by a 206; 0: not known */
};

/* -- is it to be believed? ------------------------------------------------- */

static void
doubt(struct fetch *f, const char *what)
{
	f->bad = true;
	err_set(
	    &f->why, ERR_UNAVAILABLE, "GET %s: the answer %s", f->full, what);
	err_hint(&f->why, "is it S3 that answers there?");
}

/* By its headers. */
static void
judge_headers(struct fetch *f)
{
	const char *encoding = http_header(f->r, "content-encoding");
	const char *size = http_header(f->r, "content-length");
	const char *v = http_header(f->r, "content-range"), *slash;
	uint64_t from, to;
	char *end;

	f->total = 0;
	if (encoding != NULL && strcasecmp(encoding, "identity") != 0 &&
	    strncasecmp(encoding, "aws-chunked", 11) != 0)
		doubt(f, "was encoded on its way");
	else if (f->r->status == 200 && http_header(f->r, "etag") == NULL &&
	    (size == NULL || strtoull(size, NULL, 10) >= LARGE))
		doubt(f, "has no ETag");
	if (f->bad || f->r->status != 206)
		return;
	if (v == NULL || strncmp(v, "bytes ", 6) != 0 ||
	    (slash = strchr(v, '/')) == NULL) {
		doubt(f, "does not say which part it is");
		return;
	}
	from = strtoull(v + 6, &end, 10);
	to = *end == '-' ? strtoull(end + 1, NULL, 10) : 0;
	if (to < from ||
	    (size != NULL && *size != '\0' &&
		strtoull(size, NULL, 10) != to - from + 1))
		doubt(f, "is not the part that it says");
	else
		f->total = strtoull(slash + 1, NULL, 10); /* of "*": 0 */
}

/* Has the object so many bytes?  1, 0, -1. */
static int
has_size(struct fetch *f, uint64_t n, struct err *e)
{
	struct http_response r = { 0 };
	struct s3_call c = {
		.method = "HEAD", .class = STORE_REQUEST_HEAD, .key = f->full
	};
	const char *size;
	int rc;

	s3_sse_c_headers(f->s, &c);
	rc = s3_do(f->s, &c, &r, e);
	size = http_header(&r, "content-length");
	if (rc == 0)
		rc = size != NULL && strtoull(size, NULL, 10) == n;
	http_response_release(&r);
	return rc;
}

/*
 * A small object, whole: is it what the ETag says?  There are ETags that say
 * nothing, and bytes that have changed where they lie, which is for others to
 * find; so only another length makes it the answer's fault.
 */
static int
judge_body(struct fetch *f, struct err *e)
{
	uint8_t md[EVP_MAX_MD_SIZE];
	struct s3_error x;
	char hex[33] = "";
	int rc;

	if (f->body.len > 0 && f->body.data[0] == '<' &&
	    s3_xml_error(&f->body, &x)) {
		doubt(f, "is an error, with the status of none");
		return 0;
	}
	if (EVP_Digest(
		buf_str(&f->body), f->body.len, md, NULL, EVP_md5(), NULL) == 1)
		sigv4_hex(hex, md, 16);
	rc = s3_etag_is(f->r, hex);
	if (rc == 1 ||
	    (rc == -1 && f->body.len > 0 && http_header(f->r, "etag") != NULL))
		return 0;
	if ((rc = has_size(f, f->body.len, e)) == 0)
		doubt(f, "is not of the length of the object");
	return rc == -1 ? -1 : 0;
}

/* -- the bytes ------------------------------------------------------------- */

/* "bytes 17-21/22": the 17; 0 if it does not say. */
static uint64_t
range_start(const struct http_response *r)
{
	const char *v = http_header(r, "content-range");

	if (v == NULL || strncmp(v, "bytes ", 6) != 0)
		return 0;
	return strtoull(v + 6, NULL, 10);
}

/* Where in the object does this answer begin?  200: a server that knows no
 * ranges sends all of it. */
static int
begin_answer(struct fetch *f, struct err *e)
{
	const char *size = http_header(f->r, "content-length");
	const char *crc = http_header(f->r, "x-amz-checksum-crc32");
	uint64_t start = f->r->status == 206 ? range_start(f->r) : 0, total;

	f->begun = true;
	judge_headers(f);
	if (f->bad)
		return 0;
	f->held = f->r->status == 200 && size != NULL &&
	    strtoull(size, NULL, 10) < LARGE;
	if (f->whole && f->relay == NULL && size != NULL &&
	    strtoull(size, NULL, 10) >= LARGE)
		f->relay = relay_start(f->sink, f->ctx, e); /* or without */
	if (f->at == 0)
		f->summed = f->whole && crc != NULL && strchr(crc, '-') == NULL;
	if (!f->known && f->r->status == 200) {
		if (size == NULL)
			return err_set(e, ERR_UNAVAILABLE,
			    "the answer does not say how long it is");
		total = strtoull(size, NULL, 10);
		f->at = total > f->n ? total - f->n : 0;
	} else if (!f->known) {
		f->at = start;
	}
	f->known = true;
	if (start > f->at)
		return err_set(e, ERR_UNAVAILABLE,
		    "the answer begins at byte %" PRIu64
		    ", asked for was %" PRIu64,
		    start, f->at);
	f->pass = f->at - start;
	return 0;
}

static int
pass_on(struct fetch *f, const uint8_t *p, size_t n, struct err *e)
{
	if (f->pass > 0) {
		size_t skip = n < f->pass ? n : (size_t)f->pass;

		f->pass -= skip;
		p += skip;
		n -= skip;
	}
	if (n > f->left)
		n = (size_t)f->left;
	if (n == 0)
		return 0;
	if (f->summed)
		f->crc = crc32(f->crc, p, (uInt)n);
	f->at += n;
	f->left -= n;
	return f->relay != NULL ? relay_put(f->relay, p, n, e)
				: f->sink(f->ctx, p, n, e);
}

static int
take(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	struct fetch *f = ctx;

	if (f->ended) {
		*e = f->why;
		return -1;
	}
	if (!f->begun && begin_answer(f, e) == -1)
		return -1;
	if (f->bad)
		return 0;
	if (f->held)
		buf_add(&f->body, p, n);
	return f->held ? 0 : pass_on(f, p, n, e);
}

/* All of the answer is here: is it what was asked for?  As s3_call's check. */
static int
check(void *ctx, const struct http_response *r, struct err *e)
{
	struct fetch *f = ctx;
	uint64_t end;

	if (r->status == 416)
		return 0;
	if (!f->begun && begin_answer(f, e) == -1)
		return 1;
	if (f->held && !f->bad && judge_body(f, e) == -1)
		return -1;
	if (f->bad) {
		*e = f->why;
		return -1;
	}
	if (f->held)
		return pass_on(f, f->body.data, f->body.len, e) == -1 ? 1 : 0;
	end = f->left > UINT64_MAX - f->at ? UINT64_MAX : f->at + f->left;
	if (f->total > 0 && f->at < (end < f->total ? end : f->total))
		return err_set(e, ERR_UNAVAILABLE,
		    "GET %s: the answer ends too early", f->full);
	return 0;
}

/* The Range header: "" for all. */
static void
set_range(struct fetch *f, struct s3_call *c)
{
	uint64_t last;

	c->n_plain = 0;
	f->begun = f->bad = f->held = false;
	buf_reset(&f->body);
	if (!f->known) {
		(void)snprintf(
		    f->range, sizeof(f->range), "Range: bytes=-%" PRIu64, f->n);
	} else if (f->left == UINT64_MAX - (f->at - f->off)) {
		if (f->at == 0)
			return;
		(void)snprintf(f->range, sizeof(f->range),
		    "Range: bytes=%" PRIu64 "-", f->at);
	} else {
		last = f->at + f->left - 1;
		(void)snprintf(f->range, sizeof(f->range),
		    "Range: bytes=%" PRIu64 "-%" PRIu64, f->at, last);
	}
	s3_plain(c, f->range);
}

/* After a break: the rest, of the same object. */
static void
go_on(void *ctx, struct s3_call *c, struct http_response *r)
{
	struct fetch *f = ctx;
	const char *etag = http_header(r, "etag");

	/* The bytes from before a transfer broke are still good. */
	if (f->held && !f->bad && r->fault != HTTP_FINE &&
	    pass_on(f, f->body.data, f->body.len, &f->why) == -1)
		f->ended = true;
	if (f->known && f->begun && !f->bad && etag != NULL)
		(void)snprintf(
		    f->match, sizeof(f->match), "If-Match: %s", etag);
	set_range(f, c);
	if (f->match[0] != '\0')
		s3_plain(c, f->match);
}

/* CRC32 of the object, where the server has it. */
static int
check_sum(const struct fetch *f, const struct http_response *r, const char *key,
    struct err *e)
{
	const char *want = http_header(r, "x-amz-checksum-crc32");
	uint8_t be[4];
	char got[12];

	if (!f->summed || want == NULL || strchr(want, '-') != NULL)
		return 0;
	be32_put(be, (uint32_t)f->crc);
	s3_base64(got, be, sizeof(be));
	if (strcmp(got, want) == 0)
		return 0;
	return err_set(e, ERR_CORRUPT,
	    "%s: CRC32 is %s, that of the object is %s", key, got, want);
}

/* Somebody takes it for damaged.  It may be the answer that was, too. */
static void
blame_answer(struct fetch *f, const struct http_response *r, struct err *e)
{
	const char *size = http_header(r, "content-length");
	struct err other;

	if (!f->whole || f->held || size == NULL || r->status != 200 ||
	    has_size(f, strtoull(size, NULL, 10), &other) != 0)
		return;
	doubt(f, "is not of the length of the object");
	*e = f->why;
}

int
s3_get(struct store *st, const char *key, uint64_t off, uint64_t n,
    store_sink *sink, void *ctx, struct err *e)
{
	struct s3 *s = (struct s3 *)st;
	struct http_response r = { 0 };
	struct buf full = { 0 };
	struct fetch f = { .sink = sink,
		.ctx = ctx,
		.s = s,
		.r = &r,
		.off = off,
		.n = n,
		.crc = crc32(0, NULL, 0) };
	struct s3_call c = { .method = "GET",
		.class = STORE_REQUEST_GET,
		.sink = take,
		.sink_ctx = &f,
		.moved = &f.at,
		.again = go_on,
		.check = check,
		.expect = 416 };
	struct err failed;
	int rc = -1;

	f.known = off != UINT64_MAX || n == UINT64_MAX;
	f.off = f.at = f.known && off != UINT64_MAX ? off : 0;
	f.left = n == UINT64_MAX ? UINT64_MAX : n;
	f.whole = f.known && f.at == 0 && n == UINT64_MAX;
	if (n == 0)
		return 0;
	if (s3_full_key(s, key, &full, e) == -1)
		goto out;
	c.key = f.full = buf_str(&full);
	set_range(&f, &c);
	s3_sse_c_headers(s, &c);
	if (s->validates && f.whole)
		s3_amz(&c, "x-amz-checksum-mode", "ENABLED");
	rc = s3_do(s, &c, &r, e);
	/* 416: it ends before what was asked for. */
	if (rc == 0 && r.status != 416)
		rc = check_sum(&f, &r, key, e);
	if (relay_end(f.relay, &failed) == -1 && rc == 0) {
		*e = failed;
		rc = -1;
	}
	if (rc == -1 && e->class == ERR_CORRUPT)
		blame_answer(&f, &r, e);
out:
	buf_release(&f.body);
	buf_release(&full);
	http_response_release(&r);
	return rc;
}
