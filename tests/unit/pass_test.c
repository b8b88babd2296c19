/* SPDX-License-Identifier: Apache-2.0 */
/* The object of a pass: what is written is read, and nothing else is. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/pass/pass.h"
#include "lib/store/conf.h"
#include "lib/store/open/store_open.h"
#include "lib/store/store.h"
#include "lib/sys/spool.h"
#include "tests/unit/tmp_kit.h"

#define WAL                                                                \
	"wal 0123456789abcdef 0000000000002050 0000000000000000 1 4096 2 " \
	"022de3b75514705fc3d5857904e7bcf7 1796026274233461311"
#define LTX                                                               \
	"ltx 0000000000000001 0000000000000009 0000000000000004 5 512 7 " \
	"022de3b75514705fc3d5857904e7bcf7 0"

static struct store *store;

/* Line n, in place of what l held. */
static void
line(struct pass_line *l, const char *key, unsigned n)
{
	struct buf kept = l->key;

	*l = (struct pass_line){ .shipped = true,
		.at = { .format = FORMAT_WAL,
		    .pos = { "0123456789abcdef", n },
		    .segments = n > 0,
		    .page_size = 4096,
		    .pages = n + 1,
		    .sum = { n, ~(uint64_t)n },
		    .captured_ns = 5 } };

	l->key = kept;
	buf_reset(&l->key);
	buf_adds(&l->key, key);
}

/* -- lines ----------------------------------------------------------------- */

struct seen {
	struct buf again;
	unsigned n;
};

static int
put_again(void *ctx, const struct pass_line *l, struct err *e)
{
	struct seen *s = ctx;

	(void)e;
	s->n++;
	pass_line_put(&s->again, l);
	return 0;
}

/* The class of the failure to read that line, as the only one; 0: it is read,
 * and written it is the same. */
static enum err_class
reads(const char *text)
{
	struct seen seen = { .n = 0 };
	struct pass_text t = { .each = put_again, .ctx = &seen };
	char *all = xasprintf("pass 1 x 1 2\n%s\nend 1\n", text);
	char *with_end = xasprintf("%s\n", text);
	struct err e = { 0 };
	int rc = pass_text_feed(&t, (uint8_t *)all, strlen(all), &e);

	if (rc == 0)
		rc = pass_text_end(&t, &e);
	if (rc == 0)
		is_str(buf_str(&seen.again), with_end, "it comes back");
	pass_text_release(&t);
	buf_release(&seen.again);
	free(with_end);
	free(all);
	return rc == 0 ? ERR_NONE : e.class;
}

