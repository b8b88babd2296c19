/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths, patterns, and the names of databases below their roots.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/config/config_impl.h"
#include "lib/sys/file.h"
#include "lib/text/glob.h"

/* -- paths ----------------------------------------------------------------- */

/* Take the last component off b, which does not shrink below 'root'. */
static bool
drop_last(struct buf *b, size_t root)
{
	size_t n = b->len;

	while (n > root && b->data[n - 1] != '/')
		n--;
	if (b->len == root || strcmp((char *)b->data + n, "..") == 0)
		return false;
	b->len = n > root ? n - 1 : root;
	b->data[b->len] = '\0';
	return true;
}

char *
config_clean(const char *path)
{
	struct buf b = { 0 };
	size_t root = *path == '/', n;
	char *out;

	if (root)
		buf_adds(&b, "/");
	for (; *path != '\0'; path += n) {
		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (n == 0 || (n == 1 && path[0] == '.'))
			continue;
		if (n == 2 && memcmp(path, "..", 2) == 0 &&
		    (drop_last(&b, root) || root))
			continue;
		if (b.len > root)
			buf_add(&b, "/", 1);
		buf_add(&b, path, n);
	}
	out = xstrdup(buf_str(&b));
	buf_release(&b);
	return out;
}

char *
config_expand(struct parse *p, const struct value *v)
{
	const char *s = v->s;
	char *whole, *clean;

	if (strncmp(s, "sqlite://", 9) == 0)
		s += 9;
	else if (strncmp(s, "sqlite3://", 10) == 0)
		s += 10;
	if (s[0] == '~' && (s[1] == '/' || s[1] == '\0')) {
		if (p->env->home == NULL) {
			config_fail(
			    p, v->line, "%s: there is no home directory", v->s);
			return NULL;
		}
		whole = xasprintf("%s/%s", p->env->home, s + 1);
	} else if (s[0] == '/') {
		whole = xstrdup(s);
	} else {
		whole = xasprintf("%s/%s", p->env->cwd, s);
	}
	clean = config_clean(whole);
	free(whole);
	return clean;
}

/* -- patterns -------------------------------------------------------------- */

/* The class behind the '[' at s; what follows it, or NULL. */
static const char *class(const char *s, struct buf *out)
{
	const char *first;

	buf_add(out, "[", 1);
	if (*s == '^')
		buf_add(out, s++, 1);
	for (first = s; *s != '\0'; s++) {
		if (*s == ']' && s > first) {
			buf_add(out, "]", 1);
			return s + 1;
		}
		if (*s == '\\') {
			if (s[1] == '\0')
				return NULL;
			buf_add(out, s++, 1);
		} else if (*s == '!' && s == first) {
			buf_add(out, "\\", 1);
		}
		buf_add(out, s, 1);
	}
	return NULL;
}

bool
config_go_pattern(const char *s, struct buf *out)
{
	struct err e;

	while (s != NULL && *s != '\0') {
		if (*s == '[') {
			s = class(s + 1, out);
			continue;
		}
		if (*s == '\\') {
			if (s[1] == '\0')
				return false;
			buf_add(out, s++, 1);
		} else if (*s == '{' || *s == '}') {
			buf_add(out, "\\", 1);
		} else if (*s == '*') {
			/* Two stars are no more than one. */
			while (s[1] == '*')
				s++;
		}
		buf_add(out, s++, 1);
	}
	return s != NULL && glob_check(buf_str(out), &e) == 0;
}

static bool
matches(const char *pattern, const char *path)
{
	struct err e;

	return glob_match(pattern, path, &e) == 1;
}

static int
compare_path(const void *key, const void *member)
{
	return strcmp(key, (*(const struct config_db *const *)member)->path);
}

const struct config_db *
config_find(const struct config *c, const char *path)
{
	const struct config_db **d = NULL;

	if (c->n_paths > 0)
		d = bsearch(path, c->by_path, c->n_paths, sizeof(*c->by_path),
		    compare_path);
	if (d != NULL)
		return *d;
	for (size_t i = 0; i < c->n; i++)
		if (c->db[i].glob != NULL && matches(c->db[i].glob, path))
			return &c->db[i];
	return NULL;
}

