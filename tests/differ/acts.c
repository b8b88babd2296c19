/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a database. */
#include "tests/differ/differ.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROOM = 400000, SQL_ROOM = 400 };

static const char *const journals[] = { "wal", "delete", "truncate", "persist",
	"memory", "off" };

static bool
is(const struct scribe *s, const char *journal)
{
	return strcmp(s->journal, journal) == 0;
}

/* A killed transaction leaves nothing that it could be rolled back by. */
static bool
is_frail(const struct scribe *s)
{
	return is_in_memory(s->journal);
}

/* Or SQLite does not do so: to itself its own lock file looks like that of a
 * live writer. */
static bool
must_not_die(const struct round *r, const struct scribe *s)
{
	return is_frail(s) || strcmp(r->lock, "dotfile") == 0;
}

/* It can be read whatever state a writer is in, also a dead one. */
static bool
rests_well(const struct round *r, const struct scribe *s)
{
	return is(s, "wal") && strcmp(r->lock, "normal") == 0;
}

static struct scribe *
any(struct round *r)
{
	return &r->s[below(r, (unsigned)r->slots)];
}

static bool
others_txn(struct round *r, const struct scribe *s)
{
	for (int i = 0; i < r->slots; i++)
		if (r->s[i].txn && &r->s[i] != s)
			return true;
	return false;
}

static void
ask_journal(struct round *r, struct scribe *s)
{
	char mode[sizeof(s->reply)];

	if (!ask(r, s, "exec PRAGMA journal_mode"))
		return;
	memcpy(mode, s->reply, sizeof(mode));
	(void)snprintf(s->journal, sizeof(s->journal), "%.10s", mode);
}

/* One that may write: who has a reader's transaction ends it.  Waits for no
 * lock that will not go away. */
static struct scribe *
ready(struct round *r)
{
	struct scribe *s = any(r);

	scribe_open(r, s);
	if (s->txn)
		ask(r, s, "exec COMMIT");
	s->txn = false;
	ask(r, s, "exec PRAGMA busy_timeout = %d",
	    others_txn(r, s) ? 20 : 3000);
	ask(r, s, "exec SELECT count(*) FROM sqlite_master");
	ask_journal(r, s);
	return s;
}

/* It may be under way: what was there and what is are both right until a
 * scribe has looked. */
static void
moved(struct round *r, struct scribe *s)
{
	r->moved_ns = now_ns();
	if (!learn(r, s))
		r->unsure = true;
}

static void
change_journal(struct round *r, struct scribe *s, const char *to)
{
	if (strcmp(to, "off") == 0 && others_txn(r, s))
		return;
	if (is_out_of_sight(r) && is_in_memory(to))
		return;
	ask(r, s, "exec PRAGMA journal_mode = %s", to);
	ask_journal(r, s);
	moved(r, s);
}

/* ---- SQL */

static const char *
some_rows(struct round *r, char *sql)
{
	static const unsigned sizes[] = { 10, 100, 300, 700, 3000, 40000 };
	unsigned size = sizes[below(r, chance(r, 15) ? 6 : 4)];

	(void)snprintf(sql, SQL_ROOM,
	    "INSERT INTO t%u(b, c) WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL "
	    "SELECT i + 1 FROM n WHERE i < %u) SELECT i, randomblob(%u) FROM n",
	    below(r, 3), 1 + below(r, size > 900 ? 4 : 60), size);
	return sql;
}

