/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec -- this layout, as those see it who do not care which: codec/codec.h.
 *
 * A segment is a file of level 0 that brings one TXID, and stands at that.  A
 * snapshot is a file of level 9 from TXID 1 on, and stands at the one behind its
 * last, where what comes next goes.  A line begins with a segment of all pages
 * and is called by its TXID.  There are no owner's objects, and none that say
 * that a snapshot stands alone.
 *
 * Each file says by ltx_mark.h who wrote it.
 */
#ifndef LSPP_REPLICA_LTX_CODEC_H
#define LSPP_REPLICA_LTX_CODEC_H

#include "lib/replica/codec/codec.h"

extern const struct codec ltx_dir_codec;     /* where there are directories */
extern const struct codec ltx_flat_codec;    /* where there are none */
extern const struct codec_writer ltx_writer; /* their own: ltx_writer.c */

#endif
