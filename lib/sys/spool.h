/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool -- bytes written once in order and read back at any offset: in memory
 * up to a bound, beyond it in a file without a name.
 *
 * This is how memory stays bounded by the number of workers: whatever may be
 * as large as a database goes through a spool.  The file is made in dir and
 * is gone with the process, however that ends.
 *
 * One thread at a time.
 */
#ifndef LSPP_SYS_SPOOL_H
#define LSPP_SYS_SPOOL_H

#include <stdint.h>

#include "lib/base/buf.h"

struct err;

struct spool {
	const char *dir; /* borrowed: where the file goes when memory is full */
	size_t max;      /* bytes kept in memory */
	struct buf mem;
	int fd; /* -1 while all is in memory */
	uint64_t size;
};

/* dir must outlive the spool. */
void spool_init(struct spool *s, const char *dir, size_t max);
int spool_write(struct spool *s, const void *p, size_t n, struct err *e);
/* Read exactly n bytes at off; fewer there is ERR_BUG. */
int spool_read(struct spool *s, uint64_t off, void *p, size_t n, struct err *e);
/* Put n other bytes in place of those at off, which were all written. */
int spool_patch(
    struct spool *s, uint64_t off, const void *p, size_t n, struct err *e);
/* Empty it for reuse; the file is truncated, the memory kept. */
int spool_reset(struct spool *s, struct err *e);
/* Give everything back; takes a { .fd = -1 } or released spool. */
void spool_release(struct spool *s);

/* A descriptor of a new file without a name in dir, or -1. */
int spool_file(const char *dir, struct err *e);

#endif
