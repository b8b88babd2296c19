/* SPDX-License-Identifier: Apache-2.0 */
/* Where a URL leads: to a host that is one, and over TLS unless it is near. */
#include "lib/store/s3/s3_place.h"

#include <stdlib.h>

#include "lib/base/err.h"
#include "lib/store/aws/aws_files.h"
#include "tests/unit/tap.h"

static struct aws_files *files;

static int
find(struct s3_place *p, const char *url, struct err *e)
{
	const struct store_conf conf = STORE_CONF;

	return s3_place_find(p, url, &conf, files, "default", e);
}

static void
test_hosts(void)
{
	static const struct {
		const char *url, *scheme, *host;
	} good[] = {
		{ "s3://b", "https", "s3.us-east-1.amazonaws.com" },
		{ "s3://b?region=eu-west-1", "https",
		    "s3.eu-west-1.amazonaws.com" },
		{ "s3://b.s3.eu-west-1.amazonaws.com/x", "https",
		    "s3.eu-west-1.amazonaws.com" },
		{ "s3://b.localhost:9000/x", "http", "localhost:9000" },
		{ "s3://b.my_store:9000", "http", "my_store:9000" },
		{ "s3://b?endpoint=127.0.0.1:9000", "http", "127.0.0.1:9000" },
		{ "s3://b?endpoint=http%3a//[::1]:9000/x", "http",
		    "[::1]:9000" },
		{ "s3://b?endpoint=192.168.1.2", "http", "192.168.1.2" },
		{ "s3://b?endpoint=172.31.1.2", "http", "172.31.1.2" },
		/* Addresses of others, and names that begin like one. */
		{ "s3://b?endpoint=172.200.1.2", "https", "172.200.1.2" },
		{ "s3://b?endpoint=10.example.org", "https", "10.example.org" },
		{ "s3://b?endpoint=localhost.example.org", "https",
		    "localhost.example.org" },
	};
	struct s3_place p;
	struct err e;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (find(&p, good[i].url, &e) == -1) {
			ok(false, "%s", e.msg);
			continue;
		}
		is_str(p.host, good[i].host, "%s", good[i].url);
		is_str(p.scheme, good[i].scheme, "by %s", p.scheme);
		s3_place_release(&p);
	}
}

static void
test_bad(void)
{
	static const char *const urls[] = {
		"s3://b.%st:9000",
		"s3://b.host:9000x",
		"s3://b.host:",
		"s3://b?endpoint=http://",
		"s3://b?endpoint=http://[::1",
		"s3://b?endpoint=http://h%0d%0aX:y",
		"s3://b?endpoint=http://user@h",
		"s3://b?endpoint=ftp://h",
		"s3://b?region=",
		"s3://b?region=example.org/",
		"s3://b?region=a%00b%zz",
		"s3://b?region=a@b",
	};
	struct s3_place p;
	struct err e;

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		if (find(&p, urls[i], &e) == 0) {
			ok(false, "%s is taken", urls[i]);
			s3_place_release(&p);
		} else {
			ok(e.class == ERR_CONFIG, "%s", e.msg);
		}
	}
}

/* Beside an endpoint a bucket may look like a host. */
static void
test_bucket(void)
{
	struct s3_place p;
	struct err e;

	if (find(&p, "s3://b.s3.x.amazonaws.com?endpoint=http://h&region=r",
		&e) == 0) {
		is_str(p.bucket, "b.s3.x.amazonaws.com", "the bucket is whole");
		is_str(p.host, "h", "and the host is the endpoint's");
		is_str(p.region, "r", "as its region");
		s3_place_release(&p);
	} else {
		ok(false, "%s", e.msg);
	}
}

/* What is written out leads back. */
static void
test_url(void)
{
	struct buf url = { 0 };
	struct s3_place p;
	struct err e;

	if (find(&p, "s3://b/x?endpoint=http://h/a%25b%26c", &e) == 0) {
		is_str(p.path, "/a%b&c", "the path of an endpoint");
		s3_place_url(&p, &url);
		is_str(buf_str(&url), "s3://b/x?endpoint=http://h/a%25b%26c",
		    "is written as it was said");
		s3_place_release(&p);
	} else {
		ok(false, "%s", e.msg);
	}
	buf_release(&url);
}

static void
test_region(void)
{
	ok(s3_place_is_region("eu-central-003"), "a region");
	ok(s3_place_is_region("ru_1.a"), "one of others");
	ok(!s3_place_is_region(""), "none");
	ok(!s3_place_is_region("example.org/"), "a host and a path");
	ok(!s3_place_is_region("a:1"), "a port");
}

int
main(void)
{
	struct err e;

	setenv("AWS_CONFIG_FILE", "/dev/null", 1);
	setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
	for (int i = 0; i < 3; i++)
		unsetenv((const char *[]){ "AWS_ENDPOINT_URL_S3",
		    "AWS_ENDPOINT_URL", "AWS_ENDPOINT" }[i]);
	unsetenv("AWS_REGION");
	unsetenv("AWS_DEFAULT_REGION");
	files = aws_files_open(&e);
	test_hosts();
	test_bad();
	test_bucket();
	test_url();
	test_region();
	aws_files_close(files);
	return done();
}
