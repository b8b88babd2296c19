/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/state/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/sqlite/dbfault.h"
#include "lib/sqlite/dbhdr.h"
#include "lib/state/state_impl.h"
#include "lib/sys/file.h"
#include "lib/sys/guard.h"
#include "lib/sys/rng.h"
#include "lib/sys/stop.h"

enum {
	BUSY_MS = 30000,
};

static const char schema[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;"
    "CREATE TABLE root(id INTEGER PRIMARY KEY, url TEXT UNIQUE);"
    "CREATE TABLE pending(path BLOB, root INTEGER, since_ns INTEGER,"
    " PRIMARY KEY(path, root)) WITHOUT ROWID;"
    "CREATE TABLE sums(id INTEGER PRIMARY KEY, sums BLOB);";

static const char records[] =
    "CREATE TABLE db("
    " id INTEGER PRIMARY KEY, root INTEGER, key BLOB, path BLOB,"
    " format INTEGER, line TEXT, at INTEGER, chain BLOB, snapshot INTEGER,"
    " page_size INTEGER, pages INTEGER, sum BLOB,"
    " source BLOB, sig BLOB, racy INTEGER, checksum INTEGER,"
    " snapshot_ns INTEGER, snapshot_size INTEGER,"
    " wal_bytes INTEGER, segments INTEGER, captured_ns INTEGER,"
    " gone_ns INTEGER, UNIQUE(root, key));"
    "CREATE INDEX db_path ON db(path, root, sig, racy, captured_ns);";

/* Later than the first states, which get them when written. */
static const char later[] =
    "CREATE TABLE IF NOT EXISTS verdict(root INTEGER, key BLOB, at_ns INTEGER,"
    " deep INTEGER, class INTEGER, msg TEXT, deep_ns INTEGER,"
    " tried_ns INTEGER, broken TEXT, PRIMARY KEY(root, key)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS run(token INTEGER PRIMARY KEY);"
    "CREATE TABLE IF NOT EXISTS whose(root INTEGER, key BLOB, object TEXT,"
    " taken_ns INTEGER, PRIMARY KEY(root, key)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS compared(root INTEGER, key BLOB,"
    " at_ns INTEGER, tried_ns INTEGER, class INTEGER, msg TEXT,"
    " healed_ns INTEGER, healed INTEGER, PRIMARY KEY(root, key))"
    " WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS db_gone ON db(path) WHERE gone_ns IS NOT NULL;"
    "CREATE TABLE IF NOT EXISTS trouble(path BLOB, root INTEGER,"
    " wait_ns INTEGER, since_ns INTEGER, at_ns INTEGER, class INTEGER,"
    " attempts INTEGER, msg TEXT, PRIMARY KEY(path, root)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS round(id INTEGER PRIMARY KEY, root INTEGER,"
    " began_ns INTEGER, period_ns INTEGER, upto INTEGER, came BLOB);"
    "CREATE TABLE IF NOT EXISTS lost(path BLOB PRIMARY KEY, since_ns INTEGER,"
    " class INTEGER, msg TEXT) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS shrunk(root INTEGER, key BLOB, at_ns INTEGER,"
    " was INTEGER, now INTEGER, no_tables INTEGER, PRIMARY KEY(root, key))"
    " WITHOUT ROWID;";

static const char read_write[] =
    "who runs this has to be able to read and write the directory of the "
    "state (-s) and what is in it";

/* -- errors ---------------------------------------------------------------- */

int
state_fail(struct state *st, struct err *e)
{
	int rc = st->db != NULL ? sqlite3_errcode(st->db) : SQLITE_NOMEM;
	const char *why = st->db != NULL ? sqlite3_errmsg(st->db) : "no memory";
	int disk = dbfault_errno(st->db);

	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		if ((errno = disk) != 0)
			return err_sys(
			    e, "state: %s", sqlite3_errstr(SQLITE_IOERR));
		err_set(e, ERR_CONFIG, "state: %s", why);
		return err_hint(e,
		    "move the state directory away: the next "
		    "run starts a new generation of each "
		    "database");
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return err_set(e, ERR_BUSY, "state: %s", why);
	case SQLITE_PERM:
	case SQLITE_AUTH: return err_set(e, ERR_DENIED, "state: %s", why);
	case SQLITE_IOERR:
		errno = disk != 0 ? disk : sqlite3_system_errno(st->db);
		return errno != 0 ? err_sys(e, "state: %s", why)
				  : err_set(e, ERR_IO, "state: %s", why);
	case SQLITE_FULL:
		err_set(e, ERR_IO, "state: %s", why);
		return err_hint(e, "make room where the state is (-s)");
	case SQLITE_READONLY:
		err_set(e, ERR_DENIED, "state: %s", why);
		return err_hint(e,
		    "who runs this has to be able to write to the directory "
		    "of the state (-s) and what is in it");
	case SQLITE_CANTOPEN:
		errno = sqlite3_system_errno(st->db);
		err_set(e,
		    errno == EACCES || errno == EPERM ? ERR_DENIED : ERR_IO,
		    "state: %s: %s", why, strerror(errno));
		return err_hint(e, "%s", read_write);
	default: return err_set(e, ERR_IO, "state: %s", why);
	}
}

