/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/ltx/ltx_names.h"

#include "tests/unit/tap.h"

#define TXID "000000000000000"

static void
test_keys(void)
{
	struct ltx_name n = { 9, 1, 0xabcdef0123456789 };
	struct buf b = { 0 };

	ltx_key(&b, "acme/a.db", LTX_LEVELS_DIR, &n);
	is_str(buf_str(&b),
	    "acme/a.db/ltx/9/0000000000000001-abcdef0123456789.ltx",
	    "a file in a directory");
	buf_reset(&b);
	ltx_key(&b, "", LTX_LEVELS_FLAT, &n);
	is_str(buf_str(&b), "0009/0000000000000001-abcdef0123456789.ltx",
	    "and in a bucket that is one database");
	buf_reset(&b);
	ltx_level_prefix(&b, "", LTX_LEVELS_DIR, 0);
	ltx_level_prefix(&b, "x", LTX_LEVELS_FLAT, 3);
	is_str(buf_str(&b), "ltx/0/x/0003/", "prefixes, appended");
	buf_release(&b);
}

static void
test_parse(void)
{
	static const char *const none[] = {
		"",
		TXID "1-" TXID "2",
		TXID "1-" TXID "2.ltx.tmp",
		TXID "1-" TXID "2.LTX",
		TXID "1_" TXID "2.ltx",
		TXID "1-" TXID "A.ltx",
		TXID "1-" TXID "22.ltx",
		TXID "11-" TXID "2.ltx",
		TXID "1",
		"0000-" TXID "2.ltx",
	};
	struct ltx_name n;
	uint64_t txid;

	ok(ltx_parse(&n, TXID "1-fedcba9876543210.ltx") && n.min == 1 &&
		n.max == 0xfedcba9876543210 && ltx_name_makes_sense(&n),
	    "a name");
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		ok(!ltx_parse(&n, none[i]), "\"%s\" is none", none[i]);
	ok(ltx_parse(&n, TXID "0-" TXID "2.ltx") && !ltx_name_makes_sense(&n),
	    "TXID 0 makes no sense");
	ok(ltx_parse(&n, TXID "3-" TXID "2.ltx") && !ltx_name_makes_sense(&n),
	    "nor do TXIDs that go down");
	ok(ltx_parse_txid(&txid, TXID "f") && txid == 15 &&
		!ltx_parse_txid(&txid, "f") &&
		!ltx_parse_txid(&txid, TXID "ff") &&
		!ltx_parse_txid(&txid, TXID "F"),
	    "a TXID has 16 digits");
}

static void
test_levels(void)
{
	unsigned level = 99;

	ok(ltx_parse_level("7", 1, LTX_LEVELS_DIR, &level) && level == 7,
	    "a level of a directory");
	ok(ltx_parse_level("0009", 4, LTX_LEVELS_FLAT, &level) && level == 9,
	    "of a bucket");
	ok(!ltx_parse_level("10", 2, LTX_LEVELS_DIR, &level) &&
		!ltx_parse_level("0007", 4, LTX_LEVELS_DIR, &level) &&
		!ltx_parse_level("000a", 4, LTX_LEVELS_FLAT, &level) &&
		!ltx_parse_level("0010", 4, LTX_LEVELS_FLAT, &level) &&
		!ltx_parse_level("x", 1, LTX_LEVELS_DIR, &level) &&
		!ltx_parse_level("", 0, LTX_LEVELS_DIR, &level),
	    "there are no others");
}

static void
is_object(const char *key, ptrdiff_t db, enum ltx_levels how, unsigned level)
{
	enum ltx_levels got;
	struct ltx_name n;
	size_t len = 99;

	if (db < 0)
		ok(!ltx_object(key, &len, &got, &n), "%s is none", key);
	else
		ok(ltx_object(key, &len, &got, &n) && len == (size_t)db &&
			got == how && n.level == level && n.max == 2,
		    "%s", key);
}

static void
test_objects(void)
{
#define NAME TXID "1-" TXID "2.ltx"
	is_object("a/x.db/ltx/3/" NAME, 6, LTX_LEVELS_DIR, 3);
	is_object("ltx/0/" NAME, 0, LTX_LEVELS_DIR, 0);
	is_object("ltx/ltx/0/" NAME, 3, LTX_LEVELS_DIR, 0);
	is_object("a/x.db/0003/" NAME, 6, LTX_LEVELS_FLAT, 3);
	is_object("0000/" NAME, 0, LTX_LEVELS_FLAT, 0);
	is_object("ltx/0000/" NAME, 3, LTX_LEVELS_FLAT, 0);
	is_object("a/xltx/3/" NAME, -1, LTX_LEVELS_DIR, 0);
	is_object("a/3/" NAME, -1, LTX_LEVELS_DIR, 0);
	is_object("3/" NAME, -1, LTX_LEVELS_DIR, 0);
	is_object("a/000a/" NAME, -1, LTX_LEVELS_DIR, 0);
	is_object("/" NAME, -1, LTX_LEVELS_DIR, 0);
	is_object("/ltx/0/" NAME, -1, LTX_LEVELS_DIR, 0);
	is_object("/0000/" NAME, -1, LTX_LEVELS_FLAT, 0);
	is_object(NAME, -1, LTX_LEVELS_DIR, 0);
	is_object("a/0000/x.ltx", -1, LTX_LEVELS_DIR, 0);
#undef NAME
}

int
main(void)
{
	test_keys();
	test_parse();
	test_levels();
	test_objects();
	return done();
}
