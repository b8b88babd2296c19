/* SPDX-License-Identifier: Apache-2.0 */
/*
 * human -- quantities as people read them.
 */
#ifndef LSPP_TEXT_HUMAN_H
#define LSPP_TEXT_HUMAN_H

#include <stdint.h>

struct buf;

/* Each appends to out. */
void human_bytes(struct buf *out, double n);      /* "45.2 MiB" */
void human_duration(struct buf *out, uint64_t s); /* "1m20s", "3d04h" */

#endif