int
state_exec(struct state *st, const char *text, struct err *e)
{
	return sqlite3_exec(st->db, text, NULL, NULL, NULL) == SQLITE_OK
	    ? 0
	    : state_fail(st, e);
}

/* -- opening --------------------------------------------------------------- */

/* What always gives a number. */
static int
number(struct state *st, const char *text, int64_t *out, struct err *e)
{
	int rc = sql_number(st, e, out, text, NULL);

	return rc == 0 ? state_fail(st, e) : rc == -1 ? -1 : 0;
}

static int
create(struct state *st, struct err *e)
{
	char text[256];
	uint8_t id[STATE_ID_SIZE];
	struct buf hex = { 0 };

	if (rng_bytes(id, sizeof(id), e) == -1)
		return -1;
	for (size_t i = 0; i < sizeof(id); i++)
		buf_addf(&hex, "%02x", id[i]);
	snprintf(text, sizeof(text),
	    "PRAGMA application_id = 0x6c737070; PRAGMA user_version = %d;"
	    "INSERT INTO meta VALUES('id', x'%s'); COMMIT",
	    STATE_VERSION, buf_str(&hex));
	buf_release(&hex);
	if (state_exec(st, schema, e) == -1 ||
	    state_make_records(st, e) == -1 || state_exec(st, later, e) == -1)
		return -1;
	return state_exec(st, text, e);
}

int
state_make_records(struct state *st, struct err *e)
{
	return state_exec(st, records, e);
}

int
state_complete(struct state *st, struct err *e)
{
	return state_exec(st, later, e);
}

bool
state_has(struct state *st, const char *table)
{
	return sqlite3_table_column_metadata(st->db, "main", table, NULL, NULL,
		   NULL, NULL, NULL, NULL) == SQLITE_OK;
}

static int
check_version(struct state *st, bool write, struct err *e)
{
	int64_t version, whose, tables;

	/* In this order: somebody may be making it in between. */
	if (number(st, "SELECT count(*) FROM sqlite_schema", &tables, e) ==
		-1 ||
	    number(st, "PRAGMA application_id", &whose, e) == -1 ||
	    number(st, "PRAGMA user_version", &version, e) == -1)
		return -1;
	if (tables > 0 && whose != DBHDR_APPLICATION_ID)
		return err_set(e, ERR_CONFIG,
		    "state: the database is not a state of lspp");
	if (version == STATE_VERSION)
		return write ? state_exec(st, later, e) : 0;
	if (version == 2)
		return state_migrate(st, e);
	if (version == 0 && !write) /* somebody is about to make it */
		return err_set(e, ERR_MISSING, "state: there is none yet");
	if (version != 0)
		return err_set(e, ERR_CONFIG,
		    "state: version %lld is not known to this program",
		    (long long)version);
	/* Two programs may come here at once: the second finds it made. */
	if (state_exec(st, "BEGIN IMMEDIATE", e) == -1 ||
	    number(st, "PRAGMA user_version", &version, e) == -1)
		return -1;
	if (version == STATE_VERSION)
		return state_exec(st, "COMMIT", e);
	return create(st, e);
}

/*
 * SQLite does not wait when two programs change the journal mode of a new
 * state at once: one of them is told that it is locked.
 */
static int
use_wal(struct state *st, struct err *e)
{
	const struct timespec pause = { 0, 20000000 };
	int rc;

	for (int ms = 0; ms < BUSY_MS; ms += 20) {
		rc = state_exec(st, "PRAGMA journal_mode = WAL", e);
		if (rc == 0 || e->class != ERR_BUSY || stop_since(1000))
			break;
		nanosleep(&pause, NULL);
	}
	return rc;
}

