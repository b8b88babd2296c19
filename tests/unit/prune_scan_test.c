/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What prune_scan() hands out of roots that are drawn, names of layouts as
 * names of databases included: no part of a database twice, and of all but the
 * first it says so, though it remembers only where the listing is.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/prune/prune.h"
#include "tests/unit/draw_kit.h"
#include "tests/unit/mem_store.h"
#include "tests/unit/tap.h"

enum { MOST = 400 };

struct seen {
	char *key;
	bool ltx;
};

static struct seen seen[MOST];
static size_t n_seen;
static const char *wrong;

static int
found(void *ctx, struct prune_db *db)
{
	bool came = false, both = db->h.n > 0 && db->ltx.n > 0;

	(void)ctx;
	for (size_t i = 0; i < n_seen; i++) {
		if (strcmp(seen[i].key, db->key) != 0)
			continue;
		came = true;
		if (both || seen[i].ltx == (db->ltx.n > 0))
			wrong = "a part came twice";
	}
	if (came != db->again)
		wrong = came ? "one that came again does not say so"
			     : "one that is new says that it came";
	if (n_seen < MOST)
		seen[n_seen++] =
		    (struct seen){ xstrdup(db->key), db->ltx.n > 0 && !both };
	prune_db_free(db);
	return 0;
}

/* A name of names that mean something below a database. */
static void
draw_name(struct buf *out)
{
	static const char *const part[] = { "a", "b", "a-", "generations",
		"0123456789abcdef", "ltx", "0000", "h", "snapshots", "z" };
	unsigned n = draw(4);

	buf_reset(out);
	for (unsigned i = 0; i < n; i++)
		buf_addf(out, "%s%s", i > 0 ? "/" : "", part[draw(10)]);
}

static void
put_object(const char *db)
{
	static const char *const object[] = {
		"generations/0123456789abcdef/snapshots/00000000.snapshot.lz4",
		"generations/0123456789abcdef/wal/00000000_00000000.wal.lz4",
		"generations/fedcba9876543210/snapshots/00000001.snapshot.lz4",
		"ltx/0/0000000000000001-0000000000000001.ltx",
		"ltx/0/0000000000000002-0000000000000002.ltx",
		"ltx/9/0000000000000001-0000000000000002.ltx",
		"0000/0000000000000001-0000000000000001.ltx",
	};
	char *key =
	    xasprintf("%s%s%s", db, *db != '\0' ? "/" : "", object[draw(7)]);

	if (mem_find(key) == NULL && mem_n < 250)
		mem_put(key, "x", 1, S);
	free(key);
}

static bool
of_one_root(void)
{
	struct prune_scan scan = { .found = found };
	struct buf name = { 0 };
	struct err e;

	mem_clear();
	n_seen = 0;
	wrong = NULL;
	for (unsigned i = draw(12); i > 0; i--) {
		draw_name(&name);
		for (unsigned o = draw(5); o > 0; o--)
			put_object(buf_str(&name));
	}
	if (prune_scan(&mem_store, &scan, &e) == -1)
		wrong = "it fails";
	free(scan.first);
	buf_release(&name);
	for (size_t i = 0; i < n_seen; i++)
		free(seen[i].key);
	return wrong == NULL;
}

int
main(void)
{
	int rounds = getenv("LSPP_SOAK") != NULL ? 100000 : 3000, i;
	unsigned long long from = seed = tap_seed();
	size_t all = 0;

	for (i = 0; i < rounds; i++) {
		seed = from + (unsigned)i;
		if (!of_one_root())
			break;
		all += n_seen;
	}
	ok(i == rounds, "%d roots%s%s (LSPP_SEED=%llu)", i,
	    wrong != NULL ? ": not so: " : "", wrong != NULL ? wrong : "",
	    from + (unsigned)i);
	ok(all > (size_t)rounds, "%zu parts came", all);
	return done();
}
