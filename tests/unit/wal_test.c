/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sqlite/wal.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/be.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "tests/unit/tap.h"

static char dir[] = "/tmp/wal-test.XXXXXX";

static void
slurp(const char *path, struct buf *b)
{
	FILE *f = fopen(path, "re");
	size_t n;

	buf_reset(b);
	if (f == NULL)
		return;
	while ((n = fread(buf_room(b, 65536), 1, 65536, f)) > 0)
		b->len += n;
	fclose(f);
}

static bool
spill(const char *path, const struct buf *b)
{
	FILE *f = fopen(path, "we");
	bool good = f != NULL && fwrite(b->data, 1, b->len, f) == b->len;

	return f != NULL && fclose(f) == 0 && good;
}

/* Run sql on the database at path; a WAL stays where it is. */
static bool
run(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	bool good = sqlite3_open(path, &db) == SQLITE_OK &&
	    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) ==
		SQLITE_OK &&
	    sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;

	if (!good)
		printf("# %s: %s\n", path, sqlite3_errmsg(db));
	sqlite3_close(db);
	return good;
}

/* Frames from the start of log that follow one another; *last is the size in
 * pages that the last of them has. */
static size_t
chain(const struct buf *log, struct wal_hdr *h, uint32_t *last, uint32_t sum[2])
{
	struct wal_frame f;
	size_t n;

	sum[0] = h->sum[0];
	sum[1] = h->sum[1];
	*last = 0;
	for (n = 0; wal_frame_offset(h->page_size, n + 2) <= log->len; n++) {
		const uint8_t *p =
		    log->data + wal_frame_offset(h->page_size, n + 1);

		if (!wal_frame_follows(h, p, p + WAL_FRAME_HDR_SIZE, sum))
			break;
		wal_frame_parse(&f, p);
		*last = f.commit;
	}
	return n;
}

/* Nothing of a frame may change. */
static void
test_damage(struct buf *log, struct wal_hdr *h, size_t frames)
{
	size_t at = wal_frame_offset(h->page_size, frames), i, missed = 0;
	uint32_t last, sum[2];

	for (i = 0; i < WAL_FRAME_HDR_SIZE + h->page_size; i++) {
		log->data[at + i] ^= 0x10;
		missed += chain(log, h, &last, sum) != frames - 1;
		log->data[at + i] ^= 0x10;
	}
	is_int(missed, 0, "every byte of a frame counts");
	sum[0] = sum[1] = 7;
	ok(!wal_frame_follows(
	       h, log->data + at, log->data + at + WAL_FRAME_HDR_SIZE, sum) &&
		sum[0] == 7 && sum[1] == 7,
	    "a frame that does not follow leaves the sum");
	h->salt[1]++;
	is_int(chain(log, h, &last, sum), 0, "other salts");
	h->salt[1]--;
}

static void
test_real(unsigned page_size)
{
	char *path = xasprintf("%s/real-%u.db", dir, page_size);
	char *wal = xasprintf("%s-wal", path);
	char *sql = xasprintf("PRAGMA page_size=%u;"
			      "PRAGMA journal_mode=wal;"
			      "CREATE TABLE t(a INTEGER PRIMARY KEY, b);"
			      "INSERT INTO t(b) VALUES(randomblob(3000));"
			      "INSERT INTO t(b) VALUES(randomblob(90000));"
			      "DELETE FROM t WHERE a=1;",
	    page_size);
	uint32_t last, sum[2];
	struct buf log = { 0 };
	struct wal_hdr h;
	struct err e;
	size_t n;

	if (!ok(run(path, sql), "a database of %u byte pages", page_size))
		goto out;
	slurp(wal, &log);
	if (!ok(log.len > WAL_HDR_SIZE, "it has a WAL") ||
	    !ok(wal_hdr_parse(&h, log.data, &e) == 0, "whose header holds"))
		goto out;
	is_int(h.page_size, page_size, "page size");
	n = chain(&log, &h, &last, sum);
	is_int(wal_frame_offset(page_size, n + 1), log.len,
	    "all %zu frames follow", n);
	ok(last > 1, "the last is a commit");
	test_damage(&log, &h, n);
out:
	buf_release(&log);
	free(path);
	free(wal);
	free(sql);
}

/* Append page pgno of image to log as a frame. */
static void
add_frame(struct buf *log, const struct wal_hdr *h, uint32_t pgno,
    uint32_t commit, const struct buf *image, uint32_t sum[2])
{
	const uint8_t *page = image->data + (size_t)(pgno - 1) * h->page_size;
	uint8_t *p = buf_room(log, WAL_FRAME_HDR_SIZE);

	wal_frame_write(h, pgno, commit, page, sum, p);
	log->len += WAL_FRAME_HDR_SIZE;
	buf_add(log, page, h->page_size);
}

/* A log that leads from one image to another. */
static void
write_log(struct buf *log, struct wal_hdr *h, const struct buf *from,
    const struct buf *to)
{
	uint32_t pages = (uint32_t)(to->len / h->page_size), pgno, sum[2];

	wal_hdr_write(h, buf_room(log, WAL_HDR_SIZE));
	log->len += WAL_HDR_SIZE;
	sum[0] = h->sum[0];
	sum[1] = h->sum[1];
	for (pgno = 2; pgno <= pages; pgno++) {
		size_t at = (size_t)(pgno - 1) * h->page_size;

		if (at >= from->len ||
		    memcmp(from->data + at, to->data + at, h->page_size) != 0)
			add_frame(log, h, pgno, 0, to, sum);
	}
	add_frame(log, h, 1, pages, to, sum);
}