static const char *
a_change(struct round *r, char *sql)
{
	unsigned table = below(r, 3), from = below(r, 300);
	unsigned size = 10 + below(r, 900);

	switch (below(r, 5)) {
	case 0:
		(void)snprintf(sql, SQL_ROOM,
		    "UPDATE t%u SET c = randomblob(%u), b = b + 1 WHERE a "
		    "BETWEEN %u AND %u",
		    table, size, from, from + below(r, 60));
		break;
	case 1:
		(void)snprintf(sql, SQL_ROOM,
		    "DELETE FROM t%u WHERE a BETWEEN %u AND %u", table, from,
		    from + below(r, 60));
		break;
	case 2:
		(void)snprintf(sql, SQL_ROOM,
		    "UPDATE t%u SET c = zeroblob(%u) WHERE a %% 17 = %u", table,
		    size, below(r, 17));
		break;
	case 3:
		(void)snprintf(sql, SQL_ROOM,
		    "UPDATE t%u SET b = b + 1 WHERE a = %u", table, from);
		break;
	default:
		(void)snprintf(sql, SQL_ROOM,
		    "REPLACE INTO t%u VALUES(%u, 'x', hex(randomblob(%u)))",
		    table, from, size);
	}
	return sql;
}

static const char *
a_definition(struct round *r, char *sql)
{
	static const char *const of[] = {
		"CREATE INDEX IF NOT EXISTS t0_c ON t0(c)",
		"DROP INDEX IF EXISTS t0_c",
		"CREATE TABLE IF NOT EXISTS t3(a INTEGER PRIMARY KEY, b, c)",
		"INSERT INTO t1(b, c) SELECT b, c FROM t0 LIMIT 50",
		"DROP TABLE IF EXISTS t3",
		"CREATE INDEX IF NOT EXISTS t1_b ON t1(b, c)",
		"DROP INDEX IF EXISTS t1_b",
		"PRAGMA incremental_vacuum(3)",
	};

	if (chance(r, 15))
		(void)snprintf(
		    sql, SQL_ROOM, "PRAGMA user_version = %u", below(r, 99999));
	else
		(void)snprintf(sql, SQL_ROOM, "%s", of[below(r, 8)]);
	return sql;
}

static const char *
any_sql(struct round *r, char *sql)
{
	if (chance(r, 35))
		return some_rows(r, sql);
	return chance(r, 85) ? a_change(r, sql) : a_definition(r, sql);
}

/* It must not outgrow what can be looked at often. */
static bool
is_large(struct round *r, struct scribe *s)
{
	long pages, size;

	ask(r, s, "exec PRAGMA page_count");
	pages = strtol(s->reply, NULL, 10);
	ask(r, s, "exec PRAGMA page_size");
	size = strtol(s->reply, NULL, 10);
	return pages > 16 && pages * size > ROOM;
}

/* One statement, or a step among savepoints, of which depth are open. */
static bool
step_in(struct round *r, struct scribe *s, int *depth, bool undo)
{
	char sql[SQL_ROOM];

	if (chance(r, 15) && *depth < 4)
		return ask(r, s, "exec SAVEPOINT s%d", ++*depth);
	if (chance(r, 15) && *depth > 0 && undo)
		return ask(r, s, "exec ROLLBACK TO s%d", *depth);
	if (chance(r, 8) && *depth > 0)
		return ask(r, s, "exec RELEASE s%d", (*depth)--);
	return ask(r, s, "exec %s", any_sql(r, sql));
}

static void
end(struct round *r, struct scribe *s, bool good, bool undo)
{
	good = good && (!undo || chance(r, 85)) && ask(r, s, "exec COMMIT");
	if (!good)
		ask(r, s, "exec ROLLBACK");
	s->txn = false;
	moved(r, s);
	if (r->each)
		scribe_close(r, s);
}

void
transact(struct round *r, bool looked_at)
{
	struct scribe *s = ready(r);
	bool undo = !is(s, "off"), large = is_large(r, s), good;
	int depth = 0;

	if (!undo && others_txn(r, s))
		return;
	good = ask(
	    r, s, "exec BEGIN%s", !undo || chance(r, 70) ? " IMMEDIATE" : "");
	s->txn = good;
	for (int i = 0, n = 1 + (int)below(r, 9); good && i < n; i++) {
		good = large && i == 0
		    ? ask(r, s, "exec DELETE FROM t%u WHERE a %% 3 > 0",
			  below(r, 3))
		    : step_in(r, s, &depth, undo);
		r->moved_ns = now_ns();
		if (good && looked_at && chance(r, 4)) {
			if (r->slow && chance(r, 20) && rests_well(r, s))
				look_rested(r);
			else
				look(r, LOOK_STILL);
		}
		if (r->fault != NULL)
			return;
	}
	if (large && good)
		good = ask(
		    r, s, "exec DELETE FROM t%u WHERE a %% 3 > 0", below(r, 3));
	end(r, s, good, undo);
}

