/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains of LTX files: some by hand, and random listings against an oracle that
 * tries everything.
 */
#include "lib/replica/ltx/ltx_plan.h"

#include "tests/unit/draw_kit.h"
#include "tests/unit/tap.h"

enum { FILES = 24, TXIDS = 12, ROUNDS = 200000 };

/* The oracle */

/* The fewest files that lead to txid; 0: none do. */
static unsigned
fewest(const struct ltx_file *v, size_t n, uint64_t txid)
{
	unsigned least[TXIDS + 1] = { 0 }, k;

	for (uint64_t t = 1; t <= txid; t++)
		for (size_t i = 0; i < n; i++) {
			if (v[i].bad || v[i].name.max != t)
				continue;
			for (uint64_t from = v[i].name.min - 1; from < t;
			     from++) {
				if (from > 0 && least[from] == 0)
					continue;
				if (from == 0 && v[i].name.min != 1)
					continue;
				k = 1 + (from > 0 ? least[from] : 0);
				if (least[t] == 0 || k < least[t])
					least[t] = k;
			}
		}
	return least[txid];
}

static bool
is_there(const struct ltx_file *v, size_t n, uint64_t txid)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].name.max == txid)
			return true;
	return false;
}

/* The time of a state; exact if not of level 9 alone. */
static int64_t
time_of(const struct ltx_file *v, size_t n, uint64_t txid, bool *exact)
{
	int64_t least = INT64_MAX;

	*exact = false;
	for (size_t i = 0; i < n; i++)
		if (v[i].name.max == txid && v[i].captured_ns < least)
			least = v[i].captured_ns;
	for (size_t i = 0; i < n; i++)
		*exact = *exact ||
		    (v[i].name.max == txid && v[i].captured_ns == least &&
			v[i].name.level != LTX_SNAPSHOTS);
	return least;
}

static uint64_t
wanted(const struct ltx_file *v, size_t n, const struct ltx_wish *w)
{
	bool exact;

	if (w->at_ns == INT64_MAX && w->txid != LTX_NEWEST)
		return is_there(v, n, w->txid) ? w->txid : 0;
	for (uint64_t t = TXIDS; t > 0; t--)
		if (is_there(v, n, t) &&
		    (w->at_ns == INT64_MAX ||
			time_of(v, n, t, &exact) <= w->at_ns))
			return t;
	return 0;
}

/* Does the plan's chain hold? */
static bool
holds(const struct ltx_plan *p, const struct ltx_file *v)
{
	uint64_t at = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct ltx_name *f = &v[p->v[i]].name;

		if (v[p->v[i]].bad || (i == 0 && f->min != 1) ||
		    f->min > at + 1 || f->max <= at || f->max > p->wanted)
			return false;
		at = f->max;
	}
	return at == p->txid;
}

static bool
times_hold(const struct ltx_plan *p, const struct ltx_file *v, size_t n,
    const struct ltx_wish *w)
{
	uint64_t next = 0, back = 0;
	bool exact;

	for (uint64_t t = TXIDS; t > p->wanted; t--)
		if (is_there(v, n, t))
			next = t;
	for (uint64_t t = 1; t < p->wanted; t++)
		if (is_there(v, n, t) && time_of(v, n, t, &exact) > w->at_ns &&
		    exact)
			back = t;
	return p->next == (next == p->wanted + 1 ? 0 : next) && p->back == back;
}

static bool
gap_holds(const struct ltx_plan *p, const struct ltx_file *v, size_t n)
{
	if (p->txid == p->wanted)
		return p->gap_from == 0 && p->gap_until == 0;
	for (size_t i = 0; i < n; i++)
		if (!v[i].bad && v[i].name.max <= p->wanted &&
		    v[i].name.min <= p->gap_until &&
		    v[i].name.max >= p->gap_from)
			return false;
	return p->gap_from == p->txid + 1 && p->gap_until >= p->gap_from &&
	    p->gap_until <= p->wanted;
}

static bool
agrees(struct ltx_file *v, size_t n, const struct ltx_wish *w)
{
	struct ltx_plan p;
	uint64_t most = 0, least, first, last, want;
	bool good, any;

	ltx_plan(&p, v, n, w);
	want = wanted(v, n, w);
	for (uint64_t t = 1; t <= want; t++)
		if (fewest(v, n, t) > 0)
			most = t;
	good = p.wanted == want && p.txid == most && holds(&p, v) &&
	    (most == 0 || p.n == fewest(v, n, most)) && gap_holds(&p, v, n);
	if (w->at_ns != INT64_MAX)
		good = good && times_hold(&p, v, n, w);
	ltx_plan_release(&p);
	any = ltx_reach(v, n, &first, &last);
	most = least = 0;
	for (uint64_t t = 1; t <= TXIDS; t++)
		if (fewest(v, n, t) > 0) {
			most = t;
			least = least == 0 ? t : least;
		}
	good = good && any == (most > 0) && last == most;
	good = good && (!any || first == least);
	return good;
}

