/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/mask.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* No secret is ever in these. */
static const char *const harmless[] = { "endpoint", "region", "path-style",
	"continuation-token", "delete", "delimiter", "encoding-type",
	"list-type", "max-keys", "partNumber", "prefix", "start-after",
	"uploadId", "uploads" };

#define END " \t\r\n\"<>"

/* n bytes at p become at most three asterisks; returns where they end. */
static char *
cover(char *p, size_t n)
{
	size_t stars = n < 3 ? n : 3;

	memset(p, '*', stars);
	memmove(p + stars, p + n, strlen(p + n) + 1);
	return p + stars;
}

/* Is the ":" in what stands before the path one of a password, not a port? */
static bool
holds_password(const char *s, size_t n)
{
	const char *colon = memchr(s, ':', n);

	return colon != NULL &&
	    strspn(colon + 1, "0123456789") < (size_t)(s + n - colon - 1);
}

/* A password may hold a "/" that should have been encoded. */
static char *
cover_user(char *s, bool http)
{
	size_t all = strcspn(s, http ? END : "?" END),
	       authority = strcspn(s, "/?" END);
	char *at = NULL;

	for (size_t i = 0; i < all; i++)
		if (s[i] == '@')
			at = s + i;
	if (at == NULL ||
	    (at > s + authority && !http && !holds_password(s, authority)))
		return s;
	return cover(s, (size_t)(at - s));
}

static bool
shown(const char *name, size_t n, const char *value, size_t len)
{
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		if (strlen(harmless[i]) != n ||
		    strncmp(harmless[i], name, n) != 0)
			continue;
		/* An "@" in disguise; a plain one is dealt with as a URL. */
		for (size_t k = 0; i == 0 && k + 3 <= len; k++)
			if (strncmp(value + k, "%40", 3) == 0)
				return false;
		return true;
	}
	return false;
}

/* A value that is an address, but for its scheme; one with it is dealt with as
 * a URL. */
static char *
cover_address(char *value)
{
	size_t n = strcspn(value, END);
	const char *scheme = strstr(value, ":/");

	return scheme != NULL && scheme < value + n ? value
						    : cover_user(value, true);
}

static void
cover_values(char *p)
{
	char *value;
	size_t n, len;

	for (;; p = value + strcspn(value, "&" END)) {
		if (*p != '?' && *p != '&')
			return;
		n = strcspn(++p, "=&" END);
		value = p + n;
		if (*value != '=')
			continue;
		len = strcspn(++value, "&" END);
		/* "URL: what is wrong with it" */
		if (len > 0 && value[len] != '&' && value[len - 1] == ':')
			len--;
		if (!shown(p, n, value, len))
			value = cover(value, len);
		else if (strncmp(p, harmless[0], n) == 0)
			value = cover_address(value);
	}
}

/* A URL but for a slash: what stands before ":/x" is a scheme, not a name. */
static bool
is_scheme(const char *text, const char *colon)
{
	const char *p = colon;

	while (p > text &&
	    ((p[-1] >= '0' && p[-1] <= '9') ||
		((p[-1] | 32) >= 'a' && (p[-1] | 32) <= 'z')))
		p--;
	return colon - p >= 2 && (p == text || strchr("/._-", p[-1]) == NULL);
}

void
mask_urls(char *text)
{
	char *p = text;
	bool http;

	while ((p = strstr(p, ":/")) != NULL) {
		if (p[2] != '/' && !is_scheme(text, p)) {
			p += 2;
			continue;
		}
		http = (p - text >= 4 && strncasecmp(p - 4, "http", 4) == 0) ||
		    (p - text >= 5 && strncasecmp(p - 5, "https", 5) == 0);
		p = cover_user(p + (p[2] == '/' ? 3 : 2), http);
		cover_values(p + strcspn(p, "?" END));
	}
}
