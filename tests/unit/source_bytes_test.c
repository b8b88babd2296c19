/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever the bytes of a database and its log: what is read is what SQLite
 * reads, or it is refused, and soon.
 */
#include "lib/source/source.h"

#include "tests/unit/damage_kit.h"
#include "tests/unit/tmp_kit.h"

static char *path, *wal, *shm;
static struct damage_image img;
static struct err e;

enum { PAGE = 4096 };

/* A database of some pages, the last transactions of which are in its log. */
static void
make(struct buf *db, struct buf *log)
{
	unlink(path);
	unlink(wal);
	unlink(shm);
	damage_sql(path,
	    "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;"
	    "CREATE TABLE t(a INTEGER PRIMARY KEY, b);"
	    "CREATE TABLE u(a); INSERT INTO u VALUES(randomblob(20000));"
	    "INSERT INTO t VALUES(1, zeroblob(20000));"
	    "PRAGMA wal_checkpoint(TRUNCATE);"
	    "UPDATE t SET b = randomblob(30000);"
	    "INSERT INTO t VALUES(2, 'x')");
	unlink(shm);
	damage_load(db, path);
	damage_load(log, wal);
}

static uint8_t *
frame(struct buf *log, uint64_t n)
{
	return log->data + wal_frame_offset(PAGE, n);
}

static uint64_t
frames(const struct buf *log)
{
	return (log->len - WAL_HDR_SIZE) / (PAGE + WAL_FRAME_HDR_SIZE);
}

/* Page 1 in the log's last frame that holds it. */
static uint8_t *
page_one(struct buf *log)
{
	for (uint64_t n = frames(log); n > 0; n--)
		if (be32(frame(log, n)) == 1)
			return frame(log, n) + WAL_FRAME_HDR_SIZE;
	damage_die("no page 1 in the log");
	return NULL;
}

static void
refused(const char *what, const char *why)
{
	int rc;

	usleep(50000);
	rc = damage_read(&img, path, NULL, &e);
	if (ok(rc == -1, "%s: refused", what)) {
		is_int(
		    e.class, ERR_CORRUPT, "%s: its bytes are at fault", what);
		ok(strstr(e.msg, why) != NULL, "%s: %s", what, e.msg);
	}
}

/* As SQLite reads the files. */
static void
same(const char *what)
{
	struct buf want = { 0 }, got = { 0 };
	char *back = xasprintf("%s-back", path);
	bool fine;

	usleep(50000);
	fine = damage_read(&img, path, NULL, &e) == 0;
	ok(fine, "%s: read%s%s", what, fine ? "" : ": ", fine ? "" : e.msg);
	is_int(damage_sqlite(&want, path), 0, "%s: SQLite reads it", what);
	damage_store(&img.bytes, back);
	is_int(damage_sqlite(&got, back), 0, "%s: and what was read", what);
	ok(fine && want.len == got.len &&
		memcmp(want.data, got.data, want.len) == 0,
	    "%s: to the same bytes", what);
	buf_release(&want);
	buf_release(&got);
	free(back);
}

/* A header that does not hold is that of no log, also if somebody rests on the
 * database, whose wal-index says so. */
static void
header(void)
{
	static const struct {
		const char *what;
		uint32_t at, value;
	} bent[] = {
		{ "a page size of 2^31", 8, 0x80000000 },
		{ "a page size of 131071", 8, 0x1ffff },
		{ "a page size of 0", 8, 0 },
		{ "another magic", 0, 0x377f0684 },
	};
	struct buf db = { 0 }, log = { 0 };
	pid_t app;

	for (size_t i = 0; i < sizeof(bent) / sizeof(bent[0]); i++) {
		make(&db, &log);
		be32_put(log.data + bent[i].at, bent[i].value);
		damage_resum(&log);
		damage_store(&log, wal);
		app = damage_rest(path);
		ok(damage_read(&img, path, NULL, &e) == 0, "%s, at rest",
		    bent[i].what);
		damage_end(app);
		unlink(shm);
		same(bent[i].what);
	}
	buf_release(&db);
	buf_release(&log);
}

