/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text/glob.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "tests/unit/tap.h"

/* A quoted string of the table at *p, unquoted into b; false: there is none. */
static bool
unquote(const char **p, struct buf *b)
{
	static const char from[] = "nrtabfv\"\\", to[] = "\n\r\t\a\b\f\v\"\\";
	const char *s = *p, *esc;

	buf_reset(b);
	if (*s++ != '"')
		return false;
	for (; *s != '"'; s++) {
		if (*s == '\0')
			return false;
		if (*s != '\\') {
			buf_add(b, s, 1);
			continue;
		}
		s++;
		if (*s == '\0' || (esc = strchr(from, *s)) == NULL)
			return false;
		buf_add(b, &to[esc - from], 1);
	}
	*p = s + 1;
	return **p == '\t' && *++*p != '\0';
}

static bool
check_row(const char *row, struct buf *pattern, struct buf *path)
{
	const char *p = row;
	struct err e;
	int got;

	if (!unquote(&p, pattern) || !unquote(&p, path))
		return ok(false, "unreadable row: %s", row);
	got = glob_match(buf_str(pattern), buf_str(path), &e);
	if (*p == (got == -1 ? 'E' : '0' + got))
		return true;
	return ok(false, "%s", row);
}

static void
test_oracle(const char *file)
{
	struct buf pattern = { 0 }, path = { 0 };
	FILE *f = fopen(file, "re");
	unsigned rows = 0, good = 0;
	char row[1024];

	ok(f != NULL, "open %s", file);
	if (f == NULL)
		return;
	while (fgets(row, sizeof(row), f) != NULL) {
		row[strcspn(row, "\n")] = '\0';
		rows++;
		good += check_row(row, &pattern, &path);
	}
	fclose(f);
	is_int(rows, 5402, "rows of the oracle");
	is_int(good, rows, "rows that agree");
	buf_release(&pattern);
	buf_release(&path);
}

static int
match(const char *pattern, const char *path)
{
	struct err e;

	return glob_match(pattern, path, &e);
}

