/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sample is drawn, and each statement of that fails in turn: what is drawn
 * without a word are all that were to be drawn, those first whose look is longest
 * ago.
 */
#include "tests/unit/fail_kit.h"

#include "lib/base/buf.h"
#include "lib/choose/choose.h"
#include "lib/choose/sample.h"
#include "tests/unit/tmp_kit.h"

enum { ALL = 20, DRAWN = 5 };

static bool drawn[ALL];
static int n_drawn;

static void
nothing(void)
{
	memset(drawn, 0, sizeof(drawn));
	n_drawn = 0;
}

static int
take(void *ctx, struct choice *c)
{
	(void)ctx;
	drawn[strtol(c->name, NULL, 10)] = true;
	n_drawn++;
	choice_release(c);
	return 0;
}

static int
draw_some(struct err *e)
{
	const struct sample_size size = { .percent = 25 };
	struct sample *s = sample_new(e);
	struct choice c;
	uint64_t n;
	int rc = s == NULL ? -1 : 0;

	for (int i = 0; i < ALL && rc == 0; i++) {
		c = (struct choice){ .name = xasprintf("%d", i) };
		buf_adds(&c.key, c.name);
		rc = sample_add(s, &c, ALL - i, e);
	}
	if (rc == 0 && (rc = sample_count(s, &size, &n, e)) == 0)
		rc = sample_draw(s, n, take, NULL, e);
	sample_free(s);
	return rc;
}

static bool
all_or_a_word(int rc, const struct err *e)
{
	if (rc == -1)
		return e->class == ERR_IO;
	for (int i = ALL - DRAWN; i < ALL; i++)
		if (!drawn[i])
			return false;
	return n_drawn == DRAWN;
}

int
main(void)
{
	const struct fail_work work = { "a sample", nothing, draw_some,
		all_or_a_word, 2 };

	dir_begin();
	fail_must(chdir(dir) == 0, dir);
	seed = tap_seed();
	fail_each(&work);
	return dir_done();
}