/* SQLite takes a log that we wrote for its own. */
static void
test_written(bool big_endian)
{
	struct wal_hdr h = { .big_endian = big_endian,
		.page_size = 1024,
		.seq = 5,
		.salt = { 0x11111111, 0xfedcba98 } };
	char *path = xasprintf("%s/written-%d.db", dir, big_endian);
	char *wal = xasprintf("%s-wal", path);
	struct buf from = { 0 }, to = { 0 }, log = { 0 };

	ok(run(path,
	       "PRAGMA page_size=1024; CREATE TABLE t(b);"
	       "INSERT INTO t VALUES(zeroblob(20000));"),
	    "a database without a WAL");
	slurp(path, &from);
	ok(run(path, "UPDATE t SET b=randomblob(5000); VACUUM;"), "changed");
	slurp(path, &to);
	ok(to.len < from.len && to.len % 1024 == 0, "it shrank");
	write_log(&log, &h, &from, &to);
	ok(spill(path, &from) && spill(wal, &log), "the old one and our log");
	ok(run(path, "PRAGMA wal_checkpoint(TRUNCATE)"), "checkpoint");
	slurp(path, &from);
	ok(from.len == to.len && memcmp(from.data, to.data, to.len) == 0,
	    "SQLite makes the new one of it (%s-endian)",
	    big_endian ? "big" : "little");
	buf_release(&from);
	buf_release(&to);
	buf_release(&log);
	free(path);
	free(wal);
}

static void
test_header(void)
{
	struct wal_hdr h = { .page_size = 65536, .salt = { 1, 2 } }, got;
	uint8_t p[WAL_HDR_SIZE];
	uint32_t sum[2] = { 0, 0 };
	struct err e;
	size_t i, missed = 0, set = 0;

	wal_hdr_write(&h, p);
	is_int(wal_hdr_parse(&got, p, &e), 0, "as written");
	ok(got.page_size == 65536 && got.seq == 0 && got.salt[0] == 1 &&
		got.salt[1] == 2 && got.sum[0] == h.sum[0] &&
		got.sum[1] == h.sum[1] && !got.big_endian,
	    "all fields come back");
	for (i = 0; i < sizeof(p) * 8; i++) {
		p[i / 8] ^= (uint8_t)(1 << i % 8);
		missed +=
		    wal_hdr_parse(&got, p, &e) != -1 || e.class != ERR_CORRUPT;
		set += got.big_endian || got.page_size != 0 || got.seq != 0 ||
		    got.salt[0] != 0 || got.salt[1] != 0 || got.sum[0] != 0 ||
		    got.sum[1] != 0;
		p[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	is_int(missed, 0, "every bit of a header counts");
	is_int(set, 0, "of one that does not hold nothing is set");
	ok(!wal_hdr_other_version(p), "of the version that there is");
	be32_put(p + 4, 3021000);
	ok(!wal_hdr_other_version(p), "another one, but no checksum holds");
	wal_sum(false, p, 24, sum);
	be32_put(p + 24, sum[0]);
	be32_put(p + 28, sum[1]);
	ok(wal_hdr_other_version(p), "of another version");
	is_int(wal_hdr_parse(&got, p, &e), -1, "and no header");
	is_str(e.msg, "WAL version is 3021000", "says so");
	h.page_size = 256;
	wal_hdr_write(&h, p);
	is_int(wal_hdr_parse(&got, p, &e), -1, "too small a page");
	is_str(e.msg, "WAL page size is 256", "says so");
	memset(p, 0, sizeof(p));
	is_int(wal_hdr_parse(&got, p, &e), -1, "zeros");
	is_str(e.msg, "WAL magic is 00000000", "says so");
}

/* Worked by hand: s0 += w0 + s1, s1 += w1 + s0 for each eight bytes. */
static void
test_sum(void)
{
	static const uint8_t p[16] = { 1, 0, 0, 0, 2, 0, 0, 0, 0xff, 0xff, 0xff,
		0xff, 0, 0, 0, 1 };
	uint32_t sum[2] = { 0, 0 };

	wal_sum(false, p, 8, sum);
	ok(sum[0] == 1 && sum[1] == 3, "one step");
	wal_sum(false, p + 8, 8, sum);
	ok(sum[0] == 3 && sum[1] == 0x01000006, "goes on, and around");
	sum[0] = sum[1] = 0;
	wal_sum(true, p, 16, sum);
	ok(sum[0] == 0x03ffffff && sum[1] == 0x07000000, "big-endian words");
	wal_sum(true, p, 0, sum);
	ok(sum[0] == 0x03ffffff && sum[1] == 0x07000000, "of nothing");
}

static void
remove_dir(void)
{
	char *cmd = xasprintf("rm -rf %s", dir);

	ok(system(cmd) == 0, "clean up");
	free(cmd);
}

int
main(void)
{
	test_sum();
	test_header();
	if (!ok(mkdtemp(dir) != NULL, "a directory"))
		return done();
	test_real(512);
	test_real(4096);
	test_real(65536);
	test_written(false);
	test_written(true);
	remove_dir();
	return done();
}
