/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/scan/scan.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/store/listed.h"
#include "lib/store/open/store_open.h"
#include "lib/sys/file.h"
#include "tests/unit/draw_kit.h"
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

/* -- what is below a database, of the search that found it ---------------- */

/* found() and failed() get it, too. */
struct listing {
	struct events ev;
	struct store *st;
	char *key; /* that was asked about last */
	unsigned seen;
	bool right;
};

static bool
lists(void *ctx, const char *key)
{
	struct listing *x = ctx;

	free(x->key);
	x->key = xstrdup(key);
	return true;
}

static int
add_entry(void *ctx, const struct store_entry *en, struct err *e)
{
	(void)e;
	buf_addf(ctx, "%s:%d:%lld ", en->key, (int)en->size,
	    (long long)en->mtime_ns);
	return 0;
}

/* It has what the store lists, and lists nothing. */
static void
take_listed(void *ctx, struct listed *l)
{
	struct listing *x = ctx;
	char *prefix = xasprintf("%s%s", x->key, *x->key != '\0' ? "/" : "");
	struct buf has = { 0 }, is = { 0 };
	struct err e;

	l->s = NULL;
	x->seen++;
	x->right = x->right &&
	    listed_each(l, prefix, false, add_entry, &has, &e) == 0 &&
	    x->st->ops->list(x->st, prefix, false, add_entry, &is, &e) == 0 &&
	    strcmp(buf_str(&has), buf_str(&is)) == 0 &&
	    !listed_is_old(l, INT64_C(600000000000));
	buf_release(&has);
	buf_release(&is);
	listed_release(l);
	free(prefix);
}

static void
put(const char *file, unsigned bytes)
{
	struct buf above = { 0 };
	struct err e;
	int fd;

	path_dir(file, &above);
	if (file_mkdirs(buf_str(&above), &e) == 0 &&
	    (fd = open(file, O_WRONLY | O_CREAT, 0600)) != -1) {
		(void)ftruncate(fd, bytes);
		close(fd);
	}
	buf_release(&above);
}

/* An object, or what is none, below the root; anything may be in its way. */
static void
draw_object(const char *root)
{
	static const char *const name[] = { "a", "b", "generations",
		"0123456789abcdef" };
	static const char *const end[] = {
		"generations/0123456789abcdef/snapshots/00000001.snapshot.lz4",
		"generations/0123456789abcde0/snapshots/00000000.snapshot.lz4",
		"generations/0123456789abcdef/wal/00000000_00000020.wal.lz4",
		"generations/0123456789abcde0/snapshots/00000001.alone.lz4",
		"generations/owner-00000000.lz4",
		"generations/0123456789abcdef/snapshots/else",
		"ltx/0/0000000000000001-0000000000000001.ltx",
		"else",
		"generations/0123456789abcdef/wal/",
		"generations/else/else",
	};
	unsigned n = draw(sizeof(end) / sizeof(*end) + 8);
	char *file, *key = xstrdup(name[draw(4)]), *more;

	if (draw(3) == 0) {
		more = xasprintf("%s/%s", key, name[draw(4)]);
		free(key);
		key = more;
	}
	if (n >= sizeof(end) / sizeof(*end))
		n = n % 3; /* most are what they should be */
	file = xasprintf("%s/%s/%s", root, key, end[n]);
	if (strcmp(end[n], "else") == 0 && draw(2) == 0)
		(void)symlink("nowhere", file);
	else
		put(file, draw(100));
	free(file);
	free(key);
}

static void
scan_both(const char *root, unsigned *seen)
{
	struct listing x = { .right = true }, plain = { .right = true };
	struct scan s = { .found = found, .failed = failed, .ctx = &plain };
	struct err e;

	x.st = store_open(root, STORE_READ, true, NULL, &e);
	if (x.st == NULL || scan_replica(&s, x.st, NULL) == -1)
		exit(1);
	s.ctx = &x;
	s.lists = lists;
	s.listed = take_listed;
	(void)scan_replica(&s, x.st, NULL);
	if (strcmp(buf_str(&x.ev.b), buf_str(&plain.ev.b)) != 0 || !x.right)
		ok(false, "%s: %s, where it is %s", root, buf_str(&x.ev.b),
		    buf_str(&plain.ev.b));
	*seen += x.seen;
	store_close(x.st);
	free(x.key);
	buf_release(&x.ev.b);
	buf_release(&plain.ev.b);
}

/* What is found is the same, and what is handed out is all of it. */
static void
test_listed(void)
{
	enum { TREES = 60, FEW = 32 };
	unsigned seen = 0, few = 0;
	char root[32], file[128];

	for (int i = 0; i < TREES; i++) {
		(void)snprintf(root, sizeof(root), "Q%d", i);
		(void)mkdir(root, 0700);
		for (unsigned n = draw(12); n > 0; n--)
			draw_object(root);
		scan_both(root, &seen);
	}
	ok(seen > TREES / 4, "%u of random trees", seen);
	for (int i = 0; i <= FEW; i++) {
		(void)snprintf(file, sizeof(file),
		    "F/a/generations/0123456789abcdef/wal/"
		    "00000000_%08x.wal.lz4",
		    i);
		put(file, 1);
		few = 0;
		if (i >= FEW - 1)
			scan_both("F", &few);
		if (i == FEW - 1)
			is_int(few, 1, "few");
	}
	is_int(few, 0, "not many");
}

int
main(void)
{
	struct events ev = { .stop_at = 0 };
	struct scan s = {
		.found = found, .failed = failed, .pause = a_pause, .ctx = &ev
	};
	char *command;

	seed = tap_seed();
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
	test_listed();
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
