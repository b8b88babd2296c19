/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting: one object, or up to 1000 a request.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/s3/s3_impl.h"

enum { MANY = 1000 };

int
s3_delete(struct s3 *s, const char *key, const char *upload, struct err *e)
{
	struct http_response r = { 0 };
	struct buf full = { 0 };
	struct s3_call c = { .method = "DELETE",
		.class = STORE_REQUEST_DELETE,
		.finish = true,
		.expect = 404 };
	int rc = s3_full_key(s, key, &full, e);

	c.key = buf_str(&full);
	if (upload != NULL)
		s3_param(&c, "uploadId", upload);
	if (rc == 0)
		rc = s3_do(s, &c, &r, e);
	buf_release(&full);
	http_response_release(&r);
	return rc;
}

int
s3_remove(struct store *st, const char *key, struct err *e)
{
	return s3_delete((struct s3 *)st, key, NULL, e);
}

/* -- many ------------------------------------------------------------------ */

/* One request of up to MANY keys. */
struct batch {
	struct s3 *s;
	const char *const *keys;
	size_t n;
	char **full;
	struct err *failed; /* of each; class 0: it is gone */
	char *key;          /* of the element that is being read */
	struct s3_error x;
	bool answered;   /* the answer is one to this request */
	struct err lost; /* of a key that we did not name; class 0: none */
};

static void
end_failure(struct batch *b)
{
	enum err_class class = ERR_UNAVAILABLE;
	const char *key = b->key != NULL ? b->key : "?";
	struct err *e = &b->lost;

	if (strcmp(b->x.code, "AccessDenied") == 0)
		class = ERR_DENIED;
	for (size_t i = 0; i < b->n; i++)
		if (strcmp(b->full[i], key) == 0)
			e = &b->failed[i];
	if (strcmp(b->x.code, "NoSuchKey") == 0)
		; /* gone is gone */
	else if (e == &b->lost)
		err_set(e, class,
		    "DELETE: the answer is about what was not asked for: %s: "
		    "%s",
		    b->x.code, b->x.message);
	else
		err_set(e, class, "DELETE %s: %s: %s", key, b->x.code,
		    b->x.message);
	free(b->key);
	b->key = NULL;
	b->x = (struct s3_error){ .code = "" };
}

static void
take_result(void *ctx, const char *path, const char *text)
{
	struct batch *b = ctx;

	if (strcmp(path, "DeleteResult/Error/Key") == 0) {
		free(b->key);
		b->key = xstrdup(text);
	} else if (strcmp(path, "DeleteResult/Error/Code") == 0) {
		(void)snprintf(b->x.code, sizeof(b->x.code), "%s", text);
	} else if (strcmp(path, "DeleteResult/Error/Message") == 0) {
		(void)snprintf(b->x.message, sizeof(b->x.message), "%s", text);
	} else if (strcmp(path, "DeleteResult/Error") == 0) {
		end_failure(b);
	} else if (strcmp(path, "DeleteResult") == 0) {
		b->answered = true;
	}
}

static int
read_text(void *ctx, uint64_t off, void *p, size_t n, struct err *e)
{
	(void)e;
	memcpy(p, (const char *)ctx + off, n);
	return 0;
}

static void
key_list(const struct batch *b, struct buf *xml)
{
	buf_adds(xml,
	    "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-"
	    "01/\"><Quiet>true</Quiet>");
	for (size_t i = 0; i < b->n; i++) {
		buf_adds(xml, "<Object><Key>");
		s3_xml_escape(xml, b->full[i]);
		buf_adds(xml, "</Key></Object>");
	}
	buf_adds(xml, "</Delete>");
}

static int
send_batch(struct batch *b, struct err *e)
{
	struct http_response r = { 0 };
	struct buf xml = { 0 };
	char hash[SIGV4_HASH], base64[32], md5[64];
	uint8_t md[EVP_MAX_MD_SIZE];
	struct s3_call c = { .method = "POST",
		.class = STORE_REQUEST_DELETE,
		.key = "",
		.sha256 = hash,
		.read = read_text,
		.finish = true,
		.late = true };
	int rc;

	key_list(b, &xml);
	sigv4_sha256(xml.data, xml.len, hash);
	c.read_ctx = xml.data;
	c.size = xml.len;
	s3_param(&c, "delete", "");
	s3_plain(&c, "Content-Type: application/xml");
	if (EVP_Digest(xml.data, xml.len, md, NULL, EVP_md5(), NULL) == 1) {
		s3_base64(base64, md, 16);
		(void)snprintf(md5, sizeof(md5), "Content-MD5: %s", base64);
		s3_plain(&c, md5);
	}
	rc = s3_do(b->s, &c, &r, e);
	if (rc == 0)
		rc = s3_xml_parse(r.body.data, r.body.len, take_result, b, e);
	if (rc == 0 && !b->answered)
		rc = err_set(e, ERR_UNAVAILABLE,
		    "DELETE: the answer does not say what was deleted");
	if (rc == 0 && b->lost.class != ERR_NONE) {
		*e = b->lost;
		rc = -1;
	}
	free(b->key);
	b->key = NULL;
	buf_release(&xml);
	http_response_release(&r);
	return rc;
}

/* 0, or -1 with the first error; each key is reported. */
static int
remove_batch(struct batch *b, size_t at, store_removed *removed, void *ctx,
    struct err *e)
{
	struct buf full = { 0 };
	struct err whole;
	int all = 0, rc = 0;

	b->full = xcalloc(b->n, sizeof(*b->full));
	b->failed = xcalloc(b->n, sizeof(*b->failed));
	for (size_t i = 0; i < b->n && all == 0; i++)
		if ((all = s3_full_key(b->s, b->keys[i], &full, &whole)) == 0)
			b->full[i] = xstrdup(buf_str(&full));
	/* Also of a try that was followed by a better one there is an error. */
	if (all == 0)
		all = send_batch(b, &whole);
	for (size_t i = 0; i < b->n; i++) {
		const struct err *x = all == -1 ? &whole : &b->failed[i];

		if (x->class != ERR_NONE && rc == 0)
			*e = *x;
		if (x->class != ERR_NONE)
			rc = -1;
		removed(ctx, at + i, x->class != ERR_NONE ? -1 : 0, x);
		free(b->full[i]);
	}
	free(b->full);
	free(b->failed);
	buf_release(&full);
	return rc;
}

int
s3_remove_many(struct store *st, const char *const *keys, size_t n,
    store_removed *removed, void *ctx, struct err *e)
{
	struct err one;
	int rc = 0;

	for (size_t at = 0; at < n; at += MANY) {
		struct batch b = { .s = (struct s3 *)st,
			.keys = keys + at,
			.n = n - at < MANY ? n - at : MANY };

		if (remove_batch(&b, at, removed, ctx, &one) == -1 && rc == 0) {
			*e = one;
			rc = -1;
		}
	}
	return rc;
}
