/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects in parts: begin, some parts side by side, complete; or abort.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/s3/s3_impl.h"
#include "lib/sys/stop.h"

struct upload {
	struct s3 *s;
	const char *full; /* key in the bucket */
	const struct store_stage *object;
	struct spool *bytes;
	char *id;
	uint64_t part_size;
	unsigned parts;
	pthread_mutex_t lock; /* for the rest */
	unsigned next;
	/* of parts 1, 2, ... */
	struct part {
		char *etag;
		char crc32[sizeof(((struct s3_digest *)0)->crc32_base64)];
	} * part;
	struct err *e;
	bool failed;
	bool blind; /* what is there may not be looked at */
};

/* -- begin and end --------------------------------------------------------- */

static int
begin(struct upload *u, struct err *e)
{
	struct http_response r = { 0 };
	struct buf id = { 0 };
	char time[WHEN_SIZE];
	struct s3_call c = { .method = "POST",
		.class = STORE_REQUEST_PUT,
		.key = u->full,
		.read = s3_piece_read, /* an empty body, with its length */
		.finish = true };
	int rc;

	s3_param(&c, "uploads", "");
	s3_object_headers(u->s, &c);
	s3_with_headers(u->object, time, &c);
	if (u->s->checksums)
		s3_amz(&c, "x-amz-checksum-algorithm", "CRC32");
	s3_plain(&c, "Content-Type: application/octet-stream");
	if ((rc = s3_do(u->s, &c, &r, e)) == 0 &&
	    !s3_xml_text(&r.body, "*/UploadId", &id))
		rc = err_set(e, ERR_UNAVAILABLE,
		    "POST %s: the answer names no upload", u->full);
	if (rc == 0)
		u->id = xstrdup(buf_str(&id));
	buf_release(&id);
	http_response_release(&r);
	return rc;
}

static void
abort_upload(struct upload *u)
{
	struct http_response r = { 0 };
	struct s3_call c = { .method = "DELETE",
		.class = STORE_REQUEST_PUT,
		.key = u->full,
		.clean = true,
		.expect = 404 };
	struct err ignored;

	s3_param(&c, "uploadId", u->id);
	if (s3_do(u->s, &c, &r, &ignored) == -1)
		s3_warn(u->s,
		    "an unfinished upload of %s is left in the bucket: %s",
		    u->full, ignored.msg);
	http_response_release(&r);
}

static void
part_list(const struct upload *u, struct buf *xml)
{
	buf_adds(xml,
	    "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws."
	    "com/doc/2006-03-01/\">");
	for (unsigned i = 0; i < u->parts; i++) {
		buf_addf(xml, "<Part><PartNumber>%u</PartNumber><ETag>", i + 1);
		s3_xml_escape(xml, u->part[i].etag);
		buf_adds(xml, "</ETag>");
		/* The completion repeats the checksums of the parts. */
		if (u->s->checksums)
			buf_addf(xml, "<ChecksumCRC32>%s</ChecksumCRC32>",
			    u->part[i].crc32);
		buf_adds(xml, "</Part>");
	}
	buf_adds(xml, "</CompleteMultipartUpload>");
}

static int
read_text(void *ctx, uint64_t off, void *p, size_t n, struct err *e)
{
	(void)e;
	memcpy(p, (const char *)ctx + off, n);
	return 0;
}

/*
 * Make it one object.  *status: 412 an object is there, 404 the upload is gone
 * (an earlier try did it, or somebody aborted it).
 */
static int
complete_with(
    struct upload *u, enum store_guard guard, int *status, struct err *e)
{
	struct http_response r = { 0 };
	struct buf xml = { 0 };
	char hash[SIGV4_HASH];
	struct s3_call c = { .method = "POST",
		.class = STORE_REQUEST_PUT,
		.key = u->full,
		.sha256 = hash,
		.read = read_text,
		.finish = true,
		.late = true,
		.expect = 412 };
	struct buf etag = { 0 };
	int rc;

