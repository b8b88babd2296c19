/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/mirror/mirror_impl.h"
#include "lib/sys/stop.h"

#define IN_MEMORY ((size_t)1 << 20)

void
stage_init(struct stage *s, const char *tmp)
{
	memset(s, 0, sizeof(*s));
	spool_init(&s->spool, tmp, IN_MEMORY);
	sumtable_init(&s->sums, tmp);
}

void
stage_release(struct stage *s)
{
	spool_release(&s->spool);
	sumtable_release(&s->sums);
}

int
stage_begin(struct stage *s, const struct copy *c, const struct state *from,
    struct err *e)
{
	s->copy = c;
	s->from = from;
	s->growth = (struct growth){ 0 };
	growth_from(&s->growth, from->pages);
	s->page_size = from->page_size;
	s->pages = s->low = s->highest = from->pages;
	s->total = from->sum;
	s->marked = 0;
	s->any = false;
	if (spool_reset(&s->spool, e) == -1 ||
	    sumtable_reset(&s->sums, e) == -1 ||
	    copy_page(c, 1, s->page_size, s->page, e) == -1)
		return -1;
	own_put(&from->own, s->page);
	memcpy(s->head, s->page, sizeof(s->head));
	return 0;
}

static bool
is_none(struct pagesum s)
{
	return s.hi == 0 && s.lo == 0;
}

/* The sum of a page as it is so far; none, if there is no such page. */
static int
sum_of(struct stage *s, uint32_t pgno, struct pagesum *sum, struct err *e)
{
	if (sumtable_get(&s->sums, pgno, sum, e) == -1)
		return -1;
	if (!is_none(*sum) || pgno > s->low)
		return 0;
	if (copy_page(s->copy, pgno, s->page_size, s->page, e) == -1)
		return -1;
	if (pgno == 1)
		own_put(&s->from->own, s->page);
	*sum = pagesum_of(pgno, s->page, s->page_size);
	return 0;
}

int
stage_page(struct stage *s, uint32_t pgno, const uint8_t *page, struct err *e)
{
	struct pagesum was, is = pagesum_of(pgno, page, s->page_size);

	if (sum_of(s, pgno, &was, e) == -1 ||
	    sumtable_put(&s->sums, pgno, is, e) == -1)
		return -1;
	pagesum_xor(&s->total, was);
	pagesum_xor(&s->total, is);
	if (pgno > s->highest)
		s->highest = pgno;
	if (pgno == 1)
		memcpy(s->head, page, sizeof(s->head));
	if (spool_write(&s->spool, &pgno, sizeof(pgno), e) == -1)
		return -1;
	return spool_write(&s->spool, page, s->page_size, e);
}

/* Pages from there to there are none any more. */
static int
drop(struct stage *s, uint32_t from, uint32_t to, struct err *e)
{
	struct pagesum sum;

	for (uint32_t i = from; i < to; i++) {
		if (sum_of(s, i + 1, &sum, e) == -1 || stop_overdue(e) == -1)
			return -1;
		pagesum_xor(&s->total, sum);
		if (sumtable_put(&s->sums, i + 1, (struct pagesum){ 0 }, e) ==
		    -1)
			return -1;
	}
	return 0;
}

/* Pages that never came. */
static int
fill(struct stage *s, uint32_t pages, uint32_t *missing, struct err *e)
{
	struct pagesum sum;

	*missing = 0;
	for (uint32_t i = s->pages; i < pages; i++) {
		if (sum_of(s, i + 1, &sum, e) == -1 || stop_overdue(e) == -1)
			return -1;
		if (!is_none(sum))
			continue;
		if (stage_page(s, i + 1, s->zeros, e) == -1)
			return -1;
		*missing += 1;
	}
	return 0;
}

int
stage_commit(struct stage *s, uint32_t pages, uint32_t *missing, struct err *e)
{
	if (drop(s, pages, s->highest, e) == -1)
		return -1;
	if (pages < s->low)
		s->low = pages;
	if (fill(s, pages, missing, e) == -1)
		return -1;
	s->pages = s->highest = pages;
	return 0;
}

int
stage_mark(struct stage *s, struct state *to, struct err *e)
{
	if (dbhdr_check(s->head, s->page_size, s->pages, e) == -1)
		return -1;
	to->page_size = s->page_size;
	to->pages = s->pages;
	to->sum = s->total;
	own_of(&to->own, s->head);
	s->marked = s->spool.size;
	s->any = true;
	return 0;
}

int
stage_each(void *stage, page_take *take, void *arg, struct err *e)
{
	struct stage *s = stage;
	uint64_t at = 0;
	uint32_t pgno;

	while (at < s->marked) {
		if (spool_read(&s->spool, at, &pgno, sizeof(pgno), e) == -1 ||
		    spool_read(&s->spool, at + sizeof(pgno), s->page,
			s->page_size, e) == -1 ||
		    take(arg, pgno, s->page, e) == -1)
			return -1;
		at += sizeof(pgno) + s->page_size;
	}
	return 0;
}
