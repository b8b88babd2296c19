/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem_store -- a store in memory, and replicas made in it by hand.
 *
 * All ops that one thread needs; objects are never overwritten, as in any
 * other.  mem_damage() bends one, mem_fail makes every call fail.
 */
#ifndef LSPP_TESTS_UNIT_MEM_STORE_H
#define LSPP_TESTS_UNIT_MEM_STORE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/wal/object.h"
#include "lib/replica/wal/vwal.h"
#include "lib/store/stats.h"
#include "lib/store/store.h"

#define S INT64_C(1000000000)
/* Keys of objects of a.db. */
#define SNAPSHOT(i)                                                          \
	"a.db/generations/0123456789abcdef/snapshots/0000000" i ".snapshot." \
	"lz4"
#define SEGMENT(i, o) \
	"a.db/generations/0123456789abcdef/wal/0000000" i "_" o ".wal.lz4"

#define MEM_FN __attribute__((unused)) static

struct mem_object {
	char *key;
	struct buf data;
	int64_t mtime_ns;
};

static struct mem_object mem[256]; /* by key */
static size_t mem_n;
static bool mem_fail;
static unsigned mem_lists, mem_gets;

static int
mem_down(struct err *e)
{
	return mem_fail ? err_set(e, ERR_UNAVAILABLE, "nobody answers") : 0;
}

MEM_FN struct mem_object *
mem_find(const char *key)
{
	for (size_t i = 0; i < mem_n; i++)
		if (strcmp(mem[i].key, key) == 0)
			return &mem[i];
	return NULL;
}

MEM_FN void
mem_put(const char *key, const void *p, size_t n, int64_t mtime_ns)
{
	size_t at = mem_n;

	if (mem_n == sizeof(mem) / sizeof(mem[0]))
		abort();
	for (; at > 0 && strcmp(mem[at - 1].key, key) > 0; at--)
		mem[at] = mem[at - 1];
	mem[at] =
	    (struct mem_object){ .key = xstrdup(key), .mtime_ns = mtime_ns };
	buf_add(&mem[at].data, p, n);
	mem_n++;
}

MEM_FN void
mem_remove(const char *key)
{
	struct mem_object *o = mem_find(key);

	if (o == NULL)
		return;
	free(o->key);
	buf_release(&o->data);
	memmove(o, o + 1, (size_t)(mem + mem_n - o - 1) * sizeof(*o));
	mem_n--;
}

MEM_FN void
mem_clear(void)
{
	while (mem_n > 0)
		mem_remove(mem[0].key);
	mem_fail = false;
	mem_lists = mem_gets = 0;
}

/* Another byte in place of the one there; off from the end if negative. */
MEM_FN void
mem_damage(const char *key, long off)
{
	struct mem_object *o = mem_find(key);

	if (o == NULL)
		abort();
	o->data.data[off < 0 ? o->data.len - (size_t)-off : (size_t)off] ^=
	    0x55;
}

/* -- the driver ------------------------------------------------------------ */

static int
mem_get(struct store *s, const char *key, uint64_t off, uint64_t n,
    store_sink *sink, void *ctx, struct err *e)
{
	const struct mem_object *o = mem_find(key);

	(void)s;
	mem_gets++;
	if (mem_down(e) == -1)
		return -1;
	if (o == NULL)
		return err_set(e, ERR_MISSING, "no object %s", key);
	if (off == UINT64_MAX)
		off = n < o->data.len ? o->data.len - n : 0;
	if (off > o->data.len)
		off = o->data.len;
	if (n > o->data.len - off)
		n = o->data.len - off;
	return n == 0 ? 0 : sink(ctx, o->data.data + off, n, e);
}

static int
mem_list(struct store *s, const char *prefix, bool delimited, store_each *each,
    void *ctx, struct err *e)
{
	char last[256] = "", name[256];
	size_t n = strlen(prefix);
	int rc = mem_down(e);

	(void)s;
	mem_lists++;
	for (size_t i = 0; i < mem_n && rc == 0; i++) {
		const struct mem_object *o = &mem[i];
		const char *slash;
		struct store_entry en = { .key = o->key,
			.size = o->data.len,
			.mtime_ns = o->mtime_ns };

		if (strncmp(o->key, prefix, n) != 0)
			continue;
		slash = delimited ? strchr(o->key + n, '/') : NULL;
		if (slash != NULL) {
			(void)snprintf(name, sizeof(name), "%.*s",
			    (int)(slash + 1 - o->key), o->key);
			if (strcmp(name, last) == 0)
				continue;
			(void)snprintf(last, sizeof(last), "%s", name);
			en =
			    (struct store_entry){ .key = name, .prefix = true };
		}
		rc = each(ctx, &en, e);
	}
	return rc == 1 ? 0 : rc;
}

static int
mem_can_name(struct store *s, const char *key, struct err *e)
{
	(void)s;
	(void)key;
	(void)e;
	return 0;
}

static void
mem_stats(struct store *s, struct store_stats *out)
{
	(void)s;
	*out = (struct store_stats){ 0 };
}

static const struct store_ops mem_ops = {
	.get = mem_get,
	.list = mem_list,
	.can_name = mem_can_name,
	.stats = mem_stats,
};
static char mem_url[] = "mem://";
static struct store mem_store __attribute__((
    unused)) = { .ops = &mem_ops, .url = mem_url, .root = mem_url };