	part_list(u, &xml);
	sigv4_sha256(xml.data, xml.len, hash);
	c.read_ctx = xml.data;
	c.size = xml.len;
	s3_param(&c, "uploadId", u->id);
	s3_sse_c_headers(u->s, &c);
	s3_condition(guard, &c);
	s3_plain(&c, "Content-Type: application/xml");
	rc = s3_do(u->s, &c, &r, e);
	*status = r.status;
	/* The status is sent before the work: only the body says it is done. */
	if (rc == 0 && r.status == 200 &&
	    !s3_xml_text(&r.body, "*/ETag", &etag))
		rc = err_set(e, ERR_UNAVAILABLE,
		    "POST %s: the answer does not say that it is stored",
		    u->full);
	buf_release(&etag);
	buf_release(&xml);
	http_response_release(&r);
	return rc;
}

/* There are servers that know the condition on a PUT, and refuse it here. */
static int
complete(struct upload *u, int *status, struct err *e)
{
	enum store_guard guard = atomic_load(&u->s->guard);
	int rc = complete_with(u, guard, status, e);

	if (rc == 0 || guard == STORE_GUARD_REFUSED ||
	    (*status != 400 && *status != 501))
		return rc;
	if (u->blind)
		return err_hint(e,
		    "a condition is refused there for objects in parts, so "
		    "what is there has to be looked for first: s3:GetObject is "
		    "needed");
	return complete_with(u, STORE_GUARD_REFUSED, status, e);
}

/* -- parts ----------------------------------------------------------------- */

static int
put_part(struct upload *u, unsigned i, struct err *e)
{
	struct s3_piece piece = { u->bytes, i * u->part_size };
	uint64_t left = u->bytes->size - piece.off;
	struct http_response r = { 0 };
	char number[16], md5[64];
	const char *etag;
	struct s3_digest d;
	struct s3_call c = { .method = "PUT",
		.class = STORE_REQUEST_PUT,
		.key = u->full,
		.sha256 = d.sha256,
		.read = s3_piece_read,
		.read_ctx = &piece,
		.size = left < u->part_size ? left : u->part_size,
		.late = true };
	int rc;

	if (s3_digest(u->bytes, piece.off, c.size, &d, e) == -1)
		return -1;
	(void)snprintf(number, sizeof(number), "%u", i + 1);
	(void)snprintf(md5, sizeof(md5), "Content-MD5: %s", d.md5_base64);
	s3_param(&c, "partNumber", number);
	s3_param(&c, "uploadId", u->id);
	s3_sse_c_headers(u->s, &c);
	if (u->s->checksums)
		s3_amz(&c, "x-amz-checksum-crc32", d.crc32_base64);
	if (d.md5_base64[0] != '\0')
		s3_plain(&c, md5);
	rc = s3_do(u->s, &c, &r, e);
	etag = http_header(&r, "etag");
	if (rc == 0 && (etag == NULL || etag[strspn(etag, "\"")] == '\0'))
		rc = err_set(e, ERR_UNAVAILABLE,
		    "PUT %s: the answer has no ETag", u->full);
	else if (rc == 0 && s3_stored(&r, &d) == S3_OTHER)
		rc = err_set(e, ERR_UNAVAILABLE,
		    "PUT %s: part %s was stored with other bytes", u->full,
		    number);
	else if (rc == 0)
		u->part[i].etag = xstrdup(etag);
	memcpy(u->part[i].crc32, d.crc32_base64, sizeof(d.crc32_base64));
	http_response_release(&r);
	return rc;
}

static bool
next_part(struct upload *u, unsigned *i)
{
	bool more;

	pthread_mutex_lock(&u->lock);
	more = !u->failed && !stop_requested() && u->next < u->parts;
	if (more)
		*i = u->next++;
	pthread_mutex_unlock(&u->lock);
	return more;
}

static void *
put_some(void *ctx)
{
	struct upload *u = ctx;
	struct err e;
	unsigned i;

	while (next_part(u, &i)) {
		if (put_part(u, i, &e) == 0)
			continue;
		pthread_mutex_lock(&u->lock);
		if (!u->failed)
			*u->e = e;
		u->failed = true;
		pthread_mutex_unlock(&u->lock);
	}
	return NULL;
}

