/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/wal/provenance.h"

#include <zlib.h>

#include "lib/base/be.h"
#include "lib/base/err.h"
#include "tests/unit/tap.h"

static const struct provenance sample = {
	.captured_ns = 0x0102030405060708,
	.writer = "sixteen bytes id",
	.page_size = 65536,
	.pages = 0xfffffffe,
	.sum = { .hi = 0x1112131415161718, .lo = 0x2122232425262728 },
	.mode = 0640,
	.uid = 1000,
	.gid = 0x80000001,
	.length = 0x0000000100001018,
	.generation = "00fedcba98765432",
	.name = { LAYOUT_SEGMENT, 0x7ffffffefffffff0 },
	.run = 0x3132333435363738,
	.has_dir = true,
	.dir_mode = 0750,
	.dir_uid = 1001,
	.dir_gid = 1002,
	.clock_ns = 0x0011223344556677,
};

/* The bytes are the interface: lspp-format(5). */
static void
test_bytes(void)
{
	static const uint8_t want[PROVENANCE_SIZE - 4] =
	    "\x5c\x2a\x4d\x18\x80\x00\x00\x00"
	    "lspp\x00\x00\x00\x02"
	    "\x01\x02\x03\x04\x05\x06\x07\x08"
	    "sixteen bytes id"
	    "\x00\x01\x00\x00\xff\xff\xff\xfe"
	    "\x11\x12\x13\x14\x15\x16\x17\x18"
	    "\x21\x22\x23\x24\x25\x26\x27\x28"
	    "\x00\x00\x01\xa0\x00\x00\x03\xe8\x80\x00\x00\x01"
	    "\x00\x00\x00\x01\x00\x00\x10\x18"
	    "\x00\xfe\xdc\xba\x98\x76\x54\x32"
	    "\x7f\xff\xff\xfe\xff\xff\xff\xf0\x00\x00\x00\x02"
	    "12345678"
	    "\x00\x00\x01\xe8\x00\x00\x03\xe9\x00\x00\x03\xea"
	    "\x00\x11\x22\x33\x44\x55\x66\x77";
	uint8_t got[PROVENANCE_SIZE];

	provenance_write(&sample, got);
	ok(memcmp(got, want, sizeof(want)) == 0, "the bytes written");
	is_int(be32(got + 132), crc32(0, got + 8, 124), "and their CRC");
}

static void
test_fields(void)
{
	uint8_t p[PROVENANCE_SIZE];
	struct provenance pv;
	struct err e;

	provenance_write(&sample, p);
	memset(&pv, 0, sizeof(pv));
	is_int(provenance_parse(&pv, p, sizeof(p), &e), 1, "as written");
	ok(pv.captured_ns == sample.captured_ns &&
		memcmp(pv.writer, sample.writer, 16) == 0,
	    "when and by whom");
	ok(pv.page_size == 65536 && pv.pages == 0xfffffffe &&
		pv.length == sample.length && pagesum_equal(pv.sum, sample.sum),
	    "what");
	ok(pv.mode == 0640 && pv.uid == 1000 && pv.gid == 0x80000001,
	    "of which file");
	is_str(pv.generation, sample.generation, "its generation");
	ok(pv.clock_ns == sample.clock_ns, "what the clock said");
	ok(pv.run == sample.run && pv.has_dir && pv.dir_mode == 0750 &&
		pv.dir_uid == 1001 && pv.dir_gid == 1002,
	    "of which run and directory");
	ok(provenance_is(&pv, sample.generation, &sample.name), "its name");
}

static void
test_place(void)
{
	struct layout_name n = sample.name;
	struct layout_name snap = { LAYOUT_SNAPSHOT, walpos(9, 4) };
	struct provenance pv = sample;
	uint8_t p[PROVENANCE_SIZE];
	struct err e;

	ok(!provenance_is(&pv, "00fedcba98765433", &n), "other generation");
	n.at++;
	ok(!provenance_is(&pv, sample.generation, &n), "other offset");
	n = sample.name;
	n.at -= walpos(1, 0);
	ok(!provenance_is(&pv, sample.generation, &n), "other index");
	n = sample.name;
	n.kind = LAYOUT_SNAPSHOT;
	ok(!provenance_is(&pv, sample.generation, &n), "other kind");
	pv.name = snap;
	snap.at = walpos(9, 0);
	ok(provenance_is(&pv, sample.generation, &snap),
	    "a snapshot has no offset");
	pv.name = (struct layout_name){ LAYOUT_OWNER, 9 };
	provenance_write(&pv, p);
	memset(&pv, 0, sizeof(pv));
	is_int(provenance_parse(&pv, p, sizeof(p), &e), 1, "an owner's");
	is_int(provenance_check(&pv, sample.generation, &n, &e), -1,
	    "what it is, says %s", e.msg);
	snap = (struct layout_name){ LAYOUT_OWNER, 9 };
	ok(provenance_is(&pv, sample.generation, &snap), "is of its kind");
}

