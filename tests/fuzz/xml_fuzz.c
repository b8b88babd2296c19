/* SPDX-License-Identifier: Apache-2.0 */
/* What a server of S3 answers in XML: elements, errors, listings. */
#include "lib/store/aws/s3_xml.h"

#include <string.h>

#include "lib/base/err.h"
#include "tests/fuzz/fuzz.h"

/* What was escaped is read as it was. */
static void
element(void *ctx, const char *path, const char *text)
{
	struct buf doc = { 0 }, got = { 0 };

	(void)ctx;
	must(*path != '\0');
	buf_adds(&doc, "<a>");
	s3_xml_escape(&doc, text);
	buf_adds(&doc, "</a>");
	must(s3_xml_text(&doc, "a", &got));
	must(strcmp(buf_str(&got), text) == 0);
	buf_release(&doc);
	buf_release(&got);
}

static void
no_controls(const char *s)
{
	for (; *s != '\0'; s++)
		must((unsigned char)*s >= ' ');
}

static void
error(const struct buf *body)
{
	struct s3_error x;

	must(s3_xml_error(body, &x) == (x.code[0] != '\0'));
	no_controls(x.code);
	no_controls(x.message);
	no_controls(x.region);
	no_controls(x.endpoint);
}

static void
listing(const struct buf *body)
{
	struct s3_page page = { 0 };
	struct err e;

	if (s3_xml_page(body, &page, &e) == 0) {
		must(!page.truncated || page.token[0] != '\0');
		for (size_t i = 0; i < page.n; i++) {
			must(page.v[i].key != NULL && *page.v[i].key != '\0');
			must(i == 0 ||
			    strcmp(page.v[i - 1].key, page.v[i].key) <= 0);
		}
	} else {
		must(e.class == ERR_UNAVAILABLE);
	}
	s3_page_release(&page);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf body = { 0 };
	struct err e;

	buf_add(&body, data, size);
	error(&body);
	listing(&body);
	(void)s3_xml_parse(body.data, body.len, element, NULL, &e);
	buf_release(&body);
	return 0;
}
