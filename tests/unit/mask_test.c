/* SPDX-License-Identifier: Apache-2.0 */
/* No secret that is in a URL is in a message. */
#include <errno.h>
#include <stdio.h>

#include "lib/base/err.h"
#include "lib/base/mask.h"
#include "tests/unit/tap.h"

static const struct {
	const char *in, *out;
} cases[] = {
	{ "", "" },
	{ "nothing: in a/b@c?d=e", "nothing: in a/b@c?d=e" },
	{ "http://u:secret@host:1/x: failed", "http://***@host:1/x: failed" },
	{ "http://u@h", "http://*@h" },
	{ "\"https://u:p/q@host\" is wrong", "\"https://***@host\" is wrong" },
	{ "s3://AK:se/cret@bucket/x", "s3://***@bucket/x" },
	{ "s3://AK:secret@bucket/x: no", "s3://***@bucket/x: no" },
	{ "s3://bucket/a@b/c.db", "s3://bucket/a@b/c.db" },
	{ "s3://b.host:9000/a@b", "s3://b.host:9000/a@b" },
	{ "s3://b?secret=xyz&region=eu: no",
	    "s3://b?secret=***&region=eu: no" },
	{ "s3://b/p?secret=xyzw: no", "s3://b/p?secret=***: no" },
	{ "s3://b?a&b=&c=d", "s3://b?a&b=&c=*" },
	{ "s3://b?endpoint=http://u:pw@h/&x=12345",
	    "s3://b?endpoint=http://***@h/&x=***" },
	{ "s3://b?endpoint=u:pw@h:1&region=r: no",
	    "s3://b?endpoint=***@h:1&region=r: no" },
	{ "s3://b?endpoint=u:p&w@h", "s3://b?endpoint=***@h" },
	{ "s3://b?endpoint=h:1&region=r", "s3://b?endpoint=h:1&region=r" },
	{ "s3://b?endpoint=http%3A%2F%2Fu:pw%40h&region=r",
	    "s3://b?endpoint=***&region=r" },
	{ "GET http://h/b/?list-type=2&prefix=a%40b: lost",
	    "GET http://h/b/?list-type=2&prefix=a%40b: lost" },
	{ "http://h/creds?token=hush and http://u:pw@h",
	    "http://h/creds?token=*** and http://***@h" },
	{ "file:///x?y=z", "file:///x?y=*" },
	{ "://", "://" },
	{ "url: s3:/AK:secret@bucket/x", "url: s3:/***@bucket/x" },
	{ "s3:/b?secret=xyz: no", "s3:/b?secret=***: no" },
	{ "/data/ab:/c:d@e", "/data/ab:/c:d@e" },
	{ "C:/a@b", "C:/a@b" },
	{ "file:/x", "file:/x" },
	{ ":/", ":/" },
};

static void
test_errors(void)
{
	struct err e;

	err_set(&e, ERR_CONFIG, "at http://u:hush@h: no");
	is_str(e.msg, "at http://***@h: no", "a message");
	err_in(&e, "http://u:hush@h/?k=v1");
	is_str(e.msg, "http://***@h/?k=**: at http://***@h: no", "its context");
	err_hint(&e, "see http://u:hush@h");
	is_str(e.hint, "see http://***@h", "its hint");
	errno = ENOENT;
	err_sys(&e, "s3://k:hush@b");
	is_str(e.msg, "s3://***@b: No such file or directory", "one of errno");
}

int
main(void)
{
	char text[128];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(text, sizeof(text), "%s", cases[i].in);
		mask_urls(text);
		is_str(text, cases[i].out, "%s", cases[i].in);
	}
	test_errors();
	return done();
}
