/*
 * source_kit -- applications in processes of their own (POSIX locks do not show
 * within one), and what is read of their databases, against what SQLite sees.
 */
#ifndef LSPP_TESTS_UNIT_SOURCE_KIT_H
#define LSPP_TESTS_UNIT_SOURCE_KIT_H

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/source/source.h"
#include "tests/unit/tap.h"

#define KIT __attribute__((unused)) static

KIT char dir[] = "/tmp/lspp-source-XXXXXX";

KIT char *
db_path(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

KIT sqlite3 *
must_open(const char *path)
{
	sqlite3 *db;

	if (sqlite3_open(path, &db) != SQLITE_OK)
		abort();
	sqlite3_busy_timeout(db, 5000);
	return db;
}

KIT void
must(sqlite3 *db, const char *sql)
{
	char *why = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) {
		fprintf(stderr, "%s: %s\n", sql, why);
		abort();
	}
}

/* -- an application in a process of its own -------------------------------- */

struct app {
	pid_t pid;
	int to, from; /* SQL, a line each; an empty answer for each */
};

KIT void
app_main(const char *path, int in, int out)
{
	sqlite3 *db = must_open(path);
	FILE *f = fdopen(in, "r");
	char line[4096];

	while (fgets(line, sizeof(line), f) != NULL) {
		must(db, line);
		if (write(out, "\n", 1) != 1)
			_exit(1);
	}
	sqlite3_close(db);
	_exit(0);
}

KIT struct app
app_start(const char *path)
{
	int down[2], up[2];
	struct app a;

	if (pipe(down) == -1 || pipe(up) == -1 || (a.pid = fork()) == -1)
		abort();
	if (a.pid == 0) {
		close(down[1]);
		close(up[0]);
		app_main(path, down[0], up[1]);
	}
	close(down[0]);
	close(up[1]);
	a.to = down[1];
	a.from = up[0];
	return a;
}

KIT void
app_do(struct app *a, const char *sql)
{
	char answer;

	if (dprintf(a->to, "%s\n", sql) < 0 || read(a->from, &answer, 1) != 1)
		abort();
}

KIT void
app_end(struct app *a, int sig)
{
	if (sig != 0)
		kill(a->pid, sig);
	close(a->to);
	waitpid(a->pid, NULL, 0);
	close(a->from);
}

/* -- what was read --------------------------------------------------------- */

struct image {
	struct buf bytes;
	struct source_state st;
	uint32_t looked_at;
	/* What happens in the middle of each reading, behind that page. */
	void (*meanwhile)(void *);
	void *ctx;
	uint32_t behind;
};

/* Put the pages that source offers over what img has. */
KIT int
read_into(struct image *img, const char *path, struct source_pos *since,
    struct err *e)
{
	struct source *s = source_open(path, 2000, e);
	uint32_t known = 0, pgno;
	size_t size;
	int rc = 0;

	if (s == NULL)
		return -1;
	if (since != NULL)
		known = img->st.pages;
	while (rc == 0) {
		if (source_begin(s, since, known, false, e) == -1) {
			rc = -1;
			break;
		}
		img->st = *source_state(s);
		img->looked_at = 0;
		size = (size_t)img->st.pages * img->st.page_size;
		buf_room(&img->bytes, size);
		img->bytes.len = size;
		while ((pgno = source_next(s)) != 0) {
			const uint8_t *p = source_page(s, pgno, e);

			if (p == NULL) {
				source_close(s);
				return -1;
			}
			memcpy(img->bytes.data +
				(size_t)(pgno - 1) * img->st.page_size,
			    p, img->st.page_size);
			img->looked_at++;
			if (img->meanwhile != NULL && pgno == img->behind)
				img->meanwhile(img->ctx);
		}
		rc = source_end(s, e);
	}
	source_close(s);
	return rc == 1 ? 0 : -1;
}