void
settle(struct round *r)
{
	for (int i = 0; i < r->slots; i++) {
		if (r->s[i].txn)
			ask(r, &r->s[i], "exec COMMIT");
		r->s[i].txn = false;
	}
	if (r->unsure && !learn(r, &r->s[0]))
		die("not readable: %s", r->s[0].reply);
}

void
create(struct round *r)
{
	struct scribe *s = &r->s[0];

	for (int i = 0; i < r->slots; i++)
		scribe_start(r, &r->s[i]);
	scribe_open(r, s);
	ask(r, s, "exec PRAGMA page_size = %u", 512U << below(r, 8));
	ask(r, s, "exec PRAGMA auto_vacuum = %u", below(r, 3));
	ask(r, s, "exec PRAGMA journal_mode = %s", r->journal);
	for (int i = 0; i < 3; i++)
		if (!ask(r, s,
			"exec CREATE TABLE IF NOT EXISTS t%d(a INTEGER PRIMARY "
			"KEY, b, c)",
			i))
			die("cannot create: %s", s->reply);
	moved(r, s);
}

/* ---- what else happens */

static void
checkpoint(struct round *r)
{
	static const char *const modes[] = { "PASSIVE", "FULL", "RESTART",
		"TRUNCATE" };
	struct scribe *s = ready(r);

	ask(r, s, "exec PRAGMA wal_checkpoint(%s)", modes[below(r, 4)]);
	r->moved_ns = now_ns();
}

static void
tune(struct round *r)
{
	static const char *const of[] = { "journal_size_limit = 0",
		"journal_size_limit = 5000", "journal_size_limit = -1",
		"wal_autocheckpoint = 0", "wal_autocheckpoint = 1",
		"wal_autocheckpoint = 20", "wal_autocheckpoint = 1000",
		"cache_size = 1", "cache_size = 5", "cache_size = 2000",
		"cache_spill = 1", "cache_spill = OFF", "mmap_size = 1000000",
		"mmap_size = 0", "synchronous = OFF", "synchronous = NORMAL",
		"synchronous = FULL", "secure_delete = ON",
		"locking_mode = NORMAL" };
	struct scribe *s = ready(r);

	ask(r, s, "exec PRAGMA %s",
	    of[below(r, strcmp(r->lock, "exclusive") == 0 ? 19 : 18)]);
	r->moved_ns = now_ns();
}

static void
vacuum(struct round *r)
{
	struct scribe *s = ready(r);

	if (others_txn(r, s))
		return;
	if (chance(r, 25))
		ask(r, s, "exec PRAGMA auto_vacuum = %u", below(r, 3));
	if (chance(r, 10))
		ask(r, s, "exec PRAGMA page_size = %u", 512U << below(r, 8));
	if (chance(r, 30))
		ask(r, s, "exec PRAGMA incremental_vacuum");
	else
		ask(r, s, "exec VACUUM");
	moved(r, s);
}

static void
hold(struct round *r)
{
	struct scribe *s = ready(r);

	if (!is(s, "wal") && chance(r, 80))
		return;
	s->txn = ask(r, s, "exec BEGIN") &&
	    ask(r, s, "exec SELECT count(*) FROM t0");
}

static void
come_and_go(struct round *r)
{
	struct scribe *s = any(r);

	if (s->txn)
		ask(r, s, "exec COMMIT");
	s->txn = false;
	if (s->open)
		scribe_close(r, s);
	else
		moved(r, ready(r));
}

static void
close_all(struct round *r)
{
	settle(r);
	for (int i = 0; i < r->slots; i++)
		scribe_close(r, &r->s[i]);
}

/* What its administrator does who knows such locks. */
static void
remove_lock(struct round *r)
{
	char lock[PATH_MAX + 8];

	(void)snprintf(lock, sizeof(lock), "%s.lock", r->db);
	remove_tree(r, lock);
}