/* -- replicas -------------------------------------------------------------- */

enum { MEM_PAGE = 512 };

/* The image of a database of so many pages, each of byte 'fill' but for what
 * SQLite needs; page n of it. */
MEM_FN void
mem_page(uint8_t p[MEM_PAGE], uint32_t n, uint32_t pages, uint8_t fill)
{
	memset(p, fill, MEM_PAGE);
	if (n != 1)
		return;
	memset(p, 0, 100);
	memcpy(p, "SQLite format 3", 16);
	p[16] = MEM_PAGE >> 8;
	p[18] = p[19] = 2; /* WAL */
	p[21] = 64;
	p[22] = 32;
	p[23] = 32;
	p[27] = fill; /* the change counter, and what it was for */
	p[95] = fill;
	p[31] = (uint8_t)pages;
	p[47] = 4;
	p[59] = 1;
}

struct mem_history {
	const char *db, *generation;
	uint32_t pages, index, offset;
	uint32_t sum[2];
	struct pagesum page_sum[32], total;
	uint8_t writer[16];
	bool plain; /* without provenance, as Litestream's */
};

static void
mem_must(bool done, const struct err *e)
{
	if (done)
		return;
	fprintf(stderr, "mem_store: %s\n", e->msg);
	abort();
}

static void
mem_finish(struct mem_history *h, struct object_enc *enc, struct spool *out,
    struct layout_name name, int64_t captured_ns)
{
	struct provenance pv = { .captured_ns = captured_ns,
		.page_size = MEM_PAGE,
		.pages = h->pages,
		.sum = h->total,
		.mode = 0600,
		.length = object_enc_raw(enc),
		.name = name,
		.run = 1 };
	struct buf key = { 0 };
	struct err e = { 0 };
	uint8_t *p;
	size_t n;

	memcpy(pv.writer, h->writer, sizeof(pv.writer));
	memcpy(pv.generation, h->generation, LAYOUT_GENERATION);
	mem_must(object_enc_finish(enc, &pv, &e) == 0, &e);
	n = (size_t)out->size;
	p = xmalloc(n);
	mem_must(spool_read(out, 0, p, n, &e) == 0, &e);
	layout_key(&key, h->db, h->generation, &name);
	mem_put(
	    buf_str(&key), p, h->plain ? n - PROVENANCE_SIZE : n, captured_ns);
	free(p);
	buf_release(&key);
}

/* A snapshot of a database of so many pages; segments of its index follow. */
MEM_FN void
mem_snapshot(struct mem_history *h, uint32_t pages, uint8_t fill, int64_t ns)
{
	struct object_enc *enc = object_enc_new();
	struct spool out;
	struct err e = { 0 };
	uint8_t page[MEM_PAGE];

	spool_init(&out, "/tmp", 1 << 20);
	mem_must(object_enc_begin(enc, &out, &e) == 0, &e);
	h->pages = pages;
	h->total = (struct pagesum){ 0 };
	for (uint32_t n = 1; n <= pages; n++) {
		mem_page(page, n, pages, fill);
		h->page_sum[n] = pagesum_of(n, page, MEM_PAGE);
		pagesum_xor(&h->total, h->page_sum[n]);
		mem_must(object_enc_add(enc, page, MEM_PAGE, &e) == 0, &e);
	}
	mem_finish(h, enc, &out,
	    (struct layout_name){ LAYOUT_SNAPSHOT, walpos(h->index, 0) }, ns);
	object_enc_free(enc);
	spool_release(&out);
	h->offset = 0;
}

/* A segment that changes page n. */
MEM_FN void
mem_segment(struct mem_history *h, uint32_t n, uint8_t fill, int64_t ns)
{
	const uint32_t salt[2] = { 1, h->index };
	struct chain chain;
	struct object_enc *enc = object_enc_new();
	struct vwal v = { 0 };
	struct spool out;
	struct err e = { 0 };
	uint8_t page[MEM_PAGE];
	uint32_t raw;

	spool_init(&out, "/tmp", 1 << 20);
	mem_page(page, n, h->pages, fill);
	pagesum_xor(&h->total, h->page_sum[n]);
	h->page_sum[n] = pagesum_of(n, page, MEM_PAGE);
	pagesum_xor(&h->total, h->page_sum[n]);
	walpos_chain(&chain, salt, h->sum);
	mem_must(object_enc_begin(enc, &out, &e) == 0 &&
		vwal_begin(&v, enc, MEM_PAGE, walpos(h->index, h->offset),
		    &chain, &e) == 0 &&
		vwal_add(&v, n, page, &e) == 0 &&
		vwal_commit(&v, h->pages, &chain, &e) == 0,
	    &e);
	memcpy(h->sum, v.sum, sizeof(h->sum));
	raw = (uint32_t)object_enc_raw(enc);
	mem_finish(h, enc, &out,
	    (struct layout_name){ LAYOUT_SEGMENT, walpos(h->index, h->offset) },
	    ns);
	h->offset += raw;
	vwal_release(&v);
	object_enc_free(enc);
	spool_release(&out);
}

#endif
