/*
 * when -- moments as people write them.
 */
#ifndef LSPP_BASE_WHEN_H
#define LSPP_BASE_WHEN_H

#include <stdint.h>

struct err;

#define WHEN_SIZE 32

/*
 * ns since 1970 UTC of
 *	2026-11-24T02:18:31.5+01:00	RFC 3339; a time without an offset or
 *					Z could be anybody's and is refused
 *	@1795488467.25			seconds since 1970
 *	90s, 5m, 2h, 1d, 3w		so long before now; "ago" may follow
 * ERR_USAGE if it is none of these.
 */
int when_parse(const char *s, int64_t now_ns, int64_t *ns, struct err *e);

/*
 * "2026-11-24T01:18:31.500Z", rounded up, so that what happened at ns is not
 * after the text.  Returns out.
 */
const char *when_text(int64_t ns, char out[WHEN_SIZE]);

int64_t when_now(void);

#endif
