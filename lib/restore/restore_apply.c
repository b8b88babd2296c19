/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/restore/restore_apply.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/sys/file.h"

/* So much is given to the disk at a time. */
#define STARTED ((uint64_t)8 << 20)
/* Room is made from that size on, so much at a time. */
#define ROOM_FROM ((uint64_t)8 << 20)
#define ROOM_STEP ((uint64_t)32 << 20)

void
apply_init(struct apply *a)
{
	*a = (struct apply){ .fd = -1 };
	walread_init(&a->wal, &a->growth);
	a->run = xmalloc(APPLY_RUN);
}

void
apply_release(struct apply *a)
{
	walread_release(&a->wal);
	free(a->run);
	free(a->limits);
	*a = (struct apply){ .fd = -1 };
}

void
apply_begin(struct apply *a, int fd, bool again)
{
	a->fd = fd;
	a->page_size = 0;
	a->size = a->started = a->room = 0;
	a->pages = 0;
	a->growth = (struct growth){ 0 };
	a->pos = 0;
	a->run_len = 0;
	if (!again)
		a->n_limits = 0;
	a->n_limits_known = a->n_limits;
}

/* Writing */

/*
 * It has to be durable at the end anyway: the disk need not wait until then.
 * Of a small file it may, many are synced together.
 */
static void
start_writing(struct apply *a)
{
	uint64_t from = a->started;

	if (a->size < from + STARTED)
		return;
	a->started = a->size;
	(void)sync_file_range(
	    a->fd, (off_t)from, (off_t)(a->size - from), SYNC_FILE_RANGE_WRITE);
}

/*
 * Room for what comes next in a file that grows large, which halves the cost
 * of writing it.  Where there is none, or no such thing, writing tells.
 */
static void
make_room(struct apply *a, uint64_t at, size_t n)
{
	if (at + n <= a->room || at < ROOM_FROM)
		return;
	(void)fallocate(
	    a->fd, FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)(n + ROOM_STEP));
	a->room = at + n + ROOM_STEP;
}

static int
write_at(
    struct apply *a, uint64_t at, const uint8_t *p, size_t n, struct err *e)
{
	if (at == a->size)
		make_room(a, at, n);
	if (file_pwrite(a->fd, p, n, at, e) == -1)
		return err_in(e, "unfinished file");
	if (at + n > a->size)
		a->size = at + n;
	start_writing(a);
	return 0;
}

static int
flush(struct apply *a, struct err *e)
{
	size_t n = a->run_len;

	a->run_len = 0;
	return n == 0 ? 0 : write_at(a, a->run_at, a->run, n, e);
}

/* Put n bytes at 'at' of the file. */
static int
put(struct apply *a, uint64_t at, const uint8_t *p, size_t n, struct err *e)
{
	if (n >= APPLY_RUN)
		return flush(a, e) == -1 ? -1 : write_at(a, at, p, n, e);
	if (a->run_len + n > APPLY_RUN || at != a->run_at + a->run_len) {
		if (flush(a, e) == -1)
			return -1;
		a->run_at = at;
	}
	memcpy(a->run + a->run_len, p, n);
	a->run_len += n;
	return 0;
}

static int
resize(struct apply *a, uint64_t size, struct err *e)
{
	if (size == a->size)
		return 0;
	if (ftruncate(a->fd, (off_t)size) == -1)
		return err_sys(e, "unfinished file: cannot set its size");
	a->size = size;
	return 0;
}

/* The snapshot */

/* The first bytes: what is no database is not unpacked onto the disk first. */
static int
take_start(struct apply *a, const uint8_t *p, size_t n, struct err *e)
{
	size_t part = DBHDR_SIZE - (size_t)a->pos;
	struct dbhdr h;

	memcpy(a->start + a->pos, p, n < part ? n : part);
	if (n < part)
		return 0;
	if (dbhdr_parse(&h, a->start, e) == -1)
		return -1;
	a->page_size = h.page_size;
	return 0;
}

int
apply_snapshot(void *apply, const uint8_t *p, size_t n, struct err *e)
{
	struct apply *a = apply;

	if (a->pos < DBHDR_SIZE && take_start(a, p, n, e) == -1)
		return -1;
	if (put(a, a->pos, p, n, e) == -1)
		return -1;
	a->pos += n;
	return 0;
}

int
apply_snapshot_end(struct apply *a, struct err *e)
{
	if (flush(a, e) == -1)
		return -1;
	if (a->size < DBHDR_SIZE)
		return err_set(e, ERR_CORRUPT,
		    "holds %" PRIu64 " bytes, which is no database", a->size);
	a->pages = (uint32_t)(a->size / a->page_size);
	growth_from(&a->growth, a->pages);
	return 0;
}

/* The WAL */

void
apply_log(struct apply *a, uint64_t at)
{
	walread_start(&a->wal, at, a->page_size);
	a->committed = 0;
	a->limit = UINT32_MAX;
	for (size_t i = 0; i < a->n_limits_known; i++)
		if (a->limits[i].log == a->wal.log)
			a->limit = a->limits[i].frames;
}

/* Frames behind the limit have no effect; what they say of sizes is checked. */
static int
take_frame(
    void *ctx, const struct wal_frame *f, const uint8_t *page, struct err *e)
{
	struct apply *a = ctx;

	if (f->commit != 0) {
		a->committed = a->wal.frames;
		a->pages = f->commit;
	}
	if (a->wal.frames > a->limit)
		return 0;
	return put(
	    a, (uint64_t)(f->pgno - 1) * a->page_size, page, a->page_size, e);
}

int
apply_wal(void *apply, const uint8_t *p, size_t n, struct err *e)
{
	struct apply *a = apply;

	return walread_feed(&a->wal, p, n, take_frame, a, e);
}

static void
add_limit(struct apply *a)
{
	a->limits = xrealloc(a->limits, (a->n_limits + 1) * sizeof(*a->limits));
	a->limits[a->n_limits++] = (struct apply_limit){
		.log = a->wal.log,
		.frames = a->committed,
	};
}

/* A checkpoint of the log is over: the file is as large as the database. */
int
apply_log_end(struct apply *a, struct err *e)
{
	if (a->wal.frames > a->committed && a->limit == UINT32_MAX)
		add_limit(a);
	if (flush(a, e) == -1)
		return -1;
	if (a->committed == 0)
		return 0;
	return resize(a, (uint64_t)a->pages * a->page_size, e);
}

bool
apply_again(const struct apply *a)
{
	return a->n_limits > a->n_limits_known;
}

int
apply_pages(struct apply *a, uint32_t page_size, struct err *e)
{
	a->page_size = page_size;
	a->pages = 0;
	return resize(a, 0, e);
}

int
apply_page(struct apply *a, uint32_t pgno, const uint8_t *page, struct err *e)
{
	return put(
	    a, (uint64_t)(pgno - 1) * a->page_size, page, a->page_size, e);
}

int
apply_pages_end(struct apply *a, uint32_t pages, struct err *e)
{
	if (flush(a, e) == -1)
		return -1;
	a->pages = pages;
	return resize(a, (uint64_t)pages * a->page_size, e);
}

int
apply_end(struct apply *a, struct err *e)
{
	if (a->room <= a->size)
		return 0;
	a->room = a->size;
	if (ftruncate(a->fd, (off_t)a->size) == -1)
		return err_sys(e, "unfinished file: cannot set its size");
	return 0;
}
