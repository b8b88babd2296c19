/* SPDX-License-Identifier: Apache-2.0 */
/*
 * times_kit -- a model of a replica for times_test: random histories of lspp's
 * generations and Litestream's, and a store that holds what they wrote.
 */
#ifndef LSPP_TESTS_UNIT_TIMES_KIT_H
#define LSPP_TESTS_UNIT_TIMES_KIT_H

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/replica/follow.h"
#include "lib/replica/jump.h"
#include "lib/replica/wal/object.h"
#include "lib/store/store.h"
#include "lib/sys/spool.h"
#include "tests/unit/draw_kit.h"

#define S     INT64_C(1000000000)
#define DAY   (86400 * S)
#define START (20000 * DAY)

enum { OBJECTS = 400, GENERATIONS = 8 };

struct object {
	char *key;
	struct buf bytes;
	int64_t mtime_ns, at; /* at: in truth; of one that is no state 0 */
	int gen, content;
	struct layout_name name;
	bool gone, end;
};

struct generation {
	char id[LAYOUT_GENERATION];
	bool own, ended, gone;
	int run; /* the last */
};

static struct {
	struct object v[OBJECTS];
	int n;
	struct generation g[GENERATIONS];
	int gens, content, owners;
	int64_t now, ours, theirs; /* true time; what two clocks are off by */
	int64_t ahead, last;       /* of our clock; the last capture */
	bool jumps, back;          /* once; it went back */
	int64_t since;             /* when it was ahead */
	bool blind;
	bool policy;   /* pruned by one: both clocks agree */
	int64_t later; /* until a reader looks */
	bool directory, copied;
	bool own;  /* all is lspp's */
	bool sure; /* of the newest: nothing is lost, and all is lspp's */
} m;

/* -- the store ------------------------------------------------------------- */

static int
by_key(const void *a, const void *b)
{
	return strcmp((*(struct object *const *)a)->key,
	    (*(struct object *const *)b)->key);
}

static int
list(struct store *s, const char *prefix, bool delimited, store_each *each,
    void *ctx, struct err *e)
{
	struct object *sorted[OBJECTS] = { 0 };
	size_t n = 0, len = strlen(prefix);
	char *last = NULL;
	const char *slash;
	int rc = 0;

	(void)s;
	for (int i = 0; i < m.n; i++)
		if (!m.v[i].gone && strncmp(m.v[i].key, prefix, len) == 0)
			sorted[n++] = &m.v[i];
	qsort(sorted, n, sizeof(sorted[0]), by_key);
	for (size_t i = 0; i < n && rc == 0; i++) {
		struct store_entry en = { .key = sorted[i]->key,
			.size = sorted[i]->bytes.len,
			.mtime_ns = sorted[i]->mtime_ns };

		slash = delimited ? strchr(en.key + len, '/') : NULL;
		if (slash != NULL && last != NULL &&
		    strncmp(en.key, last, strlen(last)) == 0)
			continue;
		if (slash != NULL) {
			free(last);
			last = xasprintf(
			    "%.*s", (int)(slash + 1 - en.key), en.key);
			en =
			    (struct store_entry){ .key = last, .prefix = true };
		}
		rc = each(ctx, &en, e);
	}
	free(last);
	return rc == -1 ? -1 : 0;
}

static int
get(struct store *s, const char *key, uint64_t off, uint64_t n,
    store_sink *sink, void *ctx, struct err *e)
{
	(void)s;
	for (int i = 0; i < m.n; i++) {
		const struct buf *b = &m.v[i].bytes;

		if (m.v[i].gone || strcmp(m.v[i].key, key) != 0)
			continue;
		if (off != UINT64_MAX)
			return sink(ctx, b->data, b->len, e);
		n = n < b->len ? n : b->len;
		return sink(ctx, b->data + b->len - n, (size_t)n, e);
	}
	return err_set(e, ERR_MISSING, "no %s", key);
}

static const struct store_ops ops = { .list = list, .get = get };
static char root[] = "r";
static struct store store = { .ops = &ops, .url = root, .root = root };

/* -- writing --------------------------------------------------------------- */

