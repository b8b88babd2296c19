/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text/glob.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

/*
 * A pattern becomes a list of tokens, and a path is run through them as
 * through a nondeterministic automaton: all the places in the pattern where
 * one may be are kept at once.  So the time is bounded by the product of the
 * two lengths, whatever the stars.
 */
enum op {
	OP_CHAR,  /* arg: the character */
	OP_ANY,   /* ? */
	OP_CLASS, /* arg: where its body is in the pattern */
	OP_STAR,
	OP_STARS, /* ** */
	OP_SPLIT, /* on to the next token, or to arg if it is not 0 */
	OP_JUMP,  /* on to arg */
	OP_END,
};

/* To take(): any character that is not ASCII. */
#define WIDE 0x200000

struct token {
	enum op op;
	uint32_t arg;
};

/* A place in the pattern is a token and how it was come to. */
enum mode {
	MODE_MID,   /* in a component */
	MODE_START, /* at the start of a component */
	MODE_STARS, /* behind a ** that began a component */
	MODE_DIRS,  /* behind **, slash: components may be passed over */
	MODE_SKIP,  /* in one that is passed over */
	MODE_LOOP,  /* in a run that a star takes */
	MODES,
};

/* Places, each once, in the order they were added. */
struct set {
	uint32_t *at;    /* n of them: token * MODES + mode */
	uint32_t *where; /* of each place, its index in at[] if it is there */
	size_t n;
};

struct brace {
	size_t split; /* of its newest alternative */
	size_t jumps; /* chain of the jumps to its end; 0 ends it */
};

struct glob {
	const char *pattern;
	struct token *token;
	size_t n;
	struct brace *brace;
	size_t depth;
	bool stray; /* a '}' without '{', which stands for itself */
	struct set now, next;
};

static void
set_add(struct set *s, size_t token, enum mode mode)
{
	uint32_t place = (uint32_t)(token * MODES + mode);
	uint32_t i = s->where[place];

	if (i < s->n && s->at[i] == place)
		return;
	s->where[place] = (uint32_t)s->n;
	s->at[s->n++] = place;
}

/*
 * The character at p, of which *len bytes are used.  A byte that begins no
 * UTF-8 sequence is a character of its own, beyond all of Unicode's.
 */
static uint32_t
character(const char *p, size_t *len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const uint8_t *s = (const uint8_t *)p;
	uint32_t c = s[0];
	size_t n = c < 0x80 ? 1
	    : c < 0xc2      ? 0
	    : c < 0xe0      ? 2
	    : c < 0xf0      ? 3
			    : 4;
	size_t i;

	*len = 1;
	if (n == 1)
		return c;
	if (n == 0 || c > 0xf4)
		return 0x110000 + c;
	c &= 0x7fu >> n;
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0x110000 + s[0];
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0x110000 + s[0];
	*len = n;
	return c;
}

/* A character of a pattern or class, behind its backslash if it has one. */
static uint32_t
literal(const char **p)
{
	size_t len;
	uint32_t c;

	if (**p == '\\')
		++*p;
	c = character(*p, &len);
	*p += len;
	return c;
}

/* The body of a class, checked when it was compiled: negation, then
 * characters and ranges to the ']'. */
static bool
class_has(const char *p, uint32_t c)
{
	bool negated = *p == '!' || *p == '^', found = false;
	uint32_t low, high;

	for (p += negated; *p != ']' && !found;) {
		low = high = literal(&p);
		if (p[0] == '-' && p[1] != ']') {
			p++;
			high = literal(&p);
		}
		found = low <= c && c <= high;
	}
	return found != negated;
}

static void
emit(struct glob *g, enum op op, uint32_t arg)
{
	g->token[g->n].op = op;
	g->token[g->n++].arg = arg;
}

static int
compile_class(struct glob *g, const char **p, struct err *e)
{
	const char *s = *p;

	emit(g, OP_CLASS, (uint32_t)(s - g->pattern));
	if (*s == '!' || *s == '^')
		s++;
	if (*s == ']')
		return err_set(e, ERR_USAGE, "pattern has an empty '[]'");
	for (; *s != ']'; s++) {
		if (*s == '\\')
			s++;
		if (*s == '\0')
			return err_set(
			    e, ERR_USAGE, "pattern has a '[' without ']'");
	}
	*p = s + 1;
	return 0;
}

