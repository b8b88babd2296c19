/* SPDX-License-Identifier: Apache-2.0 */
/* Names of databases and the targets they lead to. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/choose/choose.h"
#include "lib/choose/target.h"
#include "tests/unit/tap.h"

static void
normal_keys(void)
{
	static const char *const good[] = { "a", "a/b", "..a/b..", "a b/*" };
	static const char *const bad[] = { "", "..", "../a", "a/../b", "a/..",
		"/a", "a//b", "a/", "./a", "a/./b" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(target_key_is_normal(good[i]), "%s is a key", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!target_key_is_normal(bad[i]), "\"%s\" is none", bad[i]);
}

static void
goes_to(const struct target_conf *c, const char *key, size_t skip,
    const char *want, size_t trusted)
{
	struct buf path = { 0 };
	size_t got;

	target_path(c, key, skip, &path, &got);
	ok(strcmp(buf_str(&path), want) == 0 && got == trusted,
	    "%s goes to %s, %zu (%s, %zu)", key, want, trusted, buf_str(&path),
	    got);
	buf_release(&path);
}

static void
paths(void)
{
	struct target_conf into = { .base = "/b", .into = "out" };
	struct target_conf place = { .base = "/b" };

	goes_to(&into, "eu/a/x", 0, "out/eu/a/x", 4);
	goes_to(&into, "eu/a/x", 3, "out/a/x", 4);
	goes_to(&into, "eu/a/x", 5, "out/x", 4);
	goes_to(&into, "eu", 3, "out/eu", 4);
	goes_to(&place, "eu/a/x", 3, "/b/eu/a/x", 8);
}

static void
set(void)
{
	struct target_set s = { 0 };
	char name[16];

	for (int i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "p%d", i);
		if (target_set_add(&s, name, "k") != TARGET_NEW)
			ok(0, "%s is new", name);
	}
	ok(target_set_add(&s, "p7", "k") == TARGET_SAME_KEY, "the same");
	ok(target_set_add(&s, "p7", "j") == TARGET_OTHER_KEY, "another's");
	target_set_release(&s);
}

static void
root(const char *a, const char *b, const char *want)
{
	char *v[] = { xstrdup(a), b ? xstrdup(b) : NULL, NULL };
	struct err e;
	char *got = choose_root(v, &e);

	ok(want == NULL ? got == NULL : got != NULL && strcmp(got, want) == 0,
	    "the root of %s and %s is %s (%s)", a, b ? b : "-",
	    want ? want : "none", got ? got : e.msg);
	free(got);
	free(v[0]);
	free(v[1]);
}

static void
leads_back(const char *url, const char *key)
{
	struct target_conf c = { .url = url, .base = "/b" };
	struct buf printed = { 0 }, got = { 0 };
	struct err e;
	int rc;

	target_url(url, key, &printed);
	rc = target_key(&c, buf_str(&printed), &got, &e);
	ok(rc == TARGET_NAME && strcmp(buf_str(&got), key) == 0,
	    "%s leads back (%s)", buf_str(&printed),
	    rc == -1 ? e.msg : buf_str(&got));
	buf_release(&printed);
	buf_release(&got);
}

static void
urls(void)
{
	struct target_conf c = { .url = "s3://b/p", .base = "/b" };
	static const char bytes[] = "ab/*?[]{}\\,%#=&: \x01\xff\xc3\xa9";
	struct buf key = { 0 };
	unsigned seed = (unsigned)tap_seed();
	struct err e;

	leads_back("s3://b/p", "x?endpoint=h:1");
	leads_back("file:///d", "x\\?endpoint=h");
	for (int i = 0; i < 2000; i++) {
		char text[9] = "k";

		for (int n = 1; n < 8; n++)
			text[n] =
			    bytes[(seed = seed * 1103515245 + 12345) >> 16 &
				15];
		if (target_key_is_normal(text))
			leads_back(i % 2 ? "s3://b/p" : "file:///d", text);
	}
	is_int(target_key(&c, "s3://b/p/x?endpoint=h", &key, &e), -1,
	    "no endpoint below the root");
	is_int(target_key(&c, "s3://b/p/a[1]", &key, &e), TARGET_EITHER,
	    "a name or a pattern");
	is_int(target_key(&c, "s3://b/p/\\a[1]", &key, &e), TARGET_PATTERN,
	    "a pattern");
	is_int(target_key(&c, "x?endpoint=h", &key, &e), TARGET_EITHER,
	    "a name below the root is all bytes");
	buf_release(&key);
}

int
main(void)
{
	urls();
	normal_keys();
	paths();
	set();
	root("s3://b/p/**/*.db", NULL, "s3://b/p/");
	root("s3://b/p/x.db?region=r", NULL, NULL);
	root("s3://b/p/x.db\\?region=r", NULL, "s3://b/p/");
	root("s3://b/p/eu/*", "s3://b/p/us/*", "s3://b/p/");
	root("s3://b/p/eu/*", "s3://b/p/eus/*", "s3://b/p/");
	root("s3://b/eu/*", "s3://c/eu/*", NULL);
	root("file:///d/*", "file:///d/e/f", "file:///d/");
	root("d/*", NULL, NULL);
	root("s3://b/*", "x", NULL);
	return done();
}
