/* SPDX-License-Identifier: Apache-2.0 */
/*
 * damage_kit -- small databases whose files are bent, and what is read of them.
 *
 * A log that was bent may get checksums that hold again, as whoever bends it on
 * purpose would: damage_resum().
 */
#ifndef LSPP_TESTS_UNIT_DAMAGE_KIT_H
#define LSPP_TESTS_UNIT_DAMAGE_KIT_H

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/be.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/source/source.h"
#include "lib/sqlite/wal.h"
#include "lib/sys/file.h"

#define DAMAGE_FN __attribute__((unused)) static

DAMAGE_FN void
damage_die(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

DAMAGE_FN void
damage_load(struct buf *b, const char *path)
{
	struct err e;

	if (file_slurp(path, (size_t)1 << 30, b, &e) == -1)
		damage_die(e.msg);
}

DAMAGE_FN void
damage_store(const struct buf *b, const char *path)
{
	struct err e;

	if (file_replace(path, b->data, b->len, 0600, &e) == -1)
		damage_die(e.msg);
}

/* Run sql on the database at path; its log stays where it is. */
DAMAGE_FN void
damage_sql(const char *path, const char *sql)
{
	sqlite3 *db = NULL;

	if (sqlite3_open(path, &db) != SQLITE_OK ||
	    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) !=
		SQLITE_OK ||
	    sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		damage_die(sqlite3_errmsg(db));
	sqlite3_close(db);
}

/* Make the checksums of a log hold, as far as its page size leads. */
DAMAGE_FN void
damage_resum(struct buf *log)
{
	uint32_t size = be32(log->data + 8), sum[2] = { 0, 0 };
	bool big = (be32(log->data) & 1) != 0;
	uint8_t *p = log->data;

	wal_sum(big, p, 24, sum);
	be32_put(p + 24, sum[0]);
	be32_put(p + 28, sum[1]);
	p += WAL_HDR_SIZE;
	for (; size <= 65536 && size % 8 == 0 &&
	     p + WAL_FRAME_HDR_SIZE + size <= log->data + log->len;
	     p += WAL_FRAME_HDR_SIZE + size) {
		wal_sum(big, p, 8, sum);
		wal_sum(big, p + WAL_FRAME_HDR_SIZE, size, sum);
		be32_put(p + 16, sum[0]);
		be32_put(p + 20, sum[1]);
	}
}

/* What was read of a database. */
struct damage_image {
	struct buf bytes;
	struct source_state st;
};

/*
 * The database at path, as lspp reads it.  since is a position that *img is of,
 * or NULL.
 */
DAMAGE_FN int
damage_read(struct damage_image *img, const char *path,
    const struct source_pos *since, struct err *e)
{
	struct source *s = source_open(path, 200, e);
	uint32_t known = img->st.pages, pgno, size;
	const uint8_t *p;
	size_t all, had;
	int rc = s == NULL ? -1 : 0;

	while (rc == 0) {
		if ((rc = source_begin(s, since, known, false, e)) == -1)
			break;
		img->st = *source_state(s);
		size = img->st.page_size;
		all = (size_t)img->st.pages * size;
		had = img->bytes.len;
		if (all > had)
			memset(buf_room(&img->bytes, all - had), 0, all - had);
		img->bytes.len = all;
		while (rc == 0 && (pgno = source_next(s)) != 0)
			if ((p = source_page(s, pgno, e)) == NULL)
				rc = -1;
			else
				memcpy(
				    img->bytes.data + (size_t)(pgno - 1) * size,
				    p, size);
		if (rc == 0)
			rc = source_end(s, e);
	}
	source_close(s);
	return rc == 1 ? 0 : -1;
}

/*
 * What SQLite reads of it, page for page and without understanding any, as a
 * copy that it makes (and signs in page 1, always the same way).  It may write
 * to what it reads.  SQLITE_OK, or why not.
 */
DAMAGE_FN int
damage_sqlite(struct buf *bytes, const char *path)
{
	char *out = xasprintf("%s-out", path);
	sqlite3 *from = NULL, *to = NULL;
	sqlite3_backup *b = NULL;
	int rc;

	(void)unlink(out);
	buf_reset(bytes);
	if ((rc = sqlite3_open(path, &from)) == SQLITE_OK &&
	    (rc = sqlite3_open(out, &to)) == SQLITE_OK &&
	    (rc = sqlite3_exec(to, "PRAGMA journal_mode=OFF", NULL, NULL,
		 NULL)) == SQLITE_OK) {
		if ((b = sqlite3_backup_init(to, "main", from, "main")) == NULL)
			damage_die(sqlite3_errmsg(to));
		(void)sqlite3_backup_step(b, -1);
		rc = sqlite3_backup_finish(b);
	}
	sqlite3_close(to);
	sqlite3_close(from);
	if (rc == SQLITE_OK)
		damage_load(bytes, out);
	(void)unlink(out);
	free(out);
	return rc;
}

/* An application that has read the database, and rests. */
DAMAGE_FN pid_t
damage_rest(const char *path)
{
	int up[2];
	char byte;
	pid_t pid;

	if (pipe(up) == -1 || (pid = fork()) == -1)
		damage_die("fork");
	if (pid == 0) {
		sqlite3 *db;

		if (sqlite3_open(path, &db) != SQLITE_OK ||
		    sqlite3_exec(db, "SELECT * FROM sqlite_schema", NULL, NULL,
			NULL) != SQLITE_OK ||
		    write(up[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(up[1]);
	if (read(up[0], &byte, 1) != 1)
		damage_die("the application died");
	close(up[0]);
	return pid;
}

DAMAGE_FN void
damage_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#endif
