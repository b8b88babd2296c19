/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What reads a replica, of which each system call fails in turn: a restore is
 * whole or absent, a copy that follows is one state or the other, a fault here is
 * never told as damage there, and damage is never passed over for a fault.
 */
#include "tests/unit/fail_world.h"

#include "lib/live/restore_live.h"
#include "lib/mirror/mirror.h"
#include "lib/restore/restore_proof.h"
#include "lib/restore/template.h"
#include "lib/state/state.h"
#include "lib/verify/verify.h"

static struct buf other; /* what was in a file's place */

static bool
file_is(const char *file, const struct buf *bytes)
{
	struct buf got = { 0 };
	struct err e;
	bool same = file_slurp(file, SIZE_MAX / 4, &got, &e) == 0 &&
	    got.len == bytes->len &&
	    memcmp(got.data, bytes->data, got.len) == 0;

	buf_release(&got);
	return same;
}

static bool
has_reason(int rc, const struct err *e)
{
	return rc == 0 || (e->class != ERR_NONE && e->class != ERR_BUG);
}

/* -- restore --------------------------------------------------------------- */

static bool replaces;

static void
no_file(void)
{
	fail_remove("out");
	fail_must(mkdir("out", 0700) == 0, "out");
	replaces = false;
}

static void
another_file(void)
{
	no_file();
	fail_copy("other", "out/a.db");
	replaces = true;
}

static int
restore_to(bool live, struct err *e)
{
	struct restore_want newest = RESTORE_WANT;
	struct restore_target t = { .path = "out/a.db",
		.trusted = 4,
		.force = replaces || live,
		.force_open = live,
		.check = RESTORE_CHECK_FULL };
	struct restorer *r = restorer_new(NULL);
	struct restored *made = NULL;
	struct restore_plan p = { 0 };
	struct store *s = store_open(url, STORE_READ, true, NULL, e);
	int rc = -1;

	newest.good = RESTORE_LAST_GOOD;
	if (s != NULL &&
	    restore_find(r, s, "a.db", &newest, &p, &t, &made, e) == 0) {
		if (!live)
			restore_publish(&made, 1);
		if (live)
			rc = restored_live(made, t.path, 1000, e);
		else if ((rc = made->rc) == -1)
			*e = made->e;
	}
	if (rc == 0 && p.earlier)
		rc = err_set(e, ERR_EARLIER, "%s", p.why);
	restored_drop(made);
	restore_plan_release(&p);
	restorer_free(r);
	store_close(s);
	return rc;
}

static int
restore(struct err *e)
{
	return restore_to(false, e);
}

/* A fault here does not make of the newest state one that is damaged. */
static bool
whole_or_absent(int rc, const struct err *e)
{
	bool there = access("out/a.db", F_OK) == 0;
	struct err again;

	if (!has_reason(rc, e) ||
	    (rc == -1 && (e->class == ERR_EARLIER || e->class == ERR_CORRUPT)))
		return false;
	if (there ? !file_is("out/a.db", &is) &&
		    !(rc == -1 && replaces && file_is("out/a.db", &other))
		  : rc == 0 || replaces)
		return false;
	replaces = replaces || there;
	return restore(&again) == 0 && file_is("out/a.db", &is);
}

/* -- into a database that stays where it is ------------------------------- */

/* Of the state before, as its application has it open. */
static void
a_live_one(void)
{
	no_file();
	fail_copy("copy/a.db", "out/a.db");
}

static int
restore_live(struct err *e)
{
	return restore_to(true, e);
}

/* The rows, as SQLite reads them; the change counter is the live one's own. */
static void
rows_of(const char *file, struct buf *rows)
{
	sqlite3 *db = must_open(file);
	sqlite3_stmt *q;

	buf_reset(rows);
	fail_must(sqlite3_prepare_v2(db,
		      "SELECT x FROM t UNION ALL"
		      " SELECT integrity_check FROM pragma_integrity_check",
		      -1, &q, NULL) == SQLITE_OK,
	    file);
	while (sqlite3_step(q) == SQLITE_ROW)
		buf_add(rows, sqlite3_column_blob(q, 0),
		    (size_t)sqlite3_column_bytes(q, 0));
	(void)sqlite3_finalize(q);
	(void)sqlite3_close(db);
}

