/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention against a model of its own: random histories and policies, each
 * promise tried with models of what lspp-restore and litestream 0.3.13 do,
 * before, after and in the middle of a removal.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/replica/wal/codec.h"
#include "tests/unit/prune_kit.h"
#include "tests/unit/tap.h"

/* -- what is promised -------------------------------------------------------
 */

static void
period_name(enum prune_period which, int64_t ns, char out[32])
{
	static const char *const fmt[] = { "%Y-%m-%d %H", "%Y-%m-%d", "%G-%V",
		"%Y-%m" };
	time_t t = (time_t)(ns / S);
	struct tm tm;

	(void)gmtime_r(&t, &tm);
	(void)strftime(out, 32, fmt[which], &tm);
}

/* The newest object not after t; NOTHING. */
static int
current(const struct model *m, int64_t t)
{
	int best = NOTHING;

	for (int i = 0; i < m->n; i++)
		if (m->v[i].at <= t &&
		    (best == NOTHING || m->v[i].at >= m->v[best].at))
			best = i;
	return best;
}

enum promise { NO_PROMISE, ALONE, WHOLE };

/* Is it ever current? */
static bool
lasts(const struct model *m, int i)
{
	return i + 1 == m->n || m->v[i + 1].gen != m->v[i].gen ||
	    m->v[i + 1].at > m->v[i].at;
}

/* Of each state, by what it is dated: its periods, what is kept of each (its
 * last snapshot, or its newest state), and how many are not older. */
static struct {
	char name[32];
	int kept;
	uint32_t seen;
} period[OBJECTS][PRUNE_PERIODS];

static void
find_periods(const struct model *m, const struct prune_policy *p, int which)
{
	int64_t as_of = p->now_ns - p->grace_ns;
	int newer = NOTHING, snapshot = NOTHING;

	for (int i = m->n - 1; i >= 0; i--) {
		if (m->v[i].at > as_of)
			continue;
		period_name((enum prune_period)which, m->v[i].at,
		    period[i][which].name);
		period[i][which].kept = i;
		period[i][which].seen = 1;
		if (newer != NOTHING &&
		    strcmp(period[i][which].name, period[newer][which].name) ==
			0)
			period[i][which] = period[newer][which];
		else if (newer != NOTHING)
			period[i][which].seen = period[newer][which].seen + 1;
		newer = i;
	}
	for (int i = 0; i < m->n && m->v[i].at <= as_of; i++) {
		if (i == 0 ||
		    period[i][which].seen != period[i - 1][which].seen)
			snapshot = NOTHING;
		if (p->alone && m->v[i].snapshot && lasts(m, i))
			snapshot = i;
		for (int k = i; snapshot != NOTHING && k >= 0 &&
		     period[k][which].seen == period[i][which].seen;
		     k--)
			period[k][which].kept = snapshot;
	}
}

/* Is t in one of the newest periods, when what is kept of it was current? */
static enum promise
in_period(
    const struct model *m, const struct prune_policy *p, int which, int64_t t)
{
	char name[32];
	int at;

	if (t > p->now_ns - p->grace_ns || (at = current(m, t)) == NOTHING ||
	    at != period[at][which].kept ||
	    period[at][which].seen > p->count[which])
		return NO_PROMISE;
	period_name((enum prune_period)which, t, name);
	if (strcmp(period[at][which].name, name) != 0)
		return NO_PROMISE;
	return p->alone && m->v[at].snapshot && lasts(m, at) ? ALONE : WHOLE;
}

