/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune_ltx_kit -- a model of a replica in LTX for prune_ltx_test: random
 * listings as a daemon, lspp-ship and chance leave them, and what lspp-restore
 * and litestream 0.5.18 restore from what is left of them.
 */
#ifndef LSPP_TESTS_UNIT_PRUNE_LTX_KIT_H
#define LSPP_TESTS_UNIT_PRUNE_LTX_KIT_H

#include <string.h>

#include "lib/prune/prune_ltx.h"

#define MS   INT64_C(1000000)
#define SEC  (1000 * MS)
#define DAY  (86400 * SEC)
#define NOW  (20783 * DAY) /* 2026-11-26 */
#define LAST INT64_MAX

enum { FILES = 400, TXIDS = 200, LEVELS = 3, NONE = 0 };

/* The files; in a bucket they are stored after their time. */
struct model {
	struct ltx_file v[FILES];
	bool gone[FILES];
	size_t n;
	uint64_t txid; /* the newest */
	int64_t at[TXIDS + 1];
	int64_t delay; /* of a store: at most so late */
	bool chance;   /* nobody writes such */
};

static unsigned long long seed;

static unsigned
rnd(unsigned n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return n > 0 ? (unsigned)(seed >> 33) % n : 0;
}

static void
put(struct model *m, unsigned level, uint64_t min, uint64_t max, int64_t ns)
{
	struct ltx_file f = { .name = { level, min, max }, .size = 100 };

	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].name.level == level && m->v[i].name.min == min &&
		    m->v[i].name.max == max)
			return;
	if (m->n == FILES)
		return;
	f.captured_ns = ns;
	f.stored_ns = ns;
	if (m->delay > 0)
		f.stored_ns += (int64_t)rnd((unsigned)(m->delay / MS)) * MS;
	m->gone[m->n] = false;
	m->v[m->n++] = f;
}

static uint64_t
end_of(const struct model *m, unsigned level)
{
	uint64_t end = 0;

	for (size_t i = 0; i < m->n; i++)
		if (!m->gone[i] && m->v[i].name.level == level &&
		    m->v[i].name.max > end)
			end = m->v[i].name.max;
	return end;
}

/* As a daemon does: what is behind the end of a level, from the one below. */
static void
compact(struct model *m, unsigned level)
{
	uint64_t from = end_of(m, level) + 1, to = end_of(m, level - 1);
	uint64_t first = to;

	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].name.level + 1 == level &&
		    m->v[i].name.min >= from && m->v[i].name.min < first)
			first = m->v[i].name.min;
	if (to >= from)
		put(m, level, first, to, m->at[to]);
}

static void
drop(struct model *m, unsigned level, uint64_t until)
{
	uint64_t end = end_of(m, level);
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].name.level != level || m->v[i].name.max > until ||
		    m->v[i].name.max == end)
			m->v[n++] = m->v[i];
	m->n = n;
}

/* A daemon with so many levels, or none: lspp-ship. */
static void
history(struct model *m, unsigned levels, int64_t pace)
{
	uint64_t last = 0;

	m->at[0] = NOW - (int64_t)(1 + rnd(100)) * DAY;
	while (m->txid < TXIDS && m->n < FILES - 8 && rnd(TXIDS) > 0) {
		uint64_t t = ++m->txid;

		m->at[t] = m->at[t - 1] +
		    MS *
			(1 +
			    (int64_t)(rnd(1000) * (unsigned long long)pace /
				500));
		if (rnd(40) == 0) /* nothing for long */
			m->at[t] += (int64_t)rnd(20) * DAY;
		if (rnd(4) == 0) /* what is stored may be so in the next hour */
			m->at[t] += 3599 * SEC - m->at[t] % (3600 * SEC);
		if (m->at[t] <= m->at[t - 1])
			m->at[t] = m->at[t - 1] + MS;
		put(m, 0, t, t, m->at[t]);
		for (unsigned k = 1; k <= levels; k++)
			if (rnd(4 << k) == 0)
				compact(m, k);
		if (rnd(12) == 0) {
			put(m, LTX_SNAPSHOTS, 1, t,
			    m->at[t] + (int64_t)rnd(2000) * MS);
			if (levels > 0 && rnd(3) == 0)
				drop(m, 1 + rnd(levels), last);
			last = t;
		}
		if (levels > 0 && rnd(8) == 0)
			drop(m, 0, end_of(m, 1));
	}
}