/* A commit of more pages than there can be. */
static void
size(void)
{
	static const uint32_t claims[] = { 0x3fffffff, 0xf0000000, 0xffffffff };
	struct buf db = { 0 }, log = { 0 };

	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		make(&db, &log);
		be32_put(frame(&log, frames(&log)) + 4, claims[i]);
		damage_resum(&log);
		damage_store(&log, wal);
		refused("a commit of too many pages", "more than it can");
	}
	buf_release(&db);
	buf_release(&log);
}

/* Page 1 as it goes out, from the log or from the file, is what SQLite would
 * read. */
static void
first_page(void)
{
	static const struct {
		const char *what, *why;
		uint32_t at;
		uint8_t value;
	} bent[] = {
		{ "no magic", "database", 3, 'X' },
		{ "another page size", "of 8192", 16, 0x20 },
		{ "read version 3", "later SQLite", 19, 3 },
		{ "other payload fractions", "no such header", 21, 63 },
		{ "more pages than there are", "16777", 28, 1 },
	};
	struct buf db = { 0 }, log = { 0 };
	uint8_t *p;

	for (size_t i = 0; i < 2 * sizeof(bent) / sizeof(bent[0]); i++) {
		const char *what = bent[i / 2].what, *why = bent[i / 2].why;
		uint32_t at = bent[i / 2].at;

		make(&db, &log);
		p = i % 2 == 0 ? page_one(&log) : db.data;
		p[at] = bent[i / 2].value;
		damage_resum(&log);
		if (i % 2 == 0) {
			damage_store(&log, wal);
		} else {
			unlink(wal);
			damage_store(&db, path);
		}
		refused(what, why);
	}
	make(&db, &log);
	p = page_one(&log);
	p[18] = 3;
	damage_resum(&log);
	damage_store(&log, wal);
	same("write version 3");
	buf_release(&db);
	buf_release(&log);
}

/* SQLite refuses a log of another version; what is no log, it passes over. */
static void
version(void)
{
	struct buf db = { 0 }, log = { 0 };

	make(&db, &log);
	be32_put(log.data + 4, 3021000);
	damage_store(&log, wal);
	same("another version, the checksum does not hold");
	make(&db, &log);
	be32_put(log.data + 4, 3021000);
	damage_resum(&log);
	damage_store(&log, wal);
	refused("another version", "later SQLite");
	log.len = WAL_HDR_SIZE + 1;
	damage_store(&log, wal);
	refused("another version, and no frame", "later SQLite");
	buf_release(&db);
	buf_release(&log);
}

/* A file that was cut short; what is missing may still be in the log. */
static void
cut(void)
{
	struct buf db = { 0 }, log = { 0 };
	pid_t app;

	make(&db, &log);
	db.len -= (size_t)3 * PAGE;
	damage_store(&db, path);
	same("the pages that are missing stand in the log");
	make(&db, &log);
	db.len = PAGE;
	damage_store(&db, path);
	refused("they do not all", "truncated");
	app = damage_rest(path);
	refused("they do not all, at rest", "truncated");
	damage_end(app);
	buf_release(&db);
	buf_release(&log);
}

/* Drop the frames of leaves of the list of free pages; page size 512. */
static void
drop_leaves(struct buf *log)
{
	const size_t step = 512 + WAL_FRAME_HDR_SIZE;
	uint8_t *first = log->data + WAL_HDR_SIZE, *end = log->data + log->len;
	uint8_t *to = first, *p, *one = NULL;
	uint32_t trunk, commit = be32(end - step + 4);
	bool kept[1024] = { [1] = true, [2] = true };

	for (p = first; p < end; p += step)
		if (be32(p) == 1)
			one = p + WAL_FRAME_HDR_SIZE;
	if (one == NULL)
		damage_die("no page 1 in the log");
	for (trunk = be32(one + 32); trunk != 0;) {
		kept[trunk] = true;
		for (p = first; be32(p) != trunk; p += step)
			;
		trunk = be32(p + WAL_FRAME_HDR_SIZE);
	}
	for (p = first; p < end; p += step)
		if (kept[be32(p)]) {
			memmove(to, p, step);
			to += step;
		}
	be32_put(to - step + 4, commit);
	log->len = (size_t)(to - log->data);
	damage_resum(log);
}

