/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http -- one request and its answer, over libcurl, HTTP/1.1.
 *
 * A handle keeps its connection for the next request.  Content-Length is
 * always sent, a body is never chunked, a redirect never followed.  Proxies are
 * those of the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).
 *
 * A handle is for one thread at a time.  Nothing is retried here, but that
 * libcurl sends a request anew when a kept connection turns out to be dead:
 * so a request may have been carried out twice, and the answer be the second's.
 *
 * Room store/aws: how one talks to a server of AWS's kind: one request, its
 *     signature, whose keys, how many requests and when, XML and JSON of the
 *     answers.
 * Used by: store/s3.
 * Never: knows of objects or of struct store; tries again.
 */
#ifndef LSPP_STORE_AWS_HTTP_H
#define LSPP_STORE_AWS_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct err;
struct http;

/* All borrowed for the life of the handle. */
struct http_conf {
	const char *ca_file; /* NULL: AWS_CA_BUNDLE, SSL_CERT_FILE, system */
	bool insecure;       /* any certificate will do */
	bool direct;         /* never through a proxy */
	long connect_ms;     /* at most, to get a connection */
	long stall_s;        /* give up when nothing moves for so long */
};

struct http_request {
	const char *method, *url;
	const char *const *headers; /* "Name: value" */
	size_t n_headers;
	/*
	 * The body: size bytes, read at any offset, some of it possibly more
	 * than once.  read is NULL when there is none.
	 */
	int (*read)(void *ctx, uint64_t off, void *p, size_t n, struct err *e);
	void *read_ctx;
	uint64_t size;
	/*
	 * Where the body of a 200 or 206 goes, in order; NULL: to the
	 * response's.  Other bodies always go there.
	 */
	int (*sink)(void *ctx, const uint8_t *p, size_t n, struct err *e);
	void *sink_ctx;
	/* Asked again and again; true ends the request.  May be NULL. */
	bool (*cancelled)(void *ctx);
	void *cancel_ctx;
	long timeout_ms; /* of all of it; 0: no limit */
};

/* Why there is no answer. */
enum http_fault {
	HTTP_FINE,
	HTTP_UNSENT,    /* no connection: nothing of it arrived */
	HTTP_TLS,       /* a connection, but no trust in it: likewise */
	HTTP_LOST,      /* it broke: what was done is not known */
	HTTP_STALLED,   /* nothing moved: likewise */
	HTTP_CANCELLED, /* by cancelled(), or out of time: likewise */
	HTTP_CALLER,    /* read or sink failed, with their error */
	HTTP_BAD,       /* the request cannot be made at all */
};

/* { 0 } is ready; http_do() resets it first and keeps its memory. */
struct http_response {
	int status;
	struct buf body;
	struct buf headers; /* "name\0value\0" each, names in lower case */
	enum http_fault fault;
	uint64_t sent, received; /* bytes of bodies */
};

struct http *http_new(const struct http_conf *conf, struct err *e);
void http_free(struct http *h); /* takes NULL */

/*
 * 0: r holds a whole answer, whatever its status.  -1: there is none, r->fault
 * says why; what r->status and headers hold may have been of a part of it.
 */
int http_do(struct http *h, const struct http_request *q,
    struct http_response *r, struct err *e);

/* The value of a header (name in lower case), NULL if it was not sent. */
const char *http_header(const struct http_response *r, const char *name);
void http_response_release(struct http_response *r);

/* Seconds since 1970 of an RFC 9110 date, or -1.  (A library that was built with
 * a time_t of 32 bits is not asked.) */
int64_t http_date(const char *s);

#endif