/* A writer is killed, wherever it is: mostly within a transaction. */
static void
kill_writer(struct round *r)
{
	struct scribe *s = ready(r);
	char sql[SQL_ROOM];

	if (others_txn(r, s))
		settle(r);
	if (!must_not_die(r, s)) {
		tell(r, s, "exec BEGIN IMMEDIATE");
		for (int i = 0, n = 1 + (int)below(r, 9); i < n; i++)
			tell(r, s, "exec %s", any_sql(r, sql));
		tell(r, s, "exec COMMIT");
		nap_ms(below(r, 5));
	}
	scribe_kill(r, s);
	r->unsure = true;
	if (strcmp(r->lock, "dotfile") == 0)
		remove_lock(r);
	if (r->slow && chance(r, 30) && rests_well(r, s))
		look_rested(r);
	else if (chance(r, 60))
		look(r, LOOK_STILL);
	if (r->fault == NULL)
		settle(r);
}

/* The state directory as it was at some time, or none; once, for who loses it
 * again and again is told that two states are at work. */
static void
change_state(struct round *r)
{
	const char *state = in_work(r, "state"), *old = in_work(r, "old-state");

	if (access(state, F_OK) == -1)
		return;
	if (access(old, F_OK) == -1 || chance(r, 40)) {
		note(r, "the state is kept");
		remove_tree(r, old);
		copy_tree(r, state, old);
		return;
	}
	if (r->robbed)
		return;
	r->robbed = true;
	note(r, "the state is lost or old");
	remove_tree(r, state);
	if (chance(r, 70))
		copy_tree(r, old, state);
}

/* Bytes into a file that is there, as cp does. */
static void
overwrite(const char *from, const char *to)
{
	char buf[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0666);
	ssize_t n = -1;

	while (in != -1 && out != -1 && (n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			die("%s: %s", to, strerror(errno));
	if (n != 0)
		die("%s: %s", from, strerror(errno));
	close(in);
	close(out);
}

/* Nobody has it open: another file takes its place, or its bytes. */
static void
replace(struct round *r)
{
	char copy[PATH_MAX], wal[PATH_MAX + 8];

	(void)snprintf(copy, sizeof(copy), "%.*s/copy", PATH_MAX - 8, r->src);
	(void)snprintf(wal, sizeof(wal), "%s-wal", r->db);
	close_all(r);
	if (access(wal, F_OK) == 0)
		return;
	if (access(copy, F_OK) == -1 || chance(r, 40)) {
		note(r, "the database is kept");
		overwrite(r->db, copy);
		return;
	}
	note(r, "the database is replaced");
	if (chance(r, 50))
		overwrite(copy, r->db);
	else if (rename(copy, r->db) == -1)
		die("%s: %s", copy, strerror(errno));
	moved(r, ready(r));
}

static void
happen(struct round *r)
{
	unsigned what = below(r, 100);

	if (what < 58)
		transact(r, true);
	else if (what < 68)
		checkpoint(r);
	else if (what < 76)
		tune(r);
	else if (what < 79)
		vacuum(r);
	else if (what < 84)
		hold(r);
	else if (what < 90)
		come_and_go(r);
	else if (what < 93)
		change_journal(r, ready(r), journals[below(r, 6)]);
	else if (what < 96)
		kill_writer(r);
	else if (what < 97)
		change_state(r);
	else if (what < 98)
		replace(r);
	else
		close_all(r);
}

void
act(struct round *r)
{
	happen(r);
	if (r->fault != NULL)
		return;
	if (r->slow && chance(r, 25))
		nap_ms(1100 + (long)below(r, 1500));
	if (chance(r, r->slow ? 60 : 40))
		look(r,
		    chance(r, 60)       ? LOOK_STILL
			: chance(r, 75) ? LOOK_BUSY
					: LOOK_KILLED);
	if (r->fault == NULL && r->step % (r->slow ? 15 : 25) == 0)
		rest(r);
}
