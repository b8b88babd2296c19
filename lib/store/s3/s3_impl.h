/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_impl -- what the files of the S3 driver share; nobody else includes this.
 *
 *	s3.c		the store: open, close, stage, publish, small things
 *	s3_request.c	one request: sign, send, judge the answer, try again
 *	s3_error.c	what an answer means
 *	s3_put.c	objects in one piece, conflicts
 *	s3_probe.c	whether conditions on PUT hold
 *	s3_multipart.c	objects in parts
 *	s3_get.c	get
 *	s3_read.c	list
 *	s3_remove.c	delete
 *	s3_uploads.c	multipart uploads that nobody finishes
 */
#ifndef LSPP_STORE_S3_S3_IMPL_H
#define LSPP_STORE_S3_S3_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/when.h"
#include "lib/store/aws/creds.h"
#include "lib/store/aws/http.h"
#include "lib/store/aws/pace.h"
#include "lib/store/aws/s3_xml.h"
#include "lib/store/aws/sigv4.h"
#include "lib/store/s3/s3.h"
#include "lib/store/s3/s3_place.h"

#define S3_EMPTY_SHA256 \
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

enum {
	S3_KEY_MAX = 1024,
	S3_PARTS_MAX = 10000,
	S3_PARTS_AT_ONCE = 4,
	S3_SIGNED = 20, /* x-amz- headers of one call */
	S3_UNSIGNED = 6,
	S3_PARAMS = 6,
};

struct s3_handle {
	struct s3_handle *next;
	struct http *http;
};

struct s3 {
	struct store store;
	const struct store_conf *conf;
	struct aws_files *files;
	struct creds_chain *creds;
	struct http_conf http;
	struct pace *pace;
	char *region;   /* as it was at first, for STS */
	char *sse_c[2]; /* key and its MD5, in base64 */
	struct {
		char *name;
		const char *value;
	} own[STORE_HEADERS]; /* of --header */
	size_t n_own;
	uint64_t retries_max;
	bool checksums;                /* CRC32 is sent */
	bool validates;                /* and asked for */
	atomic_int guard;              /* enum store_guard */
	atomic_llong probed, probe_at; /* found out, and next; s since 1970 */
	pthread_mutex_t probing;
	atomic_bool rolls_not; /* a delimiter of more than a byte */
	atomic_bool answered;  /* somebody is there */
	atomic_int accepted;   /* and has taken our keys */
	atomic_ullong served; /* pace_now() of the last answer but "too busy" */
	atomic_ullong silent; /* served, when a request was given up since */
	atomic_bool skew_warned;
	atomic_llong skew; /* the server's clock less ours, in s */
	/* The same by the last answer, whether requests go by it or not. */
	atomic_llong clock;
	atomic_bool clocked; /* there was such an answer */
	atomic_ullong requests[STORE_REQUESTS], retries, slow_downs, sent,
	    received;
	pthread_mutex_t lock; /* for the rest */
	struct s3_place place;
	struct s3_handle *idle; /* n_idle of them */
	size_t n_idle;
	struct err fatal; /* class 0: none */
};

struct s3_call {
	const char *method;
	enum store_request class;
	const char *key; /* in the bucket, whole; "" for the bucket */
	struct sigv4_param params[S3_PARAMS];
	size_t n_params;
	struct sigv4_header amz[S3_SIGNED]; /* x-amz-*: signed */
	size_t n_amz;
	const char *plain[S3_UNSIGNED]; /* "Name: value" */
	size_t n_plain;
	const char *sha256; /* hex, of the body; NULL: there is none */
	int (*read)(void *ctx, uint64_t off, void *p, size_t n, struct err *e);
	void *read_ctx;
	uint64_t size;
	int (*sink)(void *ctx, const uint8_t *p, size_t n, struct err *e);
	void *sink_ctx;
	const uint64_t *moved; /* grows as the sink gets on, or NULL */
	/* Behind every try that failed: may change plain[]. */
	void (*again)(void *ctx, struct s3_call *c, struct http_response *r);
	/* Is a 2xx what it should be?  0; -1: e, and it is tried again; 1: e,
	 * and that is the end. */
	int (*check)(void *ctx, const struct http_response *r, struct err *e);
	bool finish; /* once begun, a signal does not break it off */
	bool clean;  /* it cleans up: to be sent even after a signal */
	bool late;   /* a 200 was sent before the work: an <Error> may follow */
	int expect;  /* a status beside 2xx that the caller wants to see */
};

/*
 * Carry it out, tried again as s3.h says.  0: a 2xx, or c->expect.  -1: e; then
 * r->status is that of the last answer, or 0.  r is { 0 } or of an earlier call
 * and is the caller's to release.
 */
int s3_do(
    struct s3 *s, struct s3_call *c, struct http_response *r, struct err *e);

void s3_param(struct s3_call *c, const char *name, const char *value);
void s3_amz(struct s3_call *c, const char *name, const char *value);
void s3_plain(struct s3_call *c, const char *line);