/* Anything. */
static void
chance(struct model *m)
{
	m->chance = true;
	m->txid = 1 + rnd(14);
	m->at[0] = NOW - DAY;
	for (uint64_t t = 1; t <= m->txid; t++)
		m->at[t] = m->at[t - 1] + (int64_t)rnd(3 * 3600) * SEC -
		    (int64_t)(rnd(10) == 0) * 3600 * SEC;
	for (uint64_t t = 1; t <= m->txid; t++)
		if (rnd(3) > 0)
			put(m, 0, t, t, m->at[t]);
	for (unsigned i = rnd(8); i > 0; i--) {
		uint64_t min = 1 + rnd((unsigned)m->txid);
		uint64_t max = min + rnd((unsigned)(m->txid + 1 - min));

		put(m, 1 + rnd(8), min, max, m->at[max]);
	}
	for (unsigned i = rnd(4); i > 0; i--) {
		uint64_t max = 1 + rnd((unsigned)m->txid);

		put(m, LTX_SNAPSHOTS, 1, max, m->at[max] + rnd(2) * SEC);
	}
}

static void
make(struct model *m, struct prune_policy *p)
{
	memset(m, 0, sizeof(*m));
	m->delay = rnd(2) ? 0 : 1000 * MS << rnd(12);
	if (rnd(4) == 0)
		chance(m);
	else
		history(m, rnd(LEVELS + 1), (int64_t)3600 * 1000 >> rnd(10));
	p->now_ns = m->at[m->txid] + ((int64_t)rnd(10 * 24) - 12) * DAY / 24;
}

static void
policy(struct prune_policy *p)
{
	p->keep_for_ns = rnd(3) == 0 ? (int64_t)rnd(30) * DAY : -1;
	p->grace_ns = rnd(3) == 0 ? 0 : (int64_t)rnd(72) * 3600 * SEC;
	p->last = rnd(3) == 0 ? 1 + rnd(6) : 0;
	for (int i = 0; i < PRUNE_PERIODS; i++)
		p->count[i] = rnd(3) == 0 ? 1 + rnd(10) : 0;
	if (!prune_policy_any(p))
		p->keep_for_ns = DAY;
}

/* -- what they restore, by TXID; NONE: they fail --------------------------- */

/* Some chain of files that end with it or before leads there, without one. */
static bool
leads(const struct model *m, uint64_t txid, size_t without)
{
	bool has[TXIDS + 1] = { false };
	bool ends = txid == 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct ltx_name *n = &m->v[i].name;

		if (m->gone[i] || i == without || n->max > txid)
			continue;
		ends = ends || n->max == txid;
		for (uint64_t t = n->min; t <= n->max; t++)
			has[t] = true;
	}
	for (uint64_t t = 1; t <= txid; t++)
		ends = ends && has[t];
	return ends;
}

/* The newest that is not later, which then has to be there. */
static uint64_t
by_lspp(const struct model *m, int64_t ns)
{
	uint64_t txid = 0;

	for (size_t i = 0; i < m->n; i++)
		if (!m->gone[i] && m->v[i].captured_ns <= ns &&
		    m->v[i].name.max > txid)
			txid = m->v[i].name.max;
	return leads(m, txid, SIZE_MAX) ? txid : NONE;
}

/* CalcRestorePlan: 'txid' or a time, neither is the newest.  *files: some number
 * of the files that are read. */