static int64_t
tick(void)
{
	return m.now += 1 + (int64_t)draw(1000000) * (draw(5) ? S : S / 1000);
}

/* As lspp-ship dates what it captures now: ship_clock.c. */
static int64_t
capture(int64_t *clock_ns)
{
	int64_t clock, captured;

	if (m.jumps && draw(8) == 0) {
		m.ahead =
		    (int64_t)(1 + draw(draw(2) ? 400 * 24 : 48)) * 3600 * S;
		m.jumps = false;
		m.since = m.now;
	} else if (m.ahead > 0 && draw(3) == 0 &&
	    m.last - m.now - m.ours > JUMP_STEP_NS) {
		/* Else it would leave no trace; so does what it was for
		 * longer than it was ahead by. */
		m.blind = m.now - m.since >= m.ahead;
		m.ahead = 0;
	}
	clock = m.now + m.ours + m.ahead;
	captured = clock > m.last ? clock : m.last + 1;
	m.back = m.back || captured - clock > JUMP_STEP_NS;
	*clock_ns = !m.back                   ? 0
	    : captured - clock > JUMP_STEP_NS ? clock
					      : captured;
	return m.last = captured;
}

static void
encode(struct buf *out, const struct provenance *pv, const struct buf *data)
{
	struct object_enc *o = object_enc_new();
	uint8_t piece[4096];
	struct spool s;
	struct err e;

	spool_init(&s, "/tmp", 1 << 20);
	if (object_enc_begin(o, &s, &e) == -1 ||
	    (data->len > 0 &&
		object_enc_add(o, data->data, data->len, &e) == -1) ||
	    object_enc_finish(o, pv, &e) == -1 || s.size > sizeof(piece) ||
	    spool_read(&s, 0, piece, (size_t)s.size, &e) == -1)
		abort();
	buf_add(out, piece, (size_t)s.size);
	spool_release(&s);
	object_enc_free(o);
}

static void
key_of(struct buf *b, const struct generation *g, const struct layout_name *n)
{
	layout_key(b, "db", g->id, n);
}

static struct object *
put(int gen, struct layout_name name, int64_t at, int64_t captured,
    int64_t clock, uint64_t length, const struct buf *data)
{
	static const uint8_t plain[300] = { 4, 0x22, 0x4d, 0x18 };
	struct object *o = &m.v[m.n++];
	struct provenance pv = { .captured_ns = captured,
		.clock_ns = clock,
		.length = length,
		.page_size = 4096,
		.pages = 1,
		.name = name };
	struct buf key = { 0 };

	*o = (struct object){ .gen = gen,
		.name = name,
		.content = m.content,
		.at = length > 0 && name.kind != LAYOUT_OWNER ? at : 0,
		.mtime_ns =
		    m.directory && m.g[gen].own ? captured : m.now + m.theirs };
	key_of(&key, &m.g[gen], &name);
	o->key = xstrdup(buf_str(&key));
	buf_release(&key);
	memcpy(pv.generation, m.g[gen].id, sizeof(pv.generation));
	if (m.g[gen].own)
		encode(&o->bytes, &pv, data);
	else
		buf_add(&o->bytes, plain, sizeof(plain));
	return o;
}

static const struct buf nothing;
static struct buf page;

/* How far Litestream's went: as lspp-ship says it, if it could look. */
static void
claim(int gen, int64_t captured, int64_t clock)
{
	struct layout_name name = { LAYOUT_OWNER, (uint64_t)m.owners++ };
	struct buf b = { 0 };

	for (int g = 0; g < m.gens && draw(4) > 0; g++) {
		struct follow_end end = { 0 };

		if (m.g[g].own)
			continue;
		memcpy(end.generation, m.g[g].id, sizeof(end.generation));
		for (int i = 0; i < m.n; i++) {
			const struct object *o = &m.v[i];

			if (o->gen != g || o->name.kind == LAYOUT_OWNER)
				continue;
			if (o->name.kind == LAYOUT_SNAPSHOT) {
				end.has_snapshot = true;
				end.snapshot = o->name.at;
			} else {
				end.has_segment = true;
				end.segment = o->name.at;
			}
		}
		follow_write(&b, &end);
	}
	put(gen, name, m.now, captured, clock, b.len, &b)->at = 0;
	buf_release(&b);
}

