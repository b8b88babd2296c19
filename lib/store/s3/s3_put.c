/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects in one piece, and what to do when one is there already.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "lib/base/be.h"
#include "lib/store/s3/s3_impl.h"
#include "lib/sys/stop.h"

enum { PIECE = 64 << 10 };

/* -- digests --------------------------------------------------------------- */

void
s3_base64(char *out, const uint8_t *p, size_t n)
{
	(void)EVP_EncodeBlock((uint8_t *)out, p, (int)n);
}

struct hashes {
	EVP_MD_CTX *sha256, *md5; /* md5 is NULL where FIPS forbids it */
	uLong crc;
};

static int
hash_spool(
    struct hashes *h, struct spool *b, uint64_t off, uint64_t n, struct err *e)
{
	uint8_t *piece = xmalloc(PIECE);
	size_t part;
	int rc = 0;

	for (; rc == 0 && n > 0; off += part, n -= part) {
		part = n < PIECE ? (size_t)n : PIECE;
		if ((rc = stop_overdue(e)) == -1 ||
		    (rc = spool_read(b, off, piece, part, e)) == -1)
			break;
		(void)EVP_DigestUpdate(h->sha256, piece, part);
		if (h->md5 != NULL)
			(void)EVP_DigestUpdate(h->md5, piece, part);
		h->crc = crc32(h->crc, piece, (uInt)part);
	}
	free(piece);
	return rc;
}

int
s3_digest(struct spool *b, uint64_t off, uint64_t n, struct s3_digest *d,
    struct err *e)
{
	struct hashes h = { EVP_MD_CTX_new(), EVP_MD_CTX_new(),
		crc32(0, NULL, 0) };
	uint8_t md[EVP_MAX_MD_SIZE];
	int rc;

	*d = (struct s3_digest){ .size = n };
	(void)EVP_DigestInit_ex(h.sha256, EVP_sha256(), NULL);
	if (EVP_DigestInit_ex(h.md5, EVP_md5(), NULL) != 1) {
		EVP_MD_CTX_free(h.md5);
		h.md5 = NULL;
	}
	rc = hash_spool(&h, b, off, n, e);
	(void)EVP_DigestFinal_ex(h.sha256, md, NULL);
	sigv4_hex(d->sha256, md, 32);
	if (h.md5 != NULL) {
		(void)EVP_DigestFinal_ex(h.md5, md, NULL);
		sigv4_hex(d->md5_hex, md, 16);
		s3_base64(d->md5_base64, md, 16);
	}
	be32_put(md, (uint32_t)h.crc);
	s3_base64(d->crc32_base64, md, 4);
	EVP_MD_CTX_free(h.sha256);
	EVP_MD_CTX_free(h.md5);
	return rc;
}

int
s3_piece_read(void *ctx, uint64_t off, void *p, size_t n, struct err *e)
{
	const struct s3_piece *piece = ctx;

	return spool_read(piece->bytes, piece->off + off, p, n, e);
}

/* An ETag is the MD5 of the bytes unless they were encrypted by KMS or with a
 * key of ours, or went up in parts. */
static bool
etag_is_md5(const struct http_response *r, const char *etag)
{
	const char *sse = http_header(r, "x-amz-server-side-encryption");
	size_t n = strlen(etag);

	if (sse != NULL && strncmp(sse, "aws:kms", 7) == 0)
		return false;
	if (http_header(r, "x-amz-server-side-encryption-customer-algorithm"))
		return false;
	if (*etag == '"' && n == 34 && etag[33] == '"')
		return true;
	return n == 32 && strspn(etag, "0123456789abcdefABCDEF") == 32;
}

static bool
etag_equals(const char *etag, const char *md5)
{
	return strncasecmp(etag + (*etag == '"'), md5, 32) == 0;
}

int
s3_etag_is(const struct http_response *r, const char *md5)
{
	const char *etag = http_header(r, "etag");

	if (etag == NULL || md5[0] == '\0' || !etag_is_md5(r, etag))
		return -1;
	return etag_equals(etag, md5);
}

