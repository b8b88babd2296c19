/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention in LTX against a model of its own: random listings and policies,
 * each promise tried with models of what lspp-restore and litestream 0.5.18 do,
 * before, after and in the middle of a removal.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/err.h"
#include "tests/unit/prune_ltx_kit.h"
#include "tests/unit/tap.h"

/* -- what is promised ------------------------------------------------------ */

struct promise {
	uint64_t txid[TXIDS + 1]; /* of periods */
	int64_t ns[TXIDS + 1];    /* their times; -1: that of a snapshot */
	size_t n;
	int64_t from;   /* from here on any moment, */
	uint64_t whole; /* and any state */
};

static void
period_name(enum prune_period which, int64_t ns, char out[32])
{
	static const char *const fmt[] = { "%Y-%m-%d %H", "%Y-%m-%d", "%G-%V",
		"%Y-%m" };
	time_t t = (time_t)(ns / SEC);
	struct tm tm;

	(void)gmtime_r(&t, &tm);
	(void)strftime(out, 32, fmt[which], &tm);
}

/* When a state was stored, by the listing; -1: it cannot be restored. */
static int64_t
time_of(const struct model *m, uint64_t txid)
{
	int64_t ns = INT64_MAX;

	if (!leads(m, txid, SIZE_MAX))
		return -1;
	for (uint64_t t = txid; t <= m->txid; t++)
		for (size_t i = 0; i < m->n; i++)
			if (m->v[i].name.max == t && m->v[i].stored_ns < ns &&
			    leads(m, t, SIZE_MAX))
				ns = m->v[i].stored_ns;
	return ns;
}

/* Of that period the last snapshot, or the newest state; 0: it has none. */
static uint64_t
of_period(const struct model *m, const int64_t *ns, enum prune_period which,
    const char *name, int64_t as_of)
{
	int64_t best_ns = INT64_MIN;
	uint64_t best = 0, state = 0;
	char is[32];

	for (size_t i = 0; i < m->n; i++) {
		const struct ltx_file *f = &m->v[i];

		if (f->name.level != LTX_SNAPSHOTS || f->stored_ns > as_of)
			continue;
		period_name(which, f->stored_ns, is);
		if (strcmp(is, name) == 0 &&
		    (f->stored_ns > best_ns ||
			(f->stored_ns == best_ns && f->name.max > best))) {
			best_ns = f->stored_ns;
			best = f->name.max;
		}
	}
	for (uint64_t t = 1; t <= m->txid; t++) {
		if (ns[t] == -1 || ns[t] > as_of)
			continue;
		period_name(which, ns[t], is);
		if (strcmp(is, name) == 0)
			state = t;
	}
	return best > 0 ? best : state;
}

static void
find_periods(const struct model *m, const int64_t *ns, enum prune_period which,
    uint32_t left, int64_t as_of, struct promise *pr)
{
	static const int64_t step[] = { 3600 * SEC, DAY, 7 * DAY, 25 * DAY };
	char name[32], last[32] = "";
	uint64_t txid;
	int64_t at;

	/* From period to period; no month is shorter than that. */
	for (at = as_of; left > 0 && at > NOW - 800 * DAY;
	     at -= step[which] < DAY ? 1800 * SEC : DAY) {
		period_name(which, at, name);
		if (strcmp(name, last) == 0)
			continue;
		memcpy(last, name, sizeof(last));
		if ((txid = of_period(m, ns, which, name, as_of)) == 0)
			continue;
		pr->txid[pr->n] = txid;
		pr->ns[pr->n] = ns[txid];
		for (size_t i = 0; i < m->n; i++)
			if (m->v[i].name.level == LTX_SNAPSHOTS &&
			    m->v[i].name.max == txid)
				pr->ns[pr->n] = -1;
		pr->n++;
		left--;
		if (pr->n > TXIDS)
			return;
	}
}

