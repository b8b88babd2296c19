/* SPDX-License-Identifier: Apache-2.0 */
/*
 * craft -- make the parts of a replica by hand, right or wrong on purpose.
 *
 *	craft wal PAGE_SIZE SEED FRAME...	a log to stdout; a FRAME is
 *		IMAGE:PGNO:COMMIT, the page as it is in the file IMAGE; with
 *		":badsum" or ":badsalt" behind it the frame is damaged
 *	craft object SECONDS DB NAME [MODE [LENGTH]]	data from stdin to an
 *		object on stdout whose provenance says: captured at SECONDS, brings the
 *		database to the contents of the file DB, and is the object that
 *		NAME ends in: GENERATION/{snapshots,wal}/...; and that it has
 *		LENGTH bytes, right or not
 *	craft sizes WAL				"offset" of each commit's end
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/replica/wal/object.h"
#include "lib/sqlite/dbhdr.h"
#include "lib/sqlite/wal.h"
#include "lib/sys/file.h"
#include "lib/sys/spool.h"

static _Noreturn void
die(const char *what)
{
	(void)fprintf(stderr, "craft: %s\n", what);
	exit(2);
}

static uint64_t
number(const char *s, int base)
{
	char *end;
	uint64_t v = strtoull(s, &end, base);

	if (*s == '\0' || *end != '\0')
		die("not a number");
	return v;
}

static void
slurp(const char *path, struct buf *b)
{
	struct err e;

	if (file_slurp(path, 1 << 30, b, &e) == -1)
		die(e.msg);
}

static void
out(const void *p, size_t n)
{
	if (fwrite(p, 1, n, stdout) != n)
		die("cannot write");
}

static void
frame(const struct wal_hdr *h, char *spec, uint32_t sum[2])
{
	char *image = strtok_r(spec, ":", &spec);
	char *pgno = strtok_r(NULL, ":", &spec);
	char *commit = strtok_r(NULL, ":", &spec);
	char *fault = strtok_r(NULL, ":", &spec);
	uint8_t hdr[WAL_FRAME_HDR_SIZE];
	struct buf db = { 0 };
	size_t at;

	if (commit == NULL)
		die("a frame is IMAGE:PGNO:COMMIT");
	slurp(image, &db);
	at = number(pgno, 10);
	/* A page number that cannot be, on purpose. */
	if (at == 0 || at * h->page_size > db.len)
		at = 1;
	at = (at - 1) * h->page_size;
	wal_frame_write(h, (uint32_t)number(pgno, 10),
	    (uint32_t)number(commit, 10), db.data + at, sum, hdr);
	if (fault != NULL && strcmp(fault, "badsum") == 0)
		hdr[20] ^= 1;
	else if (fault != NULL && strcmp(fault, "badsalt") == 0)
		hdr[8] ^= 1;
	out(hdr, sizeof(hdr));
	out(db.data + at, h->page_size);
	buf_release(&db);
}

static int
make_wal(char **argv)
{
	struct wal_hdr h = { .page_size = (uint32_t)number(argv[0], 10) };
	uint8_t hdr[WAL_HDR_SIZE];
	uint32_t sum[2];

	h.salt[0] = (uint32_t)number(argv[1], 10);
	h.salt[1] = ~h.salt[0];
	wal_hdr_write(&h, hdr);
	memcpy(sum, h.sum, sizeof(sum));
	out(hdr, sizeof(hdr));
	for (argv += 2; *argv != NULL; argv++)
		frame(&h, *argv, sum);
	return 0;
}

/* The provenance of an object that leaves the database as the file db. */
static void
provenance_of(struct provenance *pv, const char *db)
{
	uint8_t page[65536];
	struct dbhdr h;
	struct stat st;
	struct err e;
	int fd = file_open(db, &st, &e);

	if (fd == -1 || file_pread(fd, page, DBHDR_SIZE, 0, &e) != DBHDR_SIZE ||
	    dbhdr_parse(&h, page, &e) == -1)
		die("not a database");
	pv->page_size = h.page_size;
	pv->pages = (uint32_t)(st.st_size / h.page_size);
	for (uint32_t i = 0; i < pv->pages; i++) {
		if (file_pread(fd, page, h.page_size, (uint64_t)i * h.page_size,
			&e) != h.page_size)
			die("cannot read");
		pagesum_xor(&pv->sum, pagesum_of(i + 1, page, h.page_size));
	}
	file_close(fd);
}

static void
name_of(struct provenance *pv, const char *key)
{
	const char *rest;

	for (; (rest = strchr(key, '/')) != NULL; key = rest + 1) {
		if (rest - key != LAYOUT_GENERATION - 1 ||
		    !layout_parse(&pv->name, rest + 1))
			continue;
		memcpy(pv->generation, key, LAYOUT_GENERATION - 1);
		return;
	}
	die("not the name of an object");
}

static int
make_object(char **argv)
{
	struct object_enc *enc = object_enc_new();
	struct provenance pv = { .mode = 0600 };
	struct spool s = { .fd = -1 };
	uint8_t piece[4096];
	struct err e;
	size_t n;

	pv.captured_ns = (int64_t)number(argv[0], 10) * 1000000000;
	provenance_of(&pv, argv[1]);
	name_of(&pv, argv[2]);
	if (argv[3] != NULL)
		pv.mode = (uint32_t)number(argv[3], 8);
	pv.uid = geteuid();
	pv.gid = getegid();
	spool_init(&s, ".", SIZE_MAX);
	if (object_enc_begin(enc, &s, &e) == -1)
		die(e.msg);
	while ((n = fread(piece, 1, sizeof(piece), stdin)) > 0)
		if (object_enc_add(enc, piece, n, &e) == -1)
			die(e.msg);
	pv.length = object_enc_raw(enc);
	if (argv[3] != NULL && argv[4] != NULL)
		pv.length = number(argv[4], 10);
	if (object_enc_finish(enc, &pv, &e) == -1)
		die(e.msg);
	out(s.mem.data, s.mem.len);
	object_enc_free(enc);
	spool_release(&s);
	return 0;
}

static int
list_commits(char **argv)
{
	struct buf b = { 0 };
	struct wal_frame f;
	struct wal_hdr h;
	struct err e;
	size_t next;

	slurp(argv[0], &b);
	if (b.len < WAL_HDR_SIZE || wal_hdr_parse(&h, b.data, &e) == -1)
		die("not a log");
	for (size_t at = WAL_HDR_SIZE; at < b.len; at = next) {
		next = at + WAL_FRAME_HDR_SIZE + h.page_size;
		wal_frame_parse(&f, b.data + at);
		if (f.commit != 0)
			(void)printf("%zu\n", next);
	}
	buf_release(&b);
	return 0;
}

int
main(int argc, char *argv[])
{
	int rc = -1;

	if (argc >= 4 && strcmp(argv[1], "wal") == 0)
		rc = make_wal(argv + 2);
	else if (argc >= 5 && strcmp(argv[1], "object") == 0)
		rc = make_object(argv + 2);
	else if (argc == 3 && strcmp(argv[1], "sizes") == 0)
		rc = list_commits(argv + 2);
	if (rc == -1)
		die("see the top of tests/tools/craft.c");
	if (fclose(stdout) != 0)
		die("cannot write");
	return rc;
}
