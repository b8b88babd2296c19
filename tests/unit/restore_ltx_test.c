/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restoring from LTX: random histories of which the image of each state is
 * known, in files of all levels, some of them with rolling checksums; and with
 * one of the files damaged.  What comes out is the state that it says, or
 * nothing.
 */
#include "lib/replica/restore_ltx.h"

#include <sys/stat.h>
#include <unistd.h>

#include "lib/restore/restore.h"
#include "lib/store/listed.h"
#include "lib/sys/file.h"
#include "tests/unit/ltx_history.h"
#include "tests/unit/tap.h"

enum { ROUNDS = 3000, SOAK = 100000 };

/* What a restore makes */

static struct restorer *restorer;
static struct buf made;
static struct restore_plan plan;

static void
slurp(struct restored *r)
{
	FILE *f = tmpfile();
	struct err e;
	struct stat st;

	buf_reset(&made);
	if (f == NULL || restored_write(r, fileno(f), &e) == -1 ||
	    fstat(fileno(f), &st) == -1 ||
	    file_pread(fileno(f), buf_room(&made, (size_t)st.st_size),
		(size_t)st.st_size, 0, &e) != st.st_size)
		abort();
	made.len = (size_t)st.st_size;
	(void)fclose(f);
}

/* rc of it; what was made, and how. */
static int
find(const struct restore_want *w, struct err *e)
{
	struct restore_target t = {
		.path = "/tmp/lspp-restore-ltx-test",
		.trusted = 5,
		.force = true,
		.force_open = true,
		.check = RESTORE_CHECK_NONE,
	};
	struct restored *r = NULL;
	int rc;

	restore_plan_release(&plan);
	rc = restore_find(restorer, &mem_store, "a", w, &plan, &t, &r, e);
	if (rc == 0)
		slurp(r);
	restored_drop(r);
	return rc;
}

static bool
is_state(uint64_t t)
{
	return t > 0 && t <= states &&
	    made.len == (size_t)pages[t] * MEM_PAGE &&
	    memcmp(made.data, image[t][1], made.len) == 0;
}

/* The wish of a restore, and what a plan of the listing says of it. */
static void
wish(struct restore_want *w, struct ltx_plan *p)
{
	const struct listed from = LISTED_NOT(&mem_store);
	struct ltx_wish x = { LTX_NEWEST, INT64_MAX };
	struct ltx_list l;
	struct ltx_where where;
	struct ltx_header h;
	enum ltx_levels how;
	struct err e;

	*w = (struct restore_want)RESTORE_WANT;
	w->good = draw(2) ? RESTORE_LAST_GOOD : RESTORE_EXACT;
	if (draw(3) == 0)
		x.txid = w->txid = 1 + draw(states);
	else if (draw(2) == 0)
		x.at_ns = w->at_ns = (T0 + draw(1000 * (states + 1))) * 1000000;
	mem_must(ltx_look(&from, "a", &where, &e) == 0, &e);
	how = where.dir ? LTX_LEVELS_DIR : LTX_LEVELS_FLAT;
	mem_must(ltx_list(&l, &from, "a", how, &e) == 0, &e);
	for (size_t i = 0; i < l.n; i++) {
		mem_must(
		    ltx_peek(&mem_store, "a", how, &l.v[i].name, &h, &e) == 0,
		    &e);
		l.v[i].captured_ns = h.captured_ns;
	}
	ltx_plan(p, l.v, l.n, &x);
	ltx_list_release(&l);
}

/* Whole files: what a plan leads to is made, and nothing else. */
static bool
whole(void)
{
	struct restore_want w;
	struct ltx_plan p;
	struct err e = { 0 };
	bool good;
	int rc;

	wish(&w, &p);
	rc = find(&w, &e);
	if (p.n == 0 || (w.good == RESTORE_EXACT && p.txid < p.wanted))
		good = rc == -1;
	else
		good = rc == 0 && is_state(p.txid) &&
		    (p.txid == p.wanted || plan.earlier) &&
		    (plan.earlier || w.at_ns == INT64_MAX ||
			plan.until_ns <= w.at_ns);
	if (!good)
		printf("# rc %d %s: wanted %d, in reach %d\n", rc, e.msg,
		    (int)p.wanted, (int)p.txid);
	ltx_plan_release(&p);
	return good;
}

/*
 * One is damaged.  The newest that is missing is not: nothing tells that it
 * ever was.  So states are compared with what is listed behind the damage.
 */
static bool
damaged(void)
{
	struct restore_want w;
	struct ltx_plan p;
	struct err e = { 0 };
	bool good;

	wish(&w, &p);
	damage();
	if (find(&w, &e) == -1)
		good = e.class == ERR_CORRUPT || e.class == ERR_MISSING;
	else
		good = is_state(plan.ltx->plan.txid) &&
		    (w.txid == 0 || plan.earlier ||
			plan.ltx->plan.txid == w.txid) &&
		    (w.good != RESTORE_EXACT || w.at_ns != INT64_MAX ||
			plan.ltx->plan.txid == plan.ltx->plan.wanted) &&
		    (plan.earlier || plan.ltx->plan.txid == plan.ltx->wanted);
	if (!good)
		printf("# %s: made %d, wanted %d\n", e.msg,
		    (int)plan.ltx->plan.txid, (int)p.wanted);
	ltx_plan_release(&p);
	return good;
}

