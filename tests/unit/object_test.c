/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/wal/object.h"

#include <lz4frame.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "tests/unit/tap.h"

static const struct provenance sample = {
	.captured_ns = 1700000000000000000,
	.writer = "writer",
	.page_size = 4096,
	.pages = 3,
	.sum = { .hi = 1, .lo = 2 },
	.length = 12,
	.generation = "0123456789abcdef",
};

static struct object_enc *enc;
static struct object_dec *dec;

/* Half of it can be packed. */
static void
fill(struct buf *b, size_t n)
{
	uint32_t x = (uint32_t)n;
	uint8_t *p;
	size_t i;

	buf_reset(b);
	p = buf_room(b, n);
	for (i = 0; i < n; i++)
		p[i] = i / 512 % 2 ? 'z' : (uint8_t)((x = x * 69069 + 1) >> 24);
	b->len = n;
}

/* The object that holds data, added in pieces of step bytes. */
static bool
encode(struct buf *object, const struct buf *data, size_t step)
{
	struct spool s;
	size_t at, n;
	struct err e;
	bool good;

	spool_init(&s, "/tmp", 64u << 20);
	good = object_enc_begin(enc, &s, &e) == 0;
	for (at = 0; good && at < data->len; at += n) {
		n = data->len - at < step ? data->len - at : step;
		good = object_enc_add(enc, data->data + at, n, &e) == 0;
	}
	good = good && object_enc_raw(enc) == data->len &&
	    object_enc_finish(enc, &sample, &e) == 0;
	buf_reset(object);
	good = good &&
	    spool_read(&s, 0, buf_room(object, s.size), s.size, &e) == 0;
	object->len = s.size;
	spool_release(&s);
	return good;
}

/* A frame that LZ4 makes of data, as another program might. */
static void
frame(struct buf *object, const struct buf *data, const LZ4F_preferences_t *p)
{
	size_t cap = LZ4F_compressFrameBound(data->len, p), n;

	buf_reset(object);
	n = LZ4F_compressFrame(
	    buf_room(object, cap), cap, data->data, data->len, p);
	object->len = LZ4F_isError(n) ? 0 : n;
}

static int
collect(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	struct buf *b = ctx;

	(void)e;
	buf_add(b, p, n);
	return 0;
}

/* Another place of another size each time; what lay there is gone. */
static uint8_t *
elsewhere(void *ctx, size_t *n)
{
	static uint8_t place[2][262144];
	static unsigned i;

	(void)ctx;
	memset(place[i % 2], 0xaa, sizeof(place[0]));
	*n = i % 5 == 0 ? i % 97 + 1
			: sizeof(place[0]) - (size_t)(i % 4) * 65536;
	return place[++i % 2];
}

static int
decode_into(object_room *room, const struct buf *object, size_t step,
    uint64_t max, struct buf *out, struct provenance *pv, bool *has,
    struct err *e)
{
	size_t at, n;

	buf_reset(out);
	object_dec_begin(dec, collect, out, max);
	object_dec_into(dec, room);
	for (at = 0; at < object->len; at += n) {
		n = object->len - at < step ? object->len - at : step;
		if (object_dec_feed(dec, object->data + at, n, e) == -1)
			return -1;
	}
	if (object_dec_finish(dec, pv, has, e) == -1)
		return -1;
	return object_dec_raw(dec) == out->len ? 0 : -1;
}

static bool
same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len &&
	    (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* Decode object in pieces of step bytes into out, wherever it is put first; of
 * what cannot be decoded a part may be there. */
static int
decode(const struct buf *object, size_t step, uint64_t max, struct buf *out,
    struct provenance *pv, bool *has, struct err *e)
{
	struct buf there = { 0 };
	int moved =
	    decode_into(elsewhere, object, step, max, &there, pv, has, e);
	int rc = decode_into(NULL, object, step, max, out, pv, has, e);
	bool alike = moved == rc && (rc == -1 || same(out, &there));

	if (!alike)
		ok(false, "the same at another place");
	buf_release(&there);
	return alike ? rc : -1;
}

static void
test_round_trip(void)
{
	static const struct {
		size_t size, in, out;
	} t[] = {
		{ 0, 1, 1 },
		{ 1, 1, 1 },
		{ 4152, 4152, 4096 },
		{ 5000, 1, 1 },
		{ 40960, 4096, 40960 },
		{ 262144, 262144, 1000 },
		{ 262145, 4120, 1 },
		{ 3000000, 3000000, 3000000 },
		{ 3000000, 65537, 100000 },
	};
	struct buf data = { 0 }, object = { 0 }, got = { 0 };
	struct provenance pv;
	struct err e;
	bool has;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		fill(&data, t[i].size);
		memset(&pv, 0, sizeof(pv));
		has = false;
		ok(encode(&object, &data, t[i].in) &&
			decode(&object, t[i].out, t[i].size, &got, &pv, &has,
			    &e) == 0 &&
			same(&got, &data),
		    "%zu bytes, in by %zu, out by %zu", t[i].size, t[i].in,
		    t[i].out);
		ok(has && pv.captured_ns == sample.captured_ns && pv.pages == 3,
		    "its provenance");
	}
	buf_release(&data);
	buf_release(&object);
	buf_release(&got);
}

