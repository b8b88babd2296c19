/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_proof -- is what lies in a file the database that was backed up?
 * Private to restore.
 *
 * Why it is so:
 *
 * The proof reads the file back, once all is written, rather than add up what
 * is handed to the kernel on the way.  That costs a sixth of the processor
 * time of a restore, and covers what is between the two: a page at the wrong
 * place, one that a later frame should have replaced, a hole.  XOR knows no
 * order, so idle places help, and the disk goes on writing meanwhile.  It sees
 * what the kernel holds, not what the disk does; for that there is the result
 * of the sync, before the name.
 */
#ifndef LSPP_RESTORE_RESTORE_PROOF_H
#define LSPP_RESTORE_RESTORE_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crew;
struct err;
struct provenance;

#define PROOF_BUF ((size_t)256 * 1024)

/*
 * Read fd back, 'size' bytes, through buf (PROOF_BUF bytes) and compare with
 * what pv says of the database: its size and its pagesum.  A large file is read
 * by as many threads as there are places for in crew, each with a buffer.
 */
int proof_sum(int fd, uint64_t size, const struct provenance *pv, uint8_t *buf,
    struct crew *crew, struct err *e);

/*
 * Have SQLite look through the file at path, which nobody else may be writing:
 * quick_check, or integrity_check if full.  Nothing is left beside it.
 */
int proof_sqlite(const char *path, bool full, struct err *e);

#endif
