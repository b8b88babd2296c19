/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request to S3: signed, sent, its answer judged, tried again.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/store/s3/s3_impl.h"
#include "lib/sys/rng.h"
#include "lib/sys/stop.h"

enum {
	FEW = 2,  /* tries after the first while nobody is there */
	SOME = 5, /* while somebody is there who hangs up on us, always */
	SMALL = 1 << 20, /* bytes to send that take no time */
	FINISH_MS = 500, /* behind a signal, see cancelled() */
	CLEAN_MS = 1500,
};

void
s3_param(struct s3_call *c, const char *name, const char *value)
{
	c->params[c->n_params++] = (struct sigv4_param){ name, value };
}

void
s3_amz(struct s3_call *c, const char *name, const char *value)
{
	c->amz[c->n_amz++] = (struct sigv4_header){ name, value };
}

void
s3_plain(struct s3_call *c, const char *line)
{
	c->plain[c->n_plain++] = line;
}

void
s3_warn(struct s3 *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (s->conf->warn == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	s->conf->warn(s->conf->tell_ctx, text);
}

/* -- connections ----------------------------------------------------------- */

static struct s3_handle *
take_handle(struct s3 *s, struct err *e)
{
	struct s3_handle *h;

	pthread_mutex_lock(&s->lock);
	if ((h = s->idle) != NULL) {
		s->idle = h->next;
		s->n_idle--;
	}
	pthread_mutex_unlock(&s->lock);
	if (h != NULL)
		return h;
	h = xcalloc(1, sizeof(*h));
	if ((h->http = http_new(&s->http, e)) == NULL) {
		free(h);
		return NULL;
	}
	return h;
}

static void
give_handle(struct s3 *s, struct s3_handle *h)
{
	pthread_mutex_lock(&s->lock);
	if (s->n_idle < s->conf->keep) {
		h->next = s->idle;
		s->idle = h;
		s->n_idle++;
		h = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	if (h == NULL)
		return;
	http_free(h->http);
	free(h);
}

/* -- signing --------------------------------------------------------------- */

/* A call as it goes over the wire; the texts behind it. */
struct wire {
	struct buf host, path, url;
	char region[64];
	char date[SIGV4_DATE];
	struct sigv4_header headers[S3_SIGNED + 5];
	size_t n;
	char *lines[S3_SIGNED + S3_UNSIGNED + 7];
	size_t n_lines;
	struct creds creds;
};

static void
wire_release(struct wire *w)
{
	for (size_t i = 0; i < w->n_lines; i++)
		str_wipe(w->lines[i]);
	buf_release(&w->host);
	buf_release(&w->path);
	buf_release(&w->url);
	creds_release(&w->creds);
}

static void
locate(struct s3 *s, const struct s3_call *c, struct wire *w)
{
	pthread_mutex_lock(&s->lock);
	s3_place_target(&s->place, c->key, &w->host, &w->path);
	(void)snprintf(w->region, sizeof(w->region), "%s", s->place.region);
	buf_addf(&w->url, "%s://%s", s->place.scheme, buf_str(&w->host));
	pthread_mutex_unlock(&s->lock);
	sigv4_encode(&w->url, buf_str(&w->path), w->path.len, true);
	if (c->n_params > 0) {
		buf_add(&w->url, "?", 1);
		sigv4_query(&w->url, c->params, c->n_params);
	}
}

/* Not for anybody's eyes: the token, and a key of SSE-C. */
static void
mask(struct buf *text)
{
	static const char *const names[] = { "x-amz-security-token:",
		"customer-key:" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *p = strstr((char *)text->data, names[i]);

		if (p == NULL)
			continue;
		for (p += strlen(names[i]); *p != '\n' && *p != '\0'; p++)
			*p = '*';
	}
}

static void
show_signing(struct s3 *s, struct sigv4_trace *t)
{
	struct buf text = { 0 };

	mask(&t->canonical);
	buf_addf(&text, "canonical request:\n%s\nstring to sign:\n%s",
	    buf_str(&t->canonical), buf_str(&t->to_sign));
	s->conf->debug(s->conf->tell_ctx, buf_str(&text));
	buf_release(&text);
}

static void
sign(struct s3 *s, const struct s3_call *c, struct wire *w)
{
	bool debug = s->conf->debug_sign && s->conf->debug != NULL;
	struct sigv4_trace trace = { { 0 }, { 0 } };
	struct buf auth = { 0 };
	const char *hash = c->sha256 != NULL ? c->sha256 : S3_EMPTY_SHA256;
	struct sigv4 r = { .key = w->creds.key,
		.secret = w->creds.secret,
		.region = w->region,
		.service = "s3",
		.date = w->date,
		.method = c->method,
		.path = buf_str(&w->path),
		.params = c->params,
		.n_params = c->n_params,
		.headers = w->headers,
		.payload = hash };

	sigv4_date((int64_t)time(NULL) + atomic_load(&s->skew), w->date);
	w->headers[w->n++] = (struct sigv4_header){ "Host", buf_str(&w->host) };
	w->headers[w->n++] =
	    (struct sigv4_header){ "x-amz-content-sha256", hash };
	w->headers[w->n++] = (struct sigv4_header){ "x-amz-date", w->date };
	if (w->creds.token != NULL)
		w->headers[w->n++] =
		    (struct sigv4_header){ "x-amz-security-token",
			    w->creds.token };
	for (size_t i = 0; i < c->n_amz; i++)
		w->headers[w->n++] = c->amz[i];
	r.n_headers = w->n;
	sigv4_sign(&r, &auth, debug ? &trace : NULL);
	if (debug)
		show_signing(s, &trace);
	sigv4_trace_release(&trace);
	w->lines[w->n_lines++] = xasprintf("Authorization: %s", buf_str(&auth));
	for (size_t i = 0; i < w->n; i++)
		w->lines[w->n_lines++] = xasprintf(
		    "%s: %s", w->headers[i].name, w->headers[i].value);
	for (size_t i = 0; i < c->n_plain; i++)
		w->lines[w->n_lines++] = xstrdup(c->plain[i]);
	/* Some compress what they think is worth it, unless told not to. */
	w->lines[w->n_lines++] = xstrdup("Accept-Encoding: identity");
	buf_release(&auth);
}

/* -- one try --------------------------------------------------------------- */

static bool
cancelled(void *ctx)
{
	const struct s3_call *c = ctx;

	/* What is on its way may arrive, and what is left be cleaned away, but
	 * not at any price: who answers takes less than that. */
	if (c->finish || c->clean)
		return stop_since(c->clean ? CLEAN_MS : FINISH_MS);
	return stop_requested();
}

/* How far the tries of one call have come. */
struct progress {
	unsigned tries;     /* since something last came */
	uint64_t began;     /* pace_now() of the first of these */
	unsigned rejected;  /* serial of the keys that were refused */
	unsigned serial;    /* of those used last */
	bool skewed, moved; /* that was put right already */
	uint64_t wait_s;    /* what Retry-After asks for */
	const char *method;
	struct err why; /* the last failure, without what was asked for */
};

/* e is what came of asking for that. */
static int
name_request(struct progress *p, const char *what, struct err *e)
{
	p->why = *e;
	return err_in(e, "%s %s", p->method, what);
}

static enum pace_outcome
outcome(int rc, const struct http_response *r)
{
	if (rc == -1)
		return PACE_OTHER;
	if (r->status == 503 || r->status == 429)
		return PACE_TOO_MUCH;
	return r->status < 300 ? PACE_WELL : PACE_OTHER;
}

/* In ms; 0: no limit.  What moves objects is never cut off, but for the run's
 * deadline; all else has the time of a request with its tries. */
static long
time_for(struct s3 *s, const struct s3_call *c, const struct progress *p)
{
	uint64_t run = pace_left(s->pace), spent = pace_now() - p->began;
	uint64_t limit = s->conf->timeout_s * 1000;

	if (c->sink != NULL || c->size > SMALL)
		return (long)run;
	limit = limit > spent + 1000 ? limit - spent : 1000;
	return (long)(run != 0 && run < limit ? run : limit);
}

static int
send_once(struct s3 *s, struct s3_call *c, struct progress *p,
    struct http_response *r, struct err *e)
{
	struct wire w = { .n = 0 };
	struct s3_handle *h = NULL;
	int rc = -1;

	if (creds_get(s->creds, p->rejected, &w.creds, e) == -1) {
		r->fault = HTTP_CALLER;
		return -1;
	}
	p->serial = w.creds.serial;
	locate(s, c, &w);
	sign(s, c, &w);
	struct http_request q = { .method = c->method,
		.url = buf_str(&w.url),
		.headers = (const char *const *)w.lines,
		.n_headers = w.n_lines,
		.read = c->read,
		.read_ctx = c->read_ctx,
		.size = c->size,
		.sink = c->sink,
		.sink_ctx = c->sink_ctx,
		.cancelled = cancelled,
		.cancel_ctx = c,
		.timeout_ms = time_for(s, c, p) };

	if ((h = take_handle(s, e)) == NULL) {
		r->fault = HTTP_BAD;
		p->why.class = ERR_NONE;
		goto out;
	}
	if (pace_enter(s->pace, c->clean, e) == -1) {
		r->fault = HTTP_CALLER;
		goto out;
	}
	atomic_fetch_add(&s->requests[c->class], 1);
	rc = http_do(h->http, &q, r, e);
	pace_leave(s->pace, outcome(rc, r));
	atomic_fetch_add(&s->sent, r->sent);
	atomic_fetch_add(&s->received, r->received);
	if (rc == 0 || r->status != 0)
		atomic_store(&s->answered, true);
	atomic_fetch_or(&s->accepted, rc == 0 && r->status < 300);
	if (rc == 0 && r->status < 500 && r->status != 429)
		atomic_store(&s->served, pace_now());
	if (rc == -1 && r->fault != HTTP_CALLER)
		name_request(p, buf_str(&w.url), e);
out:
	if (h != NULL)
		give_handle(s, h);
	wire_release(&w);
	return rc;
}

/* -- what comes next ------------------------------------------------------- */

/* Fails for all that follow, too: they are told of the root, not of what this
 * one asked for. */
static int
fatal(struct s3 *s, const struct progress *p, const struct err *e)
{
	pthread_mutex_lock(&s->lock);
	if (s->fatal.class == ERR_NONE) {
		s->fatal = *e;
		if (p->why.class != ERR_NONE) {
			memcpy(s->fatal.msg, p->why.msg, sizeof(p->why.msg));
			err_in(&s->fatal, "%s %s", p->method, s->store.url);
		}
	}
	pthread_mutex_unlock(&s->lock);
	return -1;
}

static bool
learn_clock(struct s3 *s, struct progress *p, const struct http_response *r)
{
	int64_t there = http_date(http_header(r, "date"));
	long long skew = there - (int64_t)time(NULL);

	if (p->skewed || there == -1)
		return false;
	p->skewed = true;
	atomic_store(&s->skew, skew);
	if (!atomic_exchange(&s->skew_warned, true))
		s3_warn(s,
		    "this machine's clock is %lld s %s the server's: "
		    "requests are dated by the server's",
		    skew < 0 ? -skew : skew, skew < 0 ? "ahead of" : "behind");
	return true;
}

static bool
follow_region(struct s3 *s, struct progress *p, const struct s3_error *x)
{
	bool follow;

	pthread_mutex_lock(&s->lock);
	follow = x->region[0] != '\0' && !p->moved && !s->place.region_asked;
	if (follow && strcmp(x->region, s->place.region) != 0)
		s3_place_region(&s->place, x->region);
	pthread_mutex_unlock(&s->lock);
	p->moved = true;
	return follow;
}

/* Keys that did once, and do no more: has somebody put others in their place?
 */
static bool
replaced(struct s3 *s, struct progress *p, const struct err *e)
{
	if (e->class != ERR_DENIED || p->rejected != 0 ||
	    atomic_load(&s->accepted) == 0 ||
	    !creds_changed(s->creds, p->serial))
		return false;
	p->rejected = p->serial;
	return true;
}

/* An answer that is no success: 0 to try again, or -1 with e. */
static int
handle_answer(struct s3 *s, struct s3_call *c, struct progress *p,
    struct http_response *r, struct err *e)
{
	struct s3_error x;
	enum s3_verdict v = s3_judge(c, r, &x, e);

	name_request(p, c->key[0] != '\0' ? c->key : s->store.url, e);
	p->wait_s = s3_retry_after(r);
	switch (v) {
	case S3_FINAL: return -1;
	case S3_FATAL: return replaced(s, p, e) ? 0 : fatal(s, p, e);
	case S3_SLOWER: atomic_fetch_add(&s->slow_downs, 1); return 0;
	case S3_AGAIN: return 0;
	case S3_SKEWED: return learn_clock(s, p, r) ? 0 : fatal(s, p, e);
	case S3_MOVED: return follow_region(s, p, &x) ? 0 : fatal(s, p, e);
	case S3_EXPIRED:
		if (p->rejected != 0)
			return fatal(s, p, e);
		p->rejected = p->serial;
		return 0;
	}
	return -1;
}

static bool
plain_http(struct s3 *s)
{
	bool plain;

	pthread_mutex_lock(&s->lock);
	plain = strcmp(s->place.scheme, "http") == 0;
	pthread_mutex_unlock(&s->lock);
	return plain;
}

/* No answer at all: 0 to try again, or -1. */
static int
handle_fault(
    struct s3 *s, struct progress *p, struct http_response *r, struct err *e)
{
	bool never = !atomic_load(&s->answered);

	p->wait_s = 0;
	switch (r->fault) {
	case HTTP_CALLER:
		/* No keys are no keys for the next one either. */
		return -1;
	case HTTP_BAD: return fatal(s, p, e);
	case HTTP_CANCELLED:
		return err_set(e, ERR_BUSY, "interrupted by a signal");
	case HTTP_TLS:
		if (never)
			return fatal(s, p, e);
		return 0;
	case HTTP_UNSENT:
		if (never && p->tries > FEW)
			return fatal(s, p, e);
		return 0;
	case HTTP_LOST:
		if (!never || p->tries <= SOME)
			return 0;
		if (plain_http(s))
			err_hint(e,
			    "is it a port for TLS? then the endpoint begins "
			    "with https://");
		return fatal(s, p, e);
	default: return 0;
	}
}

/*
 * One request is given up; late: because its time is over.  When nobody was
 * served all the while, those that follow need not wait as long, each.  But
 * what came, unless there was no connection, may be about this object alone:
 * then a second request has to end like it.
 */
static int
give_up(struct s3 *s, const struct progress *p, const struct http_response *r,
    bool late, struct err *e)
{
	uint64_t served = atomic_load(&s->served);

	/* A transfer that took long and broke is no sign of that. */
	if (p->tries <= FEW && r->fault != HTTP_FINE)
		return -1;
	if ((!late || served > p->began) &&
	    pace_now() - served < s->conf->timeout_s * 1000)
		return -1;
	if (r->fault != HTTP_UNSENT &&
	    atomic_exchange(&s->silent, served) != served)
		return -1;
	return fatal(s, p, e);
}

/* Is there time for another try?  Waits for it. */
static int
wait_turn(struct s3 *s, struct progress *p, const struct http_response *r,
    struct err *e)
{
	uint64_t spent = pace_now() - p->began, ms, random = 0;
	uint64_t limit = s->conf->timeout_s * 1000;
	struct err why = *e;

	if (p->tries > s->retries_max) {
		s3_tried(p->tries, spent, r->status, &p->why, e);
		return give_up(s, p, r, false, e);
	}
	if (rng_bytes(&random, sizeof(random), e) == -1)
		return -1;
	ms = pace_backoff(p->tries, s->conf->retry_wait_s * 1000, random);
	if (ms < p->wait_s * 1000 && spent + ms <= limit) {
		/* Longer than there is time: one last try at its end. */
		ms = p->wait_s * 1000;
		if (spent + ms > limit)
			ms = limit - spent;
	}
	if (spent + ms > limit) {
		*e = why;
		s3_tried(p->tries, spent, r->status, &p->why, e);
		return give_up(s, p, r, true, e);
	}
	if (pace_sleep(s->pace, ms, e) == -1)
		return err_in(e, "%s", why.msg);
	return 0;
}

/*
 * A 404 need not be about the object: so one server says that it does not know
 * the access key, and all say that there is no such bucket.
 */
static bool
wanted(const struct s3_call *c, struct http_response *r)
{
	struct s3_error x;

	if (c->late && r->status == 200 && s3_xml_error(&r->body, &x))
		r->status = 500;
	if (r->status >= 200 && r->status < 300)
		return true;
	if (c->expect == 0 || r->status != c->expect)
		return false;
	return r->status != 404 || !s3_xml_error(&r->body, &x) ||
	    strcmp(x.code, "NoSuchKey") == 0 ||
	    strcmp(x.code, "NoSuchUpload") == 0;
}

static int
given_up(struct s3 *s, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (s->fatal.class != ERR_NONE) {
		*e = s->fatal;
		rc = -1;
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

int
s3_do(struct s3 *s, struct s3_call *c, struct http_response *r, struct err *e)
{
	struct progress p = { .began = pace_now(), .method = c->method };
	uint64_t moved = c->moved != NULL ? *c->moved : 0;
	int rc = 0;

	r->status = 0;
	for (;;) {
		if (!c->clean && given_up(s, e) == -1)
			return -1;
		p.tries++;
		if (send_once(s, c, &p, r, e) == 0) {
			bool good = wanted(c, r);

			s3_note_clock(s, r);
			if (good && c->check != NULL)
				rc = c->check(c->sink_ctx, r, e);
			if (good && rc != -1)
				return -rc;
			p.wait_s = 0;
			if (!good && handle_answer(s, c, &p, r, e) == -1)
				return -1;
		} else if (handle_fault(s, &p, r, e) == -1) {
			return -1;
		}
		if (c->again != NULL)
			c->again(c->sink_ctx, c, r);
		/* A transfer that moves does not fail: its time begins anew. */
		if (c->moved != NULL && *c->moved > moved) {
			moved = *c->moved;
			p.tries = 1;
			p.began = pace_now();
		}
		if (wait_turn(s, &p, r, e) == -1)
			return -1;
		atomic_fetch_add(&s->retries, 1);
	}
}
