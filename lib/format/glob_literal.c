#include <string.h>

#include "lib/base/buf.h"
#include "lib/format/glob.h"

void
glob_literal(const char *text, struct buf *out)
{
	for (; *text != '\0'; text++) {
		if (strchr("*?[]{}\\", *text) != NULL)
			buf_add(out, "\\", 1);
		buf_add(out, text, 1);
	}
}
