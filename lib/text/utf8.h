/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8 -- is it text?  Paths are bytes; what shows them asks.
 */
#ifndef LSPP_TEXT_UTF8_H
#define LSPP_TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the UTF-8 character at s (RFC 3629), 0 if there is none.  s
 * ends in NUL, which is one of length 1. */
size_t utf8_length(const char *s);

/*
 * What would steer a terminal becomes "?", in place: the control characters of
 * ASCII and U+0080 to U+009F, also as single bytes, which a terminal without
 * UTF-8 obeys.  With layout, tabs and newlines stay.
 */
void utf8_tame(char *s, bool layout);

#endif
