/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/scan/scan.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/store/open/store_open.h"
#include "lib/sys/file.h"
#include "tests/unit/tap.h"

static char dir[] = "/tmp/scan_test.XXXXXX";

/* What happens, in order; stop_at: the call of found() that says no. */
struct events {
	struct buf b;
	int stop_at;
};

static int
found(void *ctx, const char *path)
{
	struct events *ev = ctx;

	buf_addf(&ev->b, "%s ", path);
	return ev->stop_at > 0 && --ev->stop_at == 0 ? -1 : 0;
}

static void
failed(void *ctx, const char *path, const struct err *e)
{
	struct events *ev = ctx;

	buf_addf(&ev->b, "!%s:%d ", path, (int)e->class);
}

static void
a_pause(void *ctx)
{
	struct events *ev = ctx;

	buf_adds(&ev->b, "; ");
}

static void
make(const char *path)
{
	sqlite3 *db;

	if (sqlite3_open(path, &db) != SQLITE_OK ||
	    sqlite3_exec(db, "CREATE TABLE t(x)", NULL, NULL, NULL) !=
		SQLITE_OK)
		ok(false, "%s: %s", path, sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void
object(const char *key)
{
	char *file =
	    xasprintf("R/%s/generations/0123456789abcdef/snapshots", key);
	struct err e;

	if (file_mkdirs(file, &e) == -1)
		ok(false, "%s", e.msg);
	free(file);
	file = xasprintf("R/%s/generations/0123456789abcdef/snapshots/"
			 "00000000.snapshot.lz4",
	    key);
	file_close(open(file, O_WRONLY | O_CREAT, 0600));
	free(file);
}

static void
test_local(const struct scan *s, struct events *ev)
{
	is_int(scan_local(s, "d"), 0, "a directory");
	is_str(buf_str(&ev->b), "d/a/1 d/a/2 ; d/b/3 ; d/c ; ",
	    "each is found, with a pause after each directory");
	buf_reset(&ev->b);
	is_int(scan_local(s, "d/*/[13]"), 0, "a pattern");
	is_str(buf_str(&ev->b), "d/a/1 ; d/b/3 ; ; ", "finds what matches");
	buf_reset(&ev->b);
	is_int(scan_local(s, "gone"), 0, "what is missing");
	is_int(scan_local(s, "gone/*"), 0, "also to a pattern");
	is_int(scan_local(s, "d/[a"), 0, "a malformed pattern");
	is_str(buf_str(&ev->b), "!gone:66 !gone/*:66 !d/[a:2 ",
	    "fail under their own names");
}

static void
test_stop(const struct scan *s, struct events *ev)
{
	static const char *const operand[] = { "d", "d/**", "d/a/1" };

	for (int i = 0; i < 3; i++) {
		buf_reset(&ev->b);
		ev->stop_at = 1;
		is_int(scan_local(s, operand[i]), -1, "%s: no more is wanted",
		    operand[i]);
		ok(strstr(buf_str(&ev->b), "d/a/2") == NULL &&
			strchr(buf_str(&ev->b), '!') == NULL,
		    "so no more is given: %s", buf_str(&ev->b));
	}
}

static void
test_replica(const struct scan *s, struct events *ev)
{
	char *want = xasprintf("; ; file://%s/R/a/1 ; ", dir);
	struct store *st;
	struct err e;

	object("a/1");
	object("a/2");
	if ((st = store_open("R", STORE_READ, true, NULL, &e)) == NULL) {
		ok(false, "%s", e.msg);
		exit(1);
	}
	buf_reset(&ev->b);
	is_int(scan_replica(s, st, "a/1"), 0, "one key of a replica");
	is_str(buf_str(&ev->b), want + 4, "is looked for where it is");
	buf_reset(&ev->b);
	ev->stop_at = 1;
	is_int(scan_replica(s, st, NULL), -1, "no more is wanted");
	is_str(buf_str(&ev->b), want, "so no more is given");
	buf_reset(&ev->b);
	is_int(scan_replica(s, st, "[a"), 0, "a malformed pattern");
	ok(strstr(buf_str(&ev->b), "/[a:2 ") != NULL, "is wrong use");
	store_close(st);
	free(want);
}

int
main(void)
{
	struct events ev = { .stop_at = 0 };
	struct scan s = {
		.found = found, .failed = failed, .pause = a_pause, .ctx = &ev
	};
	char *command;

	if (mkdtemp(dir) == NULL || chdir(dir) == -1 || mkdir("d", 0700) ||
	    mkdir("d/a", 0700) || mkdir("d/b", 0700))
		return 1;
	make("d/a/1");
	make("d/a/2");
	make("d/b/3");
	make("d/c");
	test_local(&s, &ev);
	test_stop(&s, &ev);
	test_replica(&s, &ev);
	s.pause = NULL;
	buf_reset(&ev.b);
	is_int(scan_local(&s, "d"), 0, "without a pause");
	is_str(buf_str(&ev.b), "d/a/1 d/a/2 d/b/3 d/c ", "all the same");
	buf_release(&ev.b);
	(void)chdir("/");
	command = xasprintf("rm -rf %s", dir);
	ok(system(command) == 0, "cleaned up");
	free(command);
	return done();
}
