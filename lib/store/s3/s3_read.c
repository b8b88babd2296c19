/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/store/s3/s3_impl.h"

enum {
	IDLE_MAX = 100, /* pages of a listing that come no further */
};

struct listing {
	struct s3 *s;
	struct buf prefix;     /* in the bucket */
	size_t skip;           /* of each key: the store's own prefix */
	const char *delimiter; /* or NULL */
	char *after;           /* in the bucket, or NULL */
	char *token;           /* of the next page, or NULL */
	char *last;            /* key of the pages so far, or NULL */
	unsigned idle;         /* pages in a row that came no further */
	size_t reported;
	int status; /* of the last answer */
};

/*
 * Where to go on, for the server.  It must begin with the prefix; and MinIO
 * gives nothing behind a slash at the end: so this is a little before it.
 */
static char *
start_after(const struct listing *l)
{
	size_t n = l->after != NULL ? strlen(l->after) : 0;

	if (n <= l->prefix.len)
		return NULL;
	if (l->after[n - 1] != '/')
		return xstrdup(l->after);
	return xasprintf("%.*s.\x7f", (int)(n - 1), l->after);
}

static int
get_page(struct listing *l, struct s3_page *page, struct err *e)
{
	struct http_response r = { 0 };
	struct s3_call c = {
		.method = "GET", .class = STORE_REQUEST_LIST, .key = ""
	};
	char *after = start_after(l);
	int rc;

	if (l->token != NULL)
		s3_param(&c, "continuation-token", l->token);
	else if (after != NULL)
		s3_param(&c, "start-after", after);
	if (l->delimiter != NULL)
		s3_param(&c, "delimiter", l->delimiter);
	s3_param(&c, "encoding-type", "url");
	s3_param(&c, "list-type", "2");
	s3_param(&c, "max-keys", "1000");
	s3_param(&c, "prefix", buf_str(&l->prefix));
	rc = s3_do(l->s, &c, &r, e);
	l->status = r.status;
	if (rc == 0 && (rc = s3_xml_page(&r.body, page, e)) == -1) {
		err_in(e, "list %s", buf_str(&l->prefix));
		err_hint(e, "is it S3 that answers there?");
	}
	http_response_release(&r);
	free(after);
	return rc;
}

/* 1: the caller has enough. */
static int
report_page(struct listing *l, const struct s3_page *page, store_each *each,
    void *ctx, struct err *e)
{
	struct store_entry en;
	int rc;

	for (size_t i = 0; i < page->n; i++) {
		const struct s3_entry *x = &page->v[i];

		/* Not all servers keep to start-after and prefix. */
		if (strncmp(x->key, buf_str(&l->prefix), l->prefix.len) != 0 ||
		    (l->after != NULL && strcmp(x->key, l->after) <= 0))
			continue;
		if (l->last != NULL && strcmp(x->key, l->last) == 0)
			continue; /* told as the last of a page before */
		if (strncmp(x->key + l->skip, S3_PROBE, sizeof(S3_PROBE) - 1) ==
		    0)
			continue;
		en = (struct store_entry){ .key = x->key + l->skip,
			.size = x->size,
			.mtime_ns = x->mtime_ns,
			.prefix = x->prefix };
		l->reported++;
		if ((rc = each(ctx, &en, e)) != 0)
			return rc;
	}
	return 0;
}

/*
 * Pages follow each other in byte order.  One that begins before the end of the
 * last would mean that keys were passed over, or that it goes round in circles;
 * one that comes no further may be empty, as some are, but not for ever.
 */
static int
check_order(struct listing *l, const struct s3_page *page, struct err *e)
{
	const char *first, *last;

	l->idle++;
	if (page->n > 0) {
		first = page->v[0].key;
		last = page->v[page->n - 1].key;
		if (l->last != NULL && strcmp(first, l->last) < 0)
			return err_set(e, ERR_UNAVAILABLE,
			    "a listing goes back, from %s to %s", l->last,
			    first);
		if (l->last == NULL || strcmp(last, l->last) > 0)
			l->idle = 0;
	}
	if (page->truncated && l->idle >= IDLE_MAX)
		return err_set(
		    e, ERR_UNAVAILABLE, "a listing does not come to its end");
	return 0;
}

/*
 * Is what others are rolled up to what was asked for?  Some servers end it at
 * the first slash, or elsewhere: what is below would be seen by nobody.
 */
static int
check_prefixes(
    const struct listing *l, const struct s3_page *page, struct err *e)
{
	size_t n, d = l->delimiter == NULL ? 0 : strlen(l->delimiter);

	for (size_t i = 0; i < page->n; i++) {
		const char *key = page->v[i].key;

		if (!page->v[i].prefix)
			continue;
		n = strlen(key);
		if (d > 0 && n >= l->prefix.len + d &&
		    strncmp(key, buf_str(&l->prefix), l->prefix.len) == 0 &&
		    strcmp(key + n - d, l->delimiter) == 0)
			continue;
		err_set(e, ERR_UNAVAILABLE,
		    "list %s: the server rolls up to %s what \"%s\" was to "
		    "end",
		    buf_str(&l->prefix), key, d > 0 ? l->delimiter : "");
		return err_hint(e, "is it S3 that answers there?");
	}
	return 0;
}

static void
set_last(struct listing *l, const char *key)
{
	free(l->last);
	l->last = xstrdup(key);
}

