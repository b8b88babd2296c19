/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model of times: what a restore takes of random histories, of lspp's
 * generations and Litestream's between them, under clocks that are off by days,
 * in replicas that were copied, pruned and lost in part.  In some a clock was
 * ahead for a while and was set right; what is pruned by a policy is pruned by
 * lspp-prune's own plan.
 *
 * Whatever it takes is the state that was asked for, or has status 3, or it is
 * refused; and what a policy promised is as it was before.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/prune/prune.h"
#include "lib/restore/restore.h"
#include "tests/unit/tap.h"
#include "tests/unit/times_kit.h"

/* -- what becomes of a replica --------------------------------------------- */

static void
copy(void)
{
	m.copied = true;
	for (int i = 0; i < m.n; i++)
		m.v[i].mtime_ns = m.now + (int64_t)draw(1000000) * S;
}

/* Runs of ours go, but for the last one of what stays; or all of one. */
static void
prune(void)
{
	for (int g = 0; g < m.gens; g++) {
		bool all = m.g[g].own && draw(4) == 0;

		for (int run = 0; m.g[g].own && run <= m.g[g].run; run++) {
			if (!all && (run == m.g[g].run || draw(2)))
				continue;
			for (int i = 0; i < m.n; i++)
				if (m.v[i].gen == g &&
				    m.v[i].name.kind != LAYOUT_OWNER &&
				    (int)walpos_index(m.v[i].name.at) == run)
					m.v[i].gone = true;
		}
	}
}

static int alone;
static bool killed; /* the last prune, in the middle */

/* What is to stand alone is said before anything goes. */
static void
mark(const struct prune_db *db)
{
	for (size_t k = 0; k < db->plan.marks; k++) {
		const struct prune_mark *a = &db->plan.mark[k];
		const struct history_generation *g = &db->h.v[a->generation];
		const struct history_object *o = &g->snapshots.v[a->at];
		struct object *now = &m.v[m.n++];
		struct buf key = { 0 };

		history_key(&db->h, g, LAYOUT_ALONE, o, &key);
		*now = (struct object){ .gen = -1,
			.name = { LAYOUT_ALONE, o->at },
			.mtime_ns = m.now + m.theirs,
			.key = xstrdup(buf_str(&key)) };
		buf_release(&key);
		alone++;
	}
}

/* What lspp-prune takes by a policy, or that up to where it is killed; -1:
 * nothing, for it refuses. */
static int
prune_by(const struct prune_policy *p)
{
	struct prune_db *db = prune_db_new(&store, "db");
	uint32_t until = UINT32_MAX;
	struct buf key = { 0 };
	int rc;

	prune_db_load(db);
	prune_db_plan(db, p);
	rc = db->rc;
	if (rc == 0)
		mark(db);
	if (rc == 0 && db->plan.n > 0 && draw(2))
		until = db->plan.v[draw((unsigned)db->plan.n)].wave;
	killed = until != UINT32_MAX;
	for (size_t k = 0; rc == 0 && k < db->plan.n; k++) {
		const struct prune_item *it = &db->plan.v[k];

		(void)prune_item_key(db, it, &key);
		for (int i = 0; i < m.n; i++)
			if (strcmp(m.v[i].key, buf_str(&key)) == 0)
				m.v[i].gone |= it->wave < until ||
				    (it->wave == until && draw(2));
	}
	buf_release(&key);
	prune_db_free(db);
	return rc;
}

/* -- what is right --------------------------------------------------------- */

/* The content at that true time, whether it is there still or not. */
static int
right(int64_t at)
{
	int content = 0;

	for (int i = 0; i < m.n; i++)
		if (m.v[i].at > 0 && m.v[i].at <= at)
			content = m.v[i].content;
	return content;
}

/* Clocks that differ by a minute are as one, where one went back. */
static bool
is_right(int content, int64_t at)
{
	int64_t about = m.back && at != INT64_MAX ? JUMP_STEP_NS : 0;

	return content >= right(at - about) && content <= right(at + about);
}

/* Where a plan leads to. */
static const struct object *
led_to(const struct restore_plan *p)
{
	const struct object *best = NULL;
	size_t n = p->segments;

	for (int i = 0; i < m.n; i++) {
		const struct object *o = &m.v[i];
		bool in = o->name.kind == LAYOUT_SNAPSHOT &&
		    o->name.at == p->snapshot;

		if (o->gone || o->at == 0 || o->gen < 0 ||
		    strcmp(m.g[o->gen].id, p->generation) != 0)
			continue;
		for (size_t k = 0; k < n; k++)
			in = in ||
			    (o->name.kind == LAYOUT_SEGMENT &&
				o->name.at == p->segment[k].at);
		if (in && (best == NULL || o->content >= best->content))
			best = o;
	}
	return best;
}

static int told, earlier, refused, pruned;

/* A time by the clock of whoever ships; INT64_MAX: the newest. */
static const char *
ask(int64_t at)
{
	struct restore_want w = RESTORE_WANT;
	const struct object *o;
	struct restore_plan p;
	const char *why = NULL;
	struct err e;
	int64_t truth = at == INT64_MAX ? INT64_MAX : at - m.ours;

	w.at_ns = at;
	w.now_ns = m.now + m.ours + m.later;
	if (restore_plan(&store, "db", &w, &p, &e) == -1) {
		refused++;
	} else if ((o = led_to(&p)) == NULL) {
		why = "a plan leads somewhere";
	} else if (p.earlier) {
		earlier++;
		if (m.sure && at == INT64_MAX)
			why = "nothing is earlier where nothing is lost";
		if (m.own && o->content > right(truth))
			why = "what has 3 is no newer than asked";
	} else if (m.g[o->gen].own || (at == INT64_MAX && !m.copied)) {
		told++;
		if (!is_right(o->content, truth))
			why = "status 0 is for what was asked for";
	} else {
		/* What Litestream wrote counts from when it was stored; where
		 * there is nothing else, also among its generations, as it has
		 * that itself. */
		for (int i = 0; i < m.n; i++)
			if (m.v[i].at > 0 && m.g[m.v[i].gen].own &&
			    m.v[i].at <= truth)
				why = "lspp had gone on by then";
	}
	restore_plan_release(&p);
	return why;
}

