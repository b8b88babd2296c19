/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune_kit -- a model of a replica for prune_test: random histories as
 * lspp-ship makes them, and what lspp-restore and litestream 0.3.13 restore.
 */
#ifndef LSPP_TESTS_UNIT_PRUNE_KIT_H
#define LSPP_TESTS_UNIT_PRUNE_KIT_H

#include <string.h>

#include "lib/prune/prune.h"
#include "lib/replica/wal/layout.h"
#include "tests/unit/draw_kit.h"

#define S    INT64_C(1000000000)
#define DAY  (86400 * S)
#define NOW  (20783 * DAY) /* 2026-11-26 */
#define LAST INT64_MAX

enum { GENERATIONS = 5, OBJECTS = 400 };

/* -- the model of a replica ------------------------------------------------ */

struct object {
	int gen;
	bool snapshot;
	uint32_t index, offset, length;
	int64_t at; /* its time */
	int content;
	int run;        /* numbered through all generations */
	int head, next; /* objects: its run's snapshot; what came next */
	bool gone, planned;
	bool alone; /* a snapshot that is said to stand alone */
	uint32_t wave;
};

struct model {
	struct object v[OBJECTS];
	int n, runs, gens, content;
	bool lspp[GENERATIONS];
	char id[GENERATIONS][POS_LINE];
	struct history h;
};

static struct object *
put(struct model *m, bool snapshot, uint32_t index, uint32_t offset,
    uint32_t length, int64_t at)
{
	struct object *o = &m->v[m->n++];

	*o = (struct object){ .gen = m->gens - 1,
		.snapshot = snapshot,
		.index = index,
		.offset = offset,
		.length = length,
		.at = at,
		.content = m->content,
		.run = m->runs - 1,
		.next = -1 };
	return o;
}

/* A generation as lspp-ship makes it, from 'at' on; returns its end. */
static int64_t
generation(struct model *m, int64_t at, int64_t pace, int steps, bool end)
{
	uint32_t index = 0, offset = 0, length;
	int last, head, since = 0;

	layout_new_generation(m->id[m->gens],
	    (uint8_t[5]){ (uint8_t)m->gens, (uint8_t)draw(256) });
	m->gens++;
	m->runs++;
	m->content++;
	last = head = m->n;
	put(m, true, 0, 0, 0, at)->head = head;
	while (steps-- > 0 && m->n < OBJECTS - 2 * GENERATIONS) {
		at +=
		    1 + (int64_t)(draw(1000) * (unsigned long long)pace / 500);
		length = 4152 * (1 + draw(3)) + (offset == 0 ? 32 : 0);
		m->content++;
		m->v[last].next = m->n;
		last = m->n;
		put(m, false, index, offset, length, at)->head = head;
		offset += length;
		if (draw(12) == 0) { /* --roll-at */
			index++;
			offset = 0;
		}
		if (++since > 1 + (int)draw(20)) {
			since = 0;
			index += offset > 0;
			offset = 0;
			m->runs++;
			last = head = m->n; /* recorded with its segment */
			put(m, true, index, 0, 0, at)->head = head;
		}
	}
	if (end) {
		m->v[last].next = m->n;
		put(m, false, index, offset, 0, at)->head = head;
	}
	return at;
}

static void
make(struct model *m, struct prune_policy *p)
{
	int64_t at = NOW - (int64_t)(1 + draw(400)) * DAY;
	int64_t pace = DAY / 300 * (1 + draw(draw(2) ? 300 : 2000));
	int gens = 1 + (int)draw(GENERATIONS);

	memset(m, 0, sizeof(*m));
	while (m->gens < gens) {
		at = generation(m, at, pace, (int)draw(90), m->gens + 1 < gens);
		at += 1 +
		    (int64_t)draw(2) * DAY * draw(20); /* nothing for long */
	}
	/* The clock was wrong, forwards or backwards. */
	p->now_ns = at + ((int64_t)draw(14 * 24) - 48) * DAY / 24;
}