enum s3_stored
s3_stored(const struct http_response *r, const struct s3_digest *d)
{
	const char *crc = http_header(r, "x-amz-checksum-crc32");
	const char *etag = http_header(r, "etag");

	if (crc != NULL && strchr(crc, '-') == NULL &&
	    strcmp(crc, d->crc32_base64) != 0)
		return S3_OTHER;
	if (etag == NULL || etag[strspn(etag, "\"")] == '\0')
		return crc != NULL ? S3_STORED : S3_SILENT;
	if (d->md5_hex[0] != '\0' && etag_is_md5(r, etag) &&
	    !etag_equals(etag, d->md5_hex))
		return S3_OTHER;
	return S3_STORED;
}

/* -- what is there --------------------------------------------------------- */

struct hash_sink {
	EVP_MD_CTX *md;
	uint64_t n;
};

static int
add_bytes(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	struct hash_sink *h = ctx;

	(void)e;
	(void)EVP_DigestUpdate(h->md, p, n);
	h->n += n;
	return 0;
}

/* Read all of it: 1 the same, 0 not, -1. */
static int
compare_bytes(
    struct s3 *s, const char *key, const struct s3_digest *d, struct err *e)
{
	struct hash_sink h = { EVP_MD_CTX_new(), 0 };
	uint8_t md[EVP_MAX_MD_SIZE];
	char hex[SIGV4_HASH];
	int rc;

	(void)EVP_DigestInit_ex(h.md, EVP_sha256(), NULL);
	rc = s3_get(&s->store, key, 0, UINT64_MAX, add_bytes, &h, e);
	(void)EVP_DigestFinal_ex(h.md, md, NULL);
	sigv4_hex(hex, md, 32);
	EVP_MD_CTX_free(h.md);
	if (rc == -1)
		return -1;
	return h.n == d->size && strcmp(hex, d->sha256) == 0;
}

int
s3_compare(struct s3 *s, const char *key, struct spool *b, const char *md5,
    struct err *e)
{
	struct http_response r = { 0 };
	struct buf full = { 0 };
	struct s3_digest d;
	struct s3_call c = {
		.method = "HEAD", .class = STORE_REQUEST_HEAD, .expect = 404
	};
	const char *etag, *size;
	int rc = -1;

	if (s3_full_key(s, key, &full, e) == -1)
		goto out;
	c.key = buf_str(&full);
	s3_sse_c_headers(s, &c);
	if (s3_do(s, &c, &r, e) == -1)
		goto out;
	size = http_header(&r, "content-length");
	etag = http_header(&r, "etag");
	if (r.status == 404)
		rc = 2;
	else if (size != NULL && strtoull(size, NULL, 10) != b->size)
		rc = 0;
	else if (md5[0] != '\0' && etag != NULL && etag_is_md5(&r, etag) &&
	    etag_equals(etag, md5))
		rc = 1;
	else if (s3_digest(b, 0, b->size, &d, e) == 0)
		rc = compare_bytes(s, key, &d, e);
out:
	buf_release(&full);
	http_response_release(&r);
	return rc;
}

int
s3_note(struct store *st, const char *key, struct buf *b, struct err *e)
{
	struct s3 *s = (struct s3 *)st;
	struct http_response r = { 0 };
	struct buf full = { 0 };
	struct s3_call c = {
		.method = "HEAD", .class = STORE_REQUEST_HEAD, .expect = 404
	};
	const char *note = NULL;
	int rc = -1;

	buf_reset(b);
	if (s3_full_key(s, key, &full, e) == 0) {
		c.key = buf_str(&full);
		s3_sse_c_headers(s, &c);
		rc = s3_do(s, &c, &r, e);
	}
	if (rc == 0 && r.status == 404)
		rc =
		    err_set(e, ERR_MISSING, "no object %s in the replica", key);
	if (rc == 0 && (note = http_header(&r, S3_NOTE)) != NULL)
		buf_adds(b, note);
	buf_release(&full);
	http_response_release(&r);
	return rc == -1 ? -1 : note != NULL;
}

static int
conflict(const char *key, struct err *e)
{
	return err_set(
	    e, ERR_BUSY, "%s is in the replica already, with other bytes", key);
}

/* 412: who was here?  0 if it was we. */
static int
resolve(struct s3 *s, const char *key, struct spool *b, const char *md5,
    struct err *e)
{
	switch (s3_compare(s, key, b, md5, e)) {
	case 1: return 0;
	case 0: return conflict(key, e);
	case 2: /* and gone again: somebody deletes here */
		return err_set(e, ERR_BUSY,
		    "%s was in the replica, and is gone again", key);
	default:
		if (e->class != ERR_DENIED)
			return -1;
		err_set(e, ERR_BUSY,
		    "%s is in the replica already; reading it is not allowed, "
		    "so whose it is cannot be told",
		    key);
		return err_hint(e, "s3:GetObject would let it be told");
	}
}

