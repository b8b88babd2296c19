/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of others on a terminal: text stays, what would steer it does not. */
#include "lib/text/utf8.h"

#include <stdlib.h>

#include "lib/base/buf.h"
#include "tests/unit/tap.h"

static void
tame(const char *text, bool layout, const char *want)
{
	char *s = xstrdup(text);

	utf8_tame(s, layout);
	is_str(s, want, "as %s", want);
	free(s);
}

int
main(void)
{
	tame("", false, "");
	tame("a/b c.db", false, "a/b c.db");
	tame("\033]0;x\a\r\x7f", false, "?]0;x???");
	tame("a\tb\n", true, "a\tb\n");
	tame("a\tb\n", false, "a?b?");
	/* text of all lengths, and the first that is no control */
	tame("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xc2\xa0", false,
	    "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xc2\xa0");
	/* CSI: as a character, as a byte, behind one that is cut short */
	tame("a\xc2\x9b"
	     "2J",
	    false, "a?2J");
	tame("\xc2\x80\xc2\x9f", true, "??");
	tame("a\x9b"
	     "2J",
	    true, "a?2J");
	tame("\xe2\x9b"
	     "2J",
	    false, "\xe2?2J");
	tame("\xe2\x82", false, "\xe2?");
	tame("\xe9t\xe9", false, "\xe9t\xe9"); /* Latin-1 */
	return done();
}