static bool
has_rows_of(const char *file)
{
	struct buf got = { 0 }, want = { 0 };
	bool same;

	rows_of("out/a.db", &got);
	rows_of(file, &want);
	same = got.len == want.len && memcmp(got.data, want.data, got.len) == 0;
	buf_release(&got);
	buf_release(&want);
	return same;
}

static bool
old_or_new(int rc, const struct err *e)
{
	struct err again;
	bool is_new = has_rows_of("a.db");

	if (!has_reason(rc, e) || (rc == 0 && !is_new) ||
	    (!is_new && !has_rows_of("copy/a.db")))
		return false;
	return restore_live(&again) == 0 && has_rows_of("a.db");
}

/* -- new databases --------------------------------------------------------- */

/* As lspp-new --sync makes one. */
static int
make_new(struct err *e)
{
	struct db_template t = { .fd = -1 };
	struct restored *made = NULL;
	struct place place;
	int rc = -1;

	place_init(&place);
	if (template_open(&t, "other", ".", e) == 0 &&
	    template_copy(&t, &place, "out/new/a.db", &made, e) == 0) {
		restore_publish(&made, 1);
		if ((rc = made->rc) == -1)
			*e = made->e;
	}
	restored_drop(made);
	place_release(&place);
	template_close(&t);
	return rc;
}

/* One that is there is left alone: then it is told, and is whole. */
static bool
new_or_absent(int rc, const struct err *e)
{
	bool there = access("out/new/a.db", F_OK) == 0;
	struct err again;

	if (!has_reason(rc, e) || (rc == 0 && !there) ||
	    (there && !file_is("out/new/a.db", &other)))
		return false;
	if (make_new(&again) == -1 && (!there || again.class != ERR_EXISTS))
		return false;
	return file_is("out/new/a.db", &other);
}

/* -- verify ---------------------------------------------------------------- */

static bool damaged;

static void
nothing(void)
{
}

static int
look(struct err *e)
{
	const struct verify_want want = {
		.deep = true, .sql = true, .source = !damaged
	};
	struct verifier *v = verifier_new(dir);
	struct verify_job j = { .db = "a.db", .path = path };
	struct verified out = { 0 };
	int rc = -1;

	j.store = store_open(url, STORE_READ, true, NULL, e);
	if (j.store != NULL &&
	    (j.st = state_open(state_dir, false, e)) != NULL &&
	    state_root(j.st, j.store->url, false, &j.root, e) != -1)
		rc = verify(v, &j, &want, &out, e);
	if (rc == 0 && !damaged && out.source != VERIFY_EQUAL)
		rc = err_set(e, ERR_BUG, "the source is %d", (int)out.source);
	verified_release(&out);
	state_close(j.st);
	store_close(j.store);
	verifier_free(v);
	return rc;
}

static bool
no_false_word(int rc, const struct err *e)
{
	if (damaged)
		return rc == -1;
	return has_reason(rc, e) && (rc == 0 || e->class != ERR_CORRUPT);
}

/* What SQLite finds wrong with a file is of the file. */
static int
prove(struct err *e)
{
	return proof_sqlite(damaged ? "bent" : "a.db", true, e);
}

/* -- a copy that follows --------------------------------------------------- */

static void
a_copy(void)
{
	fail_remove("out");
	fail_copy("copy", "out");
}

