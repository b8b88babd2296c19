/* SPDX-License-Identifier: Apache-2.0 */
/*
 * when -- moments as people write them.
 */
#ifndef LSPP_BASE_WHEN_H
#define LSPP_BASE_WHEN_H

#include <stdint.h>
#include <time.h>

struct err;

#define WHEN_SIZE       32
#define WHEN_LOCAL_SIZE 64

/* What when_text() tells is later than it was by less than this. */
#define WHEN_TOLD_NS INT64_C(1000000)

/*
 * ns since 1970 UTC of
 *	2026-11-24T02:18:31.5+01:00	RFC 3339
 *	2026-11-24 02:18		the same of the local zone (TZ); seconds
 *	yesterday 14:00			may follow, and T may stand for the
 *	today 02:18:31			blank
 *	@1795488467.25			seconds since 1970
 *	90s, 5m, 2h, 1d, 3w		so long before now; "ago" may follow
 * 1: of the local zone; 0: of no zone but its own; -1 ERR_USAGE: it is none of
 * these.
 */
int when_parse(const char *s, int64_t now_ns, int64_t *ns, struct err *e);

/*
 * "2026-11-24T01:18:31.500Z", rounded up, so that what happened at ns is not
 * after the text.  Returns out.
 */
const char *when_text(int64_t ns, char out[WHEN_SIZE]);

/* "2026-11-24 02:18:31 +0100 (CET)", the second that ns is in.  Returns out. */
const char *when_local(int64_t ns, char out[WHEN_LOCAL_SIZE]);

int64_t when_now(void);

/*
 * The time of a file, or the clock's, in ns since 1970.  Anybody may set a file's
 * to a year that no such number holds: what is beyond 2116, or as long before
 * 1970, is as of then, so that what is added to it still holds.
 */
int64_t when_ns(const struct timespec *ts);

#endif
