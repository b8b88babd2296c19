/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a replica root holds: all databases below a prefix, with one listing.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/pass/pass.h"
#include "lib/prune/prune_impl.h"
#include "lib/replica/wal/layout.h"
#include "lib/store/store.h"
#include "lib/sys/stop.h"
#include "lib/text/glob.h"

#define GENERATIONS "generations/"

struct scanning {
	struct store *store;
	struct prune_scan *scan;
	struct prune_db *db; /* that is being listed, or NULL */
	bool wanted, ended;
	/* That of the part of the last one seen: of its generations, or of its
	 * levels of LTX. */
	struct buf prefix;
	enum prune_part part;
	/* Databases below such a folder of another, whose objects come between
	 * those of that one: each with its 0. */
	struct buf nested;
	/* Of all that have come, the ones whose folder the listing is in: each
	 * with its 0, and the bits of what came of it. */
	struct buf open;
};

enum { CAME_WAL = 1, CAME_LTX = 2 };

/*
 * What came before of the database of that key, whose name has n bytes; these
 * bits come now.  A listing ascends: whose folder it has left does not come
 * again, and those whose folder it is in have names that the key begins with.
 */
static unsigned
came_before(struct buf *open, const char *key, size_t n, unsigned now)
{
	uint8_t *p = open->data, *end = p + open->len, *to = p;
	unsigned came = 0;
	size_t len;

	for (; p < end; p += len + 2) {
		len = strlen((const char *)p);
		if (strncmp(key, (const char *)p, len) != 0 ||
		    (len > 0 && key[len] != '/'))
			continue;
		memmove(to, p, len + 2);
		to += len + 2;
		if (len != n)
			continue;
		came = to[-1];
		to[-1] |= (uint8_t)now;
	}
	open->len -= (size_t)(end - to);
	if (came == 0) {
		buf_add(open, key, n);
		buf_add(open, (const uint8_t[]){ 0, (uint8_t)now }, 2);
	}
	return came;
}

void
prune_part_prefix(struct buf *b, const char *db, enum prune_part part)
{
	static const char *const below[PRUNE_PARTS] = {
		[PRUNE_PART_FLAT] = "000",
		[PRUNE_PART_WAL] = GENERATIONS,
		[PRUNE_PART_DIR] = "ltx/",
	};

	buf_reset(b);
	if (db[0] != '\0')
		buf_addf(b, "%s/", db);
	buf_adds(b, below[part]);
}

/* The same for an object of a reader; *n is the length of its database's name.
 */
static bool
is_known(const char *key, size_t *n, enum prune_part *part)
{
	struct layout_name name;
	struct ltx_name file;
	enum ltx_levels how;

	*part = PRUNE_PART_WAL;
	if (layout_object(key, n, &name))
		return true;
	if (!ltx_object(key, n, &how, &file))
		return false;
	*part = how == LTX_LEVELS_DIR ? PRUNE_PART_DIR : PRUNE_PART_FLAT;
	return true;
}

ptrdiff_t
prune_name_in(const char *key, enum prune_part *part)
{
	const char *p = key;
	char id[LAYOUT_GENERATION];
	size_t n;

	if (is_known(key, &n, part))
		return (ptrdiff_t)n;
	*part = PRUNE_PART_WAL;
	while ((p = strstr(p, GENERATIONS)) != NULL) {
		const char *rest = p + strlen(GENERATIONS);

		n = strcspn(rest, "/");
		if ((p == key || p[-1] == '/') && n == sizeof(id) - 1 &&
		    rest[n] == '/') {
			memcpy(id, rest, n);
			id[n] = '\0';
			if (layout_is_generation(id))
				return p == key ? 0 : p - key - 1;
		}
		p = rest;
	}
	return -1;
}

bool
prune_is_object(const char *key)
{
	enum prune_part part;

	return prune_name_in(key, &part) != -1;
}

static int
hand_out(struct scanning *x)
{
	struct prune_db *db = x->db;

	x->db = NULL;
	if (db != NULL && x->scan->found(x->scan->ctx, db) == -1)
		x->ended = true;
	return x->ended || stop_requested() ? -1 : 0;
}

static bool
wanted(const struct scanning *x, const char *key)
{
	struct err e;

	return x->scan->pattern == NULL ||
	    glob_match(x->scan->pattern, key, &e) == 1;
}

/* Another database begins. */
static void
begin(struct scanning *x, const char *key, size_t n)
{
	unsigned now = x->part == PRUNE_PART_WAL ? CAME_WAL : CAME_LTX;
	unsigned came = came_before(&x->open, key, n, now);
	char *name = xasprintf("%.*s", (int)n, key);

	prune_part_prefix(&x->prefix, name, x->part);
	/* Of LTX in two places one is enough. */
	x->wanted = (came & now) == 0 && wanted(x, name);
	if (x->wanted) {
		x->db = prune_db_new(x->store, name);
		x->db->again = came != 0;
	}
	free(name);
}

