/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a pass, line by line. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/pass/pass.h"
#include "lib/replica/format.h"
#include "lib/replica/ltx/ltx_plan.h"
#include "lib/replica/wal/layout.h"
#include "lib/sqlite/growth.h"

#define HEAD "pass "
#define END  "end "

static const char *const stands_name[] = {
	[PASS_OK] = "ok",
	[PASS_FAILED] = "failed",
	[PASS_LOST] = "lost",
	[PASS_GONE] = "gone",
};

void
pass_line_release(struct pass_line *l)
{
	buf_release(&l->key);
	buf_release(&l->why);
	*l = (struct pass_line){ 0 };
}

/* -- writing --------------------------------------------------------------- */

/* A word is bytes that show; any other is %XX, and no bytes are "%". */
static bool
is_plain(uint8_t c)
{
	return c > ' ' && c < 0x7f && c != '%';
}

static void
put_word(struct buf *b, const struct buf *word)
{
	if (word->len == 0)
		buf_adds(b, "%");
	for (size_t i = 0; i < word->len; i++)
		if (is_plain(word->data[i]))
			buf_add(b, &word->data[i], 1);
		else
			buf_addf(b, "%%%02x", word->data[i]);
}

static void
put_at(struct buf *b, const struct restore_at *a)
{
	buf_addf(b,
	    " %s %s %016" PRIx64 " %016" PRIx64 " %" PRIu32 " %" PRIu32
	    " %" PRIu32 " %016" PRIx64 "%016" PRIx64 " %" PRId64,
	    a->format == FORMAT_WAL ? "wal" : "ltx", a->pos.line, a->pos.at,
	    a->snapshot, a->segments, a->page_size, a->pages, a->sum.hi,
	    a->sum.lo, a->captured_ns);
}

void
pass_line_put(struct buf *b, const struct pass_line *l)
{
	buf_adds(b, l->shipped ? "db " : "none ");
	put_word(b, &l->key);
	if (l->shipped)
		put_at(b, &l->at);
	buf_addf(b, " %s", stands_name[l->stands]);
	if (l->stands != PASS_OK) {
		buf_addf(b, " %" PRId64 " %d ", l->since_ns, (int)l->class);
		put_word(b, &l->why);
	}
	buf_adds(b, "\n");
}

void
pass_head_put(
    struct buf *b, const char *name, int64_t began_ns, int64_t ended_ns)
{
	buf_addf(
	    b, HEAD "1 %s %" PRId64 " %" PRId64 "\n", name, began_ns, ended_ns);
}

void
pass_end_put(struct buf *b, uint64_t lines)
{
	buf_addf(b, END "%" PRIu64 "\n", lines);
}

/* -- reading --------------------------------------------------------------- */

/* What is left of a line.  Each takes a field, and the blank before the next. */
struct field {
	const char *p;
	size_t n;
};

static bool
next(struct field *rest, struct field *f)
{
	const char *blank = memchr(rest->p, ' ', rest->n);

	f->p = rest->p;
	f->n = blank != NULL ? (size_t)(blank - rest->p) : rest->n;
	rest->p += f->n;
	rest->n -= f->n;
	if (f->n == 0)
		return false;
	if (blank == NULL)
		return true;
	rest->p++;
	rest->n--;
	return rest->n > 0;
}