static enum promise
promised(const struct model *m, const struct prune_policy *p, int64_t t)
{
	int64_t as_of = p->now_ns - p->grace_ns, from = as_of;
	enum promise most = NO_PROMISE, is;
	uint32_t snapshots = 0;

	if (p->keep_for_ns > 0)
		from -= p->keep_for_ns;
	for (int i = m->n - 1; i >= 0 && p->last > 0; i--)
		if (m->v[i].snapshot && m->v[i].at <= as_of &&
		    ++snapshots == p->last && m->v[i].at < from)
			from = m->v[i].at;
	if (p->last > 0 && snapshots < p->last)
		from = INT64_MIN;
	if (t >= from || current(m, t) == current(m, LAST))
		return WHOLE;
	for (int i = 0; i < PRUNE_PERIODS; i++)
		if (p->count[i] > 0 && (is = in_period(m, p, i, t)) > most)
			most = is;
	return most;
}

/* -- the runs that have to stay ---------------------------------------------
 */

/* Moments where something changes: of objects, and around. */
static int64_t
moment(const struct model *m, const struct prune_policy *p, int i)
{
	int64_t as_of = p->now_ns - p->grace_ns;

	if (i < 3 * m->n)
		return m->v[i / 3].at + i % 3 - 1;
	switch (i - 3 * m->n) {
	case 0: return as_of;
	case 1: return as_of - p->keep_for_ns;
	case 2: return p->now_ns;
	default: return LAST;
	}
}

static void
needed(const struct model *m, const struct prune_policy *p, enum promise *need,
    bool *bare)
{
	enum promise is;
	int end, from;

	for (int i = 0; i < 3 * m->n + 4; i++) {
		int64_t t = moment(m, p, i);

		if ((is = promised(m, p, t)) == NO_PROMISE ||
		    (end = restore(m, t, &from)) < 0)
			continue;
		if (is > need[m->v[from].run])
			need[m->v[from].run] = is;
		bare[m->v[from].run] |= from == end;
	}
}

static int
gen_of(const struct model *m, int run)
{
	for (int i = 0; i < m->n; i++)
		if (m->v[i].run == run)
			return m->v[i].gen;
	return NOTHING;
}

static bool
has_wal(const struct model *m, int run)
{
	for (int i = 0; i < m->n; i++)
		if (m->v[i].run == run && !m->v[i].snapshot)
			return true;
	return false;
}

/* What is kept beside them: prune.h. */
static void
beside(const struct model *m, enum promise *need, const bool *bare)
{
	bool wal = false, any = false;

	for (int r = 0; r < m->runs; r++) {
		bool first = r == 0 || gen_of(m, r - 1) != gen_of(m, r);
		bool last =
		    r + 1 == m->runs || gen_of(m, r + 1) != gen_of(m, r);

		if (first)
			wal = any = false;
		if (need[r] == WHOLE && bare[r] && wal && !first)
			need[r - 1] = WHOLE;
		wal |= need[r] == WHOLE && has_wal(m, r);
		any |= need[r] > NO_PROMISE;
		if (last && any)
			need[r] = WHOLE;
	}
}

/* -- a plan ---------------------------------------------------------------- */

static void
list(struct model *m)
{
	struct history *h = &m->h;

	*h = (struct history){ .db = "db", .codec = &wal_codec };
	h->v = xcalloc((size_t)m->gens, sizeof(*h->v));
	h->n = (size_t)m->gens;
	for (int i = 0; i < m->n; i++) {
		const struct object *o = &m->v[i];
		struct history_generation *g = &h->v[o->gen];
		struct history_list *l =
		    o->snapshot ? &g->snapshots : &g->segments;

		memcpy(g->id, m->id[o->gen], sizeof(g->id));
		if (o->alone)
			(void)history_add_alone(
			    h, g->id, walpos(o->index, 0), 15);
		if (o->gone)
			continue;
		l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
		l->v[l->n++] = (struct history_object){ .mtime_ns = o->at,
			.size = 1000,
			.at = walpos(o->index, o->offset) };
	}
}

static void
unlist(struct model *m)
{
	for (size_t i = 0; i < m->h.n; i++) {
		free(m->h.v[i].snapshots.v);
		free(m->h.v[i].segments.v);
	}
	free(m->h.v);
	free(m->h.alone.v);
}