/* What SQLite sees, from a process of its own: closing drops no lock. */
KIT bool
is_committed(const struct image *img, const char *path)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		sqlite3 *db = must_open(path);
		sqlite3_int64 n = 0;
		unsigned char *p;

		sqlite3_db_config(
		    db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		must(db, "BEGIN; SELECT * FROM sqlite_schema");
		p = sqlite3_serialize(db, "main", &n, 0);
		_exit(p == NULL || img->bytes.data == NULL ||
		    (size_t)n != img->bytes.len ||
		    memcmp(p, img->bytes.data, (size_t)n) != 0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

KIT void
check(const char *what, struct image *img, const char *path,
    struct source_pos *since, enum source_read read, enum source_hint hint)
{
	struct source_pos pos;
	struct err e = { 0 };
	int rc;

	if (since != NULL) {
		pos = *since;
		since = &pos;
	}
	rc = read_into(img, path, since, &e);
	ok(rc == 0, "%s: can be read%s", what, rc == 0 ? "" : e.msg);
	if (rc == -1)
		return;
	is_str(source_read_name[img->st.read], source_read_name[read], what);
	is_str(source_hint_name[img->st.hint], source_hint_name[hint], what);
	ok(is_committed(img, path), "%s: is what SQLite sees", what);
}

KIT const char fill[] =
    "INSERT INTO t SELECT NULL, randomblob(300) FROM (WITH RECURSIVE c(x) AS "
    "(SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 200) SELECT x FROM c);";

KIT void
settle(void)
{
	usleep(50000);
}

enum {
	WAL_SALT = 16,
	FRAME_SALT = 8,
	SHM_BACKFILL = 96,
	SHM_WRITE = 120,
	SHM_ATTEMPTED = 128
};

KIT const char table[] = "CREATE TABLE t(a INTEGER PRIMARY KEY, b)";

KIT void
shell(const char *fmt, const char *path)
{
	char *cmd = xasprintf(fmt, path, path, path, path);

	if (system(cmd) != 0)
		abort();
	free(cmd);
}

KIT void
patch(const char *path, const char *suffix, off_t at, const void *p, size_t n)
{
	char *name = xasprintf("%s%s", path, suffix);
	int fd = open(name, O_RDWR | O_CLOEXEC);

	if (fd == -1 || pwrite(fd, p, n, at) != (ssize_t)n)
		abort();
	close(fd);
	free(name);
}

/* Until the newest time of its files is older than that. */
KIT void
wait_older(const char *path, int64_t ns)
{
	struct signature sig;
	struct err e;
	bool racy;

	while (signature_take(&sig, path, &racy, &e) == 0 &&
	    now_ns() - signature_newest_ns(&sig) <= ns)
		usleep(50000);
}

/* Until nothing of it is racy for its times alone. */
KIT void
wait_old(const char *path)
{
	wait_older(path, INT64_C(1100000000));
}

KIT struct app
wal_app(const char *path)
{
	struct app a = app_start(path);

	app_do(&a, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;");
	app_do(&a, table);
	app_do(&a, fill);
	return a;
}

KIT void
must_refuse(const char *what, const char *path, const char *why)
{
	struct image img = { 0 };
	struct err e = { 0 };

	is_int(read_into(&img, path, NULL, &e), -1, what);
	is_int(e.class, ERR_BUSY, what);
	ok(strstr(e.msg, why) != NULL, "%s: %s", what, e.msg);
	ok(e.hint[0] != '\0', "%s: %s", what, e.hint);
	buf_release(&img.bytes);
}

/* -- the WAL in use -------------------------------------------------------- */

struct mover {
	const char *path, *sql;
	struct app *app; /* or NULL: one for each time */
	int times;
};

/* The state before is kept beside: FILE.was. */
KIT void
move(void *ctx)
{
	struct mover *m = ctx;
	struct app one;

	m->times++;
	shell("rm -f %s.was*; cp %s %s.was", m->path);
	shell("! [ -e %s-wal ] || cp %s-wal %s.was-wal", m->path);
	if (m->app != NULL) {
		app_do(m->app, m->sql);
		return;
	}
	one = app_start(m->path);
	app_do(&one, m->sql);
	app_end(&one, 0);
}

KIT void
moving(const char *what, struct mover *m, struct image *img)
{
	char *was = xasprintf("%s.was", m->path);
	struct err e = { 0 };
	int rc;

	img->meanwhile = move;
	img->ctx = m;
	img->behind = 1;
	rc = read_into(img, m->path, NULL, &e);
	ok(rc == 0, "%s: can be read %s", what, rc == 0 ? "" : e.msg);
	if (rc == 0)
		ok(is_committed(img, was), "%s: as it was at first", what);
	free(was);
}

#endif