static uint64_t
plan_of(const struct model *m, uint64_t txid, int64_t ns, uint64_t *files)
{
	uint64_t at = 0;
	size_t best = 0;

	*files = 0;

#define USABLE(i)                                   \
	(!m->gone[i] && m->v[i].captured_ns < ns && \
	    (txid == 0 || m->v[i].name.max <= txid))
	for (size_t i = 0; i < m->n; i++)
		if (USABLE(i) && m->v[i].name.level == LTX_SNAPSHOTS &&
		    m->v[i].name.max > at)
			at = m->v[best = i].name.max;
	do {
		*files = *files * FILES + best + 1;
		best = SIZE_MAX;
		for (size_t i = 0; i < m->n; i++)
			if (USABLE(i) && m->v[i].name.level < LTX_SNAPSHOTS &&
			    m->v[i].name.min <= at + 1 &&
			    m->v[i].name.max > at &&
			    (best == SIZE_MAX ||
				m->v[i].name.max > m->v[best].name.max))
				best = i;
		if (best != SIZE_MAX)
			at = m->v[best].name.max;
	} while (best != SIZE_MAX);
	for (size_t i = 0; txid == 0 && ns == LAST && i < m->n; i++)
		if (USABLE(i) && m->v[i].name.level < LTX_SNAPSHOTS &&
		    m->v[i].name.min > at + 1)
			return NONE;
#undef USABLE
	return txid != 0 && at != txid ? NONE : at;
}

static uint64_t
by_litestream(const struct model *m, uint64_t txid, int64_t ns)
{
	uint64_t files;

	return plan_of(m, txid, ns, &files);
}

/* Level k of a daemon with so many: can it go on? */
static bool
compacts(const struct model *m, unsigned k)
{
	uint64_t end = end_of(m, k), at = end, next;

	for (;;) {
		next = UINT64_MAX;
		for (size_t i = 0; i < m->n; i++) {
			const struct ltx_name *n = &m->v[i].name;

			if (m->gone[i] || n->level + 1 != k || n->min <= end ||
			    n->min <= at || n->min >= next)
				continue;
			next = n->min;
		}
		if (next == UINT64_MAX)
			return true;
		if (at > 0 && next != at + 1)
			return false;
		for (size_t i = 0; i < m->n; i++)
			if (!m->gone[i] && m->v[i].name.level + 1 == k &&
			    m->v[i].name.min == next)
				at = m->v[i].name.max;
	}
}

/* -- what is merged -------------------------------------------------------- */

/* They have been put, and are not too young any more.  False: there is no room. */
static bool
put_merges(struct model *m, const struct prune_merges *all)
{
	if (m->n + all->n > FILES)
		return false;
	for (size_t i = 0; i < all->n; i++) {
		struct ltx_file f = { .name = all->v[i].name, .size = 100 };

		f.stored_ns = all->v[i].stored_ns;
		f.captured_ns = m->at[f.name.max];
		m->gone[m->n] = false;
		m->v[m->n++] = f;
	}
	ltx_sort(m->v, m->n);
	return true;
}

static bool
is_of(const struct prune_merges *all, const struct ltx_name *n)
{
	for (size_t i = 0; i < all->n; i++)
		if (n->level <= 1 && n->min >= all->v[i].name.min &&
		    n->max <= all->v[i].name.max)
			return true;
	return false;
}

/* Each brings what level 0 has, up to the next, and all but the newest of level 0
 * that they stand for may go. */
static const char *
check_merges(const struct model *m, const struct prune_merges *all)
{
	uint64_t has = 0, next = all->v[0].name.min;

	for (size_t i = 0; i < all->n; i++) {
		if (all->v[i].name.level != 1 || all->v[i].name.min != next)
			return "what is merged has no hole";
		next = all->v[i].name.max + 1;
	}
	for (size_t i = 0; i < m->n; i++)
		has += m->v[i].name.level == 0 && is_of(all, &m->v[i].name);
	if (has != next - all->v[0].name.min)
		return "what is merged is there";
	return has < 2 * all->n ? "it is worth it" : NULL;
}

#endif