/* What comes next ends those of ours that are there. */
static void
end_all(int64_t captured, int64_t clock)
{
	for (int i = 0; i < m.n; i++) {
		struct object *o = &m.v[i];
		struct provenance pv = { .captured_ns = captured,
			.clock_ns = clock,
			.page_size = 4096,
			.pages = 1,
			.name = o->name };

		if (!o->end || m.g[o->gen].ended)
			continue;
		memcpy(pv.generation, m.g[o->gen].id, sizeof(pv.generation));
		buf_reset(&o->bytes);
		encode(&o->bytes, &pv, &nothing);
		o->gone = false;
		o->mtime_ns = m.directory ? pv.captured_ns : m.now + m.theirs;
		m.g[o->gen].ended = true;
	}
}

/* A generation from now on: a snapshot, segments, further snapshots. */
static void
generation(bool own, bool owner)
{
	int gen = m.gens++, steps = 1 + (int)draw(8);
	struct layout_name at = { LAYOUT_SNAPSHOT, 0 };
	struct generation *g = &m.g[gen];
	int64_t captured, clock = 0;
	struct object *o;
	uint32_t length;

	*g = (struct generation){ .own = own };
	layout_new_generation(g->id,
	    (uint8_t[5]){
		(uint8_t)draw(256), (uint8_t)gen, (uint8_t)draw(256) });
	if (!own)
		g->id[15] = g->id[15] == '0' ? '1' : '0';
	(void)tick();
	captured = own ? capture(&clock) : m.now + m.ours;
	if (own)
		end_all(captured - 1, clock);
	m.content++;
	if (own && owner)
		claim(gen, captured, clock);
	put(gen, at, m.now, captured, clock, page.len, &page);
	while (steps-- > 0) {
		(void)tick();
		captured = own ? capture(&clock) : m.now + m.ours;
		m.content++;
		length = 4152;
		at.kind = LAYOUT_SEGMENT;
		put(gen, at, m.now, captured, clock, length, &page);
		at.at += length;
		if (draw(3) > 0)
			continue;
		at = (struct layout_name){ LAYOUT_SNAPSHOT,
			walpos_next_log(at.at) };
		put(gen, at, m.now, captured, clock, page.len, &page);
	}
	g->run = (int)walpos_index(at.at);
	if (!own)
		return;
	at.kind = LAYOUT_SEGMENT;
	/* Where the next one of ours ends it, if it may. */
	o = put(gen, at, 0, 0, 0, 0, &nothing);
	o->gone = o->end = true;
}

/* Litestream goes on, whatever lspp does. */
static void
go_on(void)
{
	const struct object *last = NULL;
	struct layout_name name;
	int64_t captured;

	for (int i = 0; i < m.n; i++)
		if (!m.g[m.v[i].gen].own && m.v[i].name.kind != LAYOUT_OWNER)
			last = &m.v[i];
	if (last == NULL)
		return;
	name = last->name;
	if (name.kind == LAYOUT_SEGMENT)
		name.at += 4152;
	name.kind = LAYOUT_SEGMENT;
	captured = tick() + m.ours;
	m.content++;
	put(last->gen, name, m.now, captured, 0, 4152, &page);
}

static void
history(void)
{
	int gens = 1 + (int)draw(GENERATIONS - 1);
	bool begun = false;

	m.now = START;
	m.ours = ((int64_t)draw(20) - 10) * DAY * (int64_t)draw(2);
	m.theirs = ((int64_t)draw(20) - 10) * DAY * (int64_t)draw(2);
	m.directory = draw(2);
	m.jumps = draw(2);
	m.policy = draw(2);
	if (m.policy)
		m.theirs = m.ours;
	m.later =
	    draw(2) ? (int64_t)draw(3 * 3600) * S : (int64_t)draw(800) * DAY;
	while (gens-- > 0 && m.n < OBJECTS - 140) {
		bool own = draw(3) > 0;

		generation(own, !begun || draw(2));
		begun = begun || own;
		if (draw(4) == 0)
			go_on();
	}
}

#endif
