/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/source/overlay.h"

#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/sqlite/walindex.h"
#include "lib/sys/file.h"
#include "lib/sys/stop.h"

enum {
	READ_AHEAD = 256 * 1024,
};

static void
add(struct overlay *o, uint32_t pgno, uint32_t frame)
{
	if (o->n == o->cap) {
		o->cap = o->cap ? o->cap * 2 : 64;
		o->v = xrealloc(o->v, o->cap * sizeof(*o->v));
	}
	o->v[o->n++] = (struct overlay_entry){ pgno, frame };
}

/* How many of the frames in buf continue the chain; adds them. */
static size_t
take_frames(struct overlay *o, const struct wal_hdr *h, const uint8_t *buf,
    size_t n, uint32_t frame, uint32_t sum[2], struct overlay_end *end,
    size_t *committed)
{
	size_t step = WAL_FRAME_HDR_SIZE + h->page_size, i;
	struct wal_frame f;

	for (i = 0; i < n; i++, buf += step) {
		if (!wal_frame_follows(h, buf, buf + WAL_FRAME_HDR_SIZE, sum))
			break;
		wal_frame_parse(&f, buf);
		add(o, f.pgno, frame + (uint32_t)i + 1);
		if (f.commit == 0)
			continue;
		end->frame = frame + (uint32_t)i + 1;
		end->pages = f.commit;
		end->sum[0] = sum[0];
		end->sum[1] = sum[1];
		*committed = o->n;
	}
	return i;
}

int
overlay_follow(struct overlay *o, int fd, const struct wal_hdr *h,
    uint32_t from, const uint32_t sum[2], uint32_t limit,
    struct overlay_end *end, struct err *e)
{
	size_t step = WAL_FRAME_HDR_SIZE + h->page_size;
	size_t batch = READ_AHEAD / step, committed = o->n, want, got;
	uint32_t running[2] = { sum[0], sum[1] };
	uint8_t *buf = xmalloc(batch * step);
	ssize_t n = 0;

	*end = (struct overlay_end){ 0 };
	while (from < limit && (n = stop_overdue(e)) == 0) {
		want = limit - from < batch ? limit - from : batch;
		n = file_pread(fd, buf, want * step,
		    wal_frame_offset(h->page_size, (uint64_t)from + 1), e);
		if (n == -1)
			break;
		got = take_frames(o, h, buf, (size_t)n / step, from, running,
		    end, &committed);
		from += (uint32_t)got;
		if (got < want) {
			end->cut = got == (size_t)n / step;
			break;
		}
	}
	free(buf);
	end->walked = from;
	o->n = committed;
	return n == -1 ? -1 : 0;
}

int
overlay_from_index(
    struct overlay *o, int fd, uint32_t from, uint32_t to, struct err *e)
{
	uint32_t pgno[4096], run;
	uint64_t at;
	ssize_t n;

	while (from < to) {
		if (stop_overdue(e) == -1)
			return -1;
		at = walindex_pgno_at(from + 1, &run);
		if (run > to - from)
			run = to - from;
		n = file_pread(fd, pgno, run * sizeof(*pgno), at, e);
		if (n == -1)
			return -1;
		if ((size_t)n < run * sizeof(*pgno))
			return 0;
		for (uint32_t i = 0; i < run; i++) {
			if (pgno[i] == 0)
				return 0;
			add(o, pgno[i], ++from);
		}
	}
	return 1;
}

static int
by_page_newest_first(const void *a, const void *b)
{
	const struct overlay_entry *x = a, *y = b;

	if (x->pgno != y->pgno)
		return x->pgno < y->pgno ? -1 : 1;
	return x->frame > y->frame ? -1 : x->frame < y->frame;
}

void
overlay_seal(struct overlay *o)
{
	size_t kept = 0;

	if (o->n > 1)
		qsort(o->v, o->n, sizeof(*o->v), by_page_newest_first);
	for (size_t i = 0; i < o->n; i++)
		if (kept == 0 || o->v[kept - 1].pgno != o->v[i].pgno)
			o->v[kept++] = o->v[i];
	o->n = kept;
}

uint32_t
overlay_find(const struct overlay *o, uint32_t pgno)
{
	size_t lo = 0, hi = o->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (o->v[mid].pgno < pgno)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < o->n && o->v[lo].pgno == pgno ? o->v[lo].frame : 0;
}

void
overlay_reset(struct overlay *o)
{
	o->n = 0;
}

void
overlay_release(struct overlay *o)
{
	free(o->v);
	*o = (struct overlay){ 0 };
}