/* The so many'th newest snapshot; NULL: there are fewer. */
static const struct ltx_file *
nth_snapshot(const struct model *m, uint32_t n, int64_t as_of)
{
	for (uint64_t t = m->txid; t > 0; t--)
		for (size_t i = 0; i < m->n; i++)
			if (m->v[i].name.level == LTX_SNAPSHOTS &&
			    m->v[i].name.max == t &&
			    m->v[i].stored_ns <= as_of && --n == 0)
				return &m->v[i];
	return NULL;
}

static void
find_promises(
    const struct model *m, const struct prune_policy *p, struct promise *pr)
{
	int64_t as_of = p->now_ns - p->grace_ns, ns[TXIDS + 1];
	const struct ltx_file *f;

	*pr = (struct promise){ .from = as_of };
	if (p->keep_for_ns > 0)
		pr->from -= p->keep_for_ns;
	for (uint64_t t = 1; t <= m->txid; t++) {
		ns[t] = time_of(m, t);
		if (ns[t] != -1 && ns[t] <= pr->from)
			pr->whole = t;
	}
	f = p->last > 0 ? nth_snapshot(m, p->last, as_of) : NULL;
	if (p->last > 0 && (f == NULL || f->captured_ns < pr->from))
		pr->from = f != NULL ? f->captured_ns : INT64_MIN;
	if (p->last > 0 && (f == NULL || f->name.max < pr->whole))
		pr->whole = f != NULL ? f->name.max : 0;
	for (int i = 0; i < PRUNE_PERIODS; i++)
		find_periods(
		    m, ns, (enum prune_period)i, p->count[i], as_of, pr);
}

/* -- what is restored ------------------------------------------------------ */

struct restored {
	int64_t at[2 * FILES + 4]; /* moments */
	size_t n;
	uint64_t lspp[2 * FILES + 4], litestream[2 * FILES + 4];
	uint64_t files[2 * FILES + 4];
	bool can[TXIDS + 1], can_05[TXIDS + 1];
	uint64_t newest, newest_05;
};

static int64_t
moment(const struct model *m, const struct promise *pr, size_t i)
{
	if (i < 2 * m->n)
		return m->v[i / 2].captured_ns + (int64_t)(i % 2) * MS;
	return pr->from + (int64_t)(i - 2 * m->n) * MS;
}

static size_t
moments(const struct model *m)
{
	return 2 * m->n + 2;
}

static void
restore_all(const struct model *m, const struct promise *pr, struct restored *r)
{
	memset(r, 0, sizeof(*r));
	r->n = moments(m);
	for (size_t i = 0; i < r->n; i++) {
		r->at[i] = moment(m, pr, i);
		r->lspp[i] = by_lspp(m, r->at[i]);
		r->litestream[i] = plan_of(m, 0, r->at[i], &r->files[i]);
	}
	for (uint64_t t = 1; t <= m->txid; t++) {
		r->can[t] = leads(m, t, SIZE_MAX);
		r->can_05[t] = by_litestream(m, t, LAST) == t;
	}
	r->newest = by_lspp(m, LAST);
	r->newest_05 = by_litestream(m, 0, LAST);
}

static const char *
holds(const struct model *m, const struct promise *pr,
    const struct restored *was, unsigned one_in, bool same_files)
{
	uint64_t files;

	if (by_lspp(m, LAST) != was->newest ||
	    by_litestream(m, 0, LAST) != was->newest_05)
		return "the newest state restores";
	for (size_t i = 0; i < was->n; i++) {
		int64_t at = was->at[i];

		if (at < pr->from || rnd(one_in) > 0)
			continue;
		if (by_lspp(m, at) != was->lspp[i])
			return "lspp restores every time that is promised";
		if (at > pr->from &&
		    plan_of(m, 0, at, &files) != was->litestream[i])
			return "litestream restores every time that is "
			       "promised";
		if (same_files && at > pr->from && files != was->files[i])
			return "a restore that has begun finds its files";
	}
	for (uint64_t t = pr->whole + (pr->whole == 0); t <= m->txid; t++) {
		if (rnd(one_in) > 0)
			continue;
		if (was->can[t] && !leads(m, t, SIZE_MAX))
			return "lspp restores every state that is promised";
		if (was->can_05[t] && by_litestream(m, t, LAST) != t)
			return "litestream restores every state that is "
			       "promised";
	}
	for (size_t i = 0; i < pr->n; i++) {
		uint64_t t = pr->txid[i];

		if (!leads(m, t, SIZE_MAX))
			return "lspp restores a state of each period";
		if (was->can_05[t] && by_litestream(m, t, LAST) != t)
			return "litestream restores a state of each period";
	}
	return NULL;
}

