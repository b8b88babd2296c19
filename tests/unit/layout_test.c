/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/wal/layout.h"

#include <stdlib.h>

#include "tests/unit/tap.h"

static const char gen[] = "0123456789abcdef";

static void
test_keys(void)
{
	struct buf b = { 0 };

	layout_key(&b, "acme/a.db", gen,
	    &(struct layout_name){ LAYOUT_SNAPSHOT, walpos(0x1a, 0) });
	is_str(buf_str(&b),
	    "acme/a.db/generations/0123456789abcdef/"
	    "snapshots/0000001a.snapshot.lz4",
	    "snapshot");
	buf_reset(&b);
	layout_key(&b, "", gen,
	    &(struct layout_name){
		LAYOUT_SEGMENT, walpos(LAYOUT_INDEX_MAX, 0xffffffff) });
	is_str(buf_str(&b),
	    "generations/0123456789abcdef/wal/7fffffff_ffffffff.wal.lz4",
	    "segment of a root that is one database");
	buf_reset(&b);
	layout_generation_prefix(&b, "a", NULL);
	layout_generation_prefix(&b, "", gen);
	is_str(buf_str(&b), "a/generations/generations/0123456789abcdef/",
	    "prefixes, appended");
	buf_release(&b);
}

static void
test_owner(void)
{
	struct layout_name n;
	char line[POS_LINE] = "x";
	struct buf b = { 0 };

	layout_key(
	    &b, "a/x.db", NULL, &(struct layout_name){ LAYOUT_OWNER, 0x1a });
	is_str(
	    buf_str(&b), "a/x.db/generations/owner-0000001a.lz4", "an owner");
	ok(layout_parse_below("owner-0000001a.lz4", line, &n) &&
		n.kind == LAYOUT_OWNER && n.at == 0x1a && line[0] == '\0',
	    "parsed");
	ok(!layout_parse_below("owner-0000001a.lz4x", line, &n) &&
		!layout_parse_below("owner-1a.lz4", line, &n) &&
		!layout_parse_below("0000001a.lz4", line, &n) &&
		!layout_parse_below("", line, &n),
	    "and nothing like it");
	buf_release(&b);
}

static void
test_generation(void)
{
	ok(layout_is_generation(gen), "a generation");
	ok(!layout_is_generation(""), "not nothing");
	ok(!layout_is_generation("0123456789abcde"), "not 15 digits");
	ok(!layout_is_generation("0123456789abcdef0"), "not 17");
	ok(!layout_is_generation("0123456789ABCDEF"), "not upper case");
	ok(!layout_is_generation("0123456789abcdeg"), "not other letters");
}

static void
test_good(void)
{
	struct layout_name n;

	ok(layout_parse(&n, "snapshots/0000001a.snapshot.lz4"), "snapshot");
	ok(n.kind == LAYOUT_SNAPSHOT && n.at == walpos(0x1a, 0), "its fields");
	ok(layout_parse(&n, "snapshots/0000001b.alone.lz4") &&
		n.kind == LAYOUT_ALONE && n.at == walpos(0x1b, 0),
	    "what says that a snapshot stands alone");
	ok(layout_parse(&n, "wal/7fffffff_fedcba98.wal.lz4"), "segment");
	ok(n.kind == LAYOUT_SEGMENT &&
		n.at == walpos(LAYOUT_INDEX_MAX, 0xfedcba98),
	    "its fields");
}

static void
test_bad(void)
{
	static const char *const bad[] = {
		"",
		"snapshots",
		"snapshots/",
		"snapshots/0000001.snapshot.lz4",
		"snapshots/000000001.snapshot.lz4",
		"snapshots/0000001A.snapshot.lz4",
		"snapshots/00000001.snapshot.lz4.tmp",
		"snapshots/00000001.snapshot",
		"snapshots/80000000.snapshot.lz4",
		"snapshots/80000000.alone.lz4",
		"snapshots/00000001.alone",
		"wal/00000001.alone.lz4",
		"snapshots/00000001_00000000.wal.lz4",
		"snapshots/x/00000001.snapshot.lz4",
		"wal/00000001.wal.lz4",
		"wal/00000001-00000000.wal.lz4",
		"wal/00000001_00000000.wal.lz4/",
		"wal/00000001_000000000.wal.lz4",
		"wal/00000001_0000000.wal.lz4",
		"wal/80000000_00000000.wal.lz4",
		"wal/ 0000001_00000000.wal.lz4",
		"/wal/00000001_00000000.wal.lz4",
		"ltx/0/0000000000000001-0000000000000001.ltx",
	};
	struct layout_name n;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!layout_parse(&n, bad[i]), "not \"%s\"", bad[i]);
}

static void
test_object(void)
{
	static const struct {
		const char *key, *db; /* NULL: of none */
	} t[] = {
#define G    "generations/0123456789abcdef/"
#define SNAP "snapshots/00000001.snapshot.lz4"
#define WAL  "wal/00000001_00000000.wal.lz4"
		{ "a/b.db/" G SNAP, "a/b.db" },
		{ "a/b.db/" G WAL, "a/b.db" },
		{ "a/b.db/" G "snapshots/00000001.alone.lz4", "a/b.db" },
		{ "a/b.db/generations/owner-00000001.lz4", "a/b.db" },
		{ G SNAP, "" },
		{ "generations/owner-00000001.lz4", "" },
		{ "generations/" G SNAP, "generations" },
		{ "z/generations/" G WAL, "z/generations" },
		{ "z/generations/generations/owner-00000001.lz4",
		    "z/generations" },
		{ "z/" G "x/" G WAL, "z/" G "x" },
		{ G G SNAP, "generations/0123456789abcdef" },
		{ "a/b.db/" G SNAP "/" G SNAP, "a/b.db/" G SNAP },
		{ "a/b.db/" G "x" SNAP, NULL },
		{ "a/b.db/xgenerations/0123456789abcdef/" SNAP, NULL },
		{ "a/b.db/generations/0123456789abcdeF/" SNAP, NULL },
		{ "a/b.db/generations/x/owner-00000001.lz4", NULL },
		{ "owner-00000001.lz4", NULL },
		{ "0123456789abcdef/" SNAP, NULL },
		{ SNAP, NULL },
		{ "/" SNAP, NULL },
		{ "/" G SNAP, NULL },
		{ "//" G SNAP, "/" },
		{ "/generations/owner-00000001.lz4", NULL },
		{ "//" SNAP, NULL },
		{ "", NULL },
		{ "/", NULL },
		{ "a/b/c", NULL },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct layout_name name;
		size_t n = 0;
		/* On the heap, where a read behind its end is seen. */
		char *key = xstrdup(t[i].key);
		bool is = layout_object(key, &n, &name);

		free(key);

		ok(is == (t[i].db != NULL), "%s: is it an object", t[i].key);
		if (is && t[i].db != NULL)
			ok(n == strlen(t[i].db) &&
				strncmp(t[i].key, t[i].db, n) == 0,
			    "it is one of \"%s\"", t[i].db);
	}
}

int
main(void)
{
	test_object();
	test_keys();
	test_owner();
	test_generation();
	test_good();
	test_bad();
	return done();
}
