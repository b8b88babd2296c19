/* SPDX-License-Identifier: Apache-2.0 */
/* What a replica holds, read from a store in memory: objects' ends, histories,
 * plans, and replays of what a plan leads to. */
#include "lib/replica/history.h"
#include "lib/replica/peek.h"
#include "lib/replica/replay.h"
#include "lib/replica/restore_plan.h"
#include "tests/unit/mem_store.h"
#include "tests/unit/tap.h"

/* Snapshot at 100 s; segments at 110, 120; snapshot at 200; segment at 210. */
static void
make(void)
{
	struct mem_history h = { .db = "a.db",
		.generation = "0123456789abcdef" };

	mem_clear();
	mem_snapshot(&h, 3, 1, 100 * S);
	mem_segment(&h, 2, 2, 110 * S);
	mem_segment(&h, 3, 3, 120 * S);
	h.index++;
	mem_snapshot(&h, 3, 4, 200 * S);
	mem_segment(&h, 1, 5, 210 * S);
}

static void
test_peek(void)
{
	struct provenance pv;
	struct err e = { 0 };

	make();
	is_int(peek(&mem_store, SNAPSHOT("0"), &pv, &e), 1, "one of ours");
	is_int(pv.captured_ns / S, 100, "says when it was captured");
	is_int(peek(&mem_store, SNAPSHOT("7"), &pv, &e), -1, "none");
	is_int(e.class, ERR_MISSING, "is missing");
	mem_damage(SNAPSHOT("0"), -20);
	is_int(peek(&mem_store, SNAPSHOT("0"), &pv, &e), -1, "a bent end");
	is_int(e.class, ERR_CORRUPT, "is damage");
	mem_put("x", "abc", 3, 0);
	is_int(peek(&mem_store, "x", &pv, &e), 0, "three bytes say nothing");
	mem_fail = true;
	is_int(peek(&mem_store, SNAPSHOT("0"), &pv, &e), -1, "no answer");
	is_int(e.class, ERR_UNAVAILABLE, "is not damage");
}

static void
test_history(void)
{
	struct history h;
	struct history_time t;
	struct err e = { 0 };
	int64_t from, until;

	make();
	mem_put("a.db/generations/0123456789abcdef/what", "x", 1, 0);
	mem_put("a.db-2/generations/ffffffffffffffff/snapshots/"
		"00000000.snapshot.lz4",
	    "x", 1, 0);
	is_int(history_read(&h, &mem_store, "a.db", NULL, true, &e), 0, "read");
	is_int(mem_lists, 1, "with one listing");
	ok(h.n == 1 && h.v[0].snapshots.n == 2 && h.v[0].segments.n == 3,
	    "of this database alone, all of it");
	is_int(h.unknown, 1, "and what is none of it");
	is_int(history_time(
		   &h, &h.v[0], LAYOUT_SEGMENT, &h.v[0].segments.v[1], &t, &e),
	    0, "a time");
	is_int(t.ns / S, 120, "is that of its capture");
	is_int(history_window(&h, &h.v[0], &from, &until, &e), 0, "window");
	ok(from == 100 * S && until == 210 * S, "from the first to the last");
	history_release(&h);
}

static void
plans(int64_t at_ns, uint32_t snapshot, size_t segments, int64_t until_ns)
{
	struct restore_want w = RESTORE_WANT;
	struct restore_plan p;
	struct err e = { 0 };

	w.at_ns = at_ns;
	w.now_ns = 1000 * S;
	is_int(restore_plan(&mem_store, "a.db", &w, &p, &e), 0, "a plan: %s",
	    e.msg);
	ok(p.snapshot == walpos(snapshot, 0) && p.segments == segments &&
		p.until_ns == until_ns,
	    "snapshot %u and %zu segments until %lld s",
	    walpos_index(p.snapshot), p.segments, (long long)(p.until_ns / S));
	restore_plan_release(&p);
}

static void
test_plan(void)
{
	struct restore_want w = RESTORE_WANT;
	struct restore_plan p;
	struct err e = { 0 };

	make();
	plans(INT64_MAX, 1, 1, 210 * S);
	plans(205 * S, 1, 0, 200 * S);
	plans(199 * S, 0, 2, 120 * S);
	plans(115 * S, 0, 1, 110 * S);
	plans(100 * S, 0, 0, 100 * S);
	w.at_ns = 99 * S;
	is_int(restore_plan(&mem_store, "a.db", &w, &p, &e), -1, "nothing");
	is_int(e.class, ERR_MISSING, "is as old");
	restore_plan_release(&p);
	/* A hole is told, and not stepped over. */
	mem_remove(SEGMENT("0", "00000000"));
	w.at_ns = 125 * S;
	is_int(restore_plan(&mem_store, "a.db", &w, &p, &e), -1, "a hole");
	is_int(e.class, ERR_CORRUPT, "%s", e.msg);
	restore_plan_release(&p);
}

/* Without a file it is known what a restore would have. */
static void
test_replay(void)
{
	struct object_dec *dec = object_dec_new();
	struct provenance pv;
	struct replay r;
	struct err e = { 0 };
	bool has;

	make();
	replay_init(&r, "/tmp");
	is_int(replay_begin(&r, true, true, &e), 0, "begin");
	object_dec_begin(dec, replay_snapshot, &r, OBJECT_SNAPSHOT_MAX);
	is_int(mem_get(&mem_store, SNAPSHOT("0"), 0, UINT64_MAX,
		   object_dec_feed, dec, &e),
	    0, "a snapshot");
	is_int(object_dec_finish(dec, &pv, &has, &e), 0, "unpacked");
	is_int(replay_snapshot_end(&r, &e), 0, "is whole");
	ok(has && r.pages == pv.pages && pagesum_equal(r.total, pv.sum),
	    "and has the sum that it says");
	replay_release(&r);
	object_dec_free(dec);
}

int
main(void)
{
	test_peek();
	test_history();
	test_plan();
	test_replay();
	mem_clear();
	return done();
}