/* The meaning of an answer that is no success, and what to do then. */
enum s3_verdict {
	S3_FINAL, /* it failed */
	S3_FATAL, /* and so will everything else */
	S3_AGAIN,
	S3_SLOWER, /* again, but the server has too much to do */
	S3_SKEWED,
	S3_EXPIRED,
	S3_MOVED, /* to x->region */
};
enum s3_verdict s3_judge(const struct s3_call *c, const struct http_response *r,
    struct s3_error *x, struct err *e);

/* The key in the bucket of a key in the store, in place of what out held. */
int s3_full_key(struct s3 *s, const char *key, struct buf *out, struct err *e);

/* The digests of a piece of a spool. */
struct s3_digest {
	char sha256[SIGV4_HASH];
	char md5_hex[33]; /* "" where MD5 is not to be had */
	char md5_base64[32];
	char crc32_base64[12];
	uint64_t size;
};
int s3_digest(struct spool *b, uint64_t off, uint64_t n, struct s3_digest *d,
    struct err *e);
void s3_base64(char *out, const uint8_t *p, size_t n);

/* A piece of a spool as the body of a call. */
struct s3_piece {
	struct spool *bytes;
	uint64_t off;
};
int s3_piece_read(void *ctx, uint64_t off, void *p, size_t n, struct err *e);

/* Headers that every new object gets; those of SSE-C also for its parts. */
void s3_object_headers(struct s3 *s, struct s3_call *c);
/* Those of what is to go with o, its time and its note; text must outlive the
 * call.  o may be NULL. */
#define S3_NOTE "x-amz-meta-lspp"
void s3_with_headers(
    const struct store_stage *o, char text[WHEN_SIZE], struct s3_call *c);
void s3_sse_c_headers(struct s3 *s, struct s3_call *c);

/* The answer to a PUT, about the object that was stored. */
enum s3_stored {
	S3_STORED, /* ours, as far as an ETag or a checksum can tell */
	S3_OTHER,  /* other bytes */
	S3_SILENT, /* nothing: is it from S3 at all? */
};
enum s3_stored s3_stored(
    const struct http_response *r, const struct s3_digest *d);

/* Beside the name of the root, names in it that are nobody's objects. */
#define S3_PROBE ".lspp-probe"

/* Does no condition keep an object from being overwritten, so that it has to be
 * looked for first? */
bool s3_looks_first(struct s3 *s);

/* The header of the condition, or none. */
void s3_condition(enum store_guard guard, struct s3_call *c);

/* Find out again what s3_probe() did, if that is a day ago. */
void s3_probe_daily(struct s3 *s);

/* One PUT with the condition of guard: 0, also with status 412.  o may be NULL:
 * it has no time. */
int s3_put_call(struct s3 *s, const char *full, struct spool *b,
    const struct s3_digest *d, enum store_guard guard,
    const struct store_stage *o, struct http_response *r, struct err *e);

int s3_note(struct store *s, const char *key, struct buf *b, struct err *e);

/* 0, also if the same was there; ERR_BUSY if other bytes are. */
int s3_put(struct s3 *s, const struct store_stage *o, struct err *e);
int s3_put_parts(struct s3 *s, const struct store_stage *o, struct err *e);

/*
 * What is there under key?  2: nothing; 1: the bytes of b; 0: others;
 * -1: e, ERR_DENIED when we may not look.  md5 is that of b, or "".
 */
int s3_compare(struct s3 *s, const char *key, struct spool *b, const char *md5,
    struct err *e);

int s3_get(struct store *st, const char *key, uint64_t off, uint64_t n,
    store_sink *sink, void *ctx, struct err *e);
int s3_list(struct store *st, const char *prefix, bool delimited,
    store_each *each, void *ctx, struct err *e);
int s3_remove(struct store *st, const char *key, struct err *e);
/* Delete the object, or with upload that upload of it; none is no error. */
int s3_delete(struct s3 *s, const char *key, const char *upload, struct err *e);
int s3_uploads(struct store *st, const char *prefix, store_upload_each *each,
    void *ctx, struct err *e);
int s3_abort(struct store *st, const struct store_upload *u, struct err *e);

/* Does the answer's ETag say that the bytes have that MD5?  1, 0; -1: it is
 * none, or md5 is "". */
int s3_etag_is(const struct http_response *r, const char *md5);

/* A line for the user. */
void s3_warn(struct s3 *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Of an answer: the seconds that Retry-After asks for, and what the server's
 * clock is. */
uint64_t s3_retry_after(const struct http_response *r);

/*
 * Says in *e and *why that a request was tried so often, in spent_ms, and adds
 * the hint that the last status suggests, unless *e has one.
 */
void s3_tried(unsigned tries, uint64_t spent_ms, int status, struct err *why,
    struct err *e);
void s3_note_clock(struct s3 *s, const struct http_response *r);

#endif
