/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/verify/verify_judge.h"

/* The database as it is was there before the newest object was captured. */
static bool
was_put_back(const struct verify_facts *f)
{
	/* By commits alone it would have a higher counter and later times, and
	   be the same file; in WAL mode at least the latter two. */
	if (f->older &&
	    (f->counter < 0 || f->earlier || (f->recorded && !f->same_file)))
		return true;
	return f->counter < 0 && (f->earlier || f->beyond);
}

/*
 * The state is old.  If the database is not, it has what the objects beyond
 * the record brought, or later images: it was read for them.  A ship that was
 * killed leaves but one step, and in one the pages may have been written back.
 */
static bool
lacks_what_is_beyond(const struct verify_facts *f)
{
	return f->beyond && !f->older && f->reverted > 0 && f->kept == 0 &&
	    (f->further || f->earlier);
}

enum verify_source
verify_judge(const struct verify_facts *f)
{
	bool ahead = was_put_back(f) || lacks_what_is_beyond(f);

	/* The record's own files, with another content than the record's. */
	if (f->untouched && (f->at_end || (f->beyond && !f->older)))
		return VERIFY_WRONG;
	if (f->untouched && f->beyond)
		return VERIFY_AHEAD;
	/* By the clock alone, which may have been ahead once. */
	if (f->untouched && !f->recorded && f->counter <= 0)
		return f->older || ahead ? VERIFY_AHEAD : VERIFY_WRONG;
	if (f->at_end && f->unmoved)
		return VERIFY_WRONG;
	return ahead ? VERIFY_AHEAD : VERIFY_BEHIND;
}
