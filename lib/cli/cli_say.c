/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cli/cli_impl.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mask.h"
#include "lib/text/utf8.h"

struct line {
	char text[PIPE_BUF];
	size_t len, begun; /* where the last line begins */
};

static void
line_add(struct line *l, const char *s, size_t n)
{
	size_t room = sizeof(l->text) - 1 - l->len;

	if (n > room)
		n = room;
	memcpy(l->text + l->len, s, n);
	l->len += n;
}

static void
line_adds(struct line *l, const char *s)
{
	line_add(l, s, strlen(s));
}

/* Add s; when longer than max, without its middle. */
static void
line_add_cut(struct line *l, const char *s, size_t max)
{
	size_t n = strlen(s), half = (max - 3) / 2;

	if (n <= max) {
		line_add(l, s, n);
		return;
	}
	line_add(l, s, half);
	line_adds(l, "...");
	line_add(l, s + n - half, half);
}

/* Whatever is in a path stays on its line and cannot steer a terminal. */
static void
line_end(struct line *l)
{
	if (l->len == sizeof(l->text))
		l->len--;
	l->text[l->len] = '\0';
	utf8_tame(l->text + l->begun, false);
	l->len = l->begun + strlen(l->text + l->begun);
	l->text[l->len++] = '\n';
	l->begun = l->len;
}

static char *
masked(const char *text)
{
	char *out = xstrdup(text);

	mask_urls(out);
	return out;
}

void
cli_say(
    const struct cli *c, const char *path, const char *msg, const char *hint)
{
	struct line l = { .len = 0 };
	size_t others, max = 64;
	char *shown;

	others = 2 * strlen(c->program) + strlen(msg) + strlen(hint) +
	    sizeof(": : \n: hint: \n");
	if (others + max < sizeof(l.text))
		max = sizeof(l.text) - others;

	line_adds(&l, c->program);
	line_adds(&l, ": ");
	if (path != NULL) {
		shown = masked(path);
		line_add_cut(&l, shown, max);
		line_adds(&l, ": ");
		free(shown);
	}
	shown = masked(msg);
	line_adds(&l, shown);
	free(shown);
	line_end(&l);
	if (hint[0] != '\0' && l.len < sizeof(l.text) - 1) {
		line_adds(&l, c->program);
		line_adds(&l, ": hint: ");
		line_adds(&l, hint);
		line_end(&l);
	}
	cli_write(l.text, l.len);
}

static void
sayv(const struct cli *c, const char *path, const char *fmt, va_list ap)
{
	char msg[sizeof(((struct err *)NULL)->msg)];

	if (vsnprintf(msg, sizeof(msg), fmt, ap) >= 0)
		cli_say(c, path, msg, "");
}

void
cli_usage(struct cli *c, const char *fmt, ...)
{
	char msg[1024], hint[128];
	bool more = false;
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(msg, sizeof(msg), fmt, ap) < 0)
		msg[0] = '\0';
	va_end(ap);
	for (unsigned i = 0; i < c->n_more; i++)
		more |= strcmp(c->help_more[i], "help-more") == 0;
	(void)snprintf(hint, sizeof(hint), "see %s --help%s", c->program,
	    more ? " and --help-more" : "");
	cli_say(c, NULL, msg, hint);
	exit(ERR_USAGE);
}

void
cli_misused(struct cli *c, const struct err *e)
{
	cli_say(c, NULL, e->msg, e->hint);
	exit(ERR_USAGE);
}

int cli_status_of(enum err_class class)
{
	return class == ERR_NONE ? ERR_BUG : (int)class;
}

int
cli_fatal(struct cli *c, const struct err *e)
{
	cli_progress_end(c);
	cli_tell_rest(c);
	cli_say(c, NULL, e->msg, e->hint);
	return cli_end(c, cli_status_of(e->class));
}

void
cli_complain(struct cli *c, const struct err *e)
{
	cli_say(c, NULL, e->msg, e->hint);
	c->least = 1;
}

void
cli_warn(struct cli *c, const char *path, const char *fmt, ...)
{
	char msg[sizeof(((struct err *)NULL)->msg)];
	va_list ap;

	if (c->quiet)
		return;
	va_start(ap, fmt);
	if (vsnprintf(msg, sizeof(msg), fmt, ap) < 0)
		msg[0] = '\0';
	va_end(ap);
	if (path == NULL || cli_told(c, path, ERR_NONE, msg, "") != CLI_COUNTED)
		cli_say(c, path, msg, "");
}

void
cli_on_warn(void *cli, const char *text)
{
	cli_warn(cli, NULL, "%s", text);
}

void
cli_on_debug(void *cli, const char *text)
{
	struct cli *c = cli;
	char *all = xasprintf("%s: %s", c->program, text), *line;

	utf8_tame(all, false);
	line = xasprintf("%s\n", all);
	cli_write(line, strlen(line));
	free(line);
	free(all);
}

void
cli_note(struct cli *c, const char *path, const char *fmt, ...)
{
	va_list ap;

	if (!c->verbose)
		return;
	va_start(ap, fmt);
	sayv(c, path, fmt, ap);
	va_end(ap);
}
