/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_resume -- is a target already what a restore would make of it?
 * Private to restore.
 */
#ifndef LSPP_RESTORE_RESTORE_RESUME_H
#define LSPP_RESTORE_RESTORE_RESUME_H

#include <stdint.h>

#include "lib/restore/restore.h"

/*
 * Read the regular file called name in dir as proof_sum() does, and compare it
 * with what the last object of p says of the database.  What is whole is made
 * durable, and p->until_ns when that was captured.
 */
int resume_look(int dir, const char *name, struct store *s, const char *db,
    struct restore_plan *p, uint8_t *buf, struct crew *crew,
    enum restore_there *there, struct err *e);

#endif
