/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text/json_write.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "lib/text/utf8.h"

static void
quote(struct buf *b, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n;

	buf_add(b, "\"", 1);
	for (; *s != '\0'; s += n) {
		n = utf8_length((const char *)s);
		if (*s == '"' || *s == '\\')
			buf_addf(b, "\\%c", *s);
		else if (*s == '\n')
			buf_adds(b, "\\n");
		else if (*s == '\t')
			buf_adds(b, "\\t");
		else if (n == 1 && (*s < 0x20 || *s == 0x7f))
			buf_addf(b, "\\u%04x", *s);
		else if (n == 2 && s[0] == 0xc2 && s[1] < 0xa0)
			buf_addf(b, "\\u%04x", s[1]); /* a control, too */
		else if (n == 0) {
			buf_addf(b, "\\udc%02x", *s);
			n = 1;
		} else
			buf_add(b, s, n);
	}
	buf_add(b, "\"", 1);
}

/* Writes the comma before a member, if one is needed, and its name. */
static void
begin_member(struct buf *b, const char *name)
{
	if (b->len > 0 && b->data[b->len - 1] != '{')
		buf_add(b, ",", 1);
	if (name != NULL)
		buf_addf(b, "\"%s\":", name);
}

void
json_begin(struct buf *b, const char *name)
{
	if (name != NULL)
		begin_member(b, name);
	buf_add(b, "{", 1);
}

void
json_end(struct buf *b)
{
	buf_add(b, "}", 1);
}

void
json_text(struct buf *b, const char *name, const char *s)
{
	if (s == NULL) {
		json_null(b, name);
		return;
	}
	begin_member(b, name);
	quote(b, s);
}

void
json_number(struct buf *b, const char *name, uint64_t v)
{
	begin_member(b, name);
	buf_addf(b, "%" PRIu64, v);
}

void
json_bool(struct buf *b, const char *name, bool v)
{
	begin_member(b, name);
	buf_adds(b, v ? "true" : "false");
}

void
json_null(struct buf *b, const char *name)
{
	begin_member(b, name);
	buf_adds(b, "null");
}

void
json_time(struct buf *b, const char *name, int64_t ns)
{
	int64_t part = ns % 1000000000;
	time_t s = (time_t)(ns / 1000000000);
	char text[64];
	struct tm tm;

	if (part < 0) {
		part += 1000000000;
		s--;
	}
	if (gmtime_r(&s, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
		json_null(b, name);
		return;
	}
	begin_member(b, name);
	buf_addf(b, "\"%s.%09" PRId64 "Z\"", text, part);
}