/* The content that a time leads to; 0: none, or, if only what is certain
 * counts, one with status 3. */
static int
content_of(int64_t at, bool certain)
{
	struct restore_want w = RESTORE_WANT;
	const struct object *o = NULL;
	struct restore_plan p;
	struct err e;

	w.at_ns = at;
	w.now_ns = m.now + m.ours + m.later;
	if (restore_plan(&store, "db", &w, &p, &e) == 0 &&
	    (!certain || !p.earlier))
		o = led_to(&p);
	restore_plan_release(&p);
	return o == NULL ? 0 : o->content;
}

static int
content_at(int64_t at)
{
	return content_of(at, true);
}

/*
 * Does it lead there as before?  What a prune that was killed has left of another
 * generation may look newer where a clock went back: then the same state comes,
 * with status 3, until the next prune.
 */
static bool
leads_to(int64_t at, int content)
{
	return content_at(at) == content ||
	    (killed && m.back && content_of(at, false) == content);
}

static bool
stands_alone(const struct object *o)
{
	for (int i = 0; i < m.n; i++)
		if (m.v[i].name.kind == LAYOUT_ALONE && !m.v[i].gone &&
		    o->name.kind == LAYOUT_SNAPSHOT &&
		    m.v[i].name.at == o->name.at &&
		    strstr(m.v[i].key, m.g[o->gen].id) != NULL)
			return true;
	return false;
}

/* A policy keeps what it promised: every state of so long. */
static const char *
keeps(void)
{
	struct prune_policy p = { .now_ns = m.now + m.ours + m.later,
		.grace_ns = (int64_t)draw(72) * 3600 * S,
		.alone = draw(4) > 0,
		.keep_for_ns = draw(3) ? (int64_t)draw(60) * DAY : -1 };
	int64_t from = p.now_ns - p.grace_ns, at;
	int before[OBJECTS], now;

	for (int i = 0; i < PRUNE_PERIODS; i++)
		p.count[i] = draw(2) ? 1 + draw(10) : 0;
	if (!prune_policy_any(&p))
		p.last = 1;
	from -= p.keep_for_ns > 0 ? p.keep_for_ns : 0;
	/* One that was ahead for longer than by how much leaves no trace: then
	 * what is told is not right before either. */
	for (int i = 0; i < m.n; i++)
		before[i] = m.blind ? 0 : content_at(m.v[i].at + m.ours);
	if (prune_by(&p) == -1)
		return NULL;
	pruned++;
	for (int i = 0; i < m.n; i++) {
		at = m.v[i].at + m.ours;
		if (m.v[i].at > 0 && at >= from && before[i] != 0 &&
		    !leads_to(at, before[i]))
			return "what was promised is kept";
		/* Of a clock that was ahead it is not told for certain. */
		now = content_at(at);
		if (m.v[i].at > 0 && stands_alone(&m.v[i]) && before[i] != 0 &&
		    now != before[i] && (now != 0 || !(m.back || m.ahead > 0)))
			return "a snapshot that stands alone is its state";
	}
	return NULL;
}

static bool
any_gone(void)
{
	for (int i = 0; i < m.n; i++)
		if (m.v[i].gone && !m.v[i].end)
			return true;
	return false;
}

static const char *
one(void)
{
	const char *why = NULL;

	history();
	m.own = true;
	for (int g = 0; g < m.gens; g++)
		m.own = m.own && m.g[g].own;
	m.sure = m.own;
	if (m.policy) {
		why = keeps();
	} else if (draw(2)) {
		prune();
		m.sure = false;
	}
	if (draw(2))
		copy();
	if (why == NULL)
		why = ask(INT64_MAX);
	/* A clock that is ahead until now leaves no trace, nor does one that
	 * went back where that is pruned. */
	if (m.blind || m.ahead > 0 || (m.back && any_gone()))
		goto out;
	for (int i = 0; i < m.n && why == NULL; i++)
		for (int k = -1; k < 2 && why == NULL; k++)
			if (m.v[i].at > 0 && draw(3) == 0)
				why = ask(m.v[i].at + m.ours + k);
out:
	for (int i = 0; i < m.n; i++) {
		free(m.v[i].key);
		buf_release(&m.v[i].bytes);
	}
	memset(&m, 0, sizeof(m));
	return why;
}

int
main(void)
{
	int n = getenv("LSPP_SOAK") != NULL ? 10000 : 400, i;
	const char *why = NULL;

	seed = tap_seed();
	buf_add(&page, "a state", 7);
	for (int k = 0; k < 512; k++)
		buf_add(&page, (uint8_t[]){ (uint8_t)draw(256) }, 1);
	for (i = 0; i < n && why == NULL; i++)
		why = one();
	ok(why == NULL, "%d random histories%s%s", i,
	    why != NULL ? ": not so: " : "", why != NULL ? why : "");
	ok(told > n && earlier > n / 10 && refused > 0 && pruned > n / 10 &&
		alone > n / 10,
	    "%d with 0, %d with 3, %d refused; %d pruned by a policy, %d "
	    "snapshots alone",
	    told, earlier, refused, pruned, alone);
	buf_release(&page);
	return done();
}