static bool
is(const struct field *f, const char *s)
{
	return f->n == strlen(s) && memcmp(f->p, s, f->n) == 0;
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Exactly 16 digits. */
static bool
take_hex(const char *p, uint64_t *v)
{
	*v = 0;
	for (int i = 0; i < 16; i++) {
		if (digit(p[i]) == -1)
			return false;
		*v = *v << 4 | (uint64_t)digit(p[i]);
	}
	return true;
}

static bool
hex(struct field *rest, uint64_t *v)
{
	struct field f;

	return next(rest, &f) && f.n == 16 && take_hex(f.p, v);
}

/* A number as it is written: there is one way for each. */
static bool
number(struct field *rest, uint64_t max, uint64_t *v)
{
	struct field f;

	*v = 0;
	if (!next(rest, &f) || (f.n > 1 && *f.p == '0'))
		return false;
	for (size_t i = 0; i < f.n; i++) {
		if (f.p[i] < '0' || f.p[i] > '9' || *v > max / 10)
			return false;
		*v = *v * 10 + (uint64_t)(f.p[i] - '0');
	}
	return *v <= max;
}

static bool
number32(struct field *rest, uint32_t max, uint32_t *v)
{
	uint64_t n = 0;
	bool ok = number(rest, max, &n);

	*v = (uint32_t)n;
	return ok;
}

/* Of a moment, with room to add and subtract. */
static bool
moment(struct field *rest, int64_t *ns)
{
	uint64_t n = 0;
	bool ok = number(rest, INT64_MAX / 2, &n);

	*ns = (int64_t)n;
	return ok;
}

static bool
take_byte(const char *p, uint8_t *c)
{
	int high = digit(p[0]), low = digit(p[1]);

	if (high < 0 || low < 0)
		return false;
	*c = (uint8_t)(high * 16 + low);
	return true;
}

static bool
word(struct field *rest, struct buf *b)
{
	struct field f;
	uint8_t c;

	buf_reset(b);
	buf_add(b, "", 0);
	if (!next(rest, &f))
		return false;
	if (is(&f, "%"))
		return true;
	for (size_t i = 0; i < f.n; i++) {
		c = (uint8_t)f.p[i];
		if (c == '%') {
			if (f.n - i < 3 || !take_byte(f.p + i + 1, &c) ||
			    c == '\0' || is_plain(c))
				return false;
			i += 2;
		} else if (!is_plain(c)) {
			return false;
		}
		buf_add(b, &c, 1);
	}
	return true;
}

static bool
line_of(struct field *rest, struct restore_at *a)
{
	struct field f;
	uint64_t id;

	if (!next(rest, &f) || f.n != POS_LINE - 1 || !take_hex(f.p, &id))
		return false;
	memcpy(a->pos.line, f.p, f.n);
	a->pos.line[f.n] = '\0';
	return a->format == FORMAT_LTX ? id > 0
				       : layout_is_generation(a->pos.line);
}

/* Can there be such a place? */
static bool
makes_sense(const struct restore_at *a)
{
	uint32_t size = a->page_size;

	if (a->snapshot > a->pos.at || a->pos.at > INT64_MAX || a->pages == 0 ||
	    size < 512 || (size & (size - 1)) != 0)
		return false;
	if (a->format == FORMAT_LTX)
		return a->snapshot > 1 &&
		    a->pos.at - a->snapshot == a->segments;
	return walpos_begins_log(a->snapshot) &&
	    (a->segments > 0) == (a->pos.at > a->snapshot);
}

static bool
take_at(struct field *rest, struct restore_at *a)
{
	struct field f;

	*a = (struct restore_at){ .format = FORMAT_LTX };
	if (!next(rest, &f))
		return false;
	if (is(&f, "wal"))
		a->format = FORMAT_WAL;
	else if (!is(&f, "ltx"))
		return false;
	if (!line_of(rest, a) || !hex(rest, &a->pos.at) ||
	    !hex(rest, &a->snapshot) ||
	    !number32(rest, UINT32_MAX, &a->segments) ||
	    !number32(rest, 65536, &a->page_size) ||
	    !number32(rest, GROWTH_PAGES_MAX, &a->pages))
		return false;
	if (!next(rest, &f) || f.n != 32 || !take_hex(f.p, &a->sum.hi) ||
	    !take_hex(f.p + 16, &a->sum.lo))
		return false;
	return moment(rest, &a->captured_ns) && makes_sense(a);
}

static bool
take_stands(struct field *rest, struct pass_line *l)
{
	struct field f;
	uint64_t class;
	int i = PASS_GONE;

	l->class = ERR_NONE;
	l->since_ns = 0;
	buf_reset(&l->why);
	buf_add(&l->why, "", 0);
	if (!next(rest, &f))
		return false;
	while (i >= PASS_OK && !is(&f, stands_name[i]))
		i--;
	l->stands = (enum pass_stands)i;
	if (i <= PASS_OK)
		return i == PASS_OK && l->shipped && rest->n == 0;
	if (!moment(rest, &l->since_ns) || !number(rest, ERR_CONFIG, &class) ||
	    !word(rest, &l->why))
		return false;
	l->class = (enum err_class) class;
	return rest->n == 0 && (l->shipped || l->stands == PASS_FAILED);
}

static bool
take_line(struct field rest, struct pass_line *l)
{
	struct field f;

	if (!next(&rest, &f))
		return false;
	l->shipped = is(&f, "db");
	if (!l->shipped && !is(&f, "none"))
		return false;
	return word(&rest, &l->key) &&
	    (!l->shipped || take_at(&rest, &l->at)) && take_stands(&rest, l);
}

static int
take_head(struct pass_text *t, struct field rest, struct err *e)
{
	struct field f;
	struct err none;

	if (rest.n < strlen(HEAD) || memcmp(rest.p, HEAD, strlen(HEAD)) != 0)
		return err_set(e, ERR_CORRUPT, "it is no pass");
	rest.p += strlen(HEAD);
	rest.n -= strlen(HEAD);
	if (!next(&rest, &f))
		return err_set(e, ERR_CORRUPT, "it is no pass");
	if (!is(&f, "1"))
		return err_set(e, ERR_CONFIG,
		    "it is of a version that is not known to this program");
	if (!next(&rest, &f) || f.n > PASS_NAME_MAX)
		return err_set(e, ERR_CORRUPT, "it has no name");
	memcpy(t->name, f.p, f.n);
	t->name[f.n] = '\0';
	if (pass_check_name(t->name, &none) == -1 ||
	    !moment(&rest, &t->began_ns) || !moment(&rest, &t->ended_ns) ||
	    rest.n != 0)
		return err_set(e, ERR_CORRUPT, "its first line is damaged");
	t->begun = true;
	return 0;
}

/* States come in byte order of their keys, each once. */
static bool
ascends(struct pass_text *t)
{
	const struct buf *key = &t->line.key;
	bool is =
	    t->last.data == NULL || strcmp(buf_str(&t->last), buf_str(key)) < 0;

	buf_reset(&t->last);
	buf_add(&t->last, buf_str(key), key->len);
	return is;
}

static int
take(struct pass_text *t, const char *p, size_t n, struct err *e)
{
	struct field rest = { p, n };
	uint64_t lines;

	if (t->ended)
		return err_set(
		    e, ERR_CORRUPT, "there is something behind its end");
	if (memchr(p, '\0', n) != NULL)
		return err_set(e, ERR_CORRUPT, "a line holds a NUL");
	if (!t->begun)
		return take_head(t, rest, e);
	if (n >= strlen(END) && memcmp(p, END, strlen(END)) == 0) {
		rest.p += strlen(END);
		rest.n -= strlen(END);
		t->ended = number(&rest, UINT64_MAX, &lines) && rest.n == 0 &&
		    lines == t->lines;
		return t->ended ? 0
				: err_set(e, ERR_CORRUPT,
				      "it does not have as many lines as its "
				      "end says");
	}
	if (!take_line(rest, &t->line))
		return err_set(e, ERR_CORRUPT, "line %" PRIu64 " is damaged",
		    t->lines + 2);
	if (t->line.shipped && !ascends(t))
		return err_set(e, ERR_CORRUPT,
		    "line %" PRIu64 " is not in the order of the keys",
		    t->lines + 2);
	t->lines++;
	return t->each != NULL ? t->each(t->ctx, &t->line, e) : 0;
}

int
pass_text_feed(struct pass_text *t, const uint8_t *p, size_t n, struct err *e)
{
	const uint8_t *end;
	size_t m;
	int rc;

	for (; n > 0; p += m, n -= m) {
		end = memchr(p, '\n', n);
		m = end != NULL ? (size_t)(end - p) + 1 : n;
		if (m > PASS_LINE_MAX - t->rest.len)
			return err_set(e, ERR_CORRUPT, "a line is too long");
		buf_add(&t->rest, p, m);
		if (end == NULL)
			continue;
		rc = take(t, buf_str(&t->rest), t->rest.len - 1, e);
		if (rc != 0)
			return rc;
		buf_reset(&t->rest);
	}
	return 0;
}

int
pass_text_end(struct pass_text *t, struct err *e)
{
	return t->ended && t->rest.len == 0
	    ? 0
	    : err_set(e, ERR_CORRUPT, "it is cut: its end is missing");
}

void
pass_text_release(struct pass_text *t)
{
	buf_release(&t->rest);
	buf_release(&t->last);
	pass_line_release(&t->line);
}
