/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf -- bytes that grow, and allocation that does not fail.
 *
 * { 0 } is an empty buf.  data[len] is always 0 once data is not NULL, so a
 * buf of text is a C string.  xmalloc and its kin end the process with status
 * 71 when memory is out: no other code has a branch for it.
 */
#ifndef LSPP_BASE_BUF_H
#define LSPP_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data;
	size_t len, cap;
};

void buf_add(struct buf *b, const void *src, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Make room for n more bytes behind len; returns where they go.  The caller
 * adds to len what it wrote. */
uint8_t *buf_room(struct buf *b, size_t n);
void buf_reset(struct buf *b);   /* len = 0, the memory is kept */
void buf_release(struct buf *b); /* memory given back; b is { 0 } again */
/* Of what is secret: overwritten first.  str_wipe() frees s, which may be NULL. */
void buf_wipe(struct buf *b);
void str_wipe(char *s);
/* The contents as a C string, never NULL; valid until the next change. */
const char *buf_str(const struct buf *b);

void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