/* What an old state of lspp-ship relies on, and a daemon. */
static const char *
holds_for_writers(const struct model *m, bool fresh)
{
	uint64_t last = 0, first_there = UINT64_MAX;

	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].name.level == 0) {
			last =
			    m->v[i].name.max > last ? m->v[i].name.max : last;
			if (!m->gone[i] && m->v[i].name.min < first_there)
				first_there = m->v[i].name.min;
		}
	for (size_t i = 0; i < m->n; i++) {
		if (m->v[i].name.level != 0 || !m->gone[i])
			continue;
		if (m->v[i].name.min > first_there)
			return "level 0 has no hole";
		if (m->v[i].name.max == last)
			return "the newest file of level 0 stays";
	}
	for (unsigned k = 1; fresh && k <= LEVELS + 1; k++)
		if (!compacts(m, k))
			return "a daemon goes on compacting";
	return NULL;
}

/* -- one history ----------------------------------------------------------- */

static bool
was_fresh(const struct model *m)
{
	for (unsigned k = 1; k <= LEVELS + 1; k++)
		if (!compacts(m, k))
			return false;
	return !m->chance;
}

/* Up to a moment in the middle of a wave. */
static void
cut(struct model *m, const struct prune_plan *plan, size_t n, bool in_order)
{
	memset(m->gone, 0, sizeof(m->gone));
	for (size_t i = 0; i < plan->n; i++)
		m->gone[plan->v[i].at] =
		    n < plan->n && plan->v[i].wave == plan->v[n].wave
		    ? (in_order ? i < n : rnd(2))
		    : i < n;
}

/* Nothing that could be damaged without anybody knowing is the only way left to
 * what had another. */
static const char *
is_proved(const struct model *m, const struct promise *pr,
    const struct prune_plan *plan)
{
	struct model before = *m;

	memset(before.gone, 0, sizeof(before.gone));
	for (size_t i = 0; i < m->n; i++) {
		bool proved = m->gone[i];

		for (size_t k = 0; k < plan->proofs; k++)
			proved = proved || plan->prove[k] == i;
		if (proved)
			continue;
		for (uint64_t t = pr->whole; t <= m->txid; t++)
			if (leads(&before, t, i) && !leads(m, t, i))
				return "what alone is left is proved";
		for (size_t k = 0; k < pr->n; k++)
			if (leads(&before, pr->txid[k], i) &&
			    !leads(m, pr->txid[k], i))
				return "what alone is left is proved";
	}
	return NULL;
}

static int64_t
first_stored(const struct model *m, uint64_t txid)
{
	int64_t ns = INT64_MAX;

	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].name.max == txid && m->v[i].stored_ns < ns)
			ns = m->v[i].stored_ns;
	return ns;
}

/* A state that is kept for an hour is one of that hour the next time, too. */
static const char *
keeps_times(const struct model *m, const struct promise *pr)
{
	for (size_t k = 0; k < pr->n; k++) {
		int64_t ns = INT64_MAX;

		for (size_t i = 0; i < m->n; i++)
			if (!m->gone[i] && m->v[i].name.max == pr->txid[k] &&
			    m->v[i].stored_ns < ns)
				ns = m->v[i].stored_ns;
		if (pr->ns[k] != -1 && ns > pr->ns[k] &&
		    ns > first_stored(m, pr->txid[k]))
			return "what is kept of a period keeps its time";
	}
	return NULL;
}