static int
list_pages(struct listing *l, store_each *each, void *ctx, struct err *e)
{
	struct s3_page page = { 0 };
	int rc;

	do {
		rc = get_page(l, &page, e);
		if (rc == 0)
			rc = check_prefixes(l, &page, e);
		if (rc == 0)
			rc = check_order(l, &page, e);
		if (rc == 0)
			rc = report_page(l, &page, each, ctx, e);
		if (page.n > 0)
			set_last(l, page.v[page.n - 1].key);
		free(l->token);
		l->token = NULL;
		if (rc == 0 && page.truncated) {
			l->token = page.token;
			page.token = NULL;
		}
		s3_page_release(&page);
	} while (rc == 0 && l->token != NULL);
	return rc == -1 ? -1 : 0;
}

static void
listing_begin(struct listing *l, const char *prefix, const char *after)
{
	const char *own = l->s->place.prefix;

	if (*own != '\0')
		buf_addf(&l->prefix, "%s/", own);
	l->skip = l->prefix.len;
	if (after != NULL)
		l->after = xasprintf("%s%s", buf_str(&l->prefix), after);
	buf_adds(&l->prefix, prefix);
}

static void
listing_end(struct listing *l)
{
	buf_release(&l->prefix);
	free(l->after);
	free(l->token);
	free(l->last);
}

int
s3_list(struct store *st, const char *prefix, bool delimited, store_each *each,
    void *ctx, struct err *e)
{
	struct listing l = { .s = (struct s3 *)st,
		.delimiter = delimited ? "/" : NULL };
	int rc;

	listing_begin(&l, prefix, NULL);
	rc = list_pages(&l, each, ctx, e);
	listing_end(&l);
	return rc;
}

/*
 * Go on behind the last entry and all that it stands for; by the server's token
 * only where that comes no further.
 */
static void
go_behind(struct listing *l, struct s3_page *page)
{
	const struct s3_entry *last =
	    page->n > 0 ? &page->v[page->n - 1] : NULL;
	char *after = last != NULL ? xstrdup(last->key) : NULL;

	if (last != NULL && last->prefix && *after != '\0')
		after[strlen(after) - 1]++; /* "/" becomes "0" */
	free(l->token);
	l->token = NULL;
	if (after != NULL &&
	    (l->after == NULL || strcmp(after, l->after) > 0)) {
		free(l->after);
		l->after = after;
		return;
	}
	free(after);
	l->token = page->token;
	page->token = NULL;
}

/*
 * A page, and where the server does not know a delimiter of more than a byte,
 * one without: the caller gets objects instead.
 */
static int
get_rolled_page(struct listing *l, struct s3_page *page, struct err *e)
{
	atomic_bool *not = &l->s->rolls_not;
	bool is_long = l->delimiter != NULL && l->delimiter[0] != '\0' &&
	    l->delimiter[1] != '\0';
	int rc;

	if (is_long && atomic_load(not ))
		l->delimiter = NULL;
	if ((rc = get_page(l, page, e)) == 0)
		rc = check_prefixes(l, page, e);
	if (rc == 0 || !is_long || l->delimiter == NULL ||
	    (l->status != 200 && l->status != 400 && l->status != 501))
		return rc;
	s3_page_release(page);
	l->delimiter = NULL;
	if ((rc = get_page(l, page, e)) == 0)
		rc = check_prefixes(l, page, e);
	if (rc == 0)
		atomic_store(not, true);
	return rc;
}

int
s3_list_page(struct store *st, const char *prefix, const char *delimiter,
    const char *after, store_each *each, void *ctx, char **next, struct err *e)
{
	struct listing l = { .s = (struct s3 *)st, .delimiter = delimiter };
	struct s3_page page = { 0 };
	bool more;
	int rc;

	*next = NULL;
	listing_begin(&l, prefix, after);
	do {
		if ((rc = get_rolled_page(&l, &page, e)) == 0)
			rc = check_order(&l, &page, e);
		if (rc == 0 && page.truncated && page.unordered)
			rc = err_set(e, ERR_UNAVAILABLE,
			    "a listing is not in byte order");
		if (rc == 0)
			rc = report_page(&l, &page, each, ctx, e);
		if (page.n > 0)
			set_last(&l, page.v[page.n - 1].key);
		if ((more = rc == 0 && page.truncated))
			go_behind(&l, &page);
		s3_page_release(&page);
	} while (rc == 0 && more && l.reported == 0);
	if (rc == 0 && more)
		*next = xstrdup(l.after + l.skip);
	listing_end(&l);
	return rc == -1 ? -1 : 0;
}

static int
no_more(void *ctx, const struct store_entry *en, struct err *e)
{
	(void)ctx;
	(void)en;
	(void)e;
	return 1;
}

/* Any answer has it: without one yet, that to a listing. */
int
s3_now(struct store *st, int64_t *ns, struct err *e)
{
	struct s3 *s = (struct s3 *)st;
	char *next = NULL;

	if (!atomic_load(&s->clocked) &&
	    s3_list_page(st, "", "/", NULL, no_more, NULL, &next, e) == -1)
		return -1;
	free(next);
	if (!atomic_load(&s->clocked))
		return 1;
	*ns = ((int64_t)time(NULL) + atomic_load(&s->clock)) * 1000000000;
	return 0;
}