/* -- variables ------------------------------------------------------------- */

enum variable { PROJECT, DATABASE, BRANCH, TENANT, FILENAME, VARIABLES };

static const char *const names[VARIABLES] = { "{{project}}", "{{database}}",
	"{{branch}}", "{{tenant}}", "{{filename}}" };

/* A part of a path or a template. */
struct part {
	const char *s;
	size_t n;
};

static enum variable
variable_at(const char *s)
{
	int v;

	for (v = 0; v < VARIABLES; v++)
		if (strncmp(s, names[v], strlen(names[v])) == 0)
			break;
	return (enum variable)v;
}

const char *
config_unknown_variable(const char *t)
{
	while ((t = strstr(t, "{{")) != NULL) {
		if (variable_at(t) == VARIABLES)
			return t;
		t += 2;
	}
	return NULL;
}

/* The component of path behind one called name: 0 if there is none. */
static struct part
behind(const char *path, const char *name)
{
	size_t len = strlen(name), n;

	for (; *path != '\0'; path += n) {
		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (n == len && memcmp(path, name, n) == 0 && path[n] == '/')
			return (struct part){ path + n + 1,
				strcspn(path + n + 1, "/") };
	}
	return (struct part){ 0 };
}

/* The component before s, which is one in path, or its end. */
static struct part
before(const char *path, const char *s)
{
	size_t n = 0;

	while (s > path && s[-1] == '/')
		s--;
	while (s > path && s[-1] != '/') {
		s--;
		n++;
	}
	return (struct part){ s, n };
}

static struct part
without(struct part p, const char *end)
{
	size_t n = strlen(end);

	if (p.n > n && memcmp(p.s + p.n - n, end, n) == 0)
		p.n -= n;
	return p;
}

/* The values of litestreampp's variables, from the path of a database. */
static void
values_of(const char *path, struct part v[VARIABLES])
{
	struct part last = { path_base(path), strlen(path_base(path)) };
	struct part database = behind(path, "databases");
	size_t n;

	v[FILENAME] = last;
	for (n = last.n; n > 1; n--)
		if (last.s[n - 1] == '.') {
			v[FILENAME].n = n - 1;
			break;
		}
	if (database.n > 0) {
		v[DATABASE] = database;
		v[PROJECT] = before(path, before(path, database.s).s);
		v[BRANCH] = behind(path, "branches");
		v[TENANT] = without(behind(path, "tenants"), ".db");
		return;
	}
	v[PROJECT] = before(path, last.s);
	v[DATABASE] = (struct part){ "default", 7 };
	v[BRANCH] = (struct part){ "main", 4 };
	v[TENANT] = without(last, ".db");
}

static int
fill_in(const char *t, const char *path, struct buf *name, struct err *e)
{
	struct part values[VARIABLES] = { 0 };
	enum variable v;

	values_of(path, values);
	for (; *t != '\0'; t++) {
		if ((v = variable_at(t)) == VARIABLES) {
			buf_add(name, t, 1);
			continue;
		}
		if (values[v].n == 0)
			return err_set(e, ERR_CONFIG,
			    "the path says nothing of %s, which is in the name "
			    "of its replica",
			    names[v]);
		buf_add(name, values[v].s, values[v].n);
		t += strlen(names[v]) - 1;
	}
	return 0;
}

int
config_name(const struct config_db *d, size_t i, const char *path,
    struct buf *name, struct err *e)
{
	const char *t = d->replica[i].name, *below;

	switch (d->kind) {
	case CONFIG_PATH: buf_adds(name, t); return 0;
	case CONFIG_DIR:
		if ((below = path_below(d->path, path)) == NULL)
			return err_set(e, ERR_BUG, "not below %s", d->path);
		buf_adds(name, t);
		buf_adds(name, below);
		return 0;
	case CONFIG_MULTI: break;
	}
	return fill_in(t, path, name, e);
}

/* -- from a name back to a path -------------------------------------------- */

