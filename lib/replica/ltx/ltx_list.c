/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/ltx/ltx_list.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/ltx/ltx_header.h"
#include "lib/store/listed.h"

void
ltx_listed(struct listed *l, struct store *s, const char *db)
{
	struct buf prefix = { 0 };

	if (db[0] != '\0')
		buf_addf(&prefix, "%s/", db);
	listed_read(l, s, buf_str(&prefix));
	buf_release(&prefix);
}

struct look {
	struct ltx_where *w;
	size_t skip; /* bytes before what is below the database */
};

static int
look(void *ctx, const struct store_entry *en, struct err *e)
{
	struct look *l = ctx;
	const char *name = en->key + l->skip;
	size_t n = strlen(name);
	unsigned level;

	(void)e;
	if (!en->prefix || n == 0)
		return strcmp(name, "ltx/") > 0;
	l->w->generations |= strcmp(name, "generations/") == 0;
	l->w->dir |= strcmp(name, "ltx/") == 0;
	l->w->flat |= ltx_parse_level(name, n - 1, LTX_LEVELS_FLAT, &level);
	return strcmp(name, "ltx/") >= 0;
}

int
ltx_look(const struct listed *from, const char *db, struct ltx_where *w,
    struct err *e)
{
	struct look l = { .w = w };
	struct buf prefix = { 0 };
	int rc;

	*w = (struct ltx_where){ 0 };
	if (db[0] != '\0')
		buf_addf(&prefix, "%s/", db);
	l.skip = prefix.len;
	rc = listed_each(from, buf_str(&prefix), true, look, &l, e);
	buf_release(&prefix);
	return rc;
}

int
ltx_list_take(struct ltx_list *l, const struct store_entry *en, size_t skip,
    enum ltx_levels how, struct err *e)
{
	struct ltx_file f = { .size = en->size,
		.stored_ns = en->mtime_ns,
		.put_ns = en->put_ns != 0 ? en->put_ns : en->mtime_ns };
	const char *level = en->key + skip, *slash = strchr(level, '/');
	unsigned k;

	if (slash == NULL ||
	    !ltx_parse_level(level, (size_t)(slash - level), how, &k) ||
	    !ltx_parse(&f.name, slash + 1))
		return 0;
	f.name.level = k;
	if (!ltx_name_makes_sense(&f.name))
		return err_set(e, ERR_CORRUPT,
		    "%s: the TXIDs in its name make no sense", en->key);
	if (l->n == LTX_FILES_MAX)
		return err_set(e, ERR_CORRUPT, "more than %zu LTX files", l->n);
	if (l->n == l->cap) {
		l->cap = l->cap * 2 + 16;
		l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
	}
	l->v[l->n++] = f;
	return 1;
}

struct listing {
	struct ltx_list *l;
	enum ltx_levels how;
	size_t skip;
};

static int
take(void *ctx, const struct store_entry *en, struct err *e)
{
	const struct listing *x = ctx;

	return ltx_list_take(x->l, en, x->skip, x->how, e) == -1 ? -1 : 0;
}

int
ltx_list(struct ltx_list *l, const struct listed *from, const char *db,
    enum ltx_levels how, struct err *e)
{
	struct listing x = { .l = l, .how = how };
	struct buf prefix = { 0 };
	int rc;

	*l = (struct ltx_list){ 0 };
	if (db[0] != '\0')
		buf_addf(&prefix, "%s/", db);
	if (how == LTX_LEVELS_DIR)
		buf_adds(&prefix, "ltx/");
	x.skip = prefix.len;
	if (how == LTX_LEVELS_FLAT)
		buf_adds(&prefix, "000");
	rc = listed_each(from, buf_str(&prefix), false, take, &x, e);
	buf_release(&prefix);
	return rc;
}

void
ltx_list_release(struct ltx_list *l)
{
	free(l->v);
	*l = (struct ltx_list){ 0 };
}

int
ltx_list_any(struct ltx_list *l, const struct listed *from, const char *db,
    enum ltx_levels *how, struct ltx_where *where, struct err *e)
{
	struct ltx_list flat = { 0 };
	int rc = 0;

	*l = (struct ltx_list){ 0 };
	*how = LTX_LEVELS_DIR;
	if (ltx_look(from, db, where, e) == -1)
		return -1;
	if (where->dir)
		rc = ltx_list(l, from, db, LTX_LEVELS_DIR, e);
	if (rc == 0 && where->flat)
		rc = ltx_list(&flat, from, db, LTX_LEVELS_FLAT, e);
	if (rc == 0 && l->n > 0 && flat.n > 0)
		rc = err_set(e, ERR_CONFIG,
		    "LTX files are below ltx/ and below 0000/ to 0009/: which "
		    "of them are right is not known");
	if (rc == 0 && flat.n > 0) {
		ltx_list_release(l);
		*l = flat;
		*how = LTX_LEVELS_FLAT;
		return 0;
	}
	ltx_list_release(&flat);
	return rc;
}

int
ltx_is_there(const struct listed *from, const char *db, struct err *e)
{
	struct ltx_where where;
	enum ltx_levels how;
	struct ltx_list l;
	bool is;

	if (ltx_list_any(&l, from, db, &how, &where, e) == -1) {
		ltx_list_release(&l);
		return e->class == ERR_CONFIG || e->class == ERR_CORRUPT ? 1
									 : -1;
	}
	is = l.n > 0;
	ltx_list_release(&l);
	return is;
}

int
ltx_refuse(struct store *s, const char *db, const char *who, struct err *e)
{
	const struct listed from = LISTED_NOT(s);
	int is = ltx_is_there(&from, db, e);

	if (is != 1)
		return is;
	return err_set(e, ERR_CONFIG,
	    "it is in LTX, as Litestream 0.5 writes it, which %s does not know",
	    who);
}

int
ltx_peek_key(struct store *s, const char *key, const struct ltx_name *n,
    struct ltx_header *h, struct err *e)
{
	uint8_t p[LTX_HEADER_SIZE];
	size_t got = sizeof(p);
	int rc = store_few(s, key, 0, p, &got, e);

	if (rc == 0 && got < sizeof(p))
		rc = err_set(e, ERR_CORRUPT, "not an LTX file: too short");
	if (rc == 0)
		rc = ltx_header_parse(h, p, e);
	if (rc == 0)
		rc = ltx_header_is(h, n, e);
	return rc == -1 ? err_in(e, "%s", key) : 0;
}

int
ltx_peek(struct store *s, const char *db, enum ltx_levels how,
    const struct ltx_name *n, struct ltx_header *h, struct err *e)
{
	struct buf key = { 0 };
	int rc;

	ltx_key(&key, db, how, n);
	rc = ltx_peek_key(s, buf_str(&key), n, h, e);
	buf_release(&key);
	return rc;
}
