/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/source/sqlread.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/source/pagetap.h"
#include "lib/source/rodb.h"
#include "lib/sqlite/dbhdr.h"
#include "lib/sys/stop.h"

enum {
	PAGE_MAX = 65536,
	STEP = 256 * 1024, /* bytes that are read under one SHARED lock */
	WAIT = 2000,       /* ms, for a writer that is committing */
	TRIES = 8,         /* of a database that changes while it is read */
};

struct pass {
	struct sqlread *r;
	struct err *e;
	bool failed;  /* begin() or page() */
	bool running; /* the backup is; before, only page 1 is kept */
	bool gap;     /* a page was not read */
	unsigned tries;
	uint32_t next; /* page to come; 1: none did */
	uint32_t page_size;
	uint8_t first[PAGE_MAX]; /* page 1, as it was read last */
};

uint32_t
sqlread_lock_page(uint32_t page_size)
{
	return 0x40000000 / page_size + 1;
}

/* -- pages, in the pager's hands ------------------------------------------- */

static int
hand_on(struct pass *p, uint32_t pgno, const uint8_t *page)
{
	struct sqlread *r = p->r;

	if (pgno == 1 && r->begin(r->ctx, p->page_size, p->e) == -1)
		p->failed = true;
	if (!p->failed && r->page(r->ctx, pgno, page, p->e) == -1)
		p->failed = true;
	p->next = pgno + 1;
	if (p->next == sqlread_lock_page(p->page_size))
		p->next++;
	return p->failed ? -1 : 0;
}

/* Page 1 is held from the beginning of a transaction on: it came before. */
static int
hand_first(struct pass *p)
{
	return p->next > 1 ? 0 : hand_on(p, 1, p->first);
}

static int
on_page(void *ctx, uint32_t pgno, const uint8_t *page, uint32_t n)
{
	struct pass *p = ctx;

	if (pgno == 1) {
		memcpy(p->first, page, n);
		p->page_size = n;
		if (p->next > 1)
			p->tries++;
		p->next = 1; /* it is a new one: begin again */
		return 0;
	}
	if (!p->running)
		return 0;
	if (hand_first(p) == -1)
		return -1;
	if (pgno != p->next) {
		p->gap = true;
		return -1;
	}
	return hand_on(p, pgno, page);
}

/* -- connections ----------------------------------------------------------- */

static int
open_source(const char *path, bool alone, sqlite3 **db)
{
	struct buf uri = { 0 };
	int rc;

	rodb_uri(&uri, path);
	rc = sqlite3_open_v2(buf_str(&uri), db,
	    SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX |
		SQLITE_OPEN_NOFOLLOW,
	    pagetap_vfs());
	buf_release(&uri);
	if (rc != SQLITE_OK)
		return rc;
	sqlite3_extended_result_codes(*db, 1);
	sqlite3_db_config(
	    *db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
	sqlite3_busy_timeout(*db, WAIT);
	/* No other pragma than this and those of begin(): they read, too. */
	return alone ? sqlite3_exec(*db, "PRAGMA locking_mode = EXCLUSIVE",
			   NULL, NULL, NULL)
		     : SQLITE_OK;
}

static int
open_nowhere(sqlite3 **db)
{
	int rc = sqlite3_open_v2("nowhere", db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
	    pagetap_nowhere());

	return rc != SQLITE_OK
	    ? rc
	    : sqlite3_exec(*db,
		  "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF;"
		  "PRAGMA synchronous = OFF; PRAGMA cache_size = -256",
		  NULL, NULL, NULL);
}

/* -- the pass -------------------------------------------------------------- */

static int
step_all(struct pass *p, sqlite3_backup *b)
{
	/* In WAL mode the transaction holds the state, whatever the steps. */
	int rc, n = STEP / (int)p->page_size;

	p->running = true;
	do {
		if ((p->failed = stop_overdue(p->e) == -1))
			return SQLITE_ABORT;
		rc = sqlite3_backup_step(b, n);
	} while (rc == SQLITE_OK && p->tries <= TRIES);
	if (rc == SQLITE_OK)
		return SQLITE_BUSY;
	if (rc != SQLITE_DONE)
		return rc;
	p->r->pages = (uint32_t)sqlite3_backup_pagecount(b);
	if (hand_first(p) == -1)
		return SQLITE_ABORT;
	p->gap = p->next <= p->r->pages;
	return p->gap ? SQLITE_ABORT : SQLITE_OK;
}

static int
read_all(struct pass *p, sqlite3 *db, sqlite3 *nowhere)
{
	sqlite3_backup *b = sqlite3_backup_init(nowhere, "main", db, "main");
	int rc;

	if (b == NULL)
		return sqlite3_errcode(nowhere);
	rc = step_all(p, b);
	sqlite3_backup_finish(b);
	return rc;
}

/* Begins a transaction, and ends it where a writer would wait for it. */
static int
begin(struct pass *p, sqlite3 *db)
{
	struct dbhdr h;
	struct err ignored;
	int rc =
	    sqlite3_exec(db, "BEGIN; PRAGMA schema_version", NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		return rc;
	if (p->page_size == 0 || dbhdr_parse(&h, p->first, &ignored) == -1)
		return SQLITE_NOTADB;
	p->r->wal = h.wal;
	if (p->r->alone && !h.wal) /* it has a lock that can be had */
		return SQLITE_BUSY;
	/* The pager reads again what it has dropped; it keeps page 1. */
	sqlite3_db_release_memory(db);
	return h.wal ? SQLITE_OK : sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
}

static int
run(struct pass *p, const char *path, sqlite3 **db, sqlite3 **nowhere)
{
	int rc = open_source(path, p->r->alone, db);

	if (rc == SQLITE_OK)
		rc = open_nowhere(nowhere);
	if (rc == SQLITE_OK)
		rc = begin(p, *db);
	return rc == SQLITE_OK ? read_all(p, *db, *nowhere) : rc;
}

int
sqlread(struct sqlread *r, const char *path, struct err *e)
{
	struct pass *p = xcalloc(1, sizeof(*p));
	struct pagetap tap = { .page = on_page, .ctx = p, .alone = r->alone };
	sqlite3 *db = NULL, *nowhere = NULL;
	int rc;

	p->r = r;
	p->e = e;
	p->next = 1;
	pagetap_set(&tap);
	rc = run(p, path, &db, &nowhere);
	if (p->failed)
		rc = -1;
	else if (rc == SQLITE_OK)
		rc = 1;
	else if (p->gap)
		rc =
		    err_set(e, ERR_BUG, "SQLite left out page %u", p->next) + 1;
	else
		rc = rodb_fail(db, rc, e) + 1;
	sqlite3_close(db);
	sqlite3_close(nowhere);
	pagetap_set(NULL);
	free(p);
	return rc;
}
