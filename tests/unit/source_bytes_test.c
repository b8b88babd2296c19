/*
 * Whatever the bytes of a database and its log: what is read is what SQLite
 * reads, or it is refused, and soon.
 */
#include "lib/engine/source.h"

#include "tests/unit/damage_kit.h"
#include "tests/unit/tap.h"

static char dir[] = "/tmp/lspp-bytes-XXXXXX";
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
	    "INSERT INTO t VALUES(1, zeroblob(20000));"
	    "PRAGMA wal_checkpoint(RESTART);"
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

static void
refused(const char *what, const char *why)
{
	int rc;

	usleep(50000);
	rc = damage_read(&img, path, &e);
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
	struct buf want = { 0 };
	bool fine;

	usleep(50000);
	fine = damage_read(&img, path, &e) == 0;
	ok(fine, "%s: read%s%s", what, fine ? "" : ": ", fine ? "" : e.msg);
	ok(damage_sqlite(&want, path), "%s: SQLite reads it", what);
	ok(fine && want.len == img.bytes.len &&
		memcmp(want.data, img.bytes.data, want.len) == 0,
	    "%s: to the same bytes", what);
	buf_release(&want);
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
		ok(damage_read(&img, path, &e) == 0, "%s, at rest",
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

int
main(void)
{
	char cmd[64];

	if (mkdtemp(dir) == NULL)
		return 1;
	path = xasprintf("%s/a.db", dir);
	wal = xasprintf("%s-wal", path);
	shm = xasprintf("%s-shm", path);
	header();
	size();
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	if (system(cmd) != 0)
		return 1;
	return done();
}
