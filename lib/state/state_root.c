/* SPDX-License-Identifier: Apache-2.0 */
/* The roots of replicas that a state knows, and what is known of them. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/state/state_impl.h"
#include "lib/store/open/store_open.h"

static int
find(struct state *st, const char *url, int64_t *root, struct err *e)
{
	return sql_number(
	    st, e, root, "SELECT id FROM root WHERE url = ?", WITH(NAME(url)));
}

static int
create(struct state *st, const char *url, struct err *e)
{
	return sql_run(st, e, "INSERT OR IGNORE INTO root(url) VALUES(?)",
	    WITH(NAME(url)));
}

struct roots {
	struct buf url;
	state_each_root *each;
	void *ctx;
};

static int
one_root(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct roots *r = ctx;

	sql_column(q, 1, &r->url);
	return r->each(r->ctx, sqlite3_column_int64(q, 0), buf_str(&r->url), e);
}

int
state_roots(struct state *st, state_each_root *each, void *ctx, struct err *e)
{
	struct roots r = { .each = each, .ctx = ctx };
	int rc = sql_each(
	    st, e, one_root, &r, "SELECT id, url FROM root ORDER BY id", NULL);

	buf_release(&r.url);
	return rc;
}

/* -- two names of one directory -------------------------------------------- */

struct same {
	const char *place;
	int64_t root; /* 0: not found yet */
};

static int
compare(void *ctx, int64_t root, const char *url, struct err *e)
{
	struct same *s = ctx;
	struct err none;
	char *place;

	(void)e;
	if (s->root == 0 && store_traits(url)->links &&
	    (place = store_real(url, &none)) != NULL) {
		if (strcmp(place, s->place) == 0)
			s->root = root;
		free(place);
	}
	return 0;
}

/* The root that has another name: by a link, say. */
static int
find_place(struct state *st, const char *url, int64_t *root, struct err *e)
{
	char *place = store_traits(url)->links ? store_real(url, e) : NULL;
	struct same s = { .place = place };
	int rc = 0;

	if (place != NULL)
		rc = state_roots(st, compare, &s, e);
	free(place);
	if (s.root != 0)
		*root = s.root;
	return rc == -1 ? -1 : s.root != 0;
}

int
state_root(struct state *st, const char *url, bool create_it, int64_t *root,
    struct err *e)
{
	int rc = find(st, url, root, e);

	if (rc == 0)
		rc = find_place(st, url, root, e);
	if (rc != 0 || !create_it)
		return rc;
	return create(st, url, e) == -1 ? -1 : find(st, url, root, e);
}

/* -- marks ----------------------------------------------------------------- */

int
state_marked(struct state *st, const char *mark, struct err *e)
{
	return sql_any(st, e, "SELECT 1 FROM meta WHERE name = 'mark ' || ?",
	    WITH(TEXT(mark)));
}

/* -- numbers --------------------------------------------------------------- */

int
state_set_number(
    struct state *st, const char *name, int64_t value, struct err *e)
{
	return sql_run(st, e, "REPLACE INTO meta VALUES('number ' || ?, ?)",
	    WITH(NAME(name), NUMBER(value)));
}

int
state_number(struct state *st, const char *name, int64_t *value, struct err *e)
{
	return sql_number(st, e, value,
	    "SELECT value FROM meta WHERE name = 'number ' || ?",
	    WITH(NAME(name)));
}
