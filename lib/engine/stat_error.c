#include "lib/engine/stat_error.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

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

void
stat_error_kind(struct buf *out, const char *msg, const char *path)
{
	static const char ends[] = " \t,:;()\"'";
	struct buf rest = { 0 };
	const char *s;
	size_t n;

	without(&rest, msg, own_part(msg, path));
	for (s = buf_str(&rest); *s != '\0'; s += n) {
		n = strspn(s, ends);
		buf_add(out, s, n);
		s += n;
		/* A colon within a word, as in a URL, does not end it. */
		n = strcspn(s, ends);
		while (s[n] == ':' && s[n + 1] != '\0' && s[n + 1] != ' ')
			n += 1 + strcspn(s + n + 1, ends);
		add_word(out, s, n);
	}
	buf_release(&rest);
}

void
stat_error_add(struct stat_fleet *f, const struct stat_error *one)
{
	struct stat_error *x, *end = f->error + f->n_errors;
	struct buf kind = { 0 };

	/* Never one line: of the run, of databases, and what is lost. */
	buf_adds(&kind,
	    one->lost                  ? "lost "
		: one->path[0] == '\0' ? "run "
				       : "");
	stat_error_kind(&kind, one->msg, one->path);
	for (x = f->error; x < end; x++)
		if (x->class == one->class &&
		    strcmp(x->kind, buf_str(&kind)) == 0)
			break;
	if (x == f->error + STAT_ERRORS) {
		f->other_errors++;
		buf_release(&kind);
		return;
	}
	if (x == end) {
		f->n_errors++;
		*x = *one;
		x->n = 0;
		x->kind = xstrdup(buf_str(&kind));
		x->msg = xstrdup(one->msg);
		x->path = xstrdup(one->path);
	}
	x->n++;
	if (one->failing_ns < x->failing_ns)
		x->failing_ns = one->failing_ns;
	if (one->failed_ns > x->failed_ns)
		x->failed_ns = one->failed_ns;
	buf_release(&kind);
}

static int
latest_first(const void *a, const void *b)
{
	const struct stat_error *x = a, *y = b;

	return (x->failed_ns < y->failed_ns) - (x->failed_ns > y->failed_ns);
}

void
stat_error_sort(struct stat_fleet *f)
{
	qsort(f->error, f->n_errors, sizeof(f->error[0]), latest_first);
}

void
stat_error_release(struct stat_error *x)
{
	free(x->kind);
	free(x->msg);
	free(x->path);
}
