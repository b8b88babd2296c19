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

/* Is t in one of the newest n periods, behind the last state in it? */
static bool
in_period(const struct model *m, enum prune_period which, uint32_t n, int64_t t,
    int64_t as_of)
{
	char wanted[32], name[32], last[32] = "";
	uint32_t seen = 0;
	int at;

	if (t > as_of || (at = current(m, t)) == NOTHING)
		return false;
	period_name(which, m->v[at].at, wanted);
	period_name(which, t, name);
	if (strcmp(wanted, name) != 0)
		return false;
	for (int i = m->n - 1; i >= 0 && seen <= n; i--) {
		if (m->v[i].at > as_of)
			continue;
		period_name(which, m->v[i].at, name);
		seen += strcmp(name, last) != 0;
		memcpy(last, name, sizeof(last));
		if (strcmp(name, wanted) == 0)
			return seen <= n && m->v[i].at <= t;
	}
	return false;
}

static bool
promised(const struct model *m, const struct prune_policy *p, int64_t t)
{
	int64_t as_of = p->now_ns - p->grace_ns, from = as_of;
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
		return true;
	for (int i = 0; i < PRUNE_PERIODS; i++)
		if (p->count[i] > 0 &&
		    in_period(m, (enum prune_period)i, p->count[i], t, as_of))
			return true;
	return false;
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
needed(
    const struct model *m, const struct prune_policy *p, bool *need, bool *bare)
{
	int end, from;

	for (int i = 0; i < 3 * m->n + 4; i++) {
		int64_t t = moment(m, p, i);

		if (!promised(m, p, t) || (end = restore(m, t, &from)) < 0)
			continue;
		need[m->v[from].run] = true;
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
beside(const struct model *m, bool *need, const bool *bare)
{
	bool wal = false, any = false;

	for (int r = 0; r < m->runs; r++) {
		bool first = r == 0 || gen_of(m, r - 1) != gen_of(m, r);
		bool last =
		    r + 1 == m->runs || gen_of(m, r + 1) != gen_of(m, r);

		if (first)
			wal = any = false;
		if (need[r] && bare[r] && wal && !first)
			need[r - 1] = true;
		wal |= need[r] && has_wal(m, r);
		any |= need[r];
		need[r] |= last && any;
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

		if (t != LAST && rnd(one_in) > 0)
			continue;
		if (!promised(m, p, t))
			continue;
		if (contents(m, t) != before[i])
			return "lspp-restore restores what is promised";
		if (before_03[i] == before[i] && restore_03(m, t) != before[i])
			return "litestream restores what is promised";
	}
	for (int i = 0; i < m->n; i++)
		if (m->v[i].next >= 0 && !m->v[m->v[i].head].gone &&
		    m->v[m->v[i].next].gone)
			return "what follows a record outlives its snapshot";
	return NULL;
}

/* Up to a moment in the middle of a wave. */
static void
cut(struct model *m, const struct prune_plan *plan, size_t at)
{
	uint32_t wave = plan->v[at].wave;

	for (size_t i = 0; i < plan->n; i++)
		object_of(m, &plan->v[i])->gone = plan->v[i].wave < wave ||
		    (plan->v[i].wave == wave && rnd(2));
}

static const char *
exactly(struct model *m, const struct prune_policy *p,
    const struct prune_plan *plan)
{
	bool need[OBJECTS] = { false }, bare[OBJECTS] = { false };

	needed(m, p, need, bare);
	beside(m, need, bare);
	for (int i = 0; i < m->n; i++)
		m->v[i].planned = false;
	for (size_t i = 0; i < plan->n; i++)
		object_of(m, &plan->v[i])->planned = true;
	for (int i = 0; i < m->n; i++)
		if (m->v[i].planned && need[m->v[i].run])
			return "nothing goes that is to be kept";
		else if (!m->v[i].planned && !need[m->v[i].run])
			return "everything else goes";
	return NULL;
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
	for (size_t i = 0; i < plan.n; i++)
		object_of(m, &plan.v[i])->gone = true;
	why = holds(m, p, 2);
	prune_plan_release(&plan);
	return why;
}

static const char *
one(struct model *m, size_t *deleted)
{
	struct prune_policy p = { 0 };
	struct prune_plan plan;
	const char *why;
	struct err e;

	make(m, &p);
	policy(&p);
	list(m);
	remember(m, &p);
	if (prune_plan(&m->h, &p, &plan, &e) == -1)
		return "a plan";
	*deleted += plan.n;
	why = exactly(m, &p, &plan);
	for (int k = 0; k < 6 && plan.n > 0 && why == NULL; k++) {
		cut(m, &plan, rnd((unsigned)plan.n));
		why = holds(m, &p, 8);
	}
	if (why == NULL && plan.n > 0)
		why = again(m, &p);
	for (int i = 0; i < m->n; i++)
		m->v[i].gone = m->v[i].planned;
	if (why == NULL)
		why = holds(m, &p, 1);
	prune_plan_release(&plan);
	unlist(m);
	return why;
}

static void
histories(int n)
{
	static struct model m;
	size_t deleted = 0;
	const char *why = NULL;
	unsigned long long from = tap_seed();
	int i;

	for (i = 0; i < n && why == NULL; i++) {
		seed = (from + (unsigned)i) * 2654435761u;
		why = one(&m, &deleted);
	}
	ok(why == NULL, "%d random histories%s%s (LSPP_SEED=%llu)", n,
	    why != NULL ? ": not so: " : "", why != NULL ? why : "",
	    from + (unsigned)i - 1);
	ok(deleted > (size_t)n * 10, "%zu objects were pruned", deleted);
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

int
main(void)
{
	damage();
	foreign();
	histories(getenv("LSPP_SOAK") != NULL ? 10000 : 400);
	return done();
}
