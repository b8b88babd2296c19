/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir_kit -- what the tests of the directory store share: a system that can be
 * watched and made to fail, a fresh root, and short ways to use it.
 */
#ifndef LSPP_TESTS_UNIT_DIR_KIT_H
#define LSPP_TESTS_UNIT_DIR_KIT_H

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/store/dir/dir_impl.h"
#include "lib/store/open/store_open.h"
#include "tests/unit/tap.h"

#define MTIME 1234567890123456789

static char top[] = "/tmp/dir_test.XXXXXX";
static char *root; /* top/root */

/* The system, with a view of it and errors to order */

static unsigned fsyncs, syncfses;
static unsigned fail_at;    /* the sync that fails, from 1; 0: none */
static const char *watched; /* a path, */
static bool there[64];      /* and whether it was there at each sync */
static void (*meanwhile)(unsigned n); /* at the sync n, or NULL */

static inline int
a_sync(void)
{
	unsigned n = fsyncs + syncfses;

	if (watched != NULL && n <= 64)
		there[n - 1] = access(watched, F_OK) == 0;
	if (meanwhile != NULL)
		meanwhile(n);
	errno = EIO;
	return n == fail_at ? -1 : 0;
}

static inline int
my_fsync(int fd)
{
	fsyncs++;
	return fsync(fd) == -1 ? -1 : a_sync();
}

static inline int
my_syncfs(int fd)
{
	syncfses++;
	return syncfs(fd) == -1 ? -1 : a_sync();
}

static inline void
count_anew(void)
{
	fsyncs = syncfses = fail_at = 0;
	watched = NULL;
}

static const struct dir_sys best = { my_fsync, my_syncfs, true, true, true };

/* Helpers */

static inline void
sh(const char *command)
{
	char *all = xasprintf("cd %s && { %s; }", top, command);

	if (system(all) != 0)
		ok(false, "%s", command);
	free(all);
}

/* What a shell command prints, without its last newline. */
static inline const char *
said(const char *command)
{
	static char out[4096];
	char *all = xasprintf("cd %s && { %s; }", top, command);
	FILE *p = popen(all, "r");
	size_t n = fread(out, 1, sizeof(out) - 1, p);

	pclose(p);
	free(all);
	out[n > 0 && out[n - 1] == '\n' ? n - 1 : n] = '\0';
	return out;
}

static inline struct store *
fresh(const struct dir_sys *sys)
{
	struct store *s;
	struct err e;

	sh("rm -rf root");
	s = dir_open(root, STORE_WRITE, false, sys, &e);
	if (s == NULL) {
		ok(false, "%s", e.msg);
		exit(1);
	}
	count_anew();
	return s;
}

static inline struct staged *
stage_after(struct store *s, const char *key, const char *bytes,
    const char *after, struct err *e)
{
	struct spool sp;
	struct staged *o;

	spool_init(&sp, top, 1 << 20);
	if (spool_write(&sp, bytes, strlen(bytes), e) == -1)
		return NULL;
	o = s->ops->stage(s,
	    &(struct store_stage){
		.key = key, .bytes = &sp, .mtime_ns = MTIME, .after = after },
	    e);
	spool_release(&sp);
	return o;
}

static inline struct staged *
stage(struct store *s, const char *key, const char *bytes)
{
	struct err e;
	struct staged *o = stage_after(s, key, bytes, NULL, &e);

	if (o == NULL) {
		ok(false, "stage %s: %s", key, e.msg);
		exit(1);
	}
	return o;
}

static inline int
put(struct store *s, const char *key, const char *bytes, struct err *e)
{
	struct staged *o = stage(s, key, bytes);
	int rc;

	s->ops->publish(s, &o, 1);
	rc = o->rc;
	*e = o->e;
	s->ops->drop(s, o);
	return rc;
}

static inline int
sink(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	(void)e;
	buf_add(ctx, p, n);
	return 0;
}

static inline const char *
got(struct store *s, const char *key, uint64_t off, uint64_t n)
{
	static struct buf b;
	static struct err e;

	buf_reset(&b);
	if (s->ops->get(s, key, off, n, sink, &b, &e) == -1)
		return e.class == ERR_MISSING ? "(missing)" : e.msg;
	return buf_str(&b);
}

struct listing {
	struct buf b;
	int stop_at;
};

static inline int
each(void *ctx, const struct store_entry *en, struct err *e)
{
	struct listing *l = ctx;

	(void)e;
	buf_addf(&l->b, "%s%s ", en->key, en->prefix ? "*" : "");
	return l->stop_at > 0 && --l->stop_at == 0;
}

static inline const char *
listed(struct store *s, const char *prefix, bool delimited, int stop_at)
{
	static struct listing l;
	static struct err e;

	buf_reset(&l.b);
	l.stop_at = stop_at;
	if (s->ops->list(s, prefix, delimited, each, &l, &e) == -1)
		return e.msg;
	return buf_str(&l.b);
}

static inline int
begin(void)
{
	if (mkdtemp(top) == NULL)
		return -1;
	root = xasprintf("%s/root", top);
	return 0;
}

static inline int
end(void)
{
	sh("rm -rf root");
	is_int(rmdir(top), 0, "nothing is left");
	free(root);
	return done();
}

#endif