static struct object *
object_of(struct model *m, const struct prune_item *it)
{
	const struct history_generation *g = &m->h.v[it->generation];
	const struct history_object *o = it->kind == LAYOUT_SNAPSHOT
	    ? &g->snapshots.v[it->at]
	    : &g->segments.v[it->at];

	for (int i = 0; i < m->n; i++)
		if (m->v[i].gen == (int)it->generation &&
		    m->v[i].snapshot == (it->kind == LAYOUT_SNAPSHOT) &&
		    walpos(m->v[i].index, m->v[i].offset) == o->at)
			return &m->v[i];
	return NULL;
}

/* Before anything of the plan goes. */
static void
mark(struct model *m, const struct prune_plan *plan)
{
	for (size_t k = 0; k < plan->marks; k++) {
		const struct prune_mark *a = &plan->mark[k];
		const struct history_generation *g = &m->h.v[a->generation];

		for (int i = 0; i < m->n; i++)
			if (m->v[i].gen == (int)a->generation &&
			    m->v[i].snapshot &&
			    walpos(m->v[i].index, 0) ==
				g->snapshots.v[a->at].at)
				m->v[i].alone = true;
	}
}

/* -- one history ----------------------------------------------------------- */

static int before[3 * OBJECTS + 4], before_03[3 * OBJECTS + 4];

static int
contents(const struct model *m, int64_t t)
{
	int from, end = restore(m, t, &from);

	return end < 0 ? end : m->v[end].content;
}

static void
remember(const struct model *m, const struct prune_policy *p)
{
	for (int i = 0; i < 3 * m->n + 4; i++) {
		before[i] = contents(m, moment(m, p, i));
		before_03[i] = restore_03(m, moment(m, p, i));
	}
}

/* Every promise, and what a run with any old state relies on. */
static const char *
holds(const struct model *m, const struct prune_policy *p, unsigned one_in)
{
	for (int i = 0; i < 3 * m->n + 4; i++) {
		int64_t t = moment(m, p, i);
		enum promise is;
		int by_03;

		if (t != LAST && draw(one_in) > 0)
			continue;
		if ((is = promised(m, p, t)) == NO_PROMISE)
			continue;
		if (contents(m, t) != before[i])
			return "lspp-restore restores what is promised";
		by_03 =
		    before_03[i] == before[i] ? restore_03(m, t) : before[i];
		if (by_03 != before[i] && (is == WHOLE || by_03 != BROKEN))
			return "litestream restores what is promised";
	}
	for (int i = 0; i < m->n; i++)
		if (m->v[i].next >= 0 && !m->v[m->v[i].head].gone &&
		    !m->v[m->v[i].head].alone && m->v[m->v[i].next].gone)
			return "what follows a record outlives its snapshot, "
			       "or that stands alone";
	return NULL;
}

/* Up to a moment in the middle of a wave. */
static void
cut(struct model *m, const struct prune_plan *plan, size_t at)
{
	uint32_t wave = plan->v[at].wave;

	mark(m, plan);
	for (size_t i = 0; i < plan->n; i++)
		object_of(m, &plan->v[i])->gone = plan->v[i].wave < wave ||
		    (plan->v[i].wave == wave && draw(2));
}

static const char *
exactly(struct model *m, const struct prune_policy *p,
    const struct prune_plan *plan)
{
	enum promise need[OBJECTS] = { NO_PROMISE };
	bool bare[OBJECTS] = { false };

	needed(m, p, need, bare);
	beside(m, need, bare);
	for (int i = 0; i < m->n; i++)
		m->v[i].planned = false;
	for (size_t i = 0; i < plan->n; i++)
		object_of(m, &plan->v[i])->planned = true;
	for (int i = 0; i < m->n; i++) {
		bool stays = need[m->v[i].run] == WHOLE ||
		    (need[m->v[i].run] == ALONE && m->v[i].snapshot);

		if (m->v[i].planned && stays)
			return "nothing goes that is to be kept";
		if (!m->v[i].planned && !stays)
			return "everything else goes";
	}
	return NULL;
}