static void
policy(struct prune_policy *p)
{
	p->keep_for_ns = draw(3) == 0 ? (int64_t)draw(40) * DAY : -1;
	p->grace_ns = draw(3) == 0 ? 0 : (int64_t)draw(72) * 3600 * S;
	p->last = draw(3) == 0 ? 1 + draw(8) : 0;
	p->alone = draw(4) > 0;
	for (int i = 0; i < PRUNE_PERIODS; i++)
		p->count[i] = draw(3) == 0 ? 1 + draw(10) : 0;
	if (!prune_policy_any(p))
		p->keep_for_ns = DAY;
}

/* -- what lspp-restore and litestream would do ----------------------------- */

enum { NOTHING = -1, BROKEN = -2 };

static bool
is_there(const struct object *o, int gen, int64_t t)
{
	return !o->gone && o->gen == gen && o->at <= t;
}

/* From snapshot s of what is there at t: the object it ends at, or BROKEN. */
static int
follow(const struct model *m, int s, int64_t t)
{
	uint32_t index = m->v[s].index, offset = 0;
	int last = s;

	if (m->v[s].alone)
		return s;
	for (int i = 0; i < m->n; i++) {
		const struct object *o = &m->v[i];

		if (!is_there(o, m->v[s].gen, t) || o->snapshot ||
		    o->index < m->v[s].index)
			continue;
		if (o->index == index + 1 && o->offset == 0 && offset > 0) {
			index++;
			offset = 0;
		}
		if (o->index != index || o->offset != offset)
			return BROKEN;
		offset += o->length;
		last = i;
	}
	return last;
}

/* The object that a restore of t ends at; *from: the snapshot. */
static int
restore(const struct model *m, int64_t t, int *from)
{
	int best = NOTHING, end, s;

	*from = NOTHING;
	for (int g = 0; g < m->gens; g++) {
		s = NOTHING;
		for (int i = 0; i < m->n; i++)
			if (is_there(&m->v[i], g, t) && m->v[i].snapshot)
				s = i;
		if (s == NOTHING)
			continue;
		if ((end = follow(m, s, t)) == BROKEN)
			return BROKEN;
		if (best == NOTHING || m->v[end].at >= m->v[best].at) {
			best = end;
			*from = s;
		}
	}
	return best;
}

/* The generation that 0.3.13 takes: it spans t, and was written last. */
static int
choose_03(const struct model *m, int64_t t)
{
	int64_t from, to, best = INT64_MIN;
	int choice = NOTHING;

	for (int g = 0; g < m->gens; g++) {
		from = INT64_MAX;
		to = INT64_MIN;
		for (int i = 0; i < m->n; i++) {
			if (!is_there(&m->v[i], g, LAST))
				continue;
			from = m->v[i].at < from ? m->v[i].at : from;
			to = m->v[i].at > to ? m->v[i].at : to;
		}
		if (from == INT64_MAX || (t != LAST && (t < from || t > to)) ||
		    to <= best)
			continue;
		best = to;
		choice = g;
	}
	return choice;
}

/* The contents that 0.3.13 restores, or BROKEN. */
static int
restore_03(const struct model *m, int64_t t)
{
	int g = choose_03(m, t), s = NOTHING, end;
	uint32_t index = UINT32_MAX, max = 0;
	bool wal = false;

	for (int i = 0; i < m->n; i++)
		if (is_there(&m->v[i], g, t) && m->v[i].snapshot)
			s = i;
	if (s == NOTHING)
		return BROKEN;
	for (int i = 0; i < m->n; i++) {
		const struct object *o = &m->v[i];

		if (o->gone || o->gen != g || o->snapshot)
			continue;
		if (o->at > t)
			break;
		if (o->index != index && o->offset != 0)
			return BROKEN; /* missing initial wal segment */
		wal = true;
		max = index = o->index;
	}
	if (wal && max + 1 < m->v[s].index)
		return BROKEN; /* panic: makechan */
	end = follow(m, s, t);
	return end < 0 ? end : m->v[end].content;
}

#endif
