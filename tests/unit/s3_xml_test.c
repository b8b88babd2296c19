/* SPDX-License-Identifier: Apache-2.0 */
/* What servers answer, well formed and otherwise. */
#include <stdlib.h>

#include "lib/base/err.h"
#include "lib/store/aws/s3_xml.h"
#include "tests/unit/tap.h"

static int
page_of(const char *xml, struct s3_page *page, struct err *e)
{
	struct buf b = { 0 };
	int rc;

	*page = (struct s3_page){ 0 };
	buf_adds(&b, xml);
	rc = s3_xml_page(&b, page, e);
	buf_release(&b);
	return rc;
}

static void
test_page(void)
{
	struct s3_page p;
	struct err e;

	is_int(page_of("<ListBucketResult xmlns=\"u\"><IsTruncated>true"
		       "</IsTruncated><Contents><Key>b</Key><Size>7</Size>"
		       "<LastModified>1970-01-01T00:00:02.500Z</LastModified>"
		       "<Owner><ID>x</ID></Owner></Contents><CommonPrefixes>"
		       "<Prefix>a/</Prefix></CommonPrefixes>"
		       "<NextContinuationToken>t&amp;1</NextContinuationToken>"
		       "</ListBucketResult>",
		   &p, &e),
	    0, "a page");
	is_int(p.n, 2, "of two entries");
	if (p.n == 2) {
		is_str(p.v[0].key, "a/", "in byte order");
		ok(p.v[0].prefix && !p.v[1].prefix, "a prefix and an object");
		is_int(p.v[1].size, 7, "with its size");
		is_int(p.v[1].mtime_ns, 2500000000, "and time");
	}
	ok(p.truncated, "there is more");
	is_str(p.token, "t&1", "from there");
	s3_page_release(&p);
}

/* What a listing leaves out must not look like an object that is not there. */
#define SIZE(text) "<Contents><Key>a</Key><Size>" text "</Size></Contents>"

static void
test_entries(void)
{
	static const char *const pages[] = {
		"<Contents><Size>7</Size></Contents>",
		"<Contents><Key></Key><Size>7</Size></Contents>",
		"<CommonPrefixes></CommonPrefixes>",
		SIZE("-1"),
		SIZE(""),
		SIZE("1e3"),
		SIZE("18446744073709551617"),
		"<x:><Contents><Key>a</Key></Contents></x:>",
	};
	struct buf xml = { 0 };
	struct s3_page p;
	struct err e;

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		buf_reset(&xml);
		buf_addf(
		    &xml, "<ListBucketResult>%s</ListBucketResult>", pages[i]);
		is_int(page_of(buf_str(&xml), &p, &e), -1, "%s", pages[i]);
		is_int(e.class, ERR_UNAVAILABLE, "%s", e.msg);
		s3_page_release(&p);
	}
	buf_release(&xml);
}

static void
test_encoded(void)
{
	struct s3_page p;
	struct err e;

	is_int(page_of("<ListBucketResult><Contents><Key>a+%2B%25%C3%A9%00%2"
		       "</Key></Contents><EncodingType>url</EncodingType>"
		       "</ListBucketResult>",
		   &p, &e),
	    0, "an encoded page");
	is_str(p.n == 1 ? p.v[0].key : NULL, "a +%\xc3\xa9%00%2", "is decoded");
	s3_page_release(&p);
	is_int(page_of("<ListBucketResult><Contents><Key>a+%2B</Key>"
		       "</Contents></ListBucketResult>",
		   &p, &e),
	    0, "one that is not");
	is_str(p.n == 1 ? p.v[0].key : NULL, "a+%2B", "is left alone");
	s3_page_release(&p);
}

static void
test_broken(void)
{
	static const char *const bad[] = { "", "x", "<html>", "<a/>",
		"<ListBucketResult><Contents><Key>a</Key>",
		("<ListBucketResult><IsTruncated>true</IsTruncated>"
		 "</ListBucketResult>"),
		"<!DOCTYPE x [<!ENTITY y \"z\">]><ListBucketResult/>" };
	struct s3_page p;
	struct err e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		is_int(page_of(bad[i], &p, &e), -1, "refused: %s", bad[i]);
		is_int(e.class, ERR_UNAVAILABLE, "as no answer: %s", e.msg);
		s3_page_release(&p);
	}
}

static void
test_error(void)
{
	struct buf b = { 0 };
	struct s3_error x;

	buf_adds(&b,
	    "<Error><Code>C</Code><Message>a\nb</Message>"
	    "<Region>r</Region></Error>");
	ok(s3_xml_error(&b, &x), "an error");
	is_str(x.code, "C", "its code");
	is_str(x.message, "a b", "its message, on one line");
	is_str(x.region, "r", "its region");
	buf_reset(&b);
	buf_adds(&b,
	    "<ErrorResponse><Error><Code>D</Code></Error>"
	    "</ErrorResponse>");
	ok(s3_xml_error(&b, &x), "one of STS");
	is_str(x.code, "D", "its code");
	buf_reset(&b);
	buf_adds(&b, "<html><body>Error</body>");
	ok(!s3_xml_error(&b, &x), "a page of a proxy's is none");
	is_str(x.code, "", "without a code");
	buf_release(&b);
}

static void
test_escape(void)
{
	struct buf b = { 0 };

	s3_xml_escape(&b, "a&<>\"\xc3\xa9\n");
	is_str(buf_str(&b), "a&amp;&lt;&gt;&quot;\xc3\xa9&#10;", "escaped");
	buf_release(&b);
}

static void
test_time(void)
{
	is_int(s3_xml_time("1970-01-01T00:00:01.5Z"), 1500000000, "a time");
	is_int(s3_xml_time("0001-01-01T00:00:00Z"), 0, "the year 1 is none");
	is_int(s3_xml_time("9999-12-31T23:59:59.9Z"), 0, "nor is 9999");
	is_int(s3_xml_time("yesterday"), 0, "nor is a word");
}

int
main(void)
{
	test_time();
	test_page();
	test_entries();
	test_encoded();
	test_broken();
	test_error();
	test_escape();
	return done();
}
