/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What S3's answers mean.  Codes differ from server to server (an access key
 * that is not known is 403 here and 404 there), so the code is looked at first
 * and the status when that says nothing.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/store/s3/s3_impl.h"

enum { RETRY_AFTER_MAX = 300 }; /* seconds */

/* Hints of more than one code. */
#define UNKNOWN_KEY \
	"the server does not know this access key: --whoami tells which it is"
#define OTHER_TOKEN   "is AWS_SESSION_TOKEN of the same keys?"
#define SESSION_ENDED "the session has ended: get new keys"
#define OTHER_REGION  "the bucket is in another region: --region NAME"
#define BYTES_CHANGED "the bytes were changed on the way, by a proxy perhaps"
#define OTHER_KMS_KEY "is --sse-kms-key-id right?"

static const struct meaning {
	const char *code;
	enum s3_verdict verdict;
	enum err_class class;
	const char *hint; /* NULL: none */
} meanings[] = {
	{ "SignatureDoesNotMatch", S3_FATAL, ERR_DENIED,
	    "is the secret access key right? --debug=sign shows what was "
	    "signed" },
	{ "InvalidAccessKeyId", S3_FATAL, ERR_DENIED, UNKNOWN_KEY },
	{ "XAdminUserNotFound", S3_FATAL, ERR_DENIED, UNKNOWN_KEY },
	{ "NotSignedUp", S3_FATAL, ERR_DENIED, UNKNOWN_KEY },
	{ "InvalidToken", S3_FATAL, ERR_DENIED, OTHER_TOKEN },
	{ "InvalidTokenId", S3_FATAL, ERR_DENIED, OTHER_TOKEN },
	{ "AccountProblem", S3_FATAL, ERR_DENIED, NULL },
	{ "AllAccessDisabled", S3_FATAL, ERR_DENIED, NULL },
	{ "ExpiredToken", S3_EXPIRED, ERR_DENIED, SESSION_ENDED },
	{ "ExpiredTokenException", S3_EXPIRED, ERR_DENIED, SESSION_ENDED },
	{ "TokenRefreshRequired", S3_EXPIRED, ERR_DENIED, NULL },
	{ "RequestTimeTooSkewed", S3_SKEWED, ERR_DENIED,
	    "this machine's clock is wrong: set it" },
	{ "NoSuchBucket", S3_FATAL, ERR_CONFIG,
	    "there is no bucket of that name there: check the URL and the "
	    "endpoint" },
	{ "InvalidBucketName", S3_FATAL, ERR_CONFIG,
	    "a bucket has 3 to 63 small letters, digits, dots and hyphens" },
	{ "AuthorizationHeaderMalformed", S3_MOVED, ERR_CONFIG,
	    "is the region right? --region NAME" },
	{ "PermanentRedirect", S3_MOVED, ERR_CONFIG, OTHER_REGION },
	{ "IllegalLocationConstraintException", S3_MOVED, ERR_CONFIG,
	    OTHER_REGION },
	{ "IncorrectEndpoint", S3_MOVED, ERR_CONFIG, NULL },
	{ "SlowDown", S3_SLOWER, ERR_UNAVAILABLE, NULL },
	{ "ServiceUnavailable", S3_SLOWER, ERR_UNAVAILABLE, NULL },
	{ "TooManyRequests", S3_SLOWER, ERR_UNAVAILABLE, NULL },
	{ "RequestLimitExceeded", S3_SLOWER, ERR_UNAVAILABLE, NULL },
	{ "Throttling", S3_SLOWER, ERR_UNAVAILABLE, NULL },
	{ "RequestTimeout", S3_AGAIN, ERR_UNAVAILABLE, NULL },
	{ "IncompleteBody", S3_AGAIN, ERR_UNAVAILABLE, NULL },
	{ "OperationAborted", S3_AGAIN, ERR_UNAVAILABLE, NULL },
	{ "ConditionalRequestConflict", S3_AGAIN, ERR_UNAVAILABLE, NULL },
	{ "BadDigest", S3_AGAIN, ERR_UNAVAILABLE, BYTES_CHANGED },
	{ "InvalidDigest", S3_AGAIN, ERR_UNAVAILABLE, BYTES_CHANGED },
	{ "XAmzContentSHA256Mismatch", S3_AGAIN, ERR_UNAVAILABLE,
	    BYTES_CHANGED },
	{ "XAmzContentChecksumMismatch", S3_AGAIN, ERR_UNAVAILABLE,
	    BYTES_CHANGED },
	{ "NoSuchKey", S3_FINAL, ERR_MISSING, NULL },
	{ "NoSuchUpload", S3_FINAL, ERR_MISSING, NULL },
	{ "PreconditionFailed", S3_FINAL, ERR_BUSY, NULL },
	{ "InvalidObjectState", S3_FINAL, ERR_UNAVAILABLE,
	    "it is in an archive class: restore it there first" },
	{ "ObjectParentIsFile", S3_FINAL, ERR_CONFIG,
	    "on this server an object's name cannot also be a folder" },
	{ "InvalidStorageClass", S3_FATAL, ERR_CONFIG,
	    "the server has no such --storage-class" },
	{ "kms:KeyNotFound", S3_FATAL, ERR_CONFIG, OTHER_KMS_KEY },
	{ "KMS.NotFoundException", S3_FATAL, ERR_CONFIG, OTHER_KMS_KEY },
	{ "NotImplemented", S3_FINAL, ERR_CONFIG,
	    "the server lacks this feature (--sse, --sse-c, --header?)" },
	{ "KeyTooLongError", S3_FINAL, ERR_CONFIG, NULL },
	{ "AccessDenied", S3_FINAL, ERR_DENIED, NULL },
};

