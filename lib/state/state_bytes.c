/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a record says of the files of a database, as it is kept: little-endian,
 * whatever the order of the machine.  So a state that goes to another machine
 * with its file system means the same there.
 */
#include "lib/base/le.h"
#include "lib/state/state_impl.h"

enum {
	NUMBERS = 5, /* of a file */
	FILE_BYTES = NUMBERS * 8,
	WORDS = 8, /* of a source, before its file */
};

_Static_assert(STATE_SIGNATURE == 2 * FILE_BYTES, "two files");
_Static_assert(STATE_SOURCE == WORDS * 4 + FILE_BYTES, "words and a file");

static void
put_file(uint8_t *p, const struct file_sig *f)
{
	const int64_t v[NUMBERS] = { f->dev, f->ino, f->size, f->mtime_ns,
		f->ctime_ns };

	for (int i = 0; i < NUMBERS; i++)
		le64_put(p + (size_t)i * 8, (uint64_t)v[i]);
}

static struct file_sig
take_file(const uint8_t *p)
{
	int64_t v[NUMBERS];

	for (int i = 0; i < NUMBERS; i++)
		v[i] = (int64_t)le64(p + (size_t)i * 8);
	return (struct file_sig){ v[0], v[1], v[2], v[3], v[4] };
}

void
state_signature_put(uint8_t p[STATE_SIGNATURE], const struct signature *s)
{
	put_file(p, &s->db);
	put_file(p + FILE_BYTES, &s->wal);
}

bool
state_signature(sqlite3_stmt *q, int at, struct signature *s)
{
	uint8_t p[STATE_SIGNATURE];

	if (!state_column(q, at, p, sizeof(p)))
		return false;
	s->db = take_file(p);
	s->wal = take_file(p + FILE_BYTES);
	return true;
}

void
state_source_put(uint8_t p[STATE_SOURCE], const struct source_pos *s)
{
	const uint32_t v[WORDS] = { s->valid, s->big_endian, s->salt[0],
		s->salt[1], s->frames, s->sum[0], s->sum[1], s->backfill };

	for (int i = 0; i < WORDS; i++)
		le32_put(p + (size_t)i * 4, v[i]);
	put_file(p + (size_t)WORDS * 4, &s->db);
}

bool
state_source(sqlite3_stmt *q, int at, struct source_pos *s)
{
	uint8_t p[STATE_SOURCE];
	uint32_t v[WORDS];

	if (!state_column(q, at, p, sizeof(p)))
		return false;
	for (int i = 0; i < WORDS; i++)
		v[i] = le32(p + (size_t)i * 4);
	*s = (struct source_pos){ v[0], v[1], { v[2], v[3] }, v[4],
		{ v[5], v[6] }, v[7], take_file(p + (size_t)WORDS * 4) };
	return true;
}
