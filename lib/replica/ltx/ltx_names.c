/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/ltx/ltx_names.h"

#include <inttypes.h>
#include <string.h>

enum { DIGITS = 16, FLAT_DIGITS = 4 };

void
ltx_level_prefix(
    struct buf *b, const char *db, enum ltx_levels how, unsigned level)
{
	if (db[0] != '\0')
		buf_addf(b, "%s/", db);
	if (how == LTX_LEVELS_DIR)
		buf_addf(b, "ltx/%u/", level);
	else
		buf_addf(b, "%04x/", level);
}

void
ltx_key(struct buf *b, const char *db, enum ltx_levels how,
    const struct ltx_name *n)
{
	ltx_level_prefix(b, db, how, n->level);
	buf_addf(b, "%016" PRIx64 "-%016" PRIx64 ".ltx", n->min, n->max);
}

bool
ltx_parse_level(
    const char *name, size_t n, enum ltx_levels how, unsigned *level)
{
	size_t zeros = how == LTX_LEVELS_DIR ? 0 : FLAT_DIGITS - 1;

	if (n != zeros + 1 || memcmp(name, "000", zeros) != 0 ||
	    name[zeros] < '0' || name[zeros] > '9')
		return false;
	*level = (unsigned)(name[zeros] - '0');
	return true;
}

/* Behind that many lower-case hex digits; NULL: these are none. */
static const char *
hex(const char *s, uint64_t *v)
{
	static const char digits[] = "0123456789abcdef";
	const char *d;

	*v = 0;
	for (int i = 0; i < DIGITS; i++, s++) {
		if (*s == '\0' || (d = strchr(digits, *s)) == NULL)
			return NULL;
		*v = *v << 4 | (uint64_t)(d - digits);
	}
	return s;
}

bool
ltx_parse(struct ltx_name *n, const char *name)
{
	n->level = 0;
	return (name = hex(name, &n->min)) != NULL && *name++ == '-' &&
	    (name = hex(name, &n->max)) != NULL && strcmp(name, ".ltx") == 0;
}

bool
ltx_name_makes_sense(const struct ltx_name *n)
{
	return n->min > 0 && n->min <= n->max;
}

bool
ltx_parse_txid(uint64_t *txid, const char *s)
{
	return (s = hex(s, txid)) != NULL && *s == '\0';
}

/* Where the component that ends before key[end] begins. */
static size_t
component(const char *key, size_t end)
{
	while (end > 0 && key[end - 1] != '/')
		end--;
	return end;
}

bool
ltx_object(
    const char *key, size_t *db, enum ltx_levels *how, struct ltx_name *n)
{
	size_t name = component(key, strlen(key)), level, above;

	if (name < 2 || !ltx_parse(n, key + name))
		return false;
	level = component(key, name - 1);
	*db = level > 0 ? level - 1 : 0;
	*how = LTX_LEVELS_FLAT;
	if (level != 1 &&
	    ltx_parse_level(key + level, name - 1 - level, *how, &n->level))
		return true;
	*how = LTX_LEVELS_DIR;
	if (level == 0 ||
	    !ltx_parse_level(key + level, name - 1 - level, *how, &n->level))
		return false;
	above = component(key, level - 1);
	*db = above > 0 ? above - 1 : 0;
	return above != 1 && level - 1 - above == 3 &&
	    memcmp(key + above, "ltx", 3) == 0;
}
