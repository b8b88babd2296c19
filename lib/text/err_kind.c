/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text/err_kind.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "lib/base/buf.h"

static bool
is_part_of_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Where msg holds s, and not as a part of a longer word; NULL: nowhere. */
static const char *
find(const char *msg, const char *s)
{
	const char *at = msg;
	size_t n = strlen(s);

	for (; (at = strstr(at, s)) != NULL; at++)
		if ((at == msg || !is_part_of_word(at[-1])) &&
		    !is_part_of_word(at[n]))
			return at;
	return NULL;
}

/* A name that may be any word says nothing. */
static bool
is_word(const char *s)
{
	while (isalpha((unsigned char)*s))
		s++;
	return *s == '\0';
}

/* The longest end of path, from a component on, that msg holds; NULL: none. */
static const char *
own_part(const char *msg, const char *path)
{
	const char *at = path;

	while (at != NULL && !is_word(at)) {
		if (find(msg, at) != NULL)
			return at;
		if ((at = strchr(at + 1, '/')) != NULL)
			at++;
	}
	return NULL;
}

static void
without(struct buf *out, const char *msg, const char *own)
{
	const char *at;

	for (; own != NULL && (at = find(msg, own)) != NULL;
	     msg = at + strlen(own)) {
		buf_add(out, msg, (size_t)(at - msg));
		buf_adds(out, "/");
	}
	buf_adds(out, msg);
}

/* A word: a path is one slash, what holds a digit is one, too. */
static void
add_word(struct buf *out, const char *s, size_t n)
{
	bool digit = false;

	if (memchr(s, '/', n) != NULL) {
		buf_adds(out, "/");
		return;
	}
	for (size_t i = 0; i < n; i++)
		digit = digit || isdigit((unsigned char)s[i]);
	if (digit)
		buf_adds(out, "0");
	else
		buf_add(out, s, n);
}

/*
 * Contexts at the beginning that only say what was asked for: "/: ", "PUT /: ".
 * The cause is behind them.
 */
static const char *
behind_requests(const char *s)
{
	static const char *const methods[] = { "", "DELETE ", "GET ", "HEAD ",
		"POST ", "PUT " };
	size_t i = 0, n;

	while (i < sizeof(methods) / sizeof(methods[0])) {
		n = strlen(methods[i]);
		if (strncmp(s, methods[i], n) == 0 &&
		    strncmp(s + n, "/: ", 3) == 0) {
			s += n + 3;
			i = 0;
		} else {
			i++;
		}
	}
	return s;
}

void
err_kind(struct buf *out, const char *msg, const char *path)
{
	static const char ends[] = " \t,:;()\"'";
	struct buf rest = { 0 }, all = { 0 };
	const char *s;
	size_t n;

	without(&rest, msg, own_part(msg, path));
	for (s = buf_str(&rest); *s != '\0'; s += n) {
		n = strspn(s, ends);
		buf_add(&all, s, n);
		s += n;
		/* A colon within a word, as in a URL, does not end it. */
		n = strcspn(s, ends);
		while (s[n] == ':' && s[n + 1] != '\0' && s[n + 1] != ' ')
			n += 1 + strcspn(s + n + 1, ends);
		add_word(&all, s, n);
	}
	buf_adds(out, behind_requests(buf_str(&all)));
	buf_release(&all);
	buf_release(&rest);
}
