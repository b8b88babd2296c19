/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as text: every byte a text can hold, and what is between members. */
#include "lib/text/json_write.h"
#include "tests/unit/tap.h"

static void
expect(const char *text, const char *want)
{
	struct buf b = { 0 };

	json_begin(&b, NULL);
	json_text(&b, "p", text);
	json_end(&b);
	is_str(buf_str(&b), want, "as %s", want);
	buf_release(&b);
}

static void
test_texts(void)
{
	expect("", "{\"p\":\"\"}");
	expect("a/b c.db", "{\"p\":\"a/b c.db\"}");
	expect("\"\\/", "{\"p\":\"\\\"\\\\/\"}");
	/* U+009B and U+00A0 */
	expect("\xc2\x9b\xc2\xa0", "{\"p\":\"\\u009b\xc2\xa0\"}");
	expect("\n\t\r\001\033\x7f",
	    "{\"p\":\"\\n\\t\\u000d\\u0001\\u001b\\u007f\"}");
	expect("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
	    "{\"p\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}");
	expect(NULL, "{\"p\":null}");
}

static void
test_no_utf8(void)
{
	expect("\xff", "{\"p\":\"\\udcff\"}");
	expect("a\x80z", "{\"p\":\"a\\udc80z\"}");
	/* cut short, by the end or by another character */
	expect("\xc3", "{\"p\":\"\\udcc3\"}");
	expect("\xe2\x82", "{\"p\":\"\\udce2\\udc82\"}");
	expect("\xf0\x9f\x98", "{\"p\":\"\\udcf0\\udc9f\\udc98\"}");
	expect("\xe2\x82x", "{\"p\":\"\\udce2\\udc82x\"}");
	/* longer than need be, a surrogate, too large */
	expect("\xc0\xaf", "{\"p\":\"\\udcc0\\udcaf\"}");
	expect("\xe0\x80\xaf", "{\"p\":\"\\udce0\\udc80\\udcaf\"}");
	expect("\xf0\x80\x80\xaf", "{\"p\":\"\\udcf0\\udc80\\udc80\\udcaf\"}");
	expect("\xed\xb2\x80", "{\"p\":\"\\udced\\udcb2\\udc80\"}");
	expect("\xf4\x90\x80\x80", "{\"p\":\"\\udcf4\\udc90\\udc80\\udc80\"}");
	expect("\xf5\x80", "{\"p\":\"\\udcf5\\udc80\"}");
	/* the last of each kind that is right */
	expect("\xed\x9f\xbf\xf4\x8f\xbf\xbf",
	    "{\"p\":\"\xed\x9f\xbf\xf4\x8f\xbf\xbf\"}");
}

static void
test_members(void)
{
	struct buf b = { 0 };

	json_begin(&b, NULL);
	json_end(&b);
	is_str(buf_str(&b), "{}", "an empty object");
	buf_reset(&b);
	json_begin(&b, NULL);
	json_number(&b, "n", UINT64_MAX);
	json_begin(&b, "in");
	json_bool(&b, "t", true);
	json_bool(&b, "f", false);
	json_end(&b);
	json_begin(&b, "none");
	json_end(&b);
	json_null(&b, "z");
	json_text(&b, "brace", "{");
	json_text(&b, "end", "x");
	json_end(&b);
	is_str(buf_str(&b),
	    "{\"n\":18446744073709551615,\"in\":{\"t\":true,\"f\":false},"
	    "\"none\":{},\"z\":null,\"brace\":\"{\",\"end\":\"x\"}",
	    "members of every kind");
	buf_release(&b);
}

static void
test_times(void)
{
	struct buf b = { 0 };

	json_begin(&b, NULL);
	json_time(&b, "a", 0);
	json_time(&b, "b", 1764000000123456789);
	json_time(&b, "c", -1);
	json_end(&b);
	is_str(buf_str(&b),
	    "{\"a\":\"1970-01-01T00:00:00.000000000Z\","
	    "\"b\":\"2025-11-24T16:00:00.123456789Z\","
	    "\"c\":\"1969-12-31T23:59:59.999999999Z\"}",
	    "times");
	buf_release(&b);
}

int
main(void)
{
	test_texts();
	test_no_utf8();
	test_members();
	test_times();
	return done();
}
