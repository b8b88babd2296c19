/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/wal/object.h"

#include <inttypes.h>
#include <lz4.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/le.h"

#define BLOCK ((size_t)256 * 1024)

/*
 * LZ4 is given whole blocks, and writes each at once.  If it gathered them, it
 * would allocate and clear as much for each object, however small that is.
 */
static const LZ4F_preferences_t prefs = {
	.frameInfo = {
		.blockSizeID = LZ4F_max256KB,
		.blockMode = LZ4F_blockIndependent,
		.contentChecksumFlag = LZ4F_contentChecksumEnabled,
	},
	.autoFlush = 1,
};

struct object_enc {
	LZ4F_cctx *lz4;
	struct spool *out;
	uint64_t raw;
	size_t n; /* bytes of the block that is not full yet */
	size_t cap;
	uint8_t block[BLOCK];
	uint8_t packed[];
};

struct object_enc *
object_enc_new(void)
{
	size_t cap = LZ4F_compressBound(BLOCK, &prefs) + LZ4F_HEADER_SIZE_MAX;
	struct object_enc *o = xmalloc(sizeof(*o) + cap);

	o->lz4 = NULL;
	o->out = NULL;
	o->raw = 0;
	o->n = 0;
	o->cap = cap;
	return o;
}

/* rc of an LZ4F call: bytes in packed, or an error. */
static int
put(struct object_enc *o, size_t rc, struct err *e)
{
	if (LZ4F_isError(rc))
		return err_set(
		    e, ERR_OS, "LZ4 encoder: %s", LZ4F_getErrorName(rc));
	return rc == 0 ? 0 : spool_write(o->out, o->packed, rc, e);
}

int
object_enc_begin(struct object_enc *o, struct spool *out, struct err *e)
{
	size_t rc;

	if (o->lz4 == NULL) {
		rc = LZ4F_createCompressionContext(&o->lz4, LZ4F_VERSION);
		if (LZ4F_isError(rc))
			return put(o, rc, e);
	}
	o->out = out;
	o->raw = 0;
	o->n = 0;
	rc = LZ4F_compressBegin(o->lz4, o->packed, o->cap, &prefs);
	return put(o, rc, e);
}

/* A block, the last of which may be short. */
static int
pack(struct object_enc *o, const uint8_t *p, size_t n, struct err *e)
{
	size_t rc = LZ4F_compressUpdate(o->lz4, o->packed, o->cap, p, n, NULL);

	return put(o, rc, e);
}

int
object_enc_add(struct object_enc *o, const void *data, size_t n, struct err *e)
{
	const uint8_t *p = data;
	size_t take;

	o->raw += n;
	for (; n > 0; p += take, n -= take) {
		take = n < BLOCK - o->n ? n : BLOCK - o->n;
		if (take == BLOCK) {
			if (pack(o, p, BLOCK, e) == -1)
				return -1;
			continue;
		}
		memcpy(o->block + o->n, p, take);
		o->n += take;
		if (o->n < BLOCK)
			continue;
		o->n = 0;
		if (pack(o, o->block, BLOCK, e) == -1)
			return -1;
	}
	return 0;
}

int
object_enc_finish(
    struct object_enc *o, const struct provenance *pv, struct err *e)
{
	uint8_t frame[PROVENANCE_SIZE];
	size_t rc;

	if (o->n > 0 && pack(o, o->block, o->n, e) == -1)
		return -1;
	rc = LZ4F_compressEnd(o->lz4, o->packed, o->cap, NULL);
	if (put(o, rc, e) == -1)
		return -1;
	if (pv == NULL)
		return 0;
	provenance_write(pv, frame);
	return spool_write(o->out, frame, sizeof(frame), e);
}

uint64_t
object_enc_raw(const struct object_enc *o)
{
	return o->raw;
}

void
object_enc_free(struct object_enc *o)
{
	if (o == NULL)
		return;
	LZ4F_freeCompressionContext(o->lz4);
	free(o);
}

enum {
	DATA_MAGIC = 0x184D2204,
	SKIP_MAGIC = 0x184D2A50, /* to 5F */
	SKIP_HDR = 8,
	FLG = 4, /* where the frame's flags are */
	FLG_DICT = 0x01,
	FLG_CONTENT_SUM = 0x04,
	FLG_BLOCK_SUM = 0x10,
	CONTENT_SUM_SIZE = 4,  /* the frame's last bytes */
	OUT_SIZE = 256 * 1024, /* a block of ours is decoded in one go */
};

