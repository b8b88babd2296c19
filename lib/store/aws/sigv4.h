/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sigv4 -- AWS Signature Version 4 in an Authorization header.
 *
 * Pure: bytes and time in, text out.  The request is described as it will go
 * over the wire; what is signed is its canonical form:
 *
 *	METHOD \n canonical path \n canonical query \n
 *	name:value \n for each header, names lower case and sorted \n
 *	\n names joined by ";" \n payload hash
 *
 * The caller puts x-amz-date, and x-amz-security-token if there is one, among
 * the headers: sigv4_sign() adds none.
 */
#ifndef LSPP_STORE_AWS_SIGV4_H
#define LSPP_STORE_AWS_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

#define SIGV4_HASH 65 /* SHA-256 in hex, with its NUL */
#define SIGV4_DATE 17 /* "20150830T123600Z" */

/* All borrowed for the time of the call. */
struct sigv4_header {
	const char *name, *value; /* the value as sent; NUL-terminated */
};

struct sigv4_param {
	const char *name, *value; /* not yet encoded */
};

struct sigv4 {
	const char *key, *secret;
	const char *region, *service;
	const char *date; /* as in x-amz-date */
	const char *method;
	const char *path; /* not yet encoded, begins with '/' */
	bool normalize;   /* fold "//", "." and ".." (S3 does not) */
	const struct sigv4_param *params;
	size_t n_params;
	const struct sigv4_header *headers; /* those that are to be signed */
	size_t n_headers;
	const char *payload; /* hex SHA-256 of the body */
};

/* The two texts that a signature is made of, for whoever has to find out why
 * it does not match.  They hold no secret but a session token. */
struct sigv4_trace {
	struct buf canonical, to_sign;
};

/*
 * The value of the Authorization header, in place of what out held.  trace may
 * be NULL; it is filled, and the caller releases it.
 */
void sigv4_sign(
    const struct sigv4 *r, struct buf *out, struct sigv4_trace *trace);
void sigv4_trace_release(struct sigv4_trace *t);

/* seconds since 1970, in UTC. */
void sigv4_date(int64_t seconds, char out[SIGV4_DATE]);

/* Percent-encode what is not unreserved (RFC 3986), but for '/' if so asked. */
void sigv4_encode(struct buf *out, const char *s, size_t n, bool keep_slash);

/* Params encoded and sorted, as they are signed and may be sent. */
void sigv4_query(struct buf *out, const struct sigv4_param *params, size_t n);

void sigv4_hex(char *out, const uint8_t *p, size_t n); /* 2 * n + 1 chars */
void sigv4_sha256(const void *p, size_t n, char out[SIGV4_HASH]);

#endif