/* An alternative begins with a split that leads to the one after it. */
static void
open_brace(struct glob *g)
{
	g->brace[g->depth++] = (struct brace){ .split = g->n };
	emit(g, OP_SPLIT, 0);
}

static void
next_alternative(struct glob *g)
{
	struct brace *b = &g->brace[g->depth - 1];

	emit(g, OP_JUMP, (uint32_t)b->jumps);
	b->jumps = g->n - 1;
	g->token[b->split].arg = (uint32_t)g->n;
	b->split = g->n;
	emit(g, OP_SPLIT, 0);
}

static void
close_brace(struct glob *g)
{
	size_t jump, before;

	for (jump = g->brace[--g->depth].jumps; jump != 0; jump = before) {
		before = g->token[jump].arg;
		g->token[jump].arg = (uint32_t)g->n;
	}
}

/* A brace or comma, which stands for itself where no alternatives are open. */
static void
compile_brace(struct glob *g, char c)
{
	if (c == '{')
		open_brace(g);
	else if (g->depth == 0)
		emit(g, OP_CHAR, (uint8_t)c);
	else if (c == ',')
		next_alternative(g);
	else
		close_brace(g);
}

static int
compile(struct glob *g, struct err *e)
{
	const char *p = g->pattern;

	while (*p != '\0') {
		switch (*p) {
		case '?': emit(g, OP_ANY, 0); break;
		case '*':
			emit(g, p[1] == '*' ? OP_STARS : OP_STAR, 0);
			p += p[1] == '*';
			break;
		case '[':
			p++;
			if (compile_class(g, &p, e) == -1)
				return -1;
			continue;
		case '}': g->stray |= g->depth == 0; /* fall through */
		case '{':
		case ',': compile_brace(g, *p); break;
		case '\\':
			if (p[1] == '\0')
				return err_set(
				    e, ERR_USAGE, "pattern ends in '\\'");
			/* fall through */
		default: emit(g, OP_CHAR, literal(&p)); continue;
		}
		p++;
	}
	emit(g, OP_END, 0);
	if (g->depth > 0)
		return err_set(e, ERR_USAGE, "pattern has a '{' without '}'");
	return 0;
}

static void
glob_free(struct glob *g)
{
	free(g->token);
	free(g->brace);
	free(g->now.at);
	free(g->next.at);
}

static void
set_init(struct set *s, size_t tokens)
{
	s->at = xcalloc(tokens * MODES * 2, sizeof(*s->at));
	s->where = s->at + tokens * MODES;
	s->n = 0;
}

static int
glob_init(struct glob *g, const char *pattern, struct err *e)
{
	size_t len = strlen(pattern);

	memset(g, 0, sizeof(*g));
	g->pattern = pattern;
	/* A place has 32 bits; a comma is two tokens. */
	if (len > UINT32_MAX / (2 * MODES) - 1) {
		err_set(e, ERR_USAGE, "pattern is too long");
		return -1;
	}
	g->token = xcalloc(2 * len + 1, sizeof(*g->token));
	g->brace = xcalloc(len + 1, sizeof(*g->brace));
	if (compile(g, e) == -1) {
		glob_free(g);
		return -1;
	}
	set_init(&g->now, g->n);
	set_init(&g->next, g->n);
	set_add(&g->now, 0, MODE_START);
	return 0;
}

/* The tokens that take a character, met in or at the start of a component. */
static void
take(struct glob *g, size_t at, uint32_t c)
{
	const struct token *t = &g->token[at];

	if (t->op == OP_CHAR && (t->arg == c || (c == WIDE && t->arg >= 0x80)))
		set_add(&g->next, at + 1, c == '/' ? MODE_START : MODE_MID);
	else if ((t->op == OP_ANY && c != '/') ||
	    (t->op == OP_CLASS &&
		(c == WIDE || class_has(g->pattern + t->arg, c))))
		set_add(&g->next, at + 1, MODE_MID);
}

/*
 * Two stars may be a whole component if they begin one; what follows shows it
 * at once if it is a slash, else MODE_STARS finds out.  If not, they are one.
 */
