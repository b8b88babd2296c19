/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/wal/provenance.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lib/base/be.h"
#include "lib/base/err.h"

#define NO_DIR UINT32_MAX

enum {
	FRAME_HDR = 8,
	PAYLOAD = PROVENANCE_SIZE - FRAME_HDR,
	PAYLOAD_1 = PROVENANCE_V1 - FRAME_HDR,
	VERSION = 2,

	AT_TAG = 0,
	AT_VERSION = 4,
	AT_CAPTURED = 8,
	AT_WRITER = 16,
	AT_PAGE_SIZE = 32,
	AT_PAGES = 36,
	AT_SUM = 40,
	AT_MODE = 56,
	AT_UID = 60,
	AT_GID = 64,
	AT_LENGTH = 68,
	AT_GENERATION = 76,
	AT_PLACE = 84, /* index and offset */
	AT_KIND = 92,
	AT_RUN = 96, /* from here on: version 2 */
	AT_DIR_MODE = 104,
	AT_DIR_UID = 108,
	AT_DIR_GID = 112,
	AT_CLOCK = 116,

	CRC_SIZE = 4, /* the payload's last bytes */

	KIND_SNAPSHOT = 1,
	KIND_SEGMENT = 2,
	KIND_OWNER = 3,
};

static const char tag[4] = { 'l', 's', 'p', 'p' };

/* Skippable magic 0x184D2A5C and the payload's length, little-endian. */
static void
put_frame_hdr(uint8_t p[FRAME_HDR], uint8_t payload)
{
	static const uint8_t magic[4] = { 0x5c, 0x2a, 0x4d, 0x18 };

	memcpy(p, magic, sizeof(magic));
	memset(p + sizeof(magic), 0, FRAME_HDR - sizeof(magic));
	p[sizeof(magic)] = payload;
}

/* Over a payload of n bytes as if its tag were ours. */
static uint32_t
crc(const uint8_t *payload, size_t n)
{
	uLong c = crc32(0, (const Bytef *)tag, sizeof(tag));

	return (uint32_t)crc32(
	    c, payload + sizeof(tag), (uInt)(n - sizeof(tag) - CRC_SIZE));
}

static const uint32_t kinds[] = {
	[LAYOUT_SNAPSHOT] = KIND_SNAPSHOT,
	[LAYOUT_SEGMENT] = KIND_SEGMENT,
	[LAYOUT_OWNER] = KIND_OWNER,
};

/* As index and offset. */
static uint64_t
place(const struct layout_name *name)
{
	return name->kind == LAYOUT_OWNER ? name->at << 32 : name->at;
}

void
provenance_write(const struct provenance *pv, uint8_t p[PROVENANCE_SIZE])
{
	put_frame_hdr(p, PAYLOAD);
	p += FRAME_HDR;
	memcpy(p + AT_TAG, tag, sizeof(tag));
	be32_put(p + AT_VERSION, VERSION);
	be64_put(p + AT_CAPTURED, (uint64_t)pv->captured_ns);
	memcpy(p + AT_WRITER, pv->writer, sizeof(pv->writer));
	be32_put(p + AT_PAGE_SIZE, pv->page_size);
	be32_put(p + AT_PAGES, pv->pages);
	pagesum_store(p + AT_SUM, pv->sum);
	be32_put(p + AT_MODE, pv->mode);
	be32_put(p + AT_UID, pv->uid);
	be32_put(p + AT_GID, pv->gid);
	be64_put(p + AT_LENGTH, pv->length);
	be64_put(p + AT_GENERATION, strtoull(pv->generation, NULL, 16));
	be64_put(p + AT_PLACE, place(&pv->name));
	be32_put(p + AT_KIND, kinds[pv->name.kind]);
	be64_put(p + AT_RUN, pv->run);
	be32_put(p + AT_DIR_MODE, pv->has_dir ? pv->dir_mode : NO_DIR);
	be32_put(p + AT_DIR_UID, pv->dir_uid);
	be32_put(p + AT_DIR_GID, pv->dir_gid);
	be64_put(p + AT_CLOCK, (uint64_t)pv->clock_ns);
	be32_put(p + PAYLOAD - CRC_SIZE, crc(p, PAYLOAD));
}