static struct meaning
by_status(int status)
{
	struct meaning m = { "", S3_FINAL, ERR_UNAVAILABLE, NULL };

	switch (status) {
	case 301:
	case 302:
	case 307:
	case 308: m.verdict = S3_MOVED, m.class = ERR_CONFIG; break;
	case 400: m.class = ERR_CONFIG; break;
	case 401:
	case 403: m.class = ERR_DENIED; break;
	case 404:
	case 410: m.class = ERR_MISSING; break;
	case 405:
	case 501: m.class = ERR_CONFIG; break;
	case 407:
		m.class = ERR_CONFIG, m.hint = "the proxy wants a password";
		break;
	case 408:
	case 409: m.verdict = S3_AGAIN; break;
	case 412: m.class = ERR_BUSY; break;
	case 429:
	case 503: m.verdict = S3_SLOWER; break;
	default:
		if (status >= 500)
			m.verdict = S3_AGAIN;
	}
	return m;
}

static const char *
permission(const struct s3_call *c)
{
	switch (c->class) {
	case STORE_REQUEST_PUT: return "s3:PutObject";
	case STORE_REQUEST_LIST: return "s3:ListBucket";
	case STORE_REQUEST_DELETE: return "s3:DeleteObject";
	default: return "s3:GetObject";
	}
}

enum s3_verdict
s3_judge(const struct s3_call *c, const struct http_response *r,
    struct s3_error *x, struct err *e)
{
	struct meaning m = by_status(r->status);
	const char *region;

	(void)s3_xml_error(&r->body, x);
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (strcmp(x->code, meanings[i].code) == 0)
			m = meanings[i];
	if (x->region[0] == '\0' &&
	    (region = http_header(r, "x-amz-bucket-region")) != NULL)
		(void)snprintf(x->region, sizeof(x->region), "%s", region);
	if (!s3_place_is_region(x->region))
		x->region[0] = '\0';
	/* A HEAD has no body that could say so. */
	if (r->status == 400 && x->code[0] == '\0' && x->region[0] != '\0')
		m.verdict = S3_MOVED;

	err_set(e, m.class, "HTTP %d%s%s%s%s", r->status,
	    x->code[0] != '\0' ? " " : "", x->code,
	    x->message[0] != '\0' ? ": " : "", x->message);
	if (m.hint != NULL)
		err_hint(e, "%s", m.hint);
	else if (m.class == ERR_DENIED)
		err_hint(e, "is %s allowed?", permission(c));
	else if (c->class == STORE_REQUEST_GET &&
	    strcmp(x->code, "InvalidRequest") == 0)
		err_hint(e, "was it encrypted with --sse-c?");
	if (m.verdict == S3_MOVED && x->region[0] != '\0')
		err_hint(e, "the bucket is in %s: --region %s", x->region,
		    x->region);
	return m.verdict;
}

/* -- headers --------------------------------------------------------------- */

/* The seconds that Retry-After asks for. */
uint64_t
s3_retry_after(const struct http_response *r)
{
	const char *v = http_header(r, "retry-after");
	int64_t s;

	if (v == NULL)
		return 0;
	if (isdigit((unsigned char)v[0]))
		s = strtoll(v, NULL, 10);
	else
		s = http_date(v) - (int64_t)time(NULL);
	if (s < 0)
		return 0;
	return s > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : (uint64_t)s;
}

/* Every answer tells the server's clock. */
void
s3_note_clock(struct s3 *s, const struct http_response *r)
{
	int64_t there = http_date(http_header(r, "date"));

	if (there == -1)
		return;
	atomic_store(&s->clock, there - (int64_t)time(NULL));
	atomic_store(&s->clocked, true);
}

static void
append(struct err *e, const char *text)
{
	char hint[sizeof(e->hint)];

	memcpy(hint, e->hint, sizeof(hint));
	err_set(e, e->class, "%s%s", e->msg, text);
	memcpy(e->hint, hint, sizeof(hint));
}

void
s3_tried(unsigned tries, uint64_t spent_ms, int status, struct err *why,
    struct err *e)
{
	char text[80];

	(void)snprintf(text, sizeof(text), "; tried %u times in %" PRIu64 " s",
	    tries, (spent_ms + 500) / 1000);
	append(e, text);
	append(why, text);
	if (e->hint[0] != '\0' || tries < 2)
		return;
	if (status == 503 || status == 429)
		err_hint(e, "ask it for less: fewer at a time (-j), or --rate");
	else
		err_hint(
		    e, "run again when it answers: what was printed is done");
}