/* -- putting --------------------------------------------------------------- */

bool
s3_looks_first(struct s3 *s)
{
	int guard = atomic_load(&s->guard);

	return guard == STORE_GUARD_IGNORED || guard == STORE_GUARD_REFUSED;
}

void
s3_condition(enum store_guard guard, struct s3_call *c)
{
	if (guard == STORE_GUARDED_GOOG)
		s3_amz(c, "x-goog-if-generation-match", "0");
	else if (guard != STORE_GUARD_REFUSED)
		s3_plain(c, "If-None-Match: *");
}

int
s3_put_call(struct s3 *s, const char *full, struct spool *b,
    const struct s3_digest *d, enum store_guard guard,
    const struct store_stage *o, struct http_response *r, struct err *e)
{
	struct s3_piece piece = { b, 0 };
	char time[WHEN_SIZE];
	char *md5 = xasprintf("Content-MD5: %s", d->md5_base64);
	struct s3_call c = { .method = "PUT",
		.class = STORE_REQUEST_PUT,
		.key = full,
		.sha256 = d->sha256,
		.read = s3_piece_read,
		.read_ctx = &piece,
		.size = b->size,
		.finish = true,
		.late = true,
		.expect = 412 };
	int rc;

	s3_object_headers(s, &c);
	s3_with_headers(o, time, &c);
	if (s->checksums)
		s3_amz(&c, "x-amz-checksum-crc32", d->crc32_base64);
	s3_condition(guard, &c);
	s3_plain(&c, "Content-Type: application/octet-stream");
	if (d->md5_base64[0] != '\0')
		s3_plain(&c, md5);
	rc = s3_do(s, &c, r, e);
	free(md5);
	return rc;
}

/*
 * The answer speaks of other bytes, or of none (a proxy's page, say): what is
 * there?  A success that nobody vouches for is none.
 */
static int
check_stored(struct s3 *s, const char *key, struct spool *b, const char *md5,
    struct err *e)
{
	switch (s3_compare(s, key, b, md5, e)) {
	case 1: return 0;
	case 0:
		return err_set(e, ERR_UNAVAILABLE,
		    "%s: the server has stored other bytes than were sent",
		    key);
	case 2:
		err_set(e, ERR_UNAVAILABLE,
		    "%s: the answer was a success, and nothing is stored", key);
		return err_hint(e, "is it S3 that answers there?");
	default:
		return err_in(
		    e, "%s: the answer does not say that it is stored", key);
	}
}

/* Where no condition holds: look before. */
static int
look_first(struct s3 *s, const char *key, struct spool *b, const char *md5,
    struct err *e)
{
	int rc = s3_compare(s, key, b, md5, e);

	if (rc == 0)
		return conflict(key, e);
	if (rc == -1 && e->class == ERR_DENIED)
		err_hint(e,
		    "no condition on PUT holds there, so what is there has to "
		    "be looked for first: s3:GetObject is needed");
	return rc;
}

int
s3_put(struct s3 *s, const struct store_stage *o, struct err *e)
{
	const char *key = o->key;
	struct spool *b = o->bytes;
	struct http_response r = { 0 };
	struct buf full = { 0 };
	struct s3_digest d;
	int rc = -1, there;

	if (s3_full_key(s, key, &full, e) == -1 ||
	    s3_digest(b, 0, b->size, &d, e) == -1)
		goto out;
	s3_probe_daily(s);
	if (s3_looks_first(s)) {
		there = look_first(s, key, b, d.md5_hex, e);
		if (there != 2) {
			rc = there == 1 ? 0 : -1;
			goto out;
		}
	}
	if (s3_put_call(s, buf_str(&full), b, &d, atomic_load(&s->guard), o, &r,
		e) == -1)
		goto out;
	if (r.status == 412) {
		rc = resolve(s, key, b, d.md5_hex, e);
		goto out;
	}
	switch (s3_stored(&r, &d)) {
	case S3_STORED: rc = 0; break;
	case S3_OTHER: rc = check_stored(s, key, b, "", e); break;
	case S3_SILENT: rc = check_stored(s, key, b, d.md5_hex, e); break;
	}
out:
	buf_release(&full);
	http_response_release(&r);
	return rc;
}
