/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What --help prints, and which option was meant.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cli/cli_impl.h"
#include "lib/text/near.h"

bool
cli_hidden(const struct cli *c, const struct cli_opt *t)
{
	const struct cli_opt *o;

	for (o = c->own; o->name != NULL; o++)
		if (strcmp(o->name, t->name) == 0 ||
		    (o->letter != 0 && o->letter == t->letter))
			return true;
	return false;
}

bool
cli_takes(const struct cli *c, const struct cli_opt *t)
{
	if (t->value == 'h' || t->value == 'V' || t->value == CLI_JSON ||
	    t->value == CLI_METRICS || t->value == CLI_PROGRESS)
		return true;
	return t->help != NULL &&
	    strchr(c->shared, t->value == CLI_FAILED ? 'e' : t->value) != NULL;
}

static void
help_option(const struct cli *c, const struct cli_opt *t)
{
	char left[64];

	(void)snprintf(left, sizeof(left), "%c%c%s --%s%s%s",
	    t->letter ? '-' : ' ', t->letter ? t->letter : ' ',
	    t->letter ? "," : " ", t->name, t->arg ? " " : "",
	    t->arg ? t->arg : "");
	(void)printf(
	    "  %-22s %s%s", left, strlen(left) < 22 ? "" : " ", t->help);
	if (t->letter == 'j')
		(void)printf(" [%u]", c->jobs);
	(void)putchar('\n');
}

static _Noreturn void
finish_output(struct cli *c)
{
	exit(cli_finish(c));
}

_Noreturn void
cli_help(struct cli *c)
{
	const struct cli_opt *t;

	(void)printf("usage: %s [option ...] %s\n%s\n", c->program, c->usage,
	    c->summary);
	for (t = c->own; t->name != NULL; t++)
		help_option(c, t);
	for (t = cli_shared_options; t->name != NULL; t++)
		if (cli_takes(c, t) && !cli_hidden(c, t))
			help_option(c, t);
	if (c->n_more == 1)
		(void)printf("      --%-16s options for %s\n", c->help_more[0],
		    c->help_more[0] + strlen("help-"));
	if (c->n_more == 2)
		(void)printf("      --%s, --%s  further options\n",
		    c->help_more[0], c->help_more[1]);
	if (c->examples != NULL)
		(void)printf("\n%s\n", c->examples);
	finish_output(c);
}

_Noreturn void
cli_help_more(struct cli *c, const struct cli_opt *more)
{
	for (const struct cli_opt *t = more; t->name != NULL; t++)
		help_option(c, t);
	finish_output(c);
}

const char *
cli_near(const struct cli *c, const char *word, bool exact)
{
	const char *best = NULL;
	unsigned least = 0, d;
	char *asked = xstrdup(word + strspn(word, "-"));

	asked[strcspn(asked, "=")] = '\0';
	for (const struct option *o = c->longs; o->name != NULL; o++) {
		d = near_distance(asked, o->name);
		if ((exact ? d == 0 : near_is(asked, d)) &&
		    (best == NULL || d < least)) {
			best = o->name;
			least = d;
		}
	}
	free(asked);
	return best;
}
