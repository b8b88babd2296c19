/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/open/store_open.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "tests/unit/tap.h"

static char dir[] = "/tmp/store_test.XXXXXX";

static void
test_is_url(void)
{
	ok(store_is_url("file:///x"), "file:///x is a URL");
	ok(store_is_url("s3://bucket"), "so is s3://bucket");
	ok(store_is_url("x-y+z.1://"), "and any scheme");
	ok(!store_is_url("/x"), "/x is not");
	ok(!store_is_url("a b://x"), "nor a word with a blank");
	ok(!store_is_url("://x"), "nor without a scheme");
	ok(!store_is_url("c:/x"), "nor with one slash");
	ok(!store_is_url(""), "nor nothing");
}

static void
normal(const char *url, const char *want)
{
	struct err e;
	char *got = store_url(url, NULL, &e);

	is_str(got, want, "\"%s\" is %s", url, want);
	free(got);
}

static void
refused(const char *url, const char *said)
{
	struct err e = { .msg = "" };
	char *got = store_url(url, NULL, &e);

	ok(got == NULL, "\"%s\" is refused", url);
	is_int(e.class, ERR_CONFIG, "as configuration");
	ok(strstr(e.msg, said) != NULL, "saying \"%s\": %s", said, e.msg);
	free(got);
}

static void
test_url(void)
{
	char *here = xasprintf("file://%s", dir);
	char *below = xasprintf("file://%s/a/b", dir);

	normal(here, here);
	normal(dir, here);
	normal(".", here);
	normal("a//b/./", below);
	normal("file:///x/y/", "file:///x/y");
	normal("file:///x//./y", "file:///x/y");
	normal("FILE://localhost/x", "file:///x");
	normal("/a%20b/?#", "file:///a%20b/?#");
	normal("file:///a%20b", "file:///a%20b");
	normal("s3://bucket//x/y/", "s3://bucket/x/y");
	normal("s3://bucket", "s3://bucket");
	normal("s3://b/p?endpoint=localhost:9000/",
	    "s3://b/p?endpoint=http://localhost:9000");
	normal("s3://b/p?endpoint=s3.example.org&region=x",
	    "s3://b/p?endpoint=https://s3.example.org");
	normal("s3://b.localhost:9000/p",
	    "s3://b/p?endpoint="
	    "http://localhost:9000");
	normal("s3://b.s3.eu-x-1.amazonaws.com/p", "s3://b/p");
	normal("s3://b.s3.us-west-004.backblazeb2.com/p",
	    "s3://b/p?endpoint=https://s3.us-west-004.backblazeb2.com");
	refused("s3://", "bucket");
	refused("s3://a b/x", "bucket");
	refused("s3://bucket/../x", "..");
	refused("s3://bucket/x?y=1", "not known");
	refused("s3://bucket/x?endpoint=ftp://h", "http");
	refused("sftp://host/x", "sftp://");
	refused("file://host/x", "absolute");
	refused("file://", "absolute");
	refused("file:///", "root");
	refused("/", "root");
	refused("", "empty");
	free(here);
	free(below);
}

static void
test_open(void)
{
	struct store *s;
	struct stat st;
	struct err e;
	char *url = xasprintf("file://%s/root", dir);

	s = store_open("root", STORE_READ, false, NULL, &e);
	ok(s == NULL, "nothing to read");
	is_int(e.class, ERR_MISSING, "is missing");
	s = store_open("root/", STORE_WRITE, false, NULL, &e);
	ok(s != NULL, "made for writing");
	is_str(s == NULL ? NULL : s->url, url, "with its normal name");
	store_close(s);
	is_int(stat("root", &st), 0, "the directory is there");
	s = store_open(url, STORE_READ, false, NULL, &e);
	ok(s != NULL, "opened by its URL");
	store_close(s);
	s = store_open("s3://b/p?endpoint=h", STORE_WRITE, false, NULL, &e);
	ok(s != NULL, "S3 is opened without a request");
	is_str(s == NULL ? NULL : s->url, "s3://b/p?endpoint=https://h",
	    "under a name that says where");
	is_str(s == NULL ? NULL : s->root, "s3://b/p",
	    "its databases under one that does not");
	store_close(s);
	store_close(NULL);
	is_int(rmdir("root"), 0, "nothing is in it");
	free(url);
}

int
main(void)
{
	if (mkdtemp(dir) == NULL || chdir(dir) == -1)
		return 1;
	test_is_url();
	test_url();
	test_open();
	is_int(rmdir(dir), 0, "nothing is left");
	return done();
}
