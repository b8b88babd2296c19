/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8 -- is it text?  Paths are bytes; what shows them asks.
 */
#ifndef LSPP_TEXT_UTF8_H
#define LSPP_TEXT_UTF8_H

#include <stddef.h>

/* The length of the UTF-8 character at s (RFC 3629), 0 if there is none.  s
 * ends in NUL, which is one of length 1. */
size_t utf8_length(const char *s);

#endif
