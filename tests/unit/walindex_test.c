/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wal-index is read while it is written: whatever store comes between
 * whichever two reads, what is taken for one moment was one.
 */
#include "lib/sqlite/walindex.h"

#include <string.h>

#include "lib/base/be.h"
#include "lib/sqlite/wal.h"
#include "tests/unit/tap.h"

enum { COPY = 48, INFO = 96, SIZE = 136, STORES_MAX = 64 };

/* The file, and the stores that a writer is about to make. */
static struct {
	uint8_t bytes[SIZE];
	struct {
		size_t at, n;
		uint8_t p[COPY];
	} stores[STORES_MAX];
	size_t n, done;
	size_t reads, go_on_at; /* before that read all go on */
	size_t first;           /* that many are made before the first read */
} w;

static void
store(size_t at, const void *p, size_t n)
{
	w.stores[w.n].at = at;
	w.stores[w.n].n = n;
	memcpy(w.stores[w.n++].p, p, n);
}

static void
store32(size_t at, uint32_t v)
{
	store(at, &v, sizeof(v));
}

static void
make(size_t upto)
{
	for (; w.done < upto && w.done < w.n; w.done++)
		memcpy(w.bytes + w.stores[w.done].at, w.stores[w.done].p,
		    w.stores[w.done].n);
}

static void
header(uint8_t p[COPY], uint32_t frames, uint32_t salt)
{
	const uint32_t version = WAL_VERSION, pages = 10;
	const uint16_t page_size = 4096;
	uint32_t sum[2] = { 0, 0 };

	memset(p, 0, COPY);
	memcpy(p, &version, 4);
	p[12] = 1;
	memcpy(p + 14, &page_size, 2);
	memcpy(p + 16, &frames, 4);
	memcpy(p + 20, &pages, 4);
	be32_put(p + 32, salt);
	be32_put(p + 36, 7);
	wal_sum(__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__, p, 40, sum);
	memcpy(p + 40, sum, 8);
}

/* walIndexWriteHdr(): the second copy, then the first; torn in the middle. */
static void
publish(uint32_t frames, uint32_t salt)
{
	uint8_t p[COPY];

	header(p, frames, salt);
	store(COPY, p, 20);
	store(COPY + 20, p + 20, COPY - 20);
	store(0, p, 20);
	store(20, p + 20, COPY - 20);
}

static void
checkpoint(uint32_t from, uint32_t to)
{
	store32(INFO + 32, to);
	store32(INFO, from + (to - from) / 2);
	store32(INFO, to);
}

static void
restart(uint32_t salt)
{
	publish(0, salt);
	store32(INFO, 0);
	store32(INFO + 32, 0);
}

static int
get(void *ctx, uint64_t at, void *p, size_t n)
{
	(void)ctx;
	if (w.reads++ == w.go_on_at)
		make(w.n);
	if (at + n > sizeof(w.bytes))
		return 0;
	memcpy(p, w.bytes + at, n);
	return 1;
}

/* What a connection does, of which each prefix may be what is met first. */
static void
script(void)
{
	memset(&w, 0, sizeof(w));
	publish(5, 1);
	checkpoint(0, 5);
	publish(8, 1);
	checkpoint(5, 8);
	restart(2);
	publish(3, 2);
	checkpoint(0, 3);
	publish(4, 2);
}

/* Was that the header and the counts at one time?  Some stores are halves. */
static bool
was_so(const struct walindex *x)
{
	uint8_t h[COPY];
	uint32_t b, attempted;

	header(h, x->frames, x->salt[0]);
	memset(w.bytes, 0, sizeof(w.bytes));
	w.done = 0;
	for (size_t i = 0; i <= w.n; i++) {
		memcpy(&b, w.bytes + INFO, 4);
		memcpy(&attempted, w.bytes + INFO + 32, 4);
		if (memcmp(h, w.bytes, COPY) == 0 && b == x->backfill &&
		    attempted == x->backfill_attempted)
			return true;
		make(i + 1);
	}
	return false;
}

static void
every_interleaving(void)
{
	struct walindex x;
	int read = 0, wrong = 0, n;

	script();
	n = (int)w.n;
	for (size_t first = 0; first <= (size_t)n; first++)
		for (size_t at = 0; at < 8; at++)
			for (size_t more = 0; more <= (size_t)n - first;
			     more++) {
				script();
				make(first);
				w.n = first + more;
				w.go_on_at = at;
				if (walindex_read(&x, get, NULL) != 1)
					continue;
				read++;
				script();
				wrong += !was_so(&x);
			}
	ok(read > 500, "most are read: %d", read);
	is_int(wrong, 0, "and each was so");
}

static int
fails(void *ctx, uint64_t at, void *p, size_t n)
{
	(void)ctx, (void)at, (void)p, (void)n;
	return -1;
}

static void
sense(void)
{
	struct walindex x;

	script();
	make(w.n);
	is_int(walindex_read(&x, get, NULL), 1, "at rest");
	is_int(x.frames, 4, "frames");
	is_int(x.backfill, 3, "backfill");
	store32(INFO, 5);
	make(w.n);
	is_int(walindex_read(&x, get, NULL), 0, "more than there are frames");
	store32(INFO + 32, 5);
	make(w.n);
	is_int(walindex_read(&x, get, NULL), 0, "and so attempted");
	store32(INFO, 3);
	store32(INFO + 32, 0);
	make(w.n);
	is_int(walindex_read(&x, get, NULL), 1, "of an old SQLite");
	is_int(x.backfill, 3, "what it checkpointed");
	is_int(walindex_read(&x, fails, NULL), -1, "cannot be read");
	memset(w.bytes, 0, sizeof(w.bytes));
	is_int(walindex_read(&x, get, NULL), 0, "not initialized");
}

/* walformat.html 2.2: 4062 in the first block, 4096 in each other. */
static void
numbers(void)
{
	uint32_t run;

	is_int(walindex_pgno_at(1, &run), 136, "the first frame");
	is_int(run, 4062, "of its block");
	is_int(walindex_pgno_at(4062, &run), 16380, "the last of the block");
	is_int(run, 1, "alone");
	is_int(walindex_pgno_at(4063, &run), 32768, "the second block");
	is_int(run, 4096, "has more");
	is_int(walindex_pgno_at(4063 + 4096 + 5, &run), 65536 + 20, "third");
	is_int(run, 4091, "what is left of it");
}

int
main(void)
{
	every_interleaving();
	sense();
	numbers();
	return done();
}
