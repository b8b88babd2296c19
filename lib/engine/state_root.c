/* The roots of replicas that a state knows, and what is known of them. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/engine/state_impl.h"
#include "lib/store/store_open.h"

static int
find(struct state *st, const char *url, int64_t *root, struct err *e)
{
	sqlite3_stmt *q = NULL;
	int rc;

	if (sqlite3_prepare_v2(st->db, "SELECT id FROM root WHERE url = ?", -1,
		&q, NULL) != SQLITE_OK)
		return state_fail(st, e);
	state_bind(q, 1, url, strlen(url));
	if ((rc = sqlite3_step(q)) == SQLITE_ROW)
		*root = sqlite3_column_int64(q, 0);
	else if (rc != SQLITE_DONE)
		state_fail(st, e);
	sqlite3_finalize(q);
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

static int
create(struct state *st, const char *url, struct err *e)
{
	sqlite3_stmt *q = NULL;
	int rc;

	if (sqlite3_prepare_v2(st->db,
		"INSERT OR IGNORE INTO root(url) VALUES(?)", -1, &q,
		NULL) != SQLITE_OK)
		return state_fail(st, e);
	state_bind(q, 1, url, strlen(url));
	rc = state_run(st, q, e);
	sqlite3_finalize(q);
	return rc;
}

int
state_roots(struct state *st, state_each_root *each, void *ctx, struct err *e)
{
	sqlite3_stmt *q = NULL;
	struct buf url = { 0 };
	int rc, stop = 0;

	if (sqlite3_prepare_v2(st->db, "SELECT id, url FROM root ORDER BY id",
		-1, &q, NULL) != SQLITE_OK)
		return state_fail(st, e);
	while (stop == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
		buf_reset(&url);
		buf_add(&url, sqlite3_column_blob(q, 1),
		    (size_t)sqlite3_column_bytes(q, 1));
		stop = each(ctx, sqlite3_column_int64(q, 0), buf_str(&url), e);
	}
	if (stop == 0 && rc != SQLITE_DONE)
		stop = state_fail(st, e);
	sqlite3_finalize(q);
	buf_release(&url);
	return stop;
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

static int
ask_mark(struct state *st, const char *text, const char *mark, struct err *e)
{
	sqlite3_stmt *q = NULL;
	int rc;

	if (sqlite3_prepare_v2(st->db, text, -1, &q, NULL) != SQLITE_OK)
		return state_fail(st, e);
	sqlite3_bind_text(q, 1, mark, -1, SQLITE_STATIC);
	rc = sqlite3_step(q);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		state_fail(st, e);
	sqlite3_finalize(q);
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

int
state_marked(struct state *st, const char *mark, struct err *e)
{
	return ask_mark(
	    st, "SELECT 1 FROM meta WHERE name = 'mark ' || ?", mark, e);
}

/* -- numbers --------------------------------------------------------------- */

int
state_set_number(
    struct state *st, const char *name, int64_t value, struct err *e)
{
	sqlite3_stmt *q = NULL;
	int rc;

	if (sqlite3_prepare_v2(st->db,
		"REPLACE INTO meta VALUES('number ' || ?, ?)", -1, &q,
		NULL) != SQLITE_OK)
		return state_fail(st, e);
	state_bind(q, 1, name, strlen(name));
	sqlite3_bind_int64(q, 2, value);
	rc = state_run(st, q, e);
	sqlite3_finalize(q);
	return rc;
}

int
state_number(struct state *st, const char *name, int64_t *value, struct err *e)
{
	sqlite3_stmt *q = NULL;
	int rc;

	if (sqlite3_prepare_v2(st->db,
		"SELECT value FROM meta WHERE name = 'number ' || ?", -1, &q,
		NULL) != SQLITE_OK)
		return state_fail(st, e);
	state_bind(q, 1, name, strlen(name));
	if ((rc = sqlite3_step(q)) == SQLITE_ROW)
		*value = sqlite3_column_int64(q, 0);
	else if (rc != SQLITE_DONE)
		state_fail(st, e);
	sqlite3_finalize(q);
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}