/* Which values give name, variables ending where the next literal begins? */
static bool
take_apart(const char *t, const char *name, struct part v[VARIABLES])
{
	enum variable which;
	const char *at;
	size_t lit;

	while (*t != '\0') {
		if ((which = variable_at(t)) == VARIABLES) {
			if (*t++ != *name++)
				return false;
			continue;
		}
		t += strlen(names[which]);
		for (lit = 0; t[lit] != '\0' && t[lit] != '/' &&
		     variable_at(t + lit) == VARIABLES;)
			lit++;
		v[which].s = name;
		v[which].n = strcspn(name, "/");
		/* Up to the literal that follows; one at the end is last. */
		if (variable_at(t + lit) == VARIABLES)
			at = v[which].n < lit ? NULL : name + v[which].n - lit;
		else
			at = memmem(name, v[which].n, t, lit);
		if (at == NULL)
			return false;
		v[which].n = (size_t)(at - name);
		name = at;
	}
	return *name == '\0';
}

static bool
add_value(struct buf *out, const struct part *v, const char *end)
{
	if (v->n == 0)
		return false;
	buf_add(out, v->s, v->n);
	buf_adds(out, end);
	return true;
}

static bool
is(struct part p, const char *text)
{
	return p.n == strlen(text) && memcmp(p.s, text, p.n) == 0;
}

/* Puts in place of a component with wildcards the name that stood there. */
static bool
resolve(const char *pattern, struct part c, const struct part v[VARIABLES],
    struct buf *out)
{
	struct part previous = before(pattern, c.s);
	const char *next = c.s + c.n + (c.s[c.n] == '/');
	bool last = c.s[c.n] == '\0';
	bool deep = behind(pattern, "databases").n > 0;
	char *dot;

	if (deep && strncmp(next, "databases/", 10) == 0)
		return add_value(out, &v[PROJECT], "");
	if (deep && is(previous, "databases"))
		return add_value(out, &v[DATABASE], "");
	if (deep && is(previous, "branches"))
		return add_value(out, &v[BRANCH], "");
	if ((deep && is(previous, "tenants")) || (!deep && last))
		if (add_value(out, &v[TENANT], ".db"))
			return true;
	if (!deep && !last && strchr(next, '/') == NULL)
		return add_value(out, &v[PROJECT], "");
	if (!last || v[FILENAME].n == 0)
		return false;
	dot = memrchr(c.s, '.', c.n);
	return add_value(
	    out, &v[FILENAME], dot == NULL || strpbrk(dot, "*?[\\") ? "" : dot);
}

static bool
from_values(
    const char *pattern, const struct part v[VARIABLES], struct buf *path)
{
	struct part c;

	for (const char *s = pattern; *s != '\0'; s = c.s + c.n) {
		s += strspn(s, "/");
		c = (struct part){ s, strcspn(s, "/") };
		buf_adds(path, "/");
		if (strcspn(c.s, "*?[\\") >= c.n)
			buf_add(path, c.s, c.n);
		else if (!resolve(pattern, c, v, path))
			return false;
	}
	return true;
}

/* Does that path have that name, and belong to d? */
static bool
is_right(
    const struct config_db *d, size_t i, const char *path, const char *name)
{
	struct buf again = { 0 };
	struct err e;
	bool same;

	same = matches(d->glob, path) &&
	    config_name(d, i, path, &again, &e) == 0 &&
	    strcmp(buf_str(&again), name) == 0;
	buf_release(&again);
	return same;
}

bool
config_path(
    const struct config_db *d, size_t i, const char *name, struct buf *path)
{
	const char *t = d->replica[i].name;
	struct part v[VARIABLES] = { 0 };
	struct buf found = { 0 };
	bool is = false;

	switch (d->kind) {
	case CONFIG_PATH:
		if ((is = strcmp(t, name) == 0))
			buf_adds(&found, d->path);
		break;
	case CONFIG_DIR:
		if (strncmp(t, name, strlen(t)) != 0)
			break;
		buf_addf(&found, "%s%s%s", d->path,
		    strcmp(d->path, "/") == 0 ? "" : "/", name + strlen(t));
		is = is_right(d, i, buf_str(&found), name);
		break;
	case CONFIG_MULTI:
		is = take_apart(t, name, v) &&
		    from_values(d->path, v, &found) &&
		    is_right(d, i, buf_str(&found), name);
		break;
	}
	if (is)
		buf_adds(path, buf_str(&found));
	buf_release(&found);
	return is;
}