enum dec_state {
	DEC_HEAD,  /* before the data frame's flags */
	DEC_DATA,  /* in it */
	DEC_TRAIL, /* behind it */
};

struct object_dec {
	LZ4F_dctx *lz4;
	object_sink *sink;
	object_room *room; /* NULL: out */
	void *ctx;
	uint64_t max, raw;
	enum dec_state state;
	/* The frame's first bytes in DEC_HEAD; in DEC_TRAIL those of the
	 * skippable frame: its length with header, how much of it was seen. */
	uint8_t frame[PROVENANCE_SIZE];
	uint64_t len, at;
	/* The content checksum is ours to check, with what was fed last. */
	bool own_sum;
	XXH32_state_t sum;
	uint8_t last[CONTENT_SUM_SIZE];
	uint8_t out[OUT_SIZE];
};

struct object_dec *
object_dec_new(void)
{
	struct object_dec *d = xmalloc(sizeof(*d));

	d->lz4 = NULL;
	object_dec_begin(d, NULL, NULL, 0);
	return d;
}

void
object_dec_begin(
    struct object_dec *d, object_sink *sink, void *ctx, uint64_t max)
{
	d->sink = sink;
	d->room = NULL;
	d->ctx = ctx;
	d->max = max;
	d->raw = 0;
	d->state = DEC_HEAD;
	d->len = d->at = 0;
	if (d->lz4 != NULL)
		LZ4F_resetDecompressionContext(d->lz4);
}

void
object_dec_into(struct object_dec *d, object_room *room)
{
	d->room = room;
}

static int
lz4_fail(size_t rc, struct err *e)
{
	return err_set(e, ERR_CORRUPT, "LZ4 frame: %s", LZ4F_getErrorName(rc));
}

static int
hand_out(struct object_dec *d, const uint8_t *p, size_t n, struct err *e)
{
	if (n > d->max - d->raw)
		return err_set(e, ERR_CORRUPT,
		    "more than %" PRIu64 " bytes when uncompressed", d->max);
	d->raw += n;
	if (d->own_sum)
		(void)XXH32_update(&d->sum, p, n);
	return n == 0 ? 0 : d->sink(d->ctx, p, n, e);
}

/*
 * The library's own XXH32 is often built so that it takes as long as all the
 * rest of a restore; inlined here it is four times as fast.  So the content
 * checksum is checked here, if it is the only one in the frame, and if the
 * library (from 1.9.4 on) can be told not to.
 */
#if LZ4_VERSION_NUMBER >= 10904
static const LZ4F_decompressOptions_t no_sum = { .skipChecksums = 1 };
#define CAN_SKIP true
#else
static const LZ4F_decompressOptions_t no_sum;
#define CAN_SKIP false
#endif

static void
choose_sum(struct object_dec *d, uint8_t flags)
{
	d->own_sum = CAN_SKIP && (flags & FLG_CONTENT_SUM) != 0 &&
	    (flags & FLG_BLOCK_SUM) == 0;
	(void)XXH32_reset(&d->sum, 0);
}

static void
note_last(struct object_dec *d, const uint8_t *p, size_t n)
{
	size_t keep = n < sizeof(d->last) ? sizeof(d->last) - n : 0;

	n = sizeof(d->last) - keep;
	memmove(d->last, d->last + n, keep);
	memcpy(d->last + keep, p - n, n);
}

static int
check_sum(const struct object_dec *d, struct err *e)
{
	if (d->own_sum && XXH32_digest(&d->sum) != le32(d->last))
		return err_set(
		    e, ERR_CORRUPT, "LZ4 frame: the content checksum is wrong");
	return 0;
}

/*
 * Decode from *p up to the frame's end; *p and *n move on.  LZ4F may hold back
 * output when it filled all there was, then it is asked again without input.
 */
static int
decode(struct object_dec *d, const uint8_t **p, size_t *n, struct err *e)
{
	const LZ4F_decompressOptions_t *opt = d->own_sum ? &no_sum : NULL;
	size_t rc, in, out, room = sizeof(d->out);
	uint8_t *to = d->out;

	do {
		in = *n;
		if (d->room != NULL)
			to = d->room(d->ctx, &room);
		out = room;
		rc = LZ4F_decompress(d->lz4, to, &out, *p, &in, opt);
		if (LZ4F_isError(rc))
			return lz4_fail(rc, e);
		*p += in;
		*n -= in;
		note_last(d, *p, in);
		if (hand_out(d, to, out, e) == -1)
			return -1;
		if (rc == 0) {
			if (check_sum(d, e) == -1)
				return -1;
			d->state = DEC_TRAIL;
			d->at = d->len = 0;
			return 0;
		}
	} while (*n > 0 || out == room);
	return 0;
}

