#include "lib/replica/wal/layout.h"

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
layout_snapshot_key(struct buf *b, const char *db, const char *gen, uint64_t at)
{
	generations(b, db);
	buf_addf(b, "%s/snapshots/%08x.snapshot.lz4", gen, walpos_index(at));
}

void
layout_segment_key(struct buf *b, const char *db, const char *gen, uint64_t at)
{
	generations(b, db);
	buf_addf(b, "%s/wal/%08x_%08x.wal.lz4", gen, walpos_index(at),
	    walpos_offset(at));
}

void
layout_owner_key(struct buf *b, const char *db, uint32_t number)
{
	generations(b, db);
	buf_addf(b, "owner-%08x.lz4", number);
}

void
layout_key(struct buf *b, const char *db, const char *gen,
    const struct layout_name *name)
{
	switch (name->kind) {
	case LAYOUT_SNAPSHOT: layout_snapshot_key(b, db, gen, name->at); break;
	case LAYOUT_SEGMENT: layout_segment_key(b, db, gen, name->at); break;
	case LAYOUT_OWNER:
		layout_owner_key(b, db, walpos_index(name->at));
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
		n->kind = LAYOUT_SNAPSHOT;
		is = (rest = hex(rest, 8, &index)) != NULL &&
		    strcmp(rest, ".snapshot.lz4") == 0;
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
	    (at > n && key[at - n - 1] != '/'))
		return false;
	*db = at > n ? (size_t)(at - n - 1) : 0;
	return true;
}

bool
layout_object(const char *key, size_t *db, struct layout_name *n)
{
	size_t len = strlen(key);
	ptrdiff_t at = last_components(key, len, 1);
	char gen[LAYOUT_GENERATION] = "";
	uint32_t owner;

	if (at >= 0 && layout_parse_owner(&owner, key + at)) {
		n->kind = LAYOUT_OWNER;
		n->at = LAYOUT_OWNER_AT(owner);
		return in_generations(key, at, db);
	}
	at = last_components(key, len, 3);
	if (at < 0 || key[at + LAYOUT_GENERATION - 1] != '/')
		return false;
	memcpy(gen, key + at, sizeof(gen) - 1);
	return layout_is_generation(gen) &&
	    layout_parse(n, key + at + LAYOUT_GENERATION) &&
	    in_generations(key, at, db);
}

bool
layout_parse_owner(uint32_t *number, const char *rest)
{
	return skip(&rest, "owner-") && (rest = hex(rest, 8, number)) != NULL &&
	    *number <= LAYOUT_INDEX_MAX && strcmp(rest, ".lz4") == 0;
}
