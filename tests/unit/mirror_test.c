/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy against a model of it: pages that change, grow, shrink and grow again
 * in one step; steps that fail in the middle; and what is no copy.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/be.h"
#include "lib/mirror/mirror_impl.h"
#include "lib/sys/file.h"
#include "tests/unit/draw_kit.h"
#include "tests/unit/tmp_kit.h"

enum { PAGES = 40, ROUNDS = 60 };

/* A state of a database. */
struct model {
	uint32_t page_size, pages;
	uint8_t *page[PAGES + 1]; /* NULL: zeros */
};

static char path[128];
static int at; /* the directory */

/* -- the model ------------------------------------------------------------- */

static void
put(struct model *m, uint32_t pgno)
{
	uint8_t *p = xmalloc(m->page_size);

	for (uint32_t i = 0; i < m->page_size; i++)
		p[i] = (uint8_t)draw(256);
	free(m->page[pgno]);
	m->page[pgno] = p;
}

/* Page 1 begins as a database of WAL mode with that many pages. */
static void
put_first(struct model *m)
{
	static const uint8_t head[] = "SQLite format 3";
	uint8_t *p;

	put(m, 1);
	p = m->page[1];
	memset(p, 0, DBHDR_SIZE);
	memcpy(p, head, sizeof(head));
	p[16] = (uint8_t)(m->page_size >> 8);
	p[18] = p[19] = 2;
	p[21] = 64, p[22] = p[23] = 32;
	be32_put(p + 24, draw(1000));
	be32_put(p + 28, m->pages);
	be32_put(p + 44, 4);
	be32_put(p + 56, 1);
	memcpy(p + 92, p + 24, 4);
}

static const uint8_t *
page_of(const struct model *m, uint32_t pgno)
{
	static const uint8_t zeros[PAGE_MAX];

	return m->page[pgno] != NULL ? m->page[pgno] : zeros;
}

static void
resize(struct model *m, uint32_t pages)
{
	for (uint32_t i = pages + 1; i <= PAGES; i++) {
		free(m->page[i]);
		m->page[i] = NULL;
	}
	m->pages = pages;
}

static struct pagesum
sum_of(const struct model *m)
{
	struct pagesum sum = { 0 };

	for (uint32_t i = 1; i <= m->pages; i++)
		pagesum_xor(&sum, pagesum_of(i, page_of(m, i), m->page_size));
	return sum;
}

static void
copy_model(struct model *to, const struct model *from)
{
	resize(to, 0);
	*to = (struct model){ from->page_size, from->pages, { NULL } };
	for (uint32_t i = 1; i <= from->pages; i++)
		if (from->page[i] != NULL) {
			to->page[i] = xmalloc(from->page_size);
			memcpy(to->page[i], from->page[i], from->page_size);
		}
}

/* -- the copy -------------------------------------------------------------- */

static void
begin_copy(const struct model *m, struct state *s)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint8_t first[PAGE_MAX];
	struct err e;

	*s = (struct state){ .line = "ltx",
		.at = 1,
		.page_size = m->page_size,
		.pages = m->pages,
		.sum = sum_of(m),
		.counter = 7 };
	own_of(&s->own, m->page[1]);
	memcpy(first, m->page[1], m->page_size);
	own_make(first, m->pages, s->counter);
	for (uint32_t i = 1; i <= m->pages; i++)
		or_end(file_pwrite(fd, i == 1 ? first : page_of(m, i),
			   m->page_size, (uint64_t)(i - 1) * m->page_size,
			   &e) == 0,
		    &e);
	file_close(fd);
}

/* Is it as a copy of m should be, also by SQLite? */
static bool
is_copy_of(const struct model *m, const struct state *s)
{
	static uint8_t page[PAGE_MAX];
	struct stat st;
	struct copy c;
	struct err e;
	bool is;

	or_end(copy_begin(&c, at, "copy", 1000, &e) == 0, &e);
	is = copy_is(&c, s, page, &e) == 1 && pagesum_equal(sum_of(m), s->sum);
	for (uint32_t i = 1; i <= m->pages && is; i++) {
		or_end(copy_page(&c, i, m->page_size, page, &e) == 0, &e);
		if (i == 1)
			own_put(&s->own, page);
		is = memcmp(page, page_of(m, i), m->page_size) == 0;
	}
	copy_end(&c);
	return is && stat(path, &st) == 0 &&
	    (uint64_t)st.st_size == (uint64_t)m->pages * m->page_size;
}

/* Some transactions, into the stage and onto the model. */
static void
change(struct stage *s, struct model *m, struct err *e)
{
	uint32_t missing, pgno;

	for (unsigned n = draw(4) + 1; n > 0; n--) {
		uint32_t pages = 1 + draw(PAGES), was = m->pages;

		for (unsigned k = draw(8); k > 0; k--) {
			pgno = 2 + draw(PAGES - 1);
			put(m, pgno);
			or_end(stage_page(s, pgno, m->page[pgno], e) == 0, e);
		}
		resize(m, pages);
		put_first(m);
		or_end(stage_page(s, 1, m->page[1], e) == 0 &&
			stage_commit(s, pages, &missing, e) == 0,
		    e);
		(void)was;
	}
}

struct breaking {
	struct stage *s;
	page_take *take;
	void *arg;
	unsigned calls, at;
};

static int
break_page(void *arg, uint32_t pgno, const uint8_t *page, struct err *e)
{
	struct breaking *b = arg;

	if (++b->calls == b->at)
		return err_set(e, ERR_IO, "broken");
	return b->take(b->arg, pgno, page, e);
}

