/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifying what is in LTX: what is sound by that restores, and what restores
 * not is not sound.
 */
#include "lib/verify/verify.h"

#include "lib/replica/ltx/ltx_list.h"
#include "lib/restore/restore.h"
#include "lib/store/listed.h"
#include "lib/sys/file.h"
#include "tests/unit/ltx_history.h"

enum { ROUNDS = 80, SOAK = 20000 };

static struct verifier *verifier;
static struct restorer *restorer;

static int
look(bool deep, struct verified *out, struct err *e)
{
	const struct verify_job j = { .store = &mem_store, .db = "a" };
	const struct verify_want w = { .deep = deep };

	return verify(verifier, &j, &w, out, e);
}

/* Does the newest state restore? */
static bool
restores(struct err *e)
{
	const struct restore_want w = RESTORE_WANT;
	struct restore_target t = {
		.path = "/tmp/lspp-verify-ltx-test",
		.trusted = 5,
		.force = true,
		.force_open = true,
		.check = RESTORE_CHECK_NONE,
	};
	struct restore_plan p = { 0 };
	struct restored *r = NULL;
	bool good;

	good = restore_find(restorer, &mem_store, "a", &w, &p, &t, &r, e) == 0;
	restored_drop(r);
	restore_plan_release(&p);
	return good;
}

static bool
agree(bool bent)
{
	struct verified out = { 0 };
	struct err e = { 0 }, why = { 0 };
	int shallow, deep;
	bool good;

	make_history();
	if (bent)
		damage();
	shallow = look(false, &out, &e);
	verified_release(&out);
	deep = look(true, &out, &e);
	good = restores(&why)
	    ? deep == 0 || (bent && !out.newest && shallow <= 0)
	    : deep == -1 && (e.class != ERR_CORRUPT || out.newest);
	good = good && (deep == -1 || shallow == 0);
	if (!good)
		printf("# shallow %d, deep %d (%s), newest %d, restore: %s\n",
		    shallow, deep, e.msg, out.newest, why.msg);
	verified_release(&out);
	return good;
}

static void
test_random(bool bent)
{
	unsigned rounds = getenv("LSPP_SOAK") != NULL ? SOAK : ROUNDS;
	unsigned long long was = 0;
	bool good = true;

	for (unsigned i = 0; i < rounds && good; i++) {
		was = seed;
		good = agree(bent);
	}
	if (!good)
		printf("# seed %llu\n", was);
	ok(good, "%u random histories%s", rounds, bent ? ", damaged" : "");
}

static void
test_told(void)
{
	const struct verify_job j = {
		.store = &mem_store, .db = "a", .path = "/tmp/no/such.db"
	};
	const struct verify_want w = { .source = true };
	struct mem_history h = {
		.db = "a", .generation = "0123456789abcdef", .plain = true
	};
	struct verified out = { 0 };
	struct err e;

	do
		make_history();
	while (!restores(&e));
	ok(verify(verifier, &j, &w, &out, &e) == -1 && out.unread, "%s", e.msg);
	verified_release(&out);
	mem_snapshot(&h, 2, 9, 5);
	ok(look(false, &out, &e) == -1 && e.class == ERR_CONFIG, "%s", e.msg);
	verified_release(&out);
	mem_clear();
	ok(look(false, &out, &e) == -1 && e.class == ERR_MISSING, "%s", e.msg);
	verified_release(&out);
}

/* A name for which nothing is restored: no state is sound. */
static void
test_name(void)
{
	const char key[] = "a/ltx/0/0000000000000000-0000000000000000.ltx";
	struct verified out = { 0 };
	struct err e, why;

	mem_clear();
	mem_put(key, (const uint8_t *)"", 0, 1);
	for (int deep = 0; deep < 2; deep++) {
		ok(!restores(&why) && look(deep, &out, &e) == -1 &&
			e.class == ERR_CORRUPT && out.newest,
		    "newest: %s", e.msg);
		verified_release(&out);
	}
}

int
main(void)
{
	seed = tap_seed();
	verifier = verifier_new("/tmp");
	restorer = restorer_new(NULL);
	test_told();
	test_name();
	test_random(false);
	test_random(true);
	verifier_free(verifier);
	restorer_free(restorer);
	mem_clear();
	return done();
}