/* What the table does not have. */
static void
test_match(void)
{
	static const struct {
		const char *pattern, *path;
		int want;
	} t[] = {
		{ "**/**/c", "a/b/c", 1 },
		{ "**/**/c", "c", 1 },
		{ "a/**/**", "a/b", 1 },
		{ "**/**/", "a", 0 },
		{ "**/**/", "a/", 1 },
		{ "{a/,}**/c", "a/b/c", 1 },
		{ "{**,x}/c", "a/b/c", 1 },
		{ "{**,x}/c", "c", 1 },
		{ "a/**{/x,}", "a/b/c", 1 },
		{ "a/**{/x,y}", "a/b/x", 1 },
		{ "a/**{/x,y}", "a/b/y", 0 },
		{ "a/**{/x,y}", "a/by", 1 },
		{ "x{a,{b,{c,d}}e,}y", "xdey", 1 },
		{ "x{a,{b,{c,d}}e,}y", "xy", 1 },
		{ "x{a,{b,{c,d}}e,}y", "xdy", 0 },
		{ "[{,}]", ",", 1 },
		{ "{[,}],b}", "}", 1 },
		{ "{[,}],b}", "b", 1 },
		{ "{\\,,\\}}", "}", 1 },
		{ "[\\]a-c-]", "-", 1 },
		{ "[\\]a-c-]", "b", 1 },
		{ "[\\]a-c-]", "]", 1 },
		{ "[^\\]a-c-]", "]", 0 },
		{ "[!a]", "\xff", 1 },
		{ "?", "\xff", 1 },
		{ "?", "\xe6\x97", 0 }, /* two bytes, no character */
		{ "??", "\xe6\x97", 1 },
		{ "?", "\xf0\x9f\x90\x98", 1 },
		{ "\xff*", "\xff-x", 1 },
		{ "\xff", "\xfe", 0 },
		{ "\xff", "\xef\xbf\xbd", 0 }, /* not U+FFFD */
		{ "\xe6\x97\xa5/**", "\xe6\x97\xa5/a", 1 },
		{ "[\xe6\x97\xa5-\xe6\x97\xa7]", "\xe6\x97\xa6", 1 },
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		is_int(match(t[i].pattern, t[i].path), t[i].want, "%s on %s",
		    t[i].pattern, t[i].path);
}

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Every string of up to three of these, in byte order. */
static size_t
all_strings(char (*all)[16])
{
	static const char *const of[] = { "", ".", "/", "0", "a", "b",
		"\xc3\xa9" };
	size_t n = 0;

	for (size_t i = 1; i < 7; i++)
		for (size_t j = 0; j < 7; j++)
			for (size_t k = 0; k < (j > 0 ? 7 : 1); k++)
				for (size_t l = 0; l < (k > 0 ? 7 : 1); l++)
					snprintf(all[n++], sizeof(*all),
					    "%s%s%s%s", of[i], of[j], of[k],
					    of[l]);
	qsort(all, n, sizeof(*all), by_bytes);
	return n;
}

static void
test_next(void)
{
	static const char *const patterns[] = { "a/b", "*", "**", "a/*b", "?/a",
		"{a,b}/0*", "[b-\xc3\xa9]a", "[!0]/a", "a/**/b", "\xc3\xa9/*",
		"**/a", "*/\xc3\xa9", "b*", "a*.b", "{b,a/}." };
	static const struct {
		const char *pattern, *at, *want; /* NULL: nothing */
	} t[] = {
		{ "eu/*/db-1*", "eu/00/db-0999/x", "eu/00/db-1" },
		{ "eu/*/db-1*", "eu/00/db-2", "eu/000" },
		{ "eu/*/db-1*", "eu/00/db-1/x", "eu/00/db-10" },
		{ "eu/*/db-1*", "eu/00/db-17", "eu/00/db-17" },
		{ "eu/*/db-1*", "ev", NULL },
		{ "{eu,us}/x.db", "eu/x.db/y", "u" },
		{ "**/*.db", "a/b.db/x", "a/b.db/x" },
		{ "a/[\xc3\xa0-\xc3\xaf]", "a/b", "a/\x7f" },
		{ "*", "\xc3\xa9/", "\xc3\xa9\x30" },
	};
	static char all[2401][16];
	struct buf next = { 0 };
	size_t n = all_strings(all), wrong = 0, skipped = 0;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ok(glob_next(t[i].pattern, t[i].at, &next) ==
			(t[i].want != NULL),
		    "%s: is there more behind %s", t[i].pattern, t[i].at);
		is_str(buf_str(&next), t[i].want == NULL ? "" : t[i].want,
		    "%s: behind %s", t[i].pattern, t[i].at);
	}
	for (size_t p = 0; p < sizeof(patterns) / sizeof(patterns[0]); p++)
		for (size_t i = 0; i < n; i++) {
			bool more = glob_next(patterns[p], all[i], &next);

			wrong += more && strcmp(buf_str(&next), all[i]) < 0;
			for (size_t j = i + 1; j < n; j++) {
				if (more && strcmp(all[j], buf_str(&next)) >= 0)
					break;
				skipped++;
				wrong += match(patterns[p], all[j]) == 1;
			}
		}
	ok(skipped > 100000, "%zu were passed over", skipped);
	is_int(wrong, 0, "and none of them matches");
	buf_release(&next);
}

static void
test_check(void)
{
	static const struct {
		const char *pattern, *msg;
	} t[] = {
		{ "[a", "pattern has a '[' without ']'" },
		{ "[", "pattern has a '[' without ']'" },
		{ "[!", "pattern has a '[' without ']'" },
		{ "[a\\]", "pattern has a '[' without ']'" },
		{ "[a\\", "pattern has a '[' without ']'" },
		{ "[]a]", "pattern has an empty '[]'" },
		{ "[^]", "pattern has an empty '[]'" },
		{ "{a,{b}", "pattern has a '{' without '}'" },
		{ "a}", "pattern has a '}' without '{'" },
		{ "a\\", "pattern ends in '\\'" },
	};
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		is_int(glob_check(t[i].pattern, &e), -1, "%s", t[i].pattern);
		is_int(e.class, ERR_USAGE, "its class");
		is_str(e.msg, t[i].msg, "its message");
	}
	is_int(glob_check("", &e), 0, "the empty pattern");
	is_int(glob_check("/a/{b,[}]}/**/\\{", &e), 0, "a good one");
}