static void
test_random(bool (*test)(void), const char *what)
{
	unsigned rounds = getenv("LSPP_SOAK") != NULL ? SOAK : ROUNDS;
	unsigned long long was = 0;
	bool good = true;

	for (unsigned i = 0; i < rounds && good; i++) {
		was = seed;
		make_history();
		good = test();
	}
	if (!good)
		printf("# seed %llu\n", was);
	ok(good, "%u random histories%s", rounds, what);
}

/* By hand */

/* A history of three states in files of level 0, the last of which grows. */
static void
three(void)
{
	struct ltx_name n = { 0, 1, 1 };

	mem_clear();
	states = 3;
	for (uint32_t t = 1; t <= 3; t++) {
		memcpy(image[t], image[t - 1], sizeof(image[t]));
		memset(wrote[t], 0, sizeof(wrote[t]));
		pages[t] = t == 3 ? 6 : 4;
		for (uint32_t i = 1; i <= pages[t]; i++) {
			wrote[t][i] = t == 1 || i == 1 || i > 4;
			if (wrote[t][i])
				mem_page(image[t][i], i, pages[t],
				    (uint8_t)(16 * t + i));
		}
		n.min = n.max = t;
		put_file(&n, LTX_LEVELS_DIR, false);
	}
}

#define L0(n) "a/ltx/0/000000000000000" n "-000000000000000" n ".ltx"

/* A file in place of that of TXID 3. */
static void
replace(struct ltx_made *m, uint64_t after)
{
	ltx_end(m, after);
	mem_remove(L0("3"));
	mem_put(L0("3"), m->out.data, m->out.len, 1);
	ltx_made_release(m);
}

static void
is_refused(const char *what, const char *why)
{
	const struct restore_want w = RESTORE_WANT;
	struct err e = { 0 };

	ok(find(&w, &e) == -1 && e.class == ERR_CORRUPT, "%s", what);
	ok(strstr(e.msg, why) != NULL, "%s: \"%s\"", why, e.msg);
}

static void
test_refused(void)
{
	struct ltx_made m = { 0 };
	uint8_t large[1024] = { 0 };

	three();
	ltx_make(&m, LTX_NO_SUMS, MEM_PAGE, 6, 3, 3, T0);
	ltx_page(&m, 1, image[3][1]);
	ltx_page(&m, 6, image[3][6]);
	replace(&m, 0);
	is_refused(
	    "a file that grows it without a page", "grow by 2 pages and has 1");
	ltx_make(&m, LTX_NO_SUMS, 1024, 4, 3, 3, T0);
	ltx_page(&m, 1, large);
	replace(&m, 0);
	is_refused("another page size", "pages of 1024 bytes");
	ltx_make(&m, 0, MEM_PAGE, 4, 3, 3, T0);
	be64_put(m.out.data + 40, sum_of(1));
	ltx_page(&m, 1, image[2][1]);
	replace(&m, sum_of(2));
	is_refused("a file for another state", "for another state");
	ltx_make(&m, 0, MEM_PAGE, 4, 3, 3, T0);
	be64_put(m.out.data + 40, sum_of(2));
	ltx_page(&m, 1, image[2][1]);
	replace(&m, sum_of(1));
	is_refused("one that leads elsewhere", "does not have the checksum");
	ltx_make(&m, LTX_NO_SUMS, MEM_PAGE, 4, 3, 3, T0);
	ltx_page(&m, 1, large);
	replace(&m, 0);
	is_refused("what is no database", "not an SQLite database");
	ltx_make(&m, LTX_NO_SUMS, MEM_PAGE, 3, 3, 3, T0);
	replace(&m, 0);
	is_refused("a page 1 that says more pages", "page 1 says 4 pages");
	mem_put("a/ltx/0/0000000000000005-0000000000000004.ltx", "", 0, 1);
	is_refused("a name that makes no sense", "make no sense");
	three();
	mem_remove(L0("2"));
	is_refused("a gap", "from 0000000000000002 to 0000000000000002");
	mem_remove(L0("1"));
	is_refused("no beginning", "no LTX file begins with");
	mem_clear();
}

/* It leads to that state, and says so. */
static void
is_made(const struct restore_want *w, uint64_t t, const char *earlier)
{
	struct err e = { 0 };

	if (!ok(find(w, &e) == 0 && is_state(t), "state %d is made: %s", (int)t,
		e.msg))
		return;
	if (earlier != NULL)
		ok(plan.earlier && strstr(plan.why, earlier) != NULL,
		    "and told, %s: %s", earlier, plan.why);
	else
		ok(!plan.earlier, "and is what was wanted%s", plan.why);
}

