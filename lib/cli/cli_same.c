/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was said before in other words: of many paths that fail for one cause
 * the first is told, with its hint, the others are counted.
 *
 * A cause that is likely a path's own (no such file, damage) is told some times
 * first.  The count comes at the end, or behind a minute, when the next path
 * is told in full again: who follows a long run sees that it goes on.
 *
 * The memory is bounded: beyond KINDS all are told.
 */
#include "lib/cli/cli_impl.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/text/err_kind.h"

enum {
	KINDS = 32,
	OWN = 16, /* told, of a cause that is a path's own */
	NAMES = 5,
	NAMES_BYTES = 400,
	SILENT_MS = 60000,
};

struct cli_same {
	char *kind;
	char *first;        /* path of the last that was told in full */
	bool failures;      /* else warnings */
	unsigned told;      /* since the last count */
	unsigned long more; /* counted since */
	int64_t told_ms;
	struct buf names; /* of some of them */
	unsigned n_names;
};

/* How many of a kind are told before they are counted. */
static unsigned most(enum err_class class)
{
	switch (class) {
	case ERR_USAGE:
	case ERR_EARLIER:
	case ERR_CORRUPT:
	case ERR_MISSING:
	case ERR_EXISTS:
	case ERR_CONFIG: return OWN;
	default: return 1;
	}
}

static struct cli_same *
find(struct cli *c, const char *kind, enum err_class class)
{
	struct cli_same *s;

	for (size_t i = 0; i < c->n_same; i++)
		if (strcmp(c->same[i].kind, kind) == 0)
			return &c->same[i];
	if (c->n_same == KINDS)
		return NULL;
	if (c->same == NULL)
		c->same = xcalloc(KINDS, sizeof(*c->same));
	s = &c->same[c->n_same++];
	*s = (struct cli_same){ .kind = xstrdup(kind),
		.failures = class != ERR_NONE && class != ERR_EARLIER };
	return s;
}

static void
count(struct cli_same *s, const char *path)
{
	size_t n = strlen(path);

	s->more++;
	if (s->n_names == NAMES || s->names.len + n > NAMES_BYTES)
		return;
	buf_adds(&s->names, s->n_names++ == 0 ? "" : ", ");
	buf_adds(&s->names, path);
}

/* How many there were, and some of their names. */
static void
tell(struct cli *c, struct cli_same *s)
{
	bool all = s->n_names == s->more;
	const char *hint = "";
	char *msg;

	if (s->more == 0)
		return;
	if (!all && s->failures && c->errors_fd == -1 && c->failed_fd == -1 &&
	    strchr(c->shared, 'e') != NULL && !c->hinted) {
		hint = "--failed FILE, or -v, names all of them";
		c->hinted = true;
	}
	msg = xasprintf("%lu more%s like %s%s%s%s", s->more,
	    s->failures ? " failed" : "", s->first, s->n_names > 0 ? ": " : "",
	    buf_str(&s->names),
	    all                  ? ""
		: s->n_names > 0 ? ", ..."
				 : "");
	cli_say(c, NULL, msg, hint);
	free(msg);
	s->more = 0;
	s->n_names = 0;
	buf_reset(&s->names);
}

enum cli_told
cli_told(struct cli *c, const char *path, enum err_class class, const char *msg,
    const char *hint)
{
	struct buf kind = { 0 };
	enum cli_told told = CLI_NEW;
	struct cli_same *s;

	if (c->verbose)
		return CLI_NEW;
	buf_addf(&kind, "%d ", (int)class);
	err_kind(&kind, msg, path);
	buf_adds(&kind, "\n");
	err_kind(&kind, hint, path);
	s = find(c, buf_str(&kind), class);
	buf_release(&kind);
	if (s == NULL)
		return CLI_NEW;
	if (s->told > 0 && cli_now_ms() - s->told_ms >= SILENT_MS) {
		tell(c, s);
		s->told = 0;
	}
	if (s->told >= most(class)) {
		count(s, path);
		return CLI_COUNTED;
	}
	if (s->told++ > 0)
		told = CLI_HINTED;
	s->told_ms = cli_now_ms();
	free(s->first);
	s->first = xstrdup(path);
	return told;
}

void
cli_tell_rest(struct cli *c)
{
	for (size_t i = 0; i < c->n_same; i++) {
		tell(c, &c->same[i]);
		buf_release(&c->same[i].names);
		free(c->same[i].kind);
		free(c->same[i].first);
	}
	free(c->same);
	c->same = NULL;
	c->n_same = 0;
}