static void
test_parts(void)
{
	ok(!glob_is_pattern("/data/a,b}]-!^.db"), "no pattern");
	ok(glob_is_pattern("a*") && glob_is_pattern("?") &&
		glob_is_pattern("x[") && glob_is_pattern("{") &&
		glob_is_pattern("a\\"),
	    "patterns");
	is_int(glob_fixed("a/b/x*.db"), 4, "fixed: a/b/");
	is_int(glob_fixed("/data/a.db"), 6, "fixed: /data/");
	is_int(glob_fixed("*"), 0, "fixed: nothing");
	is_int(glob_fixed("a/{b/c,d}/x"), 2, "fixed: up to the brace");
	is_int(glob_fixed("/**"), 1, "fixed: the root");
	is_int(glob_fixed("a/b\\/c"), 2, "fixed: up to the backslash");
}

static void
test_may_descend(void)
{
	static const struct {
		const char *pattern, *dir;
		bool want;
	} t[] = {
		{ "a/*.db", "a", true }, { "a/*.db", "b", false },
		{ "a/*.db", "a/b", false }, { "a/*.db", "a.db", false },
		{ "a/**/x.db", "a/b/c/d", true }, { "a/**", "a/b", true },
		{ "a/**", "ab", false }, { "**", "x/y", true },
		{ "*/*/x.db", "a/b", true }, { "*/*/x.db", "a/b/c", false },
		{ "/data/{eu,us}/*/t.db", "/data", true },
		{ "/data/{eu,us}/*/t.db", "/data/us", true },
		{ "/data/{eu,us}/*/t.db", "/data/ap", false },
		{ "/data/{eu,us}/*/t.db", "/data/us/x/y", false },
		{ "/data/*.db", "/", true }, { "/data/*.db", "", true },
		{ "a/b", "a/b", false }, { "a/", "a", false },
		{ "**/", "a/b", true }, { "[", "a", true }, /* in doubt */
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		is_int(glob_may_descend(t[i].pattern, t[i].dir), t[i].want,
		    "%s below %s", t[i].pattern, t[i].dir);
}

/* n times text. */
static char *
repeat(const char *text, size_t n)
{
	struct buf b = { 0 };

	while (n-- > 0)
		buf_adds(&b, text);
	buf_adds(&b, "");
	return (char *)b.data;
}

/* A matcher that tries one way after the other would not come back. */
static void
test_bounded(void)
{
	static const struct {
		const char *what, *pattern, *end;
		size_t times;
		const char *step;
		size_t steps;
		int want;
	} t[] = {
		{ "stars", "*a", "b", 40, "a", 4000, 0 },
		{ "components", "**/", "b", 60, "a/", 2000, 0 },
		{ "stars in components", "**/*a*/", "b", 30, "aaa/", 1000, 0 },
		{ "alternatives", "{a,aa,*}", "b", 30, "a", 2000, 0 },
		{ "alternatives that match", "{a,b}", "", 60, "b", 60, 1 },
		{ "alternatives of components", "{**/,a/}", "b", 30, "a/", 1000,
		    0 },
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char *many = repeat(t[i].pattern, t[i].times);
		char *pattern = xasprintf("%s%s", many, t[i].end);
		char *path = repeat(t[i].step, t[i].steps);

		is_int(match(pattern, path), t[i].want, "many %s", t[i].what);
		free(many);
		free(pattern);
		free(path);
	}
}

static void
test_nesting(void)
{
	const size_t depth = 100000;
	char *open = repeat("{", depth), *close = repeat("}", depth);
	char *pattern = xasprintf("%sa,b%s", open, close);
	struct err e;

	is_int(glob_match(pattern, "b", &e), 1, "%zu braces", depth);
	is_int(glob_match(open, "b", &e), -1, "%zu that stay open", depth);
	free(open);
	free(close);
	free(pattern);
}

int
main(int argc, char *argv[])
{
	test_oracle(argc > 1 ? argv[1] : "tests/data/doublestar-v4.tsv");
	test_match();
	test_next();
	test_check();
	test_parts();
	test_may_descend();
	test_bounded();
	test_nesting();
	return done();
}