static void
stars(struct glob *g, size_t at, enum mode mode)
{
	const struct token *t = &g->token[at];

	if (t->op == OP_STARS && mode == MODE_START) {
		set_add(&g->now, at + 1, MODE_STARS);
		if (t[1].op == OP_CHAR && t[1].arg == '/')
			return;
	}
	set_add(&g->now, at, MODE_LOOP);
	set_add(&g->now, at + 1, MODE_MID);
}

/*
 * One place sees character c: what it can do without taking it goes to now,
 * where it can be after taking it to next.  True: from here anything matches.
 */
static bool
visit(struct glob *g, size_t at, enum mode mode, uint32_t c)
{
	const struct token *t = &g->token[at];

	if (mode == MODE_DIRS || mode == MODE_SKIP) {
		set_add(&g->next, at, c == '/' ? MODE_DIRS : MODE_SKIP);
		if (mode == MODE_DIRS)
			set_add(&g->now, at, MODE_START);
	} else if (mode == MODE_LOOP) {
		if (c != '/') {
			set_add(&g->next, at, MODE_LOOP);
			set_add(&g->next, at + 1, MODE_MID);
		}
	} else if (t->op == OP_SPLIT || t->op == OP_JUMP) {
		if (t->op == OP_SPLIT)
			set_add(&g->now, at + 1, mode);
		if (t->arg != 0)
			set_add(&g->now, t->arg, mode);
	} else if (mode == MODE_STARS) {
		if (t->op == OP_CHAR && t->arg == '/')
			set_add(&g->now, at + 1, MODE_DIRS);
		return t->op == OP_END;
	} else if (t->op == OP_STAR || t->op == OP_STARS) {
		stars(g, at, mode);
	} else {
		take(g, at, c);
	}
	return false;
}

/* Take one character; true as from visit(). */
static bool
step(struct glob *g, uint32_t c)
{
	struct set spare;
	size_t i;

	g->next.n = 0;
	for (i = 0; i < g->now.n; i++) { /* grows on the way */
		uint32_t place = g->now.at[i];

		if (visit(g, place / MODES, place % MODES, c))
			return true;
	}
	spare = g->now;
	g->now = g->next;
	g->next = spare;
	return false;
}

/* The parts that the rest of a pattern has had when the path ends. */
enum rest { REST_ALL, REST_SLASH, REST_STARS, REST_NONE };

/*
 * May the rest of the pattern be nothing?  It may if it is "*", "**", "**" and
 * a slash, or one of the latter two behind a slash: a directory is among what
 * matches "dir/" "**".
 */
static bool
visit_rest(struct glob *g, size_t at, enum rest rest)
{
	const struct token *t = &g->token[at];
	struct set *s = &g->next;

	if (t->op == OP_SPLIT || t->op == OP_JUMP) {
		if (t->op == OP_SPLIT)
			set_add(s, at + 1, (enum mode)rest);
		if (t->arg != 0)
			set_add(s, t->arg, (enum mode)rest);
	} else if (t->op == OP_STARS && rest <= REST_SLASH) {
		set_add(s, at + 1, (enum mode)REST_STARS);
	} else if (t->op == OP_STAR && rest == REST_ALL) {
		set_add(s, at + 1, (enum mode)REST_NONE);
	} else if (t->op == OP_CHAR && t->arg == '/') {
		if (rest == REST_ALL)
			set_add(s, at + 1, (enum mode)REST_SLASH);
		else if (rest == REST_STARS)
			set_add(s, at + 1, (enum mode)REST_NONE);
	}
	return t->op == OP_END && rest != REST_SLASH;
}

/* The path is over: is there a place where the pattern may be, too? */
static bool
at_end(struct glob *g)
{
	size_t i;

	g->next.n = 0;
	for (i = 0; i < g->now.n; i++) {
		uint32_t mode = g->now.at[i] % MODES;

		if (mode != MODE_SKIP && mode != MODE_LOOP)
			set_add(&g->next, g->now.at[i] / MODES,
			    (enum mode)REST_ALL);
	}
	for (i = 0; i < g->next.n; i++) { /* grows on the way */
		uint32_t place = g->next.at[i];

		if (visit_rest(g, place / MODES, place % MODES))
			return true;
	}
	return false;
}

