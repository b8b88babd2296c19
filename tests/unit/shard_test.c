/* SPDX-License-Identifier: Apache-2.0 */
/* Which part of a fleet a name is in. */
#include <stdio.h>

#include "lib/base/err.h"
#include "lib/text/shard.h"
#include "tests/unit/tap.h"

enum { PARTS = 7, NAMES = 1000000 };

static void
test_parse(void)
{
	static const char *const wrong[] = { "", "/", "1", "0/7", "8/7", "1/0",
		"1/", "/7", "-1/7", "1/7/2", "1/65537", "a/7", "1 /7" };
	struct shard s;
	struct err e;

	is_int(shard_parse("3/7", &s, &e), 0, "3/7");
	ok(s.k == 3 && s.n == 7, "is the third of seven");
	is_int(shard_parse("1/1", &s, &e), 0, "1/1");
	is_int(
	    shard_parse("65536/65536", &s, &e), 0, "as many as there may be");
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ok(shard_parse(wrong[i], &s, &e) == -1 && e.class == ERR_USAGE,
		    wrong[i]);
	is_str(e.msg,
	    "--shard: \"1 /7\" is not K/N with K from 1 to N, and N at most "
	    "65536",
	    "and is told why");
}

/* As other implementations have them in their tests. */
static void
test_jump(void)
{
	is_int(shard_jump(1, 1), 0, "1 of 1");
	is_int(shard_jump(42, 57), 43, "42 of 57");
	is_int(shard_jump(0xdead10cc, 1), 0, "0xdead10cc of 1");
	is_int(shard_jump(0xdead10cc, 666), 361, "0xdead10cc of 666");
	is_int(shard_jump(256, 1024), 520, "256 of 1024");
}

/* What is in buckets and lists of jobs today is there tomorrow. */
static void
test_vectors(void)
{
	static const struct {
		const char *name;
		uint32_t of7, of8, of100;
	} v[] = {
		{ "", 1, 1, 53 },
		{ "a.db", 4, 4, 35 },
		{ "0007/app.db", 7, 7, 94 },
		{ "tenants/\xff\xfe/x", 5, 5, 96 },
	};

	for (unsigned i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		is_int(shard_of(v[i].name, 7), v[i].of7, "of 7");
		is_int(shard_of(v[i].name, 8), v[i].of8, "of 8");
		is_int(shard_of(v[i].name, 100), v[i].of100, "of 100");
		is_int(shard_of(v[i].name, 1), 1, "of 1");
	}
}

static void
test_names(void)
{
	struct shard s = { 0 };

	ok(shard_has(&s, "a.db"), "none is all");
	s = (struct shard){ shard_of("a/b.db", 100), 100 };
	ok(shard_has(&s, "a/b.db"), "a key");
	ok(shard_has(&s, "/a/b.db"), "with a slash before it");
	ok(shard_has_path(&s, "/srv", "/srv/a/b.db"), "the path of it");
	ok(shard_has_path(&s, NULL, "/a/b.db"), "where the base is /");
	ok(shard_has_path(&s, "/", "/a/b.db"), "and says so");
	ok(shard_has_path(&s, "/srv", "/a/b.db"), "or it is not below");
	ok(shard_has_path(&s, "/a/b.db", "/a/b.db"), "or is the base");
	s.k = s.k % s.n + 1;
	ok(!shard_has(&s, "a/b.db"), "no other part has it");
}

/* Of a million each is in one part, those are about as large, and one more takes
 * from all. */
static void
test_partition(void)
{
	unsigned in[PARTS + 1] = { 0 }, moved = 0, wrong = 0, n = NAMES;
	unsigned most = 0, least = n;
	char name[64];

	for (unsigned i = 0; i < n; i++) {
		uint32_t was, is;

		(void)snprintf(name, sizeof(name), "tenant-%u/app.db", i);
		was = shard_of(name, PARTS);
		is = shard_of(name, PARTS + 1);
		in[was]++;
		moved += was != is;
		wrong +=
		    was < 1 || was > PARTS || (was != is && is != PARTS + 1);
	}
	for (unsigned k = 1; k <= PARTS; k++) {
		most = in[k] > most ? in[k] : most;
		least = in[k] < least ? in[k] : least;
	}
	is_int(wrong, 0, "a name stays, or goes to the new part");
	ok(moved <= n / PARTS + n / 50, "one in seven moves, and 2 percent");
	ok(moved >= n / (PARTS + 1) - n / 50, "and no fewer");
	ok(most - least < n / 50, "parts are of a size");
}

int
main(void)
{
	test_parse();
	test_jump();
	test_vectors();
	test_names();
	test_partition();
	return done();
}