static void
test_damage(void)
{
	uint8_t p[PROVENANCE_SIZE];
	struct provenance pv;
	struct err e;
	size_t i, missed = 0;

	provenance_write(&sample, p);
	for (i = 0; i < sizeof(p) * 8; i++) {
		p[i / 8] ^= (uint8_t)(1 << i % 8);
		missed += provenance_parse(&pv, p, sizeof(p), &e) != -1 ||
		    e.class != ERR_CORRUPT;
		p[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	is_int(missed, 0, "every bit counts");
	is_str(e.msg, "provenance frame is damaged", "message");
}

static void
test_foreign(void)
{
	uint8_t p[PROVENANCE_SIZE] = { 0 };
	struct provenance pv;
	struct err e;

	is_int(provenance_parse(&pv, p, sizeof(p), &e), 0, "zeros are none");
	memset(p, 0xff, sizeof(p));
	is_int(provenance_parse(&pv, p, sizeof(p), &e), 0, "ones are none");
	provenance_write(&sample, p);
	memset(p + 8, 'x', sizeof(p) - 8);
	is_int(provenance_parse(&pv, p, sizeof(p), &e), 0,
	    "another's frame is none");
}

static void
test_version(void)
{
	uint8_t p[PROVENANCE_SIZE];
	struct provenance pv;
	struct err e;

	provenance_write(&sample, p);
	be32_put(p + 12, 3);
	be32_put(p + 132, (uint32_t)crc32(0, p + 8, 124));
	is_int(provenance_parse(&pv, p, sizeof(p), &e), -1, "a later version");
	is_str(e.msg, "provenance frame is of version 3", "message");
	is_str(e.hint, "a newer lspp wrote it: use that, or one that is newer",
	    "hint");
}

/* What was written as version 1 is read, whatever stands before it. */
static void
test_version_1(void)
{
	uint8_t v2[PROVENANCE_SIZE], object[200] = { 0 };
	uint8_t *p = object + sizeof(object) - PROVENANCE_V1;
	size_t more = PROVENANCE_SIZE - PROVENANCE_V1, missed = 0;
	struct provenance pv = { .has_dir = true };
	struct err e;

	provenance_write(&sample, v2);
	memcpy(p, v2, PROVENANCE_V1 - 4);
	p[4] = PROVENANCE_V1 - 8;
	be32_put(p + 12, 1);
	be32_put(p + 104, (uint32_t)crc32(0, p + 8, 96));
	is_int(provenance_parse(&pv, object, sizeof(object), &e), 1, "read");
	ok(pv.captured_ns == sample.captured_ns &&
		provenance_is(&pv, sample.generation, &sample.name),
	    "as it was");
	ok(pv.run == 0 && !pv.has_dir && pv.clock_ns == 0,
	    "without what it lacks");
	is_int(provenance_parse(&pv, p, PROVENANCE_V1, &e), 1, "alone");
	is_int(provenance_parse(&pv, p + 1, PROVENANCE_V1 - 1, &e), 0, "cut");
	for (size_t i = 0; i < 4; i++)
		object[sizeof(object) - PROVENANCE_SIZE + 8 + i] =
		    (uint8_t) "lspp"[i];
	is_int(provenance_parse(&pv, object, sizeof(object), &e), 1,
	    "behind data that looks like a tag");
	memset(p - more, 0, more);
	for (size_t i = 0; i < (size_t)PROVENANCE_V1 * 8; i++) {
		p[i / 8] ^= (uint8_t)(1 << i % 8);
		missed +=
		    provenance_parse(&pv, object, sizeof(object), &e) != -1;
		p[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	is_int(missed, 0, "every bit counts there, too");
}

int
main(void)
{
	test_bytes();
	test_fields();
	test_place();
	test_damage();
	test_foreign();
	test_version();
	test_version_1();
	return done();
}
