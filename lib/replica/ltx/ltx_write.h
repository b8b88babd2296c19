/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx_write -- pages to the bytes of one LTX file, in a spool.
 *
 *	ltx_write_begin
 *	ltx_write_page ...	ascending
 *	ltx_write_end		with the header, which may not be known before
 *
 * What it writes ltx_read.h describes; each page is in a block.  Of a file with
 * rolling checksums, that of the state it leads to is only known if the file
 * has all pages: so it is one from TXID 1 on.
 *
 * Memory is bounded: some 160 KiB, and what the page index, some 10 bytes a
 * page, has of it before it goes to a file.  One thread at a time.
 */
#ifndef LSPP_REPLICA_LTX_WRITE_H
#define LSPP_REPLICA_LTX_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/replica/ltx/ltx_header.h"

struct err;
struct spool;

struct ltx_write;
struct ltx_write *ltx_write_new(void);
void ltx_write_free(struct ltx_write *w); /* takes NULL */

/*
 * Into out, which is emptied and must outlive the end; the index may go to a
 * file in the same directory.  summed: with rolling checksums.
 */
int ltx_write_begin(struct ltx_write *w, struct spool *out, uint32_t page_size,
    bool summed, struct err *e);
/* The page of the lock, which no file has, is left out. */
int ltx_write_page(
    struct ltx_write *w, uint32_t pgno, const uint8_t *page, struct err *e);
/* How much the pages hold so far, uncompressed. */
uint64_t ltx_write_raw(const struct ltx_write *w);
/*
 * The file is whole.  h->summed and h->page_size are what begin() was told, and
 * are not looked at.  ERR_BUG: no reader would take it (ltx_header_parse()), or
 * a page is behind its end.
 */
int ltx_write_end(
    struct ltx_write *w, const struct ltx_header *h, struct err *e);
/* The pages of the file that was just ended, once more: another spool, which is
 * emptied, and another header. */
int ltx_write_again(struct ltx_write *w, struct spool *out,
    const struct ltx_header *h, struct err *e);

#endif