/* What 0.3.13 reads: see lspp-format(5). */
static void
test_frame_header(void)
{
	struct buf data = { 0 }, object = { 0 };

	fill(&data, 100000);
	ok(encode(&object, &data, 4096), "an object");
	ok(memcmp(object.data, "\x04\x22\x4d\x18\x64\x50", 6) == 0,
	    "independent blocks of 256 KiB, a content checksum, no more");
	ok(object.len < 60000, "packed");
	is_int(object.data[object.len - PROVENANCE_SIZE], 0x5c,
	    "the provenance frame ends it");
	buf_release(&data);
	buf_release(&object);
}

/* Frames that others may write. */
static void
test_foreign(void)
{
	static const struct {
		const char *what;
		LZ4F_preferences_t prefs;
	} t[] = {
		{ "as litestream writes them",
		    { .frameInfo = { .blockSizeID = LZ4F_max4MB,
			  .blockMode = LZ4F_blockIndependent,
			  .contentChecksumFlag =
			      LZ4F_contentChecksumEnabled } } },
		{ "as lz4(1) writes them",
		    { .frameInfo = { .blockSizeID = LZ4F_max4MB,
			  .contentChecksumFlag =
			      LZ4F_contentChecksumEnabled } } },
		{ "without a checksum, 64 KiB blocks",
		    { .frameInfo = { .blockSizeID = LZ4F_max64KB } } },
		{ "with the content size",
		    { .frameInfo = { .contentSize = 9000000 } } },
		{ "with block checksums",
		    { .frameInfo = { .blockChecksumFlag =
					 LZ4F_blockChecksumEnabled } } },
		{ "with both kinds of checksums",
		    { .frameInfo = { .contentChecksumFlag =
					 LZ4F_contentChecksumEnabled,
			  .blockChecksumFlag = LZ4F_blockChecksumEnabled } } },
	};
	struct buf data = { 0 }, object = { 0 }, got = { 0 };
	struct provenance pv;
	struct err e;
	bool has;
	size_t i, step;

	fill(&data, 9000000);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		frame(&object, &data, &t[i].prefs);
		has = true;
		for (step = 1000; step <= 10000000; step *= 100)
			ok(decode(&object, step, data.len, &got, &pv, &has,
			       &e) == 0 &&
				same(&got, &data) && !has,
			    "%s, by %zu", t[i].what, step);
	}
	buf_release(&data);
	buf_release(&object);
	buf_release(&got);
}

/* Decoding object fails with that message, however it is fed. */
static void
rejects(const struct buf *object, uint64_t max, const char *msg)
{
	struct buf got = { 0 };
	struct provenance pv;
	struct err e = { 0 };
	bool has;

	is_int(decode(object, object->len + 1, max, &got, &pv, &has, &e), -1,
	    "at once: %s", msg);
	is_str(e.msg, msg, "message");
	is_int(e.class, ERR_CORRUPT, "class");
	e.msg[0] = '\0';
	is_int(decode(object, 1, max, &got, &pv, &has, &e), -1, "by bytes");
	is_str(e.msg, msg, "message");
	ok(got.len <= max, "no more than may be is handed out");
	buf_release(&got);
}

static void
test_rejects(void)
{
	struct buf data = { 0 }, object = { 0 }, bad = { 0 };
	static const uint8_t skip[] = "\x50\x2a\x4d\x18\x03\0\0\0abc";
	size_t len;

	fill(&data, 20000);
	encode(&object, &data, 4096);
	len = object.len;

	buf_add(&bad, object.data, len - PROVENANCE_SIZE);
	buf_add(&bad, object.data, len);
	rejects(&bad, 1 << 20, "a second LZ4 data frame");

	buf_reset(&bad);
	buf_add(&bad, object.data, len);
	buf_adds(&bad, "junk");
	rejects(&bad, 1 << 20, "garbage behind the LZ4 frame");
	bad.len--;
	rejects(&bad, 1 << 20, "truncated behind the LZ4 frame");

	buf_reset(&bad);
	buf_add(&bad, object.data, len);
	bad.data[len - PROVENANCE_SIZE - 1] ^= 1;
	rejects(&bad, 1 << 20, "LZ4 frame: the content checksum is wrong");
	bad.data[len - PROVENANCE_SIZE - 1] ^= 1;
	bad.data[len - 20] ^= 1;
	rejects(&bad, 1 << 20, "provenance frame is damaged");

	buf_reset(&bad);
	buf_add(&bad, skip, sizeof(skip) - 1);
	buf_add(&bad, object.data, len);
	rejects(&bad, 1 << 20, "not an LZ4 frame");
	rejects(&data, 1 << 20, "not an LZ4 frame");

	rejects(
	    &object, data.len - 1, "more than 19999 bytes when uncompressed");
	buf_release(&data);
	buf_release(&object);
	buf_release(&bad);
}

