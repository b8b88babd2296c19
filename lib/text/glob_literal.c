/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/text/glob.h"

static bool
is_special(char c)
{
	return c != '\0' && strchr("*?[]{}\\", c) != NULL;
}

void
glob_literal(const char *text, struct buf *out)
{
	for (; *text != '\0'; text++) {
		if (is_special(*text))
			buf_add(out, "\\", 1);
		buf_add(out, text, 1);
	}
}

bool
glob_unliteral(const char *pattern, struct buf *out)
{
	const char *p;

	for (p = pattern; *p != '\0'; p++)
		if (*p == '\\' ? !is_special(*++p) : is_special(*p))
			return false;
	for (p = pattern; *p != '\0'; p++) {
		p += *p == '\\';
		buf_add(out, p, 1);
	}
	return true;
}