/* What version 1 lacks. */
static void
get_more(struct provenance *pv, const uint8_t *p, uint32_t version)
{
	pv->run = version > 1 ? be64(p + AT_RUN) : 0;
	pv->has_dir = version > 1 && be32(p + AT_DIR_MODE) != NO_DIR;
	pv->dir_mode = pv->has_dir ? be32(p + AT_DIR_MODE) : 0;
	pv->dir_uid = pv->has_dir ? be32(p + AT_DIR_UID) : 0;
	pv->dir_gid = pv->has_dir ? be32(p + AT_DIR_GID) : 0;
	pv->clock_ns = version > 1 ? (int64_t)be64(p + AT_CLOCK) : 0;
}

static int
get(struct provenance *pv, const uint8_t *p, struct err *e)
{
	pv->captured_ns = (int64_t)be64(p + AT_CAPTURED);
	memcpy(pv->writer, p + AT_WRITER, sizeof(pv->writer));
	pv->page_size = be32(p + AT_PAGE_SIZE);
	pv->pages = be32(p + AT_PAGES);
	pv->sum = pagesum_load(p + AT_SUM);
	pv->mode = be32(p + AT_MODE);
	pv->uid = be32(p + AT_UID);
	pv->gid = be32(p + AT_GID);
	pv->length = be64(p + AT_LENGTH);
	snprintf(pv->generation, sizeof(pv->generation), "%016" PRIx64,
	    be64(p + AT_GENERATION));
	pv->name.at = be64(p + AT_PLACE);
	switch (be32(p + AT_KIND)) {
	case KIND_SNAPSHOT: pv->name.kind = LAYOUT_SNAPSHOT; return 1;
	case KIND_SEGMENT: pv->name.kind = LAYOUT_SEGMENT; return 1;
	case KIND_OWNER:
		pv->name = (struct layout_name){ LAYOUT_OWNER,
			walpos_index(pv->name.at) };
		return 1;
	default:
		return err_set(e, ERR_CORRUPT,
		    "provenance frame is of an unknown kind of object");
	}
}

bool
provenance_is(const struct provenance *pv, const char *generation,
    const struct layout_name *name)
{
	return strcmp(pv->generation, generation) == 0 &&
	    pv->name.kind == name->kind &&
	    (name->kind == LAYOUT_SNAPSHOT
		    ? walpos_same_log(pv->name.at, name->at)
		    : pv->name.at == name->at);
}

int
provenance_check(const struct provenance *pv, const char *generation,
    const struct layout_name *name, struct err *e)
{
	return provenance_is(pv, generation, name)
	    ? 0
	    : err_set(e, ERR_CORRUPT,
		  "is another object under this name (index %08" PRIx32
		  ", offset %08" PRIx32 " of generation %s)",
		  walpos_index(place(&pv->name)),
		  walpos_offset(place(&pv->name)), pv->generation);
}

/*
 * Is there a frame with a payload of that size and version at the end?  Tag or
 * checksum alone tells that the bytes are ours: otherwise damage to either
 * would pass for an object that never had a provenance frame.
 */
static int
parse(struct provenance *pv, const uint8_t *frame, size_t payload_size,
    uint32_t version, struct err *e)
{
	const uint8_t *payload = frame + FRAME_HDR;
	bool tagged = memcmp(payload + AT_TAG, tag, sizeof(tag)) == 0;
	bool summed = be32(payload + payload_size - CRC_SIZE) ==
	    crc(payload, payload_size);
	uint8_t hdr[FRAME_HDR];

	if (!tagged && !summed)
		return 0;
	put_frame_hdr(hdr, (uint8_t)payload_size);
	if (!tagged || !summed || memcmp(frame, hdr, FRAME_HDR) != 0)
		return err_set(e, ERR_CORRUPT, "provenance frame is damaged");
	if (be32(payload + AT_VERSION) != version) {
		err_set(e, ERR_CORRUPT, "provenance frame is of version %u",
		    be32(payload + AT_VERSION));
		return err_hint(
		    e, "a newer lspp wrote it: use that, or one that is newer");
	}
	get_more(pv, payload, version);
	return get(pv, payload, e);
}

int
provenance_parse(
    struct provenance *pv, const uint8_t *end, size_t n, struct err *e)
{
	struct provenance old = { 0 };
	struct err ignored;
	int rc = 0, older = 0;

	if (n >= PROVENANCE_SIZE)
		rc = parse(pv, end + n - PROVENANCE_SIZE, PAYLOAD, VERSION, e);
	/* Where version 2 has its tag, data may stand before version 1. */
	if (rc != 1 && n >= PROVENANCE_V1)
		older = parse(&old, end + n - PROVENANCE_V1, PAYLOAD_1, 1,
		    rc == 0 ? e : &ignored);
	if (older == 1)
		*pv = old;
	return older == 1 || rc == 0 ? older : rc;
}