static int
break_each(void *ctx, page_take *take, void *arg, struct err *e)
{
	struct breaking *b = ctx;

	b->take = take;
	b->arg = arg;
	return stage_each(b->s, break_page, b, e);
}

/* A step that may fail at any page; *s is where the copy is then. */
static bool
step(struct stage *stage, struct model *m, struct state *s)
{
	static uint8_t page[PAGE_MAX];
	struct breaking b = { .s = stage, .at = draw(3) == 0 ? draw(40) : 0 };
	const struct pages pages = { break_each, &b };
	struct model next = { 0 };
	struct state to = *s;
	struct copy c;
	struct err e;
	int rc;

	copy_model(&next, m);
	or_end(copy_begin(&c, at, "copy", 1000, &e) == 0, &e);
	or_end(stage_begin(stage, &c, s, &e) == 0, &e);
	change(stage, &next, &e);
	or_end(stage_mark(stage, &to, &e) == 0, &e);
	/* What comes behind the mark does not count. */
	if (draw(2) == 0)
		or_end(stage_page(stage, 2, page, &e) == 0, &e);
	to.at++;
	rc = copy_write(&c, s, &to, 1, &pages, page, &e);
	copy_end(&c);
	if (rc == 0) {
		copy_model(m, &next);
		*s = to;
	}
	resize(&next, 0);
	return is_copy_of(m, s);
}

static void
random_steps(uint32_t page_size, struct stage *stage)
{
	struct model m = { .page_size = page_size, .pages = 3 };
	struct position p;
	struct state s;
	struct err e;
	unsigned good = 0;

	put_first(&m);
	put(&m, 2);
	begin_copy(&m, &s);
	for (unsigned i = 0; i < ROUNDS; i++)
		good += step(stage, &m, &s);
	is_int(good, ROUNDS, "page size %u: each step is whole or not there",
	    page_size);
	is_int(
	    position_read(at, "copy", &p, &e), 1, "the position can be read");
	ok(p.replica == 1 && (p.is.at == s.at || p.was.at == s.at),
	    "and says where the copy is");
	resize(&m, 0);
}

/* The whole state anew, of another page size. */
static int
model_each(void *ctx, page_take *take, void *arg, struct err *e)
{
	const struct model *m = ctx;

	for (uint32_t i = 1; i <= m->pages; i++)
		if (take(arg, i, page_of(m, i), e) == -1)
			return -1;
	return 0;
}

static void
other_page_size(void)
{
	struct model m = { .page_size = 512, .pages = 30 };
	struct model to = { .page_size = 4096, .pages = 9 };
	const struct pages pages = { model_each, &to },
			   back = { model_each, &m };
	static uint8_t page[PAGE_MAX];
	struct state s, next;
	struct copy c;
	struct err e;

	put_first(&m);
	put(&m, 30);
	put_first(&to);
	put(&to, 9);
	begin_copy(&m, &s);
	next = s;
	next.page_size = to.page_size;
	next.pages = to.pages;
	next.sum = sum_of(&to);
	own_of(&next.own, to.page[1]);
	or_end(copy_begin(&c, at, "copy", 1000, &e) == 0, &e);
	is_int(copy_write(&c, &s, &next, 1, &pages, page, &e), 0,
	    "another page size is written");
	copy_end(&c);
	ok(is_copy_of(&to, &next), "and is there");
	or_end(copy_begin(&c, at, "copy", 1000, &e) == 0, &e);
	is_int(copy_write(&c, &next, &s, 1, &back, page, &e), 0,
	    "and the first one again");
	copy_end(&c);
	ok(is_copy_of(&m, &s), "which is there");
	resize(&m, 0);
	resize(&to, 0);
}

/* No position with a byte changed is taken for one. */
static void
damaged_position(void)
{
	char *file = xasprintf("%s-follow", path);
	struct buf b = { 0 };
	struct position p;
	struct err e;
	unsigned taken = 0;
	int fd;

	or_end(file_slurp(file, 4096, &b, &e) == 0, &e);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 1;
		or_end(file_pwrite(fd, b.data, b.len, 0, &e) == 0, &e);
		taken += position_read(at, "copy", &p, &e) != -1;
		b.data[i] ^= 1;
	}
	is_int(taken, 0, "no position with a bit changed is taken for one");
	file_close(fd);
	buf_release(&b);
	free(file);
}

static void
tails(void)
{
	uint8_t bytes[1000];
	struct tail t, all = { .n = 0 };
	unsigned same = 0;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)draw(256);
	tail_feed(&all, bytes, sizeof(bytes));
	for (unsigned i = 0; i < 1000; i++) {
		size_t off = 0, n;

		t.n = 0;
		for (; off < sizeof(bytes); off += n) {
			n = draw(i % 2 ? 20 : 300);
			if (n > sizeof(bytes) - off)
				n = sizeof(bytes) - off;
			tail_feed(&t, bytes + off, n);
		}
		same += tail_anchor(&t) == tail_anchor(&all);
	}
	is_int(same, 1000, "the last bytes, however they come");
}

int
main(void)
{
	struct stage *stage = xmalloc(sizeof(*stage));

	seed = tap_seed();
	dir_begin();
	(void)snprintf(path, sizeof(path), "%s/copy", dir);
	at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	stage_init(stage, dir);
	random_steps(512, stage);
	random_steps(4096, stage);
	other_page_size();
	damaged_position();
	tails();
	stage_release(stage);
	free(stage);
	file_close(at);
	return dir_done();
}