/* As a daemon leaves them, more or less: levels, overlaps, holes, times. */
static size_t
listing(struct ltx_file *v)
{
	size_t n = draw(FILES) + 1;
	bool in_order = draw(2) == 0;

	for (size_t i = 0; i < n; i++) {
		struct ltx_file *f = &v[i];

		*f = (struct ltx_file){ .name.level = draw(LTX_LEVELS) };
		f->name.max = 1 + draw(TXIDS);
		f->name.min = f->name.level == 0 ? f->name.max
		    : f->name.level == LTX_SNAPSHOTS
		    ? 1
		    : 1 + draw((unsigned)f->name.max);
		f->bad = draw(8) == 0;
		f->captured_ns = in_order ? (int64_t)f->name.max : draw(TXIDS);
		if (f->name.level == LTX_SNAPSHOTS)
			f->captured_ns += draw(3);
	}
	return n;
}

static void
test_random(void)
{
	struct ltx_file v[FILES];
	struct ltx_wish w;
	size_t n, bad = 0;

	seed = tap_seed();
	for (unsigned i = 0; i < ROUNDS && bad == 0; i++) {
		unsigned long long was = seed;

		n = listing(v);
		w = (struct ltx_wish){ LTX_NEWEST, INT64_MAX };
		if (draw(3) == 0)
			w.txid = 1 + draw(TXIDS);
		else if (draw(2) == 0)
			w.at_ns = draw(TXIDS + 2);
		if (!agrees(v, n, &w)) {
			printf("# round %u, seed %llu\n", i, was);
			bad++;
		}
	}
	is_int(bad, 0, "%d random listings", ROUNDS);
}

/* By hand */

static struct ltx_file
file(unsigned level, uint64_t min, uint64_t max, int64_t ns)
{
	return (struct ltx_file){
		.name = { level, min, max }, .size = 1, .captured_ns = ns
	};
}

static void
test_order(void)
{
	struct ltx_file v[] = {
		file(0, 5, 5, 5),
		file(1, 4, 5, 5),
		file(2, 4, 5, 5),
		file(2, 3, 4, 4),
		file(9, 1, 3, 9),
		file(0, 4, 4, 4),
		file(0, 1, 1, 1),
	};
	struct ltx_wish w = { LTX_NEWEST, INT64_MAX };
	struct ltx_plan p;

	ltx_plan(&p, v, 7, &w);
	ok(p.n == 2 && v[p.v[0]].name.level == 9 && v[p.v[1]].name.level == 2,
	    "of files that end alike the one that begins first, then the "
	    "highest level");
	ltx_plan_release(&p);
	v[p.n].bad = false;
	w.txid = 2;
	ltx_plan(&p, v, 7, &w);
	ok(p.wanted == 0 && p.n == 0, "no file ends with a TXID");
	ltx_plan_release(&p);
	ltx_plan(&p, v, 0, &w);
	ok(p.wanted == 0 && p.n == 0, "no files");
	ltx_plan_release(&p);
}

static void
test_ends(void)
{
	struct ltx_file v[] = {
		file(9, 1, UINT64_MAX - 1, 1),
		file(0, UINT64_MAX, UINT64_MAX, 2),
	};
	struct ltx_wish w = { LTX_NEWEST, INT64_MAX };
	struct ltx_plan p;

	ltx_plan(&p, v, 2, &w);
	ok(p.n == 2 && p.txid == UINT64_MAX, "the last TXID there is");
	ltx_plan_release(&p);
	v[0].name.max--;
	ltx_plan(&p, v, 2, &w);
	ok(p.n == 1 && p.gap_from == UINT64_MAX - 1 &&
		p.gap_until == UINT64_MAX - 1,
	    "a gap before it");
	ltx_plan_release(&p);
	v[0].name.min = 2;
	ltx_plan(&p, v, 2, &w);
	ok(p.n == 0 && p.txid == 0 && p.gap_from == 1 && p.gap_until == 1,
	    "nothing begins at the beginning");
	ltx_plan_release(&p);
}

static void
test_times(void)
{
	struct ltx_file v[] = {
		file(0, 1, 1, 10),
		file(0, 2, 2, 20),
		file(0, 3, 3, 48),
		file(0, 4, 4, 5),
		file(9, 1, 2, 49),
	};
	struct ltx_file u[] = {
		file(9, 1, 2, 49),
		file(0, 3, 3, 20),
		file(1, 3, 6, 50),
	};
	struct ltx_wish w = { LTX_NEWEST, 45 };
	struct ltx_plan p;

	ltx_plan(&p, v, 5, &w);
	ok(p.txid == 4 && p.back == 3, "a clock that went back is told");
	ltx_plan_release(&p);
	w.at_ns = 20;
	ltx_plan(&p, u, 3, &w);
	ok(p.txid == 3 && p.back == 0 && p.next == 6,
	    "a tie is of that time; a snapshot's own is no sign; what was put "
	    "together behind it is told");
	ltx_plan_release(&p);
	w.at_ns = 9;
	ltx_plan(&p, u, 3, &w);
	ok(p.wanted == 0 && p.n == 0, "nothing is as old");
	ltx_plan_release(&p);
}

int
main(void)
{
	test_order();
	test_ends();
	test_times();
	test_random();
	return done();
}
