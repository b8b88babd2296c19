/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/ltx/ltx_own.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/replica/wal/provenance.h"

enum { OCTAL = 8, DECIMAL = 10, MODES = 0777 };

void
ltx_own_write(const struct provenance *pv, char text[LTX_OWN_SIZE])
{
	int n = snprintf(text, LTX_OWN_SIZE,
	    "mode=%" PRIo32 " uid=%" PRIu32 " gid=%" PRIu32, pv->mode & MODES,
	    pv->uid, pv->gid);

	if (pv->has_dir)
		(void)snprintf(text + n, LTX_OWN_SIZE - (size_t)n,
		    " dir-mode=%" PRIo32 " dir-uid=%" PRIu32
		    " dir-gid=%" PRIu32,
		    pv->dir_mode & MODES, pv->dir_uid, pv->dir_gid);
}

/* "name=VALUE" and the blank behind it, or the end; *p moves on. */
static bool
field(const char **p, const char *name, unsigned base, uint32_t *value)
{
	size_t n = strlen(name);
	uint64_t v = 0;
	const char *s;

	if (strncmp(*p, name, n) != 0 || (*p)[n] != '=')
		return false;
	s = *p + n + 1;
	if (*s == '\0' || *s == ' ')
		return false;
	for (; *s != '\0' && *s != ' '; s++) {
		if (*s < '0' || *s >= '0' + (char)base)
			return false;
		v = v * base + (uint64_t)(*s - '0');
		if (v > UINT32_MAX)
			return false;
	}
	*value = (uint32_t)v;
	*p = s + (*s == ' ');
	return true;
}

bool
ltx_own_parse(struct provenance *pv, const char *text)
{
	struct provenance got = *pv;

	if (!field(&text, "mode", OCTAL, &got.mode) || got.mode > MODES ||
	    !field(&text, "uid", DECIMAL, &got.uid) ||
	    !field(&text, "gid", DECIMAL, &got.gid))
		return false;
	got.has_dir = *text != '\0';
	if (got.has_dir &&
	    (!field(&text, "dir-mode", OCTAL, &got.dir_mode) ||
		got.dir_mode > MODES ||
		!field(&text, "dir-uid", DECIMAL, &got.dir_uid) ||
		!field(&text, "dir-gid", DECIMAL, &got.dir_gid) ||
		*text != '\0'))
		return false;
	*pv = got;
	return true;
}
