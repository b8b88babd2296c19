/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/scan/config_scan.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/sys/file.h"
#include "lib/text/glob.h"

/* A relative one continues the current directory, which is no pattern. */
static char *
absolute(const char *operand)
{
	struct buf b = { 0 };
	char *cwd, *pattern;

	while (strncmp(operand, "./", 2) == 0)
		operand += 2 + strspn(operand + 2, "/");
	if (strchr(operand, '/') == NULL || *operand == '/' ||
	    (cwd = getcwd(NULL, 0)) == NULL)
		return xstrdup(operand);
	glob_literal(strcmp(cwd, "/") == 0 ? "" : cwd, &b);
	buf_addf(&b, "/%s", operand);
	pattern = xstrdup(buf_str(&b));
	buf_release(&b);
	free(cwd);
	return pattern;
}

int
config_want_make(struct config_want *w, char **operands, struct err *e)
{
	size_t n = 0;

	*w = (struct config_want){ 0 };
	while (operands[n] != NULL)
		n++;
	if (n == 0)
		return 0;
	w->pattern = xcalloc(n + 1, sizeof(*w->pattern));
	for (size_t i = 0; i < n; i++) {
		if (glob_check(operands[i], e) == -1) {
			config_want_release(w);
			return err_in(e, "%s", operands[i]);
		}
		w->pattern[i] = absolute(operands[i]);
	}
	return 0;
}

void
config_want_release(struct config_want *w)
{
	for (char **p = w->pattern; p != NULL && *p != NULL; p++)
		free(*p);
	free(w->pattern);
	*w = (struct config_want){ 0 };
}

bool
config_wants(const struct config_want *w, const char *path)
{
	const char *what;
	struct err e;

	for (char **p = w->pattern; p != NULL && *p != NULL; p++) {
		what = strchr(*p, '/') == NULL ? path_base(path) : path;
		if (strcmp(*p, what) == 0 || glob_match(*p, what, &e) == 1)
			return true;
	}
	return w->pattern == NULL;
}

struct search {
	const struct config_file *f;
	const struct config_want *want;
	const struct scan *s; /* the caller's */
	const struct config_db *d;
};

/* Another entry may be the one that the database belongs to. */
static int
found(void *ctx, const char *path)
{
	struct search *x = ctx;

	if (config_find(&x->f->c, path) != x->d || !config_wants(x->want, path))
		return 0;
	return x->s->found(x->s->ctx, path);
}

static void
failed(void *ctx, const char *path, const struct err *e)
{
	struct search *x = ctx;

	if (x->d->glob != NULL && strcmp(path, x->d->glob) == 0)
		path = x->d->path;
	x->s->failed(x->s->ctx, path, e);
}

static void
done_with_directory(void *ctx)
{
	struct search *x = ctx;

	if (x->s->pause != NULL)
		x->s->pause(x->s->ctx);
}

static bool
known(void *ctx, const char *path)
{
	const struct search *x = ctx;

	return x->s->known != NULL && x->s->known(x->s->ctx, path);
}

int
config_scan(const struct config_file *f, const struct config_want *w,
    const struct scan *s)
{
	struct search x = { .f = f, .want = w, .s = s };
	struct scan own = *s;
	int rc = 0;

	own.found = found;
	own.failed = failed;
	own.pause = done_with_directory;
	own.known = known;
	own.ctx = &x;
	for (size_t i = 0; i < f->c.n && rc == 0; i++) {
		x.d = &f->c.db[i];
		if (x.d->kind != CONFIG_PATH)
			rc = scan_pattern(&own, x.d->glob);
		else if (config_wants(w, x.d->path))
			rc = scan_local(&own, x.d->path);
	}
	return rc;
}
