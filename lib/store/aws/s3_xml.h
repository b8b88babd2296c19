/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_xml -- what S3 answers in XML.
 *
 * A document is reported element by element, each when it ends, with its path
 * ("ListBucketResult/Contents/Key") and its own text.  Document types, and so
 * entities of their own, are refused.
 */
#ifndef LSPP_STORE_AWS_S3_XML_H
#define LSPP_STORE_AWS_S3_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct err;

typedef void s3_xml_element(void *ctx, const char *path, const char *text);

/* 0, or -1 with ERR_UNAVAILABLE: it is no well-formed document. */
int s3_xml_parse(
    const void *p, size_t n, s3_xml_element *element, void *ctx, struct err *e);

/* An <Error>; what is not there is "". */
struct s3_error {
	char code[64], message[256], region[64], endpoint[256];
};

/* False if there is none (a proxy's page of HTML, say): then *x is "". */
bool s3_xml_error(const struct buf *body, struct s3_error *x);

/* A page of a listing: entries in byte order of keys. */
struct s3_entry {
	char *key;
	uint64_t size;
	int64_t mtime_ns;
	bool prefix;
};

struct s3_page {
	struct s3_entry *v;
	size_t n, room;
	bool truncated, encoded;
	bool said;      /* it says whether it is truncated */
	bool unclear;   /* what it says of being truncated is no answer */
	bool unordered; /* they came in another order */
	bool broken;    /* one of them has no key, or no size that is one */
	char *token;    /* of the next page, or NULL */
};

int s3_xml_page(const struct buf *body, struct s3_page *page, struct err *e);
void s3_page_release(struct s3_page *page);

/* The text of one element, in place of what out held; false: not there.  A path
 * that begins with "*" takes any root: not all servers call theirs alike. */
bool s3_xml_text(const struct buf *body, const char *path, struct buf *out);

/* Undo encoding-type=url, in place. */
void s3_xml_decode(char *s);

/* ns since 1970 of "2026-11-23T10:11:12.000Z"; 0 if it is none, or so far off
 * that it cannot be the time of anything. */
int64_t s3_xml_time(const char *text);

/* Append s with what XML has meanings for replaced. */
void s3_xml_escape(struct buf *out, const char *s);

#endif