static void
test_last_good(void)
{
	struct restore_want w = RESTORE_WANT;
	struct ltx_name n = { 9, 1, 3 };
	struct err e;

	w.good = RESTORE_LAST_GOOD;
	three();
	is_made(&w, 3, NULL);
	mem_damage(L0("2"), 200);
	is_made(&w, 1, L0("2"));
	put_file(&n, LTX_LEVELS_DIR, false);
	is_made(&w, 3, NULL);
	mem_damage("a/ltx/9/0000000000000001-0000000000000003.ltx", 200);
	is_made(&w, 1, L0("2"));
	three();
	put_file(&n, LTX_LEVELS_DIR, false);
	mem_damage("a/ltx/9/0000000000000001-0000000000000003.ltx", 200);
	is_made(&w, 3, NULL);
	w.good = RESTORE_EXACT;
	ok(find(&w, &e) == -1 && e.class == ERR_CORRUPT,
	    "unasked, nothing goes around damage: %s", e.msg);
	three();
	mem_remove(L0("2"));
	w.good = RESTORE_LAST_GOOD;
	is_made(&w, 1, "from 0000000000000002 to 0000000000000002");
	w.good = RESTORE_BISECT;
	ok(find(&w, &e) == -1 && e.class == ERR_USAGE, "%s", e.msg);
}

static void
test_times(void)
{
	struct restore_want w = RESTORE_WANT;
	struct ltx_name n = { 1, 2, 3 };
	struct err e;

	three();
	w.at_ns = (T0 + 2000) * 1000000;
	is_made(&w, 2, NULL);
	w.at_ns--;
	is_made(&w, 1, NULL);
	w.at_ns = (T0 + 99999) * 1000000;
	is_made(&w, 3, NULL);
	w.at_ns = (T0 + 999) * 1000000;
	ok(find(&w, &e) == -1 && e.class == ERR_MISSING &&
		strstr(e.msg, "nothing as old as") != NULL,
	    "%s", e.msg);
	put_file(&n, LTX_LEVELS_DIR, false);
	mem_remove(L0("2"));
	mem_remove(L0("3"));
	w.at_ns = (T0 + 2500) * 1000000;
	is_made(&w, 1, "the next that is kept is TXID 0000000000000003");
	w.at_ns = (T0 + 1000) * 1000000;
	is_made(&w, 1, NULL);
	three();
	mem_remove(L0("1"));
	n = (struct ltx_name){ 9, 1, 1 };
	put_file(&n, LTX_LEVELS_DIR, false);
	mem_remove(L0("2"));
	w.at_ns = (T0 + 5000) * 1000000;
	ok(find(&w, &e) == -1 && e.class == ERR_CORRUPT,
	    "a gap is one, with a time, too: %s", e.msg);
	w = (struct restore_want)RESTORE_WANT;
	w.txid = 2;
	ok(find(&w, &e) == -1 && e.class == ERR_MISSING, "%s", e.msg);
}

static void
test_layouts(void)
{
	struct mem_history h = {
		.db = "a", .generation = "0123456789abcdef", .plain = true
	};
	struct restore_want w = RESTORE_WANT;
	struct ltx_name n = { 0, 1, 1 };
	struct err e = { 0 };

	three();
	mem_put("a/ltx/0/x.tmp", "", 0, 1);
	mem_put("a/ltx/10/"
		"0000000000000009-0000000000000009.ltx",
	    "", 0, 1);
	mem_put("a/b/ltx/0/0000000000000009-0000000000000009.ltx", "", 0, 1);
	is_made(&w, 3, NULL);
	mem_snapshot(&h, 2, 9, 5);
	ok(find(&w, &e) == -1 && e.class == ERR_CONFIG &&
		strstr(e.hint, "--format") != NULL,
	    "two layouts: %s", e.msg);
	w.format = RESTORE_LTX;
	is_made(&w, 3, NULL);
	w.format = RESTORE_WAL;
	ok(find(&w, &e) == 0 && made.len == (size_t)2 * MEM_PAGE,
	    "the other one");
	w.format = RESTORE_ANY;
	w.generation = h.generation;
	ok(find(&w, &e) == 0 && made.len == (size_t)2 * MEM_PAGE,
	    "or a generation");
	mem_clear();
	w = (struct restore_want)RESTORE_WANT;
	mem_snapshot(&h, 2, 9, 5);
	ok(find(&w, &e) == 0 && made.len == (size_t)2 * MEM_PAGE,
	    "that one alone");
	w.format = RESTORE_LTX;
	ok(find(&w, &e) == -1 && e.class == ERR_MISSING && plan.absent, "%s",
	    e.msg);
	three();
	put_file(&n, LTX_LEVELS_FLAT, false);
	ok(find(&w, &e) == -1 && e.class == ERR_CONFIG, "%s", e.msg);
}

int
main(void)
{
	seed = tap_seed();
	restorer = restorer_new(NULL);
	test_refused();
	test_last_good();
	test_times();
	test_layouts();
	test_random(whole, "");
	test_random(damaged, ", damaged");
	restore_plan_release(&plan);
	restorer_free(restorer);
	buf_release(&made);
	mem_clear();
	return done();
}