/*
 * Where files are stored late, those that are left may have a state in an hour
 * that had none.
 */
static bool
may_be_more(const struct model *m, const struct prune_policy *p)
{
	bool any = false;

	for (int i = 0; i < PRUNE_PERIODS; i++)
		any = any || p->count[i] > 0;
	return m->chance || (any && m->delay > 0);
}

static const char *
no_more(struct model *m, const struct prune_policy *p)
{
	struct prune_plan plan;
	struct err e;
	size_t n = 0, more;

	for (size_t i = 0; i < m->n; i++)
		if (!m->gone[i])
			m->v[n++] = m->v[i];
	m->n = n;
	memset(m->gone, 0, sizeof(m->gone));
	if (prune_ltx_plan(m->v, m->n, p, false, &plan, &e) == -1)
		return "a second run finds nothing wrong";
	more = plan.n;
	prune_plan_release(&plan);
	return more > 0 ? "a second run finds nothing" : NULL;
}

static unsigned long removed, refused, proofs, merged, replaced;

static const char *
try(struct model *m, const struct prune_policy *p, bool in_order)
{
	static struct restored was;
	const char *bad = NULL;
	struct prune_plan plan;
	struct promise pr;
	struct err e;
	bool fresh;

	ltx_sort(m->v, m->n);
	if (prune_ltx_plan(m->v, m->n, p, in_order, &plan, &e) == -1) {
		refused++;
		return m->chance ? NULL : "a sound history is planned for";
	}
	removed += plan.n;
	proofs += plan.proofs;
	fresh = was_fresh(m);
	find_promises(m, p, &pr);
	restore_all(m, &pr, &was);
	for (int i = 0; i < 4 && bad == NULL && plan.n > 0; i++) {
		cut(m, &plan, rnd((unsigned)plan.n), in_order);
		if ((bad = holds(m, &pr, &was, 4, true)) == NULL)
			bad = holds_for_writers(m, false);
	}
	cut(m, &plan, plan.n, in_order);
	if (bad == NULL)
		bad = holds(m, &pr, &was, 1, true);
	if (bad == NULL)
		bad = holds_for_writers(m, fresh);
	if (bad == NULL)
		bad = is_proved(m, &pr, &plan);
	if (bad == NULL && !m->chance)
		bad = keeps_times(m, &pr);
	prune_plan_release(&plan);
	if (bad == NULL && !may_be_more(m, p))
		bad = no_more(m, p);
	return bad;
}

/* -- what is merged -------------------------------------------------------- */

/* Those are there: what goes by then, and what is left. */
static const char *
try_merged(struct model *m, const struct prune_policy *p, bool in_order,
    const struct prune_merges *all, const struct promise *pr,
    const struct restored *was, bool fresh)
{
	struct prune_plan plan;
	const char *bad;
	struct err e;

	if ((bad = holds(m, pr, was, 1, false)) != NULL)
		return bad;
	if (prune_ltx_plan(m->v, m->n, p, in_order, &plan, &e) == -1)
		return "what was merged is planned for";
	for (size_t i = 0; i < plan.n && bad == NULL; i++) {
		const struct ltx_name *n = &m->v[plan.v[i].at].name;

		replaced += n->level == 0 && is_of(all, n);
		if (n->level == 1 && is_of(all, n))
			bad = "what was merged stays";
	}
	for (int i = 0; i < 4 && bad == NULL && plan.n > 0; i++) {
		cut(m, &plan, rnd((unsigned)plan.n), in_order);
		if ((bad = holds(m, pr, was, 4, false)) == NULL)
			bad = holds_for_writers(m, false);
	}
	cut(m, &plan, plan.n, in_order);
	if (bad == NULL)
		bad = holds(m, pr, was, 1, false);
	if (bad == NULL)
		bad = holds_for_writers(m, fresh);
	if (bad == NULL)
		bad = is_proved(m, pr, &plan);
	if (bad == NULL && !m->chance)
		bad = keeps_times(m, pr);
	prune_plan_release(&plan);
	return bad;
}