static void
test_lines(void)
{
	static const char *const good[] = {
		"db a/b.db " WAL " ok",
		"db a/b.db " LTX " ok",
		"db % " WAL " ok",
		"db a%0ab%25%ff " WAL " failed 12 65 not%20a%20database",
		"db a " WAL " lost 12 65 %",
		"db a " LTX " gone 12 66 %",
		"none a failed 0 77 why",
	};
	static const char *const bad[] = {
		"",
		"db",
		"db a",
		"db a " WAL,
		"db a " WAL " ",
		"db a " WAL " ok ",
		"db a " WAL " ok 1 2 x",
		"db a " WAL " well",
		"db a " WAL " gone",
		"db a " WAL " gone 12 66",
		"db a " WAL " failed 012 65 x",
		"db a " WAL " failed -1 65 x",
		"db a " WAL " failed 1 79 x",
		"db  " WAL " ok",
		" db a " WAL " ok",
		"db a%2 " WAL " ok",
		"db a%00 " WAL " ok",
		"db a%41 " WAL " ok", /* that is A */
		"db a%0A " WAL " ok",
		"db a\tb " WAL " ok",
		"none a ok",
		"none a gone 1 66 %",
		"none a " WAL " failed 0 77 why",
		"end 1",
		"db a wal 0123456789abcdeg 0000000000000000 0000000000000000 "
		"0 4096 2 022de3b75514705fc3d5857904e7bcf7 1 ok",
		/* before its snapshot; a snapshot in a log */
		"db a wal 0123456789abcdef 0000000000000000 0000000100000000 "
		"0 4096 2 022de3b75514705fc3d5857904e7bcf7 1 ok",
		"db a wal 0123456789abcdef 0000000000000020 0000000000000020 "
		"0 4096 2 022de3b75514705fc3d5857904e7bcf7 1 ok",
		/* no segment leads there; no page; no size of one */
		"db a wal 0123456789abcdef 0000000000000020 0000000000000000 "
		"0 4096 2 022de3b75514705fc3d5857904e7bcf7 1 ok",
		"db a wal 0123456789abcdef 0000000000000000 0000000000000000 "
		"0 4096 0 022de3b75514705fc3d5857904e7bcf7 1 ok",
		"db a wal 0123456789abcdef 0000000000000000 0000000000000000 "
		"0 4097 2 022de3b75514705fc3d5857904e7bcf7 1 ok",
		/* as many TXIDs as steps */
		"db a ltx 0000000000000001 0000000000000009 0000000000000004 "
		"4 512 7 022de3b75514705fc3d5857904e7bcf7 0 ok",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		is_int(reads(good[i]), ERR_NONE, "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_int(reads(bad[i]), ERR_CORRUPT, "refused: \"%s\"", bad[i]);
}

static enum err_class
text(const char *all)
{
	struct pass_text t = { .each = NULL };
	struct err e = { 0 };
	int rc = 0;

	/* A byte at a time. */
	for (const char *p = all; *p != '\0' && rc == 0; p++)
		rc = pass_text_feed(&t, (const uint8_t *)p, 1, &e);
	if (rc == 0)
		rc = pass_text_end(&t, &e);
	pass_text_release(&t);
	return rc == 0 ? ERR_NONE : e.class;
}

static void
test_text(void)
{
	char *long_line = xasprintf("pass 1 x 1 2\nnone %070000d", 1);

	is_int(text("pass 1 x 1 2\nend 0\n"), 0, "a pass of none");
	is_int(text(""), ERR_CORRUPT, "nothing");
	is_int(text("pass 1 x 1 2\n"), ERR_CORRUPT, "no end");
	is_int(text("pass 1 x 1 2\nend 0"), ERR_CORRUPT, "a cut end");
	is_int(text("pass 1 x 1 2\nend 1\n"), ERR_CORRUPT, "less than it says");
	is_int(text("pass 1 x 1 2\nnone a failed 0 77 y\nend 0\n"), ERR_CORRUPT,
	    "more than it says");
	is_int(text("pass 1 x 1 2\nend 0\nend 0\n"), ERR_CORRUPT,
	    "something behind the end");
	is_int(text("pass 1 x 1 2\nend 0\nx"), ERR_CORRUPT,
	    "half of a line behind the end");
	is_int(
	    text("pass 1 x 1\nend 0\n"), ERR_CORRUPT, "a head without a time");
	is_int(text("pass 1 ../x 1 2\nend 0\n"), ERR_CORRUPT, "a name of none");
	is_int(text("pass 2 x 1 2\nend 0\n"), ERR_CONFIG, "a later version");
	is_int(text("end 0\n"), ERR_CORRUPT, "no head");
	is_int(text(long_line), ERR_CORRUPT, "a line without end");
	free(long_line);
}

static void
test_order(void)
{
#define HEAD2 "pass 1 x 1 2\n"
	is_int(text(HEAD2 "db % " WAL " ok\ndb a " WAL " ok\n"
			  "none a failed 0 77 y\ndb a-wal " LTX " ok\n"
			  "db a%ff " WAL " ok\nnone a failed 0 77 y\nend 6\n"),
	    ERR_NONE, "states ascend, what has none may be anywhere");
	is_int(text(HEAD2 "db a " WAL " ok\ndb a " WAL " ok\nend 2\n"),
	    ERR_CORRUPT, "two states of one");
	is_int(text(HEAD2 "db % " WAL " ok\ndb % " WAL " ok\nend 2\n"),
	    ERR_CORRUPT, "two of no name");
	is_int(text(HEAD2 "db a-wal " WAL " ok\ndb a " WAL " ok\nend 2\n"),
	    ERR_CORRUPT, "a log before its database");
	is_int(text(HEAD2 "db a%ff " WAL " ok\ndb az " WAL " ok\nend 2\n"),
	    ERR_CORRUPT, "bytes have no sign");
}

/* -- names ----------------------------------------------------------------- */

static void
test_names(void)
{
	static const char *const good[] = { "2026-11-30T03:00Z", "x",
		"a_b+c.d" };
	static const char *const bad[] = { "", "latest", ".x", "-x", "a/b",
		"a b", "\xc3\xa4" };
	char name[PASS_NAME_MAX + 1], long_name[PASS_NAME_MAX + 2];
	struct err e;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(pass_check_name(good[i], &e) == 0, "%s is a name", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(pass_check_name(bad[i], &e) == -1 && e.class == ERR_USAGE,
		    "\"%s\" is none", bad[i]);
	memset(long_name, 'x', sizeof(long_name));
	long_name[PASS_NAME_MAX + 1] = '\0';
	ok(pass_check_name(long_name, &e) == -1, "nor is a long one");
	ok(pass_is_key(PASS_PREFIX "a.b.pass.lz4", name), "a key");
	is_str(name, "a.b", "and its name");
	ok(!pass_is_key(PASS_PREFIX ".pass.lz4", name) &&
		!pass_is_key(PASS_PREFIX "a/b.pass.lz4", name) &&
		!pass_is_key("x/" PASS_PREFIX "a.pass.lz4", name) &&
		!pass_is_key(PASS_PREFIX "generations/owner-0.lz4", name),
	    "what is no key");
}

/* -- objects --------------------------------------------------------------- */

static void
write_pass(struct spool *out, const char *name, unsigned n)
{
	struct pass_writer *w;
	struct pass_line l = { .shipped = false };
	struct err e = { 0 };
	char key[64];

	spool_init(out, dir, 65536);
	w = pass_writer_new(out, name, 3, 4, &e);
	or_end(w != NULL, &e);
	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(key, sizeof(key), "tenant-%06u/app.db", i);
		line(&l, key, i);
		or_end(pass_writer_add(w, &l, &e) == 0, &e);
	}
	pass_line_release(&l);
	or_end(pass_writer_end(w, &e) == 0, &e);
	pass_writer_free(w);
}

static int
count(void *ctx, const struct pass_line *l, struct err *e)
{
	unsigned *n = ctx;
	char key[64];

	(void)e;
	(void)snprintf(key, sizeof(key), "tenant-%06u/app.db", *n);
	if (strcmp(buf_str(&l->key), key) != 0 || l->at.pos.at != *n ||
	    l->at.sum.lo != ~(uint64_t)*n || !l->shipped)
		return 7;
	++*n;
	return 0;
}

/* Written, put, and read; how much more memory was ever used than before. */
static long
round_trip(const char *name, unsigned n)
{
	struct spool s;
	struct pass p;
	struct err e = { 0 };
	struct rusage before, after;
	unsigned seen = 0;

	getrusage(RUSAGE_SELF, &before);
	write_pass(&s, name, n);
	or_end(pass_put(store, name, &s, 4, &e) == 0, &e);
	spool_release(&s);
	or_end(pass_get(&p, store, name, dir, &e) == 0, &e);
	ok(p.lines == n && p.began_ns == 3 && p.ended_ns == 4, "%u lines", n);
	is_int(pass_lines(&p, count, &seen, &e), 0, "all are read");
	is_int(seen, n, "so many");
	pass_release(&p);
	getrusage(RUSAGE_SELF, &after);
	return after.ru_maxrss - before.ru_maxrss;
}

static void
test_objects(void)
{
	struct spool s;
	struct pass p;
	struct err e = { 0 };
	long few, more;

	(void)round_trip("2026-a", 0);
	(void)round_trip("2026-b", 2000);
	/* What a round takes anew, under the sanitizers, it takes again. */
	few = round_trip("2026-bb", 2000);
	more = round_trip("2026-c", getenv("LSPP_SOAK") ? 1000000 : 50000);
	ok(more < few + 1536,
	    "memory does not follow the lines: %ld KiB more, for few %ld", more,
	    few);
	write_pass(&s, "2026-b", 1);
	ok(pass_put(store, "2026-b", &s, 4, &e) == -1 && e.class == ERR_EXISTS,
	    "one that is there stays");
	spool_release(&s);
	(void)round_trip("zz", 1);
	ok(pass_get(&p, store, "latest", dir, &e) == 0, "the latest");
	is_str(p.name, "2026-c", "is the highest that begins with a digit");
	pass_release(&p);
	ok(pass_get(&p, store, "none", dir, &e) == -1 && e.class == ERR_MISSING,
	    "none of that name");
	pass_release(&p);
}

/* Every byte of it counts. */
static void
test_damage(void)
{
	const char *path = "%s/r/" PASS_PREFIX "d.pass.lz4";
	char *file = xasprintf(path, dir);
	struct spool s;
	struct pass p;
	struct err e = { 0 };
	unsigned bad = 0;
	uint8_t *object;
	int fd;

	write_pass(&s, "d", 3);
	or_end(pass_put(store, "d", &s, 4, &e) == 0, &e);
	object = xmalloc(s.size);
	or_end(spool_read(&s, 0, object, s.size, &e) == 0, &e);
	for (uint64_t i = 0; i < 2 * s.size; i++) {
		uint64_t cut = i < s.size ? i : s.size;

		(void)unlink(file);
		fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (i >= s.size)
			object[i - s.size] ^= 0x20;
		if (fd == -1 || write(fd, object, cut) != (ssize_t)cut ||
		    close(fd) == -1)
			break;
		if (i >= s.size)
			object[i - s.size] ^= 0x20;
		/* Of a later version, or none at all. */
		bad += pass_get(&p, store, "d", dir, &e) == -1 &&
		    (e.class == ERR_CORRUPT || e.class == ERR_CONFIG);
		pass_release(&p);
	}
	is_int(bad, 2 * s.size, "cut or changed anywhere it is refused");
	free(object);
	free(file);
	spool_release(&s);
}

int
main(void)
{
	struct store_conf conf = STORE_CONF;
	struct err e = { 0 };
	char *root;

	dir_begin();
	root = xasprintf("%s/r", dir);
	store = store_open(root, STORE_WRITE, false, &conf, &e);
	or_end(store != NULL, &e);
	free(root);
	test_names();
	test_lines();
	test_text();
	test_order();
	test_objects();
	test_damage();
	store_close(store);
	return dir_done();
}
