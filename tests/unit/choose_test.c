/* SPDX-License-Identifier: Apache-2.0 */
/* Which databases an operand means, in a replica in memory. */
#include "lib/choose/choose.h"
#include "tests/unit/mem_store.h"
#include "tests/unit/tap.h"

struct found {
	struct buf keys; /* a line each: key and target, or the failure */
};

static int
chosen(void *ctx, struct choice *c)
{
	struct found *f = ctx;

	if (c->rc == -1)
		buf_addf(&f->keys, "%s: %s\n", c->name,
		    c->absent      ? "nothing matches"
			: c->clash ? "clash"
				   : c->e.msg);
	else
		buf_addf(
		    &f->keys, "%s %s\n", buf_str(&c->key), buf_str(&c->path));
	choice_release(c);
	return 0;
}

static void
database(const char *name)
{
	struct mem_history h = { .db = name, .generation = "0123456789abcdef" };

	mem_snapshot(&h, 1, 1, 1);
}

/* All that the operands lead to, in one run. */
static void
leads(const char *want, const char *a, const char *b)
{
	struct found f = { 0 };
	struct chooser h = { .store = &mem_store,
		.target = { .url = mem_url, .base = "/srv", .into = "/out" },
		.end = '\n',
		.files = true,
		.alone = b == NULL,
		.chosen = chosen,
		.ctx = &f };

	is_int(choose(&h, a), 0, "choose %s", a);
	if (b != NULL)
		is_int(choose(&h, b), 0, "and %s", b);
	is_str(buf_str(&f.keys), want, "leads to");
	if (b == NULL && strchr(a, '*') != NULL)
		is_int(h.seen.n, 0, "and remembers none");
	choose_release(&h);
	buf_release(&f.keys);
}

int
main(void)
{
	database("eu/a.db");
	database("eu/b.db");
	database("us/a.db");
	database("us/[x].db");
	leads("eu/a.db /out/eu/a.db\n", "eu/a.db", NULL);
	leads("eu/a.db /out/eu/a.db\neu/b.db /out/eu/b.db\n", "eu/*", NULL);
	leads("eu/a.db /out/eu/a.db\nus/a.db /out/us/a.db\n", "**/a.db", NULL);
	leads("us/*.x: nothing matches\n", "us/*.x", NULL);
	leads("us/[x].db /out/us/[x].db\n", "us/[x].db", NULL);
	/* What was found already is not found again. */
	leads(
	    "eu/a.db /out/eu/a.db\neu/b.db /out/eu/b.db\n", "eu/a.db", "eu/*");
	mem_clear();
	return done();
}
