/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multipart uploads that nobody finishes: listed and aborted.  What was sent of
 * them is billed until then, and no listing of objects shows it.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/store/s3/s3_impl.h"

#define LIST "ListMultipartUploadsResult"

struct found {
	char *key, *id; /* key in the bucket */
	int64_t begun_ns;
};

/* One answer. */
struct page {
	struct found *v;
	size_t n, room;
	struct found next; /* the one that is being read */
	bool truncated, encoded;
	char *key_marker, *id_marker; /* of the next page */
};

static void
set(char **to, const char *text)
{
	free(*to);
	*to = xstrdup(text);
}

static void
end_upload(struct page *p)
{
	if (p->next.key == NULL || p->next.id == NULL)
		return;
	if (p->n == p->room) {
		p->room = p->room * 2 + 16;
		p->v = xrealloc(p->v, p->room * sizeof(*p->v));
	}
	p->v[p->n++] = p->next;
	p->next = (struct found){ 0 };
}

static void
take(void *ctx, const char *path, const char *text)
{
	struct page *p = ctx;

	if (strncmp(path, LIST "/", sizeof(LIST)) != 0)
		return;
	path += sizeof(LIST);
	if (strcmp(path, "Upload/Key") == 0)
		set(&p->next.key, text);
	else if (strcmp(path, "Upload/UploadId") == 0)
		set(&p->next.id, text);
	else if (strcmp(path, "Upload/Initiated") == 0)
		p->next.begun_ns = s3_xml_time(text);
	else if (strcmp(path, "Upload") == 0)
		end_upload(p);
	else if (strcmp(path, "IsTruncated") == 0)
		p->truncated = strcmp(text, "true") == 0;
	else if (strcmp(path, "EncodingType") == 0)
		p->encoded = strcmp(text, "url") == 0;
	else if (strcmp(path, "NextKeyMarker") == 0)
		set(&p->key_marker, text);
	else if (strcmp(path, "NextUploadIdMarker") == 0)
		set(&p->id_marker, text);
}

static void
page_release(struct page *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].key);
		free(p->v[i].id);
	}
	free(p->v);
	free(p->next.key);
	free(p->next.id);
	free(p->key_marker);
	free(p->id_marker);
	*p = (struct page){ 0 };
}

static int
parse(const struct buf *body, struct page *p, struct err *e)
{
	struct buf root = { 0 };

	if (s3_xml_parse(body->data, body->len, take, p, e) == -1)
		return -1;
	if (!s3_xml_text(body, LIST, &root)) {
		buf_release(&root);
		return err_set(
		    e, ERR_UNAVAILABLE, "the answer is no listing of uploads");
	}
	buf_release(&root);
	for (size_t i = 0; p->encoded && i < p->n; i++)
		s3_xml_decode(p->v[i].key);
	if (p->encoded && p->key_marker != NULL)
		s3_xml_decode(p->key_marker);
	return 0;
}

/* Does the server not know how?  That there is no bucket is something else. */
static bool
cannot(const struct http_response *r)
{
	struct s3_error x;

	if (r->status == 405 || r->status == 501)
		return true;
	return r->status == 404 &&
	    (!s3_xml_error(&r->body, &x) ||
		strcmp(x.code, "NoSuchBucket") != 0);
}

static int
get_page(struct s3 *s, const char *prefix, const struct page *last,
    struct page *p, struct err *e)
{
	struct http_response r = { 0 };
	struct s3_call c = {
		.method = "GET", .class = STORE_REQUEST_LIST, .key = ""
	};
	int rc;

	s3_param(&c, "encoding-type", "url");
	if (last->key_marker != NULL)
		s3_param(&c, "key-marker", last->key_marker);
	s3_param(&c, "max-uploads", "1000");
	s3_param(&c, "prefix", prefix);
	if (last->id_marker != NULL)
		s3_param(&c, "upload-id-marker", last->id_marker);
	s3_param(&c, "uploads", "");
	rc = s3_do(s, &c, &r, e);
	if (rc == 0)
		rc = parse(&r.body, p, e);
	else if (cannot(&r))
		e->class = ERR_DENIED;
	http_response_release(&r);
	return rc == -1 ? err_in(e, "list uploads") : 0;
}

/* 1: the caller has enough. */
static int
report(const struct page *p, const char *prefix, size_t skip,
    store_upload_each *each, void *ctx, struct err *e)
{
	struct store_upload u;
	int rc;

	for (size_t i = 0; i < p->n; i++) {
		if (strncmp(p->v[i].key, prefix, strlen(prefix)) != 0)
			continue;
		u = (struct store_upload){ .key = p->v[i].key + skip,
			.id = p->v[i].id,
			.begun_ns = p->v[i].begun_ns };
		if ((rc = each(ctx, &u, e)) != 0)
			return rc;
	}
	return 0;
}

int
s3_uploads(struct store *st, const char *prefix, store_upload_each *each,
    void *ctx, struct err *e)
{
	struct s3 *s = (struct s3 *)st;
	struct page last = { 0 }, p = { 0 };
	struct buf full = { 0 };
	size_t skip;
	bool more;
	int rc;

	if (*s->place.prefix != '\0')
		buf_addf(&full, "%s/", s->place.prefix);
	skip = full.len;
	buf_adds(&full, prefix);
	do {
		rc = get_page(s, buf_str(&full), &last, &p, e);
		if (rc == 0)
			rc = report(&p, buf_str(&full), skip, each, ctx, e);
		/* Round in circles there is nothing new. */
		more = rc == 0 && p.truncated && p.key_marker != NULL &&
		    (last.key_marker == NULL ||
			strcmp(p.key_marker, last.key_marker) != 0 ||
			p.id_marker == NULL || last.id_marker == NULL ||
			strcmp(p.id_marker, last.id_marker) != 0);
		page_release(&last);
		last = p;
		p = (struct page){ 0 };
	} while (more);
	page_release(&last);
	buf_release(&full);
	return rc == -1 ? -1 : 0;
}

int
s3_abort(struct store *st, const struct store_upload *u, struct err *e)
{
	return s3_delete((struct s3 *)st, u->key, u->id, e);
}