/* Is it, by its key, of another database than the one it lies in? */
static bool
is_nested(struct scanning *x, const char *key)
{
	enum prune_part part;
	size_t n;

	if (!is_known(key, &n, &part) || n + 1 < x->prefix.len)
		return false;
	if (came_before(&x->open, key, n, CAME_WAL | CAME_LTX) == 0) {
		buf_add(&x->nested, key, n);
		buf_add(&x->nested, "", 1);
	}
	return true;
}

/*
 * That of the database that an entry may be of; an odd one may be a generation,
 * or a level.
 */
static ptrdiff_t
name_of(const struct store_entry *en, enum prune_part *part)
{
	char *below;
	ptrdiff_t n;

	if (en->odd == NULL)
		return prune_name_in(en->key, part);
	below = xasprintf("%s/", en->key);
	n = prune_name_in(below, part);
	free(below);
	if (n != -1)
		return n;
	below = xasprintf("%s/%016x-%016x.ltx", en->key, 1, 1);
	n = prune_name_in(below, part);
	free(below);
	return n;
}

/* It fails the one database that it lies in. */
static int
take_odd(struct prune_db *db, const struct store_entry *en)
{
	if (db != NULL && db->rc != -1)
		db->rc = store_refuse_odd(en, &db->e);
	return STORE_PASS;
}

static void
take_unknown(struct prune_scan *scan, const struct store_entry *en)
{
	char name[PASS_NAME_MAX + 1];

	if (en->odd == NULL && pass_is_key(en->key, name)) {
		if (scan->pass != NULL)
			scan->pass(scan->ctx, en);
	} else if (scan->unknown++ == 0) {
		scan->first = xstrdup(en->key);
	}
}

static int
scan_entry(void *ctx, const struct store_entry *en, struct err *e)
{
	struct scanning *x = ctx;
	ptrdiff_t n;

	(void)e;
	if (x->prefix.len == 0 ||
	    strncmp(en->key, buf_str(&x->prefix), x->prefix.len) != 0) {
		if (hand_out(x) == -1)
			return 1;
		buf_reset(&x->prefix);
		x->wanted = false;
		if ((n = name_of(en, &x->part)) == -1) {
			take_unknown(x->scan, en);
			return en->odd == NULL ? 0 : STORE_PASS;
		}
		begin(x, en->key, (size_t)n);
	}
	if (en->odd != NULL)
		return take_odd(x->db, en);
	if (!is_nested(x, en->key) && x->wanted)
		prune_db_take(x->db, x->part, en);
	return 0;
}

/* Those that were nested, each by a listing of its own. */
static void
hand_out_nested(struct scanning *x)
{
	const char *name = (const char *)x->nested.data;
	const char *end = name + x->nested.len;

	for (; name < end; name += strlen(name) + 1) {
		if (!wanted(x, name))
			continue;
		x->db = prune_db_new(x->store, name);
		prune_db_load(x->db);
		if (hand_out(x) == -1)
			return;
	}
}

/* All that can be an object of a database that matches. */
static int
list_matching(struct scanning *x, const char *prefix, struct err *e)
{
	const struct store_ops *ops = x->store->ops;
	char *places, *next = NULL;
	struct buf at = { 0 };
	int rc;

	if (x->scan->pattern == NULL || !ops->traits.flat)
		return ops->list(x->store, prefix, false, scan_entry, x, e);
	places = xasprintf("%s/**", x->scan->pattern);
	do {
		free(next);
		rc = ops->list_page(x->store, prefix, NULL,
		    at.len > 0 ? buf_str(&at) : NULL, scan_entry, x, &next, e);
	} while (rc == 0 && next != NULL && !x->ended && !stop_requested() &&
	    glob_next(places, next, &at));
	free(next);
	free(places);
	buf_release(&at);
	return rc;
}

int
prune_scan(struct store *s, struct prune_scan *scan, struct err *e)
{
	struct scanning x = { .store = s, .scan = scan };
	struct buf prefix = { 0 };
	int rc;

	if (scan->pattern != NULL)
		buf_add(&prefix, scan->pattern, glob_fixed(scan->pattern));
	rc = list_matching(&x, buf_str(&prefix), e);
	/* Of the last one there may be more: it is not to be judged. */
	if (rc == 0 && !x.ended && !stop_requested() && hand_out(&x) == 0)
		hand_out_nested(&x);
	prune_db_free(x.db);
	buf_release(&prefix);
	buf_release(&x.prefix);
	buf_release(&x.nested);
	buf_release(&x.open);
	return rc;
}