/*
 * A page that is added and free at once need not be written, not even to the
 * log: it is none that is missing, if it is free.
 */
static void
free_pages(void)
{
	struct buf log = { 0 };
	uint8_t *p;

	unlink(path);
	unlink(wal);
	unlink(shm);
	damage_sql(path,
	    "PRAGMA page_size=512; PRAGMA journal_mode=WAL;"
	    "PRAGMA wal_autocheckpoint=0; CREATE TABLE t(b);"
	    "BEGIN; INSERT INTO t VALUES(zeroblob(200000)); DELETE FROM t;"
	    "COMMIT");
	unlink(shm);
	damage_load(&log, wal);
	drop_leaves(&log);
	ok(log.len < 20000, "pages that were never written: %zu", log.len);
	damage_store(&log, wal);
	same("free pages that were never written");
	p = log.data + log.len - 512;
	be32_put(p + 4, be32(p + 4) - 1); /* one leaf less in the last trunk */
	damage_resum(&log);
	damage_store(&log, wal);
	ok(truncate(path, 512) == 0, "cut");
	refused("a page that was never written and is not free", "truncated");
	buf_release(&log);
}

/* The last frame of a log that holds that page; behind the frame's header. */
static uint8_t *
newest(struct buf *log, uint32_t page_size, uint32_t pgno)
{
	const size_t step = page_size + WAL_FRAME_HDR_SIZE;
	uint8_t *p = log->data + log->len - step;

	for (; be32(p) != pgno; p -= step)
		if (p <= log->data + WAL_HDR_SIZE)
			damage_die("no such page in the log");
	return p + WAL_FRAME_HDR_SIZE;
}

/*
 * A list of free pages that leads to itself, and is as long as a page can hold,
 * in a log that makes the database large: to go round as often as there are
 * pages took minutes.
 */
static void
free_round(void)
{
	enum { SIZE = 65536, MOST = SIZE / 4 - 2 };
	struct buf log = { 0 };
	uint32_t trunk;
	uint8_t *p;

	unlink(path);
	unlink(wal);
	unlink(shm);
	damage_sql(path,
	    "PRAGMA page_size=65536; PRAGMA journal_mode=WAL;"
	    "PRAGMA wal_autocheckpoint=0; CREATE TABLE t(b);"
	    "BEGIN; INSERT INTO t VALUES(zeroblob(8000000)); DELETE FROM t;"
	    "COMMIT");
	unlink(shm);
	damage_load(&log, wal);
	trunk = be32(newest(&log, SIZE, 1) + 32);
	p = newest(&log, SIZE, trunk);
	be32_put(p, trunk);
	be32_put(p + 4, MOST);
	for (uint32_t i = 0; i < MOST; i++)
		be32_put(p + 8 + (size_t)i * 4, trunk);
	p = log.data + log.len - SIZE - WAL_FRAME_HDR_SIZE;
	be32_put(p + 4, (uint32_t)(log.len / 2));
	damage_resum(&log);
	damage_store(&log, wal);
	usleep(50000);
	refused("a list of free pages that goes round", "truncated");
	buf_release(&log);
}

/* SQLite deletes a log beside an empty file. */
static void
empty(void)
{
	struct buf db = { 0 }, log = { 0 };

	make(&db, &log);
	db.len = 0;
	damage_store(&db, path);
	refused("an empty file", "empty file");
	buf_release(&db);
	buf_release(&log);
}

int
main(void)
{
	dir_begin();
	path = xasprintf("%s/a.db", dir);
	wal = xasprintf("%s-wal", path);
	shm = xasprintf("%s-shm", path);
	header();
	size();
	first_page();
	version();
	cut();
	free_pages();
	free_round();
	empty();
	return dir_done();
}