static void
take(struct model *m, const struct prune_item *it)
{
	const struct history_alone *a;

	if (it->kind != LAYOUT_ALONE) {
		object_of(m, it)->gone = true;
		return;
	}
	if ((a = m->h.alone.v) == NULL)
		return;
	a += it->at;
	for (int i = 0; i < m->n; i++)
		if (m->v[i].snapshot && walpos(m->v[i].index, 0) == a->at &&
		    strcmp(m->id[m->v[i].gen], a->id) == 0)
			m->v[i].alone = false;
}

/* Once it is done there is nothing left to do. */
static const char *
no_more(struct model *m, const struct prune_policy *p)
{
	struct prune_plan plan;
	struct err e;
	size_t n;

	unlist(m);
	list(m);
	if (prune_plan(&m->h, p, &plan, &e) == -1)
		return "a plan behind all";
	n = plan.n + plan.marks;
	prune_plan_release(&plan);
	return n > 0 ? "what a run leaves the next one leaves" : NULL;
}

/* What a killed run left is pruned by the next: and then all is well, too. */
static const char *
again(struct model *m, const struct prune_policy *p)
{
	struct prune_plan plan;
	const char *why = NULL;
	struct err e;

	unlist(m);
	list(m);
	if (prune_plan(&m->h, p, &plan, &e) == -1)
		return "a plan behind a killed run";
	mark(m, &plan);
	for (size_t i = 0; i < plan.n; i++)
		take(m, &plan.v[i]);
	why = holds(m, p, 2);
	if (why == NULL)
		why = no_more(m, p);
	prune_plan_release(&plan);
	return why;
}

static const char *
one(struct model *m, size_t *deleted, size_t *alone)
{
	struct prune_policy p = { 0 };
	struct prune_plan plan;
	const char *why;
	struct err e;

	make(m, &p);
	policy(&p);
	list(m);
	for (int i = 0; i < PRUNE_PERIODS; i++)
		find_periods(m, &p, i);
	remember(m, &p);
	if (prune_plan(&m->h, &p, &plan, &e) == -1)
		return "a plan";
	*deleted += plan.n;
	why = exactly(m, &p, &plan);
	for (int k = 0; k < 6 && plan.n > 0 && why == NULL; k++) {
		cut(m, &plan, draw((unsigned)plan.n));
		why = holds(m, &p, 8);
	}
	for (int i = 0; i < m->n && why == NULL; i++)
		m->v[i].gone = m->v[i].planned;
	if (why == NULL)
		why = holds(m, &p, 1);
	if (why == NULL && plan.n > 0) {
		cut(m, &plan, draw((unsigned)plan.n));
		why = again(m, &p);
	}
	*alone += plan.marks;
	prune_plan_release(&plan);
	unlist(m);
	return why;
}

static void
histories(int n)
{
	static struct model m;
	size_t deleted = 0, alone = 0;
	const char *why = NULL;
	unsigned long long from = tap_seed();
	int i;

	for (i = 0; i < n && why == NULL; i++) {
		seed = (from + (unsigned)i) * 2654435761u;
		why = one(&m, &deleted, &alone);
	}
	ok(why == NULL, "%d random histories%s%s (LSPP_SEED=%llu)", n,
	    why != NULL ? ": not so: " : "", why != NULL ? why : "",
	    from + (unsigned)i - 1);
	ok(deleted > (size_t)n * 10 && alone > (size_t)n / 2,
	    "%zu objects were pruned; %zu snapshots stand alone", deleted,
	    alone);
}

/* -- by hand --------------------------------------------------------------- */