/* This thread sends parts, too: so some go up whatever cannot be started. */
static int
put_all(struct upload *u, struct err *e)
{
	pthread_t threads[S3_PARTS_AT_ONCE - 1];
	unsigned n = 0;

	u->e = e;
	while (n < S3_PARTS_AT_ONCE - 1 && n + 1 < u->parts &&
	    pthread_create(&threads[n], NULL, put_some, u) == 0)
		n++;
	(void)put_some(u);
	while (n > 0)
		(void)pthread_join(threads[--n], NULL);
	if (!u->failed && u->next < u->parts)
		return err_set(e, ERR_BUSY, "interrupted by a signal");
	return u->failed ? -1 : 0;
}

/* -- all of it ------------------------------------------------------------- */

static int
conflict(const char *key, struct err *e)
{
	return err_set(
	    e, ERR_BUSY, "%s is in the replica already, with other bytes", key);
}

/*
 * Not all servers look at a condition here, so this looks, too; where that is
 * not allowed the condition has to do.  0: go on; 1: the same is there; -1.
 */
static int
look(struct upload *u, const char *key, struct err *e)
{
	switch (s3_compare(u->s, key, u->bytes, "", e)) {
	case 2: return 0;
	case 1: return 1;
	case 0: return conflict(key, e);
	default:
		if (e->class != ERR_DENIED)
			return -1;
		u->blind = true;
		if (!s3_looks_first(u->s))
			return 0;
		return err_hint(e,
		    "no condition on PUT holds there, so what is there has to "
		    "be looked for first: s3:GetObject is needed");
	}
}

static int
finish(struct upload *u, const char *key, bool *done, struct err *e)
{
	int status, rc = look(u, key, e);
	struct err why;

	if (rc != 0)
		return rc == 1 ? 0 : -1;
	if (complete(u, &status, e) == 0 && status != 412) {
		*done = true;
		return 0;
	}
	if (status != 412 && status != 404 && status != 200)
		return -1;
	why = *e;
	switch (s3_compare(u->s, key, u->bytes, "", e)) {
	case 1: return 0;
	case 0: return conflict(key, e);
	case 2: *e = why; return -1;
	default:
		if (status == 412 && e->class == ERR_DENIED)
			err_set(e, ERR_BUSY,
			    "%s is in the replica already; reading it is not "
			    "allowed, so whose it is cannot be told",
			    key);
		return -1;
	}
}

int
s3_put_parts(struct s3 *s, const struct store_stage *o, struct err *e)
{
	const char *key = o->key;
	struct spool *b = o->bytes;
	struct buf full = { 0 };
	struct upload u = {
		.s = s, .object = o, .bytes = b, .part_size = s->conf->part_size
	};
	bool done = false;
	int rc = -1;

	while ((b->size + u.part_size - 1) / u.part_size > S3_PARTS_MAX)
		u.part_size *= 2;
	u.parts = (unsigned)((b->size + u.part_size - 1) / u.part_size);
	u.part = xcalloc(u.parts, sizeof(*u.part));
	pthread_mutex_init(&u.lock, NULL);
	if (s3_full_key(s, key, &full, e) == -1)
		goto out;
	u.full = buf_str(&full);
	s3_probe_daily(s);
	/* Before all of it goes up in vain. */
	if ((rc = look(&u, key, e)) != 0) {
		rc = rc == 1 ? 0 : -1;
		goto out;
	}
	if ((rc = begin(&u, e)) == -1)
		goto out;
	rc = put_all(&u, e);
	if (rc == 0)
		rc = finish(&u, key, &done, e);
	if (!done)
		abort_upload(&u);
out:
	for (unsigned i = 0; i < u.parts; i++)
		free(u.part[i].etag);
	free(u.part);
	free(u.id);
	pthread_mutex_destroy(&u.lock);
	buf_release(&full);
	return rc;
}
