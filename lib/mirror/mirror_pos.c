/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file beside a copy: a line for each of two states, and a hash of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "lib/base/be.h"
#include "lib/base/err.h"
#include "lib/mirror/mirror_impl.h"
#include "lib/replica/wal/walpos.h"
#include "lib/sys/file.h"

enum {
	VERSIONS = 18, /* two bytes */
	COUNTER = 24,  /* four */
	PAGES = 28,
	VALID_FOR = 92,
	NUMBERS = 20,
	MOST = 4096, /* bytes of a file */
};

static const char title[] = "lspp-follow 1";

void
own_of(struct own *o, const uint8_t *page)
{
	o->versions = be16(page + VERSIONS);
	o->counter = be32(page + COUNTER);
	o->valid_for = be32(page + VALID_FOR);
}

void
own_put(const struct own *o, uint8_t *page)
{
	page[VERSIONS] = (uint8_t)(o->versions >> 8);
	page[VERSIONS + 1] = (uint8_t)o->versions;
	be32_put(page + COUNTER, o->counter);
	be32_put(page + VALID_FOR, o->valid_for);
}

void
own_make(uint8_t *page, uint32_t pages, uint32_t counter)
{
	bool valid = be32(page + PAGES) == pages;

	own_put(&(struct own){ 0x0101, counter, valid ? counter : counter - 1 },
	    page);
}

uint64_t
position_replica(const char *root, const char *key)
{
	return XXH3_64bits_withSeed(
	    key, strlen(key), XXH3_64bits(root, strlen(root)));
}

/* -- writing --------------------------------------------------------------- */

static void
put_state(struct buf *b, const char *name, const struct state *s)
{
	const uint64_t v[NUMBERS] = { s->at, s->end, s->snapshot, s->plain,
		s->chain.n == WALPOS_CHAIN ? be64(s->chain.bytes) : 0,
		s->chain.n == WALPOS_CHAIN ? be64(s->chain.bytes + 8) : 0,
		s->level, s->min, s->flat, s->anchor, (uint64_t)s->as_of_ns,
		s->page_size, s->pages, s->sum.hi, s->sum.lo, s->own.versions,
		s->own.counter, s->own.valid_for, s->counter, s->chain.n };

	buf_addf(b, "%s %s", name, s->line);
	for (size_t i = 0; i < NUMBERS; i++)
		buf_addf(b, " %" PRIx64, v[i]);
	buf_adds(b, "\n");
}

static int
write_file(int dir, const char *name, const struct buf *b, struct err *e)
{
	int fd = openat(dir, name,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc = fd == -1 ? err_sys(e, "cannot create it") : 0;

	if (rc == 0)
		rc = file_write(fd, b->data, b->len, e);
	if (rc == 0 && fsync(fd) == -1)
		rc = err_sys(e, "cannot sync it");
	file_close(fd);
	return rc;
}

int
position_write(
    int dir, const char *copy, const struct position *p, struct err *e)
{
	char *name = xasprintf("%s-follow", copy);
	char *made = xasprintf("%s.new", name);
	struct buf b = { 0 };
	int rc;

	buf_addf(&b, "%s\nreplica %016" PRIx64 "\n", title, p->replica);
	put_state(&b, "was", &p->was);
	put_state(&b, "is", &p->is);
	buf_addf(&b, "check %016" PRIx64 "\n", XXH3_64bits(b.data, b.len));
	rc = write_file(dir, made, &b, e);
	if (rc == 0 && renameat(dir, made, dir, name) == -1)
		rc = err_sys(e, "cannot rename it");
	if (rc == -1)
		err_in(e, "%s", made);
	buf_release(&b);
	free(made);
	free(name);
	return rc;
}

/* -- reading --------------------------------------------------------------- */

/* "name LINE n n n ...", to *text behind its end. */
static bool
get_state(const char **text, const char *name, struct state *s)
{
	const char *p = *text;
	size_t n = strlen(name);
	uint64_t v[NUMBERS];
	char *end;

	if (strncmp(p, name, n) != 0 || p[n] != ' ')
		return false;
	p += n + 1;
	n = strcspn(p, " \n");
	if (n >= sizeof(s->line))
		return false;
	*s = (struct state){ 0 };
	memcpy(s->line, p, n);
	p += n;
	for (size_t i = 0; i < NUMBERS; i++, p = end) {
		v[i] = strtoull(p, &end, 16);
		if (end == p)
			return false;
	}
	if (*p != '\n')
		return false;
	*text = p + 1;
	s->at = v[0], s->end = v[1], s->snapshot = v[2] != 0;
	s->plain = v[3] != 0;
	be64_put(s->chain.bytes, v[4]);
	be64_put(s->chain.bytes + 8, v[5]);
	s->chain.n = v[19] == WALPOS_CHAIN ? WALPOS_CHAIN : 0;
	s->level = (unsigned)v[6], s->min = v[7];
	s->flat = v[8] != 0, s->anchor = v[9];
	s->as_of_ns = (int64_t)v[10];
	s->page_size = (uint32_t)v[11], s->pages = (uint32_t)v[12];
	s->sum = (struct pagesum){ v[13], v[14] };
	s->own =
	    (struct own){ (uint16_t)v[15], (uint32_t)v[16], (uint32_t)v[17] };
	s->counter = (uint32_t)v[18];
	return true;
}

static bool
get_hex(const char **text, const char *name, uint64_t *v)
{
	const char *p = *text;
	size_t n = strlen(name);
	char *end;

	if (strncmp(p, name, n) != 0 || p[n] != ' ')
		return false;
	*v = strtoull(p + n, &end, 16);
	*text = end + 1;
	return *end == '\n';
}

static bool
parse(const char *begin, struct position *p)
{
	const char *text = begin;
	uint64_t check = 0, sum;

	if (strncmp(text, title, sizeof(title) - 1) != 0 ||
	    text[sizeof(title) - 1] != '\n')
		return false;
	text += sizeof(title);
	if (!get_hex(&text, "replica", &p->replica) ||
	    !get_state(&text, "was", &p->was) ||
	    !get_state(&text, "is", &p->is))
		return false;
	sum = XXH3_64bits(begin, (size_t)(text - begin));
	return get_hex(&text, "check", &check) && check == sum && *text == '\0';
}

/* All of it, NUL behind it.  1; 0: there is none. */
static int
read_file(int dir, const char *name, char text[MOST + 1], struct err *e)
{
	int fd =
	    openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		return errno == ENOENT ? 0 : err_sys(e, "cannot open it");
	n = file_pread(fd, text, MOST, 0, e);
	file_close(fd);
	if (n == -1)
		return -1;
	text[n] = '\0';
	return 1;
}

int
position_read(int dir, const char *copy, struct position *p, struct err *e)
{
	char *name = xasprintf("%s-follow", copy);
	char text[MOST + 1] = { 0 };
	int rc = read_file(dir, name, text, e);

	if (rc == -1) {
		err_in(e, "%s", name);
	} else if (rc == 1 && !parse(text, p)) {
		err_set(e, ERR_CORRUPT, "%s is damaged", name);
		rc = mirror_refuse(e);
	}
	free(name);
	return rc;
}
