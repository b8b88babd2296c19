/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_write -- objects as text (RFC 8259), one on a line.
 *
 * Begin, members, end; an object may hold further ones.  Names are plain ASCII
 * without quotes.  Texts are bytes of any kind: what is not UTF-8 becomes, byte
 * by byte, the escape \udc80 to \udcff, which valid text never holds, so that
 * nothing is lost (it is what Python calls surrogateescape).
 */
#ifndef LSPP_TEXT_JSON_WRITE_H
#define LSPP_TEXT_JSON_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

/* name is NULL for the outermost object. */
void json_begin(struct buf *b, const char *name);
void json_end(struct buf *b);

void json_text(struct buf *b, const char *name, const char *s); /* NULL: null */
void json_number(struct buf *b, const char *name, uint64_t v);
void json_bool(struct buf *b, const char *name, bool v);
void json_null(struct buf *b, const char *name);
/* ns since 1970 as "2026-11-24T02:18:31.123456789Z". */
void json_time(struct buf *b, const char *name, int64_t ns);

#endif
