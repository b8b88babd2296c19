/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rng -- random bytes for ids and salts, from the kernel.
 */
#ifndef LSPP_SYS_RNG_H
#define LSPP_SYS_RNG_H

#include <stddef.h>

struct err;

int rng_bytes(void *p, size_t n, struct err *e);

#endif
