/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/wal/layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

static void
generations(struct buf *b, const char *db)
{
	if (db[0] != '\0')
		buf_addf(b, "%s/", db);
	buf_adds(b, "generations/");
}

void
layout_key(struct buf *b, const char *db, const char *gen,
    const struct layout_name *name)
{
	uint32_t index = walpos_index(name->at);

	generations(b, db);
	switch (name->kind) {
	case LAYOUT_SNAPSHOT:
		buf_addf(
		    b, "%s/snapshots/%08" PRIx32 ".snapshot.lz4", gen, index);
		break;
	case LAYOUT_SEGMENT:
		buf_addf(b, "%s/wal/%08" PRIx32 "_%08" PRIx32 ".wal.lz4", gen,
		    index, walpos_offset(name->at));
		break;
	case LAYOUT_OWNER:
		buf_addf(b, "owner-%08" PRIx64 ".lz4", name->at);
		break;
	case LAYOUT_ALONE:
		buf_addf(b, "%s/snapshots/%08" PRIx32 ".alone.lz4", gen, index);
		break;
	}
}

void
layout_generation_prefix(struct buf *b, const char *db, const char *gen)
{
	generations(b, db);
	if (gen != NULL)
		buf_addf(b, "%s/", gen);
}

/* Exactly n lower-case hex digits, at most 8 of which are the value. */
static const char *
hex(const char *s, unsigned n, uint32_t *v)
{
	static const char digits[] = "0123456789abcdef";
	const char *d;

	for (*v = 0; n > 0; n--, s++) {
		if (*s == '\0' || (d = strchr(digits, *s)) == NULL)
			return NULL;
		*v = *v << 4 | (uint32_t)(d - digits);
	}
	return s;
}

bool
layout_is_generation(const char *name)
{
	uint32_t unused;

	name = hex(name, LAYOUT_GENERATION - 1, &unused);
	return name != NULL && *name == '\0';
}

enum { RANDOM_DIGITS = 10 };

static void
mark(char id[LAYOUT_GENERATION])
{
	uLong crc = crc32(0, (const Bytef *)"lspp", 4);

	crc = crc32(crc, (const Bytef *)id, RANDOM_DIGITS);
	(void)snprintf(id + RANDOM_DIGITS, LAYOUT_GENERATION - RANDOM_DIGITS,
	    "%06lx", crc & 0xffffff);
}

void
layout_new_generation(char id[LAYOUT_GENERATION], const uint8_t random[5])
{
	for (size_t i = 0; i < RANDOM_DIGITS / 2; i++)
		(void)snprintf(id + 2 * i, 3, "%02x", random[i]);
	mark(id);
}

bool
layout_is_own(const char *id)
{
	char own[LAYOUT_GENERATION];

	if (!layout_is_generation(id))
		return false;
	memcpy(own, id, sizeof(own));
	mark(own);
	return strcmp(own, id) == 0;
}

/* Step over text at the start of *s. */
static bool
skip(const char **s, const char *text)
{
	size_t n = strlen(text);

	if (strncmp(*s, text, n) != 0)
		return false;
	*s += n;
	return true;
}

bool
layout_parse(struct layout_name *n, const char *rest)
{
	uint32_t index = 0, offset = 0;
	bool is;

	if (skip(&rest, "snapshots/")) {
		is = (rest = hex(rest, 8, &index)) != NULL;
		n->kind = is && strcmp(rest, ".alone.lz4") == 0
		    ? LAYOUT_ALONE
		    : LAYOUT_SNAPSHOT;
		is = n->kind == LAYOUT_ALONE ||
		    (is && strcmp(rest, ".snapshot.lz4") == 0);
	} else {
		n->kind = LAYOUT_SEGMENT;
		is = skip(&rest, "wal/") &&
		    (rest = hex(rest, 8, &index)) != NULL && skip(&rest, "_") &&
		    (rest = hex(rest, 8, &offset)) != NULL &&
		    strcmp(rest, ".wal.lz4") == 0;
	}
	n->at = walpos(index, offset);
	return is && index <= LAYOUT_INDEX_MAX;
}

static bool
parse_owner(uint32_t *number, const char *rest)
{
	return skip(&rest, "owner-") && (rest = hex(rest, 8, number)) != NULL &&
	    *number <= LAYOUT_INDEX_MAX && strcmp(rest, ".lz4") == 0;
}

/* Where the last n components of the first len bytes of key begin; -1: there
 * are no more than these. */
static ptrdiff_t
last_components(const char *key, size_t len, int n)
{
	while (len > 0)
		if (key[--len] == '/' && --n == 0)
			return (ptrdiff_t)len + 1;
	return n == 1 ? 0 : -1;
}

/* Does "generations/" end before key[at]?  *db is what comes before it. */
static bool
in_generations(const char *key, ptrdiff_t at, size_t *db)
{
	static const char word[] = "generations/";
	const ptrdiff_t n = sizeof(word) - 1;

	if (at < n || strncmp(key + at - n, word, (size_t)n) != 0 ||
	    at == n + 1 || (at > n && key[at - n - 1] != '/'))
		return false;
	*db = at > n ? (size_t)(at - n - 1) : 0;
	return true;
}

bool
layout_parse_below(const char *rest, char line[POS_LINE], struct layout_name *n)
{
	uint32_t owner;

	line[0] = '\0';
	if (parse_owner(&owner, rest)) {
		*n = (struct layout_name){ LAYOUT_OWNER, owner };
		return true;
	}
	if (strnlen(rest, POS_LINE) < POS_LINE || rest[POS_LINE - 1] != '/')
		return false;
	memcpy(line, rest, POS_LINE - 1);
	line[POS_LINE - 1] = '\0';
	return layout_is_generation(line) && layout_parse(n, rest + POS_LINE);
}

bool
layout_object(const char *key, size_t *db, struct layout_name *n)
{
	size_t len = strlen(key);
	ptrdiff_t at = last_components(key, len, 1);
	char line[POS_LINE];

	if (at < 0 || !layout_parse_below(key + at, line, n))
		at = last_components(key, len, 3);
	return at >= 0 && layout_parse_below(key + at, line, n) &&
	    in_generations(key, at, db);
}