/*
 * A new file says whose it is before anything else: what is committed to the
 * WAL later cannot be seen in it, and lspp-scan would take it for a database.
 */
static int
sign(struct state *st, struct err *e)
{
	int64_t tables;

	if (number(st, "SELECT count(*) FROM sqlite_schema", &tables, e) == -1)
		return -1;
	return tables > 0
	    ? 0
	    : state_exec(st, "PRAGMA application_id = 0x6c737070", e);
}

static int
open_file(struct state *st, const char *path, bool write, struct err *e)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE |
	    (write ? SQLITE_OPEN_CREATE : 0);
	struct stat sb;

	if (!write && stat(path, &sb) == -1) {
		err_sys(e, "state: %s", path);
		return e->class == ERR_DENIED ? err_hint(e, "%s", read_write)
					      : -1;
	}
	if (sqlite3_open_v2(path, &st->db, flags, NULL) != SQLITE_OK) {
		state_fail(st, e);
		return err_in(e, "%s", path);
	}
	st->wait.ms = BUSY_MS;
	sqlite3_busy_handler(st->db, stop_wait, &st->wait);
	if (state_exec(st,
		"PRAGMA cache_size = -512; PRAGMA synchronous = FULL;"
		"PRAGMA journal_size_limit = 1048576",
		e) == -1)
		return -1;
	if (write && (sign(st, e) == -1 || use_wal(st, e) == -1))
		return -1;
	/* Who only looks leaves a note at most, which need not be durable. */
	if (!write &&
	    (sqlite3_db_config(st->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
		 (int *)NULL) != SQLITE_OK ||
		state_exec(st, "PRAGMA synchronous = NORMAL", e) == -1))
		return -1;
	if (check_version(st, write, e) == -1)
		return -1;
	if (write && state_exec(st, "BEGIN IMMEDIATE; ROLLBACK", e) == -1)
		return -1;
	return state_load_writer(st, e);
}

/* They are there since something was read. */
static void
own_files(struct state *st, const char *path)
{
	static const char *const suffix[] = { "", "-wal", "-shm" };
	struct stat sb;
	char *name;

	for (int i = 0; i < 3; i++) {
		name = xasprintf("%s%s", path, suffix[i]);
		if (stat(name, &sb) == 0) {
			file_sig_of(&st->own[i], &sb);
			guard_own(st->own[i].dev, st->own[i].ino);
		}
		free(name);
	}
}

struct state *
state_open(const char *dir, bool write, struct err *e)
{
	struct state *st = xcalloc(1, sizeof(*st));
	char *path = xasprintf("%s/state.db", dir);
	mode_t mask = umask(077);
	int rc = 0;

	if (write)
		rc = file_mkdirs(dir, e);
	if (rc == 0)
		rc = open_file(st, path, write, e);
	if (rc == 0)
		own_files(st, path);
	umask(mask);
	free(path);
	if (rc == -1) {
		state_close(st);
		return NULL;
	}
	return st;
}

struct state *
state_open_worker(const char *dir, struct err *e)
{
	struct state *st = state_open(dir, false, e);

	if (st == NULL || state_exec(st, "PRAGMA cache_size = -64", e) == 0)
		return st;
	state_close(st);
	return NULL;
}

void
state_close(struct state *st)
{
	if (st == NULL)
		return;
	sql_end_all(st);
	sqlite3_finalize(st->look);
	sqlite3_close(st->db);
	for (int i = 0; i < 3; i++)
		guard_own_end(st->own[i].dev, st->own[i].ino);
	buf_release(&st->last);
	free(st);
}

/* -- transactions ---------------------------------------------------------- */

int
state_begin(struct state *st, struct err *e)
{
	return sql_run(st, e, "BEGIN IMMEDIATE", NULL);
}

int
state_commit(struct state *st, struct err *e)
{
	return sql_run(st, e, "COMMIT", NULL);
}

int
state_step_begin(struct state *st, struct err *e)
{
	return sql_run(st, e, "SAVEPOINT step", NULL);
}

int
state_step_end(struct state *st, bool ok, struct err *e)
{
	if (!ok && sql_run(st, e, "ROLLBACK TO step", NULL) == -1)
		return -1;
	return sql_run(st, e, "RELEASE step", NULL);
}

void
state_rollback(struct state *st)
{
	if (!sqlite3_get_autocommit(st->db))
		sqlite3_exec(st->db, "ROLLBACK", NULL, NULL, NULL);
}
