/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The URL of a replica root on S3.  What is accepted leads to the same place
 * when it is written out and read again.
 */
#include "lib/store/s3/s3_place.h"

#include <string.h>

#include "lib/base/err.h"
#include "lib/store/aws/aws_files.h"
#include "tests/fuzz/fuzz.h"

static struct aws_files *
no_files(void)
{
	static struct aws_files *files;
	struct err e;

	if (files == NULL) {
		must(setenv("AWS_CONFIG_FILE", "/dev/null", 1) == 0);
		must(
		    setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1) == 0);
		files = aws_files_open(&e);
		must(files != NULL);
	}
	return files;
}

static int
find(struct s3_place *p, const char *url, struct err *e)
{
	const struct store_conf conf = STORE_CONF;

	return s3_place_find(p, url, &conf, no_files(), "default", e);
}

static void
target(const struct s3_place *p)
{
	struct buf host = { 0 }, path = { 0 };

	s3_place_target(p, "key", &host, &path);
	must(host.len > 0);
	must(buf_str(&path)[0] == '/');
	for (const char *s = buf_str(&host); *s != '\0'; s++)
		must((unsigned char)*s > ' ' && strchr("/?#@", *s) == NULL);
	buf_release(&host);
	buf_release(&path);
}

static void
again(const struct s3_place *p)
{
	struct s3_place got;
	struct buf url = { 0 };
	struct err e;

	s3_place_url(p, &url);
	must(find(&got, buf_str(&url), &e) == 0);
	must(strcmp(got.bucket, p->bucket) == 0);
	must(strcmp(got.prefix, p->prefix) == 0);
	must(!p->custom || strcmp(got.host, p->host) == 0);
	must(strcmp(got.scheme, p->scheme) == 0);
	s3_place_release(&got);
	buf_release(&url);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *url = xmalloc(size + 6), *bucket, *prefix;
	struct s3_place p;
	struct err e;

	memcpy(url, "s3://", 5);
	memcpy(url + 5, data, size);
	url[size + 5] = '\0';
	if (find(&p, url, &e) == 0) {
		target(&p);
		again(&p);
		s3_place_release(&p);
	} else {
		must(e.class == ERR_USAGE || e.class == ERR_CONFIG);
	}
	if (s3_place_split(url, true, &bucket, &prefix, &e) == 0) {
		must(*bucket != '\0');
		free(bucket);
		free(prefix);
	}
	free(url);
	return 0;
}
