/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rounds -- which databases should have come in a pass over the fleet?
 *
 * A pass knows what came, not what its scan was asked for.  So the state keeps
 * what came in earlier ones: a round is a pass that comes again and again, by
 * the set of records that it brought last time, a bit for each (base/bits.h).
 * Several may share a state: halves of a fleet in two lines of cron, a few
 * databases more often than the others.  A pass is of the round that it is most
 * like, if it is like any; see rounds_like().
 *
 * Of a pass there did not come: whatever the state knows, but for what came in
 * the last pass of another round.  On a round that has not come for twice its
 * time nobody relies, nor on one that has come but once, for more than a
 * moment: then others answer for what it brought.
 *
 * Fixed in memory: a bit for each record and round.
 *
 * Why it is so:
 *
 * An empty answer means safe only if everything was looked at.  lspp-scan
 * drops what has no header, and what it cannot read: so a database that was
 * emptied or encrypted would leave the fleet without a word.  So at the end of
 * a pass what the state knows and nobody brought is looked at (tier_missing,
 * look): gone is told once, lost each time, and what is left out but there is
 * noted as waiting if it was written to, so that its lag grows as any other's.
 *
 * What should have come?  A pass knows what came, not what its scan was asked
 * for, and several may share a state: two lines of cron for two directories,
 * or patterns; a few databases every minute and all every hour.  Asking each
 * to answer for all would make every pass look at all that others bring.  So
 * the state keeps what came in the last pass of each round, a bit for each
 * record, 12 KB for 100,000: a pass is of the round that it is most like.  Of
 * it is asked what the state knows, less what other rounds brought.  So
 * whatever came in no round is asked of each, and nothing is asked of nobody:
 * a round that has not come for twice its time is not relied on, and what it
 * brought is asked of the others, who find it left out.  That is how a dead
 * second line of cron shows.  Nor is one that came but once, by hand, for
 * longer than two minutes.
 *
 * A few of a round came.  Is it another, or is the rest lost?  Nobody can tell
 * before having looked.  So the rest is looked at: if most of it is well it is
 * another round, and known as such from then on; if not, it is that round in
 * trouble.  Not where a pass brings one in sixteen or less, and the round
 * comes regularly and is not due: else who pipes a few paths each second,
 * always others, would look at a fleet each second.  Nor does a scan that died
 * prove anything: what is true of a file is noted, that it is left out is only
 * said as long as the next pass does not bring it.  After a signal nothing is
 * looked at.
 *
 * If nothing at all came and all is gone, that is a volume that is not
 * mounted, as like as not: it is told in one line, in every pass, and nothing
 * is noted as gone.  Many gone ones of several are noted, since each is a
 * fact, and taken back when they come.
 *
 * What it costs: nothing, if all came in order, since then the index was read
 * without a gap; else one more look through the index.  Lost and gone ones
 * stay with their round, so that one line of cron tells of them.
 */
#ifndef LSPP_STATE_FLEET_ROUNDS_H
#define LSPP_STATE_FLEET_ROUNDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/bits.h"

struct err;
struct state;

struct round {
	int64_t id; /* in the state; 0: not yet */
	int64_t began_ns,
	    period_ns; /* the last pass; between two, 0: only one */
	int64_t upto;  /* later records did not exist then */
	struct bits came;
	bool put, over; /* to be written, to be dropped */
};

enum { ROUNDS_MAX = 16 };

struct rounds {
	int64_t root; /* of the pass, as in struct tiers */
	struct round v[ROUNDS_MAX + 1];
	size_t n;
	bool kept;    /* the state has a place for them */
	int64_t upto; /* the last record when the pass began */
	/* of this pass, by rounds_came() */
	struct bits came;
	bool closed;     /* what is looked up now has not come */
	int64_t seen_ns; /* see rounds_path() */
};

/* What the state has of that root; to be released also after -1. */
int rounds_load(
    struct rounds *r, struct state *st, int64_t root, struct err *e);
void rounds_release(struct rounds *r); /* takes { 0 } */

/* A path of the pass is looked up; then each of its records came.  r may be
 * NULL. */
void rounds_path(struct rounds *r);
void rounds_came(struct rounds *r, int64_t id);
/* Since rounds_path(): when the earliest record last came before; 0: unknown.
 */
int64_t rounds_seen_ns(const struct rounds *r);

/*
 * The round that has most in common with what came; NULL: none has anything.
 * *sure: it is that round's pass, with most of it and few missing.  Else it may
 * be another one, of fewer databases, or that one with many of them lost: who
 * looks at what is missing knows.
 */
struct round *rounds_like(struct rounds *r, bool *sure);

/* Does the round still come, as of a pass that begins now? */
bool round_comes(const struct round *v, int64_t now_ns);

/* What came in the last pass of others than 'mine' that still come. */
void rounds_others(const struct rounds *r, const struct round *mine,
    int64_t now_ns, struct bits *out);

/*
 * The pass that began then was of the round 'mine', or NULL: of a new one.
 * also: records that did not come and are that round's to look at all the same.
 * Rounds that are over go, and what is too much.
 */
void rounds_end(struct rounds *r, struct round *mine, const struct bits *also,
    int64_t began_ns);
/*
 * Keep that, within a transaction, and with another pass that ended meanwhile.
 * st NULL: only here.  A round that was pointed to may be another then.
 */
int rounds_store(struct rounds *r, struct state *st, struct err *e);

#endif
