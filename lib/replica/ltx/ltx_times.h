/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx_times -- when the files of a listing were captured, by their headers.
 *
 * That is one small read a file.  Where each is a round trip, several threads
 * do it, as far as there are places for them.
 */
#ifndef LSPP_REPLICA_LTX_TIMES_H
#define LSPP_REPLICA_LTX_TIMES_H

#include <stddef.h>

#include "lib/replica/ltx/ltx_plan.h"

struct crew;
struct err;
struct store;

/*
 * Sets captured_ns of each file.  One whose header is damaged is bad, and has
 * none (INT64_MAX).  0: none is; 1: e says what is wrong with the first one
 * that is; -1.
 */
int ltx_times(struct crew *crew, struct store *s, const char *db,
    enum ltx_levels how, struct ltx_file *v, size_t n, struct err *e);

#endif