/* True: the path matches already, whatever follows. */
static bool
run(struct glob *g, const char *path)
{
	size_t len;

	for (; *path != '\0' && g->now.n > 0; path += len)
		if (step(g, character(path, &len)))
			return true;
	return false;
}

static int
stray(struct err *e)
{
	return err_set(e, ERR_USAGE, "pattern has a '}' without '{'");
}

int
glob_match(const char *pattern, const char *path, struct err *e)
{
	struct glob g;
	bool matches;

	if (glob_init(&g, pattern, e) == -1)
		return -1;
	matches = run(&g, path) || at_end(&g);
	glob_free(&g);
	/* So does the oracle: it finds the mistake when it looks further. */
	return g.stray && !matches ? stray(e) : matches;
}

int
glob_check(const char *pattern, struct err *e)
{
	struct glob g;

	if (glob_init(&g, pattern, e) == -1)
		return -1;
	glob_free(&g);
	return g.stray ? stray(e) : 0;
}

bool
glob_is_pattern(const char *s)
{
	return strpbrk(s, "*?[{\\") != NULL;
}

size_t
glob_fixed(const char *pattern)
{
	size_t n = strcspn(pattern, "*?[{\\");

	while (n > 0 && pattern[n - 1] != '/')
		n--;
	return n;
}

/* Can a place take another character? */
static bool
goes_on(const struct glob *g, uint32_t place)
{
	uint32_t mode = place % MODES;

	return g->token[place / MODES].op != OP_END || mode == MODE_DIRS ||
	    mode == MODE_SKIP;
}

bool
glob_may_descend(const char *pattern, const char *dir)
{
	size_t len = strlen(dir), i;
	bool may = true;
	struct glob g;
	struct err e;

	if (len == 0 || glob_init(&g, pattern, &e) == -1)
		return true;
	if (!run(&g, dir) && (dir[len - 1] == '/' || !step(&g, '/')))
		for (i = 0, may = false; i < g.now.n; i++)
			may |= goes_on(&g, g.now.at[i]);
	glob_free(&g);
	return may;
}

/* Can what begins with n bytes of s, and c if that is not 0, match? */
static bool
reaches(struct glob *g, const char *s, size_t n, uint32_t c)
{
	size_t i, len;

	g->now.n = 0;
	set_add(&g->now, 0, MODE_START);
	for (i = 0; i < n && g->now.n > 0; i += len)
		if (step(g, character(s + i, &len)))
			return true;
	return (c != 0 && step(g, c)) || g->now.n > 0;
}

/* Where the character before byte n of s begins. */
static size_t
before(const char *s, size_t n)
{
	size_t i = 0, len;

	while (character(s + i, &len), i + len < n)
		i += len;
	return i;
}

/* The next of the strings that begin with n bytes of at and differ behind. */
static bool
next_with(struct glob *g, const char *at, size_t n, struct buf *next)
{
	uint8_t x = (uint8_t)at[n];
	char c[2] = { 0 };

	for (c[0] = (char)x; x < 0x7f; x++) {
		c[0]++;
		if (reaches(g, at, n, (uint8_t)c[0]))
			break;
	}
	if (x >= 0x7f && !reaches(g, at, n, WIDE))
		return false;
	if ((uint8_t)at[n] >= 0x7f) { /* among these it is not looked for */
		buf_adds(next, at);
		return true;
	}
	buf_add(next, at, n);
	buf_adds(next, c);
	return true;
}

bool
glob_next(const char *pattern, const char *at, struct buf *next)
{
	struct glob g;
	struct err e;
	size_t n = 0, len;
	bool found;

	buf_reset(next);
	if (glob_init(&g, pattern, &e) == -1)
		return false;
	while (at[n] != '\0' && character(at + n, &len) &&
	    reaches(&g, at, n + len, 0))
		n += len;
	if ((found = at[n] == '\0'))
		buf_adds(next, at);
	else
		while (!(found = next_with(&g, at, n, next)) && n > 0)
			n = before(at, n);
	glob_free(&g);
	return found;
}
