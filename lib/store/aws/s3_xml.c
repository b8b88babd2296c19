/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/aws/s3_xml.h"

#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/err.h"

enum { FULL = 1000 }; /* entries that nobody gets more of at a time */

/* -- elements -------------------------------------------------------------- */

struct parser {
	XML_Parser expat;
	struct buf path, text;
	bool refused; /* expat may tell the end of an element all the same */
	s3_xml_element *element;
	void *ctx;
};

static void
on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
	struct parser *p = ctx;
	const char *local = strrchr(name, ':');

	(void)attributes;
	local = local == NULL ? name : local + 1;
	if (p->path.len > 1024 || *local == '\0') {
		p->refused = true;
		(void)XML_StopParser(p->expat, XML_FALSE);
		return;
	}
	if (p->path.len > 0)
		buf_add(&p->path, "/", 1);
	buf_adds(&p->path, local);
	buf_reset(&p->text);
}

static void
on_end(void *ctx, const XML_Char *name)
{
	struct parser *p = ctx;
	char *slash;

	(void)name;
	if (p->refused)
		return;
	p->element(p->ctx, buf_str(&p->path), buf_str(&p->text));
	buf_reset(&p->text);
	slash = strrchr((char *)p->path.data, '/');
	p->path.len =
	    slash == NULL ? 0 : (size_t)(slash - (char *)p->path.data);
	p->path.data[p->path.len] = '\0';
}

static void
on_text(void *ctx, const XML_Char *s, int n)
{
	struct parser *p = ctx;

	buf_add(&p->text, s, (size_t)n);
}

static void
on_doctype(void *ctx, const XML_Char *name, const XML_Char *system,
    const XML_Char *public, int internal)
{
	struct parser *p = ctx;

	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	(void)XML_StopParser(p->expat, XML_FALSE);
}

int
s3_xml_parse(const void *bytes, size_t n, s3_xml_element *element, void *ctx,
    struct err *e)
{
	struct parser p = { .element = element, .ctx = ctx };
	int rc = 0;

	if ((p.expat = XML_ParserCreate(NULL)) == NULL)
		return err_set(e, ERR_OS, "expat is out of memory");
	XML_SetUserData(p.expat, &p);
	XML_SetElementHandler(p.expat, on_start, on_end);
	XML_SetCharacterDataHandler(p.expat, on_text);
	XML_SetStartDoctypeDeclHandler(p.expat, on_doctype);
	if (n > INT32_MAX ||
	    XML_Parse(p.expat, bytes == NULL ? "" : bytes, (int)n, XML_TRUE) !=
		XML_STATUS_OK)
		rc = err_set(e, ERR_UNAVAILABLE, "the answer is not XML: %s",
		    XML_ErrorString(XML_GetErrorCode(p.expat)));
	XML_ParserFree(p.expat);
	buf_release(&p.path);
	buf_release(&p.text);
	return rc;
}

struct text_of {
	const char *path;
	struct buf *out;
	bool found;
};

static void
take_text(void *ctx, const char *path, const char *text)
{
	struct text_of *t = ctx;
	const char *want = t->path;

	if (strncmp(want, "*/", 2) == 0 && (path = strchr(path, '/')) != NULL)
		want++;
	if (t->found || path == NULL || strcmp(path, want) != 0)
		return;
	t->found = true;
	buf_adds(t->out, text);
}

bool
s3_xml_text(const struct buf *body, const char *path, struct buf *out)
{
	struct text_of t = { path, out, false };
	struct err e;

	buf_reset(out);
	return s3_xml_parse(body->data, body->len, take_text, &t, &e) == 0 &&
	    t.found;
}

/* -- errors ---------------------------------------------------------------- */

static void
copy(char *to, size_t size, const char *text)
{
	(void)snprintf(to, size, "%s", text);
	for (; *to != '\0'; to++)
		if ((unsigned char)*to < ' ')
			*to = ' ';
}

/* STS has it one level deeper: ErrorResponse/Error/Code. */
static void
take_error(void *ctx, const char *path, const char *text)
{
	struct s3_error *x = ctx;

	if (strncmp(path, "ErrorResponse/", 14) == 0)
		path += 14;
	if (strcmp(path, "Error/Code") == 0)
		copy(x->code, sizeof(x->code), text);
	else if (strcmp(path, "Error/Message") == 0)
		copy(x->message, sizeof(x->message), text);
	else if (strcmp(path, "Error/Region") == 0)
		copy(x->region, sizeof(x->region), text);
	else if (strcmp(path, "Error/Endpoint") == 0)
		copy(x->endpoint, sizeof(x->endpoint), text);
}

bool
s3_xml_error(const struct buf *body, struct s3_error *x)
{
	struct err e;

	*x = (struct s3_error){ .code = "" };
	if (s3_xml_parse(body->data, body->len, take_error, x, &e) == -1)
		*x = (struct s3_error){ .code = "" };
	return x->code[0] != '\0';
}

/* -- listings -------------------------------------------------------------- */

int64_t
s3_xml_time(const char *text)
{
	const int64_t NS = 1000000000;
	struct tm tm = { 0 };
	int64_t ns = 0, unit = 100000000, s;
	const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (p == NULL)
		return 0;
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
			ns += (*p - '0') * unit;
	/* Some say the year 1 where they do not know, or 9999. */
	s = timegm(&tm);
	if (s < INT64_MIN / NS + 1 || s > INT64_MAX / NS - 1)
		return 0;
	return s * NS + ns;
}

static struct s3_entry *
last_entry(struct s3_page *page)
{
	if (page->n == page->room) {
		page->room = page->room == 0 ? 64 : 2 * page->room;
		page->v = xrealloc(page->v, page->room * sizeof(*page->v));
		memset(page->v + page->n, 0,
		    (page->room - page->n) * sizeof(*page->v));
	}
	return &page->v[page->n];
}

