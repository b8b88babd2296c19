/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/aws/http.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/base/err.h"
#include "lib/store/aws/late_curl.h"
#include "lib/sys/stop.h"

enum {
	BODY_MAX = 32 << 20,   /* of an answer that is kept in memory */
	SLOW = 64,             /* bytes a second that count as standing still */
	EXPECT_FROM = 2 << 20, /* bytes worth asking for before sending them */
	PIECE = 128 << 10,
};

struct http {
	CURL *curl;
	const struct http_conf *conf;
	char why[CURL_ERROR_SIZE];
	/* the request that is under way */
	const struct http_request *q;
	struct http_response *r;
	struct err *e;
	uint64_t at; /* in the body */
	bool caller; /* the caller's function failed: e is filled */
};

static const char *
variable(const char *name)
{
	const char *v = getenv(name);

	return v != NULL && *v != '\0' ? v : NULL;
}

/* -- what libcurl calls ---------------------------------------------------- */

/* Close-on-exec from the start: a child never keeps a connection open. */
static curl_socket_t
on_socket(void *ctx, curlsocktype type, struct curl_sockaddr *a)
{
	(void)ctx;
	(void)type;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static size_t
on_read(char *p, size_t size, size_t n, void *ctx)
{
	struct http *h = ctx;
	uint64_t left = h->q->size - h->at;

	n *= size;
	if (n > left)
		n = (size_t)left;
	if (n == 0)
		return 0;
	if (h->q->read(h->q->read_ctx, h->at, p, n, h->e) == -1) {
		h->caller = true;
		return CURL_READFUNC_ABORT;
	}
	h->at += n;
	return n;
}

static int
on_seek(void *ctx, curl_off_t off, int from)
{
	struct http *h = ctx;

	if (from != SEEK_SET || off < 0 || (uint64_t)off > h->q->size)
		return CURL_SEEKFUNC_FAIL;
	h->at = (uint64_t)off;
	return CURL_SEEKFUNC_OK;
}

/* The status may be preceded by others (100): the last one counts. */
static void
begin_answer(struct http *h, const char *line, size_t n)
{
	struct http_response *r = h->r;
	const char *p = memchr(line, ' ', n);

	buf_reset(&r->headers);
	r->status = 0;
	for (p = p == NULL ? line + n : p + 1;
	     p < line + n && *p >= '0' && *p <= '9'; p++)
		r->status = r->status * 10 + (*p - '0');
}

static void
add_header(struct http_response *r, const char *line, size_t n)
{
	const char *colon = memchr(line, ':', n);
	const char *value, *end = line + n;

	if (colon == NULL || r->headers.len > 65536)
		return;
	for (; line < colon; line++) {
		char c = *line;

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		buf_add(&r->headers, &c, 1);
	}
	buf_add(&r->headers, "", 1);
	for (value = colon + 1; value < end && strchr(" \t", *value); value++)
		continue;
	while (end > value && strchr(" \t\r\n", end[-1]) != NULL)
		end--;
	buf_add(&r->headers, value, (size_t)(end - value));
	buf_add(&r->headers, "", 1);
}

static size_t
on_header(char *line, size_t size, size_t n, void *ctx)
{
	struct http *h = ctx;

	n *= size;
	if (n > 5 && memcmp(line, "HTTP/", 5) == 0)
		begin_answer(h, line, n);
	else if (memchr(line, '\0', n) == NULL)
		add_header(h->r, line, n);
	return n;
}

static size_t
on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct http *h = ctx;
	struct http_response *r = h->r;

	n *= size;
	r->received += n;
	if (h->q->sink != NULL && (r->status == 200 || r->status == 206)) {
		if (h->q->sink(h->q->sink_ctx, (uint8_t *)p, n, h->e) == 0)
			return n;
		h->caller = true;
		return 0;
	}
	if (r->body.len + n > BODY_MAX)
		return 0;
	buf_add(&r->body, p, n);
	return n;
}

static int
on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct http *h = ctx;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return h->q->cancelled != NULL && h->q->cancelled(h->q->cancel_ctx);
}

/* -- SIGPIPE --------------------------------------------------------------- */

/*
 * TLS writes to a connection that is gone with write(2).  The signal is this
 * thread's alone: it is held back, and taken if it was not pending before.
 */
struct pipe_guard {
	sigset_t old;
	bool pending;
};

static void
hold_sigpipe(struct pipe_guard *g)
{
	sigset_t set;

	sigemptyset(&set);
	(void)sigpending(&set);
	g->pending = sigismember(&set, SIGPIPE) == 1;
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &set, &g->old);
}