static void
damage(void)
{
	static struct model m;
	struct prune_policy p = { .keep_for_ns = DAY, .now_ns = NOW };
	struct prune_plan plan;
	struct err e;

	memset(&m, 0, sizeof(m));
	seed = 5;
	(void)generation(&m, NOW - 30 * DAY, DAY, 60, false);
	for (int i = m.n - 1; i > 0; i--)
		if (!m.v[i].snapshot && m.v[i].offset == 0) {
			m.v[i].gone = true;
			break;
		}
	list(&m);
	ok(prune_plan(&m.h, &p, &plan, &e) == -1 && plan.n == 0 &&
		e.class == ERR_CORRUPT && strstr(e.msg, "is missing"),
	    "the newest state is damaged: nothing is pruned: %s", e.msg);
	unlist(&m);
	memset(&m, 0, sizeof(m));
	(void)generation(&m, 0, DAY, 60, false);
	list(&m);
	ok(prune_plan(&m.h, &p, &plan, &e) == -1 && plan.n == 0,
	    "objects without a time: nothing is pruned");
	unlist(&m);
}

static void
foreign(void)
{
	static struct model m;
	struct prune_policy p = { .last = 1, .now_ns = NOW };
	struct prune_plan plan;
	int64_t at;
	struct err e;

	memset(&m, 0, sizeof(m));
	seed = 7;
	at = generation(&m, NOW - 300 * DAY, DAY, 60, false);
	(void)generation(&m, at + DAY, DAY, 10, false);
	list(&m);
	m.h.v[0].plain = true;
	ok(prune_plan(&m.h, &p, &plan, &e) == 0, "Litestream's beside ours");
	for (size_t i = 0; i < plan.n; i++)
		if (plan.v[i].generation == 0)
			ok(false, "Litestream's is left");
	ok(plan.foreign > 60, "%llu objects are counted as left",
	    (unsigned long long)plan.foreign);
	prune_plan_release(&plan);
	p.foreign = true;
	ok(prune_plan(&m.h, &p, &plan, &e) == 0 && plan.n > 60 &&
		plan.v[0].why == PRUNE_GENERATION,
	    "with 'foreign' it goes");
	prune_plan_release(&plan);
	unlist(&m);
}

/*
 * Four days: one goes, of one the snapshot stays, two are kept.  What no snapshot
 * leads to any more does not wait for what is behind one that stays.
 */
static void
waves(void)
{
	struct prune_policy p = {
		.now_ns = NOW, .keep_for_ns = DAY / 2, .alone = true
	};
	struct prune_plan plan;
	static struct model m;
	struct err e;
	size_t n = 0;

	p.count[PRUNE_DAILY] = 3;
	layout_new_generation(m.id[m.gens++], (uint8_t[5]){ 1 });
	for (int run = 0; run < 4; run++) {
		int64_t at = NOW - (3 - run) * DAY - DAY / 4;

		m.runs++;
		(void)put(&m, true, (uint32_t)run, 0, 0, at);
		(void)put(&m, false, (uint32_t)run, 0, 4184, at + S);
		(void)put(&m, false, (uint32_t)run, 4184, 4152, at + 2 * S);
	}
	list(&m);
	ok(prune_plan(&m.h, &p, &plan, &e) == 0, "four days");
	is_int(plan.marks, 1, "of one the snapshot stays");
	for (size_t i = 0; i < plan.n; i++) {
		const struct object *o = object_of(&m, &plan.v[i]);

		if (o->snapshot)
			continue;
		n++;
		is_int(plan.v[i].wave, 1 + (o->offset == 0),
		    "wave of segment %u of run %u", o->offset, o->index);
	}
	is_int(n, 4, "of the first two all segments go");
	prune_plan_release(&plan);
	unlist(&m);
}

int
main(void)
{
	damage();
	waves();
	foreign();
	histories(getenv("LSPP_SOAK") != NULL ? 10000 : 400);
	return done();
}