static void
set_key(struct s3_entry *en, const char *text)
{
	free(en->key);
	en->key = xstrdup(text);
}

static void
set_size(struct s3_page *page, const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 19 || text[digits] != '\0')
		page->broken = true;
	last_entry(page)->size = strtoull(text, NULL, 10);
}

static void
end_entry(struct s3_page *page, bool prefix)
{
	struct s3_entry *en = last_entry(page);

	if (en->key == NULL || *en->key == '\0') {
		page->broken = true;
		return;
	}
	en->prefix = prefix;
	page->n++;
	*last_entry(page) = (struct s3_entry){ 0 };
}

static void
take_listing(void *ctx, const char *path, const char *text)
{
	static const char root[] = "ListBucketResult/";
	struct s3_page *page = ctx;

	if (strncmp(path, root, sizeof(root) - 1) != 0)
		return;
	path += sizeof(root) - 1;
	if (strcmp(path, "Contents/Key") == 0 ||
	    strcmp(path, "CommonPrefixes/Prefix") == 0)
		set_key(last_entry(page), text);
	else if (strcmp(path, "Contents/Size") == 0)
		set_size(page, text);
	else if (strcmp(path, "Contents/LastModified") == 0)
		last_entry(page)->mtime_ns = s3_xml_time(text);
	else if (strcmp(path, "Contents") == 0)
		end_entry(page, false);
	else if (strcmp(path, "CommonPrefixes") == 0)
		end_entry(page, true);
	else if (strcmp(path, "IsTruncated") == 0) {
		page->truncated = strcmp(text, "true") == 0;
		page->said = true;
		page->unclear = !page->truncated && strcmp(text, "false") != 0;
	} else if (strcmp(path, "EncodingType") == 0)
		page->encoded = strcmp(text, "url") == 0;
	else if (strcmp(path, "NextContinuationToken") == 0) {
		free(page->token);
		page->token = xstrdup(text);
	}
}

/* The value of two hex digits, or -1. */
static int
hex_byte(const char *s)
{
	unsigned v = 0;

	for (int i = 0; i < 2; i++, s++) {
		v <<= 4;
		if (*s >= '0' && *s <= '9')
			v += (unsigned)(*s - '0');
		else if (*s >= 'a' && *s <= 'f')
			v += (unsigned)(*s - 'a' + 10);
		else if (*s >= 'A' && *s <= 'F')
			v += (unsigned)(*s - 'A' + 10);
		else
			return -1;
	}
	return (int)v;
}

/*
 * Some encode a space as "+", and all encode a plus.  No key holds a byte of
 * zeros: one that is encoded stays as it is, so that it cuts no key short.
 */
void
s3_xml_decode(char *s)
{
	char *to = s;
	int byte;

	for (; *s != '\0'; s++) {
		if (*s == '%' && (byte = hex_byte(s + 1)) > 0) {
			*to++ = (char)byte;
			s += 2;
		} else {
			*to++ = *s == '+' ? ' ' : *s;
		}
	}
	*to = '\0';
}

static int
by_key(const void *a, const void *b)
{
	const struct s3_entry *x = a, *y = b;

	return strcmp(x->key, y->key);
}

/* Objects come first, then prefixes, each in byte order. */
static bool
in_order(const struct s3_page *page)
{
	const char *last[2] = { "", "" };

	for (size_t i = 0; i < page->n; i++) {
		const struct s3_entry *x = &page->v[i];

		if (strcmp(x->key, last[x->prefix]) < 0)
			return false;
		last[x->prefix] = x->key;
	}
	return true;
}

int
s3_xml_page(const struct buf *body, struct s3_page *page, struct err *e)
{
	struct buf root = { 0 };

	if (s3_xml_parse(body->data, body->len, take_listing, page, e) == -1)
		return -1;
	if (!s3_xml_text(body, "ListBucketResult", &root)) {
		buf_release(&root);
		return err_set(e, ERR_UNAVAILABLE, "the answer is no listing");
	}
	buf_release(&root);
	if (page->broken)
		return err_set(e, ERR_UNAVAILABLE,
		    "a page of a listing has an entry without a key or a size");
	if (page->unclear || (!page->said && page->n >= FULL))
		return err_set(e, ERR_UNAVAILABLE,
		    "a page of a listing does not say whether it is the last");
	for (size_t i = 0; page->encoded && i < page->n; i++)
		s3_xml_decode(page->v[i].key);
	page->unordered = !in_order(page);
	if (page->n > 1)
		qsort(page->v, page->n, sizeof(*page->v), by_key);
	if (page->truncated && (page->token == NULL || *page->token == '\0'))
		return err_set(e, ERR_UNAVAILABLE,
		    "a page of a listing does not say where the next begins");
	return 0;
}

void
s3_page_release(struct s3_page *page)
{
	/* Also of an entry that never ended. */
	for (size_t i = 0; i < page->room; i++)
		free(page->v[i].key);
	free(page->v);
	free(page->token);
	*page = (struct s3_page){ 0 };
}

void
s3_xml_escape(struct buf *out, const char *s)
{
	for (; *s != '\0'; s++)
		switch (*s) {
		case '&': buf_adds(out, "&amp;"); break;
		case '<': buf_adds(out, "&lt;"); break;
		case '>': buf_adds(out, "&gt;"); break;
		case '"': buf_adds(out, "&quot;"); break;
		default:
			if ((unsigned char)*s < ' ')
				buf_addf(out, "&#%d;", *s);
			else
				buf_add(out, s, 1);
		}
}