static void
release_sigpipe(const struct pipe_guard *g)
{
	static const struct timespec now = { 0, 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	if (!g->pending)
		while (sigtimedwait(&set, NULL, &now) == -1 && errno == EINTR)
			continue;
	(void)pthread_sigmask(SIG_SETMASK, &g->old, NULL);
}

/* -- the handle ------------------------------------------------------------ */

static void
set_trust(struct http *h)
{
	const char *file = h->conf->ca_file, *dir = variable("SSL_CERT_DIR");

	if (file == NULL && (file = variable("AWS_CA_BUNDLE")) == NULL)
		file = variable("SSL_CERT_FILE");
	if (file != NULL)
		curl_easy_setopt(h->curl, CURLOPT_CAINFO, file);
	if (dir != NULL)
		curl_easy_setopt(h->curl, CURLOPT_CAPATH, dir);
	if (h->conf->insecure) {
		curl_easy_setopt(h->curl, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(h->curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (h->conf->direct)
		curl_easy_setopt(h->curl, CURLOPT_PROXY, "");
}

struct http *
http_new(const struct http_conf *conf, struct err *e)
{
	struct http *h;

	if (late_curl(e) == -1)
		return NULL;
	h = xcalloc(1, sizeof(*h));
	h->conf = conf;
	if ((h->curl = curl_easy_init()) == NULL) {
		err_set(e, ERR_OS, "libcurl cannot be initialized");
		free(h);
		return NULL;
	}
	curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, h->why);
	curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(
	    h->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http,https");
#endif
	curl_easy_setopt(h->curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(h->curl, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(h->curl, CURLOPT_BUFFERSIZE, (long)PIECE);
	curl_easy_setopt(h->curl, CURLOPT_UPLOAD_BUFFERSIZE, (long)PIECE);
	curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT_MS, conf->connect_ms);
	curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_LIMIT, (long)SLOW);
	curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_TIME, conf->stall_s);
	curl_easy_setopt(h->curl, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(h->curl, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(h->curl, CURLOPT_READDATA, h);
	curl_easy_setopt(h->curl, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(h->curl, CURLOPT_SEEKDATA, h);
	curl_easy_setopt(h->curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h->curl, CURLOPT_HEADERDATA, h);
	curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, h);
	curl_easy_setopt(h->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(h->curl, CURLOPT_XFERINFODATA, h);
	curl_easy_setopt(h->curl, CURLOPT_NOPROGRESS, 0L);
	set_trust(h);
	return h;
}

void
http_free(struct http *h)
{
	struct pipe_guard guard;

	if (h == NULL)
		return;
#if LIBCURL_VERSION_NUM >= 0x075700
	/* A name that nobody resolves is not to be waited for at the end. */
	if (stop_requested())
		curl_easy_setopt(h->curl, CURLOPT_QUICK_EXIT, 1L);
#endif
	hold_sigpipe(&guard);
	curl_easy_cleanup(h->curl);
	release_sigpipe(&guard);
	free(h);
}

/* -- one request ----------------------------------------------------------- */

/* libcurl ignores HTTP_PROXY, because a CGI's client can set it; we are none.
 */
static void
set_proxy(struct http *h)
{
	const char *proxy = variable("HTTP_PROXY");

	if (h->conf->direct || proxy == NULL || variable("http_proxy") ||
	    strncasecmp(h->q->url, "http:", 5) != 0)
		return;
	curl_easy_setopt(h->curl, CURLOPT_PROXY, proxy);
}

static void
set_body(struct http *h)
{
	const struct http_request *q = h->q;
	bool head = strcmp(q->method, "HEAD") == 0;
	bool body = q->read != NULL;

	curl_easy_setopt(h->curl, CURLOPT_UPLOAD, body ? 1L : 0L);
	curl_easy_setopt(h->curl, CURLOPT_NOBODY, head ? 1L : 0L);
	if (!head && !body)
		curl_easy_setopt(h->curl, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(h->curl, CURLOPT_INFILESIZE_LARGE,
	    body ? (curl_off_t)q->size : (curl_off_t)-1);
	curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, q->method);
}

static struct curl_slist *
header_list(const struct http_request *q)
{
	struct curl_slist *list = NULL, *more;

	for (size_t i = 0; i <= q->n_headers; i++) {
		const char *line = i < q->n_headers ? q->headers[i]
		    : q->size >= EXPECT_FROM        ? "Expect: 100-continue"
						    : "Expect:";

		if ((more = curl_slist_append(list, line)) == NULL) {
			curl_slist_free_all(list);
			return NULL;
		}
		list = more;
	}
	return list;
}

static enum http_fault
fault_of(CURLcode rc)
{
	switch (rc) {
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT: return HTTP_UNSENT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CERTPROBLEM: return HTTP_TLS;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_OUT_OF_MEMORY:
	case CURLE_BAD_FUNCTION_ARGUMENT: return HTTP_BAD;
	case CURLE_ABORTED_BY_CALLBACK: return HTTP_CANCELLED;
	case CURLE_OPERATION_TIMEDOUT: return HTTP_STALLED;
	default: return HTTP_LOST;
	}
}

/* libcurl quotes a proxy it does not understand, with its password. */
static const char *
reason(const struct http *h, CURLcode rc)
{
	if (h->why[0] == '\0' || strchr(h->why, '@') != NULL)
		return curl_easy_strerror(rc);
	return h->why;
}

static int
tell_tls(struct http *h, CURLcode rc, struct err *e)
{
	if (rc == CURLE_SSL_CACERT_BADFILE) {
		err_set(e, ERR_CONFIG, "TLS: %s", reason(h, rc));
		return err_hint(e,
		    "it is what AWS_CA_BUNDLE, SSL_CERT_FILE or --cacert "
		    "names");
	}
	err_set(e, ERR_UNAVAILABLE, "TLS: %s", reason(h, rc));
	if (rc == CURLE_SSL_CONNECT_ERROR)
		return err_hint(e,
		    "is it a port for plain HTTP? then the endpoint begins "
		    "with http://");
	/* OpenSSL's and GnuTLS's words, respectively. */
	if (strstr(h->why, "subject name") != NULL ||
	    strstr(h->why, "does not match") != NULL)
		return err_hint(e,
		    "the certificate is of another host: is the endpoint "
		    "right?");
	return err_hint(e,
	    "the certificate is not trusted: name its CA with AWS_CA_BUNDLE "
	    "or --cacert");
}

static int
tell(struct http *h, CURLcode rc, struct err *e)
{
	struct http_response *r = h->r;
	const char *why = reason(h, rc);
	double connect = 0;

	r->fault = fault_of(rc);
	if (r->fault == HTTP_TLS)
		return tell_tls(h, rc, e);
	if (r->fault == HTTP_BAD)
		return err_set(e, ERR_CONFIG, "%s: %s", h->q->url, why);
	if (r->fault == HTTP_STALLED) {
		(void)curl_easy_getinfo(
		    h->curl, CURLINFO_CONNECT_TIME, &connect);
		if (connect == 0)
			r->fault = HTTP_UNSENT;
	}
	err_set(e, ERR_UNAVAILABLE, "%s", why);
	if (rc == CURLE_COULDNT_RESOLVE_HOST)
		err_hint(e, "no such host: is the endpoint or region right?");
	else if (rc == CURLE_COULDNT_CONNECT)
		err_hint(e, "is the server running there?");
	else if (rc == CURLE_COULDNT_RESOLVE_PROXY)
		err_hint(e, "is HTTPS_PROXY or HTTP_PROXY right?");
	return -1;
}

static void
begin(struct http *h, const struct http_request *q, struct http_response *r,
    struct err *e)
{
	h->q = q;
	h->r = r;
	h->e = e;
	h->at = 0;
	h->caller = false;
	h->why[0] = '\0';
	buf_reset(&r->body);
	buf_reset(&r->headers);
	r->status = 0;
	r->fault = HTTP_FINE;
	r->sent = r->received = 0;
}

int
http_do(struct http *h, const struct http_request *q, struct http_response *r,
    struct err *e)
{
	struct curl_slist *list = header_list(q);
	struct pipe_guard guard;
	CURLcode rc;

	begin(h, q, r, e);
	if (list == NULL)
		return err_set(e, ERR_OS, "libcurl is out of memory");
	set_body(h);
	set_proxy(h);
	curl_easy_setopt(h->curl, CURLOPT_URL, q->url);
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, q->timeout_ms);
	hold_sigpipe(&guard);
	rc = curl_easy_perform(h->curl);
	release_sigpipe(&guard);
	r->sent = h->at;
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(list);
	if (h->caller) {
		r->fault = HTTP_CALLER;
		return -1;
	}
	/* A PUT that is refused early: the answer is what counts. */
	if (rc == CURLE_SEND_ERROR && r->status >= 300 && r->body.len > 0)
		rc = CURLE_OK;
	return rc == CURLE_OK ? 0 : tell(h, rc, e);
}

const char *
http_header(const struct http_response *r, const char *name)
{
	const char *p = (const char *)r->headers.data, *value;
	const char *end = p + r->headers.len;

	for (; p != NULL && p < end; p = value + strlen(value) + 1) {
		value = p + strlen(p) + 1;
		if (strcmp(p, name) == 0)
			return value;
	}
	return NULL;
}

void
http_response_release(struct http_response *r)
{
	buf_release(&r->body);
	buf_release(&r->headers);
}

int64_t
http_date(const char *s)
{
	static const char *const formats[] = { "%a, %d %b %Y %T GMT",
		"%a, %d-%b-%y %T GMT", "%a %b %e %T %Y" };

	for (size_t i = 0; s != NULL && i < sizeof(formats) / sizeof(*formats);
	     i++) {
		struct tm tm = { 0 };
		const char *end = strptime(s, formats[i], &tm);

		if (end != NULL && *end == '\0')
			return (int64_t)timegm(&tm);
	}
	return -1;
}