static const char *
try_merging(struct model *m, const struct prune_policy *p, bool in_order)
{
	static struct restored was;
	struct prune_merges all;
	struct promise pr;
	const char *bad = NULL;
	bool fresh;

	ltx_sort(m->v, m->n);
	memset(m->gone, 0, sizeof(m->gone));
	prune_ltx_merges(m->v, m->n, 0, p, &all);
	if (all.n > 0) {
		find_promises(m, p, &pr);
		restore_all(m, &pr, &was);
		fresh = was_fresh(m);
		bad = check_merges(m, &all);
		merged += all.n;
		if (bad == NULL && put_merges(m, &all))
			bad =
			    try_merged(m, p, in_order, &all, &pr, &was, fresh);
	}
	prune_merges_release(&all);
	return bad;
}

/* All goes, and what is there is never an older state. */
static const char *
try_all(struct model *m, bool in_order)
{
	struct prune_plan plan = { 0 };
	const char *bad = NULL;
	uint64_t newest, lspp, litestream;

	ltx_sort(m->v, m->n);
	memset(m->gone, 0, sizeof(m->gone));
	newest = end_of(m, 0);
	for (unsigned k = 1; k < LTX_LEVELS; k++)
		newest = end_of(m, k) > newest ? end_of(m, k) : newest;
	prune_ltx_plan_all(m->v, m->n, in_order, &plan);
	if (plan.n != m->n)
		bad = "--erase: all of it goes";
	for (size_t i = 0; i < plan.n && bad == NULL; i++) {
		cut(m, &plan, i, in_order);
		lspp = by_lspp(m, LAST);
		litestream = by_litestream(m, 0, LAST);
		if ((lspp != NONE && lspp != newest) ||
		    (litestream != NONE && litestream != newest))
			bad = "--erase: no older state is restored";
	}
	prune_plan_release(&plan);
	return bad;
}

static void
random_histories(void)
{
	const char *soak = getenv("LSPP_SOAK"), *given = getenv("LSPP_SEED");
	unsigned long rounds = soak != NULL ? 5000 : 300, i;
	unsigned long long first = given != NULL
	    ? strtoull(given, NULL, 10)
	    : (unsigned long long)time(NULL);
	static struct model m, also;
	struct prune_policy p;
	const char *bad = NULL;

	printf("# LSPP_SEED=%llu\n", first);
	for (i = 0; i < rounds && bad == NULL; i++) {
		seed = first + i;
		(void)rnd(2);
		make(&m, &p);
		policy(&p);
		if (m.n == 0)
			continue;
		/* As of when something was stored, or right before. */
		if (rnd(2))
			p.now_ns = m.v[rnd((unsigned)m.n)].stored_ns +
			    p.grace_ns +
			    (p.keep_for_ns > 0 ? p.keep_for_ns : 0) - rnd(2);
		if ((bad = try_all(&m, rnd(2))) == NULL) {
			memset(m.gone, 0, sizeof(m.gone));
			also = m;
			bad = try(&m, &p, rnd(2));
		}
		if (bad == NULL)
			bad = try_merging(&also, &p, rnd(2));
	}
	ok(bad == NULL, "what is promised is kept, and restores on the way");
	if (bad != NULL)
		printf("# LSPP_SEED=%llu: %s\n", first + i - 1, bad);
	printf("# %lu histories, %lu files go, %lu read before, %lu refused\n",
	    i, removed, proofs, refused);
	printf("# %lu merged, for %lu that go\n", merged, replaced);
	ok(removed > rounds && proofs > 0 && merged > 0 && replaced > merged,
	    "there was something to do");
}

int
main(void)
{
	random_histories();
	return done();
}
