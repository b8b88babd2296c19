/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/sumtable.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/sys/file.h"
#include "lib/sys/spool.h"

void
sumtable_init(struct sumtable *t, const char *dir)
{
	memset(t, 0, sizeof(*t));
	t->dir = dir;
	t->fd = -1;
}

int
sumtable_reset(struct sumtable *t, struct err *e)
{
	for (int i = 0; i < SUMTABLE_SLOTS; i++)
		if (t->slot[i] != NULL)
			t->slot[i]->used = false;
	if (t->fd != -1 && ftruncate(t->fd, 0) == -1)
		return err_sys(e, "temporary file in %s", t->dir);
	return 0;
}

void
sumtable_release(struct sumtable *t)
{
	for (int i = 0; i < SUMTABLE_SLOTS; i++)
		free(t->slot[i]);
	file_close(t->fd);
	sumtable_init(t, t->dir);
}

/* The file has chunks in their order; what was never written is zeros. */
static int
load(struct sumtable *t, struct sumtable_slot *s, uint32_t chunk, struct err *e)
{
	ssize_t got = 0;

	if (t->fd != -1)
		got = file_pread(t->fd, s->sum, sizeof(s->sum),
		    (uint64_t)chunk * sizeof(s->sum), e);
	if (got == -1)
		return err_in(e, "temporary file in %s", t->dir);
	memset((uint8_t *)s->sum + got, 0, sizeof(s->sum) - (size_t)got);
	s->chunk = chunk;
	s->used = true;
	s->dirty = false;
	return 0;
}

static int
save(struct sumtable *t, const struct sumtable_slot *s, struct err *e)
{
	if (t->fd == -1 && (t->fd = spool_file(t->dir, e)) == -1)
		return -1;
	if (file_pwrite(t->fd, s->sum, sizeof(s->sum),
		(uint64_t)s->chunk * sizeof(s->sum), e) == -1)
		return err_in(e, "temporary file in %s", t->dir);
	return 0;
}

/* The slot that holds the page, or NULL. */
static struct sumtable_slot *
slot_of(struct sumtable *t, uint32_t pgno, struct err *e)
{
	uint32_t chunk = pgno / SUMTABLE_CHUNK;
	struct sumtable_slot *s = t->slot[chunk % SUMTABLE_SLOTS];

	if (s == NULL)
		s = t->slot[chunk % SUMTABLE_SLOTS] = xcalloc(1, sizeof(*s));
	if (s->used && s->chunk == chunk)
		return s;
	if (s->used && s->dirty && save(t, s, e) == -1)
		return NULL;
	return load(t, s, chunk, e) == -1 ? NULL : s;
}

int
sumtable_get(
    struct sumtable *t, uint32_t pgno, struct pagesum *sum, struct err *e)
{
	struct sumtable_slot *s = slot_of(t, pgno, e);

	if (s == NULL)
		return -1;
	*sum = s->sum[pgno % SUMTABLE_CHUNK];
	return 0;
}

int
sumtable_put(
    struct sumtable *t, uint32_t pgno, struct pagesum sum, struct err *e)
{
	struct sumtable_slot *s = slot_of(t, pgno, e);

	if (s == NULL)
		return -1;
	s->sum[pgno % SUMTABLE_CHUNK] = sum;
	s->dirty = true;
	return 0;
}