/*
 * LZ4F would take a skippable frame for the data, and a dictionary's absence
 * shows only in wrong bytes: look at the magic and the flags first.
 */
static int
head(struct object_dec *d, const uint8_t **p, size_t *n, struct err *e)
{
	const uint8_t *first = d->frame;
	size_t len = FLG + 1, rc;

	for (; *n > 0 && d->at < len; ++*p, --*n)
		d->frame[d->at++] = **p;
	if (d->at >= FLG && le32(d->frame) != DATA_MAGIC)
		return err_set(e, ERR_CORRUPT, "not an LZ4 frame");
	if (d->at < len)
		return 0;
	if (d->frame[FLG] & FLG_DICT)
		return err_set(e, ERR_CORRUPT, "LZ4 frame: with a dictionary");
	if (d->lz4 == NULL) {
		rc = LZ4F_createDecompressionContext(&d->lz4, LZ4F_VERSION);
		if (LZ4F_isError(rc))
			return err_set(e, ERR_OS, "LZ4 decoder: %s",
			    LZ4F_getErrorName(rc));
	}
	d->state = DEC_DATA;
	choose_sum(d, d->frame[FLG]);
	return decode(d, &first, &len, e);
}

/* Add to the header of a skippable frame; once it is whole, look at it. */
static int
trail_hdr(struct object_dec *d, uint8_t byte, struct err *e)
{
	d->frame[d->at++] = byte;
	if (d->at == 4 && le32(d->frame) == DATA_MAGIC)
		return err_set(e, ERR_CORRUPT, "a second LZ4 data frame");
	if (d->at == 4 && (le32(d->frame) & 0xfffffff0) != SKIP_MAGIC)
		return err_set(e, ERR_CORRUPT, "garbage behind the LZ4 frame");
	if (d->at == SKIP_HDR)
		d->len = SKIP_HDR + (uint64_t)le32(d->frame + 4);
	return 0;
}

static int
trail(struct object_dec *d, const uint8_t *p, size_t n, struct err *e)
{
	size_t take;

	while (n > 0) {
		if (d->at == d->len && d->at >= SKIP_HDR)
			d->at = d->len = 0;
		if (d->at < SKIP_HDR) {
			if (trail_hdr(d, *p, e) == -1)
				return -1;
			take = 1;
		} else {
			take = d->len - d->at < n ? d->len - d->at : n;
			if (d->len <= sizeof(d->frame))
				memcpy(d->frame + d->at, p, take);
			d->at += take;
		}
		p += take;
		n -= take;
	}
	return 0;
}

int
object_dec_feed(void *dec, const uint8_t *p, size_t n, struct err *e)
{
	struct object_dec *d = dec;

	if (d->state == DEC_HEAD && n > 0 && head(d, &p, &n, e) == -1)
		return -1;
	if (d->state == DEC_DATA && n > 0 && decode(d, &p, &n, e) == -1)
		return -1;
	if (d->state == DEC_TRAIL && n > 0)
		return trail(d, p, n, e);
	return 0;
}

int
object_dec_finish(
    struct object_dec *d, struct provenance *pv, bool *has, struct err *e)
{
	int rc = 0;

	if (d->state != DEC_TRAIL)
		return err_set(e, ERR_CORRUPT, "LZ4 frame: truncated");
	if (d->at != d->len)
		return err_set(
		    e, ERR_CORRUPT, "truncated behind the LZ4 frame");
	if (d->len <= sizeof(d->frame) &&
	    (rc = provenance_parse(pv, d->frame, (size_t)d->len, e)) == -1)
		return -1;
	*has = rc == 1;
	return 0;
}

uint64_t
object_dec_raw(const struct object_dec *d)
{
	return d->raw;
}

bool
object_dec_whole(const struct object_dec *d)
{
	return d->state == DEC_TRAIL;
}

void
object_dec_free(struct object_dec *d)
{
	if (d == NULL)
		return;
	LZ4F_freeDecompressionContext(d->lz4);
	free(d);
}
