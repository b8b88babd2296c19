/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/choose/target.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "lib/base/err.h"
#include "lib/sqlite/beside.h"
#include "lib/store/open/store_open.h"
#include "lib/sys/file.h"
#include "lib/text/glob.h"

/* Append path to key as a normal key. */
static int
normal(const char *path, struct buf *key, struct err *e)
{
	size_t n;

	for (; *path != '\0'; path += n) {
		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (n == 0 || (n == 1 && path[0] == '.'))
			continue;
		if (n == 2 && path[0] == '.' && path[1] == '.')
			return err_set(e, ERR_USAGE,
			    "\"..\" in the name of a database in a replica");
		if (key->len > 0)
			buf_add(key, "/", 1);
		buf_add(key, path, n);
	}
	return 0;
}

/* Endpoint, region and options are the root's: a name does not choose them. */
static int
refuse_query(const char *operand, struct err *e)
{
	if (*store_query(operand) == '\0')
		return 0;
	err_set(e, ERR_USAGE,
	    "an endpoint, a region and path-style are for -r, not for what is "
	    "below it");
	return err_hint(e, "a \"?\" that is one of the name is written \\?");
}

static int
url_key(const struct target_conf *c, const char *operand, struct buf *key,
    struct err *e)
{
	const char *below;
	char *url;
	int rc = -1;

	if (refuse_query(operand, e) == -1 ||
	    (url = store_place(operand, e)) == NULL)
		return -1;
	if (strcmp(url, c->url) == 0)
		rc = 0; /* the root itself: an empty key */
	else if ((below = path_below(c->url, url)) == NULL)
		err_set(e, ERR_USAGE, "not below the replica %s", c->url);
	else
		rc = normal(below, key, e);
	free(url);
	return rc;
}

static int
path_key(const struct target_conf *c, const char *operand, struct buf *key,
    struct err *e)
{
	struct buf path = { 0 };
	const char *below;
	int rc = -1;

	if (path_absolute(operand, &path, e) == -1)
		goto out;
	below = path_below(c->base, buf_str(&path));
	if (below == NULL)
		err_set(e, ERR_USAGE, "not below the base %s", c->base);
	else
		rc = normal(below, key, e);
out:
	buf_release(&path);
	return rc;
}

/* Is it a name, a pattern, or what can be either? */
static enum target_kind
kind_of(const char *operand, struct buf *key)
{
	struct buf name = { 0 };
	enum target_kind kind = TARGET_EITHER;

	if (!glob_is_pattern(buf_str(key)))
		kind = TARGET_NAME;
	if (!store_is_url(operand))
		return kind;
	if (strchr(buf_str(key), '\\') != NULL)
		kind = TARGET_PATTERN;
	if (glob_unliteral(buf_str(key), &name)) {
		buf_reset(key);
		buf_adds(key, buf_str(&name));
		kind = TARGET_NAME;
	}
	buf_release(&name);
	return kind;
}

int
target_key(const struct target_conf *c, const char *operand, struct buf *key,
    struct err *e)
{
	int rc;

	buf_reset(key);
	if (store_is_url(operand))
		rc = url_key(c, operand, key, e);
	else if (operand[0] == '/')
		rc = path_key(c, operand, key, e);
	else
		rc = normal(operand, key, e);
	if (rc == 0 && key->len == 0) {
		rc = err_set(e, ERR_USAGE,
		    "names the replica itself, not a database in it");
		err_hint(e,
		    "for a replica of one database use -r with the "
		    "part of its URL before the last slash");
	}
	return rc == -1 ? -1 : (int)kind_of(operand, key);
}

void
target_url(const char *root, const char *key, struct buf *url)
{
	buf_adds(url, root);
	if (*key != '\0')
		buf_add(url, "/", 1);
	glob_literal(key, url);
}

bool
target_key_is_normal(const char *key)
{
	struct buf b = { 0 };
	struct err e;
	bool is = normal(key, &b, &e) == 0 && strcmp(buf_str(&b), key) == 0;

	buf_release(&b);
	return is && *key != '\0';
}

void
target_path(const struct target_conf *c, const char *key, size_t skip,
    struct buf *path, size_t *trusted)
{
	const char *dir = c->into != NULL ? c->into : c->base;
	size_t n = strlen(dir), most = (size_t)(path_base(key) - key);

	buf_reset(path);
	buf_adds(path, dir);
	if (n == 0 || dir[n - 1] != '/')
		buf_adds(path, "/");
	*trusted = path->len;
	if (c->into != NULL)
		key += skip < most ? skip : most;
	buf_adds(path, key);
	if (c->into == NULL)
		*trusted = path->len - strlen(path_base(key));
}

/* The slot of h, or the free one where it would be. */
static struct target_hash *
slot_of(const struct target_set *s, struct target_hash h)
{
	size_t i = h.hi & (s->size - 1);

	while (s->slot[i].lo != 0 &&
	    (s->slot[i].hi != h.hi || s->slot[i].lo != h.lo))
		i = (i + 1) & (s->size - 1);
	return &s->slot[i];
}

/* At most half full, and a power of two. */
static void
make_room(struct target_set *s)
{
	struct target_set bigger = { .n = s->n };

	if (s->n * 2 < s->size)
		return;
	bigger.size = s->size == 0 ? 64 : s->size * 2;
	bigger.slot = xcalloc(bigger.size, sizeof(*bigger.slot));
	for (size_t i = 0; i < s->size; i++)
		if (s->slot[i].lo != 0)
			*slot_of(&bigger, s->slot[i]) = s->slot[i];
	free(s->slot);
	*s = bigger;
}

static struct target_hash
hash_of(const char *path, size_t len)
{
	XXH128_hash_t x = XXH3_128bits(path, len);

	return (struct target_hash){ .hi = x.high64, .lo = x.low64 | 1 };
}

enum target_met
target_set_add(struct target_set *s, const char *path, const char *key)
{
	struct target_hash h = hash_of(path, strlen(path));
	struct target_hash *slot;

	h.key = XXH3_64bits(key, strlen(key));
	make_room(s);
	slot = slot_of(s, h);
	if (slot->lo != 0)
		return slot->key == h.key ? TARGET_SAME_KEY : TARGET_OTHER_KEY;
	*slot = h;
	s->n++;
	return TARGET_NEW;
}

static bool
was_met(const struct target_set *s, const char *path, size_t len)
{
	return slot_of(s, hash_of(path, len))->lo != 0;
}

bool
target_set_beside(
    const struct target_set *s, const char *path, struct buf *other)
{
	size_t len = strlen(path), start = other->len, of;

	if (s->size == 0)
		return false;
	of = beside_of(path, len);
	if (of > 0 && was_met(s, path, of)) {
		buf_add(other, path, of);
		return true;
	}
	for (int i = 0; i < BESIDE_N; i++) {
		buf_addf(other, "%s%s", path, beside_suffix[i]);
		if (was_met(s, buf_str(other) + start, other->len - start))
			return true;
		other->len = start;
	}
	return false;
}

void
target_set_release(struct target_set *s)
{
	free(s->slot);
	*s = (struct target_set){ 0 };
}
