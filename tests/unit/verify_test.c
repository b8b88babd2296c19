/* SPDX-License-Identifier: Apache-2.0 */
/* Does a replica restore?  Asked of replicas in memory, whole and bent. */
#include "lib/store/listed.h"
#include "lib/verify/verify.h"
#include "tests/unit/mem_store.h"
#include "tests/unit/tap.h"

static struct verifier *verifier;

/* Two runs; the second snapshot is of what led to it. */
static void
make(struct mem_history *h)
{
	*h = (struct mem_history){ .db = "a.db",
		.generation = "0123456789abcdef" };
	mem_clear();
	mem_snapshot(h, 3, 1, 100 * S);
	mem_segment(h, 2, 2, 110 * S);
	mem_segment(h, 2, 1, 120 * S);
	h->index++;
	mem_snapshot(h, 3, 1, 120 * S);
	mem_segment(h, 3, 5, 210 * S);
}

static int
look(bool deep, struct verified *out, struct err *e)
{
	const struct verify_want want = { .deep = deep };
	const struct verify_job j = { .store = &mem_store, .db = "a.db" };

	*out = (struct verified){ 0 };
	*e = (struct err){ 0 };
	return verify(verifier, &j, &want, out, e);
}

static void
test_sound(void)
{
	struct mem_history h;
	struct verified v;
	struct err e;

	make(&h);
	is_int(look(true, &v, &e), 0, "whole: %s", e.msg);
	ok(v.generations == 1 && v.objects == 5 && v.checksum, "all of it");
	is_int(v.as_of_ns / S, 210, "the newest state");
	verified_release(&v);
	is_int(look(false, &v, &e), 0, "by ends and names: %s", e.msg);
	verified_release(&v);
}

static void
damaged(const char *key, long off, bool deep, bool newest, const char *what)
{
	struct mem_history h;
	struct verified v;
	struct err e;

	make(&h);
	mem_damage(key, off);
	is_int(look(deep, &v, &e), -1, "%s is found", what);
	ok(e.class == ERR_CORRUPT && strstr(e.msg, key) != NULL, "%s", e.msg);
	is_int(v.newest, newest, "and whether the newest state has it");
	verified_release(&v);
}

static void
test_damaged(void)
{
	damaged(SEGMENT("1", "00000000"), 30, true, true, "a bit of data");
	damaged(SEGMENT("0", "00000000"), 30, true, false, "one of long ago");
	damaged(SEGMENT("1", "00000000"), -9, false, true, "a bit of an end");
	damaged(SNAPSHOT("1"), 20, true, true, "a bit of a snapshot");
}

/* What its objects say of the database is not what they make of it. */
static void
test_wrong(void)
{
	struct mem_history h;
	struct verified v;
	struct err e;

	make(&h);
	h.total.lo ^= 1;
	mem_segment(&h, 2, 9, 220 * S);
	is_int(look(true, &v, &e), -1, "another sum than it says");
	is_int(e.class, ERR_CORRUPT, "%s", e.msg);
	verified_release(&v);
	/* One under the name of another. */
	make(&h);
	memcpy(mem_find(SEGMENT("0", "00000000"))->key,
	    SEGMENT("1", "0000ffff"), sizeof(SEGMENT("1", "0000ffff")));
	is_int(look(false, &v, &e), -1, "another's name");
	is_int(e.class, ERR_CORRUPT, "%s", e.msg);
	verified_release(&v);
}

static void
test_not_known(void)
{
	struct mem_history h;
	struct verified v;
	struct err e;

	make(&h);
	mem_fail = true;
	is_int(look(true, &v, &e), -1, "nobody answers");
	is_int(e.class, ERR_UNAVAILABLE, "and so nothing is known");
	verified_release(&v);
	mem_clear();
	is_int(look(true, &v, &e), -1, "there is none");
	is_int(e.class, ERR_MISSING, "%s", e.msg);
	verified_release(&v);
}

/* What retention leaves is no damage, and told. */
static void
test_pruned(void)
{
	struct mem_history h;
	struct verified v;
	struct err e;

	make(&h);
	mem_remove(SNAPSHOT("0"));
	is_int(look(true, &v, &e), -1, "segments that no snapshot leads to");
	is_int(e.class, ERR_EARLIER, "%s", e.msg);
	verified_release(&v);
}

static int
add_listed(void *ctx, const struct store_entry *en, struct err *e)
{
	(void)e;
	listed_add(ctx, en);
	return 0;
}

/* What is below a.db now; to be looked at later. */
static void
list_now(struct listed *all, struct listed *l)
{
	struct err e;

	*all = LISTED_NOT(&mem_store);
	(void)mem_store.ops->list(
	    &mem_store, "a.db/", false, add_listed, all, &e);
	listed_part(l, all, "a.db/", 0, all->n);
	mem_lists = 0;
}

/* Looks at that; the listings are released. */
static int
look_at(
    struct listed *all, struct listed *l, struct verified *out, struct err *e)
{
	const struct verify_want want = { .deep = true };
	const struct verify_job j = {
		.store = &mem_store, .db = "a.db", .listed = l
	};
	int rc;

	*out = (struct verified){ 0 };
	*e = (struct err){ 0 };
	rc = verify(verifier, &j, &want, out, e);
	listed_release(l);
	listed_release(all);
	return rc;
}

/* The first run, as lspp-prune does. */
static void
prune_first(void)
{
	mem_remove(SNAPSHOT("0"));
	for (size_t i = 0; i < mem_n;)
		if (strstr(mem[i].key, "/wal/00000000_") != NULL)
			mem_remove(mem[i].key);
		else
			i++;
}

/* A listing that served others, too, is the first look's, and no other's. */
static void
test_listed(void)
{
	struct mem_history h;
	struct listed all, l;
	struct verified v;
	struct err e;

	make(&h);
	list_now(&all, &l);
	is_int(look_at(&all, &l, &v, &e), 0, "whole: %s", e.msg);
	ok(mem_lists == 0 && v.attempts == 1 && v.objects == 5, "not listed");
	verified_release(&v);
	list_now(&all, &l);
	mem_segment(&h, 2, 9, 300 * S);
	is_int(look_at(&all, &l, &v, &e), 0, "written to since: %s", e.msg);
	ok(v.as_of_ns / S == 210 && mem_lists == 0, "as of the listing");
	verified_release(&v);
	/* A run was pruned since. */
	make(&h);
	list_now(&all, &l);
	prune_first();
	is_int(look_at(&all, &l, &v, &e), 0, "pruned since: %s", e.msg);
	ok(v.attempts == 2 && mem_lists > 0, "which a listing told");
	verified_release(&v);
	/* And what is damaged is seen twice. */
	make(&h);
	mem_damage(SEGMENT("1", "00000000"), 30);
	list_now(&all, &l);
	is_int(look_at(&all, &l, &v, &e), -1, "damaged");
	ok(e.class == ERR_CORRUPT && v.attempts == 2 && mem_lists > 0, "%s",
	    e.msg);
	verified_release(&v);
}

int
main(void)
{
	verifier = verifier_new("/tmp");
	test_sound();
	test_damaged();
	test_wrong();
	test_not_known();
	test_pruned();
	test_listed();
	verifier_free(verifier);
	mem_clear();
	return done();
}
