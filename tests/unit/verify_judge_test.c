/* SPDX-License-Identifier: Apache-2.0 */
/* What may be called wrong or ahead, and what is only behind. */
#include "lib/verify/verify_judge.h"

#include <stddef.h>
#include <stdlib.h>

#include "tests/unit/tap.h"

/* Of a record: the replica ends with it, or goes on behind it. */
#define END    .recorded = true, .at_end = true, .same_file = true
#define BEYOND .recorded = true, .beyond = true, .same_file = true

static const struct {
	const char *what;
	struct verify_facts f;
	enum verify_source is;
} cases[] = {
	{ "a commit", { END, .counter = 1 }, VERIFY_BEHIND },
	{ "a commit in WAL mode", { END }, VERIFY_BEHIND },
	{ "one that wrote back what was", { END, .older = true },
	    VERIFY_BEHIND },
	{ "another file renamed into place",
	    { .recorded = true, .at_end = true }, VERIFY_BEHIND },
	{ "a new one, with a counter of its own",
	    { .recorded = true, .at_end = true, .counter = -1 },
	    VERIFY_BEHIND },
	{ "a clock that went back", { END, .earlier = true }, VERIFY_BEHIND },
	{ "and a commit", { END, .earlier = true, .counter = 1 },
	    VERIFY_BEHIND },
	{ "reset in place", { END, .counter = -1 }, VERIFY_BEHIND },

	{ "the record's files, with another content",
	    { END, .untouched = true }, VERIFY_WRONG },
	{ "a commit that left no trace",
	    { END, .untouched = true, .counter = 1 }, VERIFY_WRONG },
	{ "or what it was before",
	    { END, .untouched = true, .older = true, .counter = -1 },
	    VERIFY_WRONG },
	{ "nor what the record says",
	    { BEYOND, .untouched = true, .further = true }, VERIFY_WRONG },
	{ "written to, but not to all pages that differ",
	    { END, .unmoved = true, .counter = 1 }, VERIFY_WRONG },
	{ "without a record", { .untouched = true }, VERIFY_WRONG },

	{ "put back with its times", { END, .older = true, .earlier = true },
	    VERIFY_AHEAD },
	{ "put back as another file",
	    { .recorded = true, .at_end = true, .older = true }, VERIFY_AHEAD },
	{ "put back into the file", { END, .older = true, .counter = -1 },
	    VERIFY_AHEAD },
	{ "put back, of a time that nobody knows",
	    { END, .earlier = true, .counter = -1 }, VERIFY_AHEAD },
	{ "without a record: it is an older state",
	    { .untouched = true, .older = true }, VERIFY_AHEAD },

	{ "a ship was killed, and a commit",
	    { BEYOND, .counter = 1, .kept = 2 }, VERIFY_BEHIND },
	{ "a commit to the very pages", { BEYOND }, VERIFY_BEHIND },
	{ "that are written back", { BEYOND, .older = true, .reverted = 1 },
	    VERIFY_BEHIND },
	{ "and another one", { BEYOND, .reverted = 1 }, VERIFY_BEHIND },
	{ "a state that was put back, and a commit",
	    { BEYOND, .further = true, .kept = 9, .reverted = 1 },
	    VERIFY_BEHIND },
	{ "pages that are written back",
	    { BEYOND, .further = true, .older = true, .reverted = 1 },
	    VERIFY_BEHIND },
	{ "a disk that was put back",
	    { BEYOND, .untouched = true, .older = true, .reverted = 1 },
	    VERIFY_AHEAD },
	{ "files and state", { BEYOND, .earlier = true, .older = true },
	    VERIFY_AHEAD },
	{ "and went on", { BEYOND, .further = true, .reverted = 3 },
	    VERIFY_AHEAD },
	{ "with fewer commits than there were", { BEYOND, .counter = -1 },
	    VERIFY_AHEAD },
};

int
main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_int(verify_judge(&cases[i].f), cases[i].is, "%s",
		    cases[i].what);
	return done();
}