static int
follow(struct err *e)
{
	struct mirror_conf c = { .key = "a.db",
		.target = { .path = "out/a.db", .trusted = 4 },
		.wait_ms = 1000 };
	struct mirror_tools *t = mirror_tools_new(NULL, dir);
	struct mirror *m = NULL;
	enum mirror_did did;
	int rc = -1;

	c.store = store_open(url, STORE_READ, true, NULL, e);
	if (c.store != NULL) {
		m = mirror_new(&c);
		rc = mirror_step(m, t, &did, e);
		if (rc == 0 && did == MIRROR_RESUMED)
			rc = mirror_step(m, t, &did, e);
	}
	mirror_free(m);
	mirror_tools_free(t);
	store_close(c.store);
	return rc;
}

/* What SQLite reads, once it has rolled back what was broken off. */
static bool
one_state(int rc, const struct err *e)
{
	struct err again;

	if (!has_reason(rc, e) || (rc == 0 && !file_is("out/a.db", &is)))
		return false;
	run_sql("out/a.db", "SELECT * FROM t");
	if (!file_is("out/a.db", &is) && !file_is("out/a.db", &was))
		return false;
	return follow(&again) == 0 && file_is("out/a.db", &is);
}

/* -------------------------------------------------------------------------- */

static void
bend(const char *find)
{
	char *cmd =
	    xasprintf("f=$(find replica -name '%s' | sort | tail -n 1) && "
		      "printf X | dd of=\"$f\" bs=1 seek=200 conv=notrunc "
		      "status=none",
		find);

	fail_must(system(cmd) == 0, cmd);
	free(cmd);
}

static void
each_of(enum format f, const char *as, const char *object)
{
	struct fail_work work[] = {
		{ "a restore", no_file, restore, whole_or_absent, 3 },
		{ "a restore over a file", another_file, restore,
		    whole_or_absent, 3 },
		{ "a live database", a_live_one, restore_live, old_or_new, 5 },
		{ "a copy", a_copy, follow, one_state, 3 },
		{ "a verification", nothing, look, no_false_word, 3 },
	};
	char what[64];
	struct err e;

	format = f;
	fail_remove("replica");
	fail_remove("state");
	(void)unlink("a.db");
	fail_must(mkdir("replica", 0700) == 0, "replica");
	run_sql("a.db",
	    "CREATE TABLE t(x); INSERT INTO t VALUES(randomblob(9000))");
	or_end(ship(&e) == 0, &e);
	bytes_of("a.db", &was);
	no_file();
	or_end(follow(&e) == 0, &e);
	fail_remove("copy");
	fail_copy("out", "copy");
	run_sql("a.db", "UPDATE t SET x = randomblob(9000)");
	or_end(ship(&e) == 0, &e);
	bytes_of("a.db", &is);
	damaged = false;
	for (size_t i = 0; i < sizeof(work) / sizeof(work[0]); i++) {
		(void)snprintf(what, sizeof(what), "%s%s", work[i].what, as);
		work[i].what = what;
		fail_each(&work[i]);
	}
	bend(object);
	damaged = true;
	work[4].what = "a verification of what is damaged";
	fail_each(&work[4]);
}

static void
each_new(void)
{
	const struct fail_work work = { "a new database", no_file, make_new,
		new_or_absent, 3 };

	fail_each(&work);
}

static void
checks_of_sqlite(void)
{
	struct fail_work work = { "SQLite's check", nothing, prove,
		no_false_word, 1 };
	int fd;

	damaged = false;
	fail_each(&work);
	fail_copy("a.db", "bent");
	fd = open("bent", O_WRONLY | O_CLOEXEC);
	fail_must(fd != -1 && pwrite(fd, "X", 1, 4096) == 1 && close(fd) == 0,
	    "bent");
	damaged = true;
	work.what = "SQLite's check of a bent file";
	fail_each(&work);
}

int
main(void)
{
	world_begin();
	run_sql("other", "CREATE TABLE u(y)");
	bytes_of("other", &other);
	each_of(FORMAT_WAL, "", "*.wal.lz4");
	each_of(FORMAT_LTX, " of LTX", "*.ltx");
	each_new();
	checks_of_sqlite();
	buf_release(&other);
	return world_done();
}