/* A bit of what is stored as it is, seen by the checksum of its block. */
static void
test_block_sum(void)
{
	LZ4F_preferences_t prefs = {
		.frameInfo = { .blockChecksumFlag = LZ4F_blockChecksumEnabled }
	};
	struct buf data = { 0 }, object = { 0 };

	fill(&data, 1000);
	frame(&object, &data, &prefs);
	object.data[object.len / 2] ^= 1;
	rejects(&object, 1 << 20, "LZ4 frame: ERROR_blockChecksum_invalid");
	buf_release(&data);
	buf_release(&object);
}

static void
test_dictionary(void)
{
	LZ4F_preferences_t prefs = { .frameInfo = { .dictID = 7 } };
	struct buf data = { 0 }, object = { 0 };

	fill(&data, 1000);
	frame(&object, &data, &prefs);
	rejects(&object, 1 << 20, "LZ4 frame: with a dictionary");
	buf_release(&data);
	buf_release(&object);
}

/* Cut anywhere, an object is not one; but for the end of its data, where it
 * is one without provenance. */
static void
test_truncated(void)
{
	struct buf data = { 0 }, object = { 0 }, got = { 0 };
	size_t len, whole = 0, good = 0, at = 0;
	struct provenance pv;
	struct err e;
	bool has;

	fill(&data, 1500);
	encode(&object, &data, 1500);
	whole = object.len;
	for (len = 0; len < whole; len++) {
		object.len = len;
		if (decode(&object, 100, 1 << 20, &got, &pv, &has, &e) == 0) {
			good++;
			at = len;
		}
	}
	is_int(good, 1, "one prefix is an object");
	is_int(at, whole - PROVENANCE_SIZE, "that without provenance");
	buf_release(&data);
	buf_release(&object);
	buf_release(&got);
}

/* A bit may change that means nothing to LZ4; never what comes out. */
static void
test_damage(void)
{
	struct buf data = { 0 }, object = { 0 }, got = { 0 };
	struct provenance pv;
	size_t i, missed = 0;
	struct err e;
	bool has;

	fill(&data, 700);
	encode(&object, &data, 700);
	for (i = 0; i < object.len * 8; i++) {
		object.data[i / 8] ^= (uint8_t)(1 << i % 8);
		if (decode(&object, 4096, 1 << 20, &got, &pv, &has, &e) == 0)
			missed += !has || !same(&got, &data);
		object.data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	is_int(missed, 0, "no bit of %zu bytes changes it unseen", object.len);
	buf_release(&data);
	buf_release(&object);
	buf_release(&got);
}

/* Skippable frames that are not ours are passed over. */
static void
test_skippable(void)
{
	static const uint8_t empty[] = "\x5f\x2a\x4d\x18\0\0\0\0";
	static const uint8_t some[] = "\x5c\x2a\x4d\x18\x03\0\0\0abc";
	struct buf data = { 0 }, object = { 0 }, got = { 0 }, tail = { 0 };
	struct provenance pv;
	struct err e;
	bool has = false;
	size_t step;

	fill(&data, 1000);
	encode(&object, &data, 1000);
	buf_add(
	    &tail, object.data + object.len - PROVENANCE_SIZE, PROVENANCE_SIZE);
	object.len -= PROVENANCE_SIZE;
	buf_add(&object, empty, sizeof(empty) - 1);
	buf_add(&object, some, sizeof(some) - 1);
	for (step = 1; step < 10000; step *= 7) {
		ok(decode(&object, step, 1000, &got, &pv, &has, &e) == 0 &&
			same(&got, &data) && !has,
		    "foreign frames behind the data, by %zu", step);
	}
	buf_add(&object, tail.data, tail.len);
	ok(decode(&object, 5, 1000, &got, &pv, &has, &e) == 0 && has &&
		pv.pages == 3,
	    "ours behind them");
	buf_add(&object, some, sizeof(some) - 1);
	ok(decode(&object, 5, 1000, &got, &pv, &has, &e) == 0 && !has,
	    "ours, but not last");
	buf_release(&data);
	buf_release(&object);
	buf_release(&got);
	buf_release(&tail);
}

static int
refuse(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	(void)ctx, (void)p, (void)n;
	return err_set(e, ERR_IO, "no more room");
}

static void
test_sink(void)
{
	struct buf data = { 0 }, object = { 0 };
	struct err e;

	fill(&data, 1000);
	encode(&object, &data, 1000);
	object_dec_begin(dec, refuse, NULL, 1000);
	is_int(object_dec_feed(dec, object.data, object.len, &e), -1,
	    "the sink's error");
	is_str(e.msg, "no more room", "its message");
	buf_release(&data);
	buf_release(&object);
}

int
main(void)
{
	enc = object_enc_new();
	dec = object_dec_new();
	test_round_trip();
	test_frame_header();
	test_foreign();
	test_rejects();
	test_block_sum();
	test_dictionary();
	test_truncated();
	test_damage();
	test_skippable();
	test_sink();
	object_enc_free(enc);
	object_dec_free(dec);
	object_enc_free(NULL);
	object_dec_free(NULL);
	return done();
}
